"""Objects in a bucket of Amazon S3, or of what speaks its protocol: MinIO, SeaweedFS, Ceph, R2.

    [sources.balancers]
    type = "s3"
    bucket = "shop-logs"
    prefix = "AWSLogs/"
    pattern = "*_elasticloadbalancing_*.log.gz"
    region = "eu-west-1"

    [sources.exports]
    type = "s3"
    bucket = "exports"
    endpoint = "https://minio-1:9000"
    access_key = "trackway"
    secret_key = { env = "MINIO_SECRET" }
    codec = "parquet"

Objects are read as source `file` reads files: packed or plain, their formats found by themselves. The bucket is listed
again and again, and each object that is new, or was written anew (it has another ETag), is read once, oldest first;
how far is kept in the transaction that keeps what was read of it, so that a restart goes on in the middle. Lines that
an object had before it was written anew are the same events. An object that cannot be read, or whose format cannot be
told, is told in the log and left out.

What is known of an object is kept for as long as the source: give sources prefixes of some hundred thousand objects,
not of many millions. The policy needs `s3:ListBucket` and `s3:GetObject`.
"""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import orjson
from pydantic import Field

from trackway.errors import SourceError, TrackwayError
from trackway.flow.aws import Account, code
from trackway.flow.filed import Filed
from trackway.flow.reading import Mark
from trackway.model.time import Duration
from trackway.plan.component import Finding, Keep, Progress

log = logging.getLogger(__name__)

AIR = 1.0
"""Seconds that waiting for the next look is silent."""
PART = 1 << 20
"""Bytes of an object that are fetched at once."""
ATTEMPTS = 5
"""How often an object is fetched on from where its connection broke."""
GONE = ("NoSuchKey", "404", "PreconditionFailed", "412", "InvalidObjectState")
"""Codes of an object that was deleted or written anew since it was listed, or lies in an archive."""


class Object(NamedTuple):
    """One object as it was listed."""

    key: str
    etag: str
    size: int
    changed: float
    """When it was written, in seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far an object was read."""

    etag: str
    mark: str = ""
    """As `flow.reading.Mark` is written; empty once all of it was read."""

    def as_text(self) -> str:
        """The cursor kept in the journal."""
        return orjson.dumps([self.etag, self.mark] if self.mark else [self.etag]).decode()

    @classmethod
    def of(cls, text: str) -> Place:
        """The place of a cursor."""
        return cls(*orjson.loads(text))


class S3(Account, Filed):
    """Reads objects."""

    bucket: str = Field(min_length=1)
    """Its name."""
    prefix: str = ""
    """How the keys of the objects begin."""
    pattern: str = "*"
    """What their keys look like after the prefix, such as `*.json.gz`; `*` also stands for slashes."""
    follow: bool = True
    """Go on for ever; `false` ends it once all that was there was read."""
    every: Duration = Duration("30s")
    """How long to wait between two looks at the bucket."""

    def read(self, name: str, keep: Keep, cursors: Mapping[str, str], stop: threading.Event) -> Iterator[Progress]:
        """Read all objects, then, when following, those that come. Raises SourceError when the bucket is gone."""
        places = {key: Place.of(text) for key, text in cursors.items()}
        done = 0
        with closing(Bucket(self)) as bucket:
            while not stop.is_set():
                waiting = [one for one in bucket.objects() if places.get(one.key) != Place(one.etag)]
                total = done + sum(one.size for one in waiting)
                for one in sorted(waiting, key=lambda one: (one.changed, one.key)):
                    for _ in self._taken(name, bucket, one, places.get(one.key), keep):
                        yield Progress(done, total)
                        if stop.is_set():
                            return
                    places[one.key] = Place(one.etag)
                    done += one.size
                if not self.follow:
                    return
                until = time.monotonic() + self.every.seconds
                yield Progress(done, total)
                while (left := until - time.monotonic()) > 0 and not stop.wait(min(left, AIR)):
                    yield Progress(done, total)

    def prove(self, name: str) -> Iterator[Finding]:
        """The objects there are, and what is in the newest. Raises TrackwayError when it cannot be read."""
        with closing(Bucket(self)) as bucket:
            there = list(bucket.objects())
            yield Finding("connect", f"bucket {self.bucket}")
            text = f"{len(there):,} {'object' if len(there) == 1 else 'objects'} under '{self.prefix}'"
            yield Finding("list", f"{text}, {sum(one.size for one in there):,} bytes")
            if not there:
                return
            newest = max(there, key=lambda one: (one.changed, one.key))
            with bucket.fetched(newest) as path:
                found = self.detected(path)
                packed = "" if found.compression == "none" else f", packed with {found.compression}"
                with closing(self.opened(path, found)) as reading:
                    piece = next(iter(reading.pieces(final=True)), None)
                seen = self.packed(name, self.called(newest), found, piece, {}) if piece is not None else []
            yield Finding("look", f"{newest.key}: {found.codec}{packed}", seen[0] if seen else None)

    def called(self, one: Object) -> str:
        """The name of an object, as the flow knows its records by."""
        return f"s3://{self.bucket}/{one.key}"

    def _taken(self, name: str, bucket: Bucket, one: Object, place: Place | None, keep: Keep) -> Iterator[None]:
        """One object into the journal, piece by piece, from where reading stopped."""
        try:
            with bucket.fetched(one) as path:
                found = self.detected(path)
                if not found.codec:
                    return
                reading = self.opened(path, found)
                try:
                    if place is not None and place.etag == one.etag and not reading.skim(Mark.of(place.mark)):
                        reading.close()
                        reading = self.opened(path, found)
                    for piece in reading.pieces(final=True):
                        upto = Place(one.etag, "" if piece.last else piece.mark.as_text())
                        keep(self.packed(name, self.called(one), found, piece, {one.key: upto.as_text()}))
                        yield
                finally:
                    reading.close()
        except SourceError:
            raise
        except TrackwayError as error:
            log.error("source=%s object=%s Cannot read this object: %s.", name, self.called(one), error)  # noqa: TRY400


class Bucket:
    """A bucket, its errors in words."""

    def __init__(self, source: S3) -> None:
        """Raises SourceError when no client can be made."""
        self._source = source
        self._client = source.client("s3")

    def objects(self) -> Iterator[Object]:
        """Those that are meant, in the order of their keys. Raises SourceError."""
        source, begin = self._source, len(self._source.prefix)
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=source.bucket, Prefix=source.prefix)
        with self._words():
            for page in pages:
                for one in page.get("Contents", ()):
                    if one["Size"] and fnmatchcase(one["Key"][begin:], source.pattern):
                        yield Object(one["Key"], one["ETag"], one["Size"], one["LastModified"].timestamp())

    @contextmanager
    def fetched(self, one: Object) -> Iterator[Path]:
        """An object as a file, for a while. Raises TrackwayError when it is gone, SourceError when the bucket is."""
        suffix = "".join(PurePosixPath(one.key).suffixes[-2:])[-40:]
        with tempfile.NamedTemporaryFile(suffix=suffix) as file:
            with self._words():
                self._fetch(one, file)
            file.flush()
            yield Path(file.name)

    def _fetch(self, one: Object, file: Any) -> None:
        """All bytes of an object as it was listed, through connections that break."""
        from botocore.exceptions import HTTPClientError, IncompleteReadError

        broken = (HTTPClientError, IncompleteReadError)
        for attempt in range(1, ATTEMPTS + 1):
            asked = {"Bucket": self._source.bucket, "Key": one.key, "IfMatch": one.etag}
            if file.tell():
                asked["Range"] = f"bytes={file.tell()}-"
            ignored = broken if attempt < ATTEMPTS else ()
            with suppress(*ignored), closing(self._client.get_object(**asked)["Body"]) as body:
                while data := body.read(PART):
                    file.write(data)
            if file.tell() >= one.size:
                return
        raise SourceError(
            f"of {self._source.called(one)} only {file.tell():,} of {one.size:,} bytes came", hint="it is tried again"
        )

    @contextmanager
    def _words(self) -> Iterator[None]:
        """Raises SourceError for what boto3 raises, and TrackwayError for an object that is gone."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except ClientError as error:
            if code(error) == "NoSuchBucket":
                raise SourceError(
                    f"there is no bucket '{self._source.bucket}'",
                    path="bucket",
                    hint="check bucket, region and endpoint",
                ) from error
            if code(error) in GONE:
                raise TrackwayError(f"it was deleted, written anew or archived: {error}") from error
            raise self._source.explained(error) from error
        except BotoCoreError as error:
            raise self._source.explained(error) from error

    def close(self) -> None:
        """Ends the connections."""
        self._client.close()
