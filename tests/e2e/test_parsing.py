"""Lines, literals and order: conformance 5.4, message data excepted (test_smtp_data.py)."""

import pytest
from mailmux_e2e.client import Closed
from mailmux_e2e.servers import imap, pop3, server, smtp


def smtp_in_tls(bench, script, **settings):
    test = bench("smtp", script, **settings)
    client = test.connect_tls()
    client.smtp(b"EHLO c.test")
    return test, client


@pytest.mark.conformance("C54")
@pytest.mark.parametrize("protocol, line, answer", [
    ("smtp", b"VRFY alice", b"252 "), ("imap", b"a CAPABILITY", b"* CAPABILITY"),
    ("pop3", b"CAPA", b"+OK")])
def test_a_bare_lf_is_forwarded_as_crlf(bench, protocol, line, answer):
    test = bench(protocol, server(protocol))
    client = test.connect_tls()
    if protocol == "smtp":
        client.smtp(b"EHLO c.test")
    client.send(line + b"\n")
    assert client.read_line().startswith(answer)
    client.close()
    assert test.backend.finished().commands[-1] == line + b"\r\n"


@pytest.mark.conformance("C54")
@pytest.mark.parametrize("bad", [b"\0", b"\r"], ids=["NUL", "CR"])
@pytest.mark.parametrize("in_tls", [True, False], ids=["tls", "clear"])
@pytest.mark.parametrize("protocol, before, after, refusal", [
    ("smtp", b"NOOP x", b"XCLIENT\r\n", b"500 5.5.2 "),
    ("imap", b"a NOOP", b"b STARTTLS\r\n", b"a BAD "),
    ("pop3", b"CAPA", b"STLS\r\n", b"-ERR"),
])
def test_nul_and_inner_cr_are_refused(bench, protocol, before, after, refusal, bad, in_tls):
    test = bench(protocol, server(protocol))
    client = test.connect()
    client.read_line()
    if in_tls:
        client.starttls(protocol)
        if protocol == "smtp":
            client.smtp(b"EHLO c.test")
    client.send(before + bad + after)
    assert client.read_line().startswith(refusal)
    client.send(b"z NOOP\r\n" if protocol == "imap" else b"NOOP\r\n")
    assert client.read_line().startswith((b"250 ", b"z OK ", b"+OK"))
    client.close()
    received = test.backend.finished().received
    assert bad not in received.replace(b"\r\n", b"") and after[:4] not in received


@pytest.mark.conformance("C55")
@pytest.mark.parametrize("in_tls", [True, False], ids=["tls", "clear"])
@pytest.mark.parametrize("protocol, line, refusal", [
    ("smtp", b"NOOP ", b"500 5.5.2 "), ("imap", b"a NOOP ", b"a BAD "), ("pop3", b"CAPA ", b"-ERR")])
def test_a_line_that_is_too_long_is_refused_and_the_next_one_served(
        bench, protocol, line, refusal, in_tls):
    test = bench(protocol, server(protocol))
    client = test.connect()
    client.read_line()
    if in_tls:
        client.starttls(protocol)
        if protocol == "smtp":
            client.smtp(b"EHLO c.test")
    client.send_at_once(line + b"x" * 5000 + b"\r\n")
    answer = client.read_line()
    assert answer.startswith((refusal, b"* BAD ") if protocol == "imap" else refusal), answer
    client.send(b"z NOOP\r\n" if protocol == "imap" else b"NOOP\r\n")
    assert client.read_line().startswith((b"250 ", b"z OK ", b"+OK"))
    client.close()
    assert b"xxxx" not in test.backend.finished().received


@pytest.mark.conformance("C55")
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3"])
def test_a_megabyte_without_line_end_closes(bench, protocol, tls):
    test = bench(protocol, server(protocol), tls=tls)
    client = test.connect()
    if tls == "implicit":
        client.begin_tls()
    client.read_line()
    try:
        for _ in range(64):
            client.send_at_once(b"x" * 16384)
    except (BrokenPipeError, ConnectionResetError):
        pass  # closed before it was all sent
    client.read_to_end()
    assert client.end is not None
    assert b"x" not in test.backend.finished().received
    client.close()
    assert test.proxy.wait_for_event("session").fields["reason"] == "line-too-long"


CREDENTIALS = [
    (b'alice "sec ret"', (b"alice", b"sec ret")),
    (b'"al\\"i\\\\ce" "s\\\\e\\"cret"', (b'al"i\\ce', b's\\e"cret')),
    (b'{7}\r\na"l\\ice {6}\r\nsecret', (b'a"l\\ice', b"secret")),
    (b'{7+}\r\na"l\\ice {8+}\r\nse\r\ncr"t', (b'a"l\\ice', b'se\r\ncr"t')),
    (b'"alice" {6+}\r\n{3}abc', (b"alice", b"{3}abc")),
    (b'alice {0+}\r\n', (b"alice", b"")),
    (b'"{3+}" secret', (b"{3+}", b"secret")),
]


@pytest.mark.conformance("C59")
@pytest.mark.parametrize("arguments, credentials", CREDENTIALS)
def test_login_reaches_the_backend_with_the_same_credentials(bench, arguments, credentials):
    test = bench("imap", imap())
    client = test.connect_tls()
    waiting = b"a LOGIN " + arguments + b"\r\n"
    while (at := waiting.find(b"}\r\n")) >= 0 and waiting[at - 1:at] != b"+":
        client.send(waiting[:at + 3])
        assert client.read_line().startswith(b"+ ")
        waiting = waiting[at + 3:]
    client.send(waiting)
    assert client.read_line() == b"a OK logged in\r\n"
    client.close()
    assert test.backend.finished().logins == [credentials]


@pytest.mark.conformance("C63", "C44")
def test_a_refused_command_is_answered_in_its_place(bench):
    test, client = smtp_in_tls(bench, smtp())
    client.send(b"NOOP\r\nXCLIENT x\r\nNOOP\r\n")
    assert [client.read_smtp()[:3] for _ in range(3)] == [b"250", b"550", b"250"]
    client.close()
    assert test.backend.finished().commands[-2:] == [b"NOOP\r\n"] * 2


@pytest.mark.conformance("C64")
@pytest.mark.parametrize("tls", ["implicit", "none"])
def test_a_pipelined_group_keeps_its_order(bench, tls):
    """Every recipient has a reply of its own, every third one is refused by the proxy's side."""
    def recipient(_, line):
        return b"250 2.1.5 " + line.split(b"<")[1].split(b">")[0] + b"\r\n"

    test = bench("smtp", smtp(replies={b"RCPT": recipient}), tls=tls)
    client = test.connect()
    if tls == "implicit":
        client.begin_tls()
    client.read_smtp()
    client.smtp(b"EHLO c.test")
    group = b"MAIL FROM:<a@b.test>\r\n"
    for n in range(100):
        group += b"RCPT TO:<user%d@b.test>\r\n" % n
    client.send(group + b"XFORWARD x\r\nDATA\r\n")
    assert client.read_smtp().startswith(b"250 2.1.0 ")
    for n in range(100):
        assert client.read_smtp() == b"250 2.1.5 user%d@b.test\r\n" % n
    assert client.read_smtp().startswith(b"550 5.7.0 ")
    assert client.read_smtp().startswith(b"354 ")
    client.send(b"Subject: x\r\n\r\nXCLIENT y\r\n..\r\n.\r\nNOOP\r\n")
    assert client.read_smtp() == b"250 2.0.0 message taken\r\n"
    assert client.read_smtp() == b"250 2.0.0 noop\r\n"
    client.close()
    connection = test.backend.finished()
    assert connection.messages == [b"Subject: x\r\n\r\nXCLIENT y\r\n..\r\n.\r\n"]
    assert len([c for c in connection.commands if c.startswith(b"RCPT")]) == 100


@pytest.mark.conformance("C65")
def test_behind_a_refused_data_come_commands(bench):
    test, client = smtp_in_tls(bench, smtp(replies={b"DATA": b"503 5.5.1 no recipient\r\n"}))
    client.send(b"DATA\r\nXCLIENT ADDR=1.2.3.4\r\nVRFY alice\r\n.\r\nNOOP\r\n")
    replies = [client.read_smtp() for _ in range(5)]
    assert [r[:3] for r in replies] == [b"503", b"550", b"252", b"500", b"250"]
    client.close()
    assert b"XCLIENT" not in test.backend.finished().received


@pytest.mark.conformance("C70")
@pytest.mark.parametrize("in_tls", [True, False], ids=["tls", "clear"])
def test_an_unknown_verb_is_the_backends(bench, in_tls):
    test = bench("smtp", smtp(replies={b"XFOO": b"250-foo\r\n250 bar\r\n"}))
    client = test.connect()
    client.read_smtp()
    if in_tls:
        client.starttls("smtp")
    client.smtp(b"EHLO c.test")
    assert client.smtp(b"XFOO one  two") == b"250-foo\r\n250 bar\r\n"
    assert client.smtp(b"XBAR") == b"500 5.5.2 the server does not know this\r\n"
    client.close()
    assert test.backend.finished().commands[-2:] == [b"XFOO one  two\r\n", b"XBAR\r\n"]


@pytest.mark.conformance("C70")
@pytest.mark.parametrize("verb", [b"TURN", b"ATRN", b"XEXCH50", b"X-EXPS", b"X-ANONYMOUSTLS"])
def test_verbs_that_would_blind_the_proxy_are_refused(bench, verb):
    words = [b"old.example", verb + b" x", b"SIZE 9"]
    test = bench("smtp", smtp(words=words, replies={verb: b"250 done\r\n"}))
    client = test.connect()
    client.read_smtp()
    assert verb not in client.smtp(b"EHLO c.test")
    assert client.smtp(verb).startswith(b"502 5.5.1 ")
    client.starttls("smtp")
    assert verb not in client.smtp(b"EHLO c.test")
    assert client.smtp(verb + b" x").startswith(b"502 5.5.1 ")
    client.close()
    assert verb not in test.backend.finished().received


@pytest.mark.conformance("C70")
@pytest.mark.parametrize("verb", [b"XFOO", b"MAIL FROM:<a@b.test>", b"NOOP"])
def test_an_intermediate_reply_to_another_verb_closes(bench, verb):
    test, client = smtp_in_tls(
        bench, smtp(replies={verb.split()[0]: b"354 send me something\r\n"}))
    client.send(verb + b"\r\n")
    assert client.read_smtp().startswith(b"421 ")
    assert client.read_to_end() == b""
    test.backend.finished()


@pytest.mark.conformance("C71")
@pytest.mark.parametrize("protocol, line, answers", [
    ("smtp", b"QUIT", [b"221 "]),
    ("imap", b"a LOGOUT", [b"* BYE", b"a OK "]),
    ("pop3", b"QUIT", [b"+OK"]),
])
@pytest.mark.parametrize("in_tls", [False, True], ids=["clear", "tls"])
def test_the_goodbye_is_answered_and_both_legs_close(bench, protocol, line, answers, in_tls):
    test = bench(protocol, server(protocol))
    client = test.connect()
    client.read_line()
    if in_tls:
        client.starttls(protocol)
    client.send(line + b"\r\n")
    for answer in answers:
        assert client.read_line().startswith(answer)
    assert client.read_to_end() == b""
    test.backend.finished()
    client.close()
    assert test.proxy.wait_for_event("session").fields["reason"] == "quit"


@pytest.mark.conformance("C71")
def test_pop3_commands_before_the_login(bench):
    """What is not known before the login is refused here: its answer's framing is unknown."""
    test = bench("pop3", pop3())
    client = test.connect_tls()
    for line in (b"STAT", b"RETR 1", b"XFOO"):
        assert client.pop3(line).startswith(b"-ERR")
    assert client.pop3(b"USER alice") == b"+OK user\r\n"
    assert client.pop3(b"PASS secret") == b"+OK logged in\r\n"
    assert client.pop3(b"STAT") == b"+OK 0 0\r\n"
    client.close()
    assert test.backend.finished().commands == [
        b"USER alice\r\n", b"PASS secret\r\n", b"STAT\r\n"]


def test_a_clients_name_is_the_backends_to_judge(bench):
    """Bytes outside ASCII in a command pass as they are."""
    test, client = smtp_in_tls(bench, smtp())
    assert client.smtp("MAIL FROM:<jürgen@b.test> SMTPUTF8".encode()).startswith(b"250 ")
    client.close()
    assert test.backend.finished().commands[-1] == "MAIL FROM:<jürgen@b.test> SMTPUTF8\r\n".encode()


def test_a_backend_that_dies_between_commands_ends_the_session(bench):
    from mailmux_e2e.steps import close, expect, send

    test = bench("smtp", [send(b"220 old.example\r\n"), expect(b"NOOP\r\n"), close()])
    client = test.connect()
    client.read_smtp()
    client.send(b"NOOP\r\n")
    try:
        assert client.read_smtp().startswith(b"421 ")
    except Closed:
        pytest.fail("no farewell")
    assert client.read_to_end() == b""
