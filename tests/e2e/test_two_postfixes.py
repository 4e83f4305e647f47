"""Two Postfixes behind one backend. One takes a single connection at once from any address, and
says 421 to the next: behind a proxy, whose address is always the same, that is soon.
"""

import pytest
from mailmux_e2e.crowd import Crowd, shares
from mailmux_e2e.legacy import DOMAIN, USER, start_together, stop_together

AT_ONCE = 4
RECIPIENT = f"RCPT TO:<{USER}@{DOMAIN}>".encode()


@pytest.fixture(scope="module")
def postfixes():
    narrow = ["--only", "postfix", "--name", "narrow", "--connections", "1"]
    servers = start_together(narrow, ["--only", "postfix", "--name", "wide"])
    yield servers
    stop_together(servers)


@pytest.fixture
def front(proxy, postfixes):
    narrow, wide = postfixes
    proxy.section("timeouts", connect="5s", greeting="10s", connect_deadline="20s", drain="5s")
    proxy.section("backend mta", fall=1, server=[
        f"narrow 127.0.0.1:{narrow.smtp}", f"wide 127.0.0.1:{wide.smtp}"])
    proxy.listener("smtp", "smtp", "none", "mta")
    proxy.start()
    return proxy


def greet(client):
    words = client.read_smtp().split()
    assert words[0] == b"220" and words[2] == b"ESMTP", words
    return words[1].decode()


def deliver(client, greeted):
    greeted(greet(client))
    assert client.smtp(b"EHLO client.example").startswith(b"250-")
    assert client.smtp(b"MAIL FROM:<friend@outside.example>").startswith(b"250 ")
    assert client.smtp(RECIPIENT).startswith(b"250 ")
    assert client.smtp(b"DATA").startswith(b"354 ")
    assert client.smtp(b"Subject: mail\r\n\r\nmail\r\n.").startswith(b"250 ")
    assert client.smtp(b"QUIT").startswith(b"221 ")


def enter_narrow(front, new_client):
    """Postfix forgets a connection a moment after its end."""
    for _ in range(1000):
        client = new_client(front.ports["smtp"])
        if greet(client) == "narrow":
            return client
        client.smtp(b"QUIT")
        client.close()
    raise AssertionError(front.log())


def test_a_server_that_is_busy_is_passed_over_and_not_marked(front, new_client):
    crowd = Crowd(front.ports["smtp"], deliver)
    inside = enter_narrow(front, new_client)
    with crowd.coming(AT_ONCE, 5):
        pass
    assert crowd.failures() == []
    assert shares(crowd.visits) == {"wide": AT_ONCE * 5}
    front.wait_for_event("try-failed", AT_ONCE * 5 // 2)
    tries = front.events("try-failed")
    assert {line.fields["server"] for line in tries} == {"narrow"}
    assert {line.fields["why"] for line in tries} == {"refused by its greeting"}
    assert inside.smtp(b"NOOP").startswith(b"250 ")
    assert inside.smtp(b"QUIT").startswith(b"221 ")
    inside.close()
    assert enter_narrow(front, new_client).smtp(b"NOOP").startswith(b"250 ")
    assert front.events("server-down") == []
