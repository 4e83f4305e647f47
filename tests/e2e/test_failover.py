"""Several servers behind one listener: before the client has seen a byte, a bad one is left."""

import pytest
from mailmux_e2e.ports import Ports
from mailmux_e2e.servers import server
from mailmux_e2e.steps import close, expect, hang, reset, send, wait_for_end

GREETING = {"smtp": b"220 good.example ESMTP\r\n", "imap": b"* OK good one\r\n",
            "pop3": b"+OK good one\r\n"}
BAD_GREETINGS = [
    ("smtp", b"421 4.3.2 busy\r\n"), ("smtp", b"554 5.7.1 no service\r\n"),
    ("smtp", b"421-4.3.2 very\r\n421 4.3.2 busy\r\n"),
    ("smtp", b"* OK I speak IMAP\r\n"), ("smtp", b"220-one\r\n221 two\r\n"),
    ("imap", b"* BYE busy\r\n"), ("imap", b"+OK I speak POP3\r\n"), ("imap", b"hello\r\n"),
    ("pop3", b"-ERR busy\r\n"), ("pop3", b"220 I speak SMTP\r\n"),
    ("smtp", b"x" * 70000), ("imap", b"x" * 70000), ("pop3", b"x" * 70000),
]


@pytest.fixture
def serve(proxy, new_client):
    """serve(protocol, ports, **settings of the backend) gives a function that connects."""

    def start(protocol, ports, tls="starttls", **settings):
        proxy.section("timeouts", connect="2s", greeting="2s", connect_deadline="10s",
                      drain="2s")
        proxy.section("proxy", workers=1, hostname="mail.example.test",
                      state_directory=proxy.directory / "state")
        proxy.backend("server", *ports, **settings)
        proxy.listener("test", protocol, tls, "server")
        proxy.start()
        return lambda: new_client(proxy.ports["test"])

    return start


@pytest.mark.quick
@pytest.mark.parametrize("protocol", GREETING)
def test_a_server_that_refuses_is_left_for_the_next(serve, new_backend, protocol):
    ports = Ports()
    good = new_backend(server(protocol, greeting=GREETING[protocol]))
    connect = serve(protocol, [ports.reserve(), ports.reserve(), good.port])
    for _ in range(3):
        assert connect().read_line() == GREETING[protocol]
    ports.release()


@pytest.mark.conformance("C4", "C5")
@pytest.mark.parametrize("protocol, greeting", BAD_GREETINGS)
def test_a_server_with_a_bad_greeting_is_left_for_the_next(serve, new_backend, protocol, greeting):
    bad = new_backend([send(greeting), wait_for_end()])
    good = new_backend(server(protocol, greeting=GREETING[protocol]))
    connect = serve(protocol, [bad.port, good.port])
    clients = [connect(), connect()]
    for client in clients:
        assert client.read_line() == GREETING[protocol]
    assert b"EHLO" not in bad.finished().received


@pytest.mark.parametrize("how", [close, reset, hang], ids=["close", "reset", "silence"])
@pytest.mark.parametrize("protocol", GREETING)
def test_a_server_without_a_greeting_is_left_for_the_next(serve, new_backend, protocol, how):
    bad = new_backend([how()])
    good = new_backend(server(protocol, greeting=GREETING[protocol]))
    connect = serve(protocol, [bad.port, good.port])
    clients = [connect(), connect()]
    for client in clients:
        assert client.read_line() == GREETING[protocol]
    bad.connection()


@pytest.mark.parametrize("protocol, greetings", [
    ("smtp", [b"421 4.3.2 first\r\n", b"421 4.3.2 second\r\n"]),
    ("smtp", [b"554 5.7.1 first\r\n", b"421 4.3.2 second\r\n"]),
    ("imap", [b"* BYE first\r\n", b"* BYE second\r\n"]),
    ("pop3", [b"-ERR first\r\n", b"-ERR second\r\n"]),
])
@pytest.mark.conformance("C4", "C5")
def test_the_last_greeting_that_refused_is_what_the_client_gets(
        serve, new_backend, protocol, greetings):
    backends = [new_backend([send(greeting), wait_for_end()]) for greeting in greetings]
    connect = serve(protocol, [backend.port for backend in backends])
    client = connect()
    shown = client.read_line()
    tried = max(range(2), key=lambda n: len(backends[n].connections))
    assert shown[:6] == greetings[tried][:6] or shown[:6] == greetings[1][:6]
    for backend in backends:
        backend.finished()
    if shown.startswith(b"554"):
        client.smtp(b"QUIT")
    assert client.read_to_end() == b""


@pytest.mark.conformance("C10")
def test_a_greeting_that_refused_is_shown_even_if_other_servers_are_dead(serve, new_backend):
    ports = Ports()
    bad = new_backend([send(b"421 4.3.2 busy but alive\r\n"), wait_for_end()])
    connect = serve("smtp", [ports.reserve(), bad.port, ports.reserve()])
    for _ in range(3):
        client = connect()
        assert client.read_line() == b"421 4.3.2 busy but alive\r\n"
        assert client.read_to_end() == b""
    ports.release()


@pytest.mark.parametrize("protocol", GREETING)
def test_servers_take_turns(serve, new_backend, protocol):
    backends = [new_backend(server(protocol)) for _ in range(3)]
    connect = serve(protocol, [backend.port for backend in backends])
    for _ in range(9):
        assert connect().read_line()
    assert [len(backend.connections) for backend in backends] == [3, 3, 3]


def test_retries_are_limited(serve, new_backend):
    bad = [new_backend([send(b"* BYE busy\r\n"), wait_for_end()]) for _ in range(4)]
    connect = serve("imap", [backend.port for backend in bad], retries=1)
    assert connect().read_line().startswith(b"* BYE ")
    assert sum(len(backend.connections) for backend in bad) == 2


def test_a_host_name_is_looked_up(proxy, new_backend, new_client):
    backend = new_backend(server("imap"))
    proxy.section("backend server", server=f"localhost:{backend.port}")
    proxy.listener("test", "imap", "starttls", "server")
    proxy.start()
    assert new_client(proxy.ports["test"]).read_line() == b"* OK old server ready\r\n"


@pytest.mark.conformance("C10")
def test_a_host_name_that_does_not_exist_is_a_server_that_failed(proxy, new_backend, new_client):
    backend = new_backend(server("imap"))
    proxy.section("backend server",
                  server=["gone no.such.host.invalid:143", f"here 127.0.0.1:{backend.port}"])
    proxy.section("timeouts", connect="500ms", connect_deadline="10s", drain="2s")
    proxy.listener("test", "imap", "starttls", "server")
    proxy.start()
    for _ in range(2):
        assert new_client(proxy.ports["test"]).read_line() == b"* OK old server ready\r\n"


def test_a_client_cannot_mark_a_server_down(serve, new_backend):
    """Whatever happens after the greeting says nothing about the server."""
    backend = new_backend([send(b"220 old.example\r\n"), expect(b"NOOP\r\n"), reset()])
    connect = serve("smtp", [backend.port])
    for _ in range(5):
        client = connect()
        assert client.read_line() == b"220 old.example\r\n"
        client.send(b"NOOP\r\n")
        client.read_to_end()


def test_the_log_names_the_server_and_the_tries(serve, proxy, new_backend):
    ports = Ports()
    good = new_backend(server("imap"))
    connect = serve("imap", [ports.reserve(), good.port])
    for _ in range(2):
        client = connect()
        client.read_line()
        client.imap(b"a LOGOUT")
        client.read_to_end()
        client.close()
    proxy.wait_for_event("session", 2)
    lines = proxy.events("session")
    assert {line.fields["server"] for line in lines} == {"server2"}
    assert sorted(int(line.fields["tries"]) for line in lines) in ([1, 2], [2, 2])
    ports.release()
