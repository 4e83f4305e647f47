"""Real servers on a bad day, and real servers that are unlike the others: what their clients notice
behind mailmux.
"""

import pytest
from mailmux_e2e.legacy import DOMAIN, USER, LegacyServer
from mailmux_e2e.opensmtpd import opensmtpd

RECIPIENT = f"RCPT TO:<{USER}@{DOMAIN}>".encode()
LISTED = "127.0.0.66"


@pytest.fixture(scope="module")
def screened():
    """Postfix with postscreen, which drops one client; it hears of clients by a PROXY header."""
    legacy = LegacyServer("--only", "postfix", "--address", "proxy", "--screen", LISTED)
    yield legacy
    legacy.stop()


@pytest.fixture(scope="module")
def plain():
    legacy = LegacyServer("--only", "postfix")
    yield legacy
    legacy.stop()


def deliver(client, starttls=False):
    assert client.read_smtp().startswith(b"220 ")
    assert client.smtp(b"EHLO client.example").startswith(b"250-")
    if starttls:
        client.starttls("smtp")
        assert client.smtp(b"EHLO client.example").startswith(b"250-")
    assert client.smtp(b"MAIL FROM:<friend@outside.example>").startswith(b"250 ")
    assert client.smtp(RECIPIENT).startswith(b"250 ")
    assert client.smtp(b"DATA").startswith(b"354 ")
    assert client.smtp(b"Subject: mail\r\n\r\nHello\r\n.").startswith(b"250 ")
    assert client.smtp(b"QUIT").startswith(b"221 ")
    client.close()


# One client is turned away


@pytest.mark.conformance("C125", "C127")
@pytest.mark.parametrize("servers", ["alone", "two"])
def test_a_client_that_postscreen_drops_takes_the_server_from_nobody(
        proxy, screened, new_client, servers):
    """More visits than `fall`, and each hears postscreen's own words, not ours."""
    ports = [screened.smtp] * (2 if servers == "two" else 1)
    proxy.backend("mta", *ports, send_client_address="proxy-v2")
    proxy.listener("smtp", "smtp", "none", "mta")
    proxy.start()
    for _ in range(4):
        listed = new_client(proxy.ports["smtp"], source=LISTED)
        assert listed.read_to_end() == b"521 5.3.2 Service currently unavailable\r\n"
        deliver(new_client(proxy.ports["smtp"], source="127.0.0.7"))
    assert proxy.events("server-down") == []


@pytest.mark.conformance("C125")
def test_a_client_behind_a_balancer_that_postscreen_drops(proxy, screened, new_client):
    """The address is one that a PROXY header tells."""
    proxy.backend("mta", screened.smtp, send_client_address="proxy-v2")
    proxy.listener("smtp", "smtp", "none", "mta", accept_proxy_from="127.0.0.1")
    proxy.start()
    for _ in range(4):
        listed = new_client(proxy.ports["smtp"])
        listed.send(f"PROXY TCP4 {LISTED} 127.0.0.1 40000 25\r\n".encode())
        assert listed.read_to_end().startswith(b"521 5.3.2 ")
        other = new_client(proxy.ports["smtp"])
        other.send(b"PROXY TCP4 192.0.2.7 127.0.0.1 40000 25\r\n")
        deliver(other)


# A server that takes EHLO once


@pytest.fixture(scope="module")
def once():
    with opensmtpd() as server:
        yield server


@pytest.mark.conformance("C132")
def test_a_message_through_starttls_reaches_a_server_that_takes_ehlo_once(
        proxy, once, new_client):
    proxy.backend("mta", once.port)
    proxy.listener("smtp", "smtp", "starttls", "mta")
    proxy.start()
    client = new_client(proxy.ports["smtp"])
    deliver(client, starttls=True)
    once.wait_for_log('result="Delivered"')
    assert any(b"\r\nHello" in one or b"\nHello" in one for one in once.messages())
    assert "server-down" not in proxy.log()
