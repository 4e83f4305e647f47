"""LMTP [RFC 2033]: a reply for each recipient; real Dovecot behind mailmux, real Postfix in front."""

import signal
import smtplib
import socket
import subprocess
import threading

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.certificates import NAME
from mailmux_e2e.legacy import DOMAIN, OTHER_USER, USER, LegacyServer
from mailmux_e2e.proxy import binary
from mailmux_e2e.servers import lmtp, lmtp_outcome, server, tls_server
from mailmux_e2e.steps import start_tls

BOTH = (USER, OTHER_USER)
FULL = b"552 5.2.2 mailbox full\r\n"
SAVED = b"250 2.0.0 saved\r\n"
SENDER = "friend@outside.example"
TEXT = "Subject: mail\r\n\r\nHello\r\n"


# Real servers


def deliver_by(front, *users):
    with smtplib.SMTP("127.0.0.1", front.smtp, timeout=CEILING) as client:
        client.sendmail(SENDER, [f"{user}@{DOMAIN}" for user in users], TEXT)


@pytest.fixture
def start(certificates):
    """start(*options) gives a Dovecot that takes LMTP, with a mailbox for one message each."""
    begun = []

    def begin(*options):
        begun.append(LegacyServer("--only", "dovecot", *options, has_lmtp=True))
        return begun[-1]

    begin.front = lambda port: begun.append(LegacyServer(
        "--only", "postfix", "--deliver", f"lmtp:inet:127.0.0.1:{port}")) or begun[-1]
    yield begin
    for one in begun:
        one.stop()


@pytest.mark.parametrize("way", ["port", "socket", "starttls", "implicit"])
def test_postfix_delivers_to_dovecot(proxy, start, certificates, way):
    """Two recipients, one of them unknown: each has its own fate."""
    pair = (str(certificates.rsa.certificate), str(certificates.rsa.key))
    dovecot = start(*(["--tls", way, *pair] if way in ("starttls", "implicit") else []))
    settings = {"tls": way, "ca": certificates.authority, "tls_name": NAME}
    at = f"unix:{dovecot.socket('lmtp')}" if way == "socket" else f"127.0.0.1:{dovecot.lmtp}"
    proxy.section("backend boxes", server=f"dovecot {at}",
                  **(settings if way in ("starttls", "implicit") else {}))
    proxy.listener("lmtp", "lmtp", "starttls", "boxes")
    proxy.start()
    front = start.front(proxy.ports["lmtp"])
    deliver_by(front, USER, "nobody")
    front.wait_for_log(
        1, rf"to=<{USER}@{DOMAIN}>, .*status=sent \(250 2\.0\.0 <{USER}@{DOMAIN}> .* Saved\)",
        rf"to=<nobody@{DOMAIN}>, .*status=bounced .*550 5\.1\.1 <nobody@{DOMAIN}> User doesn't ")
    fields = proxy.wait_for_event("session").fields
    assert (fields["protocol"], fields["tls"], fields["reason"]) == ("lmtp", "TLSv1.3", "quit")
    message, = dovecot.mail(USER)
    assert b"\r\n\r\nHello\r\n" in message


def test_one_message_has_two_fates_after_its_end(proxy, start):
    dovecot = start()
    proxy.backend("boxes", dovecot.lmtp)
    proxy.listener("lmtp", "lmtp", "starttls", "boxes")
    proxy.start()
    front = start.front(proxy.ports["lmtp"])
    deliver_by(front, OTHER_USER)
    front.wait_for_log(1, rf"to=<{OTHER_USER}@{DOMAIN}>, .*status=sent")
    deliver_by(front, *BOTH)
    front.wait_for_log(
        1, rf"to=<{USER}@{DOMAIN}>, .*status=sent",
        rf"to=<{OTHER_USER}@{DOMAIN}>, .*status=(bounced|deferred) .*Quota exceeded")
    assert [len(dovecot.mail(user)) for user in BOTH] == [1, 1]


def test_dovecot_hears_who_the_client_is(proxy, start, new_client):
    dovecot = start("--address", "inside")
    proxy.backend("boxes", dovecot.lmtp, send_client_address="xclient")
    proxy.listener("lmtp", "lmtp", "implicit", "boxes")
    proxy.start()
    client = new_client(proxy.ports["lmtp"], source="127.0.0.7")
    client.begin_tls()
    client.read_smtp()
    offers = client.smtp(b"LHLO c.test")
    assert b"XCLIENT" not in offers and b"STARTTLS" not in offers
    for line in (f"MAIL FROM:<{SENDER}>", f"RCPT TO:<{USER}@{DOMAIN}>"):
        assert client.smtp(line.encode()).startswith(b"250 ")
    assert client.smtp(b"DATA").startswith(b"354 ")
    assert client.smtp(TEXT.encode() + b".").startswith(b"250 2.0.0 ")
    assert client.smtp(b"QUIT").startswith(b"221 ")
    assert b"([127.0.0.7])" in dovecot.mail(USER)[0]


# A server that does as it is told


def say_hello(client):
    assert client.smtp(b"LHLO c.test").startswith(b"250-")


def group(*names):
    return b"MAIL FROM:<s@x.test>\r\n" + b"".join(
        b"RCPT TO:<" + name + b">\r\n" for name in names)


def read(client, *beginnings):
    for beginning in beginnings:
        reply = client.read_smtp()
        assert reply.startswith(beginning), reply


@pytest.mark.conformance("C15", "C75", "C76")
@pytest.mark.parametrize("mode", ["none", "starttls", "implicit"])
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_every_combination_of_tls(proxy, new_backend, new_client, certificates, tls, mode):
    backend = new_backend(tls_server("lmtp", mode, start_tls(certificates.rsa),
                                     outcomes={b"b@d": FULL}))
    settings = {} if mode == "none" else {"tls": mode, "ca": certificates.authority}
    proxy.backend("boxes", backend.port, **settings)
    proxy.listener("lmtp", "lmtp", tls, "boxes")
    proxy.start()
    client = new_client(proxy.ports["lmtp"])
    if tls == "implicit":
        client.begin_tls()
    assert client.read_smtp().startswith(b"220 ")
    if tls == "starttls":
        assert b"-STARTTLS\r\n" in client.smtp(b"LHLO c.test")
        client.starttls("lmtp")
    assert b"STARTTLS" not in client.smtp(b"LHLO c.test")
    client.send(group(b"a@d", b"b@d") + b"DATA\r\n")
    read(client, b"250 2.1.0", b"250 2.1.5", b"250 2.1.5", b"354")
    client.send(b"one\r\n.\r\n")
    read(client, SAVED, FULL)
    assert client.smtp(b"QUIT").startswith(b"221 ")
    assert (backend.finished().tls is not None) == (mode != "none")


def test_pipelined_messages_have_their_replies_in_order(bench):
    at = bench("lmtp", lmtp(refused=[b"c@d"], outcomes={b"b@d": FULL}))
    client = at.connect_tls()
    say_hello(client)
    client.send(group(b"a@d", b"c@d", b"b@d") + b"DATA\r\n")
    read(client, b"250 2.1.0", b"250 2.1.5", b"550 5.1.1", b"250 2.1.5", b"354")
    client.send(b"one\r\n.\r\n" + group(b"b@d", b"a@d", b"b@d") + b"DATA\r\n")
    read(client, SAVED, FULL, b"250 2.1.0", *[b"250 2.1.5"] * 3, b"354")
    client.send(b"two\r\n.\r\n" + group(b"c@d") + b"DATA\r\nRSET\r\nQUIT\r\n")
    read(client, FULL, SAVED, FULL, b"250 2.1.0", b"550 5.1.1",
         b"503 5.5.1 No valid recipients\r\n", b"250 2.0.0 reset", b"221")
    client.close()
    assert at.backend.finished().messages == [b"one\r\n.\r\n", b"two\r\n.\r\n"]
    assert at.proxy.wait_for_event("session").fields["reason"] == "quit"


def test_chunks(bench):
    at = bench("lmtp", lmtp(outcomes={b"b@d": FULL}))
    client = at.connect_tls()
    say_hello(client)
    client.send(group(b"a@d", b"b@d") + b"BDAT 4\r\none\nBDAT 3 LAST\r\ntwoNOOP\r\n")
    read(client, b"250 2.1.0", b"250 2.1.5", b"250 2.1.5", b"250 2.0.0 chunk", SAVED, FULL,
         b"250 2.0.0 noop")
    client.send(group() + b"BDAT 6 LAST\r\nQUIT\r\nNOOP\r\nQUIT\r\n")
    read(client, b"250 2.1.0", b"250 2.0.0 noop", b"221")
    assert at.backend.finished().messages == [b"one\n", b"two"]


@pytest.mark.parametrize("verb", [b"EHLO", b"HELO"])
def test_the_hello_of_smtp_is_refused(bench, verb):
    at = bench("lmtp", lmtp())
    client = at.connect_tls()
    assert client.smtp(verb + b" c.test") == b"500 5.5.1 This is LMTP; use LHLO\r\n"
    say_hello(client)
    assert client.smtp(b"QUIT").startswith(b"221 ")
    assert at.backend.finished().commands == [b"LHLO c.test\r\n", b"QUIT\r\n"]
    line = at.proxy.wait_for_event("refused")
    assert line.fields["command"] == verb.decode()


def test_a_server_that_dies_between_the_replies(bench):
    def die(connection, command):
        connection.send(lmtp_outcome(connection, command, [SAVED]))
        connection.close()

    at = bench("lmtp", lmtp(replies={b"DATA": die}))
    client = at.connect_tls()
    say_hello(client)
    client.send(group(b"a@d", b"b@d") + b"DATA\r\n")
    read(client, b"250 2.1.0", b"250 2.1.5", b"250 2.1.5", b"354")
    client.send(b"one\r\n.\r\n")
    read(client, SAVED, b"421 4.4.2 ")
    client.read_to_end()
    client.close()
    assert at.proxy.wait_for_event("session").fields["reason"] == "server-closed"


def test_a_drain_waits_for_the_replies_of_all_recipients(bench):
    has_drained = threading.Event()

    def wait(connection, command):
        connection.send(lmtp_outcome(connection, command, [SAVED]))
        assert has_drained.wait(CEILING)
        return FULL

    at = bench("lmtp", lmtp(replies={b"DATA": wait}))
    client = at.connect_tls()
    say_hello(client)
    client.send(group(b"a@d", b"b@d") + b"DATA\r\n")
    read(client, b"250 2.1.0", b"250 2.1.5", b"250 2.1.5", b"354")
    client.send(b"one\r\n.\r\n")
    read(client, SAVED)
    at.proxy.send_signal(signal.SIGTERM)
    at.proxy.wait_for_event("drain")
    has_drained.set()
    read(client, FULL, b"421 4.3.2 ")
    client.read_to_end()


@pytest.mark.conformance("C129")
def test_a_message_that_is_refused_early_for_each_recipient(bench):
    def refuse(connection, _):
        connection.send(b"354 go ahead\r\n")
        connection.read_until(b"enough")
        connection.send(FULL + b"452 4.3.1 no room\r\n")
        connection.expect_end()

    at = bench("lmtp", lmtp(replies={b"DATA": refuse}))
    client = at.connect_tls()
    say_hello(client)
    client.send(group(b"a@d", b"b@d") + b"DATA\r\n")
    read(client, b"250 2.1.0", b"250 2.1.5", b"250 2.1.5", b"354")
    client.send(b"enough\r\n")
    read(client, FULL, b"452 4.3.1 ")
    client.send(b"more\r\n.\r\nQUIT\r\n")
    read(client, b"221 ")
    assert b"more" not in at.backend.connection().received


@pytest.mark.conformance("C129")
@pytest.mark.parametrize("leaves", [True, False], ids=["leaves", "stays"])
def test_a_message_that_is_refused_early_for_one_recipient_alone(bench, leaves):
    """Of the other one nothing is known, so it is to be tried again."""
    def refuse(connection, _):
        connection.send(b"354 go ahead\r\n")
        connection.read_until(b"enough")
        connection.send(FULL)
        if leaves:
            connection.close()
        else:
            connection.expect_end()

    at = bench("lmtp", lmtp(replies={b"DATA": refuse}))
    client = at.connect_tls()
    say_hello(client)
    client.send(group(b"a@d", b"b@d") + b"DATA\r\n")
    read(client, b"250 2.1.0", b"250 2.1.5", b"250 2.1.5", b"354")
    client.send(b"enough\r\n")
    read(client, FULL)
    client.send(b"more\r\n.\r\n")
    read(client, b"421 4.4.2 ")
    client.read_to_end()
    client.close()
    assert at.proxy.wait_for_event("session").fields["reason"] == "server-farewell"
    assert b"more" not in at.backend.connection().received


@pytest.mark.conformance("C67")
def test_a_smuggled_end_is_refused_for_each_recipient(bench):
    at = bench("lmtp", lmtp())
    client = at.connect_tls()
    say_hello(client)
    client.send(group(b"a@d", b"b@d") + b"DATA\r\n")
    read(client, b"250 2.1.0", b"250 2.1.5", b"250 2.1.5", b"354")
    client.send(b"one\n.\nMAIL FROM:<forged@x>\r\n.\r\n")
    read(client, b"550 5.6.0 ", b"550 5.6.0 ")
    client.read_to_end()
    client.close()
    assert b"forged" not in at.backend.connection().received
    assert at.proxy.wait_for_event("session").fields["reason"] == "smuggling"


def test_recipients_beyond_relay_domains(bench):
    at = bench("lmtp", lmtp(outcomes={b"b@d.test": FULL}), relay_domains="d.test")
    client = at.connect_tls()
    say_hello(client)
    client.send(group(b"a@d.test", b"a@elsewhere.test", b"b@d.test") + b"DATA\r\n")
    read(client, b"250 2.1.0", b"250 2.1.5", b"554 5.7.1 ", b"250 2.1.5", b"354")
    client.send(b"one\r\n.\r\n")
    read(client, SAVED, FULL)
    client.smtp(b"QUIT")
    assert b"elsewhere" not in at.backend.finished().received


def test_no_server(proxy, new_client):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        proxy.backend("boxes", taken.getsockname()[1])
        proxy.listener("lmtp", "lmtp", "none", "boxes")
        proxy.start()
        assert new_client(proxy.ports["lmtp"]).read_smtp().startswith(b"421 4.4.1 ")


# Checks and the probe


@pytest.mark.parametrize("tls", ["none", "starttls"])
def test_checks_say_lhlo(proxy, new_backend, certificates, tls):
    backend = new_backend(tls_server("lmtp", tls, start_tls(certificates.rsa)))
    settings = {} if tls == "none" else {"tls": tls, "ca": certificates.authority}
    proxy.backend("boxes", backend.port, check="starttls" if settings else "capabilities",
                  check_interval="100ms", **settings)
    proxy.listener("lmtp", "lmtp", "none", "boxes")
    proxy.start()
    hello = b"LHLO mail.example.test\r\n"
    before = hello + b"STARTTLS\r\n" if settings else b""
    assert backend.finished(0).received == before + hello + b"QUIT\r\n"
    assert proxy.events("server-down") == []


def probe(proxy, protocol, script, new_backend):
    backend = new_backend(script)
    proxy.backend("boxes", backend.port)
    proxy.listener("mail", protocol, "starttls", "boxes",
                   **({"relay_domains": "example.org"} if protocol == "smtp" else {}))
    proxy.write()
    done = subprocess.run([str(binary()), "--check", "--probe", "-c", str(proxy.ini)], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=CEILING)
    return backend, done


def test_the_probe_describes_a_server(proxy, new_backend):
    """It relays nothing, so it is not asked for that."""
    backend, done = probe(proxy, "lmtp", lmtp(), new_backend)
    assert done.returncode == 0 and "  warning:" not in done.stdout, done
    assert "  greeting      220 old.example LMTP\n" in done.stdout
    assert "PIPELINING, CHUNKING, STARTTLS, 8BITMIME" in done.stdout
    assert backend.finished(0).commands == [b"LHLO mail.example.test\r\n", b"QUIT\r\n"]


@pytest.mark.parametrize("expected, found", [("lmtp", "smtp"), ("smtp", "lmtp")])
def test_the_probe_finds_the_wrong_one_of_two_that_greet_alike(
        proxy, new_backend, expected, found):
    _, done = probe(proxy, expected, server(found), new_backend)
    assert done.returncode == 1, done
    assert (f"if it speaks {found.upper()} on this port, name the port of its {expected.upper()} "
            "service") in done.stdout
