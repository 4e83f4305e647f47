"""log_level = debug: what a session does, step by step, and never what is said in it."""

import base64
import hashlib
import ssl

import pytest
from mailmux_e2e.client import default_context
from mailmux_e2e.ports import Ports
from mailmux_e2e.servers import imap, imap_authenticate, pop3, server, smtp, smtp_auth
from mailmux_e2e.steps import start_tls, wait_for_end

EVENTS = ("phase", "way", "try", "tls-up", "dialog", "deadline", "check")
SECRET = b"Tr0ub4dor&3"


def configure(proxy, level="debug"):
    proxy.section("proxy", workers=1, hostname="mail.example.test", log_level=level,
                  state_directory=proxy.directory / "state")


@pytest.fixture
def serve(proxy, new_client):
    """serve(protocol, *ports) starts a proxy that logs at level debug; gives what connects."""

    def start(protocol, *ports, tls="starttls", level="debug", backend=None, timeouts=None,
              **listener):
        configure(proxy, level)
        proxy.section("timeouts", **(timeouts or {}))
        proxy.backend("mail", *ports, **(backend or {}))
        proxy.listener("test", protocol, tls, "mail", **listener)
        proxy.start()
        return lambda: new_client(proxy.ports["test"])

    return start


def lines_of(proxy, event, number=1):
    """Of the session that ended as the n-th."""
    session = proxy.wait_for_event("session", number).fields
    found = [line for line in proxy.events(event) if line.fields.get("id") == session["id"]]
    assert all(line.level == "debug" for line in found)
    return [line.fields for line in found]


def fields_of(lines, *keys):
    return [tuple(line.get(key) for key in keys) for line in lines]


def quit_smtp(client):
    assert client.smtp(b"QUIT").startswith(b"221 ")
    client.read_to_end()
    client.close()


# What is told

def test_the_phases_of_a_session(serve, proxy, new_backend):
    client = serve("smtp", new_backend(smtp()).port)()
    client.read_smtp()
    client.starttls("smtp")
    client.smtp(b"EHLO c.test")
    quit_smtp(client)
    way = ["accepted", "dial", "dialog", "upgrade", "handshake", "dialog", "farewell", "linger",
           "dead"]
    assert fields_of(lines_of(proxy, "phase"), "from", "to") == list(zip(way, way[1:]))


def test_the_servers_that_are_tried_and_why(serve, proxy, new_backend):
    closed = Ports()
    connect = serve("smtp", closed.reserve(), new_backend(smtp()).port, backend={"fall": "1"})
    client = connect()
    client.read_smtp()
    quit_smtp(client)
    tried = fields_of(lines_of(proxy, "try"), "n", "backend", "server", "why")
    assert tried[-1] == (str(len(tried)), "mail", "mail2", "up")
    if len(tried) == 2:
        assert tried[0] == ("1", "mail", "mail1", "up")
    assert lines_of(proxy, "try")[-1]["address"].startswith("127.0.0.1:")
    closed.release()


def test_a_server_that_is_tried_since_no_other_is_left(serve, proxy):
    closed = Ports()
    connect = serve("smtp", closed.reserve(), backend={"fall": "1", "retries": "0"})
    for _ in range(2):
        client = connect()
        client.read_to_end()
        client.close()
    assert fields_of(lines_of(proxy, "try", 1), "why") == [("up",)]
    assert fields_of(lines_of(proxy, "try", 2), "why") == [("last-resort",)]
    closed.release()


def test_a_session_that_waits_for_a_place(serve, proxy, new_backend):
    connect = serve("smtp", f"{new_backend(smtp()).port} max_sessions=1")
    first = connect()
    first.read_smtp()
    second = connect()
    assert proxy.wait_until(lambda: any(line.fields["to"] == "queued" for line in proxy.events("way")))
    quit_smtp(first)
    second.read_smtp()
    quit_smtp(second)
    assert fields_of(lines_of(proxy, "way", 2), "backend", "from", "to") == [
        ("mail", "picking", "queued"), ("mail", "queued", "trying"), ("mail", "trying", "ready")]


def test_the_tls_of_both_legs(serve, proxy, new_backend, certificates):
    backend = new_backend([start_tls(certificates.rsa), *imap()])
    connect = serve("imap", backend.port, tls="implicit",
                    backend={"tls": "implicit", "verify": "no"})
    context = default_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    session = None
    for number in (1, 2):
        client = connect()
        client.begin_tls(context, session=session)
        client.read_line()
        session = client.tls.session
        client.imap(b"a LOGOUT")
        client.close()
        to_client, to_server = lines_of(proxy, "tls-up", number)
        assert to_client["leg"] == "client" and to_server["leg"] == "server"
        assert to_client["version"] == "TLSv1.2" and to_server["version"] == "TLSv1.3"
        assert to_client["cipher"] == client.tls.cipher()[0]
        assert to_server["cipher"].startswith("TLS_")
        assert to_client["resumed"] == ("yes" if number == 2 else "no")


def test_what_the_dialog_asks_for(serve, proxy, new_backend):
    connect = serve("imap", new_backend(imap()).port)
    client = connect()
    client.read_line()
    client.starttls("imap")
    client.imap(b"a LOGIN alice secret")
    client.imap(b"b LOGOUT")
    client.close()
    assert fields_of(lines_of(proxy, "dialog"), "action") == [("start-tls",), ("relay",)]
    client = connect()
    client.read_line()
    client.imap(b"b LOGOUT")
    client.close()
    assert fields_of(lines_of(proxy, "dialog", 2), "action", "reason") == [
        ("close", proxy.events("session")[1].fields["reason"])]


def test_deadlines_that_expire(serve, proxy, new_backend):
    connect = serve("smtp", new_backend(smtp()).port, new_backend([wait_for_end()]).port,
                    timeouts={"line": "1s", "greeting": "1s", "connect_deadline": "30s"},
                    backend={"balance": "round-robin"})
    for _ in range(2):  # one of them is sent to the silent server first
        client = connect()
        client.read_smtp()
        client.send(b"EHL")
        assert client.read_to_end()
        client.close()
    seen = {fields["class"] for number in (1, 2) for fields in lines_of(proxy, "deadline", number)}
    assert {"line", "greeting"} <= seen


def test_checks(proxy, new_backend):
    configure(proxy)
    closed = Ports()
    proxy.backend("mail", new_backend(imap()).port, closed.reserve(), check="greeting",
                  check_interval="1s")
    proxy.listener("test", "imap", "starttls", "mail")
    proxy.start()
    proxy.wait_for_event("check", 5)
    results = {(line.fields["server"], line.fields["result"]) for line in proxy.events("check")}
    assert results == {("mail1", "passed"), ("mail2", "failed")}
    for line in proxy.events("check"):
        assert ("why" in line.fields) == (line.fields["result"] == "failed")
        assert line.level == "debug" and int(line.fields["duration_ms"]) >= 0
    closed.release()


# What is not told

def test_nothing_of_it_at_level_info(serve, proxy, new_backend):
    connect = serve("imap", new_backend(imap()).port, level="info",
                    backend={"check": "greeting", "check_interval": "1s"})
    client = connect()
    client.read_line()
    client.starttls("imap")
    client.imap(b"a LOGIN alice secret")
    client.close()
    proxy.wait_for_event("session")
    proxy.stop()
    assert [line.text for line in proxy.lines if line.level == "debug"] == []
    assert [line.text for line in proxy.lines if line.event in EVENTS] == []


def wait_for_phases(proxy, phases):
    """Waits until the session's lines up to this phase are read; answers may be read before."""
    def come():
        return [line.fields["to"] for line in proxy.events("phase")].count(phases[0]) >= len(phases)
    assert proxy.wait_until(come)


def test_bytes_leave_no_line(serve, proxy, new_backend):
    """Neither commands nor what is relayed: a step is told, not a word."""
    connect = serve("imap", new_backend(imap()).port)
    client = connect()
    client.read_line()
    client.starttls("imap")
    for stage, phases in (("before the login", ["dialog", "dialog"]), ("behind it", ["relay"])):
        wait_for_phases(proxy, phases)
        before = len(proxy.lines)
        for _ in range(50):
            client.imap(b"a NOOP")
        assert len(proxy.lines) == before, stage
        client.imap(b"a LOGIN alice secret")
    client.close()


def test_no_word_of_a_message(serve, proxy, new_backend):
    client = serve("smtp", new_backend(smtp()).port)()
    client.read_smtp()
    client.starttls("smtp")
    for line in (b"EHLO hello-word.test", b"MAIL FROM:<from-word@x.test>",
                 b"RCPT TO:<to-word@x.test>", b"DATA"):
        client.smtp(line)
    client.send(b"Subject: subject-word\r\n\r\nbody-word\r\n.\r\n")
    client.read_smtp()
    client.smtp(b"FROB verb-word")
    quit_smtp(client)
    assert lines_of(proxy, "phase")
    proxy.stop()
    assert "-word" not in proxy.log() and "old.example" not in proxy.log()


def plain(user=b"alice"):
    return base64.b64encode(b"\0" + user + b"\0" + SECRET)


def auth_plain(client):
    assert client.smtp(b"AUTH PLAIN " + plain()).startswith(b"235")


def auth_plain_in_two(client):
    client.send(b"AUTH PLAIN\r\n")
    assert client.read_line().startswith(b"334")
    assert client.smtp(plain()).startswith(b"235")


def auth_login(client):
    client.send(b"AUTH LOGIN\r\n")
    client.read_line()
    client.send(b"YWxpY2U=\r\n")
    client.read_line()
    assert client.smtp(base64.b64encode(SECRET)).startswith(b"235")


def auth_by_two_questions(connection, command):
    connection.send(b"334 VXNlcm5hbWU6\r\n")
    connection.commands.append(connection.read_line())
    connection.send(b"334 UGFzc3dvcmQ6\r\n")
    connection.commands.append(connection.read_line())
    return b"235 2.7.0 in\r\n"


def imap_login(client):
    assert b"a OK" in client.imap(b"a LOGIN alice " + SECRET)


def imap_login_quoted(client):
    assert b"a OK" in client.imap(b'a LOGIN alice "' + SECRET + b'"')


def imap_login_literal(client):
    client.send(b"a LOGIN alice {11}\r\n")
    assert client.read_line().startswith(b"+")
    client.send(SECRET + b"\r\n")
    assert b"a OK" in client.read_tagged(b"a")


def imap_authenticate_plain(client):
    client.send(b"a AUTHENTICATE PLAIN\r\n")
    assert client.read_line().startswith(b"+")
    client.send(plain() + b"\r\n")
    assert b"a OK" in client.read_tagged(b"a")


def pop3_pass(client):
    client.pop3(b"USER alice")
    assert client.pop3(b"PASS " + SECRET).startswith(b"+OK")


DIGEST = hashlib.md5(b"<1.2@old.example>" + SECRET).hexdigest().encode()


def pop3_apop(client):
    assert client.pop3(b"APOP alice " + DIGEST).startswith(b"+OK")


LOGINS = {
    "smtp AUTH PLAIN": ("smtp", smtp(replies={b"AUTH": smtp_auth()}), auth_plain),
    "smtp AUTH PLAIN in two": ("smtp", smtp(replies={b"AUTH": smtp_auth()}), auth_plain_in_two),
    "smtp AUTH LOGIN": ("smtp", smtp(replies={b"AUTH": auth_by_two_questions}), auth_login),
    "imap LOGIN": ("imap", imap(), imap_login),
    "imap LOGIN quoted": ("imap", imap(), imap_login_quoted),
    "imap LOGIN literal": ("imap", imap(), imap_login_literal),
    "imap AUTHENTICATE": ("imap", imap(replies={b"AUTHENTICATE": imap_authenticate()}),
                          imap_authenticate_plain),
    "pop3 USER PASS": ("pop3", pop3(), pop3_pass),
    "pop3 APOP": ("pop3", pop3(greeting=b"+OK ready <1.2@old.example>\r\n"), pop3_apop),
}


@pytest.mark.conformance("C118")
@pytest.mark.parametrize("level", ["debug", "info"])
@pytest.mark.parametrize("login", LOGINS)
def test_no_password_at_any_level(serve, proxy, new_backend, login, level):
    protocol, script, log_in = LOGINS[login]
    client = serve(protocol, new_backend(script).port, level=level)()
    client.read_line()
    client.starttls(protocol)
    if protocol == "smtp":
        client.smtp(b"EHLO c.test")
    log_in(client)
    client.close()
    session = proxy.wait_for_event("session").fields
    assert session["user"] == "alice"
    assert bool(proxy.events("phase")) == (level == "debug")
    proxy.stop()
    secrets = (SECRET, SECRET[:8], base64.b64encode(SECRET), plain(), plain()[12:28], DIGEST)
    assert [line.text for line in proxy.lines
            if any(secret in line.text.encode() for secret in secrets)] == []
