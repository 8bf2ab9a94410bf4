"""Access logs of the load balancers of AWS: Application, Classic and Network (TLS).

    [sources.balancer]
    type = "file"
    paths = ["AWSLogs/*/elasticloadbalancing/**/*.log.gz"]

A line is one event `request` with the columns of an access log: `ip` and `remote_port` of the client, `method host path
query protocol` of the request, `status`, `bytes` (sent), `bytes_received`, `user_agent`; and, under the names of the
documentation, `elb target target_status_code request_processing_time target_processing_time response_processing_time`
(seconds; -1 when there was no answer), `target_group_arn trace_id domain_name actions_executed error_reason …`. The
visitor is known by address and user agent. A line of a Network Load Balancer is an event `connection`. Fields that are
added to the end of the format some day stay in `more`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trackway.flow.layout import ISO, REQUEST_OF_HOST, Field, Layout, Maybe, Piece
from trackway.flow.lines import LineCodec, share
from trackway.flow.web import BYTES
from trackway.plan.component import Likeness

TYPES = ("http", "https", "h2", "grpcs", "ws", "wss")
CLIENT = Field(("ip", "remote_port"), "address", strict=True)
REST = Maybe((b" ", Field("rest", aside=True, escape="none")))


def spaced(*fields: Field) -> tuple[Piece, ...]:
    """Fields with a space between."""
    return tuple(piece for field in fields for piece in (b" ", field))[1:]


def quoted(*columns: str) -> tuple[Piece, ...]:
    """Texts that may be in quotes, each after a space."""
    return tuple(piece for column in columns for piece in (b" ", Field(column, quotes=True)))


BALANCED = spaced(
    Field("time", "time", ISO), Field("elb"), CLIENT, Field("target"), Field("request_processing_time", "number"),
    Field("target_processing_time", "number"), Field("response_processing_time", "number"), Field("status", "status"),
    Field("target_status_code", "status"), Field("bytes_received", "integer"), BYTES,
    Field(REQUEST_OF_HOST, "request", quotes=True),
)  # fmt: skip
SECURED = quoted("user_agent", "ssl_cipher", "ssl_protocol")
ROUTED = quoted("target_group_arn", "trace_id", "domain_name", "chosen_cert_arn", "matched_rule_priority")
REDIRECTED = quoted("actions_executed", "redirect_url", "error_reason")
LISTED = quoted("target_list", "target_status_code_list", "classification", "classification_reason")
APPLICATION = Layout(
    (Field("type"), b" ", *BALANCED, *SECURED, Maybe(ROUTED), Maybe((b" ", Field("request_creation_time"))),
     Maybe(REDIRECTED), Maybe(LISTED), Maybe(quoted("conn_trace_id")), REST),
)  # fmt: skip
CLASSIC = Layout((*BALANCED, Maybe(SECURED), REST))
NETWORK = Layout(
    (b"tls ", *spaced(
        Field("version"), Field("time", "time", ISO), Field("elb"), Field("listener"), CLIENT, Field("target"),
        Field("connection_time", "number", scale=1e-3), Field("tls_handshake_time", "number", scale=1e-3),
        Field("bytes_received", "integer"), BYTES, Field("incoming_tls_alert"), Field("chosen_cert_arn"),
        Field("chosen_cert_serial"), Field("ssl_cipher"), Field("ssl_protocol"), Field("tls_named_group"),
        Field("domain_name")), REST),
    event="connection",
)  # fmt: skip


class Elb(LineCodec):
    """Lines of load balancers to events."""

    def layouts(self, headers: Mapping[str, str]) -> Sequence[Layout]:  # noqa: ARG002
        """All three."""
        return APPLICATION, NETWORK, CLASSIC

    def recognise(self, lines: Sequence[bytes]) -> Likeness | None:
        """Lines of one of the three."""
        return Likeness(share(lines, APPLICATION, NETWORK, CLASSIC))
