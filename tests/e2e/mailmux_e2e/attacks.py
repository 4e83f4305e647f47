"""Attacks: the same bytes in one segment, in two at every offset, and one by one. Each time there
is a new connection, and the outcome is what client, backend and log have seen.
"""

import ssl
from dataclasses import dataclass
from typing import Callable, Iterable, Iterator, Optional

from . import CEILING
from .backend import Backend
from .client import Client, End, default_context
from .proxy import Proxy

HELLO = {"smtp": b"EHLO c.test", "lmtp": b"LHLO c.test"}
PLAIN, TLS, READY = "in clear", "in TLS", "in TLS behind a hello"
GOODBYE = {"smtp": b"QUIT\r\n", "imap": b"zz LOGOUT\r\n", "pop3": b"QUIT\r\n",
           "lmtp": b"QUIT\r\n", "managesieve": b"LOGOUT\r\n"}


def ways(data: bytes) -> Iterator[list[bytes]]:
    """The segments of each way: all at once, two at every offset, one byte at a time."""
    yield [data]
    for at in range(1, len(data)):
        yield [data[:at], data[at:]]
    if len(data) > 2:
        yield [data[i:i + 1] for i in range(len(data))]


@dataclass
class Outcome:
    """What came of one attack."""

    segments: list[bytes]
    answer: bytes  # all that came back after the attack
    end: Optional[End]
    received: bytes  # all that the backend saw
    commands: list[bytes]
    reason: str  # of the session's log line

    @property
    def lines(self) -> list[bytes]:
        return self.answer.split(b"\r\n")[:-1]

    @property
    def at_once(self) -> bool:
        return len(self.segments) == 1

    def __str__(self) -> str:
        return f"{self.segments}: {self.answer!r} {self.end} {self.reason}; {self.received!r}"


class Field:
    """One listener and one backend, for attacks one after the other."""

    def __init__(self, proxy: Proxy, backend: Backend, protocol: str, tls: str) -> None:
        self.proxy, self.backend, self.protocol, self.tls = proxy, backend, protocol, tls
        self._visits = 0

    @property
    def port(self) -> int:
        return self.proxy.ports["test"]

    def connect(self, stage: str = PLAIN) -> Client:
        """Returns a client that has read the greeting and has come as far as `stage` says."""
        client = Client(self.port)
        if self.tls == "implicit":
            client.begin_tls()
        client.read_greeting(self.protocol)
        if stage != PLAIN and self.tls != "implicit":
            client.starttls(self.protocol)
            if self.protocol == "managesieve":
                client.read_sieve()
        if stage == READY and self.protocol in HELLO:
            client.smtp(HELLO[self.protocol])
        return client

    def attack(self, segments: list[bytes], stage: str = PLAIN, *,
               before: Callable[[Client], object] = lambda client: None,
               goodbye: bool = False) -> Outcome:
        """Sends the segments, and a goodbye if asked, and waits for the end on all sides."""
        client = self.connect(stage)
        before(client)
        try:
            for segment in segments + [GOODBYE[self.protocol]] * goodbye:
                client.send(segment)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            pass  # the proxy has closed before all was sent
        answer = client.read_to_end()
        client.close()
        session = self.proxy.wait_for_event("session", self._visits + 1)
        backend = self.backend.connection(self._visits)
        self._visits += 1
        assert backend.ended.wait(CEILING), "the backend's connection stayed open"
        return Outcome(segments, answer, client.end, bytes(backend.received), backend.commands,
                       session.fields["reason"])

    def every_way(self, data: bytes, stage: str = PLAIN, **options: object) -> Iterable[Outcome]:
        for segments in ways(data):
            yield self.attack(segments, stage, **options)  # type: ignore[arg-type]


# The first flight of a handshake

def client_hello(context: Optional[ssl.SSLContext] = None,
                 name: Optional[str] = "mail.example.test") -> bytes:
    """The ClientHello of a new client."""
    to_peer = ssl.MemoryBIO()
    tls = (context or default_context()).wrap_bio(ssl.MemoryBIO(), to_peer, server_hostname=name)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return to_peer.read()


def first_flight(client: Client, context: Optional[ssl.SSLContext] = None,
                 name: Optional[str] = "mail.example.test",
                 session: Optional[ssl.SSLSession] = None) -> bytes:
    """Begins TLS on a client. The caller sends the ClientHello that is returned; then see go_on."""
    tls = (context or default_context()).wrap_bio(client._from_peer, client._to_peer,
                                                  server_hostname=name, session=session)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    client._begun = tls  # type: ignore[attr-defined]
    return client._to_peer.read()


def go_on(client: Client) -> None:
    """Does the rest of a handshake that first_flight() has begun."""
    tls = client._begun  # type: ignore[attr-defined]
    client._from_peer.write(bytes(client._unread))
    client._unread.clear()
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            client._flush()
            assert client._feed(), f"{client.end} during the handshake"
    client._flush()
    client._tls = tls


def in_records(hello: bytes, sizes: Iterable[int]) -> bytes:
    """The handshake message of a ClientHello in records of these sizes, and one with the rest."""
    body, records = hello[5:], b""
    for size in sizes:
        records += hello[:3] + len(body[:size]).to_bytes(2, "big") + body[:size]
        body = body[size:]
    return records + hello[:3] + len(body).to_bytes(2, "big") + body


def with_extension(hello: bytes, number: int, content: bytes) -> bytes:
    """A ClientHello with one more extension."""
    extension = number.to_bytes(2, "big") + len(content).to_bytes(2, "big") + content
    body = bytearray(hello[9:])
    at = 34  # version and random
    at += 1 + body[at]  # session id
    at += 2 + int.from_bytes(body[at:at + 2], "big")  # ciphers
    at += 1 + body[at]  # compression
    total = int.from_bytes(body[at:at + 2], "big") + len(extension)
    body[at:at + 2] = total.to_bytes(2, "big")
    body[at + 2:at + 2] = extension  # the first one, as pre_shared_key must be the last
    message = hello[5:6] + len(body).to_bytes(3, "big") + bytes(body)
    return in_records(hello[:5] + message, [16000] * (len(message) // 16001))
