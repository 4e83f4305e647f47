"""What mailmux refuses has a line of its own, with what and whom: conformance 5.9. No line has text of
a client that may be a secret.
"""

import socket

import pytest
from mailmux_e2e.attacks import PLAIN, READY
from mailmux_e2e.client import Client
from mailmux_e2e.listeners import add_listeners
from mailmux_e2e.servers import server

each_protocol = pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3"])
GOODBYE = {"smtp": b"QUIT\r\n", "imap": b"z LOGOUT\r\n", "pop3": b"QUIT\r\n"}
SECRET = b"Tr0ub4dor3"


def refused(proxy, reason=None):
    lines = proxy.events("refused")
    return [line for line in lines if reason in (None, line.fields["reason"])]


def finish(target, client, goodbye=True):
    """Ends the session and returns the fields of its line."""
    if goodbye:
        client.send(GOODBYE[target.protocol])
    client.read_to_end()
    client.close()
    session = target.proxy.wait_for_event("session").fields
    assert SECRET.decode() not in target.proxy.log()
    return session


def assert_parties(line, session):
    for key in ("id", "listener", "client", "protocol", "backend", "server"):
        if key in line.fields:
            assert line.fields[key] == session[key], key
    assert line.fields["id"] and line.fields["client"].startswith("127.0.0.1:")


# Recipients

@pytest.mark.quick
@pytest.mark.conformance("C116")
def test_a_recipient_that_is_not_relayed_is_told_with_its_sender(field):
    target = field("smtp", server("smtp"), tls="implicit", relay_domains="example.org")
    client = target.connect(READY)
    client.smtp(b"MAIL FROM:<alice@sender.test> SIZE=100")
    for recipient in (b"<bob@example.org>", b"<bob@elsewhere.test>", b"<@a.test:bob@example.org>",
                      b"<bob", b"carol@elsewhere.test NOTIFY=NEVER"):
        client.smtp(b"RCPT TO:" + recipient)
    session = finish(target, client)
    told = [(line.fields["reason"], line.fields["recipient"]) for line in refused(target.proxy)]
    assert told == [("not-relayed", "<bob@elsewhere.test>"),
                    ("source-route", "<@a.test:bob@example.org>"), ("bad-recipient", "<bob"),
                    ("not-relayed", "carol@elsewhere.test")]
    for line in refused(target.proxy):
        assert_parties(line, session)
        assert line.fields["command"] == "RCPT" and line.level == "info"
        assert line.fields["sender"] == "<alice@sender.test>"
    assert session["refused"] == "4"


@pytest.mark.conformance("C116")
def test_the_sender_is_that_of_the_message(field):
    target = field("smtp", server("smtp"), tls="implicit", relay_domains="example.org")
    client = target.connect(READY)
    client.smtp(b"MAIL FROM:<first@sender.test>")
    client.smtp(b"RSET")
    client.smtp(b"RCPT TO:<a@elsewhere.test>")
    client.smtp(b"MAIL FROM: <" + b"x" * 300 + b"@sender.test>")
    client.smtp(b"RCPT TO:<" + b"y" * 900 + b"@elsewhere.test>")
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<b@elsewhere.test>\r\n")
    finish(target, client)
    fields = [line.fields for line in refused(target.proxy)]
    assert "sender" not in fields[0]
    assert fields[1]["sender"] == "<" + "x" * 255
    assert fields[1]["recipient"] == "<" + "y" * 255
    assert (fields[2]["sender"], fields[2]["recipient"]) == ("<>", "<b@elsewhere.test>")


@pytest.mark.conformance("C116")
def test_a_hostile_recipient_is_escaped(field):
    target = field("smtp", server("smtp"), tls="implicit", relay_domains="example.org")
    client = target.connect(READY)
    client.smtp(b'RCPT TO:<"a\\" client=192.0.2.9:1 \xff\x1b[2J"@elsewhere.test>')
    finish(target, client)
    line = refused(target.proxy)[0].text
    assert line.index(" client=127.0.0.1:") < line.index(" recipient=")
    assert r'recipient="<\"a\\\" client=192.0.2.9:1 \xff\x1b[2J\"@elsewhere.test>"' in line


# TLS demanded

IN_CLEAR = {"smtp": [(b"MAIL FROM:<a@b>", "MAIL"), (b"AUTH PLAIN " + SECRET, "AUTH")],
            "imap": [(b"a LOGIN alice " + SECRET, "LOGIN"), (b"a AUTHENTICATE PLAIN " + SECRET, "AUTHENTICATE"),
                     (b"a SELECT INBOX", "SELECT")],
            "pop3": [(b"USER alice", "USER"), (b"PASS " + SECRET, "PASS"), (b"AUTH PLAIN", "AUTH")]}


@pytest.mark.quick
@pytest.mark.conformance("C116", "C118")
@each_protocol
def test_a_command_that_needs_tls_is_told(field, protocol):
    target = field(protocol, server(protocol), require_tls="yes")
    client = target.connect(PLAIN)
    for line, _ in IN_CLEAR[protocol]:
        client.send(line + b"\r\n")
        client.read_line()
    session = finish(target, client)
    assert [(line.fields["reason"], line.fields["command"], line.fields["tls"])
            for line in refused(target.proxy)] == [
                ("tls-required", command, "none") for _, command in IN_CLEAR[protocol]]
    for line in refused(target.proxy):
        assert_parties(line, session)
    assert session["login"] == "none", "it was never tried"


# Injection, smuggling

@pytest.mark.conformance("C116", "C17")
@each_protocol
def test_an_injection_is_told_once(field, protocol):
    start = {"smtp": b"STARTTLS", "imap": b"a STARTTLS", "pop3": b"STLS"}[protocol]
    target = field(protocol, server(protocol))
    client = target.connect(PLAIN)
    client.send(start + b"\r\nPASS " + SECRET + b"\r\n")
    session = finish(target, client, goodbye=False)
    assert session["reason"] == "starttls-injection" and session["refused"] == "1"
    line, = refused(target.proxy)
    assert (line.fields["reason"], line.fields["command"]) == (
        "starttls-injection", start.split()[-1].decode())
    assert_parties(line, session)


LOOK_ALIKES = {b"\n.\n": r"\x0a.\x0a", b"\r.\r": r"\x0d.\x0d", b"\r\n.\r\r\n": r"\x0d\x0a.\x0d\x0d",
               b"\n.\r\n": r"\x0a.\x0d", b"\r\n.\n": r"\x0d\x0a.\x0a"}


@pytest.mark.conformance("C116", "C71")
@pytest.mark.parametrize("octets", LOOK_ALIKES)
def test_smuggling_is_told_with_its_octets_however_they_are_cut(field, octets):
    target = field("smtp", server("smtp"))
    for bytewise in (False, True):
        client = target.connect(READY)
        client.smtp(b"MAIL FROM:<alice@sender.test>")
        client.smtp(b"DATA")
        message = b"x" + octets + b"MAIL FROM:<admin@sender.test>\r\n.\r\n"
        for piece in ([message[i:i + 1] for i in range(len(message))] if bytewise else [message]):
            client.send(piece)
        client.read_to_end()
        client.close()
        target.proxy.wait_for_event("session", 1 + bytewise)
    lines = refused(target.proxy)
    assert len(lines) == 2
    for line in lines:
        assert (line.fields["reason"], line.fields["command"]) == ("smuggling", "DATA")
        assert line.fields["sender"] == "<alice@sender.test>"
        assert line.fields["line_end"] == LOOK_ALIKES[octets], line.text



@pytest.mark.conformance("C116")
def test_a_bare_line_end_that_is_refused_is_told(field):
    target = field("smtp", server("smtp"), smuggling="strict")
    client = target.connect(READY)
    client.smtp(b"DATA")
    client.send(b"one\ntwo\r\n.\r\n")
    session = finish(target, client, goodbye=False)
    line, = refused(target.proxy)
    assert (line.fields["reason"], line.fields["line_end"]) == ("smuggling", r"\x0a")
    assert session["reason"] == "smuggling"


@pytest.mark.conformance("C116")
def test_smuggling_is_told_although_the_client_leaves(field):
    target = field("smtp", server("smtp"))
    client = target.connect(READY)
    client.smtp(b"DATA")
    client.send(b"x\n.\nstill more")
    target.proxy.wait_for_event("refused")
    client.close()
    session = target.proxy.wait_for_event("session").fields
    assert session["refused"] == "1" and session["reason"].startswith("client-")


# Commands

COMMANDS = {
    "smtp": [(b"XCLIENT ADDR=192.0.2.1", "not-permitted", "XCLIENT"),
             (b"AUTH EXTERNAL", "mechanism-withheld", "AUTH"), (b"TURN " + SECRET, "not-offered", "TURN"),
             (b"STARTTLS", "out-of-place", "STARTTLS"), (b"7" + SECRET, "bad-command", None),
             (b"RCPT TO:<" + b"x" * 5000, "line-too-long", "RCPT"),
             (SECRET + b"\0", "bad-character", None)],
    "imap": [(b"a AUTHENTICATE EXTERNAL", "mechanism-withheld", "AUTHENTICATE"),
             (b"a COMPRESS DEFLATE", "out-of-place", "COMPRESS"),
             (b"a NOOP " + SECRET, "bad-arguments", "NOOP"), (b"a \"" + SECRET, "bad-command", None),
             (b"a LOGIN alice " + SECRET * 500, "line-too-long", "LOGIN"),
             (b"a LOGIN {9999}", "literal-too-large", "LOGIN"),
             (b"a LOGIN " + SECRET + b"\0", "bad-character", "LOGIN"),
             (b"a STARTTLS", "out-of-place", "STARTTLS")],
    "pop3": [(b"AUTH EXTERNAL", "mechanism-withheld", "AUTH"), (b"STLS", "out-of-place", "STLS"),
             (SECRET, "bad-command", None), (b"PASS " + SECRET * 500, "line-too-long", "PASS"),
             (b"PASS\0" + SECRET, "bad-character", None)],
}


@pytest.mark.conformance("C116", "C118")
@each_protocol
def test_each_refused_command_is_told_by_its_name_alone(field, protocol):
    target = field(protocol, server(protocol), tls="implicit")
    client = target.connect(READY)
    for line, _, _ in COMMANDS[protocol]:
        client.send(line + b"\r\n")
        client.read_line()
    session = finish(target, client)
    assert [(line.fields["reason"], line.fields.get("command")) for line in refused(target.proxy)] == [
        (reason, command) for _, reason, command in COMMANDS[protocol]]
    assert session["refused"] == str(len(COMMANDS[protocol]))


# Limits

@pytest.mark.conformance("C116", "C60")
@each_protocol
def test_too_many_bad_commands_are_told(field, protocol):
    bad = {"smtp": b"7\r\n", "imap": b"a NOOP x\r\n", "pop3": b"FROB\r\n"}[protocol]
    target = field(protocol, server(protocol), tls="implicit")
    client = target.connect(READY)
    for _ in range(10):
        client.send(bad)
        client.read_line()
    session = finish(target, client, goodbye=False)
    assert session["reason"] == "too-many-bad-commands"
    assert len(refused(target.proxy)) == 11 and session["refused"] == "11"
    assert refused(target.proxy)[-1].fields["reason"] == "too-many-bad-commands"
    assert_parties(refused(target.proxy)[-1], session)


@pytest.mark.conformance("C116")
@each_protocol
def test_an_endless_line_is_told_once(field, protocol):
    target = field(protocol, server(protocol), tls="implicit")
    client = target.connect(READY)
    for _ in range(40):
        client.send(b"x" * 4096)
    session = finish(target, client, goodbye=False)
    assert session["reason"] == "line-too-long"
    assert [line.fields["reason"] for line in refused(target.proxy)] == ["line-too-long"]


@pytest.mark.conformance("C116")
def test_a_literal_that_ends_the_session_is_told_once(field):
    target = field("imap", server("imap"), tls="implicit")
    client = target.connect(READY)
    client.send(b"a LOGIN {99999+}\r\n")
    session = finish(target, client, goodbye=False)
    assert session["reason"] == "literal-too-large"
    line, = refused(target.proxy)
    assert (line.fields["reason"], line.fields["command"]) == ("literal-too-large", "LOGIN")


@pytest.mark.conformance("C116")
def test_a_client_cannot_fill_the_log(field):
    """A message that is taken makes its bad commands forgotten, so it may go on for ever."""
    target = field("smtp", server("smtp"), tls="implicit", relay_domains="example.org")
    client = target.connect(READY)
    for _ in range(10):
        client.smtp(b"MAIL FROM:<a@b.test>")
        for n in range(5):
            client.smtp(b"RCPT TO:<a%d@elsewhere.test>" % n)
        client.smtp(b"RCPT TO:<a@example.org>")
        client.smtp(b"DATA")
        client.send(b"x\r\n.\r\n")
        client.read_line()
    session = finish(target, client)
    assert len(refused(target.proxy)) == 20
    assert (session["refused"], session["refused_unlogged"]) == ("50", "30")
    assert session["reason"] == "quit"


@pytest.mark.conformance("C116")
def test_what_ends_a_session_before_its_dialog_is_told_too(proxy, new_backend):
    add_listeners(proxy, new_backend)
    proxy.start()
    client = Client(proxy.ports["smtp"])
    client.send(b"GET / HTTP/1.1\r\n\r\n")
    try:
        client.read_to_end()
    finally:
        client.close()
    session = proxy.wait_for_event("session").fields
    line = refused(proxy)[-1]
    assert session["reason"] == line.fields["reason"] == "http-request"
    assert_parties(line, session)


@pytest.mark.conformance("C116")
def test_tls_in_the_wrong_place_has_one_line(proxy, new_backend):
    """Scanners come by the thousand; the line of the session says all of it."""
    add_listeners(proxy, new_backend)
    proxy.start()
    for n, (name, words, reason) in enumerate([
            ("imaps", b"a LOGIN alice " + SECRET + b"\r\n", "plaintext-on-tls-port"),
            ("imap", b"\x16\x03\x01\x00\x05hello", "tls-on-plaintext-port")], 1):
        client = Client(proxy.ports[name])
        client.send(words)
        try:
            client.read_to_end()
        finally:
            client.close()
        assert proxy.wait_for_event("session", n).fields["reason"] == reason
        assert not refused(proxy)
    assert SECRET.decode() not in proxy.log()


@pytest.mark.conformance("C116")
def test_too_many_handshakes_are_told(proxy, new_backend):
    """One worker takes the clients in the order in which they come."""
    proxy.section("proxy", workers=1, hostname="mail.example.test",
                  state_directory=proxy.directory / "state")
    proxy.section("limits", handshakes=1)
    add_listeners(proxy, new_backend)
    proxy.start()
    waiting = Client(proxy.ports["imaps"])
    client = Client(proxy.ports["imap"])
    client.read_line()
    assert client.imap(b"a STARTTLS").startswith(b"a NO [UNAVAILABLE]")
    fields = proxy.wait_for_event("refused").fields
    assert (fields["reason"], fields["command"]) == ("too-many-handshakes", "STARTTLS")
    client.close()
    with socket.create_connection(("127.0.0.1", proxy.ports["pop3s"])) as second:
        assert second.recv(1) == b""
    fields = proxy.wait_for_event("refused", 2).fields
    assert (fields["reason"], fields["listener"]) == ("too-many-handshakes", "pop3s")
    waiting.close()


@pytest.mark.conformance("C116")
def test_too_many_sessions_are_told(proxy, new_backend):
    proxy.section("limits", sessions=1)
    add_listeners(proxy, new_backend)
    proxy.start()
    first = Client(proxy.ports["imap"])
    first.read_line()
    second = Client(proxy.ports["imap"])
    assert second.read_line().startswith(b"* BYE")
    fields = proxy.wait_for_event("refused").fields
    assert fields["reason"] == "too-many-sessions" and fields["listener"] == "imap"
    first.close()
    second.close()
