"""`tls = auto`: one port for clients that begin with TLS and for those that use STARTTLS. Its first byte
tells what a client wants; one that says nothing gets the greeting after `sniff`.
"""

import signal
import threading
import time

import pytest
from mailmux_e2e import CEILING, until
from mailmux_e2e.attacks import GOODBYE, client_hello, first_flight, go_on, in_records, ways
from mailmux_e2e.client import Client, default_context
from mailmux_e2e.servers import server
from mailmux_e2e.steps import wait_for

PROTOCOLS = ["smtp", "submission", "imap", "pop3"]
FIRST = {"smtp": b"EHLO c.test\r\n", "imap": b"a CAPABILITY\r\n", "pop3": b"CAPA\r\n"}
NEVER = "60s"  # longer than any test


def spoken(protocol):
    return protocol.replace("submission", "smtp")


class Port:
    """One listener with `tls = auto`, and one backend."""

    def __init__(self, proxy, backend, protocol):
        self.proxy, self.backend, self.protocol = proxy, backend, spoken(protocol)
        self._sessions = 0

    def connect(self, **options):
        return Client(self.proxy.ports["test"], **options)

    def greeting(self, client):
        greeting = client.read_smtp() if self.protocol == "smtp" else client.read_line()
        assert greeting.startswith({"smtp": b"220 ", "imap": b"* OK ", "pop3": b"+OK "}
                                   [self.protocol]), greeting
        return greeting

    def leave(self, client):
        """Says goodbye; the answer proves that the server is there."""
        client.send(GOODBYE[self.protocol])
        assert client.read_to_end()
        client.close()

    def session(self):
        """The line of the next session that is over."""
        self._sessions += 1
        return self.proxy.wait_for_event("session", self._sessions).fields


@pytest.fixture
def port(proxy, new_backend):
    def build(protocol="smtp", sniff=NEVER, timeouts={}, first=[], **settings):
        """first: steps of the server on its first connection, in front of its greeting."""
        usual = server(spoken(protocol))
        backend = new_backend([*first, *usual], usual) if first else new_backend(usual)
        proxy.backend("server", backend.port)
        proxy.section("timeouts", drain="2s", **timeouts)
        proxy.listener("test", protocol, "auto", "server", sniff=sniff, **settings)
        proxy.start()
        return Port(proxy, backend, protocol)
    return build


@pytest.mark.quick
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_both_kinds_of_clients_on_one_port(port, protocol):
    port = port(protocol, sniff="20ms")
    with port.connect() as client:
        client.begin_tls()
        port.greeting(client)
        port.leave(client)
    session = port.session()
    assert session["tls"] == "TLSv1.3" and session["reason"] == "quit"
    with port.connect() as client:
        port.greeting(client)  # it has said nothing
        client.starttls(port.protocol)
        port.leave(client)
    session = port.session()
    assert session["tls"] == "TLSv1.3" and session["reason"] == "quit"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_client_that_speaks_at_once_in_clear_is_greeted_at_once(port, protocol):
    """The greeting comes first, and the answer behind it; STARTTLS goes on from there."""
    port = port(protocol)
    for segments in ways(FIRST[port.protocol]):
        with port.connect() as client:
            for segment in segments:
                client.send_raw(segment)
            port.greeting(client)
            if port.protocol == "smtp":
                assert b"250-STARTTLS" in client.read_smtp()
            elif port.protocol == "imap":
                assert b"STARTTLS" in client.read_tagged(b"a")
            else:
                assert b"STLS" in client.read_dotted()
            client.starttls(port.protocol)
            port.leave(client)
        assert port.session()["reason"] == "quit"
    assert {bytes(one.received).split(b"\r\n")[0] + b"\r\n" for one in port.backend.connections} \
        == {FIRST[port.protocol]}


@pytest.mark.conformance("C146")
def test_a_handshake_at_every_split_of_its_first_bytes(port):
    port = port()
    for at in range(1, len(client_hello(small()))):
        with port.connect() as client:
            hello = first_flight(client, small())
            client.send_raw(hello[:at])
            client.send_raw(hello[at:])
            go_on(client)
            port.greeting(client)
            port.leave(client)
        assert port.session()["tls"] == "TLSv1.3"


def small():
    """Its ClientHello has no padding."""
    context = default_context()
    context.minimum_version = context.maximum_version
    context.options &= ~0x10  # SSL_OP_TLSEXT_PADDING
    return context


def test_a_handshake_byte_by_byte(port):
    port = port()
    with port.connect() as client:
        hello = first_flight(client)
        for i in range(len(hello)):
            client.send_raw(hello[i:i + 1])
        go_on(client)
        port.greeting(client)
        port.leave(client)
    assert port.session()["reason"] == "quit"


def test_a_hello_of_many_records(port):
    port = port()
    with port.connect() as client:
        context = default_context()
        context.set_alpn_protocols([f"grease-{i:0240}" for i in range(6)] + ["smtp"])
        hello = first_flight(client, context)
        assert len(hello) > 1500
        client.send_raw(in_records(hello, [700, 1, 600]))
        go_on(client)
        port.greeting(client)
        port.leave(client)
    assert port.session()["alpn"] == "smtp"


def test_silence_is_answered_by_the_greeting(port):
    """No byte of the client is needed, and none is lost that comes later."""
    port = port("imap", sniff="10ms")
    for _ in range(20):
        with port.connect() as client:
            port.greeting(client)
            assert b"a OK" in client.imap(b"a NOOP")
            port.leave(client)
        assert port.session()["reason"] == "quit"


@pytest.mark.parametrize("end, reason", [("close", "client-closed"), ("reset", "client-reset")])
def test_a_client_that_leaves_without_a_word(port, end, reason):
    port = port()
    client = port.connect()
    getattr(client, end)()
    session = port.session()
    assert session["reason"] == reason and session["phase"] == "sniff"
    assert "backend" not in session
    assert port.backend.connections == []


def test_a_script_that_says_all_and_ends(port):
    port = port()
    with port.connect() as client:
        client.send_raw(b"EHLO c.test\r\nQUIT\r\n")
        client.half_close()
        answer = client.read_to_end()
    assert answer.startswith(b"220 ") and b"221 " in answer
    assert port.session()["reason"] == "quit"


def test_something_that_begins_like_tls(port):
    port = port()
    with port.connect() as client:
        client.send_raw(b"\x16\x03\x01\x00\x05xxxxx")
        client.read_to_end()
    session = port.session()
    assert session["reason"] == "handshake-failed" and session["tls"] == "none"
    assert port.backend.connections == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tls_that_comes_later_than_sniff_allows_is_told_as_that(port, protocol):
    """A lost segment comes again after a second. The greeting has gone out in clear, and no setting
    of the client's encryption would have helped."""
    port = port(protocol, sniff="10ms")
    with port.connect() as client:
        port.greeting(client)
        client.send_raw(first_flight(client))
        client.read_to_end()
    session = port.session()
    assert session["reason"] == "tls-on-plaintext-port"
    assert session["hint"] == ("the client begins with TLS, but later than sniff allows, and had got the "
                               "greeting in clear; write a longer sniff")


@pytest.mark.parametrize("early_talker", ["hold", "refuse"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tls_that_comes_before_the_greeting_is_tls(port, protocol, early_talker):
    """It comes later than sniff allows, but the server is slow, and the client has heard nothing yet."""
    slow = threading.Event()
    port = port(protocol, sniff="10ms", first=[wait_for(slow)], early_talker=early_talker)
    with port.connect() as client:
        port.backend.connection(0)
        client.send_raw(first_flight(client))
        go_on(client)
        slow.set()
        port.greeting(client)
        port.leave(client)
    session = port.session()
    assert session["tls"] == "TLSv1.3" and session["reason"] == "quit" and session["tries"] == "1"


def test_tls_that_comes_while_the_greeting_is_delayed_is_tls(port):
    port = port("smtp", sniff="10ms", greeting_delay="60s")

    def is_delayed():
        port.proxy.send_signal(signal.SIGUSR1)
        return any(line.fields["phase"] == "delay" for line in port.proxy.events("state-session"))

    with port.connect() as client:
        until(is_delayed)
        client.send_raw(first_flight(client))
        go_on(client)
        assert client.tls.version() == "TLSv1.3"
    assert port.session()["tls"] == "TLSv1.3"


def test_a_handshake_that_does_not_go_on(port):
    port = port(timeouts={"handshake": "200ms"})
    with port.connect() as client:
        client.send_raw(b"\x16\x03")
        assert client.read_to_end() == b""
    assert port.session()["reason"] == "handshake-timeout"


def test_an_early_talker_may_be_turned_away(port):
    port = port(early_talker="refuse")
    with port.connect() as client:
        client.send_raw(b"EHLO c.test\r\n")
        assert client.read_to_end().startswith(b"554 5.5.1 ")
    assert port.session()["reason"] == "early-talker"
    with port.connect() as client:
        client.begin_tls()
        port.greeting(client)
        port.leave(client)
    assert port.session()["reason"] == "quit"


@pytest.mark.parametrize("tls", [True, False], ids=["tls", "clear"])
def test_behind_a_proxy_header(port, tls):
    """What stands behind it is the client's, in the same segment or in another one."""
    port = port(accept_proxy_from="127.0.0.9")
    header = b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\n"
    for at in (len(header), len(header) + 1, len(header) + 3, len(header) - 2):
        with port.connect(source="127.0.0.9") as client:
            first = header + (first_flight(client) if tls else b"EHLO c.test\r\n")
            client.send_raw(first[:at])
            client.send_raw(first[at:])
            if tls:
                go_on(client)
            port.greeting(client)
            port.leave(client)
        session = port.session()
        assert session["client"] == "192.0.2.7:40000"
        assert session["tls"] == ("TLSv1.3" if tls else "none")


def test_the_end_of_the_process_meets_clients_that_say_nothing(port):
    port = port()
    client = port.connect()
    begun = port.connect()
    begun.send_raw(first_flight(begun)[:100])
    wait_for_sessions(port, "sniff", 1)
    port.proxy.send_signal(signal.SIGTERM)
    assert client.read_to_end() == b""
    assert {port.session()["reason"] for _ in range(2)} == {"shutdown"}
    port.proxy.stop()


def wait_for_sessions(port, phase, count):
    """Asks for the state until so many sessions are in the phase."""
    end = time.monotonic() + CEILING
    while time.monotonic() < end:
        seen = len(port.proxy.events("state-worker"))
        port.proxy.send_signal(signal.SIGUSR1)
        port.proxy.wait_for_event("state-worker", seen + 2)
        states = [line for line in port.proxy.events("state-session")
                  if line.fields["phase"] == phase]
        if len(states) >= count:
            return
    raise AssertionError(port.proxy.log())


def test_a_reload_while_a_client_says_nothing(port):
    """It keeps the settings that it began with."""
    port = port("imap")
    client = port.connect()
    wait_for_sessions(port, "sniff", 1)
    port.proxy.listener("test", "imap", "none", "server")
    assert port.proxy.reload().event == "reloaded"
    client.begin_tls()
    port.greeting(client)
    port.leave(client)
    assert port.session()["tls"] == "TLSv1.3"


@pytest.mark.quick
@pytest.mark.conformance("C148")
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_listener_without_auto_never_waits(proxy, new_backend, protocol):
    """Its sessions are never in the phase in which a client's byte is waited for."""
    backend = new_backend(server(spoken(protocol)))
    proxy.section("proxy", workers=1, state_directory=proxy.directory / "state", log_level="debug")
    proxy.backend("server", backend.port)
    for tls in ("starttls", "none"):
        proxy.listener(tls, protocol, tls, "server")
    proxy.start()
    for tls in ("starttls", "none"):
        with Client(proxy.ports[tls]) as client:
            assert client.read_line()
    proxy.wait_for_event("session", 2)
    phases = [line.fields["to"] for line in proxy.events("phase")]
    assert "dialog" in phases and "sniff" not in phases


def test_a_session_is_resumed_on_the_same_listener_alone(proxy, new_backend):
    """A15: what one listener has given is worth nothing at another one."""
    backend = new_backend(server("imap"))
    proxy.backend("server", backend.port)
    for name in ("one", "two"):
        proxy.listener(name, "imap", "auto", "server", sniff=NEVER)
    proxy.start()
    context = default_context()

    def visit(name, session=None, starttls=False):
        with Client(proxy.ports[name]) as client:
            if starttls:
                client.send_raw(b"t STARTTLS\r\n")
                assert client.read_line().startswith(b"* OK")
                assert client.read_line().startswith(b"t OK")
            client.begin_tls(context, session=session)
            if not starttls:
                assert client.read_line().startswith(b"* OK")
            client.imap(b"a NOOP")
            return client.tls.session, client.tls.session_reused

    session, _ = visit("one")
    assert visit("one", session)[1]
    assert visit("one", session, starttls=True)[1]
    assert not visit("two", session)[1]
