"""What a backend says, and when: in its own time, in its own way, or not at all. A refusal stays one."""

import threading

import pytest
from mailmux_e2e.servers import imap, pop3, server, smtp
from mailmux_e2e.steps import close, expect_line, reset, send, wait_for, wait_for_end

PROTOCOLS = ["smtp", "imap", "pop3"]
GREETING = {"smtp": b"220 x\r\n", "imap": b"* OK x\r\n", "pop3": b"+OK x\r\n"}
QUIT = {"smtp": b"QUIT\r\n", "imap": b"q LOGOUT\r\n", "pop3": b"QUIT\r\n"}
NOOP = {"smtp": b"NOOP\r\n", "imap": b"n NOOP\r\n", "pop3": b"NOOP\r\n"}
each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)
each_tls = pytest.mark.parametrize("tls", ["none", "implicit"])


def reason(test):
    return test.proxy.wait_for_event("session").fields["reason"]


def connect(test, tls):
    client = test.connect()
    if tls == "implicit":
        client.begin_tls()
    return client


# The last word of a backend that was not asked

UNASKED = [("smtp", b"451 4.4.2 timeout\r\n"), ("smtp", b"421 4.4.2 bye\r\n"),
           ("smtp", b"554-5.7.1 too many errors\r\n554 5.7.1 go away\r\n"),
           ("smtp", b"221 2.0.0 idle for too long\r\n"), ("imap", b"* BYE idle for too long\r\n"),
           ("pop3", b"-ERR [SYS/TEMP] idle for too long\r\n")]


@pytest.mark.conformance("C4", "C5")
@each_tls
@pytest.mark.parametrize("protocol, words", UNASKED)
def test_an_unasked_refusal_reaches_the_client_as_it_is(bench, protocol, words, tls):
    idle = threading.Event()
    test = bench(protocol, [send(GREETING[protocol]), wait_for(idle), send(words), wait_for_end()],
                 tls=tls)
    client = connect(test, tls)
    assert client.read_line() == GREETING[protocol]
    idle.set()
    assert client.read_to_end() == words
    client.close()
    assert reason(test) == "server-farewell"


# A backend that leaves without a word

GOODBYE = {"smtp": b"221 2.0.0 Bye\r\n", "imap": b"* BYE Logging out\r\nq OK Logout completed.\r\n",
           "pop3": b"+OK Bye\r\n"}


@pytest.mark.conformance("C132")
@each_tls
@pytest.mark.parametrize("end", [close, reset])
@each_protocol
def test_a_silent_end_after_the_goodbye_is_no_loss(bench, protocol, end, tls):
    test = bench(protocol, [send(GREETING[protocol]), expect_line(QUIT[protocol][:-2]), end()], tls=tls)
    client = connect(test, tls)
    assert client.read_line() == GREETING[protocol]
    client.send(QUIT[protocol])
    assert client.read_to_end() == GOODBYE[protocol]
    client.close()
    assert reason(test) == "quit"


@pytest.mark.conformance("C132")
def test_its_own_goodbye_is_not_said_twice(bench):
    test = bench("imap", [send(GREETING["imap"]), expect_line(b"q LOGOUT"), send(b"* BYE so long\r\n"),
                          close()], tls="none")
    client = test.connect()
    client.read_line()
    client.send(b"q LOGOUT\r\n")
    assert client.read_to_end() == b"* BYE so long\r\nq OK Logout completed.\r\n"


@pytest.mark.conformance("C81", "C132")
@each_protocol
def test_a_silent_end_before_the_goodbye_is_one(bench, protocol):
    test = bench(protocol, [send(GREETING[protocol]), expect_line(NOOP[protocol][:-2]), close()],
                 tls="none")
    client = test.connect()
    client.read_line()
    client.send(NOOP[protocol] + QUIT[protocol])
    assert b"Connection to the backend lost" in client.read_to_end()
    client.close()
    assert reason(test) == "server-closed"


# Odd replies that can be read in one way only

ODD = [
    ("smtp", b"NOOP\r\n", b"250 fine\n", b"250 fine\r\n"),
    ("smtp", b"NOOP\r\n", b"250\r\n", b"250\r\n"),
    ("smtp", b"NOOP\r\n", b"250 \r\n", b"250 \r\n"),
    ("smtp", b"NOOP\r\n", b"250 fine  \r\r\n", b"250 fine  \r\n"),
    ("smtp", b"NOOP\r\n", b"\r\n250 fine\r\n\r\n", b"250 fine\r\n"),
    ("smtp", b"NOOP\r\n", b"250 a\0b\rc \xe4\r\n", b"250 a b c \xe4\r\n"),
    ("smtp", b"RCPT TO:<a@b>\r\n", b"250-perhaps\r\n550 no such user\r\n",
     b"550-perhaps\r\n550 no such user\r\n"),
    ("smtp", b"RCPT TO:<a@b>\r\n", b"550-5.1.1 no\r\nreally\r\n550 5.1.1 no\r\n",
     b"550-5.1.1 no\r\n550-really\r\n550 5.1.1 no\r\n"),
    ("imap", b"a1 NOOP\r\n", b"A1 ok done\n", b"a1 ok done\r\n"),
    ("imap", b"a1 NOOP\r\n", b"*  OK one\r\n\r\na1  NO two\r\n", b"* OK one\r\na1 NO two\r\n"),
    ("imap", b"a1 NOOP\r\n", b"a1 NO\0not\rnow\r\n", b"a1 NO not now\r\n"),
    ("pop3", b"NOOP\r\n", b"+ok fine\n", b"+ok fine\r\n"),
    ("pop3", b"NOOP\r\n", b"\r\n-ERR: not\0now\r\n", b"-ERR : not now\r\n"),
]


@pytest.mark.conformance("C52", "C54")
@pytest.mark.parametrize("protocol, command, said, heard", ODD)
def test_an_odd_reply_is_passed_on_clean(bench, protocol, command, said, heard):
    """And the session goes on as if it had been an ordinary one."""
    last = {"smtp": b"221 bye\r\n", "imap": b"q OK bye\r\n", "pop3": b"+OK bye\r\n"}[protocol]
    test = bench(protocol, [send(GREETING[protocol]), expect_line(command[:-2]), send(said),
                            expect_line(QUIT[protocol][:-2]), send(last)], tls="none")
    client = test.connect()
    client.read_line()
    client.send(command)
    assert client.read_exactly(len(heard)) == heard
    client.send(QUIT[protocol])
    assert client.read_to_end() == last
    test.backend.finished()


UNREADABLE = [("smtp", b"hello\r\n"), ("smtp", b"25 x\r\n"), ("smtp", b"250_x\r\n"),
              ("smtp", b"354 go\r\n"), ("imap", b"hello\r\n"), ("imap", b"b OK another's\r\n"),
              ("imap", b"+ go on\r\n"), ("pop3", b"hello\r\n"), ("pop3", b"+ go on\r\n")]


@pytest.mark.conformance("C52", "C70")
@pytest.mark.parametrize("protocol, said", UNREADABLE)
def test_what_cannot_be_read_ends_the_session(bench, protocol, said):
    test = bench(protocol, [send(GREETING[protocol]), expect_line(NOOP[protocol][:-2]), send(said),
                            wait_for_end()], tls="none")
    client = test.connect()
    client.read_line()
    client.send(NOOP[protocol])
    assert b"The backend broke the protocol" in client.read_to_end()
    client.close()
    assert reason(test) == "server-protocol-violation"


@pytest.mark.conformance("C50", "C15")
def test_a_capability_is_hidden_however_it_is_written(bench):
    """What is made clean, and what a reply is read as, is looked at afterwards, not before."""
    words = b"220-x\r\nSTARTTLS\r\n251-XCLIENT ADDR\r\n250-AUTH\0EXTERNAL\r\n220 SIZE 5\r\n"
    test = bench("smtp", smtp(replies={b"EHLO": words}), tls="implicit")
    client = connect(test, "implicit")
    client.read_smtp()
    assert client.smtp(b"EHLO c.test") == b"250-x\r\n250 SIZE 5\r\n"


@pytest.mark.conformance("C15", "C40")
@pytest.mark.parametrize("protocol, script, command, heard", [
    ("imap", imap(replies={b"CAPABILITY": b"*  CAPABILITY\0IMAP4rev1 STARTTLS\rAUTH=PLAIN\r\n%T OK\0\r\n"}),
     b"a CAPABILITY", b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\na OK \r\n"),
    ("pop3", pop3(replies={b"CAPA": b"+OK\r\nSTLS\0\r\nTOP\r\nX\rSTLS\r\n.\r\n"}), b"CAPA",
     b"+OK\r\nTOP\r\n.\r\n"),
])
def test_a_capability_is_hidden_behind_a_nul(bench, protocol, script, command, heard):
    test = bench(protocol, script, tls="implicit")
    client = connect(test, "implicit")
    client.read_line()
    client.send(command + b"\r\n")
    assert client.read_exactly(len(heard)) == heard


# Our last word comes last

ENVELOPE = b"MAIL FROM:<a@b.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\n"


def begin_message(test, tls="implicit"):
    client = connect(test, tls)
    client.read_smtp()
    client.smtp(b"EHLO c.test")
    client.send(ENVELOPE)
    assert [client.read_smtp()[:3] for _ in range(3)] == [b"250", b"250", b"354"]
    return client


@pytest.mark.conformance("C60")
@each_tls
@pytest.mark.parametrize("group, last, why", [
    pytest.param(b"MAIL FROM:<a@b.test>\r\n" + b"RCPT TO:<x@elsewhere.test>\r\n" * 10,
                 [b"250 "] + [b"554 "] * 10 + [b"421 4.7.0 "], "too-many-bad-commands",
                 id="recipients"),
    pytest.param(b"NOOP\r\n" + b"XCLIENT x\r\n" * 10 + b"NOOP\r\n",
                 [b"250 "] + [b"550 "] * 10 + [b"421 4.7.0 "], "too-many-bad-commands",
                 id="commands"),
    pytest.param(b"NOOP\r\nBDAT 5 LAST\r\nabcde", [b"250 ", b"503 5.5.1 "], "bdat-refused",
                 id="chunk"),
    pytest.param(b"NOOP\r\n" + b"x" * 80000, [b"250 ", b"421 4.7.0 "], "line-too-long", id="line"),
])
def test_a_farewell_stands_behind_what_is_owed(bench, group, last, why, tls):
    """A message that was taken is one, although the client said too much behind it."""
    all_is_there = threading.Event()

    def take_late(connection, _):
        connection.send(b"354 go ahead\r\n")
        connection.messages.append(connection.read_until(b"\r\n.\r\n"))
        assert all_is_there.wait(30)
        return b"250 2.0.0 message taken\r\n"

    test = bench("smtp", smtp(replies={b"DATA": take_late}), tls=tls, relay_domains="example.test")
    client = begin_message(test, tls)
    client.send_at_once(b"hi\r\n.\r\n" + group)
    all_is_there.set()
    assert client.read_smtp() == b"250 2.0.0 message taken\r\n"
    for start in last:
        assert client.read_smtp().startswith(start), start
    assert client.read_to_end() == b""
    client.close()
    assert reason(test) == why
    assert test.backend.connection().messages == [b"hi\r\n.\r\n"]


@pytest.mark.conformance("C60")
@pytest.mark.parametrize("protocol, words, answers", [
    ("imap", b"a AUTHENTICATE PLAIN\r\n???\r\n", [b"+ ", b"a NO slow\r\n", b"* BYE Too many"]),
    ("pop3", b"AUTH PLAIN\r\n???\r\n", [b"+ ", b"-ERR slow\r\n", b"-ERR Too many"]),
])
def test_an_answer_of_the_backend_comes_before_our_farewell(proxy, bench, protocol, words, answers):
    def refuse(connection, _):
        connection.send(b"+ \r\n")
        assert connection.read_line() == b"*\r\n"
        return b"%T NO slow\r\n" if protocol == "imap" else b"-ERR slow\r\n"

    verb = b"AUTHENTICATE" if protocol == "imap" else b"AUTH"
    proxy.section("limits", bad_commands=1)
    test = bench(protocol, server(protocol, replies={verb: refuse}), tls="implicit")
    client = connect(test, "implicit")
    client.read_line()
    for line, start in zip([*words.splitlines(keepends=True), b""], answers):
        if line:
            client.send(line)
        assert client.read_line().startswith(start), start
    assert client.read_to_end() == b""


@pytest.mark.conformance("C60", "C105")
def test_a_slow_line_is_cut_off_behind_what_is_owed(proxy, bench):
    """The reply to the command before it comes after the line's own time is over."""
    proxy.section("timeouts", line="1s", drain="2s")

    def late(connection, _):
        connection.backend.stopped.wait(1.5)  # longer than the line may take
        return b"250 at last\r\n"

    test = bench("smtp", smtp(replies={b"NOOP": late}), tls="implicit")
    client = connect(test, "implicit")
    client.read_smtp()
    client.smtp(b"EHLO c.test")
    client.send(b"NOOP\r\nNO")
    assert client.read_smtp() == b"250 at last\r\n"
    assert client.read_smtp().startswith(b"421 4.4.2 ")
    client.close()
    assert reason(test) == "line-timeout"


# What was bad is forgotten

@pytest.mark.conformance("C60")
@pytest.mark.parametrize("how", ["DATA", "BDAT"])
def test_each_message_starts_anew(bench, how):
    """A list server: one refused recipient in each message, twelve messages."""
    words = (b"x", b"PIPELINING", b"CHUNKING")
    test = bench("smtp", smtp(words=words, replies={b"BDAT": b"250 2.0.0 chunk taken\r\n"}
                              if how == "BDAT" else {}), tls="none", relay_domains="example.test")
    client = test.connect()
    client.read_smtp()
    client.smtp(b"EHLO c.test")
    for _ in range(12):
        assert client.smtp(b"MAIL FROM:<a@b.test>").startswith(b"250 ")
        assert client.smtp(b"RCPT TO:<x@elsewhere.test>").startswith(b"554 ")
        assert client.smtp(b"RCPT TO:<alice@example.test>").startswith(b"250 ")
        if how == "DATA":
            assert client.smtp(b"DATA").startswith(b"354 ")
            assert client.smtp(b"hi\r\n.").startswith(b"250 ")
        else:
            assert client.smtp(b"BDAT 0 LAST").startswith(b"250 ")
    assert client.smtp(b"QUIT").startswith(b"221 ")


@pytest.mark.conformance("C60")
def test_a_login_starts_anew(bench):
    test = bench("smtp", smtp(), tls="none", require_tls="no")
    client = test.connect()
    client.read_smtp()
    for _ in range(2):
        for _ in range(9):
            assert client.smtp(b"XCLIENT x").startswith(b"550 ")
        assert client.smtp(b"AUTH PLAIN AGEAYg==").startswith(b"235 ")
    assert client.smtp(b"QUIT").startswith(b"221 ")


@pytest.mark.conformance("C60")
def test_a_message_that_is_refused_does_not(bench):
    test = bench("smtp", smtp(replies={b"DATA": b"554 5.7.1 no\r\n"}), tls="none")
    client = test.connect()
    client.read_smtp()
    for _ in range(9):
        assert client.smtp(b"XCLIENT x").startswith(b"550 ")
    assert client.smtp(b"DATA").startswith(b"554 ")
    assert client.smtp(b"XCLIENT x").startswith(b"550 ")
    assert client.read_to_end().startswith(b"421 4.7.0 ")
