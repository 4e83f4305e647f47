"""Connections that are passed on and carry much: what goes from socket to socket without a copy is
complete, ends where it ended, and stops where it is not read.
"""

import hashlib
import os
import socket
import threading

import pytest
from mailmux_e2e.client import Client
from mailmux_e2e.steps import expect, wait_for_end

MEGABYTE = 1 << 20
BLOCK = os.urandom(MEGABYTE)


def serve(proxy, *ports, timeouts={}, **settings):
    proxy.section("timeouts", **{"drain": "2s", **timeouts})
    proxy.backend("peers", *ports, check="none", **settings)
    proxy.ports["front"] = proxy._reserved.reserve()
    proxy.section("listener front", bind=f"127.0.0.1:{proxy.ports['front']}", protocol="auto",
                  route="default -> pass backend peers")
    proxy.start()


def pour(connection, count):
    """Sends so many blocks, each of them different. Returns the digest."""
    digest = hashlib.sha256()
    for number in range(count):
        block = number.to_bytes(4, "big") + BLOCK[4:]
        connection.sendall(block)
        digest.update(block)
    return digest.hexdigest()


def drink(connection):
    """Reads to the end. Returns the digest, and how many octets it was."""
    digest, count = hashlib.sha256(), 0
    while data := connection.recv(1 << 20):
        digest.update(data)
        count += len(data)
    return digest.hexdigest(), count


def in_thread(work, *arguments):
    """Begins it, and returns a function that waits for its result."""
    results = []
    thread = threading.Thread(target=lambda: results.append(work(*arguments)))
    thread.start()

    def result():
        thread.join(60)
        return results[0]

    return result


@pytest.mark.conformance("C147")
def test_fifty_megabytes_each_way_at_once(proxy, new_backend):
    """Each side ends its direction when it has sent all, and still reads the rest of the other."""
    told = {}

    def converse(connection):
        sock = connection._socket
        reading = in_thread(drink, sock)
        told["sent"] = pour(sock, 50)
        sock.shutdown(socket.SHUT_WR)
        told["read"] = reading()

    peer = new_backend([converse])
    serve(proxy, peer.port)
    with Client(proxy.ports["front"]) as client:
        reading = in_thread(drink, client.socket)
        sent = pour(client.socket, 50)
        client.half_close()
        assert reading() == (peer.finished() and told["sent"], 50 * MEGABYTE)
    assert told["read"] == (sent, 50 * MEGABYTE)
    session = proxy.wait_for_event("session").fields
    assert session["bytes_in"] == session["bytes_out"] == str(50 * MEGABYTE)


def stop_reading(proxy, new_backend, *steps):
    """A client that takes only the first of what its server sends. Returns both, what was read, and
    the event that the server has met a reset.
    """
    stalled, gone = threading.Event(), threading.Event()

    def flood(connection):
        sock, view = connection._socket, memoryview(BLOCK * 64)
        sock.settimeout(1)
        sent = 0
        while sent < len(view):
            try:
                sent += sock.send(view[sent:sent + (1 << 16)])
            except TimeoutError:
                stalled.set()
            except (ConnectionResetError, BrokenPipeError):
                gone.set()
                return

    peer = new_backend([expect(b"go"), flood, *steps])
    serve(proxy, peer.port)
    client = Client(proxy.ports["front"])
    client.send_raw(b"go")
    client.socket.settimeout(30)
    received = b""
    while len(received) < 3 * MEGABYTE:
        received += client.socket.recv(65536)
    assert stalled.wait(30)
    return peer, client, received, gone


def test_a_reader_that_stops_stops_the_server(proxy, new_backend):
    peer, client, received, _ = stop_reading(proxy, new_backend, wait_for_end())
    digest = hashlib.sha256(received)
    count = len(received)
    while count < 64 * MEGABYTE:
        data = client.socket.recv(1 << 20)
        assert data
        digest.update(data)
        count += len(data)
    assert digest.digest() == hashlib.sha256(BLOCK * 64).digest()
    client.send_raw(b"thanks")
    assert peer.connection().wait_for(b"thanks")
    client.close()


def test_a_reset_in_the_middle(proxy, new_backend):
    _, client, _, gone = stop_reading(proxy, new_backend)
    client.reset()
    assert gone.wait(30)
    assert proxy.wait_for_event("session").fields["reason"] == "client-reset"
