"""tls_relay = own: after the login mailmux seals and opens the records of TLS 1.3 itself."""

import hashlib
import os
import pwd
import ssl
from contextlib import ExitStack

import pytest
from mailmux_e2e.client import End
from mailmux_e2e.legs import LEGS
from mailmux_e2e.memory import LEAN, resident
from mailmux_e2e.proxy import is_thread_sanitized
from mailmux_e2e.servers import server
from mailmux_e2e.steps import expect, expect_end, send

LARGE = 3 * 1024 * 1024
SESSIONS = 100
SAVED = 6000  # octets for each session at least; the library's object has 13 KiB


@pytest.fixture
def own(monkeypatch):
    """Requested before the proxy, whose settings it is for."""
    monkeypatch.setenv("MAILMUX_TLS_RELAY", "own")


@pytest.mark.parametrize("leg", LEGS[1:])
def test_large_both_ways_and_a_clean_end(own, legs, leg):
    up, down = os.urandom(LARGE), os.urandom(LARGE)
    legs.serve(leg, "imap", [send(b"* OK ready\r\n"), expect(b"a LOGIN alice secret\r\n"),
                             send(b"a OK in\r\n"), expect(up), send(down), expect_end()])
    client = legs.logged_in()
    client.send(up)
    assert hashlib.sha256(client.read_exactly(LARGE)).digest() == hashlib.sha256(down).digest()
    client.close()
    legs.backend.finished()


def test_the_server_ends_cleanly(own, legs):
    legs.serve(LEGS[1], "imap", [send(b"* OK ready\r\n"), expect(b"a LOGIN alice secret\r\n"),
                                 send(b"a OK in\r\n* BYE gone\r\n")])
    client = legs.logged_in()
    assert client.read_line() == b"* BYE gone\r\n"
    assert client.read_to_end() == b"" and client.end == End.CLOSE_NOTIFY


def test_older_tls_stays_with_the_library(own, legs):
    legs.serve(LEGS[1], "imap", [send(b"* OK ready\r\n"), expect(b"a LOGIN alice secret\r\n"),
                                 send(b"a OK in\r\n"), expect(b"b NOOP\r\n"), send(b"b OK\r\n")])
    client = legs.new_client(legs.proxy.ports["test"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    client.begin_tls(context)
    client.read_line()
    assert b"a OK" in client.imap(b"a LOGIN alice secret")
    assert b"b OK" in client.imap(b"b NOOP")


def growth(new_proxy, new_backend, new_client, relay):
    """What the idle sessions add to the process, in octets."""
    proxy = new_proxy()
    proxy.environment["ASAN_OPTIONS"] = LEAN
    proxy.section("proxy", workers=1, tls_relay=relay, user=pwd.getpwuid(os.geteuid()).pw_name,
                  state_directory=proxy.directory / "state", core_dumps="yes")
    proxy.backend("server", new_backend(server("imap")).port)
    proxy.listener("imaps", "imap", "implicit", "server")
    proxy.start()

    def log_in():
        client = new_client(proxy.ports["imaps"])
        client.begin_tls()
        client.read_line()
        assert b"OK" in client.imap(b"a LOGIN x y")
        return client

    with ExitStack() as stack:
        for _ in range(10):  # what the process needs once
            stack.enter_context(log_in())
        before = resident(proxy)
        for _ in range(SESSIONS):
            stack.enter_context(log_in())
        return resident(proxy) - before


def test_an_idle_session_needs_less_memory(new_proxy, new_backend, new_client):
    if is_thread_sanitized():
        pytest.skip("ThreadSanitizer itself keeps more than the sessions do")
    library, own = (growth(new_proxy, new_backend, new_client, relay)
                    for relay in ("library", "own"))
    assert own + SESSIONS * SAVED < library
