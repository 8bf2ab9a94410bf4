"""Server access logs of S3: who asked for which object of a bucket.

    [sources.downloads]
    type = "file"
    paths = ["access-logs/*"]
    codec = "s3_access"    # or "auto"

A line is one event `request` with the columns of an access log (`ip user method path query protocol status bytes
referrer user_agent host duration`), and `bucket bucket_owner operation key error_code object_size request_id version_id
…` under the names of the documentation. `user` is the requester, times are seconds. What is done by S3 itself (a
lifecycle rule, a batch delete) has no request: its line is an event without method and path. Fields that are added to
the end of the format some day stay in `more`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from trackway.flow.layout import CLF, REQUEST, Field, Layout, Maybe, Piece
from trackway.flow.lines import LineCodec, share
from trackway.flow.web import BYTES
from trackway.plan.component import Likeness

LATER = ("version_id", "host_id", "signature_version", "ssl_cipher", "authentication_type", "host", "ssl_protocol",
         "access_point_arn", "acl_required", "source_region")  # fmt: skip
"""What was added after the first version of the format, in this order."""


def later(columns: Sequence[str]) -> tuple[Piece, ...]:
    """Fields of which a line may have only the first ones."""
    return tuple(Maybe((b" ", Field(column))) for column in columns)


S3 = Layout(
    (Field("bucket_owner"), b" ", Field("bucket"), b" [", Field("time", "time", CLF), b"] ",
     Field(("ip", ""), "address"), b" ", Field("user"), b" ", Field("request_id"), b" ", Field("operation"), b" ",
     Field("key"), b" ", Field(REQUEST, "request", quotes=True), b" ", Field("status", "status", strict=True), b" ",
     Field("error_code"), b" ", BYTES, b" ", Field("object_size", "integer"), b" ",
     Field("duration", "number", scale=1e-3), b" ", Field("turn_around_time", "number", scale=1e-3), b" ",
     Field("referrer", quotes=True), b" ", Field("user_agent", quotes=True), *later(LATER),
     Maybe((b" ", Field("rest", aside=True, escape="none")))),
)  # fmt: skip


class S3Access(LineCodec):
    """Lines of buckets to events."""

    def layouts(self, headers: Mapping[str, str]) -> Sequence[Layout]:  # noqa: ARG002
        """One for all versions."""
        return (S3,)

    def recognise(self, lines: Sequence[bytes]) -> Likeness | None:
        """Lines of the format."""
        return Likeness(share(lines, S3))
