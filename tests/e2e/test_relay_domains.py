"""relay_domains: a server that trusts mailmux's address must not become an open relay. The trap is
shown with a Postfix that trusts 127.0.0.0/8, as Postfix does unless it is told otherwise.
"""

import subprocess

import pytest
from mailmux_e2e.attacks import READY
from mailmux_e2e.certificates import NAME
from mailmux_e2e.legacy import LegacyServer
from mailmux_e2e.proxy import REPOSITORY, binary
from mailmux_e2e.servers import server

OUTSIDE = b"somebody@outside.example"
NO_RELAY = b"554 5.7.1 " + NAME.encode() + b" does not relay for that domain\r\n"
NO_ROUTE = b"554 5.7.1 " + NAME.encode() + b" does not take routes in addresses\r\n"
BAD_PATH = b"501 5.1.3 Bad recipient address syntax\r\n"
KINDS = [(protocol, tls) for protocol in ("smtp", "submission")
         for tls in ("starttls", "implicit", "none")]


@pytest.fixture(scope="module")
def trusting():
    server = LegacyServer(trusted_networks="127.0.0.0/8")
    yield server
    server.stop()


@pytest.fixture
def relay(proxy, new_client, trusting):
    """relay(**settings of the listener): a client at a mailmux in front of the trusting Postfix."""
    def build(tls="starttls", **settings):
        proxy.backend("mta", trusting.smtp)
        proxy.listener("test", "smtp", tls, "mta", **settings)
        proxy.start()
        client = new_client(proxy.ports["test"])
        if tls == "implicit":
            client.begin_tls()
        client.read_smtp()
        client.smtp(b"EHLO c.test")
        return client
    return build


# The trap, with a real server

@pytest.mark.conformance("C102")
def test_a_server_that_trusts_us_relays_for_everybody(relay, trusting):
    """Without it the next test would prove nothing."""
    client = relay()
    assert client.smtp(b"MAIL FROM:<spam@outside.example>").startswith(b"250 ")
    assert client.smtp(b"RCPT TO:<victim@outside.example>").startswith(b"250 ")
    assert client.smtp(b"DATA").startswith(b"354 ")
    assert client.smtp(b"Subject: spam\r\n\r\nspam\r\n.").startswith(b"250 ")
    client.smtp(b"QUIT")


@pytest.mark.parametrize("tls", ["starttls", "implicit", "none"])
def test_with_relay_domains_it_does_not(relay, trusting, tls):
    """Postfix has no recipient at DATA: it never saw those that were refused."""
    before = len(trusting.log())
    client = relay(tls, relay_domains="example.test")
    assert client.smtp(b"MAIL FROM:<spam@outside.example>").startswith(b"250 ")
    assert client.smtp(b"RCPT TO:<" + OUTSIDE + b">") == NO_RELAY
    assert client.smtp(b"RCPT TO:<@example.test:" + OUTSIDE + b">") == NO_ROUTE
    assert client.smtp(b"RCPT TO:<somebody%outside.example@example.test>") == NO_ROUTE
    assert client.smtp(b"RCPT TO:<outside.example!somebody>") == NO_ROUTE
    assert client.smtp(b"RCPT TO: " + OUTSIDE) == NO_RELAY
    assert client.smtp(b"DATA") == b"554 5.5.1 Error: no valid recipients\r\n"
    client.smtp(b"RSET")
    assert client.smtp(b"MAIL FROM:<friend@outside.example>").startswith(b"250 ")
    assert client.smtp(b"RCPT TO:<alice@example.test>").startswith(b"250 ")
    assert client.smtp(b"RCPT TO:<Bob@EXAMPLE.test> NOTIFY=NEVER").startswith(b"250 ")
    assert client.smtp(b"DATA").startswith(b"354 ")
    assert client.smtp(b"Subject: mail\r\n\r\nmail\r\n.").startswith(b"250 ")
    client.smtp(b"QUIT")
    assert "somebody" not in trusting.log()[before:]


def test_who_has_logged_in_sends_to_everybody(relay):
    client = relay("implicit", relay_domains="example.test")
    assert client.smtp(b"MAIL FROM:<alice@example.test>").startswith(b"250 ")
    assert client.smtp(b"RCPT TO:<" + OUTSIDE + b">") == NO_RELAY
    client.smtp(b"RSET")
    assert client.smtp(b"AUTH PLAIN AGFsaWNlAHdyb25n").startswith(b"535 ")
    client.smtp(b"MAIL FROM:<alice@example.test>")
    assert client.smtp(b"RCPT TO:<" + OUTSIDE + b">") == NO_RELAY
    client.smtp(b"RSET")
    assert client.smtp(b"AUTH PLAIN AGFsaWNlAHNlY3JldA==").startswith(b"235 ")
    client.smtp(b"MAIL FROM:<alice@example.test>")
    assert client.smtp(b"RCPT TO:<victim@outside.example>").startswith(b"250 ")
    client.smtp(b"QUIT")


# What reaches a server

@pytest.mark.conformance("C53", "C62")
@pytest.mark.parametrize("protocol, tls", KINDS)
def test_a_pipelined_group(bench, protocol, tls):
    """Each refusal in its place; the server sees the other recipients alone."""
    bench = bench("smtp", server("smtp"), tls=tls, relay_domains=["example.org", "*.example.net"])
    client = bench.connect()
    if tls == "implicit":
        client.begin_tls()
    client.read_smtp()
    if tls == "starttls":
        client.starttls("smtp")
    client.smtp(b"EHLO c.test")
    client.send(b"MAIL FROM:<a@b.example>\r\nRCPT TO:<u@outside.example>\r\n"
                b"RCPT TO:<u@example.org>\r\nRCPT TO:<u%outside.example@example.org>\r\n"
                b"RCPT TO:<u@mx.example.net>\r\nRCPT TO:<u@example.net>\r\nRCPT TO:<>\r\nDATA\r\n")
    assert [client.read_smtp() for _ in range(8)] == [
        b"250 2.1.0 sender fine\r\n", NO_RELAY, b"250 2.1.5 recipient fine\r\n", NO_ROUTE,
        b"250 2.1.5 recipient fine\r\n", NO_RELAY, BAD_PATH, b"354 go ahead\r\n"]
    client.send(b"RCPT TO:<u@outside.example>\r\n.\r\nQUIT\r\n")
    assert client.read_smtp() == b"250 2.0.0 message taken\r\n"
    assert client.read_smtp() == b"221 2.0.0 bye\r\n"
    connection = bench.backend.finished()
    assert connection.messages == [b"RCPT TO:<u@outside.example>\r\n.\r\n"]
    assert connection.commands[-5:] == [
        b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<u@example.org>\r\n",
        b"RCPT TO:<u@mx.example.net>\r\n", b"DATA\r\n", b"QUIT\r\n"]


@pytest.mark.conformance("C62")
@pytest.mark.parametrize("recipient", [
    b"RCPT TO:<u@outside.example>", b"rcpt to:<u@outside.example>", b"RCPT\tTO:<u@outside.example>",
    b"RCPT TO:u@outside.example", b"RCPTTO:<u@outside.example>", b"RCPT TO:<u@outside.example",
    b"RCPT TO:<u@example.org> <u@outside.example>", b"RCPT TO:<\"u@outside.example\"@example.org>",
    b"RCPT TO:<u@example.org@outside.example>", b"RCPT TO:<u@[192.0.2.1]>",
    b"RCPT TO:<secret\xff\x1b[31m@outside.example>",
])
def test_nothing_of_it_reaches_the_server_in_any_segments(field, recipient):
    field = field("smtp", relay_domains="example.org")
    for outcome in field.every_way(recipient + b"\r\n", READY, goodbye=True):
        assert len(outcome.lines) == 2, outcome
        assert outcome.lines[0] + b"\r\n" in (NO_RELAY, NO_ROUTE, BAD_PATH), outcome
        assert b"outside" not in outcome.answer and b"secret" not in outcome.answer
        assert b"RCPT" not in outcome.received.upper(), outcome


@pytest.mark.conformance("C60")
def test_refused_recipients_are_counted(field):
    """Whoever tries one domain after the other is looking for a relay."""
    field = field("smtp", relay_domains="example.org")
    tries = b"".join(b"RCPT TO:<u@outside%d.example>\r\n" % n for n in range(12))
    outcome = field.attack([tries], READY)
    assert outcome.reason == "too-many-bad-commands"
    assert outcome.answer.count(NO_RELAY) == 10
    assert outcome.lines[-1].startswith(b"421 4.7.0 ")


def test_every_listener_has_its_own(proxy, new_backend, new_client):
    backend = new_backend(server("smtp"))
    proxy.backend("mta", backend.port)
    proxy.listener("closed", "smtp", "none", "mta", relay_domains="example.org")
    proxy.listener("open", "submission", "none", "mta")
    proxy.start()
    for name, answer in (("closed", NO_RELAY), ("open", b"250 2.1.5 recipient fine\r\n")):
        client = new_client(proxy.ports[name])
        client.read_smtp()
        assert client.smtp(b"RCPT TO:<" + OUTSIDE + b">") == answer


# The warning

@pytest.mark.conformance("C102")
def test_the_trap_is_warned_of_at_start(proxy):
    proxy.backend("mta", 9)
    proxy.backend("other", 9)
    proxy.listener("a", "smtp", "starttls", "mta")
    proxy.listener("b", "smtp", "implicit", "mta", relay_domains="example.org")
    proxy.listener("c", "smtp", "starttls", "other", relay_domains="example.org")
    proxy.listener("d", "imap", "starttls", "boxes")
    proxy.backend("boxes", 9)
    proxy.start()
    warnings = [line.text for line in proxy.lines if "open relay" in line.text]
    assert len(warnings) == 1, proxy.log()
    line = proxy.ini.read_text().splitlines().index("[backend mta]") + 1
    assert f"{proxy.ini}:{line}: [backend mta]: its server mta1 is on this machine" in warnings[0]
    assert "relay_domains in each of its listeners ([listener a] has none)" in warnings[0]


@pytest.mark.conformance("C102")
@pytest.mark.parametrize("name", ["proxy.ini", *sorted(
    str(file.relative_to(REPOSITORY)) for file in REPOSITORY.glob("deploy/recipes/*.ini")
    if "/etc/letsencrypt/" not in file.read_text())])
def test_shipped_files_can_be_used(name):
    done = subprocess.run([str(binary()), "--check", "-c", name], cwd=REPOSITORY, text=True,
                          capture_output=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert "error:" not in done.stderr
