"""A log is made busier without making two lines equal."""

from trackway.bench.weblog import write_log


def test_every_line_is_followed_by_its_copies_from_other_addresses(tmp_path) -> None:
    source = tmp_path / "small.log"
    source.write_bytes(
        b'83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 7 "-" "X"\n'
        b'10.255.0.1 - - [17/May/2015:10:05:04 +0000] "GET /a HTTP/1.1" 200 7 "-" "X"\n'
    )
    write_log(tmp_path / "big.log", 5, source)
    assert (tmp_path / "big.log").read_bytes().splitlines() == [
        b'83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 7 "-" "X"',
        b'83.150.9.216 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 7 "-" "X"',
        b'83.151.9.216 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 7 "-" "X"',
        b'10.255.0.1 - - [17/May/2015:10:05:04 +0000] "GET /a HTTP/1.1" 200 7 "-" "X"',
        b'10.0.0.1 - - [17/May/2015:10:05:04 +0000] "GET /a HTTP/1.1" 200 7 "-" "X"',
    ]


def test_without_a_log_one_is_made_up_and_grows_to_as_many_different_lines(tmp_path) -> None:
    write_log(tmp_path / "big.log", 15_000, None)
    lines = (tmp_path / "big.log").read_bytes().splitlines()
    assert len(lines) == 15_000
    assert len(set(lines)) > 14_990
