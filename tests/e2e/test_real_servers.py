"""Real servers on a bad day, and real servers that are unlike the others: what their clients notice
behind mailmux.
"""

import subprocess

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.certificates import NAME
from mailmux_e2e.legacy import (DOMAIN, PASSWORD, USER, LegacyServer, start_together,
                                stop_together)
from mailmux_e2e.opensmtpd import opensmtpd
from mailmux_e2e.proxy import binary

RECIPIENT = f"RCPT TO:<{USER}@{DOMAIN}>".encode()
LISTED = "127.0.0.66"


@pytest.fixture(scope="module")
def screened():
    """Postfix with postscreen, which drops one client; it hears of clients by a PROXY header."""
    legacy = LegacyServer("--only", "postfix", "--address", "proxy", "--screen", LISTED)
    yield legacy
    legacy.stop()


def deliver(client, starttls=False):
    assert client.read_smtp().startswith(b"220 ")
    assert client.smtp(b"EHLO client.example").startswith(b"250-")
    if starttls:
        client.starttls("smtp")
        assert client.smtp(b"EHLO client.example").startswith(b"250-")
    assert client.smtp(b"MAIL FROM:<friend@outside.example>").startswith(b"250 ")
    assert client.smtp(RECIPIENT).startswith(b"250 ")
    assert client.smtp(b"DATA").startswith(b"354 ")
    assert client.smtp(b"Subject: mail\r\n\r\nHello\r\n.").startswith(b"250 ")
    assert client.smtp(b"QUIT").startswith(b"221 ")
    client.close()


# One client is turned away


def is_turned_away(client):
    """By postscreen's words; then it may say QUIT, as after every refusal but 421."""
    assert client.read_smtp() == b"521 5.3.2 Service currently unavailable\r\n"
    assert client.smtp(b"QUIT").startswith(b"221 ")
    client.close()


@pytest.mark.conformance("C125", "C127")
@pytest.mark.parametrize("servers", ["alone", "two"])
def test_a_client_that_postscreen_drops_takes_the_server_from_nobody(
        proxy, screened, new_client, servers):
    """More visits than `fall`, and each hears postscreen's own words, not ours."""
    ports = [screened.smtp] * (2 if servers == "two" else 1)
    proxy.backend("mta", *ports, send_client_address="proxy-v2")
    proxy.listener("smtp", "smtp", "none", "mta")
    proxy.start()
    for _ in range(4):
        listed = new_client(proxy.ports["smtp"], source=LISTED)
        is_turned_away(listed)
        deliver(new_client(proxy.ports["smtp"], source="127.0.0.7"))
    assert proxy.events("server-down") == []


@pytest.mark.conformance("C125")
def test_a_client_behind_a_balancer_that_postscreen_drops(proxy, screened, new_client):
    """The address is one that a PROXY header tells."""
    proxy.backend("mta", screened.smtp, send_client_address="proxy-v2")
    proxy.listener("smtp", "smtp", "none", "mta", accept_proxy_from="127.0.0.1")
    proxy.start()
    for _ in range(4):
        listed = new_client(proxy.ports["smtp"])
        listed.send(f"PROXY TCP4 {LISTED} 127.0.0.1 40000 25\r\n".encode())
        is_turned_away(listed)
        other = new_client(proxy.ports["smtp"])
        other.send(b"PROXY TCP4 192.0.2.7 127.0.0.1 40000 25\r\n")
        deliver(other)


# A server that takes EHLO once


@pytest.fixture(scope="module")
def once():
    with opensmtpd() as server:
        yield server


@pytest.mark.conformance("C132")
def test_a_message_through_starttls_reaches_a_server_that_takes_ehlo_once(
        proxy, once, new_client):
    proxy.backend("mta", once.port)
    proxy.listener("smtp", "smtp", "starttls", "mta")
    proxy.start()
    client = new_client(proxy.ports["smtp"])
    deliver(client, starttls=True)
    once.wait_for_log('stat=Delivered')
    assert any(b"\r\nHello" in one or b"\nHello" in one for one in once.messages())
    assert "server-down" not in proxy.log()


# A server that takes passwords within TLS alone: Dovecot's default for all but its own machine


ELSEWHERE = "127.0.0.2"  # the proxy comes from 127.0.0.1, so Dovecot does not take it for local
STRICT = ["--only", "dovecot", "--logins", "tls"]


@pytest.fixture(scope="module")
def strict(certificates):
    """By what it is set up for: nothing, or one of the remedies."""
    pair = (str(certificates.rsa.certificate), str(certificates.rsa.key))
    options = {"starttls": [*STRICT, "--tls", "starttls", *pair],
               "proxy-v2": [*STRICT, "--address", "proxy"],
               "trusted": [*STRICT, "--address", "inside"],
               "nothing": STRICT, "server": STRICT[:2]}
    servers = dict(zip(options, start_together(*options.values(), at=ELSEWHERE)))
    yield servers
    stop_together(list(servers.values()))


def stand_before(proxy, legacy, **settings):
    for protocol in ("imap", "pop3"):
        proxy.section(f"backend {protocol}", **settings,
                      server=f"dovecot {ELSEWHERE}:{getattr(legacy, protocol)}")
        proxy.listener(protocol, protocol, "starttls", protocol)
    proxy.start()


def log_in(proxy, new_client):
    """What the client is shown, and what it is answered."""
    imap = new_client(proxy.ports["imap"])
    imap.read_line()
    imap.starttls("imap")
    shown = imap.imap(b"a CAPABILITY")
    said = imap.imap(b"b LOGIN " + f"{USER} {PASSWORD}".encode())
    imap.close()
    pop3 = new_client(proxy.ports["pop3"])
    pop3.read_line()
    pop3.starttls("pop3")
    shown += pop3.pop3_dotted(b"CAPA")
    said += pop3.pop3(f"USER {USER}".encode())
    if b"-ERR" not in said:
        said += pop3.pop3(f"PASS {PASSWORD}".encode())
    pop3.close()
    return shown, said


def probed(proxy):
    done = subprocess.run([str(binary()), "--check", "--probe", "-c", str(proxy.ini)], text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=CEILING)
    return done.returncode, [line for line in done.stdout.splitlines() if " error: " in line]


def test_dovecots_default_keeps_users_out_and_that_is_said(proxy, strict, new_client):
    stand_before(proxy, strict["nothing"])
    shown, said = log_in(proxy, new_client)
    assert b"LOGINDISABLED" in shown and b"\r\nUSER" not in shown
    assert b"b NO [PRIVACYREQUIRED]" in said and b"-ERR [AUTH]" in said
    proxy.wait_for_event("session", 2)
    for protocol in ("imap", "pop3"):
        lines = [line for line in proxy.events("logins-refused")
                 if line.fields["backend"] == protocol]
        assert len(lines) == 1, proxy.log()
        assert "tls = starttls" in lines[0].fields["remedy"]
        assert "proxy_tlvs = ssl" in lines[0].fields["remedy"]
        assert "disable_plaintext_auth = no" in lines[0].fields["remedy"]
    status, errors = probed(proxy)
    assert status == 1 and len(errors) == 2, errors
    assert all("users cannot log in" in error for error in errors)


def test_checks_see_dovecots_default(proxy, strict):
    stand_before(proxy, strict["nothing"], check="capabilities", check_interval="100ms")
    proxy.wait_for_event("logins-refused", 2)
    assert {line.fields["backend"] for line in proxy.events("logins-refused")} == {"imap", "pop3"}


@pytest.mark.parametrize("remedy", ["starttls", "proxy-v2", "trusted", "server"])
def test_each_remedy_lets_users_in(proxy, strict, new_client, certificates, remedy):
    settings = {"starttls": {"tls": "starttls", "ca": certificates.authority,
                             "tls_name": NAME},
                "proxy-v2": {"send_client_address": "proxy-v2", "proxy_tlvs": "ssl"}}
    stand_before(proxy, strict[remedy], **settings.get(remedy, {}))
    shown, said = log_in(proxy, new_client)
    assert b"LOGINDISABLED" not in shown and b"\r\nUSER\r\n" in shown
    assert b"b OK " in said and said.count(b"+OK") == 2, said
    proxy.wait_for_event("session", 2)
    assert proxy.events("logins-refused") == []
    assert probed(proxy) == (0, [])


def test_postfix_that_takes_logins_within_tls_alone(proxy, certificates, new_client):
    pair = (str(certificates.rsa.certificate), str(certificates.rsa.key))
    legacy = LegacyServer("--logins", "tls", "--tls", "starttls", *pair)
    try:
        proxy.backend("mta", legacy.smtp)
        proxy.listener("mta", "submission", "starttls", "mta")
        proxy.start()
        client = new_client(proxy.ports["mta"])
        client.read_smtp()
        client.starttls("smtp")
        assert b"AUTH" not in client.smtp(b"EHLO client.example")
        client.smtp(b"QUIT")
        client.close()
        told = proxy.wait_for_event("logins-refused")
        assert "smtpd_tls_auth_only = no" in told.fields["remedy"]
        status, errors = probed(proxy)
        assert status == 1 and len(errors) == 1 and "users cannot log in" in errors[0], errors
    finally:
        legacy.stop()
