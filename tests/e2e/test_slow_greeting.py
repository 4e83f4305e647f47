"""SMTP servers may be slow on purpose [RFC 5321 4.5.3.2.1]: the wait for a greeting outlasts
connect_deadline where no other server is free. (The ten seconds after which a free one is asked are
told to the clock of unit/backend/test_upstream.)"""

import threading

import pytest
from mailmux_e2e.servers import server
from mailmux_e2e.steps import wait_for


@pytest.fixture
def serve(proxy, new_client):
    def start(protocol, ports):
        proxy.section("timeouts", connect="500ms", connect_deadline="500ms", drain="2s")
        proxy.section("proxy", workers=1, hostname="mail.example.test",
                      state_directory=proxy.directory / "state")
        proxy.backend("server", *ports, fall=1)
        proxy.listener("test", protocol, "starttls", "server")
        proxy.start()
        return lambda: new_client(proxy.ports["test"])

    return start


@pytest.mark.conformance("C135")
@pytest.mark.parametrize("protocol", ["smtp", "submission"])
def test_a_slow_greeting_outlasts_the_connect_deadline(serve, proxy, new_backend, protocol):
    """A second client, whose server does not answer at all, tells when the deadline has passed."""
    go_on = threading.Event()
    slow = new_backend([wait_for(go_on), *server("smtp", greeting=b"220 slow\r\n")])
    connect = serve(protocol, [slow.port])
    client = connect()
    slow.connection()
    other = new_backend([wait_for(go_on)])
    proxy.backend("other", other.port)
    proxy.listener("imap", "imap", "starttls", "other")
    assert proxy.reload().event == "reloaded"
    with type(client)(proxy.ports["imap"]) as late:
        assert late.read_line().startswith(b"* BYE [UNAVAILABLE]")
    go_on.set()
    assert client.read_line() == b"220 slow\r\n"
    assert [line for line in proxy.events("server-down")
            if line.fields["backend"] == "server"] == []
