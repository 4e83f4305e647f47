"""The reason of a session tells a clean goodbye from a server that died: conformance 5.9. A relay is
not read; the last line of each side, as it passes, is all that is known of its end.
"""

import pytest
from mailmux_e2e.attacks import READY, Field
from mailmux_e2e.legacy import LegacyServer
from mailmux_e2e.servers import Goodbye, server
from mailmux_e2e.steps import close, cut, expect, reset, send, wait_for_end

relayed = pytest.mark.parametrize("protocol", ["imap", "pop3"])
LOGIN = {"imap": [send(b"* OK ready\r\n"), expect(b"a LOGIN alice secret\r\n"), send(b"a OK in\r\n")],
         "pop3": [send(b"+OK ready\r\n"), expect(b"USER alice\r\n"), send(b"+OK\r\n"),
                  expect(b"PASS secret\r\n"), send(b"+OK in\r\n")]}
QUIT = {"imap": b"b LOGOUT\r\n", "pop3": b"QUIT\r\n"}
BYE = {"imap": b"* BYE Logging out\r\nb OK Logout completed (0.001 + 0.000 secs).\r\n",
       "pop3": b"+OK Logging out.\r\n"}
OTHER = {"imap": (b"b NOOP\r\n", b"b OK done\r\n"), "pop3": (b"NOOP\r\n", b"+OK\r\n")}
IDLE = {"imap": b"* BYE Disconnected for inactivity.\r\n", "pop3": b"-ERR Disconnected for inactivity.\r\n"}


def log_in(client, protocol):
    if protocol == "imap":
        client.imap(b"a LOGIN alice secret")
    else:
        client.pop3(b"USER alice")
        client.pop3(b"PASS secret")


@pytest.fixture
def relay(bench):
    """relay(protocol, steps): a client behind its login, at a server that goes on with these steps."""
    def begin(protocol, *steps, **options):
        made = bench(protocol, [*LOGIN[protocol], *steps], **{"tls": "implicit", **options})
        client = made.connect()
        if options.get("tls") != "none":
            client.begin_tls()
        client.read_line()
        log_in(client, protocol)
        return made, client

    return begin


def ended(made, client):
    client.close()
    fields = made.proxy.wait_for_event("session").fields
    return fields["reason"], fields["ended_by"]


@pytest.mark.quick
@pytest.mark.conformance("C116")
@pytest.mark.parametrize("tls", ["implicit", "none"])
@relayed
def test_a_goodbye_that_is_answered(relay, protocol, tls):
    made, client = relay(protocol, expect(QUIT[protocol]), send(BYE[protocol]), close(), tls=tls)
    client.send(QUIT[protocol])
    assert client.read_to_end() == BYE[protocol]
    assert ended(made, client) == ("quit", "client")


@pytest.mark.conformance("C116")
@relayed
def test_a_goodbye_in_small_letters_and_line_by_line(relay, protocol):
    lines = BYE[protocol].splitlines(keepends=True)
    made, client = relay(protocol, expect(QUIT[protocol].lower()), *map(send, lines), close())
    client.send(QUIT[protocol].lower())
    client.read_to_end()
    assert ended(made, client) == ("quit", "client")


@pytest.mark.conformance("C116")
@relayed
def test_a_goodbye_that_comes_in_the_write_of_the_login(bench, protocol):
    made = bench(protocol, server(protocol), tls="implicit")
    client = made.connect()
    client.begin_tls()
    client.read_line()
    if protocol == "imap":
        client.send_at_once(b"a LOGIN alice secret\r\nb LOGOUT\r\n")
    else:
        client.pop3(b"USER alice")
        client.send_at_once(b"PASS secret\r\nQUIT\r\n")
    client.read_to_end()
    assert ended(made, client) == ("quit", "client")


@pytest.mark.conformance("C116")
@pytest.mark.parametrize("end, reason", [(close, "server-closed"), (reset, "server-reset")])
@relayed
def test_a_server_that_dies(relay, protocol, end, reason):
    ask, answer = OTHER[protocol]
    made, client = relay(protocol, expect(ask), send(answer), end())
    client.send(ask)
    assert client.read_to_end() in (answer, b"") or end is reset
    assert ended(made, client) == (reason, "server")


@pytest.mark.conformance("C116")
@relayed
def test_a_server_that_dies_over_a_goodbye(relay, protocol):
    """Without an answer to QUIT it is not known whether POP3 has removed any message."""
    made, client = relay(protocol, expect(QUIT[protocol]), close())
    client.send(QUIT[protocol])
    client.read_to_end()
    assert ended(made, client) == ("server-closed", "server")


@pytest.mark.conformance("C116")
@relayed
def test_a_server_that_says_goodbye_unasked(relay, protocol):
    ask, answer = OTHER[protocol]
    made, client = relay(protocol, expect(ask), send(answer), send(IDLE[protocol]), close())
    client.send(ask)
    assert client.read_to_end() == answer + IDLE[protocol]
    assert ended(made, client) == ("server-farewell", "server")


@pytest.mark.conformance("C116")
@relayed
def test_a_client_that_leaves_without_a_word(relay, protocol):
    made, client = relay(protocol, wait_for_end())
    reason, ended_by = ended(made, client)
    assert reason in ("client-closed", "client-reset", "client-truncated") and ended_by == "client"


@pytest.mark.conformance("C116")
@relayed
def test_a_client_that_does_not_wait_for_the_answer(relay, protocol):
    """Thunderbird and others close behind their LOGOUT."""
    made, client = relay(protocol, expect(QUIT[protocol]), wait_for_end())
    client.send(QUIT[protocol])
    assert ended(made, client) == ("quit", "client")


@pytest.mark.conformance("C116")
@relayed
def test_bytes_that_only_look_like_a_goodbye(relay, protocol):
    """In the middle of a line, or in a message behind which more comes."""
    ask, answer = OTHER[protocol]
    mail = b"x LOGOUT\r\nQUIT\r\n" + ask
    made, client = relay(protocol, expect(mail), send(b"* BYE\r\n+OK bye\r\n" + answer), close())
    client.send(mail)
    client.read_to_end()
    assert ended(made, client) == ("server-closed", "server")


@pytest.mark.conformance("C116")
@relayed
def test_a_goodbye_behind_much_data(relay, protocol, bytewise):
    blob = b"x" * 70 + b"\r\n"
    data = blob * (20 if bytewise else 5000)
    made, client = relay(protocol, expect(OTHER[protocol][0]), send(data), expect(QUIT[protocol]),
                         send(BYE[protocol]), cut())
    client.send(OTHER[protocol][0])
    client.read_exactly(len(data))
    client.send(QUIT[protocol])
    client.read_to_end()
    assert ended(made, client) == ("quit", "client")


@pytest.mark.conformance("C116")
def test_the_goodbye_of_smtp(field):
    target = field("smtp", server("smtp"), tls="implicit")
    client = target.connect(READY)
    client.send(b"QUIT\r\n")
    client.read_to_end()
    client.close()
    fields = target.proxy.wait_for_event("session").fields
    assert (fields["reason"], fields["ended_by"]) == ("quit", "client")


@pytest.mark.conformance("C116")
@pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3"])
def test_a_client_that_resets_behind_its_goodbye_before_a_login(field, protocol):
    def silent(connection, _):
        connection.wait_for_end()
        raise Goodbye

    verb = b"LOGOUT" if protocol == "imap" else b"QUIT"
    target = field(protocol, server(protocol, replies={verb: silent}), tls="none", require_tls="no")
    client = target.connect()
    client.send(b"b LOGOUT\r\n" if protocol == "imap" else b"QUIT\r\n")
    assert target.backend.connection().wait_for(verb + b"\r\n")
    client.reset()
    fields = target.proxy.wait_for_event("session").fields
    assert (fields["reason"], fields["ended_by"]) == ("quit", "client")


@pytest.fixture(scope="module")
def real():
    legacy = LegacyServer()
    yield legacy
    legacy.stop()


@pytest.mark.conformance("C116")
@pytest.mark.parametrize("tls", ["implicit", "none"])
@relayed
def test_the_goodbye_of_dovecot(proxy, real, protocol, tls):
    proxy.backend("server", getattr(real, protocol))
    proxy.listener("test", protocol, tls, "server", **({"require_tls": "no"} if tls == "none" else {}))
    proxy.start()
    target = Field(proxy, None, protocol, tls)
    client = target.connect()
    log_in(client, protocol)
    client.send(QUIT[protocol])
    client.read_to_end()
    client.close()
    fields = proxy.wait_for_event("session").fields
    assert (fields["reason"], fields["ended_by"]) == ("quit", "client")
