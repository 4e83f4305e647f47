"""What the log tells of logins: `login` for one that was taken, `login-failed` for each that was not,
and both in the line of the session. Conformance 5.9.
"""

import re

import pytest
from mailmux_e2e.attacks import PLAIN, READY, Field
from mailmux_e2e.legacy import LegacyServer
from mailmux_e2e.logins import (IMAP_LOGINS, MECHANISM_ROUNDS, MECHANISMS, POP3_LOGINS,
                                SECRET, b64, begin_exchange, exchange, talk)
from mailmux_e2e.servers import Goodbye, imap, server

each_protocol = pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3"])
GOODBYE = {"smtp": b"QUIT\r\n", "imap": b"z LOGOUT\r\n", "pop3": b"QUIT\r\n"}
YES = {"smtp": b"235 2.7.0 in\r\n", "imap": b"%T OK in\r\n", "pop3": b"+OK in\r\n"}
NO = {"smtp": b"535 5.7.8 no such thing\r\n", "imap": b"%T NO [AUTHENTICATIONFAILED] no such thing\r\n",
      "pop3": b"-ERR [AUTH] no such thing\r\n"}
NO_SHOWN = {"smtp": "535 5.7.8", "imap": "NO [AUTHENTICATIONFAILED]", "pop3": "-ERR [AUTH]"}
# One whole attempt with a password, and the mechanism that the log shows.
PASSWORD = {"smtp": ([b"AUTH PLAIN %b"], "PLAIN"), "imap": ([b"a LOGIN %u %p"], "LOGIN"),
            "pop3": ([b"USER %u", b"PASS %p"], "USER")}


def auth(protocol, final):
    """An exchange in words of the protocol, which ends so. `final` may be a callable."""
    def reply(connection, command):
        send, connection.send = connection.send, \
            lambda data: send(data if protocol == "smtp" else data.replace(b"334 ", b"+ "))
        try:
            answer = exchange(MECHANISM_ROUNDS, b"")(connection, command.upper())
        finally:
            connection.send = send
        return NO[protocol] if answer else final() if callable(final) else final

    return reply


def verbs(protocol, final):
    """Every way to log in ends so."""
    def plain(*_):
        return final() if callable(final) else final

    return {"smtp": {b"AUTH": auth("smtp", final)},
            "imap": {b"LOGIN": plain, b"AUTHENTICATE": auth("imap", final)},
            "pop3": {b"PASS": plain, b"APOP": plain, b"AUTH": auth("pop3", final)}}[protocol]


def attempt(client, protocol, user, password=SECRET):
    for line in PASSWORD[protocol][0]:
        line = line.replace(b"%u", user).replace(b"%p", password)
        answer = talk(client, protocol, line.replace(b"%b", b64(b"\0" + user + b"\0" + password)))
    return answer


def leave(target, client):
    """Says goodbye and returns the session's line."""
    client.send(GOODBYE[target.protocol])
    client.read_to_end()
    client.close()
    session = target.proxy.wait_for_event("session")
    assert SECRET.decode() not in target.proxy.log() and b64(SECRET).decode() not in target.proxy.log()
    return session.fields


def field_of(field, protocol, final, **options):
    options = {"tls": "implicit", "require_tls": "no", **options}
    return field(protocol, server(protocol, replies=verbs(protocol, final)), **options)


def assert_same_parties(line, session):
    for key in ("id", "listener", "client", "protocol", "tls", "backend", "server"):
        assert line.fields[key] == session[key], key


# Every protocol

@pytest.mark.quick
@pytest.mark.conformance("C142")
@each_protocol
def test_a_login_has_one_line(field, protocol):
    target = field_of(field, protocol, YES[protocol])
    client = target.connect(READY)
    assert attempt(client, protocol, b"alice").startswith((b"235", b"a OK", b"+OK"))
    login = target.proxy.wait_for_event("login")
    session = leave(target, client)
    assert_same_parties(login, session)
    assert login.level == "info"
    assert (login.fields["user"], login.fields["mechanism"]) == ("alice", PASSWORD[protocol][1])
    assert (session["user"], session["login"], session["failures"]) == ("alice", "ok", "0")
    assert len(target.proxy.events("login")) == 1 and not target.proxy.events("login-failed")


@pytest.mark.quick
@pytest.mark.conformance("C142")
@each_protocol
def test_each_failed_login_has_one_line(field, protocol):
    target = field_of(field, protocol, NO[protocol])
    client = target.connect(READY)
    for user in (b"alice", b"bob", b"carol"):
        assert attempt(client, protocol, user).startswith((b"535", b"a NO", b"-ERR"))
    session = leave(target, client)
    failed = target.proxy.events("login-failed")
    assert [line.fields["user"] for line in failed] == ["alice", "bob", "carol"]
    assert [line.fields["failures"] for line in failed] == ["1", "2", "3"]
    for line in failed:
        assert_same_parties(line, session)
        assert line.fields["mechanism"] == PASSWORD[protocol][1]
        assert line.fields["why"] == "refused"
        assert line.fields["answer"] == NO_SHOWN[protocol]
    assert (session["login"], session["failures"]) == ("failed", "3")
    assert not target.proxy.events("login")


@pytest.mark.conformance("C142")
@each_protocol
def test_a_login_behind_failed_ones_is_the_one_of_the_session(field, protocol):
    answers = [NO[protocol], NO[protocol], YES[protocol]]
    target = field_of(field, protocol, lambda: answers.pop(0))
    client = target.connect(READY)
    for user in (b"mallory", b"eve", b"alice"):
        attempt(client, protocol, user)
    session = leave(target, client)
    assert [line.fields["user"] for line in target.proxy.events("login-failed")] == ["mallory", "eve"]
    assert [line.fields["user"] for line in target.proxy.events("login")] == ["alice"]
    assert (session["user"], session["login"], session["failures"]) == ("alice", "ok", "2")


@pytest.mark.conformance("C142")
@each_protocol
def test_a_session_without_a_login_says_so(field, protocol):
    target = field_of(field, protocol, NO[protocol])
    session = leave(target, target.connect(READY))
    assert (session["login"], session["failures"]) == ("none", "0")
    assert "user" not in session


@pytest.mark.conformance("C142")
@each_protocol
@pytest.mark.parametrize("stage", [PLAIN, READY])
def test_logins_are_told_in_clear_and_behind_starttls(field, protocol, stage):
    answers = [NO[protocol], YES[protocol]]
    target = field_of(field, protocol, lambda: answers.pop(0), tls="starttls")
    client = target.connect(stage)
    attempt(client, protocol, b"bob")
    attempt(client, protocol, b"alice")
    leave(target, client)
    tls = "none" if stage == PLAIN else "TLSv1.3"
    for event, user in (("login-failed", "bob"), ("login", "alice")):
        fields = target.proxy.wait_for_event(event).fields
        assert (fields["user"], fields["tls"]) == (user, tls)


# Every mechanism and every form of a string



@pytest.mark.conformance("C142")
@pytest.mark.parametrize("taken", [True, False], ids=["taken", "refused"])
@pytest.mark.parametrize("kind", [kind for kind in MECHANISMS if kind != "login-cut"])
@each_protocol
def test_every_mechanism_is_told_under_its_name(field, protocol, kind, taken):
    """Behind a failed login of another name, which must not be the name of this one."""
    mechanism, initial, responses, name = MECHANISMS[kind]
    answers = [NO[protocol], (YES if taken else NO)[protocol]]
    target = field_of(field, protocol, lambda: answers.pop(0))
    client = target.connect(READY)
    attempt(client, protocol, b"mallory")
    answer = begin_exchange(client, protocol, mechanism.lower(), initial)
    for response in responses:
        assert answer.startswith((b"334", b"+ "))
        answer = talk(client, protocol, response)
    session = leave(target, client)
    line = target.proxy.wait_for_event("login") if taken else \
        target.proxy.wait_for_event("login-failed", 2)
    assert line.fields.get("user") == name
    assert line.fields["mechanism"] == mechanism.decode()
    assert session.get("user") == name
    assert (session["login"], session["failures"]) == (("ok", "1") if taken else ("failed", "2"))
    assert len(target.proxy.events("login")) == taken
    assert len(target.proxy.events("login-failed")) == int(session["failures"])


@pytest.mark.conformance("C142")
@pytest.mark.parametrize("mechanism, responses", [
    (b"LOGIN", [b64(b"carol"), b64(SECRET)]), (b"PLAIN", [b64(b"\0carol\0" + SECRET)])])
@each_protocol
def test_an_empty_initial_response_hides_no_name(field, protocol, mechanism, responses):
    """"=" stands for no octets [RFC 4954 4]; the name comes with the next line."""
    def reply(connection, command):
        for _ in responses:
            connection.send(b"334 \r\n" if protocol == "smtp" else b"+ \r\n")
            connection.commands.append(connection.read_line())
        return NO[protocol]

    verb = b"AUTHENTICATE" if protocol == "imap" else b"AUTH"
    target = field(protocol, server(protocol, replies={verb: reply}), tls="implicit", require_tls="no")
    client = target.connect(READY)
    begin_exchange(client, protocol, mechanism, b"=")
    for response in responses:
        talk(client, protocol, response)
    leave(target, client)
    assert target.proxy.wait_for_event("login-failed").fields.get("user") == "carol"


@pytest.mark.conformance("C142")
@pytest.mark.parametrize("taken", [True, False], ids=["taken", "refused"])
@pytest.mark.parametrize("kind", [
    kind for kind, (lines, _) in IMAP_LOGINS.items() if kind != "open-quote" and len(lines) < 4])
def test_every_string_of_imap_is_told_under_its_name(field, kind, taken):
    lines, name = IMAP_LOGINS[kind]
    answers = [NO["imap"], (YES if taken else NO)["imap"]]
    target = field("imap", imap(replies={b"LOGIN": lambda *_: answers.pop(0)}), tls="implicit")
    client = target.connect(READY)
    assert client.imap(b"x LOGIN mallory " + SECRET).startswith(b"x NO")
    for at, line in enumerate(lines):
        client.send(line + b"\r\n")
        if at + 1 < len(lines) and not line.endswith(b"+}"):
            assert client.read_line().startswith(b"+")
    answer = client.read_line()
    session = leave(target, client)
    if answer.startswith(b"a BAD"):  # it is no command, so it was no attempt
        assert (session["login"], session["failures"]) == ("failed", "1")
        return
    line = target.proxy.wait_for_event("login") if taken else \
        target.proxy.wait_for_event("login-failed", 2)
    assert line.fields.get("user") == name and session.get("user") == name
    assert line.fields["mechanism"] == "LOGIN"
    assert session["login"] == ("ok" if taken else "failed")


@pytest.mark.conformance("C142")
@pytest.mark.parametrize("taken", [True, False], ids=["taken", "refused"])
@pytest.mark.parametrize("kind", POP3_LOGINS)
def test_every_login_of_pop3_is_told_under_its_name(field, kind, taken):
    lines, name = POP3_LOGINS[kind]
    count = sum(line.startswith((b"PASS", b"APOP", b"AUTH")) for line in lines)
    answers = [NO["pop3"]] * count + [(YES if taken else NO)["pop3"]]
    target = field_of(field, "pop3", lambda: answers.pop(0))
    client = target.connect(READY)
    for line in (b"USER first", b"PASS x", *lines):
        client.pop3(line)
    session = leave(target, client)
    failed = target.proxy.events("login-failed")
    assert failed[0].fields["user"] == "first"
    assert len(failed) == count + (not taken) == int(session["failures"])
    last = target.proxy.wait_for_event("login") if taken else failed[-1]
    assert last.fields.get("user") == name and session.get("user") == name
    assert last.fields["mechanism"] == ("APOP" if lines[-1].startswith(b"APOP") else "USER")


@pytest.mark.conformance("C142")
def test_a_user_that_pop3_refuses_has_failed(field):
    target = field("pop3", server("pop3", replies={b"USER": b"-ERR no such mailbox\r\n"}),
                   tls="implicit")
    client = target.connect(READY)
    client.pop3(b"USER nobody")
    session = leave(target, client)
    fields = target.proxy.wait_for_event("login-failed").fields
    assert (fields["user"], fields["mechanism"], fields["answer"]) == ("nobody", "USER", "-ERR")
    assert session["failures"] == "1"


@pytest.mark.conformance("C142")
def test_a_user_without_a_password_was_no_attempt(field):
    target = field("pop3", server("pop3"), tls="implicit")
    client = target.connect(READY)
    client.pop3(b"USER alice")
    session = leave(target, client)
    assert (session["login"], session["failures"]) == ("none", "0")
    assert not target.proxy.events("login-failed")


@pytest.mark.conformance("C142")
def test_a_second_login_of_smtp_has_its_line_too(field):
    answers = [YES["smtp"], b"503 5.5.1 again\r\n", YES["smtp"]]
    target = field_of(field, "smtp", lambda: answers.pop(0))
    client = target.connect(READY)
    for user in (b"alice", b"bob", b"carol"):
        attempt(client, "smtp", user)
    session = leave(target, client)
    assert [line.fields["user"] for line in target.proxy.events("login")] == ["alice", "carol"]
    failed = target.proxy.events("login-failed")
    assert [line.fields["user"] for line in failed] == ["bob"]
    assert failed[0].fields["answer"] == "503 5.5.1"
    assert (session["user"], session["login"], session["failures"]) == ("carol", "ok", "1")


# Why it failed

UNSURE = {
    "smtp": [b"454 4.7.0 Temporary authentication failure\r\n", b"421 4.7.0 too busy\r\n"],
    "imap": [b"%T NO [UNAVAILABLE] Temporary authentication failure.\r\n", b"%T NO [INUSE] locked\r\n"],
    "pop3": [b"-ERR [SYS/TEMP] Temporary authentication failure.\r\n", b"-ERR [IN-USE] locked\r\n"]}


@pytest.mark.conformance("C142")
@pytest.mark.parametrize("n", [0, 1])
@each_protocol
def test_a_server_that_cannot_tell_is_not_the_password(field, protocol, n):
    """An address must not be banned because a database is away."""
    target = field_of(field, protocol, UNSURE[protocol][n])
    client = target.connect(READY)
    attempt(client, protocol, b"alice")
    client.close()
    target.proxy.wait_for_event("session")
    fields = target.proxy.wait_for_event("login-failed").fields
    assert (fields["why"], fields["user"]) == ("unavailable", "alice")


WANTS_TLS = {"smtp": b"538 5.7.11 Encryption required\r\n",
             "imap": b"%T NO [PRIVACYREQUIRED] Plaintext authentication disallowed\r\n",
             "pop3": b"-ERR [AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) "
                     b"connections.\r\n"}


@pytest.mark.conformance("C142")
@each_protocol
def test_a_server_that_wants_tls_is_not_the_password(field, protocol):
    target = field_of(field, protocol, WANTS_TLS[protocol])
    client = target.connect(READY)
    attempt(client, protocol, b"alice")
    leave(target, client)
    fields = target.proxy.wait_for_event("login-failed").fields
    assert (fields["why"], fields["user"]) == ("tls-required", "alice")


@pytest.mark.conformance("C142")
@pytest.mark.parametrize("line", [b"*", b"no base64!"])
@each_protocol
def test_an_exchange_that_the_client_takes_back_has_failed(field, protocol, line):
    target = field_of(field, protocol, YES[protocol])
    client = target.connect(READY)
    begin_exchange(client, protocol, b"LOGIN", b64(b"alice"))
    talk(client, protocol, line)
    session = leave(target, client)
    fields = target.proxy.wait_for_event("login-failed").fields
    assert (fields["why"], fields["user"], fields["mechanism"]) == ("cancelled", "alice", "LOGIN")
    assert session["login"] == "failed"


@pytest.mark.conformance("C142")
@each_protocol
def test_a_login_that_is_never_answered_has_failed(field, protocol):
    def hang_up(*_):
        raise Goodbye

    target = field_of(field, protocol, hang_up)
    client = target.connect(READY)
    for line in PASSWORD[protocol][0]:
        line = line.replace(b"%u", b"alice").replace(b"%p", SECRET)
        client.send(line.replace(b"%b", b64(b"\0alice\0" + SECRET)) + b"\r\n")
        client.read_line()
    client.close()
    session = target.proxy.wait_for_event("session").fields
    failed = target.proxy.events("login-failed")
    assert [(one.fields["why"], one.fields["user"]) for one in failed] == [("unanswered", "alice")]
    assert "answer" not in failed[0].fields and failed[0].fields["server"] == session["server"]
    assert (session["login"], session["failures"]) == ("failed", "1")


@pytest.mark.conformance("C142", "C118")
def test_a_literal_that_may_be_the_password_is_no_name_when_the_session_breaks(field):
    """The client leaves behind the literal, before it is known whether it was the name."""
    target = field("imap", imap(), tls="implicit")
    client = target.connect(READY)
    client.send(b"a LOGIN {11}\r\n")
    assert client.read_line().startswith(b"+")
    client.send(SECRET)
    client.close()
    target.proxy.wait_for_event("session")
    assert "user" not in target.proxy.wait_for_event("login-failed").fields
    assert SECRET.decode() not in target.proxy.log()


# What the words of others must not do

@pytest.mark.conformance("C142")
@each_protocol
def test_a_hostile_name_adds_no_field_and_no_line(field, protocol):
    name = b'x" client=203.0.113.9:1 why=refused\\'
    target = field_of(field, protocol, NO[protocol])
    client = target.connect(READY)
    begin_exchange(client, protocol, b"LOGIN", b64(name + b"\xc3\xa9"))
    talk(client, protocol, b64(SECRET))
    session = leave(target, client)
    line = target.proxy.wait_for_event("login-failed").text
    assert line.count(f" client={session['client']} ") == 1
    assert r' user="x\" client=203.0.113.9:1 why=refused\\\xc3\xa9" ' in line
    assert line.index(" client=127.0.0.1:") < line.index(" user=")


@pytest.mark.conformance("C142", "C118")
@each_protocol
def test_the_words_of_the_server_are_not_logged_beyond_its_codes(field, protocol):
    """Some servers repeat the command that they do not like."""
    echo = SECRET + b" is no good, TLS or not\r\n"
    target = field_of(field, protocol, {"smtp": b"535 ", "imap": b"%T NO ", "pop3": b"-ERR "}[protocol] + echo)
    client = target.connect(READY)
    attempt(client, protocol, b"alice")
    leave(target, client)
    assert target.proxy.wait_for_event("login-failed").fields["answer"] in ("535", "NO", "-ERR")


@pytest.mark.conformance("C142", "C118")
@each_protocol
def test_a_word_in_the_place_of_a_mechanism_is_not_logged(field, protocol):
    target = field_of(field, protocol, NO[protocol])
    client = target.connect(READY)
    begin_exchange(client, protocol, b"Hunter2secret", None)
    talk(client, protocol, b"*")
    client.close()
    target.proxy.wait_for_event("session")
    assert target.proxy.wait_for_event("login-failed").fields["mechanism"] == "other"
    assert "unter2" not in target.proxy.log()


@pytest.mark.conformance("C142")
def test_the_lines_of_one_session_are_bounded(field):
    target = field_of(field, "imap", NO["imap"])
    client = target.connect(READY)
    for n in range(130):
        attempt(client, "imap", b"user%d" % n)
    session = leave(target, client)
    assert session["failures"] == "130"
    assert len(target.proxy.events("login-failed")) == 100


# Real servers

@pytest.fixture(scope="module")
def many_ways():
    legacy = LegacyServer("--mechanisms", "plain login cram-md5 digest-md5 apop")
    yield legacy
    legacy.stop()


@pytest.mark.conformance("C142")
@each_protocol
def test_logins_at_real_servers(proxy, many_ways, protocol):
    """Dovecot, and Postfix that asks it: wrong, then right."""
    proxy.backend("server", getattr(many_ways, protocol))
    proxy.listener("test", protocol, "implicit", "server")
    proxy.start()
    target = Field(proxy, None, protocol, "implicit")
    client = target.connect(READY)
    assert attempt(client, protocol, b"bob", b"wrong").startswith((b"535", b"a NO", b"-ERR"))
    answer = attempt(client, protocol, b"alice", b"secret")
    assert answer.startswith((b"235", b"a OK", b"+OK", b"* CAPABILITY")), answer
    client.send(GOODBYE[protocol])
    client.read_to_end()
    client.close()
    session = proxy.wait_for_event("session").fields
    failed, login = proxy.wait_for_event("login-failed").fields, proxy.wait_for_event("login").fields
    assert (failed["user"], failed["why"]) == ("bob", "refused")
    assert re.fullmatch(r"535 5\.7\.8|NO \[AUTHENTICATIONFAILED\]|-ERR \[AUTH\]", failed["answer"])
    assert (login["user"], login["mechanism"]) == ("alice", PASSWORD[protocol][1])
    assert (session["user"], session["login"], session["failures"]) == ("alice", "ok", "1")
