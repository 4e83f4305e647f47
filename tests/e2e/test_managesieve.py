"""ManageSieve [RFC 5804] toward clients: what they see, attacks, ends."""

import signal
import ssl

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.attacks import PLAIN, READY, ways
from mailmux_e2e.certificates import NAME
from mailmux_e2e.client import default_context
from mailmux_e2e.memory import LEAN, least_growth, resident
from mailmux_e2e.servers import managesieve, server, sieve_auth, sieve_words
from mailmux_e2e.sieve import HIDDEN, LOGIN, PROTOCOL, SHOWN, response
from mailmux_e2e.steps import close, expect, expect_line, send

# What a client sees


@pytest.mark.quick
@pytest.mark.conformance("C14", "C15", "C16", "C41")
def test_the_capabilities_come_again_behind_starttls(bench):
    """Unasked, and they are right then [RFC 5804 2.2]. The login is relayed after that."""
    test = bench(PROTOCOL, server(PROTOCOL))
    client = test.connect()
    assert client.read_sieve() == HIDDEN + b'OK "ready"\r\n'
    assert client.sieve(b"CAPABILITY") == HIDDEN + b'OK "words"\r\n'
    assert client.sieve(LOGIN) == b'NO (ENCRYPT-NEEDED) "TLS required"\r\n'
    client.starttls(PROTOCOL)
    assert client.read_sieve() == SHOWN + b'OK "words"\r\n'
    assert client.sieve(b'STARTTLS').startswith(b"NO ")
    assert client.sieve(LOGIN) == b'OK "Logged in"\r\n'
    assert client.sieve(b"LISTSCRIPTS") == b'"x" ACTIVE\r\nOK\r\n'
    assert client.sieve(b"LOGOUT") == b'OK "bye"\r\n'
    assert client.read_to_end() == b""
    client.close()
    commands = test.backend.finished().commands
    assert commands == [b"CAPABILITY\r\n", b"CAPABILITY\r\n", LOGIN + b"\r\n", b"LISTSCRIPTS\r\n",
                        b"LOGOUT\r\n"]
    assert test.proxy.wait_for_event("session").fields["reason"] == "quit"


@pytest.mark.conformance("C33")
def test_a_login_that_failed_in_clear_is_forgotten_behind_starttls(bench):
    """By a fresh connection to the server, whose capabilities the client gets."""
    other = [b'"SASL" "SCRAM-SHA-1"', b'"STARTTLS"']
    test = bench(PROTOCOL, managesieve(replies={b"AUTHENTICATE": b'NO "no"\r\n'}),
                 managesieve(words=other), require_tls="no")
    client = test.connect()
    assert client.read_sieve() == SHOWN + b'"STARTTLS"\r\nOK "ready"\r\n'
    assert client.sieve(LOGIN) == b'NO "no"\r\n'
    client.starttls(PROTOCOL)
    assert client.read_sieve() == b'"SASL" "SCRAM-SHA-1"\r\nOK "words"\r\n'
    client.close()
    connection = test.backend.finished(1)
    assert connection.commands[0] == b"CAPABILITY\r\n" and b"AUTH" not in connection.received


@pytest.mark.conformance("C86")
@pytest.mark.parametrize("offered", ["managesieve", "imap"])
def test_alpn(bench, offered):
    test = bench(PROTOCOL, server(PROTOCOL), tls="implicit")
    client = test.connect()
    context = default_context()
    context.set_alpn_protocols([offered])
    if offered == "imap":
        with pytest.raises(ssl.SSLError, match="(?i)no.application.protocol"):
            client.begin_tls(context)
        return
    client.begin_tls(context)
    assert client.tls.selected_alpn_protocol() == "managesieve"
    assert client.read_sieve() == SHOWN + b'OK "ready"\r\n'
    client.close()
    assert test.proxy.wait_for_event("session").fields["alpn"] == "managesieve"


FORMS = {
    "initial": ([b'AUTHENTICATE "PLAIN" "%r"'], 'AUTHENTICATE "PLAIN" "%r"'),
    "initial-literal": ([b'AUTHENTICATE "PLAIN" {%n+}', b"%r"], 'AUTHENTICATE "PLAIN" "%r"'),
    "literals": ([b"Authenticate {5+}", b"PLAIN {%n+}", b"%r"], 'AUTHENTICATE "PLAIN" "%r"'),
    "exchange": ([b'AUTHENTICATE "PLAIN"', None, b'"%r"'], 'AUTHENTICATE "PLAIN"'),
    "exchange-literal": ([b'AUTHENTICATE "PLAIN"', None, b"{%n+}", b"%r"], 'AUTHENTICATE "PLAIN"'),
}


@pytest.mark.conformance("C59", "C142")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("taken", [True, False])
def test_logins_in_every_form(bench, form, taken):
    """They reach the server, and each is in the log under its name."""
    final = b'OK "in"\r\n' if taken else b'NO (AUTH-TOO-WEAK) "no"\r\n'
    test = bench(PROTOCOL, managesieve(replies={b"AUTHENTICATE": sieve_auth(final)}), tls="implicit")
    client = test.connect()
    client.begin_tls()
    client.read_sieve()
    said = response("carol", "Tr0ub4dor&3")
    lines, forwarded = FORMS[form]
    for line in lines:
        if line is None:
            assert client.read_line() == b'""\r\n'
        else:
            client.send(line.replace(b"%r", said).replace(b"%n", b"%d" % len(said)) + b"\r\n")
    assert client.read_line() == final
    assert client.sieve(b"LOGOUT").startswith(b"OK")
    client.close()
    commands = test.backend.finished().commands
    assert commands[0].decode() == forwarded.replace("%r", said.decode()) + "\r\n"
    if None in lines:
        assert commands[1] == b'"' + said + b'"\r\n'
    line = test.proxy.wait_for_event("login" if taken else "login-failed")
    assert (line.fields["user"], line.fields["mechanism"]) == ("carol", "PLAIN")
    if not taken:
        assert (line.fields["why"], line.fields["answer"]) == ("refused", "NO (AUTH-TOO-WEAK)")
    assert "Tr0ub4dor" not in test.proxy.log() and said.decode() not in test.proxy.log()


@pytest.mark.conformance("C56")
@pytest.mark.parametrize("form", ["initial", "response"])
def test_a_kerberos_token_may_have_64k(proxy, field, form):
    """As a literal; a longer one ends the session, since its octets would be read as commands."""
    proxy.section("limits", sasl_line="64k")
    token = b"QUFB" * 16000
    literal = b"{%d+}\r\n" % len(token) + token + b"\r\n"
    target = field(PROTOCOL, tls="implicit")
    client = target.connect()
    if form == "response":
        assert client.pop3(b'AUTHENTICATE "GSSAPI"') == b'""\r\n'
        client.send(literal)
    else:
        client.send(b'AUTHENTICATE "GSSAPI" ' + literal)
    assert client.read_line() == b'OK "Logged in"\r\n'
    client.close()
    assert literal in bytes(target.backend.finished().received)
    client = target.connect()
    client.send(b'AUTHENTICATE "GSSAPI" {66000+}\r\nLOGOUT\r\n')
    assert client.read_to_end() == b'BYE "Line or literal too long"\r\n'
    client.close()


@pytest.mark.parametrize("answer, result", [
    (b'NO (TRYLATER) "later"\r\n', "unavailable"), (b'NO (ENCRYPT-NEEDED) "x"\r\n', "tls-required"),
    (b'BYE "Too many failed attempts"\r\n', "refused")])
def test_why_a_login_failed(bench, answer, result):
    test = bench(PROTOCOL, managesieve(replies={b"AUTHENTICATE": answer}))
    client = test.connect_tls()
    client.read_sieve()
    assert client.sieve(LOGIN) == answer
    client.close()
    assert test.proxy.wait_for_event("login-failed").fields["why"] == result


def test_a_server_that_takes_no_login_without_tls_is_named(bench):
    empty = [b'"SASL" ""', b'"STARTTLS"', b'"VERSION" "1.0"']
    test = bench(PROTOCOL, managesieve(greeting=sieve_words(empty), words=empty))
    client = test.connect_tls()
    client.read_sieve()
    client.close()
    assert "SASL without PLAIN" in test.proxy.wait_for_event("logins-refused").fields["why"]


# Attacks


GO_AHEAD = b'OK "Begin TLS negotiation now"'


@pytest.mark.conformance("C17", "C19")
@pytest.mark.parametrize("injected", [b"CAPABILITY\r\n", b"LISTSCRIPTS\r\n"])
def test_nothing_is_injected_behind_starttls(field, injected):
    """In one segment it is refused; behind the go-ahead it is no TLS, and no word follows."""
    target = field(PROTOCOL)
    for segments in ways(b"STARTTLS\r\n" + injected):
        outcome = target.attack(segments)
        assert not outcome.commands, outcome
        if outcome.at_once:
            assert outcome.lines == [b'NO "Nothing may follow STARTTLS"'], outcome
            assert outcome.reason == "starttls-injection", outcome
        elif outcome.lines != [b'NO "Nothing may follow STARTTLS"']:  # the segments came together
            assert outcome.answer == GO_AHEAD + b"\r\n", outcome


@pytest.mark.conformance("C18")
def test_a_client_hello_in_the_same_write_begins_tls(bench, bytewise):
    test = bench(PROTOCOL, server(PROTOCOL))
    client = test.connect()
    client.read_sieve()
    from_peer, to_peer = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = default_context().wrap_bio(from_peer, to_peer, server_hostname=NAME)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    client.send_at_once(b"STARTTLS\r\n" + to_peer.read())
    assert client.read_line() == GO_AHEAD + b"\r\n"
    from_peer.write(client.read_exactly(5))
    assert from_peer.read(1) == b"\x16"  # a handshake record
    client.close()


@pytest.mark.conformance("C30", "C57")
def test_octets_of_a_literal_are_no_commands(field):
    """However they are cut into segments."""
    target = field(PROTOCOL, tls="implicit")
    for segments in ways(b"CHECKSCRIPT {9+}\r\nLOGOUT\r\nX\r\nNOOP\r\n"):
        outcome = target.attack(segments, goodbye=True)
        assert outcome.lines == [b'NO "Not permitted before login"', b'OK "noop"', b'OK "bye"'], outcome
        assert outcome.commands == [b"NOOP\r\n", b"LOGOUT\r\n"], outcome


NESTED = 100_000
QUOTED = b'NOOP "' + b"(" * NESTED
NESTINGS = {
    "line": [b"(" * NESTED], "argument": [b"NOOP " + b"(" * NESTED],
    "quoted": [QUOTED + b'"'], "quoted-open": [QUOTED], "escapes": [b'NOOP "' + b"\\(" * NESTED],
    "mechanism": [b'AUTHENTICATE "' + b"(" * NESTED + b'"'],
    "response": [b'AUTHENTICATE "PLAIN" "' + b"(" * NESTED + b'"'],
    "literal": [b"NOOP {%d+}" % NESTED, b"(" * NESTED],
    "literal-response": [b'AUTHENTICATE "PLAIN" {%d+}' % NESTED, b"(" * NESTED],
    "literal-absurd": [b"NOOP {99999999999999999999+}", b"(" * NESTED],
    "literals": [b"NOOP {3+}", *([b"abc {3+}"] * (NESTED // 8)), b"abc"],
    "literals-nested": [b"NOOP {3+}", *([b"abc" + b"(" * 4000 + b"{3+}"] * (NESTED // 4000)), b"abc"],
    "nested-line-literal": [b"NOOP " + b"(" * NESTED + b" {3+}", b"abc"],
}
ATTEMPTS = 8  # in one round


@pytest.mark.conformance("C152")
@pytest.mark.parametrize("stage", [PLAIN, READY])
@pytest.mark.parametrize("kind", NESTINGS)
def test_nesting_and_strings_without_end_before_a_login_are_an_error(proxy, field, kind, stage):
    """Again and again: none of it stays, and no server gets more of it than a line holds."""
    proxy.environment["ASAN_OPTIONS"] = LEAN
    target = field(PROTOCOL)
    data = b"\r\n".join(NESTINGS[kind]) + b"\r\n"
    looks = []
    for number in range(4 * ATTEMPTS + 1):
        outcome = target.attack([data], stage, goodbye=True)
        assert outcome.lines[0].startswith((b"NO ", b"BYE ")), outcome.lines
        assert b"(" not in outcome.received, len(outcome.received)
        if number % ATTEMPTS == 0:
            looks.append(resident(target.proxy))
    assert least_growth(looks) < ATTEMPTS * NESTED // 2, looks
    client = target.connect(stage)
    assert client.sieve(b"NOOP").startswith(b"OK")
    client.close()


@pytest.mark.conformance("C58", "C152")
@pytest.mark.parametrize("limits, fits, breaks", [
    ({"literal": 100}, 100, 101), ({"line": 512, "literal": 4096}, 480, 505)],
    ids=["of its own", "with its line"])
def test_a_literal_has_its_bound_though_there_is_room_for_more(proxy, field, limits, fits, breaks):
    proxy.section("limits", **limits)
    target = field(PROTOCOL)
    outcome = target.attack([b"NOOP {%d+}\r\n" % fits + b"x" * fits + b"\r\n"], goodbye=True)
    assert outcome.lines == [b'OK "noop"', b'OK "bye"'], outcome
    outcome = target.attack([b"NOOP {%d+}\r\n" % breaks + b"x" * breaks + b"\r\n"])
    assert outcome.lines == [b'BYE "Line or literal too long"'], outcome
    assert outcome.reason == "literal-too-large" and b"x" not in outcome.received, outcome


POURED = {"quoted": b'"SIEVE" "', "literals": b"", "capabilities": b"", "code": b"OK (",
          "literal": b'"SIEVE" {99999999}\r\n'}


def pour(kind):
    """Parentheses until the proxy has had enough."""
    begin = POURED[kind]
    piece = {"literals": b"{3}\r\nabc " * 400, "capabilities": b'"A" "(((("\r\n' * 400}.get(
        kind, b"(" * 4000)

    def step(connection):
        try:
            connection._socket.sendall(begin)
            for _ in range(4096):
                connection._socket.sendall(piece)
        except OSError:
            return
        connection.ended.poured = True
    return step


@pytest.mark.conformance("C52", "C152")
@pytest.mark.parametrize("kind", POURED)
def test_a_server_without_end_ends_the_session(proxy, field, kind):
    proxy.environment["ASAN_OPTIONS"] = LEAN
    script = [send(b"OK\r\n"), expect_line(rb"CAPABILITY"), pour(kind)]
    target = field(PROTOCOL, script, tls="implicit")
    looks = []
    for turn in range(8):
        client = target.connect()
        client.send(b"CAPABILITY\r\n")
        assert client.read_to_end().split(b"\r\n")[-2].startswith(b"BYE (TRYLATER) ")
        client.close()
        connection = target.backend.connection(turn)
        assert connection.ended.wait(CEILING) and not hasattr(connection.ended, "poured")
        looks.append(resident(target.proxy))
    assert least_growth(looks) < 64 * 1024 // 2, looks
    assert {line.fields["reason"] for line in target.proxy.events("session")} == {
        "server-reply-too-large"}


# Ends


@pytest.mark.conformance("C110")
def test_sigterm_says_to_come_later(bench):
    test = bench(PROTOCOL, server(PROTOCOL))
    client = test.connect()
    client.read_sieve()
    test.proxy.send_signal(signal.SIGTERM)
    assert client.read_to_end() == b'BYE (TRYLATER) "Server shutting down"\r\n'


@pytest.mark.conformance("C133")
def test_a_client_that_leaves_at_once_is_excused_at_the_server(bench):
    test = bench(PROTOCOL, server(PROTOCOL))
    client = test.connect()
    client.read_sieve()
    client.close()
    assert test.backend.finished().commands == [b"LOGOUT\r\n"]


LAST_WORDS = {
    "logout": (b"LOGOUT\r\n", b'OK "bye"\r\n', "quit"),
    "bye": (b"", b'BYE "over quota"\r\n', "server-farewell"),
    "logout-bye": (b"logout\r\n", b'BYE "see you"\r\n', "quit"),
    "none": (b"", b"", "server-closed"),
}


@pytest.mark.parametrize("kind", LAST_WORDS)
def test_how_a_relay_ends(bench, kind):
    said, answer, reason = LAST_WORDS[kind]
    test = bench(PROTOCOL, [send(b"OK\r\n"), expect(LOGIN + b"\r\n"), send(b"OK\r\n"),
                            expect(said), send(answer), close()], tls="implicit")
    client = test.connect()
    client.begin_tls()
    client.read_sieve()
    assert client.sieve(LOGIN) == b"OK\r\n"
    client.send(said)
    assert client.read_to_end() == answer
    client.close()
    assert test.proxy.wait_for_event("session").fields["reason"] == reason
