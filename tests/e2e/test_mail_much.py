"""Much mail in a relay without TLS goes from socket to socket without a copy; it is complete, and its end
is what it would be if it were copied: conformance C128, C130, C131.
"""

import hashlib
import os
import signal
import threading

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.client import End
from mailmux_e2e.legs import IMAP_LOGIN
from mailmux_e2e.steps import close, reset, send

MEGABYTE = 1 << 20
MUCH = os.urandom(24 * MEGABYTE)
PART = 4 * MEGABYTE
BYE = b"\r\n* BYE over quota\r\n"
LOGOUT = b"\r\nz LOGOUT\r\n"


def log_in(legs, *steps, **timeouts):
    legs.proxy.section("timeouts", **{"half_closed": "30s", "drain": "300ms", **timeouts})
    legs.serve("in clear", "imap", [*IMAP_LOGIN, *steps])
    client = legs.logged_in()
    client.socket.settimeout(CEILING)
    return client


def digest(data):
    return hashlib.sha256(data).hexdigest()


def take(taken, count):
    """A server that reads so many octets, and tells their digest."""
    def step(connection):
        read, sum_of = 0, hashlib.sha256()
        while read < count:
            data = connection._socket.recv(min(MEGABYTE, count - read))
            assert data
            sum_of.update(data)
            read += len(data)
        taken.append(sum_of.hexdigest())
    return step


def flood(stalled, gone):
    """A server that sends until its client has stopped, and on until it meets a reset."""
    def step(connection):
        sock, sent, view = connection._socket, 0, memoryview(MUCH)
        sock.settimeout(1)
        try:
            while True:
                try:
                    sent += sock.send(view[sent % PART:sent % PART + 65536])
                except TimeoutError:
                    stalled.set()
        except (ConnectionResetError, BrokenPipeError):
            gone.set()
    return step


def read(client, count):
    data = bytearray()
    while len(data) < count:
        data += client.socket.recv(MEGABYTE)
    return data


@pytest.mark.conformance("C130")
def test_the_last_word_behind_much(legs):
    client = log_in(legs, send(MUCH + BYE), close())
    assert digest(client.read_to_end()) == digest(MUCH + BYE)
    assert client.end is End.FIN
    client.close()
    session = legs.proxy.wait_for_event("session").fields
    assert session["reason"] == "server-farewell"
    assert int(session["bytes_out"]) - len(MUCH + BYE) in range(200)


def test_the_last_word_of_a_client_behind_much(legs):
    taken = []
    client = log_in(legs, take(taken, len(MUCH + LOGOUT)), send(b"* BYE\r\nz OK out\r\n"), close())
    client.socket.sendall(MUCH + LOGOUT)
    assert client.read_to_end() == b"* BYE\r\nz OK out\r\n"
    client.close()
    assert legs.reason() == "quit"
    assert taken == [digest(MUCH + LOGOUT)]


# An end in the middle

def stop_in_the_middle(legs, **timeouts):
    """A client that reads a part, and a server that can send no more."""
    stalled, gone = threading.Event(), threading.Event()
    client = log_in(legs, flood(stalled, gone), **timeouts)
    read(client, PART)
    assert stalled.wait(CEILING)
    return client, gone


@pytest.mark.conformance("C131")
def test_a_server_that_is_reset(legs):
    """All that it could send comes, and behind it no end that looks clean."""
    client = log_in(legs, send(MUCH[:PART]), reset())
    data = client.read_to_end()
    assert MUCH.startswith(data) and client.end is End.RESET
    client.close()
    assert legs.reason() == "server-reset"


def test_a_client_that_is_reset(legs):
    client, gone = stop_in_the_middle(legs)
    client.reset()
    assert gone.wait(CEILING)
    assert legs.reason() == "client-reset"


@pytest.mark.conformance("C131")
def test_the_end_of_the_drain(legs):
    client, gone = stop_in_the_middle(legs)
    legs.proxy.send_signal(signal.SIGTERM)
    assert gone.wait(CEILING)
    client.read_to_end()
    assert client.end is End.RESET
    legs.proxy.finished()
    assert legs.reason() == "shutdown"
