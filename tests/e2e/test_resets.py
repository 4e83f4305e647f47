"""A reset in every state of either leg: the session ends, nothing leaks (the sanitizers look), no
invariant breaks, and the next client is served.
"""

import pytest
from mailmux_e2e.client import Client, Closed
from mailmux_e2e.servers import server
from mailmux_e2e.steps import expect, reset, send

TLS = {"imap": b"a STARTTLS", "pop3": b"STLS", "smtp": b"STARTTLS"}
HALF = {"imap": b"a LOG", "pop3": b"USE", "smtp": b"EHL"}
LOGIN = {"imap": b"a AUTHENTICATE PLAIN\r\n", "pop3": b"AUTH PLAIN\r\n", "smtp": b"AUTH PLAIN\r\n"}


def greet(client, protocol):
    client.read_smtp() if protocol == "smtp" else client.read_line()


def at_once(client, protocol):
    """Perhaps before the session has begun."""


def greeted(client, protocol):
    greet(client, protocol)


def in_a_line(client, protocol):
    greet(client, protocol)
    client.send(HALF[protocol])


def before_the_handshake(client, protocol):
    greet(client, protocol)
    client.send(TLS[protocol] + b"\r\n")
    client.read_line()


def in_the_handshake(client, protocol):
    before_the_handshake(client, protocol)
    client.send_raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")


def behind_the_handshake(client, protocol):
    before_the_handshake(client, protocol)
    client.begin_tls()


def in_a_login(client, protocol):
    behind_the_handshake(client, protocol)
    if protocol == "smtp":
        client.smtp(b"EHLO c.test")
    client.send(LOGIN[protocol])


def in_the_relay(client, protocol):
    behind_the_handshake(client, protocol)
    if protocol == "imap":
        client.imap(b"a LOGIN x y")
    elif protocol == "pop3":
        client.pop3(b"USER x")
        client.pop3(b"PASS y")
    else:
        client.smtp(b"EHLO c.test")
        client.smtp(b"MAIL FROM:<a@b.test>")
        client.smtp(b"RCPT TO:<a@b.test>")
        client.smtp(b"DATA")
        client.send(b"half a li")


def at_the_goodbye(client, protocol):
    behind_the_handshake(client, protocol)
    client.send({"imap": b"a LOGOUT\r\n"}.get(protocol, b"QUIT\r\n"))


STATES = [at_once, greeted, in_a_line, before_the_handshake, in_the_handshake, behind_the_handshake,
          in_a_login, in_the_relay, at_the_goodbye]


def is_served(proxy, protocol):
    with Client(proxy.ports[protocol]) as client:
        greet(client, protocol)


@pytest.mark.conformance("C115")
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
@pytest.mark.parametrize("protocol", ["imap", "pop3", "smtp"])
def test_the_client_resets(proxy, new_backend, protocol, state):
    proxy.backend("server", new_backend(server(protocol)).port)
    proxy.listener(protocol, protocol, "starttls", "server", require_tls="no")
    proxy.start()
    for _ in range(3):
        client = Client(proxy.ports[protocol])
        state(client, protocol)
        client.reset()
    proxy.wait_for_event("session", 3)
    is_served(proxy, protocol)
    assert proxy.stop().fields["faults"] == "0"


GREETING = {"imap": b"* OK ready\r\n", "pop3": b"+OK ready\r\n", "smtp": b"220 ready\r\n"}
COMMAND = {"imap": b"a NOOP\r\n", "pop3": b"CAPA\r\n", "smtp": b"NOOP\r\n"}


def script(protocol, where):
    """What the server does before it resets."""
    hello = [expect(b"EHLO c.test\r\n"), send(b"250 x\r\n")] if protocol == "smtp" else []
    return {
        "before the greeting": [reset()],
        "in the greeting": [send(GREETING[protocol][:4]), reset()],
        "behind the greeting": [send(GREETING[protocol]), reset()],
        "in an answer": [send(GREETING[protocol]), *hello, expect(COMMAND[protocol]),
                         send(b"2"), reset()],
        "owing an answer": [send(GREETING[protocol]), *hello, expect(COMMAND[protocol]), reset()],
    }[where]


@pytest.mark.conformance("C115")
@pytest.mark.parametrize("where", ["before the greeting", "in the greeting", "behind the greeting",
                                   "in an answer", "owing an answer"])
@pytest.mark.parametrize("protocol", ["imap", "pop3", "smtp"])
def test_the_server_resets(proxy, new_backend, protocol, where):
    proxy.backend("server", new_backend(script(protocol, where)).port)
    proxy.listener(protocol, protocol, "starttls", "server", require_tls="no")
    proxy.start()
    for _ in range(3):
        with Client(proxy.ports[protocol]) as client:
            try:
                greet(client, protocol)
                if protocol == "smtp":
                    client.send(b"EHLO c.test\r\n")
                client.send(COMMAND[protocol])
                client.read_to_end()
            except (Closed, ConnectionError):
                pass
    proxy.wait_for_event("session", 3)
    assert proxy.stop().fields["faults"] == "0"
