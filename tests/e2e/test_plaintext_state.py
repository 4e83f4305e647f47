"""What may be said in clear, and that none of it lives on in TLS: conformance C9, C11, C18, C31, C33,
C35 and C36.
"""

import hashlib
import threading

import pytest
from mailmux_e2e.attacks import client_hello, first_flight, go_on
from mailmux_e2e.client import Client, End
from mailmux_e2e.listeners import GREETINGS, UPGRADE, is_served
from mailmux_e2e.servers import pop3, server, smtp
from mailmux_e2e.steps import tell, wait_for

each_protocol = pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3"])
GO_AHEAD = (b"220 ", b"t OK ", b"+OK")


# C18

@pytest.mark.conformance("C18")
@each_protocol
def test_a_client_hello_in_the_same_write_begins_the_handshake(field, protocol):
    """Whole, in part at every eighth octet, and one octet at a time."""
    target = field(protocol)
    length = len(client_hello())

    def upgrade(cut):
        client = Client(target.port)
        assert client.read_line().startswith(GREETINGS)
        flight = UPGRADE[protocol] + first_flight(client)
        for piece in cut(flight):
            client.socket.sendall(piece)
        assert client.read_line().startswith(GO_AHEAD)
        go_on(client)
        assert is_served(client, protocol)
        client.close()

    first = len(UPGRADE[protocol])
    for at in [*range(first + 1, first + length, 8), first + length]:
        upgrade(lambda flight, at=at: [flight[:at], flight[at:]])
    upgrade(lambda flight: [flight[i:i + 1] for i in range(len(flight))])
    count = len(target.proxy.events("session"))
    assert all(line.fields["reason"] != "starttls-injection"
               for line in target.proxy.events("session")[:count])


# C31

@pytest.mark.conformance("C31", "C33")
@pytest.mark.parametrize("before", [[b"MAIL FROM:<a@b.test>"],
                                    [b"MAIL FROM:<a@b.test>", b"RCPT TO:<alice@example.test>"]])
def test_a_transaction_of_postfix_is_gone_after_starttls(proxy, legacy, new_client, before):
    proxy.backend("mta", legacy.smtp)
    proxy.listener("test", "smtp", "starttls", "mta")
    proxy.start()
    client = new_client(proxy.ports["test"])
    client.read_smtp()
    client.smtp(b"EHLO c.test")
    for line in before:
        assert client.smtp(line).startswith(b"250 ")
    client.starttls("smtp")
    assert client.smtp(b"RCPT TO:<alice@example.test>").startswith(b"503 ")
    client.smtp(b"EHLO c.test")
    assert client.smtp(b"RCPT TO:<alice@example.test>").startswith(b"503 ")
    assert client.smtp(b"DATA").startswith((b"503 ", b"554 "))
    assert client.smtp(b"MAIL FROM:<a@b.test>").startswith(b"250 ")


@pytest.mark.conformance("C31", "C33")
def test_starttls_in_a_transaction_resets_the_server(bench):
    """The client sees the answer to its STARTTLS and none to the RSET."""
    test = bench("smtp", smtp())
    client = test.connect()
    client.read_smtp()
    client.smtp(b"EHLO plaintext.test")
    client.smtp(b"MAIL FROM:<a@b.test>")
    client.smtp(b"RCPT TO:<a@b.test>")
    client.starttls("smtp")
    client.smtp(b"EHLO tls.test")
    client.close()
    assert test.backend.finished().commands == [
        b"EHLO plaintext.test\r\n", b"MAIL FROM:<a@b.test>\r\n", b"RCPT TO:<a@b.test>\r\n",
        b"RSET\r\n", b"EHLO tls.test\r\n"]


# C33

LEFT_BEHIND = {
    "smtp": [(b"EHLO plain.test\r\nAUTH PLAIN AGFsaWNlAHdyb25n\r\n", {b"AUTH": b"535 no\r\n"}),
             (b"EHLO plain.test\r\nXFROB me\r\n", {b"XFROB": b"250 done\r\n"}),
             (b"EHLO plain.test\r\nMAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nDATA\r\n",
              {b"DATA": b"554 no\r\n"})],
    "imap": [(b"l LOGIN alice wrong\r\n", {b"LOGIN": b"%T NO no\r\n"}),
             (b"l AUTHENTICATE PLAIN AGFsaWNlAHdyb25n\r\n",
              {b"AUTHENTICATE": b"%T NO no\r\n"})],
    "pop3": [(b"APOP alice c4c9334bac560ecc979e58001b3e22fb\r\n", {b"APOP": b"-ERR no\r\n"}),
             (b"AUTH PLAIN AGFsaWNlAHdyb25n\r\n", {b"AUTH": b"-ERR no\r\n"}),
             (b"LANG de\r\n", {b"LANG": b"+OK de\r\n"}), (b"UTF8\r\n", {b"UTF8": b"+OK\r\n"})],
}


@pytest.mark.conformance("C33")
@pytest.mark.parametrize("protocol, said, replies", [
    (protocol, *one) for protocol, several in LEFT_BEHIND.items() for one in several])
def test_what_leaves_a_trace_in_clear_gets_a_fresh_server_in_tls(bench, protocol, said, replies):
    """It is another connection, which has heard none of it, and its greeting is not shown."""
    test = bench(protocol, server(protocol, replies=replies), require_tls="no")
    client = test.connect()
    client.read_line()
    for line in said.splitlines(keepends=True):
        client.send(line)
        if protocol == "imap":
            client.read_tagged(line.split()[0])
        else:
            client.read_smtp() if protocol == "smtp" else client.read_line()
    client.starttls(protocol)
    assert is_served(client, protocol)
    client.close()
    assert test.backend.finished(0).commands, "the control: it was said to the first one"
    heard = bytes(test.backend.finished(1).received)
    assert heard.upper() in (b"NOOP\r\n", b"N NOOP\r\n"), heard


@pytest.mark.conformance("C33")
def test_an_id_in_clear_does_not_reach_the_server(bench):
    test = bench("imap", server("imap"))
    client = test.connect()
    client.read_line()
    assert client.imap(b'i ID ("name" "plain")') == b"* ID NIL\r\ni OK ID completed\r\n"
    client.starttls("imap")
    client.imap(b'j ID ("name" "in tls")')
    client.close()
    assert test.backend.finished().commands == [b'j ID ("name" "in tls")\r\n']


@pytest.mark.conformance("C33", "C27")
def test_a_user_of_pop3_does_not_come_along(bench):
    test = bench("pop3", pop3(), require_tls="no")
    client = test.connect()
    client.read_line()
    assert client.pop3(b"USER alice") == b"+OK user\r\n"
    assert client.pop3(b"STLS").startswith(b"-ERR")
    assert client.pop3(b"PASS secret") == b"+OK logged in\r\n"  # in clear, as is allowed here
    client.close()


# C35, C36

@pytest.mark.conformance("C35")
def test_where_tls_is_required_smtp_still_serves_what_leads_to_it(bench):
    test = bench("smtp", smtp(), require_tls="yes")
    client = test.connect()
    client.read_smtp()
    for line, answer in ((b"HELO c.test", b"250"), (b"EHLO c.test", b"250"), (b"NOOP", b"250"),
                         (b"RSET", b"250"), (b"HELP", b"214"), (b"MAIL FROM:<a@b>", b"530 5.7.0 "),
                         (b"STARTTLS now", b"501"), (b"QUIT", b"221")):
        assert client.smtp(line).startswith(answer)
    assert client.read_to_end() == b""


@pytest.mark.conformance("C35")
@pytest.mark.parametrize("protocol, lines, refusal", [
    ("imap", [b"a SELECT INBOX", b"a LOGIN alice secret", b"a LOGIN {5+}\r\nalice {6+}\r\nsecret",
              b"a AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==", b"a APPEND INBOX {5+}\r\nalice"],
     b"a NO [PRIVACYREQUIRED] "),
    ("pop3", [b"USER alice", b"PASS secret", b"APOP alice c4c9334bac560ecc979e58001b3e22fb",
              b"AUTH PLAIN AGFsaWNlAHNlY3JldA==", b"AUTH PLAIN"], b"-ERR [AUTH] "),
])
def test_where_tls_is_required_for_all_nothing_of_it_reaches_the_server(
        bench, protocol, lines, refusal):
    test = bench(protocol, server(protocol), require_tls="yes")
    client = test.connect()
    client.read_line()
    answers = set()
    for line in lines:
        client.send(line + b"\r\n")
        answers.add(client.read_line())
    assert len(answers) == 1 and answers.pop().startswith(refusal)
    client.starttls(protocol)
    client.close()
    assert test.backend.finished().received == b""


@pytest.mark.conformance("C36")
def test_port_25_takes_mail_in_clear_unless_told_otherwise(bench):
    test = bench("smtp", smtp())
    client = test.connect()
    client.read_smtp()
    client.smtp(b"EHLO c.test")
    client.smtp(b"MAIL FROM:<a@b.test>")
    assert client.smtp(b"RCPT TO:<a@b.test>").startswith(b"250 ")
    assert client.smtp(b"DATA").startswith(b"354 ")
    client.send(b"\r\nHello\r\n.\r\n")
    assert client.read_smtp().startswith(b"250 ")
    client.close()
    assert test.backend.finished().messages == [b"\r\nHello\r\n.\r\n"]


# C9

def takes_apop(connection, command):
    """As a server does that knows the challenge it has sent."""
    digest = hashlib.md5(b"<1896.697170952@dbc.example>secret").hexdigest().encode()
    return b"+OK in\r\n" if command == b"APOP alice " + digest + b"\r\n" else b"-ERR no\r\n"


@pytest.mark.conformance("C9")
@pytest.mark.parametrize("tls, settings", [("implicit", {}), ("starttls", {"require_tls": "no"}),
                                           ("none", {})])
def test_the_digest_of_the_challenge_that_was_shown_is_right(bench, tls, settings):
    script = pop3(greeting=b"+OK ready <1896.697170952@dbc.example>\r\n",
                  replies={b"APOP": takes_apop})
    test = bench("pop3", script, tls=tls, **settings)
    client = test.connect()
    if tls == "implicit":
        client.begin_tls()
    challenge = b"<" + client.read_line().split(b"<")[1].split(b">")[0] + b">"
    digest = hashlib.md5(challenge + b"secret").hexdigest().encode()
    assert client.pop3(b"APOP alice " + digest) == b"+OK in\r\n"


# C11

EARLY = {"smtp": b"EHLO early.test\r\n", "imap": b"a NOOP\r\n", "pop3": b"CAPA\r\n"}
FAREWELL = {"smtp": b"554 5.5.1 ", "imap": b"* BYE ", "pop3": b"-ERR"}


@pytest.mark.conformance("C11")
@pytest.mark.parametrize("tls", ["starttls", "implicit", "none"])
@each_protocol
def test_an_early_talker_is_refused_where_set_so(bench, protocol, tls):
    """While the server has not greeted yet; nothing it said is served."""
    connected, go = threading.Event(), threading.Event()
    test = bench(protocol, [tell(connected), wait_for(go), *server(protocol)], tls=tls,
                 early_talker="refuse")
    client = test.connect()
    if tls == "implicit":
        client.begin_tls()
    assert connected.wait(30)
    client.send(EARLY[protocol])
    came = client.read_to_end()
    go.set()
    assert came.startswith(FAREWELL[protocol]) and came.count(b"\r\n") == 1
    assert client.end in (End.FIN, End.CLOSE_NOTIFY)
    client.close()
    assert test.proxy.wait_for_event("session").fields["reason"] == "early-talker"
    assert EARLY[protocol].strip() not in test.backend.connection().received


@pytest.mark.conformance("C11", "C1")
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@each_protocol
def test_who_waits_for_a_greeting_that_is_held_back_is_served(bench, protocol, tls):
    test = bench(protocol, server(protocol), tls=tls, early_talker="refuse",
                 greeting_delay="300ms")
    client = test.connect()
    if tls == "implicit":
        client.begin_tls()
    assert client.read_line().startswith(GREETINGS)
    assert is_served(client, protocol)


@pytest.mark.conformance("C11")
@pytest.mark.parametrize("early_talker", ["hold", "refuse"])
@each_protocol
def test_who_speaks_while_the_greeting_is_held_back(bench, protocol, early_talker):
    test = bench(protocol, server(protocol), early_talker=early_talker, greeting_delay="500ms")
    client = test.connect()
    client.send(EARLY[protocol])
    if early_talker == "refuse":
        came = client.read_to_end()
        assert came.startswith(FAREWELL[protocol]) and came.count(b"\r\n") == 1
    else:
        assert client.read_line().startswith(GREETINGS)
        assert client.read_line().startswith((b"250", b"a OK", b"+OK"))
