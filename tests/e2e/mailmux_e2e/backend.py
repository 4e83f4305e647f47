"""A scripted server behind the proxy. A script is a list of steps (see steps.py). Each connection
runs one in a thread of its own: the n-th connection the n-th script, and connections beyond that
the last script. All bytes that come are kept.
"""

import fcntl
import socket
import ssl
import struct
import termios
import threading
import time
from typing import Callable, Optional, Sequence

from . import CEILING
from .ports import Ports


class Ended(Exception):
    """The proxy ended the connection where the script wanted more."""


class Connection:
    def __init__(self, backend: "Backend", sock: socket.socket, number: int) -> None:
        self.backend = backend
        self.number = number
        self.received = bytearray()
        self.commands: list[bytes] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.messages: list[bytes] = []
        self.error: Optional[BaseException] = None
        self.tls: Optional[ssl.SSLSocket] = None
        self.in_clear = b""  # all that came before TLS began
        self.server_name: Optional[str] = None  # SNI
        self.truncated = False  # TLS ended without close_notify
        self.ended = threading.Event()
        self.was_reset = False
        self._socket = sock
        self._used = 0
        self._closing = threading.Lock()
        self._is_closed = False
        sock.settimeout(CEILING)
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def met_at(self) -> str:
        """The address that was connected to, for a server that listens on many."""
        return str(self._socket.getsockname()[0])

    def send(self, data: bytes) -> None:
        try:
            if not self.backend.bytewise or len(data) > 65536:
                self._socket.sendall(data)
                return
            for i in range(len(data)):
                self._socket.sendall(data[i:i + 1])
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError) as error:
            raise Ended(str(error)) from None

    def _receive(self) -> bool:
        try:
            data = self._socket.recv(65536)
        except ConnectionResetError:
            self.was_reset = True
            return False
        except ssl.SSLError:
            self.truncated = True
            return False
        self.received += data
        return bool(data)

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Shakes hands as the server. All that came before must have been read."""
        assert len(self.received) == self._used, bytes(self.received[self._used:])
        self.in_clear = bytes(self.received)

        def note_name(_: object, name: Optional[str], __: object) -> None:
            self.server_name = name

        context.sni_callback = note_name
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # Python's default hides a truncation
        self.tls = context.wrap_socket(self._socket, server_side=True,
                                       suppress_ragged_eofs=False)
        self._socket = self.tls

    def read_until(self, marker: bytes) -> bytes:
        start = self._used
        while (at := self.received.find(marker, start)) < 0:
            start = max(self._used, len(self.received) - len(marker) + 1)
            if not self._receive():
                raise Ended(f"while waiting for {marker!r}: {bytes(self.received[self._used:])!r}")
        return self.take(at + len(marker) - self._used)

    def read_line(self) -> bytes:
        return self.read_until(b"\n")

    def take(self, count: int) -> bytes:
        while len(self.received) - self._used < count:
            if not self._receive():
                raise Ended(f"after {len(self.received) - self._used} of {count} bytes")
        data = bytes(self.received[self._used:self._used + count])
        self._used += count
        return data

    def take_no_more(self, count: int) -> bytes:
        """Takes so many bytes, and reads none behind them, since those may be TLS."""
        assert len(self.received) == self._used
        while len(self.received) - self._used < count:
            data = self._socket.recv(count - (len(self.received) - self._used))
            if not data:
                raise Ended(f"after {len(self.received) - self._used} of {count} bytes")
            self.received += data
        return self.take(count)

    def stream(self, consume: Callable[[bytes], bool]) -> None:
        """Calls consume with what comes, without keeping it, until it returns True."""
        held = bytes(self.received[self._used:])
        del self.received[self._used:]
        while not consume(held):
            held = self._socket.recv(1 << 18)
            if not held:
                raise Ended("in the middle of a stream")

    def expect_end(self) -> None:
        if len(self.received) == self._used and not self._receive():
            return
        raise AssertionError(f"expected the end, got {bytes(self.received[self._used:])!r}")

    def wait_for(self, data: bytes) -> bool:
        """For the test's thread: waits until what has come ends with these bytes. Returns whether
        it does.
        """
        end = time.monotonic() + CEILING
        while not self.received.endswith(data) and time.monotonic() < end:
            time.sleep(0.005)
        return self.received.endswith(data)

    def wait_for_end(self) -> None:
        """Takes all that comes until the proxy ends the connection."""
        while self._receive():
            pass
        self._used = len(self.received)

    def hold(self) -> None:
        """Keeps the connection open until the test is over, even if the proxy ends it."""
        self.backend.stopped.wait(CEILING)

    def half_close(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def wait_until_taken(self) -> None:
        """Waits until the proxy's kernel has acknowledged all that was sent, so that a reset loses
        none of it.
        """
        end = time.monotonic() + CEILING
        while struct.unpack("i", fcntl.ioctl(self._socket, termios.TIOCOUTQ, b"\0" * 4))[0] > 0:
            assert time.monotonic() < end, "the proxy does not take what was sent"
            time.sleep(0.01)

    def close_notify(self) -> None:
        """Sends close_notify, without waiting for the other side's."""
        if self.tls is None:
            return
        try:
            self.tls.settimeout(0)
            self.tls.unwrap()
        except (OSError, ValueError):
            pass  # unwrap would wait for the other side's close_notify; ours is sent

    def close(self) -> None:
        """For the script's thread and the test's: the library takes no two calls for one session."""
        with self._closing:
            if not self._is_closed:
                self.close_notify()
                self.cut()
            self._is_closed = True

    def cut(self) -> None:
        """Ends the connection without close_notify."""
        # A close with unread bytes sends a reset; shutdown sends a FIN first.
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()


Step = Callable[[Connection], None]
Script = Sequence[Step]


class Backend:
    """Its port stays reserved until release(): no other program gets it while a test has it stopped."""

    def __init__(self, *scripts: Script, bytewise: bool = False, address: str = "127.0.0.1",
                 port: int = 0, path: str = "") -> None:
        """path: of a unix socket in the place of address and port; "@name" is an abstract one."""
        self.bytewise = bytewise
        self.connections: list[Connection] = []
        self.stopped = threading.Event()
        self._scripts = scripts
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()
        self._ports = Ports(address)
        if path:
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listener.bind("\0" + path[1:] if path.startswith("@") else path)
            self.port = 0
        else:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            self._listener = socket.socket(family, socket.SOCK_STREAM)
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.port = port or self._ports.reserve()
            self._listener.bind((address, self.port))
        self._listener.listen(1024)
        self._start(self._accept)

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self._changed:
                connection = Connection(self, sock, len(self.connections))
                self.connections.append(connection)
                self._changed.notify_all()
            self._start(self._run, connection)

    def _run(self, connection: Connection) -> None:
        try:
            for step in self._scripts[min(connection.number, len(self._scripts) - 1)]:
                step(connection)
        except BaseException as error:  # kept for the test, which calls finished()
            connection.error = error
        finally:
            connection.close()
            connection.ended.set()

    def connection(self, number: int = 0) -> Connection:
        """Waits for the n-th connection and returns it."""
        with self._changed:
            came = self._changed.wait_for(lambda: len(self.connections) > number, CEILING)
        assert came, f"connection {number} never came"
        return self.connections[number]

    def finished(self, number: int = 0) -> Connection:
        """Waits until the script of the n-th connection has ended without an error, and returns
        the connection.
        """
        connection = self.connection(number)
        assert connection.ended.wait(CEILING), "the script did not end"
        if connection.error is not None:
            raise AssertionError(f"the script failed: {connection.error!r}; "
                                 f"received {bytes(connection.received)!r}") from connection.error
        return connection

    def stop(self) -> None:
        self.stopped.set()
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        for connection in self.connections:
            connection.close()
        for thread in self._threads:
            thread.join(CEILING)

    def release(self) -> None:
        self._ports.release()

    def __enter__(self) -> "Backend":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.release()
