"""What holds for every protocol, for the two that have few tables of others' tests: limits, deadlines,
first words, lines, STARTTLS, ends.
"""

import signal

import pytest
from mailmux_e2e.attacks import PLAIN, READY, client_hello
from mailmux_e2e.client import Client, End
from mailmux_e2e.listeners import NOOP, is_served
from mailmux_e2e.servers import server

each_protocol = pytest.mark.parametrize("protocol", ["lmtp", "managesieve"])
each_stage = pytest.mark.parametrize("stage", [PLAIN, READY])
FAREWELL = {"lmtp": b"421 ", "managesieve": b"BYE "}
REFUSAL = {"lmtp": b"50", "managesieve": b"NO "}


def ended(target, client, reason):
    """The farewell, alone or behind refusals, and the reason in the log. Returns all that came."""
    answer = client.read_to_end()
    assert answer.splitlines()[-1].startswith(FAREWELL[target.protocol]), answer
    client.close()
    assert target.proxy.wait_for_event("session").fields["reason"] == reason
    return answer


@pytest.mark.conformance("C105")
@each_protocol
def test_a_client_that_says_nothing_hears_a_farewell(proxy, field, protocol):
    proxy.section("timeouts", first_command="200ms", drain="2s")
    target = field(protocol)
    ended(target, Client(target.port), "first-command-timeout")
    assert target.backend.finished().commands in ([b"QUIT\r\n"], [b"LOGOUT\r\n"])


@pytest.mark.conformance("C105")
@each_protocol
def test_half_a_line_has_its_time(proxy, field, protocol):
    proxy.section("timeouts", line="200ms", drain="2s")
    target = field(protocol)
    client = target.connect()
    client.send(b"NO")
    ended(target, client, "line-timeout")


@pytest.mark.conformance("C106")
def test_a_login_has_its_time(proxy, field):
    """LMTP knows none."""
    proxy.section("timeouts", login="300ms", drain="2s")
    target = field("managesieve")
    ended(target, Client(target.port), "login-timeout")


@pytest.mark.conformance("C60")
@each_stage
@each_protocol
def test_three_bad_commands_close_where_three_are_allowed(proxy, field, protocol, stage):
    proxy.section("limits", bad_commands=3)
    target = field(protocol)
    client = target.connect(stage)
    for _ in range(2):
        client.send(b"XFROB\r\n")
        assert client.read_line().startswith(REFUSAL[protocol])
        assert is_served(client, protocol)
    client.send(b"XFROB\r\n")
    ended(target, client, "too-many-bad-commands")


@pytest.mark.conformance("C55")
@each_stage
@each_protocol
def test_a_line_that_is_too_long_is_refused_and_the_next_one_served(field, protocol, stage):
    target = field(protocol)
    client = target.connect(stage)
    client.send(b"NOOP " + b"x" * 6000 + b"\r\n")
    assert client.read_line().startswith(REFUSAL[protocol])
    assert is_served(client, protocol)
    client.close()
    assert b"xx" not in target.backend.finished().received


@pytest.mark.conformance("C17", "C19")
@pytest.mark.parametrize("injected", [b"LHLO c.test\r\n", b"NOOP\r\n"])
def test_lmtp_serves_nothing_that_stands_behind_starttls(field, injected):
    """In one segment it is refused; behind the go-ahead it is no TLS, and no word follows."""
    target = field("lmtp")
    for outcome in target.every_way(b"STARTTLS\r\n" + injected):
        assert not outcome.commands, outcome
        if outcome.at_once:
            assert outcome.reason == "starttls-injection", outcome
            assert len(outcome.lines) == 1 and outcome.lines[0].startswith(b"5"), outcome
        else:
            assert outcome.answer.count(b"\r\n") == 1, outcome


FIRST_WORDS = {"http": (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "http-request"),
               "tls": (client_hello(), "tls-on-plaintext-port")}


@pytest.mark.parametrize("kind", FIRST_WORDS)
@each_protocol
def test_first_words_of_another_protocol_end_the_session(field, protocol, kind):
    words, reason = FIRST_WORDS[kind]
    target = field(protocol)
    outcome = target.attack([words])
    assert outcome.reason == reason and not outcome.commands[:-1], outcome
    assert b"GET" not in outcome.received, outcome


@each_protocol
def test_clients_beyond_the_limit_hear_a_farewell(proxy, field, protocol):
    proxy.section("limits", sessions=1)
    target = field(protocol)
    first = target.connect()
    with Client(target.port) as second:
        assert second.read_to_end().startswith(FAREWELL[protocol])
    assert proxy.wait_for_event("refused").fields["reason"] == "too-many-sessions"
    assert is_served(first, protocol)
    first.close()


@pytest.mark.conformance("C110")
@each_stage
@each_protocol
def test_the_end_of_the_process_is_told(field, protocol, stage):
    target = field(protocol)
    client = target.connect(stage)
    target.proxy.send_signal(signal.SIGTERM)
    answer = ended(target, client, "shutdown")
    assert answer.count(b"\r\n") == 1
    assert client.end is (End.FIN if stage == PLAIN else End.CLOSE_NOTIFY)
    target.proxy.finished()


@pytest.mark.conformance("C81")
@each_stage
@each_protocol
def test_a_server_that_is_lost_is_answered_for(field, protocol, stage):
    def leave(connection, _):
        connection.cut()

    target = field(protocol, server(protocol, replies={b"NOOP": leave}))
    client = target.connect(stage)
    client.send(NOOP[protocol])
    ended(target, client, "server-closed")
