"""SMTP smuggling, attack A23: forms of the end of data that some servers take and others do not.
Against a scripted server that takes none, and against Postfix with its defaults, which takes six.
"""

import itertools
import time

import pytest
from mailmux_e2e import CEILING
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


# Postfix

def until(condition):
    end = time.monotonic() + CEILING
    while not condition():
        assert time.monotonic() < end, "it never became true"
        time.sleep(0.02)


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
