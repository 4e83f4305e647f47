"""The steps of which the script of a backend consists."""

import re
import ssl
import threading
from typing import Callable

from . import CEILING
from .backend import Connection, Step
from .certificates import Pair


def send(data: bytes) -> Step:
    return lambda connection: connection.send(data)


def expect(data: bytes) -> Step:
    """Takes exactly these bytes."""
    def step(connection: Connection) -> None:
        got = connection.take(len(data))
        assert got == data, f"expected {data!r}, got {got!r}"
    return step


def expect_line(pattern: bytes) -> Step:
    """Takes a line that matches the pattern without its CRLF."""
    def step(connection: Connection) -> None:
        line = connection.read_line()
        assert re.fullmatch(pattern + rb"\r\n", line, re.S), f"expected {pattern!r}, got {line!r}"
    return step


def expect_end() -> Step:
    return lambda connection: connection.expect_end()


def wait_for_end() -> Step:
    """Takes all that comes until the proxy ends the connection."""
    return lambda connection: connection.wait_for_end()


def wait_for(event: threading.Event) -> Step:
    def step(_: Connection) -> None:
        assert event.wait(CEILING), "the test never gave the word"
    return step


def tell(event: threading.Event) -> Step:
    return lambda _: event.set()


def wait_until_taken() -> Step:
    return lambda connection: connection.wait_until_taken()


def half_close() -> Step:
    return lambda connection: connection.half_close()


def close() -> Step:
    return lambda connection: connection.close()


def reset() -> Step:
    return lambda connection: connection.reset()


def cut() -> Step:
    """Ends the connection; in TLS, without close_notify."""
    return lambda connection: connection.cut()


def start_tls(pair: Pair, prepare: Callable[[ssl.SSLContext], object] = lambda _: None) -> Step:
    """Shakes hands as the server; `prepare` may change its context."""
    def step(connection: Connection) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        prepare(context)
        connection.start_tls(context)
    return step


def hang() -> Step:
    """Sends nothing more, until the proxy ends the connection or the test is over."""
    return wait_for_end()
