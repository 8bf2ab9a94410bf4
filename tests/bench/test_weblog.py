"""A log is made longer without making two lines equal."""

from trackway.bench.weblog import write_log


def test_copies_of_a_line_are_later_and_from_other_addresses(tmp_path) -> None:
    source = tmp_path / "small.log"
    source.write_bytes(b'83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 7 "-" "X"\n')
    write_log(tmp_path / "big.log", 3, source)
    assert (tmp_path / "big.log").read_bytes().splitlines() == [
        b'83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 7 "-" "X"',
        b'83.150.9.216 - - [22/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 7 "-" "X"',
        b'83.151.9.216 - - [27/May/2015:10:05:03 +0000] "GET / HTTP/1.1" 200 7 "-" "X"',
    ]


def test_a_long_log_has_as_many_different_lines_as_lines(tmp_path) -> None:
    source = tmp_path / "small.log"
    source.write_bytes(
        b"".join(
            b'10.0.%d.1 - - [17/May/2015:10:05:%02d +0000] "GET / HTTP/1.1" 200 7 "-" "X"\n' % (n % 9, n % 60)
            for n in range(180)
        )
    )
    write_log(tmp_path / "big.log", 9_000, source)
    lines = (tmp_path / "big.log").read_bytes().splitlines()
    assert len(lines) == len(set(lines)) == 9_000
