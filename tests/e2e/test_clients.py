"""Real clients in front of real servers: openssl, curl, swaks and Python in front of Dovecot and
Postfix that speak plaintext.
"""

import imaplib
import itertools
import os
import poplib
import smtplib
import ssl
import subprocess

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.certificates import NAME

LISTENERS = {
    "smtp": ("smtp", "starttls"), "submission": ("submission", "starttls"),
    "smtps": ("submission", "implicit"), "imap": ("imap", "starttls"),
    "imaps": ("imap", "implicit"), "pop3": ("pop3", "starttls"), "pop3s": ("pop3", "implicit"),
}
numbers = itertools.count(1)
pytestmark = pytest.mark.conformance("C124")


@pytest.fixture
def front(new_proxy, legacy, certificates):
    """All listeners in front of the legacy server, with an RSA and an ECDSA certificate."""
    proxy = new_proxy()
    proxy.section("tls", certificate=[certificates.rsa.certificate, certificates.ecdsa.certificate],
                  key=[certificates.rsa.key, certificates.ecdsa.key])
    proxy.backend("smtp", legacy.smtp)
    proxy.backend("submission", legacy.smtp)
    proxy.backend("imap", legacy.imap)
    proxy.backend("pop3", legacy.pop3)
    for name, (protocol, tls) in LISTENERS.items():
        proxy.listener(name, protocol, tls, protocol)
    proxy.start()
    return proxy


@pytest.fixture
def context(certificates):
    return ssl.create_default_context(cafile=str(certificates.authority))


def run(*command, stdin=b""):
    done = subprocess.run([str(word) for word in command], input=stdin, timeout=CEILING * 2,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


def succeed(*command, stdin=b""):
    status, output = run(*command, stdin=stdin)
    assert status == 0, output.decode(errors="replace")
    return output


def a_message():
    """A message with a subject of its own."""
    subject = f"message-{os.getpid()}-{next(numbers)}"
    text = f"From: <a@b.test>\r\nTo: <alice@example.test>\r\nSubject: {subject}\r\n\r\nHello\r\n"
    return subject, text


def arrive(imap, subject):
    """The number of a message with this subject in INBOX, once it is there."""
    for _ in range(1000):
        imap.noop()
        _, found = imap.search(None, "SUBJECT", subject)
        if found[0]:
            return found[0].split()[-1].decode()
    raise AssertionError(f"{subject} does not arrive")


# openssl s_client

GOODBYE = {"smtp": b"QUIT\r\n", "imap": b"a LOGOUT\r\n", "pop3": b"QUIT\r\n"}


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("name", LISTENERS)
def test_openssl(front, certificates, name, version):
    protocol, tls = LISTENERS[name]
    protocol = "smtp" if protocol == "submission" else protocol
    starttls = ["-starttls", protocol] if tls == "starttls" else []
    output = succeed("openssl", "s_client", "-connect", f"127.0.0.1:{front.ports[name]}", version,
                     "-CAfile", certificates.authority, "-verify_return_error",
                     "-verify_hostname", NAME, "-servername", NAME, "-crlf", "-ign_eof", *starttls,
                     stdin=GOODBYE[protocol].replace(b"\r\n", b"\n"))
    assert b"Verify return code: 0 (ok)" in output or b"Verification: OK" in output
    assert {"smtp": b"\n221 ", "imap": b"a OK ", "pop3": b"+OK Logging out"}[protocol] in output


@pytest.mark.parametrize("algorithm, authentication", [
    ("ECDHE-RSA-AES128-GCM-SHA256", b"RSA"), ("ECDHE-ECDSA-AES128-GCM-SHA256", b"ECDSA")])
def test_both_certificates_are_served_side_by_side(front, algorithm, authentication):
    _, output = run("openssl", "s_client", "-connect", f"127.0.0.1:{front.ports['imaps']}",
                    "-tls1_2", "-cipher", algorithm, stdin=b"")
    assert b"Cipher is " + algorithm.encode() in output and authentication in output


@pytest.mark.conformance("C82")
@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(front, version):
    status, output = run("openssl", "s_client", "-connect", f"127.0.0.1:{front.ports['imaps']}",
                         version, "-cipher", "ALL:@SECLEVEL=0", stdin=b"")
    assert status != 0 and b"Cipher is (NONE)" in output


# curl

def curl(certificates, *arguments, stdin=b""):
    return succeed("curl", "--silent", "--show-error", "--verbose", "--max-time", "30",
                   "--cacert", certificates.authority, *arguments, stdin=stdin)


@pytest.mark.parametrize("name", ["smtp", "submission", "smtps"])
@pytest.mark.parametrize("login", [True, False], ids=["login", "anonymous"])
def test_curl_sends(front, certificates, context, name, login):
    subject, text = a_message()
    scheme = "smtps" if name == "smtps" else "smtp"
    curl(certificates, f"{scheme}://localhost:{front.ports[name]}/client.test", "--ssl-reqd",
         "--mail-from", "a@b.test", "--mail-rcpt", "alice@example.test", "-T", "-",
         *(["--user", "alice:secret"] if login else []), stdin=text.encode())
    with imaplib.IMAP4_SSL("localhost", front.ports["imaps"], ssl_context=context,
                           timeout=CEILING) as imap:
        imap.login("alice", "secret")
        imap.select("INBOX")
        assert arrive(imap, subject)


@pytest.mark.parametrize("name", ["imap", "imaps"])
def test_curl_reads_imap(front, certificates, name):
    output = curl(certificates, f"{name}://localhost:{front.ports[name]}/INBOX", "--ssl-reqd",
                  "--user", "alice:secret", "--request", "STATUS INBOX (MESSAGES)")
    assert b"* STATUS INBOX (MESSAGES " in output


@pytest.mark.parametrize("name", ["pop3", "pop3s"])
def test_curl_reads_pop3(front, certificates, name):
    output = curl(certificates, f"{name}://localhost:{front.ports[name]}/", "--ssl-reqd",
                  "--user", "alice:secret")
    assert b"+OK Logged in" in output


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_curl_cannot_log_in_without_tls(front, protocol):
    status, output = run("curl", "--silent", "--show-error", "--max-time", "30", "--user",
                         "alice:secret", f"{protocol}://127.0.0.1:{front.ports[protocol]}/")
    assert status != 0 and b"Login denied" in output or b"LOGINDISABLED" in output, output


# swaks

@pytest.mark.parametrize("name, options", [
    ("smtp", ["--tls"]), ("submission", ["--tls", "--auth", "PLAIN"]),
    ("submission", ["--tls", "--auth", "LOGIN"]), ("smtps", ["--tls-on-connect", "--auth", "PLAIN"]),
])
def test_swaks(front, name, options):
    subject, _ = a_message()
    if "--auth" in options:
        options = options + ["--auth-user", "alice", "--auth-password", "secret"]
    output = succeed("swaks", "--server", f"127.0.0.1:{front.ports[name]}", "--from", "a@b.test",
                     "--to", "alice@example.test", "--header", f"Subject: {subject}", *options)
    assert b"TLS started" in output and b"<~  250 2.0.0 Ok: queued" in output


def test_swaks_finds_no_open_relay(front):
    status, output = run("swaks", "--server", f"127.0.0.1:{front.ports['smtp']}", "--tls",
                         "--from", "a@b.test", "--to", "somebody@elsewhere.example")
    assert status != 0 and b"554 5.7.1" in output


def test_swaks_pipelines(front):
    output = succeed("swaks", "--server", f"127.0.0.1:{front.ports['smtps']}", "--pipeline",
                     "--tls-on-connect", "--from", "a@b.test",
                     "--to", "alice@example.test,bob@example.test")
    assert b"<~  250 2.0.0 Ok: queued" in output


# Python

@pytest.mark.parametrize("name", ["smtp", "submission", "smtps"])
def test_smtplib_and_imaplib_and_poplib(front, context, name):
    subject, text = a_message()
    if name == "smtps":
        smtp = smtplib.SMTP_SSL("localhost", front.ports[name], timeout=CEILING, context=context)
    else:
        smtp = smtplib.SMTP("localhost", front.ports[name], timeout=CEILING)
        smtp.ehlo()
        assert smtp.has_extn("starttls") and not smtp.has_extn("auth")
        smtp.starttls(context=context)
    with smtp:
        smtp.ehlo()
        assert not smtp.has_extn("starttls") and smtp.has_extn("auth")
        smtp.login("alice", "secret")
        assert smtp.sendmail("a@b.test", ["alice@example.test"], text) == {}

    with imaplib.IMAP4("localhost", front.ports["imap"], timeout=CEILING) as imap:
        assert "STARTTLS" in imap.capabilities and "LOGINDISABLED" in imap.capabilities
        imap.starttls(context)
        assert "STARTTLS" not in imap.capabilities and "LOGINDISABLED" not in imap.capabilities
        imap.login("alice", "secret")
        imap.select("INBOX")
        _, parts = imap.fetch(arrive(imap, subject), "(BODY.PEEK[])")
        headers, body = parts[0][1].split(b"\r\n\r\n", 1)
        assert subject.encode() in headers and body == text.encode().split(b"\r\n\r\n", 1)[1]

    pop3 = poplib.POP3("localhost", front.ports["pop3"], timeout=CEILING)
    assert "STLS" in pop3.capa() and "USER" not in pop3.capa()
    pop3.stls(context)
    assert "STLS" not in pop3.capa()
    pop3.user("alice")
    pop3.pass_("secret")
    assert any(subject.encode() in line for n in range(1, pop3.stat()[0] + 1)
               for line in pop3.top(n, 0)[1])
    pop3.quit()


def test_imaplib_authenticates(front, context):
    with imaplib.IMAP4_SSL("localhost", front.ports["imaps"], ssl_context=context,
                           timeout=CEILING) as imap:
        imap.authenticate("PLAIN", lambda _: b"\0alice\0secret")
        assert imap.select("INBOX")[0] == "OK"


def test_poplib_on_the_implicit_port(front, context):
    pop3 = poplib.POP3_SSL("localhost", front.ports["pop3s"], timeout=CEILING, context=context)
    pop3.user("alice")
    pop3.pass_("secret")
    assert pop3.stat()[0] >= 0
    pop3.quit()


def test_a_wrong_password_is_refused_and_the_right_one_taken_after_it(front, context):
    imap = imaplib.IMAP4_SSL("localhost", front.ports["imaps"], ssl_context=context,
                             timeout=CEILING)
    with pytest.raises(imaplib.IMAP4.error):
        imap.login("alice", "wrong")
    imap.login("alice", "secret")
    imap.logout()
    smtp = smtplib.SMTP_SSL("localhost", front.ports["smtps"], timeout=CEILING, context=context)
    with pytest.raises(smtplib.SMTPAuthenticationError):
        smtp.login("alice", "wrong")
    smtp.login("alice", "secret")
    smtp.quit()


def test_a_pipelined_hello_and_goodbye(front, new_client):
    client = new_client(front.ports["smtp"])
    client.send(b"EHLO c.test\r\nQUIT\r\n")
    assert client.read_smtp().startswith(b"220 ")
    assert client.read_smtp().startswith(b"250-")
    assert client.read_smtp().startswith(b"221 ")
    assert client.read_to_end() == b""


@pytest.mark.conformance("C118")
def test_no_password_is_in_the_log(front, context):
    with imaplib.IMAP4_SSL("localhost", front.ports["imaps"], ssl_context=context,
                           timeout=CEILING) as imap:
        imap.login("alice", "secret")
    front.wait_for_event("session")
    assert "secret" not in front.log()
