"""Syslog as Debian's logger sends it, and as the grammar allows it."""

import shutil
import socket
import subprocess
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackway.codecs.syslog import Syslog
from trackway.model.event import Block
from trackway.model.schema import Schema

LOGGER = shutil.which("logger")
SENDERS = {
    "udp-5424": (["--udp", "--rfc5424"], {}),
    "udp-3164": (["--udp", "--rfc3164"], {}),
    "tcp-lines": (["--tcp", "--rfc5424"], {}),
    "tcp-frames": (["--tcp", "--rfc5424", "--octet-count"], {"framing": "octets"}),
    "old-frames": (["--tcp", "--rfc3164", "--octet-count"], {"framing": "octets"}),
}


def decode(body: bytes, headers: dict[str, str] | None = None, received: float = 0) -> list[dict]:
    codec, headers = Syslog(), headers or {}
    records = codec.count(body, headers)
    table = codec.decode([Block(1, "s", int(received * 1e6), "syslog", body, records, headers)], Schema())
    table.validate(full=True)
    assert table["row"].to_pylist() == list(range(records))
    return table.to_pylist()


def sent(options: list[str]) -> bytes:
    """What logger sends to a socket on loopback."""
    if LOGGER is None:
        pytest.skip("logger is not installed (Debian: apt-get install bsdutils)")
    kind = socket.SOCK_DGRAM if "--udp" in options else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        if kind == socket.SOCK_STREAM:
            server.listen()
        port = str(server.getsockname()[1])
        words = ["-t", "shop", "-p", "local3.warning", "-i", "paid [17]: ok"]
        subprocess.run([LOGGER, "-n", "127.0.0.1", "-P", port, *options, *words], check=True)
        if kind == socket.SOCK_DGRAM:
            return server.recv(65536)
        connection, _ = server.accept()
        with connection:
            return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("name", SENDERS)
def test_what_logger_sends_is_read(name):
    options, headers = SENDERS[name]
    now = datetime.now(UTC)
    [row] = decode(sent(options), headers, now.timestamp())
    assert (row["level"], row["facility"], row["app"]) == ("warning", "local3", "shop")
    assert row["pid"].isdigit()
    assert row["message"] == "paid [17]: ok"
    assert row["host"]
    assert abs((row["time"] - now).total_seconds()) < 86_400
    if "5424" in name:
        assert row["data.timeQuality.tzKnown"] in ("0", "1")


@pytest.mark.parametrize(
    ("day", "year"), [("Dec 31", 2025), ("Jan  1", 2026), ("Jan  2", 2026), ("Jan  3", 2025), ("Feb 29", 2024)]
)
def test_a_time_without_its_year_is_the_latest_that_is_not_ahead(day, year):
    received = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
    [row] = decode(f"<13>{day} 11:00:00 host app: x".encode(), received=received)
    assert row["time"].year == year


PIECES = st.sampled_from(
    [b"<13>", b"1 ", b"- ", b"Oct 11 22:14:15 ", b"2003-10-11T22:14:15Z ", b"host ", b"app", b"[1]: ", b": ",
     b'[a b="c"]', b"[", b"]", b'"', b"\\", b"\n", b"\xff", b"12 ", b"x"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=25).map(b"".join), st.sampled_from([{}, {"framing": "octets"}]))
def test_any_bytes_are_events_or_refusals(body, headers):
    decode(body, headers)
