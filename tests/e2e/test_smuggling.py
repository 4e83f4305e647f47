"""SMTP smuggling, attack A23: forms of the end of data that some servers take and others do not.
Against a scripted server that takes none, and against Postfix with its defaults, which takes six.
"""

import itertools
import threading
import time

import pytest
from mailmux_e2e import until
from mailmux_e2e.attacks import READY, ways
from mailmux_e2e.client import Client
from mailmux_e2e.servers import smtp

FORMS = [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r\r\n", b"\n.\r\r\n", b"\r\r\n.\r\r\n",
         b"\r.\r", b"\r\n.\r", b"\r.\r\n"]
TAKEN_BY_POSTFIX = FORMS[:6]
each_form = pytest.mark.parametrize("form", FORMS, ids=[repr(f)[2:-1] for f in FORMS])
numbers = itertools.count(1)
# Those that refuse; `pass` is the control.
POLICIES = [pytest.param({}, id="default"),
            *(pytest.param({"smuggling": name}, id=name) for name in ("look-alikes", "strict"))]


def greedy(connection, _):
    """Takes everything behind DATA until the connection ends: what could be run as a command."""
    connection.send(b"354 go ahead\r\n")
    connection.wait_for_end()


def data(client):
    assert client.smtp(b"DATA").startswith(b"354 ")


@pytest.mark.conformance("C67", "C69", "C53")
@pytest.mark.parametrize("settings", POLICIES)
@each_form
def test_a23_a_look_alike_is_refused_however_it_is_split(field, form, settings):
    target = field("smtp", smtp(replies={b"DATA": greedy}), **settings)
    for outcome in target.every_way(b"body" + form + b"MAIL FROM:<f@x>\r\n.\r\n", READY, before=data):
        assert outcome.lines[0].startswith(b"550 5.6.0 ") and len(outcome.lines) == 1, outcome
        assert outcome.reason == "smuggling", outcome
        behind = outcome.received.partition(b"DATA\r\n")[2]
        assert b"MAIL" not in behind and form not in behind, outcome
        assert (b"body" + form).startswith(behind), outcome


@pytest.mark.conformance("C67", "C68")
@each_form
def test_a23_pass_passes(field, form):
    """The control: the same bytes reach the server where the operator says so, every one of them."""
    target = field("smtp", smtp(), smuggling="pass")
    message = b"body" + form + b"MAIL FROM:<f@x>\r\n.\r\n"
    for segments in itertools.islice(ways(message), 0, None, 5):
        outcome = target.attack(segments, READY, before=data, goodbye=True)
        assert outcome.lines[0].startswith(b"250 ") and outcome.reason == "quit", outcome
        assert message in outcome.received, outcome


BARE = b"Subject: x\r\n\r\none\ntwo\rthree\n\nfour\r\r\nfive \n..x\n. y\r.z\r\n..\r\n\n\r\r\n.\r\n"


@pytest.mark.conformance("C67", "C68")
def test_other_bare_line_ends_pass_unchanged(field):
    target = field("smtp", smtp())
    for outcome in target.every_way(BARE, READY, before=data, goodbye=True):
        assert outcome.lines[0] == b"250 2.0.0 message taken" and outcome.reason == "quit", outcome
        assert BARE in outcome.received, outcome


@pytest.mark.conformance("C67")
@pytest.mark.parametrize("bare", [b"\n", b"\r", b"\r\r\n", b"\n\n"])
def test_strict_refuses_every_bare_line_end(field, bare):
    target = field("smtp", smtp(replies={b"DATA": greedy}), smuggling="strict")
    for outcome in target.every_way(b"one" + bare + b"two\r\n.\r\n", READY, before=data):
        assert outcome.lines[0].startswith(b"550 5.6.0 ") and len(outcome.lines) == 1, outcome
        assert outcome.reason == "smuggling" and b"two" not in outcome.received, outcome


# Clients that end every line with a bare LF

LINES = b"MAIL FROM:<a@b.test>\nRCPT TO:<alice@example.test>\n"


def bare_lf_message(port, behind=b"", end=b"\n.\n", source=""):
    """As a printer sends it; gives the client behind its dot."""
    client = Client(port, source=source)
    client.read_smtp()
    client.send(b"EHLO printer\n")
    client.read_smtp()
    client.send(LINES)
    assert client.read_smtp().startswith(b"250 ") and client.read_smtp().startswith(b"250 ")
    client.send(b"DATA\n")
    assert client.read_smtp().startswith(b"354 ")
    client.send(b"Subject: scan\n\nhello" + end + behind)
    return client


@pytest.mark.conformance("C138")
@pytest.mark.parametrize("settings", POLICIES)
@pytest.mark.parametrize("end, behind", [(b"\n.\n", b""), (b"\n.\n", b"QUIT\n"), (b"\n.\r\n", b""),
                                         (b"\r\n.\n", b""), (b"\r\n.\r", b""), (b"\r.\r", b"")])
def test_a_client_that_waits_behind_its_dot_is_answered(proxy, field, settings, end, behind):
    """With what is wrong, not with a timeout: a 421 would have it try again and again."""
    proxy.section("timeouts", data="500ms", drain="2s")
    target = field("smtp", smtp(replies={b"DATA": greedy}), tls="none", **settings)
    client = bare_lf_message(target.port, behind, end)
    assert client.read_smtp().startswith(b"550 5.6.0 ")
    assert client.read_to_end() == b""
    client.close()
    assert proxy.wait_for_event("session").fields["reason"] == "smuggling"


@pytest.mark.conformance("C138")
@pytest.mark.parametrize("settings", POLICIES)
@pytest.mark.parametrize("end, behind", [(b"\n.\n", b""), (b"\n.\n", b"QUIT\n"), (b"\r\n.\r", b"")])
def test_a_script_that_ends_its_direction_behind_its_dot_is_answered(
        proxy, field, settings, end, behind):
    """At once, as nothing more can come: printf | nc."""
    target = field("smtp", smtp(replies={b"DATA": greedy}), tls="none", **settings)
    client = bare_lf_message(target.port, behind, end)
    client.half_close()
    assert client.read_smtp().startswith(b"550 5.6.0 ")
    assert client.read_to_end() == b""
    client.close()
    assert proxy.wait_for_event("session").fields["reason"] == "smuggling"


def lax(connection, _):
    """Takes LF . LF for the end, as some servers do."""
    connection.send(b"354 go ahead\r\n")
    connection.messages.append(connection.read_until(b"\n.\n"))
    return b"250 2.0.0 message taken\r\n"


def send_two(port, source=""):
    client = bare_lf_message(port, source=source)
    for turn in range(2):
        assert client.read_smtp() == b"250 2.0.0 message taken\r\n"
        if turn == 0:
            client.send(LINES)
            assert client.read_smtp().startswith(b"250 ") and client.read_smtp().startswith(b"250 ")
            client.send(b"DATA\n")
            assert client.read_smtp().startswith(b"354 ")
            client.send(b"Subject: two\n\n.\n")
    client.send(b"QUIT\n")
    assert client.read_smtp().startswith(b"221 ")
    client.close()


@pytest.mark.conformance("C138")
@pytest.mark.parametrize("settings", [{"smuggling": "pass"}, {"smuggling_exempt": "10.0.0.0/8, 127.0.0.1"},
                                      {"smuggling": "strict", "smuggling_exempt": "127.0.0.0/8"}])
def test_the_servers_reply_is_the_end_where_it_may_be(field, settings):
    target = field("smtp", smtp(replies={b"DATA": lax}), tls="none", **settings)
    send_two(target.port)
    assert target.backend.finished().messages == [b"Subject: scan\n\nhello\n.\n",
                                                  b"Subject: two\n\n.\n"]


@pytest.mark.conformance("C138")
def test_what_is_pipelined_behind_the_dot_is_answered_in_its_order(field):
    target = field("smtp", smtp(replies={b"DATA": lax}), tls="none", smuggling="pass")
    client = bare_lf_message(target.port, b"NOOP\nQUIT\n")
    assert client.read_smtp() == b"250 2.0.0 message taken\r\n"
    assert client.read_smtp() == b"250 2.0.0 noop\r\n"
    assert client.read_smtp().startswith(b"221 ")
    assert client.read_to_end() == b""


@pytest.mark.conformance("C138")
def test_a_script_that_ends_its_direction_hears_that_its_message_was_taken(field):
    """Late, as the server takes its time; else the script would send it once more."""
    ended = threading.Event()

    def take_late(connection, command):
        reply = lax(connection, command)
        assert ended.wait(30)
        return reply

    target = field("smtp", smtp(replies={b"DATA": take_late}), tls="none", smuggling="pass")
    client = bare_lf_message(target.port, b"QUIT\n")
    client.half_close()
    time.sleep(0.2)  # it is the end that comes first
    ended.set()
    assert client.read_smtp() == b"250 2.0.0 message taken\r\n"
    assert client.read_to_end() in (b"", b"221 2.0.0 bye\r\n")


@pytest.mark.conformance("C138", "C96")
def test_who_is_exempt_is_told_by_the_proxy_header(proxy, new_backend):
    """The true client counts, not the balancer that it came through."""
    backend = new_backend(smtp(replies={b"DATA": lax}))
    proxy.section("timeouts", data="500ms", drain="2s")
    proxy.backend("server", backend.port)
    proxy.listener("test", "smtp", "none", "server", accept_proxy_from="127.0.0.1",
                   smuggling_exempt="192.0.2.0/24")
    proxy.start()
    for source, answer in (("192.0.2.7", b"250 2.0.0 "), ("198.51.100.7", b"550 5.6.0 ")):
        client = Client(proxy.ports["test"])
        client.send(b"PROXY TCP4 %b 203.0.113.1 5555 25\r\n" % source.encode())
        client.read_smtp()
        client.smtp(b"EHLO c.test")
        client.smtp(b"MAIL FROM:<a@b.test>")
        client.smtp(b"RCPT TO:<alice@example.test>")
        assert client.smtp(b"DATA").startswith(b"354 ")
        client.send(b"hello\n.\n")
        assert client.read_smtp().startswith(answer), source
        client.close()


# Postfix

def smuggle(client, form):
    """Sends a message that ends in this form, with a second one behind it; gives their ids."""
    number = f"{time.monotonic_ns()}-{next(numbers)}".encode()
    client.smtp(b"EHLO c.test")
    client.smtp(b"MAIL FROM:<a@b.test>")
    client.smtp(b"RCPT TO:<alice@example.test>")
    assert client.smtp(b"DATA").startswith(b"354 ")
    client.send(b"Message-ID: <first-" + number + b"@x>\r\n\r\nbody" + form
                + b"MAIL FROM:<forged@x.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n"
                + b"Message-ID: <forged-" + number + b"@x>\r\nSubject: forged\r\n\r\nbody\r\n.\r\n"
                + b"QUIT\r\n")
    client.read_to_end()
    client.close()
    return f"<first-{number.decode()}@x>", f"<forged-{number.decode()}@x>"


def wait_until_postfix_is_done(legacy):
    """Every connection it took has ended, so all that was said on it was run."""
    until(lambda: legacy.log().count("]: connect from") == legacy.log().count("disconnect from"))


def is_in_mailbox(legacy, message_id):
    with Client(legacy.imap) as reader:
        reader.read_line()
        reader.imap(b"a LOGIN bob secret")
        reader.imap(b"b SELECT INBOX")
        found = reader.imap(b"c SEARCH HEADER Message-ID " + message_id.strip("<>").encode())
        return found.splitlines()[0] != b"* SEARCH"


@pytest.fixture
def front(proxy, legacy):
    def start(**settings):
        proxy.backend("mta", legacy.smtp)
        proxy.listener("test", "smtp", "starttls", "mta", **settings)
        proxy.start()
        client = Client(proxy.ports["test"])
        client.read_smtp()
        client.starttls("smtp")
        return client

    return start


@pytest.mark.conformance("C67")
@pytest.mark.parametrize("settings", POLICIES)
@each_form
def test_a23_postfix_takes_no_second_message(front, legacy, form, settings):
    _, forged = smuggle(front(**settings), form)
    wait_until_postfix_is_done(legacy)
    # Postfix's cleanup writes the id of every message that enters the queue.
    assert forged not in legacy.log()
    assert not is_in_mailbox(legacy, forged)


def assert_taken(legacy, forged):
    wait_until_postfix_is_done(legacy)
    assert f"message-id={forged}" in legacy.log()
    until(lambda: is_in_mailbox(legacy, forged))


@pytest.mark.parametrize("form", TAKEN_BY_POSTFIX, ids=[repr(f)[2:-1] for f in TAKEN_BY_POSTFIX])
def test_a23_postfix_alone_does_take_it(legacy, form):
    """The control: without mailmux in between the second message is in the mailbox."""
    client = Client(legacy.smtp)
    client.read_smtp()
    assert_taken(legacy, smuggle(client, form)[1])


@pytest.mark.parametrize("form", TAKEN_BY_POSTFIX, ids=[repr(f)[2:-1] for f in TAKEN_BY_POSTFIX])
def test_a23_postfix_takes_it_where_it_may_pass(front, legacy, form):
    assert_taken(legacy, smuggle(front(smuggling="pass"), form)[1])
