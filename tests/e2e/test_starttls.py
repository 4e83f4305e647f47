"""STARTTLS and STLS: conformance 5.2."""

import ssl

import pytest
from mailmux_e2e.client import Closed, End, default_context
from mailmux_e2e.servers import (imap, imap_authenticate, pop3, pop3_auth, server, smtp,
                                 smtp_auth)

COMMAND = {"smtp": b"STARTTLS", "imap": b"t STARTTLS", "pop3": b"STLS"}
REFUSED = {"smtp": b"503 5.5.1 ", "imap": b"t BAD ", "pop3": b"-ERR"}
PROTOCOLS = ["smtp", "imap", "pop3"]
each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)


def say(client, protocol, line):
    """A command with its one reply; the IMAP reply without what is untagged."""
    client.send(line + b"\r\n")
    if protocol == "imap":
        return client.read_tagged(line.split(b" ", 1)[0]).splitlines(keepends=True)[-1]
    return client.read_smtp() if protocol == "smtp" else client.read_line()


def greet(client, protocol):
    assert client.read_line().startswith((b"220 ", b"* OK ", b"+OK "))


def is_alive(client, protocol):
    noop = b"z NOOP" if protocol == "imap" else b"NOOP"
    return say(client, protocol, noop).startswith((b"250 ", b"z OK ", b"+OK"))


@pytest.mark.quick
@pytest.mark.conformance("C16")
@each_protocol
def test_the_byte_behind_the_answer_is_tls(bench, protocol):
    test = bench(protocol, server(protocol))
    client = test.connect()
    greet(client, protocol)
    client.starttls(protocol)
    assert client.tls.version() in ("TLSv1.2", "TLSv1.3")
    assert is_alive(client, protocol)
    client.close()
    commands = b"".join(test.backend.finished().commands).upper()
    assert b"STARTTLS" not in commands and b"STLS" not in commands


@pytest.mark.conformance("C16")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@each_protocol
def test_both_versions_of_tls_are_spoken(bench, protocol, version):
    context = default_context()
    context.minimum_version = context.maximum_version = version
    test = bench(protocol, server(protocol))
    client = test.connect()
    greet(client, protocol)
    client.send(COMMAND[protocol] + b"\r\n")
    client.read_line()
    client.begin_tls(context)
    assert is_alive(client, protocol)


INJECTED = {
    "smtp": b"STARTTLS\r\nEHLO injected\r\n",
    "imap": b"t STARTTLS\r\nXYZQW NOOP\r\n",
    "pop3": b"STLS\r\nCAPA\r\n",
}


@pytest.mark.conformance("C17")
@pytest.mark.parametrize("rest", [b"", b"RS"], ids=["command", "half-command"])
@each_protocol
def test_bytes_behind_the_command_are_never_served(bench, protocol, rest):
    test = bench(protocol, server(protocol))
    client = test.connect()
    greet(client, protocol)
    attack = INJECTED[protocol] if not rest else COMMAND[protocol] + b"\r\n" + rest
    client.send_at_once(attack)
    answer = client.read_to_end()
    assert answer.startswith(REFUSED[protocol]) and answer.count(b"\r\n") == 1
    assert client.end in (End.FIN, End.RESET)
    client.close()
    assert test.proxy.wait_for_event("session").fields["reason"] == "starttls-injection"
    received = test.backend.finished().received
    assert b"injected" not in received and b"XYZQW" not in received and b"CAPA" not in received


@pytest.mark.conformance("C17", "C53")
@each_protocol
def test_split_bytes_behind_the_command_are_never_served(proxy, new_backend, new_client, protocol):
    """How much the proxy has read when it answers is chance; the backend sees none of it ever."""
    backend = new_backend(server(protocol))
    proxy.backend("server", backend.port)
    proxy.listener("test", protocol, "starttls", "server")
    proxy.start()
    client = new_client(proxy.ports["test"], bytewise=True)
    greet(client, protocol)
    try:
        client.send(INJECTED[protocol])
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused before the last byte was sent
    answer = client.read_to_end()
    if not answer.startswith(REFUSED[protocol]):
        line, _, behind = answer.partition(b"\r\n")
        assert not answer or line.startswith((b"220 ", b"t OK ", b"+OK"))
        assert behind == b"" or behind[0] == 0x15, "plaintext behind the answer"
    received = backend.finished().received
    assert b"injected" not in received and b"XYZQW" not in received and b"CAPA" not in received


@pytest.mark.conformance("C20")
@each_protocol
def test_nothing_is_left_of_the_plaintext_line(bench, protocol):
    """The line of the upgrade itself is longer than what follows it: nothing of it shows."""
    test = bench(protocol, server(protocol))
    client = test.connect()
    greet(client, protocol)
    client.starttls(protocol, COMMAND[protocol] + b" " * 200 + b"\r\n")
    client.send(b"NO" if protocol != "imap" else b"z NO")
    client.send(b"OP\r\n")
    assert client.read_line().startswith((b"250 ", b"z OK ", b"+OK"))


@pytest.mark.conformance("C21")
@pytest.mark.parametrize("protocol, line, refusal", [
    ("smtp", b"STARTTLS now", b"501 5.5.4 "),
    ("imap", b"t STARTTLS now", b"t BAD "),
    ("pop3", b"STLS now", b"-ERR"),
])
def test_an_argument_is_refused(bench, protocol, line, refusal):
    test = bench(protocol, server(protocol))
    client = test.connect()
    greet(client, protocol)
    assert say(client, protocol, line).startswith(refusal)
    assert is_alive(client, protocol)  # in clear
    client.starttls(protocol)
    assert is_alive(client, protocol)


@pytest.mark.conformance("C21")
@pytest.mark.parametrize("blanks", [b" ", b"  \t "])
@each_protocol
def test_trailing_blanks_are_no_argument(bench, protocol, blanks):
    test = bench(protocol, server(protocol))
    client = test.connect()
    greet(client, protocol)
    client.starttls(protocol, COMMAND[protocol] + blanks + b"\r\n")
    assert is_alive(client, protocol)


@pytest.mark.conformance("C22")
@pytest.mark.parametrize("protocol, line, refusal", [
    ("smtp", b"STARTTLSX", b"50"),
    ("imap", b"t STARTTLSX", b"t BAD "),
    ("imap", b"t XSTARTTLS", b"t BAD "),
    ("pop3", b"STLSX", b"-ERR"),
    ("pop3", b"STARTTLS", b"-ERR"),
])
def test_a_longer_word_is_another_word(bench, protocol, line, refusal):
    test = bench(protocol, server(protocol))
    client = test.connect()
    greet(client, protocol)
    assert say(client, protocol, line).startswith(refusal)
    assert is_alive(client, protocol)


@pytest.mark.conformance("C23")
@pytest.mark.parametrize("protocol, line", [
    ("smtp", b"starttls"), ("smtp", b"StArTtLs"),
    ("imap", b"t starttls"), ("imap", b"t StArTtLs"),
    ("pop3", b"stls"), ("pop3", b"StLs"),
])
def test_case_does_not_matter(bench, protocol, line):
    test = bench(protocol, server(protocol))
    client = test.connect()
    greet(client, protocol)
    client.starttls(protocol, line + b"\r\n")
    assert is_alive(client, protocol)


@pytest.mark.conformance("C24")
@each_protocol
def test_a_bare_lf_ends_the_command(bench, protocol):
    test = bench(protocol, server(protocol))
    client = test.connect()
    greet(client, protocol)
    client.starttls(protocol, COMMAND[protocol] + b"\n")
    assert is_alive(client, protocol)


@pytest.mark.conformance("C26")
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@each_protocol
def test_within_tls_the_command_is_refused(bench, protocol, tls):
    test = bench(protocol, server(protocol), tls=tls)
    client = test.connect()
    if tls == "implicit":
        client.begin_tls()
    greet(client, protocol)
    if tls == "starttls":
        client.starttls(protocol)
    assert say(client, protocol, COMMAND[protocol]).startswith(REFUSED[protocol])
    assert is_alive(client, protocol)
    client.close()
    commands = b"".join(test.backend.finished().commands)
    assert b"STARTTLS" not in commands and b"STLS" not in commands


LOGIN = {"imap": [b"a LOGIN alice secret"], "pop3": [b"USER alice", b"PASS secret"]}


@pytest.mark.conformance("C27")
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_after_the_login_it_is_the_backends_word(bench, protocol, tls):
    test = bench(protocol, server(protocol), tls=tls)
    client = test.connect()
    if tls == "implicit":
        client.begin_tls()
    greet(client, protocol)
    if tls == "starttls":
        client.starttls(protocol)
    for line in LOGIN[protocol]:
        assert say(client, protocol, line).startswith((b"a OK ", b"+OK"))
    answer = say(client, protocol, COMMAND[protocol])
    assert answer.endswith(b"the server does not know this\r\n")
    assert is_alive(client, protocol)
    client.close()
    assert COMMAND[protocol] + b"\r\n" in test.backend.finished().commands


@pytest.mark.conformance("C28")
@pytest.mark.parametrize("in_tls", [True, False], ids=["tls", "clear"])
def test_in_a_sasl_exchange_the_smtp_command_is_data(bench, in_tls):
    test = bench("smtp", smtp(replies={b"AUTH": smtp_auth(b"535 5.7.8 no\r\n")}),
                 require_tls="no")
    client = test.connect()
    greet(client, "smtp")
    if in_tls:
        client.starttls("smtp")
    client.smtp(b"EHLO c.test")
    assert client.smtp(b"AUTH LOGIN").startswith(b"334")
    assert client.smtp(b"STARTTLS").startswith((b"535 ", b"501 "))
    assert is_alive(client, "smtp")
    client.close()
    assert b"AUTH LOGIN\r\n" in test.backend.finished().commands


@pytest.mark.conformance("C28")
@pytest.mark.parametrize("in_tls", [True, False], ids=["tls", "clear"])
def test_in_a_sasl_exchange_the_imap_command_is_data(bench, in_tls):
    test = bench("imap", imap(replies={b"AUTHENTICATE": imap_authenticate(b"%T BAD no\r\n")}),
                 require_tls="no")
    client = test.connect()
    greet(client, "imap")
    if in_tls:
        client.starttls("imap")
    client.send(b"a AUTHENTICATE PLAIN\r\n")
    assert client.read_line().startswith(b"+")
    client.send(b"b STARTTLS\r\n")
    assert client.read_line().startswith(b"a BAD ")
    assert is_alive(client, "imap")


@pytest.mark.conformance("C28")
@pytest.mark.parametrize("in_tls", [True, False], ids=["tls", "clear"])
def test_in_a_sasl_exchange_the_pop3_command_is_data(bench, in_tls):
    test = bench("pop3", pop3(replies={b"AUTH": pop3_auth(b"-ERR no\r\n")}), require_tls="no")
    client = test.connect()
    greet(client, "pop3")
    if in_tls:
        client.starttls("pop3")
    assert client.pop3(b"AUTH PLAIN").startswith(b"+ ")
    assert client.pop3(b"STLS").startswith(b"-ERR")
    assert is_alive(client, "pop3")


@pytest.mark.conformance("C29")
@pytest.mark.parametrize("login", [b"AUTH PLAIN AGFsaWNlAHNlY3JldA==", b"AUTH LOGIN"])
def test_after_a_plaintext_smtp_login_it_is_refused(bench, login):
    """No user may be taken over into TLS [session fixation]."""
    test = bench("smtp", smtp(replies={b"STARTTLS": b"220 the server itself\r\n"}),
                 require_tls="no")
    client = test.connect()
    greet(client, "smtp")
    client.smtp(b"EHLO c.test")
    answer = client.smtp(login)
    if answer.startswith(b"334"):
        answer = client.smtp(b"YWxpY2U=")
    assert answer.startswith(b"235 ")
    assert client.smtp(b"STARTTLS").startswith(b"503 5.5.1 ")
    assert is_alive(client, "smtp")
    client.close()
    assert b"STARTTLS\r\n" not in test.backend.finished().commands


@pytest.mark.conformance("C29", "C27")
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_after_a_plaintext_login_it_is_refused(bench, protocol):
    test = bench(protocol, server(protocol), require_tls="no")
    client = test.connect()
    greet(client, protocol)
    for line in LOGIN[protocol]:
        assert say(client, protocol, line).startswith((b"a OK ", b"+OK"))
    assert say(client, protocol, COMMAND[protocol]).startswith((b"t BAD ", b"-ERR"))
    assert is_alive(client, protocol)


@pytest.mark.conformance("C30")
def test_literal_octets_are_no_commands_in_clear(bench):
    test = bench("imap", imap())
    client = test.connect()
    greet(client, "imap")
    client.send(b"a LOGIN {14+}\r\nx STARTTLS\r\n\r\n {6+}\r\nsecret\r\nb NOOP\r\n")
    assert client.read_line().startswith(b"a NO [PRIVACYREQUIRED]")
    assert client.read_line().startswith(b"b OK ")
    client.starttls("imap")
    client.close()
    received = test.backend.finished().received
    assert b"secret" not in received and b"STARTTLS" not in received


@pytest.mark.conformance("C30")
@pytest.mark.parametrize("plus", [b"", b"+"])
def test_literal_octets_are_no_commands_in_tls(bench, plus):
    test = bench("imap", imap(replies={b"LOGIN": b"%T NO who\r\n"}))
    client = test.connect()
    greet(client, "imap")
    client.starttls("imap")
    client.send(b"a LOGIN {14" + plus + b"}\r\n")
    if not plus:
        assert client.read_line().startswith(b"+ ")
    client.send(b"x STARTTLS\r\n\r\n {6" + plus + b"}\r\n")
    if not plus:
        assert client.read_line().startswith(b"+ ")
    client.send(b"secret\r\n")
    assert client.read_line() == b"a NO who\r\n"
    assert is_alive(client, "imap")
    client.close()
    logins = [c for c in test.backend.finished().commands if b"LOGIN" in c]
    assert len(logins) == 1 and b"x STARTTLS\r\n\r\n" in logins[0]


@pytest.mark.conformance("C32")
@pytest.mark.parametrize("command", [
    b"MAIL FROM:<a@b.test>", b"RCPT TO:<a@b.test>", b"DATA", b"AUTH PLAIN AGFsaWNlAHNlY3JldA==",
    b"VRFY alice"])
def test_after_tls_smtp_wants_a_new_hello(bench, command):
    test = bench("smtp", smtp())
    client = test.connect()
    greet(client, "smtp")
    client.smtp(b"EHLO plaintext.test")
    client.starttls("smtp")
    assert client.smtp(command).startswith(b"503 5.5.1 ")
    for allowed in (b"NOOP", b"RSET", b"HELP"):
        assert client.smtp(allowed)[:1] == b"2"
    assert client.smtp(b"EHLO c.test").startswith(b"250-")
    assert client.smtp(b"MAIL FROM:<a@b.test>").startswith(b"250 ")
    client.close()
    assert command + b"\r\n" not in test.backend.finished().commands[:-1]


@pytest.mark.conformance("C35")
@pytest.mark.parametrize("command", [
    b"MAIL FROM:<a@b.test>", b"RCPT TO:<a@b.test>", b"DATA", b"AUTH PLAIN AGFsaWNlAHNlY3JldA==",
    b"AUTH LOGIN", b"VRFY alice", b"XUNKNOWN"])
def test_smtp_with_required_tls_refuses_everything_else(bench, command):
    test = bench("smtp", smtp(), require_tls="yes")
    client = test.connect()
    greet(client, "smtp")
    client.smtp(b"EHLO c.test")
    assert client.smtp(command).startswith(b"530 5.7.0 ")
    assert is_alive(client, "smtp")
    client.starttls("smtp")
    client.smtp(b"EHLO c.test")
    assert client.smtp(b"QUIT").startswith(b"221 ")
    assert command.split()[0] not in b"".join(test.backend.finished().commands)


@pytest.mark.conformance("C35")
@pytest.mark.parametrize("protocol, right, wrong, refusal", [
    ("smtp", b"AUTH PLAIN AGFsaWNlAHNlY3JldA==", b"AUTH PLAIN AGFsaWNlAHdyb25n", b"530 5.7.0 "),
    ("smtp", b"AUTH LOGIN", b"AUTH PLAIN", b"530 5.7.0 "),
    ("imap", b"a LOGIN alice secret", b"a LOGIN alice wrong", b"a NO [PRIVACYREQUIRED]"),
    ("imap", b"a AUTHENTICATE PLAIN", b"a AUTHENTICATE PLAIN AGFsaWNlAHdyb25n",
     b"a NO [PRIVACYREQUIRED]"),
    ("pop3", b"USER alice", b"USER mallory", b"-ERR [AUTH]"),
    ("pop3", b"PASS secret", b"PASS wrong", b"-ERR [AUTH]"),
    ("pop3", b"AUTH PLAIN AGFsaWNlAHNlY3JldA==", b"AUTH PLAIN", b"-ERR [AUTH]"),
])
def test_logins_in_clear_are_refused_alike(bench, protocol, right, wrong, refusal):
    test = bench(protocol, server(protocol))
    client = test.connect()
    greet(client, protocol)
    if protocol == "smtp":
        client.smtp(b"EHLO c.test")
    answers = [say(client, protocol, right), say(client, protocol, wrong)]
    assert answers[0].startswith(refusal) and answers[0] == answers[1]
    assert is_alive(client, protocol)
    client.close()
    received = bytes(test.backend.finished().received)
    for secret in (b"alice", b"secret", b"AGFsaWNl", b"LOGIN", b"AUTH", b"PASS"):
        assert secret not in received


@pytest.mark.conformance("C37")
@pytest.mark.parametrize("before", [None, b"HELO c.test", b"EHLO c.test"])
def test_it_works_whatever_the_hello_was(bench, before):
    test = bench("smtp", smtp())
    client = test.connect()
    greet(client, "smtp")
    if before:
        assert client.smtp(before).startswith(b"250")
    client.starttls("smtp")
    assert client.smtp(b"EHLO c.test").startswith(b"250-")
    assert client.smtp(b"MAIL FROM:<a@b.test>").startswith(b"250 ")


@pytest.mark.conformance("C38")
@each_protocol
def test_a_failed_handshake_ends_the_session(bench, protocol):
    test = bench(protocol, server(protocol))
    client = test.connect()
    greet(client, protocol)
    client.send(COMMAND[protocol] + b"\r\n")
    client.read_line()
    try:
        client.send_raw(b"NOOP\r\nz NOOP\r\nNOOP\r\nz LOGIN alice secret\r\n")
    except (BrokenPipeError, ConnectionResetError):
        pass
    answer = client.read_to_end()
    assert answer == b"" or answer[0] == 0x15, f"no TLS alert: {answer!r}"
    received = test.backend.finished().received
    assert b"NOOP" not in received and b"LOGIN" not in received
    client.close()
    reason = test.proxy.wait_for_event("session").fields["reason"]
    assert reason in ("handshake-failed", "plaintext-on-tls-port")


@pytest.mark.conformance("C38")
@each_protocol
def test_a_handshake_without_common_version_ends_the_session(bench, protocol):
    context = default_context()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    test = bench(protocol, server(protocol))
    client = test.connect()
    greet(client, protocol)
    client.send(COMMAND[protocol] + b"\r\n")
    client.read_line()
    with pytest.raises((ssl.SSLError, Closed)):
        client.begin_tls(context)
    client.read_to_end()
    assert test.backend.finished().ended.is_set()
