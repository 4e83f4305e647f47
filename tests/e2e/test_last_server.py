"""The last server that is left is tried, whatever stands in the way but a failed check."""

import threading

import pytest
from mailmux_e2e.ports import Ports
from mailmux_e2e.servers import imap, server, smtp
from mailmux_e2e.steps import close, send, start_tls, wait_for, wait_for_end

GREETING = {"smtp": b"220 good.example ESMTP\r\n", "imap": b"* OK good one\r\n",
            "pop3": b"+OK good one\r\n"}
FAREWELL = {"smtp": b"421 4.4.1", "imap": b"* BYE [UNAVAILABLE]", "pop3": b"-ERR [SYS/TEMP]"}


@pytest.fixture
def serve(proxy, new_client):
    def start(protocol, ports, timeouts=None, listener=None, **settings):
        proxy.section("timeouts", **{"connect": "2s", "greeting": "2s", "connect_deadline": "20s",
                                     "drain": "2s", **(timeouts or {})})
        proxy.section("proxy", workers=1, hostname="mail.example.test",
                      state_directory=proxy.directory / "state")
        proxy.backend("server", *ports, **{"fall": 1, **settings})
        proxy.listener("test", protocol, "starttls", "server", **(listener or {}))
        proxy.start()
        return lambda: new_client(proxy.ports["test"])

    return start


@pytest.mark.conformance("C126")
@pytest.mark.parametrize("queue", [{"queue_size": 0}, {"queue_timeout": "200ms"}],
                         ids=["no queue", "a queue"])
@pytest.mark.parametrize("protocol", GREETING)
def test_a_marked_server_is_tried_before_a_client_is_turned_away_for_want_of_a_place(
        serve, proxy, new_backend, protocol, queue):
    """One server is full, the other one failed once and is back."""
    full = new_backend(server(protocol, greeting=GREETING[protocol]))
    back = new_backend([close()], server(protocol, greeting=b"* OK back\r\n".replace(
        b"* OK", GREETING[protocol].split(b" good")[0])))
    connect = serve(protocol, [f"{full.port} max_sessions=1", back.port], **queue)
    first = connect()
    assert first.read_line() == GREETING[protocol]
    assert connect().read_line().startswith(FAREWELL[protocol])  # it marks the other one
    proxy.wait_for_event("server-down")
    assert b" back\r\n" in connect().read_line()
    assert b" back\r\n" in connect().read_line()


@pytest.mark.conformance("C126")
def test_a_place_is_kept_at_a_server_that_is_marked_meanwhile(serve, proxy, new_backend):
    """Two places at the only server; a session marks it, and the next takes the second place. Then
    the first session dials anew behind STARTTLS, and another one waits."""
    backend = new_backend(imap(), [close()], imap())
    connect = serve("imap", [f"{backend.port} max_sessions=2"], listener={"require_tls": "no"},
                    send_client_address="id", rise=100, queue_size=1, queue_timeout="10m",
                    timeouts={"connect_deadline": "10m"})
    first = connect()
    first.read_line()
    assert connect().read_line().startswith(FAREWELL["imap"])
    proxy.wait_for_event("server-down")
    second = connect()
    assert not second.read_line().startswith(FAREWELL["imap"])
    waiting = connect()
    assert connect().read_line().startswith(FAREWELL["imap"])  # the queue is full
    first.starttls("imap")
    assert first.imap(b"a NOOP").endswith(b"a OK noop\r\n")
    assert len(backend.connections) == 4  # none of them is of the one that waits
    second.close()
    assert not waiting.read_line().startswith(FAREWELL["imap"])


@pytest.mark.conformance("C135")
@pytest.mark.parametrize("protocol", ["smtp", "submission"])
def test_a_server_that_is_slow_before_its_tls_is_waited_for(
        serve, proxy, new_backend, certificates, protocol):
    """Postfix looks a client up before it wraps its port in TLS."""
    go_on = threading.Event()
    slow = new_backend([wait_for(go_on), start_tls(certificates.rsa),
                        *server("smtp", greeting=b"220 slow\r\n")])
    connect = serve(protocol, [slow.port], tls="implicit", verify="no",
                    timeouts={"connect_deadline": "300ms", "greeting": "1m", "handshake": "2s"})
    client = connect()
    slow.connection()
    other = new_backend([wait_for(go_on)])
    proxy.backend("other", other.port, tls="implicit", verify="no")
    proxy.listener("imap", "imap", "starttls", "other")
    assert proxy.reload().event == "reloaded"
    with type(client)(proxy.ports["imap"]) as late:
        assert late.read_line().startswith(FAREWELL["imap"])
    go_on.set()
    assert client.read_line() == b"220 slow\r\n"
    assert [line for line in proxy.events("server-down")
            if line.fields["backend"] == "server"] == []


@pytest.mark.conformance("C125")
@pytest.mark.parametrize("yes", [b"220 mx.example ESMTP\r\n", b"250 2.0.0 known\r\n"])
def test_every_2yz_to_xclient_is_a_yes(serve, new_backend, yes):
    backend = new_backend(smtp(words=(b"old.example", b"XCLIENT NAME ADDR PORT", b"SIZE 1000"),
                               replies={b"XCLIENT": yes}))
    client = serve("smtp", [backend.port], send_client_address="xclient")()
    assert client.read_line().startswith(b"220 ")
    assert client.smtp(b"EHLO client.example").startswith(b"250-")
