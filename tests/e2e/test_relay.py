"""After the login: bytes both ways, as they come."""

import hashlib
import os
import threading

import pytest
from mailmux_e2e.client import End
from mailmux_e2e.servers import imap, server
from mailmux_e2e.steps import (expect, expect_end, half_close, reset, send, tell, wait_for,
                               wait_for_end)


def login_script(*after):
    return [send(b"* OK ready\r\n"), expect(b"a LOGIN alice secret\r\n"),
            send(b"a OK logged in\r\n"), *after]


def login(client):
    client.send(b"a LOGIN alice secret\r\n")
    assert client.read_line() == b"a OK logged in\r\n"


def test_idle_with_a_push(bench):
    push = threading.Event()
    test = bench("imap", login_script(
        expect(b"b IDLE\r\n"), send(b"+ idling\r\n"), wait_for(push), send(b"* 4 EXISTS\r\n"),
        expect(b"DONE\r\n"), send(b"b OK done\r\n"), wait_for_end()))
    client = test.connect_tls()
    login(client)
    client.send(b"b IDLE\r\n")
    assert client.read_line() == b"+ idling\r\n"
    push.set()
    assert client.read_line() == b"* 4 EXISTS\r\n"
    client.send(b"DONE\r\n")
    assert client.read_line() == b"b OK done\r\n"
    client.close()
    test.backend.finished()


def test_idle_with_a_push_of_dovecot(proxy, legacy, new_client):
    """A second session appends a message; the first is told of it."""
    proxy.backend("store", legacy.imap)
    proxy.listener("test", "imap", "starttls", "store")
    proxy.start()

    def session():
        client = new_client(proxy.ports["test"])
        client.read_line()
        client.starttls("imap")
        assert b"a OK" in client.imap(b"a LOGIN alice secret")
        return client

    watcher, writer = session(), session()
    assert b"b OK" in watcher.imap(b"b SELECT INBOX")
    watcher.send(b"c IDLE\r\n")
    assert watcher.read_line().startswith(b"+ ")
    writer.send(b"d APPEND INBOX {18+}\r\nSubject: push\r\n\r\nx\r\n")
    assert b"d OK" in writer.read_tagged(b"d")
    assert watcher.read_until(b" EXISTS\r\n")
    watcher.send(b"DONE\r\n")
    assert b"c OK" in watcher.read_tagged(b"c")


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_twenty_megabytes_appended_to_dovecot(proxy, legacy, new_client, tls):
    proxy.backend("store", legacy.imap)
    proxy.listener("test", "imap", tls, "store")
    proxy.start()
    client = new_client(proxy.ports["test"])
    if tls == "implicit":
        client.begin_tls()
    client.read_line()
    if tls == "starttls":
        client.starttls("imap")
    line = bytes(b for b in range(1, 256) if b not in (10, 13)) + b"\r\n"
    message = b"Subject: twenty megabytes\r\n\r\n" + line * (20000000 // len(line))
    mailbox = os.urandom(4).hex().encode()
    assert b"a OK" in client.imap(b"a LOGIN alice secret")
    assert b"b OK" in client.imap(b"b CREATE " + mailbox)
    client.send(b"c APPEND " + mailbox + b" {%d}\r\n" % len(message))
    assert client.read_line().startswith(b"+ ")
    client.send(message + b"\r\n")
    assert b"c OK" in client.read_tagged(b"c")
    assert b"d OK" in client.imap(b"d SELECT " + mailbox)
    client.send(b"e FETCH 1 BODY.PEEK[]\r\n")
    size = int(client.read_line().split(b"{")[1].split(b"}")[0])
    assert size == len(message)
    body = client.read_exactly(size)
    assert hashlib.sha256(body).digest() == hashlib.sha256(message).digest()
    client.read_tagged(b"e")
    assert b"f OK" in client.imap(b"f LOGOUT")
    client.read_to_end()
    client.close()
    fields = proxy.wait_for_event("session").fields
    assert int(fields["bytes_in"]) > len(message) and int(fields["bytes_out"]) > len(message)


@pytest.mark.quick
def test_bytes_of_any_value_pass_both_ways(bench):
    every = bytes(range(256)) * 8
    test = bench("imap", login_script(expect(every), send(every), wait_for_end()))
    client = test.connect_tls()
    login(client)
    client.send(every)
    assert client.read_exactly(len(every)) == every
    client.close()
    test.backend.finished()


def test_bytes_behind_the_login_are_relayed_untouched(bench):
    """What was read with the login line is the first content of the relay."""
    rest = b"b STARTTLS\r\nc NOOP\n\0\r\r\n"
    test = bench("imap", login_script(expect(rest), send(b"b BAD x\r\n"), wait_for_end()))
    client = test.connect_tls()
    client.send(b"a LOGIN alice secret\r\n" + rest)
    assert client.read_line() == b"a OK logged in\r\n"
    assert client.read_line() == b"b BAD x\r\n"


@pytest.mark.parametrize("in_tls", [True, False], ids=["tls", "clear"])
def test_after_the_clients_end_the_servers_rest_still_comes(bench, in_tls):
    ended = threading.Event()
    test = bench("imap", login_script(expect(b"b FETCH\r\n"), expect_end(), tell(ended),
                                      send(b"the rest\r\n" * 1000)), require_tls="no")
    client = test.connect_tls() if in_tls else test.connect()
    if not in_tls:
        client.read_line()
    login(client)
    client.send(b"b FETCH\r\n")
    if in_tls:
        client.send_close_notify()
    client.half_close()
    assert ended.wait(30)
    if not in_tls:
        assert client.read_to_end() == b"the rest\r\n" * 1000
        assert client.end is End.FIN
    test.backend.finished()


def test_after_the_servers_end_the_clients_rest_still_comes(bench):
    """In clear, where a half-open connection can be seen from outside."""
    ended = threading.Event()
    test = bench("imap", login_script(send(b"* BYE\r\n"), half_close(), wait_for(ended),
                                      expect(b"the rest\r\n"), expect_end()), require_tls="no")
    client = test.connect()
    client.read_line()
    login(client)
    assert client.read_to_end() == b"* BYE\r\n"
    assert client.end is End.FIN
    client.send(b"the rest\r\n")
    ended.set()
    client.half_close()
    test.backend.finished()


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_the_end_of_the_server_is_an_orderly_end_of_tls(bench, protocol):
    test = bench(protocol, server(protocol))
    client = test.connect_tls()
    if protocol == "imap":
        login(client)
        client.imap(b"b LOGOUT")
    else:
        client.pop3(b"USER alice")
        client.pop3(b"PASS secret")
        client.pop3(b"QUIT")
    assert client.read_to_end() == b""
    assert client.end is End.CLOSE_NOTIFY
    test.backend.finished()


def test_a_reset_of_the_server_ends_the_session(bench):
    test = bench("imap", login_script(expect(b"b NOOP\r\n"), reset()))
    client = test.connect_tls()
    login(client)
    client.send(b"b NOOP\r\n")
    assert client.read_to_end() == b""
    assert client.end in (End.FIN, End.RESET, End.ALERT)
    client.close()
    fields = test.proxy.wait_for_event("session").fields
    assert fields["reason"] == "server-reset" and fields["ended_by"] == "server"


def test_a_reader_that_stops_stops_the_server(proxy, new_backend, new_client):
    """The proxy takes no more than fits in its buffers and the sockets'; later all of it comes."""
    total = 64 * 1024 * 1024
    block = os.urandom(1 << 20)
    sent, stalled = 0, threading.Event()

    def pour(connection):
        nonlocal sent
        connection._socket.settimeout(1)
        view = memoryview(block * (total // len(block)))
        while sent < total:
            try:
                sent += connection._socket.send(view[sent:sent + (1 << 16)])
            except TimeoutError:
                stalled.set()

    backend = new_backend(login_script(expect(b"b FETCH\r\n"), pour, wait_for_end()))
    proxy.backend("server", backend.port)
    proxy.listener("test", "imap", "starttls", "server")
    proxy.start()
    client = new_client(proxy.ports["test"])
    client.read_line()
    client.starttls("imap")
    login(client)
    client.send(b"b FETCH\r\n")
    assert stalled.wait(30)
    assert sent < total
    digest = hashlib.sha256()
    for _ in range(total // len(block)):
        digest.update(client.read_exactly(len(block)))
    assert digest.digest() == hashlib.sha256(block * (total // len(block))).digest()


@pytest.mark.conformance("C71")
def test_the_session_line_tells_what_happened(bench):
    test = bench("imap", imap())
    client = test.connect_tls()
    login(client)
    client.imap(b"b NOOP")
    client.imap(b"c LOGOUT")
    client.read_to_end()
    client.close()
    fields = test.proxy.wait_for_event("session").fields
    assert fields["listener"] == "test" and fields["protocol"] == "imap"
    assert fields["client"].startswith("127.0.0.1:")
    assert fields["tls"] == "TLSv1.3" and fields["cipher"].startswith("TLS_") and fields["group"]
    assert fields["sni"] == "mail.example.test" and fields["user"] == "alice"
    assert fields["server"] == "server1" and fields["tries"] == "1"
    assert int(fields["bytes_in"]) > 0 and int(fields["bytes_out"]) > 0
    assert int(fields["duration_ms"]) >= 0 and fields["ended_by"] in ("client", "server")
    assert "secret" not in test.proxy.log()
