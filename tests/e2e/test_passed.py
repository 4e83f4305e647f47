"""Connections that are passed on and carry much: what goes from socket to socket without a copy is
complete, ends where it ended, and stops where it is not read.
"""

import hashlib
import os
import signal
import socket
import threading

import pytest
from mailmux_e2e.client import Client
from mailmux_e2e.ports import Ports
from mailmux_e2e.steps import expect, hang, send, wait_for_end

MEGABYTE = 1 << 20
BLOCK = os.urandom(MEGABYTE)


def serve(proxy, *ports, timeouts={}, **settings):
    # Both sides may be slow to take the rest when one of them has ended.
    proxy.section("timeouts", **{"drain": "2s", "half_closed": "30s", **timeouts})
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
        patience = sock.gettimeout()
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
        sock.settimeout(patience)

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


# Which server, and the program that changes

def pass_one(proxy):
    """A client that is passed on, and the name that its server says."""
    client = Client(proxy.ports["front"])
    client.send_raw(b"\0")
    return client, client.read_line().decode().strip()


@pytest.mark.parametrize("balance", ["round-robin", "least-sessions", "address-hash"])
def test_servers_share_what_is_passed_on(proxy, new_backend, balance):
    """The first of three is down, and one more goes while others are served."""
    dead = Ports()
    peers = {name: new_backend([send(name.encode() + b"\r\n"), hang()]) for name in ("one", "two")}
    serve(proxy, dead.reserve(), *(peer.port for peer in peers.values()), balance=balance)
    clients, names = zip(*(pass_one(proxy) for _ in range(4)))
    if balance == "address-hash":
        assert len(set(names)) == 1
    else:
        assert sorted(names) == ["one", "one", "two", "two"]
    gone = names[-1]
    peers[gone].stop()
    others = [pass_one(proxy) for _ in range(2)]
    assert {name for _, name in others} == {"one", "two"} - {gone}
    for client in [*clients, *(client for client, _ in others)]:
        client.close()
    proxy.wait_for_event("session", 6)
    assert {line.fields["server"] for line in proxy.events("try-failed")} <= \
        {"peers1", "peers2", "peers3"}
    dead.release()


def test_an_upgrade_keeps_what_is_passed_and_what_has_begun(proxy, new_backend):
    """A client that has said a part of its first words says the rest to the service that it met."""
    peer = new_backend([send(b"here\r\n"), hang()])
    proxy.section("timeouts", handshake="10m")
    proxy.ports["front"] = proxy._reserved.reserve()
    proxy.section("listener front", bind=f"127.0.0.1:{proxy.ports['front']}", protocol="auto",
                  sniff="60s", route=["alpn none -> refuse", f"default -> pass 127.0.0.1:{peer.port}"])
    proxy.start()
    passed, _ = pass_one(proxy)
    begun = Client(proxy.ports["front"])
    begun.send_raw(b"\x16\x03\x01\x00\x04")
    proxy.send_signal(signal.SIGUSR2)
    assert proxy.wait_for_event("ready", 2).fields["why"] == "upgrade"
    late, _ = pass_one(proxy)
    begun.send_raw(b"\x02\x00\x00\x00")  # no ClientHello after all
    assert begun.read_line() == b"here\r\n"
    for number, client in enumerate((passed, late, begun)):
        client.send_raw(b"more")
        assert peer.connection(number).wait_for(b"more")
        client.close()
    sessions = [proxy.wait_for_event("session", n + 1) for n in range(3)]
    assert {line.fields["reason"] for line in sessions} == {"client-closed"}
