"""The source `syslog`: what Debian's senders send over every wire arrives once, and slow or broken ones harm nobody."""

import socket
import ssl
import subprocess
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collecting import self_signed
from houses import House
from servers import send, served
from syslogging import free_port, listening, program, received, rsyslog, syslog_ng, tell, wait_until
from trackway.errors import ConfigError, StorageError
from trackway.flow.framing import Stream
from trackway.plan.config import check

TEXTS = [f"order {number} paid" for number in range(40)]


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path / "house")
    made.now = time.time_ns() // 1_000
    yield made
    made.close()


def messages(house):
    """The messages of the lake, in the order in which they came; none refused."""
    house.run()
    bins = house.bins("machines")
    assert bins.get("refused", 0) == 0, house.lake.sql("select * from refused").to_pylist()
    return [row["message"] for row in house.events("message", order='"block", "row"')]


def refusals(house):
    house.run()
    return house.lake.sql("select reason, raw from refused order by reason").to_pylist()


def sender(port, protocol="tcp"):
    if protocol == "udp":
        one = socket.socket(type=socket.SOCK_DGRAM)
        one.connect(("127.0.0.1", port))
        return one
    return socket.create_connection(("127.0.0.1", port), timeout=10)


# ── senders ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "options",
    [["--udp", "--rfc5424"], ["--udp", "--rfc3164"], ["--tcp", "--rfc5424"], ["--tcp", "--rfc3164", "--octet-count"],
     ["--tcp", "--rfc5424", "--octet-count"]],
    ids=" ".join,
)  # fmt: skip
def test_what_logger_sends_arrives(house, options):
    logger, port = program("logger", "apt-get install bsdutils"), free_port()
    with listening(house, port):
        command = [logger, "-n", "127.0.0.1", "-P", str(port), *options, "-t", "shop", "-p", "local3.warning"]
        subprocess.run(command, input="\n".join(TEXTS[:5]).encode(), check=True)
        wait_until(lambda: received(house) == 5)
    assert messages(house) == TEXTS[:5]
    assert {(row["app"], row["level"]) for row in house.events("app", "level")} == {("shop", "warning")}


RSYSLOG = {
    "udp": 'protocol="udp"',
    "lines": 'protocol="tcp"',
    "frames": 'protocol="tcp" TCP_Framing="octet-counted"',
    "frames of RFC 5424": 'protocol="tcp" TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format"',
    "compressed lines are not asked for": 'protocol="tcp" template="RSYSLOG_TraditionalForwardFormat"',
}


@pytest.mark.parametrize("name", RSYSLOG)
def test_what_rsyslog_forwards_arrives(house, tmp_path, name):
    port = free_port()
    action = f'*.* action(type="omfwd" target="127.0.0.1" port="{port}" {RSYSLOG[name]})'
    with listening(house, port), rsyslog(tmp_path, action) as inlet:
        tell(inlet, *TEXTS, "two\nlines")
        wait_until(lambda: received(house) >= len(TEXTS) + 1)
    found = [text for text in messages(house) if text in TEXTS]
    assert found == TEXTS


def secured(tmp_path):
    """Options of a source with TLS, and the certificate that senders should trust."""
    certificate = self_signed(tmp_path)
    return {"protocols": ["tls"], "certificate": str(certificate), "key": str(tmp_path / "key.pem")}, certificate


@pytest.mark.parametrize("driver", ["gtls", "ossl"])
def test_what_rsyslog_forwards_over_tls_arrives(house, tmp_path, driver):
    port, (options, certificate) = free_port(), secured(tmp_path)
    actions = [
        f'global(defaultNetstreamDriverCAFile="{certificate}")',
        f'*.* action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" StreamDriver="{driver}"',
        'StreamDriverMode="1" StreamDriverAuthMode="anon" action.resumeRetryCount="-1")',
    ]
    with listening(house, port, **options), rsyslog(tmp_path, *actions) as inlet:
        tell(inlet, *TEXTS)
        wait_until(lambda: received(house) >= len(TEXTS))
    assert messages(house) == TEXTS


@pytest.mark.parametrize(
    "destination",
    ['network("127.0.0.1" port(PORT) transport("tcp"));', 'network("127.0.0.1" port(PORT) transport("udp"));',
     'syslog("127.0.0.1" port(PORT) transport("tcp"));'],
    ids=["lines", "udp", "frames"],
)  # fmt: skip
def test_what_syslog_ng_forwards_arrives(house, tmp_path, destination):
    port = free_port()
    with listening(house, port), syslog_ng(tmp_path, destination.replace("PORT", str(port))) as inlet:
        tell(inlet, *TEXTS)
        wait_until(lambda: received(house) >= len(TEXTS))
    assert messages(house) == TEXTS


def test_what_syslog_ng_forwards_over_tls_arrives(house, tmp_path):
    port, (options, certificate) = free_port(), secured(tmp_path)
    peer = f'tls(ca-file("{certificate}") peer-verify(required-trusted))'
    with (
        listening(house, port, **options),
        syslog_ng(tmp_path, f'syslog("127.0.0.1" port({port}) transport("tls") {peer});') as inlet,
    ):
        tell(inlet, *TEXTS)
        wait_until(lambda: received(house) >= len(TEXTS))
    assert messages(house) == TEXTS


def test_a_sender_with_a_queue_on_disk_loses_nothing_while_we_stop_and_come_back(house, tmp_path):
    port, total = free_port(), 0
    action = (
        f'*.* action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" TCP_Framing="octet-counted" '
        'queue.type="linkedList" queue.filename="out" queue.maxDiskSpace="50m" queue.saveOnShutdown="on" '
        'action.resumeRetryCount="-1" action.resumeInterval="1")'
    )
    with rsyslog(tmp_path, action) as inlet:
        for _ in range(3):
            with listening(house, port):
                for _ in range(20):
                    tell(inlet, *[f"order {number} paid" for number in range(total, total + 50)])
                    total += 50
            tell(inlet, *[f"order {number} paid" for number in range(total, total + 50)])
            total += 50
        with listening(house, port):
            wait_until(lambda: received(house) >= total, 40)
    assert set(messages(house)) == {f"order {number} paid" for number in range(total)}


# ── wires ───────────────────────────────────────────────────────────────────────────────────────────


def test_lines_and_frames_may_take_turns_on_one_connection(house):
    port = free_port()
    with listening(house, port), sender(port) as one:
        one.sendall(b"<13>app: one\n18 <13>app: two\nlines<13>app: three\0<13>app: four\r\n")
        one.sendall(b"99 <13>app: fiv")
        one.shutdown(socket.SHUT_WR)
        wait_until(lambda: received(house) == 5)
    assert refusals(house) == [{"reason": "truncated", "raw": b"<13>app: fiv"}]
    found = [row["message"] for row in house.events("message", order='"block", "row"')]
    assert found == ["one", "two\nlines", "three", "four"]


@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_a_message_that_is_too_long_is_refused_by_itself(house, protocol):
    port = free_port()
    with listening(house, port, max_message="100B"), sender(port, protocol) as one:
        for text in (b"<13>app: before\n", b"<13>app: " + b"x" * 5_000 + b"\n", b"<13>app: after\n"):
            one.sendall(text)
        wait_until(lambda: received(house) == 3)
    [refused] = refusals(house)
    assert (refused["reason"], len(refused["raw"])) == ("too_large", 100)
    assert [row["message"] for row in house.events("message", order='"block", "row"')] == ["before", "after"]


def test_a_message_that_comes_byte_by_byte_is_one_message_and_keeps_nobody_waiting(house):
    port = free_port()
    with listening(house, port), sender(port) as slow, sender(port) as quick:
        for byte in b"<13>app: slow":
            slow.sendall(bytes([byte]))
            time.sleep(0.005)
        quick.sendall(b"<13>app: quick\n")
        wait_until(lambda: received(house) == 1)
        slow.sendall(b"\n")
        wait_until(lambda: received(house) == 2)
    assert messages(house) == ["quick", "slow"]


def test_half_a_message_of_a_sender_that_dies_is_refused(house):
    port = free_port()
    with listening(house, port), sender(port) as one:
        one.sendall(b"<13>app: whole\n<13>app: ha")
        wait_until(lambda: received(house) == 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        one.close()
        wait_until(lambda: received(house) == 2)
    assert refusals(house) == [{"reason": "truncated", "raw": b"<13>app: ha"}]


def test_further_connections_wait_until_one_ends(house):
    port = free_port()
    with listening(house, port, connections=1), sender(port) as first:
        first.sendall(b"<13>app: first\n")
        wait_until(lambda: received(house) == 1)
        with sender(port) as second:
            second.sendall(b"<13>app: second\n")
            time.sleep(0.3)
            assert received(house) == 1
            first.close()
            wait_until(lambda: received(house) == 2)
    assert messages(house) == ["first", "second"]


def test_while_nothing_can_be_kept_nothing_is_read_and_then_all_of_it(house):
    port = free_port()

    def full():
        raise StorageError("the disk is full")

    line = b"<13>app: " + b"x" * 1_000 + b"\n"
    with listening(house, port) as told, sender(port) as one:
        told.disk, sent = full, 0
        one.settimeout(0.5)
        with suppress(TimeoutError):
            while sent < 200_000:
                one.sendall(line)
                sent += 1
        told.disk = None
        one.close()
        wait_until(lambda: received(house) >= sent)
    assert sent < 40_000


def test_a_sender_without_tls_harms_nobody(house, tmp_path):
    port, (options, certificate) = free_port(), secured(tmp_path)
    with listening(house, port, **options):
        with sender(port) as plain:
            plain.sendall(b"<13>app: plain\n")
            with suppress(ConnectionError):
                assert not plain.recv(100).startswith(b"<")
        context = ssl.create_default_context(cafile=str(certificate))
        with context.wrap_socket(sender(port), server_hostname="localhost") as one:
            one.sendall(b"<13>app: secret\n")
            wait_until(lambda: received(house) == 1)
    assert messages(house) == ["secret"]


def test_only_who_shows_a_certificate_is_heard_when_senders_must(house, tmp_path):
    port, (options, certificate) = free_port(), secured(tmp_path)
    with listening(house, port, clients=str(certificate), **options):
        context = ssl.create_default_context(cafile=str(certificate))
        with context.wrap_socket(sender(port), server_hostname="localhost") as one:
            with suppress(BrokenPipeError):
                one.sendall(b"<13>app: stranger\n")
            with pytest.raises(OSError, match="certificate required"):
                one.recv(10)
        context.load_cert_chain(certificate, tmp_path / "key.pem")
        with context.wrap_socket(sender(port), server_hostname="localhost") as one:
            one.sendall(b"<13>app: friend\n")
            wait_until(lambda: received(house) == 1)
    assert messages(house) == ["friend"]


def test_datagrams_that_the_kernel_dropped_are_counted(house, monkeypatch):
    monkeypatch.setattr("trackway.flow.listening.BUFFER", 4_096)
    monkeypatch.setattr("trackway.flow.listening.MOST", 20_000)
    port, gate = free_port(), []

    def closed():
        while not gate:
            time.sleep(0.01)

    with listening(house, port) as told, sender(port, "udp") as one:
        told.disk = closed
        for number in range(400):
            one.send(b"<13>app: %d " % number + b"x" * 500)
            time.sleep(0.0002)
        gate.append(True)
        wait_until(lambda: received(house) > 20)
        time.sleep(0.3)
        one.send(b"<13>app: last")
        wait_until(lambda: any(b"last" in payload.body for payload in told.kept))
    lost = int(house.journal.cursors("machines")["udp_dropped"])
    assert lost > 0
    assert received(house) + lost == 401


# ── what is in them ─────────────────────────────────────────────────────────────────────────────────


def test_messages_may_be_of_another_kind_of_lines(house):
    port = free_port()
    line = '1.2.3.4 - ann [22/Nov/2026:12:00:00 +0000] "GET /shop HTTP/1.1" 200 5 "-" "curl/8"'
    with listening(house, port, codec="access_log"), sender(port, "udp") as one:
        for head in ("<190>Nov 22 12:00:00 web nginx: ", "<190>1 2026-11-22T12:00:00Z web nginx 7 - - ", ""):
            one.send((head + line).encode())
        wait_until(lambda: received(house) == 3)
    house.run()
    assert {(row["path"], row["user"]) for row in house.events("path", '"user"')} == {("/shop", "ann")}
    assert house.bins("machines")["stored"] == 3


def test_the_access_log_that_nginx_sends_is_read_as_one(house, tmp_path):
    port, web = free_port(), free_port()
    binary = program("nginx", "apt-get install nginx-light")
    temporary = "".join(
        f"{kind}_temp_path {tmp_path};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"user root; daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}}\n"
        f"http {{ {temporary} access_log syslog:server=127.0.0.1:{port} combined;\n"
        f" server {{ listen 127.0.0.1:{web}; root {tmp_path}; }} }}\n"
    )
    with (
        listening(house, port, codec="access_log"),
        served([binary, "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "error.log")], web),
    ):
        for number in range(3):
            send(web, b"GET /shop?page=%d HTTP/1.0\r\nUser-Agent: curl/8\r\n\r\n" % number)
        wait_until(lambda: received(house) >= 3)
    house.run()
    rows = house.events("path", "query", "status", "user_agent", order="query")
    assert [(row["path"], row["query"], row["status"]) for row in rows if row["user_agent"]] == [
        ("/shop", f"page={number}", 404) for number in range(3)
    ]


def test_json_may_come_as_lines(house):
    port = free_port()
    with listening(house, port, codec="json"), sender(port) as one:
        one.sendall(b'{"event": "Paid", "user_id": "ann", "time": "2026-11-22T12:00:00Z"}\nnonsense\n')
        wait_until(lambda: received(house) == 2)
    house.run()
    assert [row["actor"] for row in house.events("actor")] == ["ann"]
    assert house.bins("machines")["refused"] == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"listen": "5514"}, "expected an address such as 127.0.0.1:5514"),
        ({"protocols": ["tpc"]}, "unknown protocol 'tpc'"),
        ({"protocols": ["tcp", "tls"]}, "a port each"),
        ({"protocols": ["tls"]}, "needs a certificate"),
        ({"codec": "parquet"}, "no codec 'parquet' of lines"),
    ],
)
def test_what_cannot_be_meant_is_said(tmp_path, options, says):
    with pytest.raises(ConfigError, match=says):
        check({"sources": {"machines": {"type": "syslog", **options}}}, tmp_path)


PIECES = st.sampled_from(
    [b"<13>x", b"5 <13>x", b"12 <1>\nabc", b"\n", b"\0", b"\r\n", b"9", b"99999999 <", b" ", b"7 {", b"x" * 30]
)


@given(st.lists(PIECES, max_size=12), st.randoms(use_true_random=False), st.integers(5, 40))
def test_however_a_stream_is_cut_it_says_the_same(pieces, dice, limit):
    data = b"".join(pieces)
    whole = said(Stream(limit), [data])
    cuts = sorted(dice.randrange(len(data) + 1) for _ in range(6))
    assert said(Stream(limit), [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]) == whole


def said(stream, pieces):
    """All messages of a stream, and all that was refused, in a form in which the cutting does not show."""
    heard = [*map(stream.feed, pieces), stream.end()]
    texts = []
    for one in heard:
        if not one.framed:
            texts += [line.rstrip(b"\r") for line in one.body.split(b"\n") if line.rstrip(b"\r")]
            continue
        rest = one.body
        while rest:
            size, _, rest = rest.partition(b" ")
            texts.append(rest[: int(size)])
            rest = rest[int(size) + 1 :]
    return [text for text in texts if text], [reason for one in heard for _, reason, _ in one.bad]
