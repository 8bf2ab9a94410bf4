"""Messages of a queue to payloads for the journal: many short ones together, a poisonous one by itself.

A message that may stand as one line among others (`Codec.in_line`) shares a payload with its neighbours, which is what
makes a busy topic cheap; any other is a payload of its own. What the codec cannot take in at all becomes a refusal with
a reason, so that one bad message neither stops the stream nor takes a good one with it.
"""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from trackway.errors import PayloadError
from trackway.flow.origin import HEADER, Place, write_origin
from trackway.model.event import Reason
from trackway.plan.component import Codec, Payload

LARGEST = 8_000_000
"""Bytes from which on a shared payload is closed."""


class Message(NamedTuple):
    """One message as it was fetched."""

    stream: str
    """What its places are counted in, such as `orders/0`."""
    place: Place
    body: bytes
    time: int = 0
    """When it was put there, in milliseconds since 1970; 0 when the origin does not say."""
    schema: str = ""
    """That of the registry, for codecs that need it."""
    wrong: str = ""
    """Why no codec shall see it; empty when one shall."""


class Frame(NamedTuple):
    """What all payloads of one fetch share."""

    source: str
    name: str
    """Of the codec."""
    codec: Codec
    told: Mapping[str, str]


def payloads(
    source: str, name: str, codec: Codec, told: Mapping[str, str], messages: Iterable[Message]
) -> Iterator[Payload]:
    """The payloads of messages, each stream in its order. `told` is what the codec is told with every block."""
    frame = Frame(source, name, codec, told)
    for (stream, schema), members in groupby(messages, key=lambda message: (message.stream, message.schema)):
        for shared, some in groupby(members, key=lambda message: _shareable(codec, message)):
            if shared:
                yield from _together(frame, stream, schema, list(some))
            else:
                for message in some:
                    yield from _alone(frame, message)


def _shareable(codec: Codec, message: Message) -> bool:
    if message.wrong:
        return False
    if message.schema:
        return codec.in_line(message.body)
    body = message.body.rstrip(b"\r\n")
    return bool(body.strip()) and codec.in_line(body)


def _together(frame: Frame, stream: str, schema: str, messages: Sequence[Message]) -> Iterator[Payload]:
    """Shared payloads, closed when they are large."""
    begin = size = 0
    for end, message in enumerate(messages, 1):
        size += len(message.body)
        if size >= LARGEST or end == len(messages):
            part = messages[begin:end]
            body = frame.codec.join([one.body if schema else one.body.rstrip(b"\r\n") for one in part], schema)
            headers = {**frame.told, "lines": "true", HEADER: _origin(stream, part)}
            yield Payload(frame.source, frame.name, body, len(part), headers)
            begin, size = end, 0


def _alone(frame: Frame, message: Message) -> Iterator[Payload]:
    """One message as a payload, or as a refusal; nothing for one that holds a list without elements."""
    origin = {HEADER: _origin(message.stream, [message])}
    wrong, reason = message.wrong, Reason.UNREADABLE
    if not wrong and not message.body.strip().removeprefix(BOM_UTF8):
        wrong, reason = "a message without a value", Reason.NO_EVENT
    if not wrong:
        try:
            records = frame.codec.count(message.body, frame.told)
        except PayloadError as error:
            wrong = error.message
        else:
            if records:
                yield Payload(frame.source, frame.name, message.body, records, {**frame.told, **origin})
            return
    yield Payload(frame.source, "refused", message.body, 1, {**origin, "reason": reason.value, "detail": wrong})


def _origin(stream: str, messages: Sequence[Message]) -> str:
    return write_origin(stream, [one.place for one in messages], [one.time for one in messages])
