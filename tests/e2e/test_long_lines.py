"""Long lines that are right: Kerberos tokens in SASL exchanges, and the ID of a talkative client;
and what is as long and wrong before a login: nesting without end.
"""

import re

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.attacks import PLAIN, READY
from mailmux_e2e.listeners import is_served
from mailmux_e2e.memory import LEAN, least_growth, resident
from mailmux_e2e.servers import server
from mailmux_e2e.steps import expect_line, send

each_protocol = pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3"])
VERB = {"smtp": b"AUTH GSSAPI", "imap": b"a AUTHENTICATE GSSAPI", "pop3": b"AUTH GSSAPI"}
CHALLENGE = {"smtp": b"334 ", "imap": b"+ ", "pop3": b"+ "}
WELCOME = {"smtp": b"235 in\r\n", "imap": b"%T OK in\r\n", "pop3": b"+OK in\r\n"}
REFUSED = (b"500 ", b"501 ", b"a BAD ", b"-ERR")
LONGEST = 64 * 1024


def token(octets):
    """So many octets of base64."""
    return (b"QUFB" * (octets // 4 + 1))[:octets // 4 * 4]


# Kerberos

def challenging(protocol, challenges):
    """A server that says each of these challenges, and then takes the login."""
    def auth(connection, command):
        for challenge in challenges:
            connection.send(CHALLENGE[protocol] + challenge + b"\r\n")
            connection.commands.append(connection.read_line())
            if connection.commands[-1] == b"*\r\n":
                return {"smtp": b"501 cancelled\r\n", "imap": b"%T BAD cancelled\r\n",
                        "pop3": b"-ERR cancelled\r\n"}[protocol]
        return WELCOME[protocol]

    verb = b"AUTHENTICATE" if protocol == "imap" else b"AUTH"
    return server(protocol, replies={verb: auth})


@pytest.fixture
def kerberos(proxy, field):
    """kerberos(protocol, challenges) with the longest lines that may be set."""
    def build(protocol, challenges, **limits):
        proxy.section("limits", sasl_line="64k", **limits)
        return field(protocol, challenging(protocol, challenges), tls="implicit")
    return build


def line_of(client, protocol):
    return client.read_smtp() if protocol == "smtp" else client.read_line()


@pytest.mark.conformance("C56")
@each_protocol
def test_a_line_of_a_kerberos_login_may_have_64k(kerberos, protocol):
    """The initial response, the challenge and the answer to it: each as long as it may be."""
    challenge = token(LONGEST - len(CHALLENGE[protocol]) - 2)
    target = kerberos(protocol, [challenge])
    client = target.connect(READY)
    initial = token(LONGEST - len(VERB[protocol]) - 3)
    client.send(VERB[protocol] + b" " + initial + b"\r\n")
    assert line_of(client, protocol) == CHALLENGE[protocol] + challenge + b"\r\n"
    answer = token(LONGEST - 2)
    client.send(answer + b"\r\n")
    assert line_of(client, protocol).startswith((b"235", b"a OK", b"+OK"))
    client.close()
    commands = target.backend.finished().commands
    assert commands[-2:] == [VERB[protocol] + b" " + initial + b"\r\n", answer + b"\r\n"]


@pytest.mark.conformance("C56")
@each_protocol
def test_a_longer_line_is_refused_and_the_session_goes_on(kerberos, protocol):
    target = kerberos(protocol, [b""])
    client = target.connect(READY)
    client.send(VERB[protocol] + b" " + token(LONGEST) + b"\r\n")
    assert line_of(client, protocol).startswith(REFUSED)
    client.send(VERB[protocol] + b"\r\n")
    assert line_of(client, protocol) == CHALLENGE[protocol] + b"\r\n"
    client.send(token(LONGEST) + b"\r\n")
    assert line_of(client, protocol).startswith(REFUSED)
    assert is_served(client, protocol)
    client.close()
    assert b"QUFBQUFB" not in target.backend.finished().received


@pytest.mark.conformance("C52", "C56")
@each_protocol
def test_a_longer_challenge_ends_the_session(kerberos, protocol):
    target = kerberos(protocol, [token(LONGEST)])
    client = target.connect(READY)
    client.send(VERB[protocol] + b"\r\n")
    assert client.read_to_end().startswith((b"421 ", b"* BYE ", b"-ERR "))
    client.close()
    assert target.proxy.wait_for_event("session").fields["reason"] == "server-reply-too-large"


@pytest.mark.conformance("C55")
@each_protocol
def test_the_longest_lines_cost_their_length_and_not_for_long(proxy, kerberos, protocol):
    """Sixty clients in the midst of a line, with 64k each; then all have their answer and stay. The
    same again costs nothing more: no buffer was kept.
    """
    proxy.environment["ASAN_OPTIONS"] = LEAN
    target = kerberos(protocol, [], bad_commands=1000)
    clients = [target.connect(READY) for _ in range(60)]
    looks = []
    for _ in range(5):
        for client in clients:
            client.send(VERB[protocol] + b" " + token(LONGEST - 200))
        for client in clients:
            client.send(b"!\r\n")
        for client in clients:
            assert line_of(client, protocol).startswith((b"235", b"a BAD", b"-ERR"))
        looks.append(resident(target.proxy))
    assert least_growth(looks[1:]) < 60 * LONGEST // 2, looks
    for client in clients:
        client.close()


# ID [RFC 2971]: 30 pairs, names of 30 octets, values of 1,024

FIELDS = [b"x%02d" % n + b"f" * 27 for n in range(30)]
VALUES = [b"v" * 1024] * 30


def quoted(text):
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def id_of(fields, values, form=quoted):
    return b"a ID (" + b" ".join(form(part) for pair in zip(fields, values) for part in pair) + b")"


@pytest.fixture
def talkative(proxy, field):
    """With the smallest lines and literals that may be set."""
    def build(script=None, **settings):
        proxy.section("limits", line=512, literal=16)
        return field("imap", script, **settings)
    return build


@pytest.mark.parametrize("value", [b"v" * 1024, b'\\"' * 512, b'"' * 1024], ids=["plain", "half", "all"])
@pytest.mark.parametrize("stage", [PLAIN, READY])
def test_the_largest_id_is_taken(talkative, stage, value):
    """In quoted strings, with nothing to escape and with all; in clear it is answered here."""
    target = talkative()
    client = target.connect(stage)
    command = id_of(FIELDS, [value] * 30)
    assert len(command) > 30 * 1054
    client.send(command + b"\r\n")
    assert client.read_line() == b"* ID NIL\r\n"
    assert client.read_line().startswith(b"a OK")
    assert is_served(client, "imap")
    client.close()
    assert (command + b"\r\n" in target.backend.finished().commands) == (stage == READY)


@pytest.mark.parametrize("plus", [b"", b"+"])
@pytest.mark.parametrize("stage", [PLAIN, READY])
def test_the_largest_id_is_taken_in_literals(talkative, stage, plus):
    target = talkative()
    client = target.connect(stage)
    command = id_of(FIELDS, VALUES, lambda text: b"{%d%b}\r\n%b" % (len(text), plus, text))
    parts = re.split(rb"(?<=\}\r\n)", command + b"\r\n")
    for at, part in enumerate(parts):
        client.send(part)
        if at + 1 < len(parts) and not plus:
            assert client.read_line().startswith(b"+ ")
    assert client.read_line() == b"* ID NIL\r\n"
    assert client.read_line().startswith(b"a OK")
    assert is_served(client, "imap")
    client.close()


def test_an_id_of_strings_and_literals_and_long_lines_between(talkative):
    target = talkative()
    client = target.connect(READY)
    client.send(b'a ID ("name" {3+}\r\nabc ' + b" ".join(
        quoted(part) for pair in zip(FIELDS, VALUES) for part in pair) + b")\r\n")
    assert client.read_line() == b"* ID NIL\r\n"
    assert client.read_line().startswith(b"a OK")
    client.close()


@pytest.mark.parametrize("stage", [PLAIN, READY])
@pytest.mark.parametrize("command", [
    id_of(FIELDS, [b'"' * 1124] * 30) + b"\r\n",
    id_of(FIELDS, [b"v" * 1024] * 30, lambda text: b"{%d+}\r\n%b" % (len(text), text))[:-1]
    + b" " + b"".join(b'"f" {1024+}\r\n' + b"v" * 1024 + b" " for _ in range(40)) + b'"f" NIL)\r\n'],
    ids=["quoted", "literals"])
def test_an_id_beyond_its_own_bound_is_refused(talkative, stage, command):
    target = talkative()
    client = target.connect(stage)
    client.send(command)
    answer = client.read_line()
    assert answer.startswith((b"a BAD", b"* BYE [TOOBIG]"))
    assert answer.startswith(b"* BYE") or is_served(client, "imap")
    client.close()
    assert b" ID " not in target.backend.finished().received


def test_other_lines_keep_their_limit(talkative):
    target = talkative()
    client = target.connect(READY)
    for line in (b"a NOOP " + b"x" * 600, b"a IDLE " + b"x" * 600, b"a I" + b"D" * 600):
        client.send(line + b"\r\n")
        assert client.read_line().startswith(b"a BAD")
    client.close()


# Nesting without end, before a login

NESTED = 100000
NESTINGS = {
    "search": [b"a SEARCH " + b"(" * NESTED],
    "id": [b"a ID " + b"(" * NESTED],
    "id-quoted": [b'a ID ("x" ' + b"(" * NESTED],
    "login": [b"a LOGIN " + b"(" * NESTED],
    "login-password": [b"a LOGIN alice " + b"(" * NESTED],
    "authenticate": [b"a AUTHENTICATE " + b"(" * NESTED],
    "authenticate-initial": [b"a AUTHENTICATE PLAIN " + b"(" * NESTED],
    "tag": [b"(" * NESTED],
    "unknown": [b"a FROB " + b"(" * NESTED],
    "in-lines": [b"a FROB " + b"(" * 400] * (NESTED // 400),
}
BETWEEN = {
    "search-literals": b"a SEARCH ", "id-literals": b"a ID ", "login-literals": b"a LOGIN ",
    "authenticate-literals": b"a AUTHENTICATE ", "unknown-literals": b"a FROB ",
}
for name, begin in BETWEEN.items():
    NESTINGS[name] = [begin + b"(" * 4000 + b"{3+}",
                      *([b"abc" + b"(" * 4000 + b"{3+}"] * (NESTED // 4000)), b"abc"]
ATTEMPTS = 8  # in one round


@pytest.mark.conformance("C152")
@pytest.mark.parametrize("stage", [PLAIN, READY])
@pytest.mark.parametrize("kind", NESTINGS)
def test_nesting_without_end_before_a_login_is_an_error(proxy, field, kind, stage):
    """Again and again: none of it stays, and no server gets more of it than a line holds."""
    proxy.environment["ASAN_OPTIONS"] = LEAN
    target = field("imap")
    data = b"\r\n".join(NESTINGS[kind]) + b"\r\n"
    attempt = lambda: target.attack([data], stage, goodbye=True)  # noqa: E731
    looks = []
    for number in range(4 * ATTEMPTS + 1):
        outcome = attempt()
        assert outcome.lines[0].startswith((b"a BAD ", b"a NO ", b"* BAD ", b"* BYE ")), outcome.lines
        assert outcome.received.count(b"(") <= 2 * 4096, len(outcome.received)
        if number % ATTEMPTS == 0:
            looks.append(resident(target.proxy))
    assert least_growth(looks) < ATTEMPTS * NESTED // 2, looks
    client = target.connect(stage)
    assert is_served(client, "imap")
    client.close()


REPLY = 64 * 1024  # what is read of one


def endless(begin):
    """Parentheses, and literals between them, until the proxy has had enough."""
    def step(connection):
        try:
            connection._socket.sendall(begin)
            for _ in range(4096):
                connection._socket.sendall(b"(" * 4000 + b"{3}\r\nabc" if b"literal" in begin
                                           else b"(" * 4000)
        except OSError:
            return
        connection.ended.poured = True
    return step


@pytest.mark.conformance("C52", "C152")
@pytest.mark.parametrize("tls", ["implicit", "none"])
@pytest.mark.parametrize("begin", [
    b"* CAPABILITY IMAP4rev1 ", b"* ID ", b'* ID ("literal" ', b"* OK [", b"* LIST (literal ",
    b"a OK ["], ids=["capability", "id", "id-literals", "code", "list-literals", "tagged"])
def test_nesting_without_end_of_a_server_ends_the_session(proxy, field, tls, begin):
    """In the answer to a command before the login."""
    proxy.environment["ASAN_OPTIONS"] = LEAN
    script = [send(b"* OK x\r\n"), expect_line(rb".*"), endless(begin)]
    target = field("imap", script, tls=tls, require_tls="no")
    looks = []
    for turn in range(8):
        client = target.connect()
        client.send(b"a CAPABILITY\r\n" if b"ID" not in begin else b'a ID ("name" "x")\r\n')
        lines = client.read_to_end().split(b"\r\n")
        assert lines[-2].startswith(b"* BYE "), lines[-2:]
        client.close()
        connection = target.backend.connection(turn)
        assert connection.ended.wait(CEILING) and not hasattr(connection.ended, "poured")
        looks.append(resident(target.proxy))
    assert least_growth(looks) < REPLY // 2, looks
    reasons = {line.fields["reason"] for line in target.proxy.events("session")}
    assert reasons <= {"server-reply-too-large", "server-protocol-violation"}
