"""A server that takes no login over the connection that mailmux has with it, since that has no
TLS: Dovecot's default for every client that is not local. It is said once, with what to do, by the
checks, by the first session, and by --check --probe (see test_probe_command).
"""

import pytest
from mailmux_e2e.servers import imap, server, smtp, tls_server
from mailmux_e2e.steps import start_tls

DISABLED = {"imap": {"words": b"IMAP4rev1 SASL-IR STARTTLS LOGINDISABLED"},
            "pop3": {"words": (b"TOP", b"UIDL", b"STLS")},
            "submission": {"words": (b"old.example", b"STARTTLS", b"8BITMIME")}}
PLAINTEXT = b"Plaintext authentication disallowed on non-secure (SSL/TLS) connections."
protocols = pytest.mark.parametrize("protocol", DISABLED)


def script(protocol, **changes):
    return server("smtp" if protocol == "submission" else protocol, **changes)


@pytest.fixture
def serve(proxy, new_backend, new_client):
    """serve(protocol, script, tls of the listener, settings of the backend) gives a function that connects."""

    def start(protocol, script, tls="starttls", settings={}):
        backend = new_backend(script)
        proxy.backend("server", backend.port, **settings)
        proxy.listener("test", protocol, tls, "server")
        proxy.start()
        return lambda: new_client(proxy.ports["test"])

    return start


def enter(connect, protocol, tls="starttls"):
    client = connect()
    smtp_like = protocol not in ("imap", "pop3")
    if tls == "implicit":
        client.begin_tls()
    client.read_smtp() if smtp_like else client.read_line()
    if tls == "starttls":
        client.starttls("smtp" if smtp_like else protocol)
    return client


def ask(client, protocol):
    if protocol == "imap":
        client.imap(b"a CAPABILITY")
    elif protocol == "pop3":
        client.pop3_dotted(b"CAPA")
    else:
        client.smtp(b"EHLO c.example")
    return client


def leave(client, protocol):
    """Its end is the session's, whose line is logged behind all else that it says."""
    client.send(b"z LOGOUT\r\n" if protocol == "imap" else b"QUIT\r\n")
    client.read_to_end()
    client.close()


def told(proxy, sessions):
    proxy.wait_for_event("session", sessions)
    return proxy.events("logins-refused")


def is_advice(line):
    assert line.level == "warning"
    assert line.fields["backend"] == "server" and line.fields["server"] == "server1"
    for remedy in ("tls = starttls", "send_client_address = proxy-v2", "proxy_tlvs = ssl"):
        assert remedy in line.fields["remedy"], line.text
    assert "cannot log in" in line.fields["why"]
    return True


# The first session


@protocols
@pytest.mark.parametrize("tls", ["none", "starttls", "implicit"])
def test_the_first_session_says_so_and_no_other(serve, proxy, protocol, tls):
    connect = serve(protocol, script(protocol, **DISABLED[protocol]), tls=tls)
    for count in range(1, 4):
        leave(ask(enter(connect, protocol, tls), protocol), protocol)
        lines = told(proxy, count)
        assert len(lines) == 1 and is_advice(lines[0]), proxy.log()
    assert lines[0].fields["id"] == proxy.events("session")[0].fields["id"]


@pytest.mark.parametrize("protocol, changes, commands", [
    ("imap", {"greeting": b"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] ready\r\n"}, []),
    ("imap", {"replies": {b"LOGIN": b"%T NO [PRIVACYREQUIRED] " + PLAINTEXT + b"\r\n"}},
     [b"a LOGIN alice secret"]),
    ("imap", {"replies": {b"AUTHENTICATE": b"%T NO Login only available under SSL\r\n"}},
     [b"a AUTHENTICATE PLAIN AGEAYg=="]),
    ("imap", {"words": b"IMAP4rev1 AUTH=CRAM-MD5 LogInDisabled"}, [b"a CAPABILITY"]),
    ("pop3", {"replies": {b"USER": b"-ERR [AUTH] " + PLAINTEXT + b"\r\n"}}, [b"USER alice"]),
    ("pop3", {"replies": {b"AUTH": b"-ERR use TLS\r\n"}}, [b"AUTH PLAIN AGEAYg=="]),
    ("pop3", {"words": (b"TOP", b"SASL CRAM-MD5")}, [b"CAPA"]),
    ("smtp", {"replies": {b"MAIL": b"530 5.7.0 Must issue a STARTTLS command first\r\n"}},
     [b"EHLO c.example", b"MAIL FROM:<a@b.example>"]),
    ("smtp", {"words": (b"old.example",), "replies": {b"MAIL": b"530 5.7.0 log in\r\n"}},
     [b"EHLO c.example", b"MAIL FROM:<a@b.example>"]),
    ("submission", {"replies": {b"AUTH": b"538 5.7.11 Encryption required\r\n"}},
     [b"EHLO c.example", b"AUTH PLAIN AGEAYg=="]),
], ids=lambda value: None)
def test_it_is_known_by_what_the_server_says(serve, proxy, protocol, changes, commands):
    connect = serve(protocol, script(protocol, **changes), tls="implicit")
    client = enter(connect, protocol, "implicit")
    for command in commands:
        client.send(command + b"\r\n")
        if command == b"CAPA":
            client.read_dotted()
        else:
            client.read_smtp() if protocol not in ("imap", "pop3") else client.read_line()
    leave(client, protocol)
    lines = told(proxy, 1)
    assert len(lines) == 1 and is_advice(lines[0]), proxy.log()


@pytest.mark.parametrize("protocol, changes", [
    ("imap", {}), ("pop3", {}), ("submission", {}), ("smtp", {}),
    ("smtp", DISABLED["submission"]),
    ("submission", {"replies": {b"MAIL": b"530 5.7.0 Authentication required\r\n"}}),
    ("pop3", {"words": (b"SASL PLAIN",)}), ("pop3", {"words": (b"USER",)}),
    ("pop3", {"replies": {b"CAPA": b"-ERR what\r\n"}}),
    ("imap", {"replies": {b"LOGIN": b"%T NO [AUTHENTICATIONFAILED] no\r\n"}}),
    ("pop3", {"replies": {b"USER": b"-ERR no such user\r\n"}}),
], ids=lambda value: None)
def test_a_server_that_lets_users_log_in_is_not_spoken_of(serve, proxy, protocol, changes):
    client = ask(enter(serve(protocol, script(protocol, **changes)), protocol), protocol)
    if protocol == "imap":
        client.imap(b"b LOGIN alice secret")
    elif protocol == "pop3":
        client.pop3(b"USER alice")
    else:
        client.smtp(b"MAIL FROM:<a@b.example>")
    leave(client, protocol)
    assert told(proxy, 1) == []


@protocols
def test_in_clear_a_client_has_no_need_to_log_in(serve, proxy, protocol):
    """It is to begin TLS first; a server that hears of that may answer otherwise then."""
    connect = serve(protocol, script(protocol, **DISABLED[protocol]))
    client = connect()
    client.read_line()
    leave(ask(client, protocol), protocol)
    assert told(proxy, 1) == []


@protocols
def test_with_tls_toward_the_server_it_is_its_own_affair(serve, proxy, certificates, protocol):
    speaks = "smtp" if protocol == "submission" else protocol
    behind = tls_server(speaks, "starttls", start_tls(certificates.rsa), **DISABLED[protocol])
    connect = serve(protocol, behind,
                    settings={"tls": "starttls", "ca": certificates.authority})
    leave(ask(enter(connect, protocol), protocol), protocol)
    assert told(proxy, 1) == []


# Checks


@protocols
def test_checks_say_so_once_per_change(serve, proxy, new_backend, protocol):
    """A server that has changed its mind twice is spoken of twice."""
    good, bad = script(protocol), script(protocol, **DISABLED[protocol])
    backend = new_backend(bad, bad, good, good, bad, bad)
    proxy.backend("server", backend.port, check="capabilities", check_interval="100ms")
    proxy.listener("test", protocol, "starttls", "server")
    proxy.start()
    proxy.wait_for_event("logins-refused", 2)
    backend.finished(7)
    lines = proxy.events("logins-refused")
    assert len(lines) == 2 and all(map(is_advice, lines)), proxy.log()
    assert not proxy.events("check-failed") and not proxy.events("server-down")


@protocols
def test_a_session_does_not_say_again_what_a_check_has_said(
        proxy, new_backend, new_client, protocol):
    backend = new_backend(script(protocol, **DISABLED[protocol]))
    proxy.backend("server", backend.port, check="capabilities", check_interval="100ms")
    proxy.listener("test", protocol, "starttls", "server")
    proxy.start()
    proxy.wait_for_event("logins-refused")
    client = enter(lambda: new_client(proxy.ports["test"]), protocol)
    leave(ask(client, protocol), protocol)
    lines = told(proxy, 1)
    assert len(lines) == 1 and "id" not in lines[0].fields, proxy.log()


def test_a_check_of_the_greeting_sees_it_where_the_greeting_says_so(proxy, new_backend):
    backend = new_backend(imap(greeting=b"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] ready\r\n"))
    proxy.backend("server", backend.port, check="greeting", check_interval="100ms")
    proxy.listener("test", "imap", "starttls", "server")
    proxy.start()
    backend.finished(3)
    assert len(proxy.events("logins-refused")) == 1, proxy.log()


@protocols
@pytest.mark.parametrize("how", ["tls", "told", "mail"])
def test_checks_do_not_speak_of_what_is_right(
        proxy, new_backend, certificates, protocol, how):
    """In TLS; where it hears by a PROXY header which clients use it; where only mail comes in."""
    speaks = "smtp" if protocol == "submission" else protocol
    settings = {"check": "capabilities", "check_interval": "100ms"}
    if how == "tls":
        begin = [start_tls(certificates.rsa), *server(speaks, **DISABLED[protocol])]
        settings.update(tls="implicit", ca=certificates.authority)
    elif how == "told":
        begin = [lambda connection: connection.take(16), *server(speaks, **DISABLED[protocol])]
        settings.update(send_client_address="proxy-v2")
    else:
        begin = smtp(words=DISABLED["submission"]["words"])
        protocol = "smtp"
    backend = new_backend(begin)
    proxy.backend("server", backend.port, **settings)
    proxy.listener("test", protocol, "starttls", "server")
    proxy.start()
    backend.finished(2)
    assert proxy.events("logins-refused") == [] == proxy.events("check-failed"), proxy.log()
