"""A DNS server of the test's own on loopback, for UDP and TCP. A test may change its records while
it runs and count its questions, and it can fail in the ways of real servers.
"""

import ipaddress
import socket
import struct
import threading
from dataclasses import dataclass, field
from typing import Mapping, Optional, Sequence, Union

from . import CEILING

A, CNAME, AAAA, SRV = 1, 5, 28, 33
_CLASS_IN = 1
_TTL = 60
_UDP_MAX = 512
_ANSWER, _RECURSION, _TRUNCATED = 0x8000, 0x0180, 0x0200
NO_ERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5


@dataclass(frozen=True)
class Service:
    """A SRV record."""

    priority: int
    weight: int
    port: int
    target: str


@dataclass(frozen=True)
class Alias:
    """A CNAME record."""

    target: str


Record = Union[str, Service, Alias]  # an address as text, or one of the above


@dataclass
class _Name:
    records: Sequence[Record] = ()
    rcode: int = NO_ERROR
    silent: bool = False
    truncated: bool = False
    of_type: Mapping[int, Optional[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Query:
    name: str
    type: int
    transport: str  # "udp" or "tcp"


def _encode(name: str) -> bytes:
    labels = [label.encode("latin-1") for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _decode(data: bytes, at: int) -> tuple[str, int]:
    labels = []
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode("latin-1"))
        at += 1 + data[at]
    return ".".join(labels), at + 1


def _data(record: Record) -> tuple[int, bytes]:
    if isinstance(record, Service):
        numbers = struct.pack("!HHH", record.priority, record.weight, record.port)
        return SRV, numbers + _encode(record.target)
    if isinstance(record, Alias):
        return CNAME, _encode(record.target)
    address = ipaddress.ip_address(record)
    return (A if address.version == 4 else AAAA), address.packed


class Dns:
    def __init__(self, address: str = "127.0.0.1") -> None:
        self.queries: list[Query] = []
        self._names: dict[str, _Name] = {}
        self._changed = threading.Condition()
        self._family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._udp, self._tcp = self._bind(address)
        self._tcp.listen(64)
        self._address = address
        self.port: int = self._udp.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=work, daemon=True)
                         for work in (self._serve_udp, self._serve_tcp)]
        for thread in self._threads:
            thread.start()

    def _bind(self, address: str) -> tuple[socket.socket, socket.socket]:
        """Binds the same port for UDP and TCP. A port that is free in UDP may be taken in TCP."""
        while True:
            udp = socket.socket(self._family, socket.SOCK_DGRAM)
            tcp = socket.socket(self._family, socket.SOCK_STREAM)
            udp.bind((address, 0))
            try:
                tcp.bind((address, udp.getsockname()[1]))
                return udp, tcp
            except OSError:
                udp.close()
                tcp.close()

    @property
    def resolver(self) -> str:
        """Its address as a `resolver` in proxy.ini."""
        return f"[{self._address}]:{self.port}" if ":" in self._address \
            else f"{self._address}:{self.port}"

    # The zone

    def set(self, name: str, *records: Record, truncated: bool = False,
            failing: Mapping[int, Optional[int]] = {}) -> None:
        """Sets the records of a name. truncated: UDP says only that TCP has the answer. failing:
        what questions of a type get in the place of records, an rcode or silence (None).
        """
        self._put(name, _Name(records, truncated=truncated, of_type=failing))

    def fail(self, name: str, rcode: int = SERVFAIL) -> None:
        self._put(name, _Name(rcode=rcode))

    def silence(self, name: str) -> None:
        self._put(name, _Name(silent=True))

    def remove(self, name: str) -> None:
        with self._changed:
            self._names.pop(name.lower(), None)

    def _put(self, name: str, what: _Name) -> None:
        with self._changed:
            self._names[name.lower()] = what

    # What was asked

    def count(self, name: str, transport: Optional[str] = None) -> int:
        return len([q for q in list(self.queries) if q.name == name.lower() and
                    transport in (None, q.transport)])

    def wait_for_queries(self, name: str, count: int = 1) -> None:
        """Waits until so many questions about the name have come, since the start."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.count(name) >= count, CEILING), \
                f"{self.count(name)} of {count} questions about {name}: {self.queries}"

    def wait_for_rounds(self, name: str, rounds: int = 2) -> None:
        """Waits until the name has been looked up so many times more. A lookup asks for A and for
        AAAA, and asks a server that fails three times for each.
        """
        self.wait_for_queries(name, self.count(name) + 2 * rounds)

    # Answering

    def _answer(self, question: bytes, transport: str) -> Optional[bytes]:
        number, _, _ = struct.unpack("!HHH", question[:6])
        name, end = _decode(question, 12)
        kind = struct.unpack("!H", question[end:end + 2])[0]
        asked = question[12:end + 4]
        with self._changed:
            zone = dict(self._names)
            self.queries.append(Query(name.lower(), kind, transport))
            self._changed.notify_all()
        what = zone.get(name.lower(), _Name(rcode=NXDOMAIN))
        rcode = self._rcode(zone, name.lower(), kind)
        if what.silent or rcode is None:
            return None
        records = [] if rcode != what.rcode else self._follow(zone, name.lower(), kind)
        body = b"".join(_encode(owner) + struct.pack("!HHIH", kind_of, _CLASS_IN, _TTL, len(data))
                        + data for owner, kind_of, data in records)
        flags = _ANSWER | _RECURSION | rcode
        count = len(records)
        if transport == "udp" and (what.truncated or 12 + len(asked) + len(body) > _UDP_MAX):
            flags, count, body = flags | _TRUNCATED, 0, b""
        return struct.pack("!HHHHHH", number, flags, 1, count, 0, 0) + asked + body

    @staticmethod
    def _rcode(zone: dict[str, _Name], name: str, kind: int) -> Optional[int]:
        """The rcode of the name, or of the one to which its aliases lead. None: silence."""
        for _ in range(8):
            what = zone.get(name, _Name(rcode=NXDOMAIN))
            if kind in what.of_type:
                return what.of_type[kind]
            aliases = [one.target.lower() for one in what.records if isinstance(one, Alias)]
            if not aliases:
                return what.rcode if what.records or what.rcode else NO_ERROR
            name = aliases[0]
        return SERVFAIL

    @staticmethod
    def _follow(zone: dict[str, _Name], name: str, kind: int) -> list[tuple[str, int, bytes]]:
        """The records of that type, with the aliases that lead to them."""
        found = []
        for _ in range(8):
            aliases = []
            for record in zone.get(name, _Name()).records:
                type_of, data = _data(record)
                if type_of in (kind, CNAME):
                    found.append((name, type_of, data))
                if isinstance(record, Alias):
                    aliases.append(record.target.lower())
            if not aliases:
                break
            name = aliases[0]
        return found

    def _serve_udp(self) -> None:
        while True:
            try:
                question, peer = self._udp.recvfrom(4096)
            except OSError:
                return
            if not question:
                return
            answer = self._answer(question, "udp")
            if answer is not None:
                self._udp.sendto(answer, peer)

    def _serve_tcp(self) -> None:
        while True:
            try:
                sock, _ = self._tcp.accept()
            except OSError:
                return
            self._open.append(sock)
            thread = threading.Thread(target=self._converse, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _converse(self, sock: socket.socket) -> None:
        stream = sock.makefile("rb")
        try:
            while len(head := stream.read(2)) == 2:
                question = stream.read(struct.unpack("!H", head)[0])
                answer = self._answer(question, "tcp")
                if answer is not None:
                    sock.sendall(struct.pack("!H", len(answer)) + answer)
        except OSError:
            pass
        finally:
            stream.close()
            sock.close()

    def stop(self) -> None:
        # A close does not wake a thread that waits in recvfrom: an empty datagram does.
        with socket.socket(self._family, socket.SOCK_DGRAM) as last:
            last.sendto(b"", (self._address, self.port))
        for sock in (self._tcp, *self._open):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in list(self._threads):
            thread.join(CEILING)
        self._udp.close()
        self._tcp.close()

    def __enter__(self) -> "Dns":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
