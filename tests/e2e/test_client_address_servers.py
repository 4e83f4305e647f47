"""Real servers hear who the client is, and real TLS toward them: Postfix and Dovecot."""

import imaplib
import poplib
import re
import smtplib
import socket
import ssl

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.client import Client
from mailmux_e2e.legacy import PASSWORD, USER, LegacyServer

SOURCES = {"smtp": "127.0.0.7", "imap": "127.0.0.8", "pop3": "127.0.0.9"}
PROTOCOLS = {"smtp": "smtp", "imap": "imap", "pop3": "pop3"}


@pytest.fixture
def context(certificates):
    return ssl.create_default_context(cafile=str(certificates.authority))


def serve(proxy, legacy, how, **settings):
    for protocol in PROTOCOLS:
        words = {"inside": "id" if protocol == "imap" else "xclient"}.get(how, how)
        proxy.backend(protocol, getattr(legacy, protocol), send_client_address=words, **settings)
        proxy.listener(protocol, protocol, "starttls", protocol)
    proxy.start()


def deliver(proxy, context, subject):
    with smtplib.SMTP("localhost", proxy.ports["smtp"], timeout=CEILING,
                      source_address=(SOURCES["smtp"], 0)) as client:
        client.starttls(context=context)
        client.sendmail("a@b.test", f"{USER}@example.test", f"Subject: {subject}\r\n\r\nHello\r\n")


class Imap(imaplib.IMAP4):
    """From an address of its own."""

    def _create_socket(self, timeout):
        return socket.create_connection((self.host, self.port), CEILING,
                                        source_address=(SOURCES["imap"], 0))


class Pop(poplib.POP3):
    def _create_socket(self, timeout):
        return socket.create_connection((self.host, self.port), CEILING,
                                        source_address=(SOURCES["pop3"], 0))


def read(proxy, context, subject):
    """The message, once it is there."""
    client = Imap("127.0.0.1", proxy.ports["imap"])
    client.host = "localhost"
    client.starttls(context)
    client.login(USER, PASSWORD)
    client.select("INBOX")
    for _ in range(1000):
        client.noop()
        _, (numbers,) = client.search(None, "SUBJECT", subject)
        if numbers:
            break
    _, found = client.fetch(numbers.split()[0], "(BODY[])")
    client.logout()
    return found[0][1].decode()


def pop(proxy, context):
    client = Pop("localhost", proxy.ports["pop3"])
    client.stls(context)
    client.user(USER)
    client.pass_(PASSWORD)
    client.quit()


def check(proxy, legacy, context, subject):
    """A message through all three; the servers name the clients and not the proxy."""
    deliver(proxy, context, subject)
    message = read(proxy, context, subject)
    pop(proxy, context)
    assert re.search(rf"^Received: from \S+ \(unknown \[{SOURCES['smtp']}\]\)|"
                     rf"^Received: from \S+ \(\S+ \[{SOURCES['smtp']}\]\)", message, re.M), message
    legacy.wait_for_log(1, rf"\[{re.escape(SOURCES['smtp'])}\]",
                        *(rf"{name}-login: Info: Login: user=<{USER}>.* rip={SOURCES[name]}, "
                          for name in ("imap", "pop3")))
    log = legacy.log()
    assert not proxy.events("try-failed")
    return log


@pytest.mark.conformance("C99")
@pytest.mark.parametrize("how", ["proxy-v1", "proxy-v2"])
def test_by_a_proxy_header(proxy, context, how):
    legacy = LegacyServer("--address", "proxy")
    try:
        serve(proxy, legacy, how)
        log = check(proxy, legacy, context, f"by-{how}")
        # Dovecot learns of the client's TLS, for which version 1 has no word.
        line = re.search(rf"imap-login: Info: Login: .* rip={SOURCES['imap']}, .*", log)[0]
        assert (", secured," in line) == (how == "proxy-v2"), line
    finally:
        legacy.stop()


@pytest.mark.conformance("C99")
@pytest.mark.parametrize("told", [True, False])
def test_the_tls_of_a_balancer_in_front_reaches_a_real_server(proxy, told):
    """It ends TLS and speaks plaintext to us; Dovecot calls the login secured all the same."""
    legacy = LegacyServer("--address", "proxy", "--only", "dovecot")
    ssl_tlv = b"\x20\0\x0f\1\0\0\0\1\x21\0\7TLSv1.3" if told else b""
    header = (b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + (12 + len(ssl_tlv)).to_bytes(2, "big")
              + bytes([192, 0, 2, 7, 198, 51, 100, 1, 0x9c, 0x40, 0, 143]) + ssl_tlv)
    try:
        proxy.backend("imap", legacy.imap, send_client_address="proxy-v2")
        proxy.listener("imap", "imap", "none", "imap", accept_proxy_from="127.0.0.0/8",
                       require_tls="no")
        proxy.start()
        client = Client(proxy.ports["imap"])
        client.send(header)
        client.read_line()
        client.send(f"a LOGIN {USER} {PASSWORD}\r\n".encode())
        assert client.read_line().startswith(b"a OK")
        client.close()
        legacy.wait_for_log(1, "imap-login: Info: Login: .* rip=192.0.2.7, ")
        line = re.search("imap-login: Info: Login: .* rip=192.0.2.7, .*", legacy.log())[0]
        assert (", secured," in line) == told, line
    finally:
        legacy.stop()


@pytest.mark.conformance("C101")
def test_inside_the_conversation(proxy, context):
    legacy = LegacyServer("--address", "inside")
    try:
        serve(proxy, legacy, "inside")
        log = check(proxy, legacy, context, "inside")
        proxy.wait_for_event("session", 3)
        ids = {line.fields["protocol"]: line.fields["id"] for line in proxy.events("session")}
        for protocol in ("imap", "pop3"):
            assert re.search(rf"{protocol}-login: Info: Login: .* session=<{ids[protocol]}>", log), log
    finally:
        legacy.stop()


@pytest.mark.conformance("C72", "C76", "C99")
@pytest.mark.parametrize("address, how", [("proxy", "proxy-v2"), ("inside", "inside")])
@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_over_tls(proxy, context, certificates, mode, address, how):
    legacy = LegacyServer("--address", address, "--tls", mode, str(certificates.rsa.certificate),
                          str(certificates.rsa.key))
    try:
        serve(proxy, legacy, how, tls=mode, ca=certificates.authority)
        log = check(proxy, legacy, context, f"over-{mode}-{how}")
        assert re.search(rf"imap-login: Info: Login: .* rip={SOURCES['imap']}, .* TLS", log), log
        assert {line.fields["server_tls"] for line in proxy.events("session")} == {"TLSv1.3"}
    finally:
        legacy.stop()


FORGED = "192.0.2.66"
ID = f'b ID ("x-originating-ip" "{FORGED}" "x-originating-port" "1")\r\n'.encode()


def lines(stream, tag):
    """What is answered, up to the line that begins so."""
    said = []
    while not said or not said[-1].startswith(tag):
        said.append(stream.readline())
        assert said[-1], said
    return said


@pytest.mark.conformance("C44", "C100")
def test_a9_a_client_cannot_speak_for_a_proxy_that_is_trusted(proxy, context):
    """Postfix ends a verb at a vertical tab, too; Dovecot runs a literal whose line it refused."""
    legacy = LegacyServer("--address", "inside")
    try:
        serve(proxy, legacy, "none")
        with smtplib.SMTP("localhost", proxy.ports["smtp"], timeout=CEILING) as client:
            client.starttls(context=context)
            client.ehlo("c.test")
            assert client.docmd(f"XCLIENT\vADDR={FORGED}")[0] == 500
            assert client.docmd("BDAT\v5")[0] == 500
            client.sendmail("a@b.test", f"{USER}@example.test", "Subject: x\r\n\r\nHello\r\n")
        with imaplib.IMAP4("localhost", proxy.ports["imap"], CEILING) as client:
            client.starttls(context)
            client.send(b"a FROB ) {%d+}\r\n%s\r\nc LOGIN %s %s\r\n" % (
                len(ID), ID, USER.encode(), PASSWORD.encode()))
            said = lines(client.file, b"c ")
            assert said[0].startswith(b"a BAD ") and said[-1].startswith(b"c OK "), said
            assert not [line for line in said if line.startswith((b"* ID ", b"b "))], said
        legacy.wait_for_log(1, r"postfix/smtpd\[\d+\]: disconnect from", "imap-login: Info: Login: ")
        assert FORGED not in legacy.log(), legacy.log()
    finally:
        legacy.stop()
