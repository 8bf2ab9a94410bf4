"""Listening for what senders say of themselves, over UDP, TCP or TLS, and gathering it until it is durable.

Senders of messages get no answer, so what can be done for them is this: not to read more than can be kept (TCP then
makes them wait), and, when stopping, to end only our side and read on until they have ended theirs, so that nothing
is lost that was on its way. The sockets live in a thread of their own; whoever keeps takes from `Gathering`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from trackway.errors import StorageError, WorkspaceError
from trackway.flow.framing import Heard, Stream, written
from trackway.model.event import Reason
from trackway.plan.component import Progress

log = logging.getLogger(__name__)

READ = 256 << 10
"""Bytes read from a connection at once."""
ENOUGH, MOST = 1 << 20, 8 << 20
"""Bytes that are kept at once rather than waiting for more, and those waiting from which on nothing is read."""
GATHER = 0.05
"""Seconds that messages wait for others to be kept together with them."""
LOOK = 0.2
"""Seconds between looks at whether to stop."""
RETRY, LONGEST_RETRY = 0.5, 10.0
"""Seconds before a group that could not be kept is tried again, at first and at most."""
GRACE = 3.0
"""Seconds that senders have at the end to close their side."""
DATAGRAMS = 512
"""Datagrams taken at once."""
BUFFER = 16 << 20
"""Bytes of datagrams that the kernel is asked to hold for us."""
RXQ_OVFL, RCVBUFFORCE = 40, 33
"""Linux: SO_RXQ_OVFL, how many datagrams a socket had to drop; SO_RCVBUFFORCE, a larger buffer for who may."""


@dataclass
class Gathering:
    """What was heard and is not kept yet, by the address it came from; filled by one loop, emptied by one thread."""

    heard: list[tuple[str, Heard]] = field(default_factory=list)
    size: int = 0
    """Bytes that are not durable yet, those that are just being kept included."""
    taken: int = 0
    dropped: int = 0
    """Datagrams that the kernel had no room for."""
    ended: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def put(self, peer: str, heard: Heard) -> None:
        """Add what a sender said."""
        if heard.body or heard.bad:
            with self._changed:
                self.heard.append((peer, heard))
                self.size += len(heard.body) + sum(len(raw) for raw, _, _ in heard.bad)
                self._changed.notify()

    @property
    def full(self) -> bool:
        """Whether nothing more should be read for now."""
        return self.size >= MOST

    def take(self, seconds: float) -> list[tuple[str, Heard]]:
        """What was heard so far, a moment after the first of it; empty when that long nothing came."""
        with self._changed:
            self.size -= self.taken
            self.taken = 0
            self._changed.wait_for(lambda: self.heard or self.ended, seconds)
            self._changed.wait_for(lambda: self.ended or self.size >= ENOUGH, GATHER if self.heard else 0)
            group, self.heard, self.taken = self.heard, [], self.size
            return group

    def end(self) -> None:
        """Nothing will be put any more."""
        with self._changed:
            self.ended = True
            self._changed.notify()


@dataclass(frozen=True)
class Place:
    """Where to listen, and how much to bear."""

    host: str
    port: int
    protocols: frozenset[str]
    """Of `udp`, `tcp` and `tls`."""
    limit: int
    """The longest message."""
    connections: int
    """Most at a time; further ones wait to be accepted."""
    tls: ssl.SSLContext | None = None


class Listener:
    """Sockets in a thread of their own, from `open` to `close`."""

    def __init__(self, place: Place) -> None:
        """Binds them. Raises WorkspaceError for an address that cannot be had."""
        self._place = place
        self.gathered = Gathering()
        self._sockets: dict[str, socket.socket] = {}
        self._room: list[asyncio.Future[None]] = []
        self._open: dict[asyncio.Task[None], socket.socket] = {}
        self._loop = asyncio.new_event_loop()
        try:
            for protocol in sorted(place.protocols):
                self._sockets[protocol] = bound(place, protocol)
        except (OSError, OverflowError) as error:
            self._close()
            said = getattr(error, "strerror", None) or str(error)
            raise WorkspaceError(f"cannot listen on {place.host}:{place.port}: {said}", path="listen") from error
        self._stopping: asyncio.Event = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name=f"listener {place.port}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Accept nothing more and let senders finish; the end of what is gathered tells when that is done."""
        if not self._loop.is_closed():
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stopping.set)

    def relieved(self) -> None:
        """Something was kept: read on."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._wake)

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()
            self._close()
            self.gathered.end()

    def _close(self) -> None:
        for one in self._sockets.values():
            one.close()

    async def _serve(self) -> None:
        work = [
            asyncio.ensure_future(self._datagrams(one) if protocol == "udp" else self._accept(one, protocol))
            for protocol, one in self._sockets.items()
        ]
        await self._stopping.wait()
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        await self._last(GRACE)

    async def _last(self, grace: float) -> None:
        """Take what arrived already; end our side of every connection and read on until the others end theirs."""
        for protocol, one in self._sockets.items():
            if protocol == "udp":
                while self._datagrams_of(one):
                    continue
            else:
                with suppress(OSError):
                    while True:
                        self._begin(*one.accept(), protocol)
            one.close()
        for connection in self._open.values():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
        if self._open:
            _, late = await asyncio.wait(self._open, timeout=grace)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    # ── connections ─────────────────────────────────────────────────────────────────────────────────

    async def _accept(self, listener: socket.socket, protocol: str) -> None:
        while True:
            if len(self._open) >= self._place.connections:
                log.warning("port %d: %d connections, others wait", self._place.port, len(self._open))
                await asyncio.wait(self._open, return_when=asyncio.FIRST_COMPLETED)
                continue
            try:
                self._begin(*await self._loop.sock_accept(listener), protocol)
            except OSError as error:
                log.warning("port %d: cannot accept a connection: %s", self._place.port, error)
                await asyncio.sleep(1)

    def _begin(self, connection: socket.socket, address: Any, protocol: str) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        task = self._loop.create_task(self._listen(connection, str(address[0]), protocol))
        self._open[task] = connection
        task.add_done_callback(lambda done: self._open.pop(done, None))

    async def _listen(self, connection: socket.socket, peer: str, protocol: str) -> None:
        """One connection to its end."""
        stream, broken = Stream(self._place.limit), True
        tunnel = Tunnel(self._place.tls) if protocol == "tls" and self._place.tls else None
        try:
            while data := await self._loop.sock_recv(connection, READ):
                if tunnel is not None:
                    data, answer = tunnel.feed(data)
                    if answer:
                        await self._loop.sock_sendall(connection, answer)
                self.gathered.put(peer, stream.feed(data))
                await self._when_room()
            broken = False
        except OSError as error:
            log.warning("connection from %s broke: %s", peer, error)
            if tunnel is not None:
                with suppress(OSError):
                    await self._loop.sock_sendall(connection, tunnel.last())
        finally:
            self.gathered.put(peer, stream.end(broken=broken))
            connection.close()

    async def _when_room(self) -> None:
        while self.gathered.full:
            waiter = self._loop.create_future()
            self._room.append(waiter)
            await waiter

    def _wake(self) -> None:
        waiting, self._room = self._room, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    # ── datagrams ───────────────────────────────────────────────────────────────────────────────────

    async def _datagrams(self, one: socket.socket) -> None:
        while True:
            if not self._datagrams_of(one):
                ready = self._loop.create_future()
                self._loop.add_reader(one, _resolve, ready)
                try:
                    await ready
                finally:
                    self._loop.remove_reader(one)
            await self._when_room()
            await asyncio.sleep(0)

    def _datagrams_of(self, one: socket.socket) -> bool:
        """Take the next datagrams; whether there were any."""
        by_peer: dict[str, list[bytes]] = {}
        with suppress(BlockingIOError):
            for _ in range(DATAGRAMS):
                data, beside, _, address = one.recvmsg(65_536, 64)
                by_peer.setdefault(str(address[0]), []).append(data.strip(b"\r\n\0"))
                for level, kind, value in beside:
                    if (level, kind) == (socket.SOL_SOCKET, RXQ_OVFL):
                        self._lost(struct.unpack("I", value[:4])[0])
        for peer, texts in by_peer.items():
            limit = self._place.limit
            why = (Reason.TOO_LARGE, f"a message of more than {limit:,} bytes")
            bad = [(text[:limit], *why) for text in texts if len(text) > limit]
            self.gathered.put(peer, written([text for text in texts if 0 < len(text) <= limit], bad))
        return bool(by_peer)

    def _lost(self, total: int) -> None:
        if total > self.gathered.dropped:
            log.warning("port %d: %d datagrams came faster than they were read", self._place.port, total)
            self.gathered.dropped = total


def _resolve(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def bound(place: Place, protocol: str) -> socket.socket:
    """A socket on an address. Raises OSError."""
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    family, kind, number, _, address = socket.getaddrinfo(place.host, place.port, type=kind)[0]
    made = socket.socket(family, kind, number)
    try:
        if protocol == "udp":
            made.setsockopt(socket.SOL_SOCKET, RXQ_OVFL, 1)
            try:
                made.setsockopt(socket.SOL_SOCKET, RCVBUFFORCE, BUFFER)
            except PermissionError:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        else:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        if protocol != "udp":
            made.listen(1_024)
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made


class Tunnel:
    """The TLS of one connection, apart from its socket: so the socket can end its side and still be read."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_side=True)
        self._shaken = False

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """What was said, and what must be answered. Raises SSLError for anything that is not TLS."""
        self._in.write(data)
        said: list[bytes] = []
        with suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            if not self._shaken:
                self._tls.do_handshake()
                self._shaken = True
            while piece := self._tls.read(READ):
                said.append(piece)
        return b"".join(said), self._out.read()

    def last(self) -> bytes:
        """What is still to be answered, such as why it cannot go on."""
        return self._out.read()


def server_context(certificate: str, key: str, clients: str = "") -> ssl.SSLContext:
    """TLS with a certificate; with the authority of `clients`, only for those who show one of its certificates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if clients:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def listen(
    place: Place, keep: Callable[[list[tuple[str, Heard]], int], None], stop: threading.Event
) -> Iterator[Progress]:
    """Listen until told to stop, then until senders have ended; `keep` gets what was heard, group by group, and how
    many datagrams were lost so far. Yields the bytes kept.

    While a group cannot be kept nothing more is read, and it is tried again; a listener that is stopping gives up.
    """
    listener, done, wait = Listener(place), 0, RETRY
    gathered = listener.gathered
    try:
        while not gathered.ended or gathered.heard:
            if stop.is_set():
                listener.stop()
            group = gathered.take(LOOK)
            listener.relieved()
            while group:
                try:
                    keep(group, gathered.dropped)
                except StorageError as error:
                    if stop.is_set():
                        raise
                    log.error("port %d: waiting for the disk: %s", place.port, error)  # noqa: TRY400 - expected
                    stop.wait(wait)
                    wait = min(2 * wait, LONGEST_RETRY)
                else:
                    done, group, wait = done + gathered.taken, [], RETRY
            yield Progress(done)
    finally:
        listener.stop()
