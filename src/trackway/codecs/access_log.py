"""Access logs of Apache, nginx and all servers that write alike: any `LogFormat` or `log_format`.

    [sources.web]
    type = "file"
    paths = ["/var/log/nginx/access.log*"]
    codec = "access_log"    # or "auto", which knows the usual formats

    [sources.shop]
    type = "file"
    paths = ["/var/log/apache2/shop.log"]
    codec = "access_log"
    format = '%v %h %l %u %{%Y-%m-%d %H:%M:%S}t "%r" %>s %b %D "%{Referer}i" "%{User-Agent}i" %{X-Request-Id}o'

Common and combined, both also with the virtual host in front, are known by themselves, whatever follows the user
agent. Any other format is told as the server's own configuration says it: with `%` it is a `LogFormat` of Apache, with
`$` a `log_format` of nginx (`escape=json` and `escape=none` may stand in front). A format is compiled once, and all
run at the same speed.

Every line that has the shape of the format is one event `request` with the columns `ip user method path query
protocol status bytes referrer user_agent host duration …`; `-` is null. `path` is without the query, `query` without
its `?`, `duration` in seconds. Other headers become `request_headers.NAME` and `response_headers.NAME`, cookies
`cookies.NAME`; a variable of nginx that is none of these keeps its name. The visitor (`anonymous_id`) is the first 16
hex digits of md5(ip || ' ' || user_agent). Escapes are undone (`\\x22` of nginx, `\\"` of Apache). A request that is
not of the form `METHOD target` (a TLS handshake, a `-`) is still an event, without method and path; its text is in
`more`, as are the ident, whatever follows the last field, and a value that is not of its column's kind. A line of
another shape is refused as `unreadable`, one that is not UTF-8 as `encoding` (a file source can be told another).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

from trackway.flow.layout import CLF, REQUEST, Field, FormatError, Layout, Maybe, Piece, distinct
from trackway.flow.lines import LineCodec, share
from trackway.flow.web import APACHE, APACHE_TIMES, HEADERS, NGINX, PREFIXES, called, join_targets
from trackway.plan.component import Likeness

IDENT = Field("ident", aside=True, escape="none")
IP = Field(("ip", ""), "address", strict=True)
VISITED: tuple[Piece, ...] = (
    b" [", Field("time", "time", CLF), b'] "', Field(REQUEST, "request"), b'" ', Field("status", "status", strict=True),
    b" ", Field("bytes", "integer", strict=True), Maybe((b' "', Field("referrer"), b'" "', Field("user_agent"), b'"')),
    Maybe((b" ", Field("rest", aside=True, escape="none"))),
)  # fmt: skip
"""What follows the user of the formats common and combined."""
NAMED = {
    "combined": Layout((Field("ip", escape="none"), b" ", IDENT, b" ", Field("user"), *VISITED)),
    "vhost_port": Layout((Field("host"), b":", Field("port", "integer", strict=True), b" ", IP, b" ", IDENT, b" ",
                          Field("user"), *VISITED)),
    "vhost": Layout((Field("host"), b" ", IP, b" ", IDENT, b" ", Field("user"), *VISITED)),
    "second_host": Layout((IP, b" ", Field("host"), b" ", Field("user"), *VISITED)),
    "timed_host": Layout((Field("host"), b" ", IP, b" ", IDENT, b" ", Field("user"), b" [", Field("time", "time", CLF),
                          b"] (", Field("duration", "number", scale=0.001), b" ms) ", *VISITED[2:])),
}  # fmt: skip
"""Formats that lines are recognised as; `combined` is common too."""
NICKNAMES = {"common": "combined", "vhost_combined": "vhost_port", "vhost_common": "vhost", "combinedio": "combined"}
HOST_SECOND = re.compile(rb"\S+ (?:[\w-]+\.)+[A-Za-z][\w-]*(?::\d+)? ")
FORWARDED = "request_headers.x_forwarded_for"
DIRECTIVE = re.compile(r"%(?:!?\d{3}(?:,\d{3})*)?[<>]?(?:\{([^}]*)\})?(\^[A-Za-z]{2}|[A-Za-z%])")
VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


class AccessLog(LineCodec):
    """Lines of web servers to events."""

    def layouts(self, headers: Mapping[str, str]) -> Sequence[Layout]:
        """The format told or recognised; without one, common and combined."""
        return (compiled(headers.get("format", "combined")),)

    def what(self, headers: Mapping[str, str]) -> str:  # noqa: ARG002
        """What a line is not when it is refused."""
        return "not a line of an access log"

    def recognise(self, lines: Sequence[bytes]) -> Likeness | None:
        """Common or combined, with or without a host somewhere in front."""
        found = {name: share(lines, NAMED[name]) for name in ("vhost_port", "vhost", "timed_host", "combined")}
        name = max(found, key=lambda name: found[name])
        if name == "combined" and sum(bool(HOST_SECOND.match(line)) for line in lines) * 2 > len(lines):
            name = "second_host"
        return Likeness(found.get(name, found["combined"]), headers={"format": name})


@cache
def compiled(format_: str) -> Layout:
    """The layout of a format string. Raises FormatError for one that has no meaning."""
    name = NICKNAMES.get(format_, format_)
    if name in NAMED:
        return NAMED[name]
    text = re.sub(r"\A\s*(?:LogFormat|log_format\s+\S+)\s+", "", format_).strip().removesuffix(";").rstrip()
    escape = "c"
    if option := re.match(r"escape=(default|json|none)\s+", text):
        escape = option[1].replace("default", "c")
        text = text[option.end() :]
    if re.search(r"\$\{?[a-z]", text):
        if text[:1] == text[-1:] == "'":
            text = re.sub(r"'\s*'", "", text)[1:-1]
        return layout(_nginx(text, empty=escape != "c"), escape)
    if text[:1] == '"' and '\\"' in text:
        text = re.sub(r'"(?:\s+\w+)?\s*\Z', "", text[1:])
    return layout(_apache(text.replace('\\"', '"').replace("\\t", "\t")), "c")


def layout(pieces: Sequence[Piece], escape: str) -> Layout:
    """The layout of pieces. Raises FormatError when lines could not be told apart by it."""
    made = Layout(tuple(distinct(forwarded(pieces))), escape=escape)
    if not made.fields:
        raise FormatError("the format names no field", hint="such as '%h %l %u %t \"%r\" %>s %b'")
    return made


def forwarded(pieces: Sequence[Piece]) -> list[Piece]:
    """The pieces with a forwarded address as the visitor's when there is no other."""
    names = {name for piece in pieces if isinstance(piece, Field) for name in piece.names}
    if "ip" in names:
        return list(pieces)
    return [Field("ip") if isinstance(piece, Field) and piece.columns == FORWARDED else piece for piece in pieces]


def _apache(text: str) -> list[Piece]:
    pieces: list[Piece] = []
    at = 0
    for match in DIRECTIVE.finditer(text):
        pieces += [text[at : match.start()].encode(), *_directive(match[2], match[1])]
        at = match.end()
    return join_targets([*pieces, text[at:].encode()])


def _directive(letter: str, argument: str | None) -> list[Piece]:
    """The pieces of `%{argument}letter`."""
    if letter == "%":
        return [b"%"]
    if letter == "t":
        if argument is None:
            return [b"[", Field("time", "time", CLF), b"]"]
        format_ = re.sub(r"\A(?:begin|end):?", "", argument)
        return [Field("time", "time", APACHE_TIMES.get(format_, format_) or CLF)]
    if letter in "ioCen" and argument is not None:
        named = HEADERS.get(argument.lower()) if letter == "i" else None
        return [Field(named or f"{PREFIXES[letter]}.{argument.lower().replace('-', '_')}")]
    field = APACHE.get(f"{{{argument}}}{letter}" if argument else letter) or APACHE.get(letter)
    if field is None:
        raise FormatError(f"unknown '%{letter}' in the format", hint="see LogFormat in the manual of Apache")
    return [field]


def _nginx(text: str, *, empty: bool) -> list[Piece]:
    pieces: list[Piece] = []
    at = 0
    for match in VARIABLE.finditer(text):
        pieces += [text[at : match.start()].encode(), _variable(match[1] or match[2])]
        at = match.end()
    pieces = join_targets([*pieces, text[at:].encode()])
    return [piece.maybe_empty() if empty and isinstance(piece, Field) else piece for piece in pieces]


def _variable(name: str) -> Field:
    if name in NGINX:
        return NGINX[name]
    for start, prefix in (("http_", "request_headers"), ("sent_http_", "response_headers"), ("cookie_", "cookies"),
                          ("arg_", "args")):  # fmt: skip
        if name.startswith(start):
            rest = name.removeprefix(start)
            return Field(
                HEADERS.get(rest.replace("_", "-"), f"{prefix}.{rest}") if start == "http_" else f"{prefix}.{rest}"
            )
    return called(name)
