"""A raw mail client: it sends exactly the bytes that it is given, in one write or byte by byte, and
returns exactly the bytes that come. TLS runs over memory BIOs, so that a test sees the bytes on
both sides of it.
"""

import socket
import ssl
import struct
from enum import Enum
from typing import Optional

from . import CEILING
from .certificates import NAME


class End(Enum):
    """How the other side ended the connection."""

    FIN = "fin"
    RESET = "reset"
    CLOSE_NOTIFY = "close_notify"
    ALERT = "a fatal TLS alert or a broken record"


class Closed(AssertionError):
    """The connection ended where more was expected."""


def default_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Client:
    def __init__(self, port: int, host: str = "127.0.0.1", bytewise: bool = False,
                 source: str = "") -> None:
        self.bytewise = bytewise
        self.end: Optional[End] = None
        self.first_tls_byte: Optional[int] = None
        self._unread = bytearray()
        self._tls: Optional[ssl.SSLObject] = None
        self._from_peer = ssl.MemoryBIO()
        self._to_peer = ssl.MemoryBIO()
        self.socket = socket.create_connection(
            (host, port), timeout=CEILING, source_address=(source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    # Sending

    def send(self, data: bytes) -> None:
        """Sends data; bytewise in TLS, each byte is a record of its own."""
        if self._tls is None:
            self.send_raw(data)
            return
        pieces = [data[i:i + 1] for i in range(len(data))] if self.bytewise else [data]
        for piece in pieces:
            self._tls.write(piece)
            self._flush(whole=True)

    def send_raw(self, data: bytes) -> None:
        """Sends data to the socket, below TLS if there is any."""
        self._transmit(data, self.bytewise)

    def send_at_once(self, data: bytes) -> None:
        """Sends data in one write, even if the client is bytewise."""
        if self._tls is None:
            self._transmit(data, False)
        else:
            self._tls.write(data)
            self._flush(whole=True)

    def _transmit(self, data: bytes, bytewise: bool) -> None:
        if not bytewise:
            self.socket.sendall(data)
            return
        for i in range(len(data)):
            self.socket.sendall(data[i:i + 1])

    def _flush(self, whole: bool = False) -> None:
        data = self._to_peer.read()
        if data:
            self._transmit(data, self.bytewise and not whole)

    # Receiving

    def _feed(self) -> bool:
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            self.end = End.RESET
            return False
        if not data:
            self.end = End.FIN
            return False
        if self.first_tls_byte is None:
            self.first_tls_byte = data[0]
        self._from_peer.write(data)
        return True

    def _receive_tls(self) -> bytes:
        assert self._tls is not None
        while True:
            try:
                data = self._tls.read(65536)
                if data:
                    return data
                self.end = End.CLOSE_NOTIFY
                return b""
            except ssl.SSLZeroReturnError:
                self.end = End.CLOSE_NOTIFY
                return b""
            except ssl.SSLWantReadError:
                self._flush()
                if not self._feed():
                    return b""
            except ssl.SSLError:
                self.end = End.ALERT
                return b""

    def _receive_plain(self) -> bytes:
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            self.end = End.RESET
            return b""
        if not data:
            self.end = End.FIN
        return data

    def _receive(self) -> bool:
        if self.end is not None:
            return False
        data = self._receive_plain() if self._tls is None else self._receive_tls()
        self._unread += data
        return bool(data)

    def _take(self, count: int) -> bytes:
        data = bytes(self._unread[:count])
        del self._unread[:count]
        return data

    def read_until(self, marker: bytes) -> bytes:
        """Reads up to the marker, and returns it as well."""
        start = 0
        while (at := self._unread.find(marker, start)) < 0:
            start = max(0, len(self._unread) - len(marker))
            if not self._receive():
                raise Closed(f"{self.end} while waiting for {marker!r}: {bytes(self._unread)!r}")
        return self._take(at + len(marker))

    def read_exactly(self, count: int) -> bytes:
        while len(self._unread) < count:
            if not self._receive():
                raise Closed(f"{self.end} after {len(self._unread)} of {count} bytes")
        return self._take(count)

    def read_line(self) -> bytes:
        return self.read_until(b"\r\n")

    def read_smtp(self) -> bytes:
        """Reads a whole SMTP reply."""
        reply = b""
        while True:
            line = self.read_line()
            reply += line
            if line[3:4] != b"-":
                return reply

    def read_dotted(self) -> bytes:
        """Reads a multi-line reply of POP3 with its dot, or the one line of an -ERR."""
        line = self.read_line()
        return line if not line.startswith(b"+OK") else line + self.read_until(b".\r\n")

    def read_tagged(self, tag: bytes) -> bytes:
        """IMAP lines up to the one with this tag and with it."""
        lines = b""
        while True:
            line = self.read_line()
            lines += line
            if line.startswith(tag + b" "):
                return lines

    def read_sieve(self) -> bytes:
        """A response of ManageSieve, up to its OK, NO or BYE, without literals."""
        response = self.read_line()
        while response.rsplit(b"\r\n", 2)[-2].split(b" ")[0].upper() not in (b"OK", b"NO", b"BYE"):
            response += self.read_line()
        return response

    def read_greeting(self, protocol: str) -> bytes:
        return {"smtp": self.read_smtp, "lmtp": self.read_smtp, "managesieve": self.read_sieve}.get(
            protocol, self.read_line)()

    def read_to_end(self) -> bytes:
        """Reads all that still comes until the other side ends the connection in any way."""
        while self._receive():
            pass
        return self._take(len(self._unread))

    def unread(self) -> bytes:
        """Returns what has come and was not read yet, without waiting."""
        return bytes(self._unread)

    # Commands with their whole reply

    def smtp(self, line: bytes) -> bytes:
        self.send(line + b"\r\n")
        return self.read_smtp()

    def imap(self, line: bytes) -> bytes:
        self.send(line + b"\r\n")
        return self.read_tagged(line.split(b" ", 1)[0])

    def pop3(self, line: bytes) -> bytes:
        self.send(line + b"\r\n")
        return self.read_line()

    def pop3_dotted(self, line: bytes) -> bytes:
        self.send(line + b"\r\n")
        return self.read_dotted()

    def sieve(self, line: bytes) -> bytes:
        self.send(line + b"\r\n")
        return self.read_sieve()

    # TLS

    def begin_tls(self, context: Optional[ssl.SSLContext] = None,
                  server_name: Optional[str] = NAME,
                  session: Optional[ssl.SSLSession] = None) -> None:
        """Shakes hands. All that came before must have been read. A session to resume must be from
        the same context.
        """
        assert not self._unread, f"bytes in front of the handshake: {bytes(self._unread)!r}"
        context = context or default_context()
        tls = context.wrap_bio(self._from_peer, self._to_peer, server_hostname=server_name,
                               session=session)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._flush()
                if not self._feed():
                    raise Closed(f"{self.end} during the handshake") from None
        self._flush()
        self._tls = tls
        assert self.first_tls_byte == 0x16

    def starttls(self, protocol: str, command: Optional[bytes] = None) -> None:
        """Sends the protocol's command and shakes hands. The byte behind the answer must be TLS."""
        commands = {"smtp": b"STARTTLS", "lmtp": b"STARTTLS", "imap": b"t STARTTLS",
                    "pop3": b"STLS", "managesieve": b"STARTTLS"}
        answers = {"smtp": b"220 ", "lmtp": b"220 ", "imap": b"t OK ", "pop3": b"+OK",
                   "managesieve": b"OK"}
        self.send(commands[protocol] + b"\r\n" if command is None else command)
        answer = self.read_line()
        assert answer.startswith(answers[protocol]), answer
        self.begin_tls()

    @property
    def tls(self) -> ssl.SSLObject:
        assert self._tls is not None
        return self._tls

    def send_close_notify(self) -> None:
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass  # unwrap would wait for the other side's close_notify; ours is in the buffer
        self._flush(whole=True)

    # Ending

    def half_close(self) -> None:
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
