"""Tables of PostgreSQL: every change exactly once, by a real server, through kills, restarts and slow transactions."""

import json
import threading
import time

import pytest

from brokers import postgres as served
from brokers import until
from pulling import Puller, exactly_once_through_kills, persistently
from trackway.app import Workspace
from trackway.errors import ConfigError, SourceError
from trackway.model.secret import Secret
from trackway.plan.config import component

psycopg = pytest.importorskip("psycopg")

TABLE = """
create table orders (
  id bigint generated always as identity primary key, customer text, total numeric(9, 2), tags jsonb,
  changed timestamptz not null default now());
create index on orders (changed, id);
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    made = served(tmp_path_factory.mktemp("postgres"))
    yield made
    made.stop()


def connect(server):
    until("the server", lambda: ready(server))
    return psycopg.connect(address(server), password="secret", autocommit=True)


def ready(server):
    try:
        psycopg.connect(address(server), password="secret").close()
    except psycopg.OperationalError:
        return False
    return True


def address(server):
    return f"postgresql://shop@127.0.0.1:{server.port}/postgres"


@pytest.fixture
def db(server):
    with connect(server) as db:
        db.execute("drop schema public cascade; create schema public")
        db.execute(TABLE)
        yield db


def options(server, **others):
    given = {"password": "$PG_PASSWORD", "table": "orders", "cursor": "changed", "follow": False, "settle": "100ms"}
    return {"type": "postgres", "address": address(server), **given, **others}


class Shop(Puller):
    """A puller of orders."""

    def configure(self, **given):
        super().configure(**given)
        with (self.root / "trackway.toml").open("a") as file:
            file.write('[sources.orders.columns]\nuser_id = "customer"\n')


@pytest.fixture
def orders(server, db, tmp_path, monkeypatch):
    monkeypatch.setenv("PG_PASSWORD", "secret")
    return Shop(tmp_path, **options(server))


def test_every_row_and_every_change_of_it_is_one_event(db, orders):
    db.execute(
        "insert into orders (customer, total, tags) select 'c' || n, n, '{\"a\": 1}' from generate_series(1, 300) n"
    )
    orders.pull()
    orders.pull()
    assert orders.bins() == {"received": 300, "stored": 300}
    db.execute("update orders set total = 0, changed = now() where id <= 10")
    db.execute("insert into orders (customer) values (null), ('x')")
    orders.pull()
    assert orders.bins() == {"received": 312, "stored": 311, "refused": 1}
    [row] = orders.rows('select event, user_id, total, id, "tags.a" as a from events where id = 7 and total > 0')
    assert row == {"event": "orders", "user_id": "c7", "total": 7.0, "id": 7.0, "a": 1.0}


def test_it_happened_when_the_cursor_says_to_the_microsecond(db, orders):
    db.execute("insert into orders (customer, changed) values ('ann', '2026-05-17 10:05:03.123456+02')")
    orders.pull()
    assert orders.rows("select epoch_us(time) as time from events") == [{"time": 1_779_005_103_123_456}]


def test_rows_of_the_same_cursor_are_told_apart_by_their_key(server, db, orders):
    db.execute("insert into orders (customer, changed) select 'c', '2026-01-01' from generate_series(1, 2500)")
    orders.configure(**options(server, rate="1000/s"))
    orders.pull()
    assert orders.bins() == {"received": 2500, "stored": 2500}


def test_a_serial_number_is_a_cursor_and_an_event_has_a_name(server, db, orders):
    orders.configure(**options(server, cursor="id", event="Order Placed"))
    db.execute("insert into orders (customer) values ('ann'), ('bob')")
    orders.pull()
    assert orders.rows("select distinct event from events") == [{"event": "Order Placed"}]
    assert orders.bins() == {"received": 2, "stored": 2}


@pytest.mark.parametrize("cursor", ["changed", "id"])
def test_a_slow_transaction_with_earlier_rows_loses_none(server, db, cursor, monkeypatch):
    """One begins first and ends last: what it wrote stands before what others wrote and ended meanwhile."""
    given = options(server, cursor=cursor, password=Secret("secret"), follow=True, every="50ms")
    source, kept, stop = component("sources", given, "sources.o"), [], threading.Event()
    reading = threading.Thread(target=lambda: list(source.read("orders", kept.extend, {}, stop)))
    with psycopg.connect(address(server), password="secret") as slow:
        slow.execute("insert into orders (customer) values ('slow')")
        db.execute("insert into orders (customer) values ('quick')")
        reading.start()
        time.sleep(1.0)
        assert kept == []
        slow.commit()
    try:
        until("both", lambda: sum(payload.records for payload in kept) == 2)
    finally:
        stop.set()
        reading.join(10)
    lines = [json.loads(line) for payload in kept for line in payload.body.splitlines()]
    assert [line["customer"] for line in lines] == ["slow", "quick"]


def test_a_trial_shows_one_row_and_tells_what_is_slow(server, db, orders):
    db.execute("insert into orders (customer) values ('ann')")
    connected, listed, index, looked = orders.proofs()
    assert "PostgreSQL 1" in connected["text"]
    assert listed["text"] == "table orders: 5 columns, ordered by changed, id"
    assert index["text"] == "an index begins with changed"
    assert looked["columns"]["user_id"] == "ann"
    db.execute("drop index orders_changed_id_idx")
    assert "reads the whole table" in orders.proofs()[2]["text"]
    assert orders.asked(lambda workspace: workspace.ledger()[0].received) == 0


@pytest.mark.parametrize(
    ("others", "said", "hint"),
    [
        ({"table": "odrers"}, "no table 'odrers'", "did you mean 'orders'"),
        ({"table": "recent"}, "is no table", "view"),
        ({"cursor": "chagned"}, "no column 'chagned'", "did you mean 'changed'"),
        ({"table": "keyless", "cursor": "at"}, "no primary key", "key ="),
        ({"table": "secrets", "cursor": "id", "address": "reader"}, "not allowed", "grant select"),
        ({"password": Secret("wrong")}, "does not let us in", "password"),
        ({"address": "nowhere"}, "does not exist", "behind the last /"),
        ({"address": "postgresql://shop@127.0.0.1:1/postgres"}, "cannot reach 127.0.0.1:1/postgres", "address"),
    ],
)
def test_a_trial_tells_what_is_wrong_and_how_to_mend_it(server, db, others, said, hint):
    db.execute("create view recent as select * from orders; create table keyless (at int)")
    db.execute("create table secrets (id int primary key)")
    db.execute("do $$ begin create role reader login password 'secret'; exception when duplicate_object then end $$")
    db.execute("grant usage on schema public to reader")
    places = {
        "reader": address(server).replace("shop@", "reader@"),
        "nowhere": address(server).replace("/postgres", "/nowhere"),
    }
    others = {
        **others,
        **({"address": places.get(others["address"], others["address"])} if "address" in others else {}),
    }
    given = options(server, **{"password": Secret("secret"), **others})
    with pytest.raises(SourceError, match=said) as raised:
        list(component("sources", given, "sources.o").prove("orders"))
    assert hint in raised.value.hint
    assert "secret" not in str(raised.value).replace("secrets", "")


def test_a_password_stands_neither_in_the_file_nor_in_the_address(server):
    for others in (
        {"password": "secret"},
        {"address": "postgresql://shop:secret@127.0.0.1/x", "password": Secret("s")},
    ):
        with pytest.raises(ConfigError, match="env"):
            component("sources", options(server, **others), "sources.o")


@pytest.mark.long
def test_exactly_once_through_kills_of_the_flow_and_restarts_of_the_server(tmp_path, monkeypatch):
    monkeypatch.setenv("PG_PASSWORD", "secret")
    server = served(tmp_path)
    db = connect(server)
    db.execute(TABLE.replace("customer text", "customer text, n int unique"))
    puller = Shop(tmp_path, **options(server, follow=True, every="100ms"))

    def again():
        nonlocal db
        db = connect(server)

    def produce(n):
        insert = "insert into orders (customer, n) values (%s, %s) on conflict do nothing"
        persistently(lambda: db.execute(insert, (f"u{n % 9}", n)), psycopg.OperationalError, again)

    def disturb():
        server.kill()
        server.start()

    try:
        exactly_once_through_kills(puller, produce, total=3_000, kills=8, disturb=disturb)
    finally:
        db.close()
        server.stop()


def test_a_server_that_restarts_is_found_again(tmp_path, monkeypatch):
    monkeypatch.setenv("PG_PASSWORD", "secret")
    server = served(tmp_path)
    with connect(server) as db:
        db.execute(TABLE)
        db.execute("insert into orders (customer) values ('ann')")
    puller = Shop(tmp_path, **options(server, follow=True, every="100ms"))
    workspace, stop = Workspace.open(tmp_path), threading.Event()
    reading = threading.Thread(target=workspace.intakes()["orders"].run, args=(stop,))
    reading.start()
    try:
        until("the first", lambda: workspace.ledger()[0].received == 1)
        server.kill()
        until("the fault to show", lambda: puller.health()["state"] == "failing")
        server.start()
        with connect(server) as db:
            db.execute("insert into orders (customer) values ('bob')")
        until("the second", lambda: workspace.ledger()[0].received == 2)
        until("good health", lambda: puller.health()["state"] == "reading")
    finally:
        stop.set()
        reading.join(10)
        workspace.close()
        server.stop()
