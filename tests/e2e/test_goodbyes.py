"""A client that leaves without a word of its own leaves no complaint in the server's log: the
goodbye is said for it (conformance C133). And one that leaves is noticed in every phase (C136).
"""

import re
import signal
import socket
import struct
import threading

import pytest
from mailmux_e2e import CEILING, until
from mailmux_e2e.client import Client
from mailmux_e2e.legs import IMAP_LOGIN, LEGS, each_leg
from mailmux_e2e.servers import server, smtp
from mailmux_e2e.steps import expect_line, hang, send, tell, wait_for, wait_for_end

each_protocol = pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3"])
GOODBYE = {"smtp": rb"QUIT\r\n", "imap": rb"[a-z]+\d+ LOGOUT\r\n", "pop3": rb"QUIT\r\n"}
NOOP = {"smtp": b"NOOP\r\n", "imap": b"a NOOP\r\n", "pop3": b"NOOP\r\n"}


def abort(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def leave(client, how):
    if how == "reset":
        abort(client.socket)
    else:
        client.socket.close()


each_way = pytest.mark.parametrize("how", ["fin", "reset"])


def is_delayed(proxy):
    """Whether the greeting of a session is held back. To be asked again and again."""
    proxy.send_signal(signal.SIGUSR1)
    return any(line.fields["phase"] == "delay" for line in proxy.events("state-session"))


def said(legs, number=0):
    return bytes(legs.backend.finished(number).received)


@pytest.mark.conformance("C133")
@each_way
@each_protocol
@each_leg
def test_a_probe_that_connects_and_leaves_is_followed_by_a_goodbye(legs, leg, protocol, how):
    legs.serve(leg, protocol, server(protocol))
    client = legs.connect()
    legs.backend.connection()
    leave(client, how)
    assert re.fullmatch(GOODBYE[protocol], said(legs))
    assert legs.proxy.wait_for_event("session").fields["ended_by"] == "client"


@pytest.mark.conformance("C133")
@each_protocol
@each_leg
def test_the_greeting_is_heard_before_the_goodbye(legs, leg, protocol):
    """Postfix would call a command before its greeting improper pipelining."""
    go = threading.Event()
    greeting, *rest = server(protocol)
    left = threading.Event()

    def wait_for_nothing(connection):
        left.set()
        assert go.wait(CEILING)
        assert not connection.received, "it was spoken to before it had greeted"

    legs.serve(leg, protocol, [wait_for_nothing, greeting, *rest])
    client = legs.connect()
    assert left.wait(CEILING)
    client.socket.close()
    go.set()
    assert re.fullmatch(GOODBYE[protocol], said(legs))


@each_way
@each_protocol
@each_leg
def test_a_client_that_has_said_a_word_answers_for_itself(legs, leg, protocol, how):
    """The server's log says of it what it would say of one that came directly."""
    legs.serve(leg, protocol, server(protocol))
    client = legs.greeted()
    client.send(NOOP[protocol])
    client.read_line()
    leave(client, how)
    assert said(legs) == NOOP[protocol]


@each_protocol
def test_nothing_is_said_for_a_client_whose_handshake_fails(legs, protocol):
    legs.serve(LEGS[0], protocol, server(protocol))
    client = legs.greeted()
    client.send({"smtp": b"STARTTLS\r\n", "imap": b"t STARTTLS\r\n", "pop3": b"STLS\r\n"}[protocol])
    client.read_line()
    client.send_raw(b"\x16\x03\x01\x00\x02xx")
    client.socket.close()
    assert said(legs) == b""


@pytest.mark.conformance("C133")
@each_protocol
@each_leg
def test_our_own_farewell_is_followed_by_a_goodbye(legs, leg, protocol):
    legs.proxy.section("timeouts", first_command="300ms", drain="2s")
    legs.serve(leg, protocol, server(protocol))
    client = legs.greeted()
    assert client.read_to_end()
    assert re.fullmatch(GOODBYE[protocol], said(legs))


@pytest.mark.conformance("C133")
@each_leg
def test_no_goodbye_is_said_into_a_message(legs, leg):
    legs.serve(leg, "smtp", smtp())
    client = legs.in_data()
    client.send(b"Subject: half\r\n")
    client.socket.close()
    connection = legs.backend.connection()
    assert connection.ended.wait(CEILING)
    assert b"QUIT" not in connection.received and not connection.messages


@pytest.mark.conformance("C133")
def test_no_goodbye_is_said_to_a_server_that_has_said_its_own(legs):
    """While its greeting is held back, nothing else that it says is heard."""
    legs.serve(LEGS[0], "smtp", [send(b"220 x\r\n421 4.3.2 going down\r\n"), wait_for_end()],
               greeting_delay="20s")
    client = legs.connect()
    until(lambda: is_delayed(legs.proxy))  # so what the server said has been read
    client.close()
    assert said(legs) == b""


def test_a_server_that_does_not_answer_the_goodbye_is_left(legs):
    legs.serve(LEGS[0], "smtp", [send(b"220 x\r\n"), expect_line(b"QUIT"), hang()])
    client = legs.greeted()
    client.socket.close()
    assert legs.backend.connection().ended.wait(CEILING)
    assert legs.reason() == "client-closed"


@pytest.mark.conformance("C133")
@pytest.mark.parametrize("how", ["fin", "reset"])
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("protocol, quiet, complaints", [
    ("smtp", "disconnect from .* quit=1", "lost connection after"),
    ("imap", "Logged out|logging out", "no auth attempts.*Connection closed|Connection closed"),
    ("pop3", "Logged out|logging out", "no auth attempts.*Connection closed|Connection closed")])
def test_real_servers_do_not_complain_of_a_probe(
        proxy, legacy, protocol, quiet, complaints, tls, how):
    seen = len(legacy.log())
    proxy.backend("server", getattr(legacy, protocol))
    proxy.listener("test", protocol, tls, "server")
    proxy.start()
    for _ in range(3):
        client = Client(proxy.ports["test"])
        if tls == "implicit":
            client.begin_tls()
        leave(client, how)
    proxy.wait_for_event("session", 3)
    proxy.stop()
    log = legacy.log()[seen:]
    assert not re.search(complaints, log), log


# Leaving, in every phase

@pytest.mark.conformance("C136")
@each_way
@each_leg
def test_a_client_that_leaves_while_the_server_is_silent_gives_its_place_back(legs, leg, how):
    legs.proxy.section("timeouts", greeting="60s", connect_deadline="60s", drain="2s")
    legs.serve(leg, "imap", [lambda connection: connection.hold()], server("imap"), max_sessions=1,
               settings={"queue_timeout": "20s"})
    first = legs.connect()
    legs.backend.connection()
    leave(first, how)
    assert legs.greeted()
    assert legs.proxy.wait_for_event("session").fields["ended_by"] == "client"


@pytest.mark.conformance("C136")
@each_way
def test_a_client_that_leaves_while_its_greeting_is_held_back_is_noticed(legs, how):
    legs.serve(LEGS[0], "smtp", smtp(), greeting_delay="25s", max_sessions=1)
    client = legs.connect()
    legs.backend.connection()
    leave(client, how)
    assert re.fullmatch(GOODBYE["smtp"], said(legs))


@pytest.mark.conformance("C136")
@each_way
def test_a_client_that_leaves_the_queue_gives_its_turn_to_the_next(legs, how):
    legs.serve(LEGS[0], "imap", server("imap"), max_sessions=1, settings={"queue_timeout": "60s"})
    legs.greeted()
    leave(legs.connect(), how)
    assert legs.proxy.wait_for_event("session").fields["ended_by"] == "client"


@pytest.mark.conformance("C136", "C94")
@each_protocol
@pytest.mark.parametrize("delay", ["0s", "300ms"])
def test_a_goodbye_with_the_end_behind_it_is_answered(legs, protocol, delay):
    """printf 'QUIT\\r\\n' | nc -N: before the server has greeted."""
    go = threading.Event()
    legs.serve(LEGS[0], protocol, [wait_for(go), *server(protocol)], greeting_delay=delay)
    client = legs.connect()
    client.send(b"a LOGOUT\r\n" if protocol == "imap" else b"QUIT\r\n")
    client.half_close()
    legs.backend.connection()
    go.set()
    rest = client.read_to_end()
    assert rest.splitlines()[-1].startswith((b"221 ", b"a OK ", b"+OK")), rest


@pytest.mark.conformance("C136")
@each_leg
def test_a_reset_while_the_answer_is_awaited_is_noticed(legs, leg):
    asked = threading.Event()
    legs.serve(leg, "imap", [*IMAP_LOGIN[:2], tell(asked), wait_for_end()])
    client = legs.greeted()
    client.send(b"a LOGIN alice secret\r\n")
    assert asked.wait(CEILING)
    abort(client.socket)
    assert legs.backend.connection().ended.wait(CEILING)
    assert legs.reason() == "client-reset"


@pytest.mark.conformance("C136")
def test_a_reset_behind_the_end_while_the_answer_is_awaited_is_noticed(legs):
    """It has ended its direction, which is told but once, and then goes for good."""
    asked = threading.Event()
    legs.serve(LEGS[0], "imap", [*IMAP_LOGIN[:2], tell(asked), wait_for_end()])
    client = legs.greeted()
    client.send(b"a LOGIN alice secret\r\n")
    assert asked.wait(CEILING)
    client.half_close()
    abort(client.socket)
    assert legs.backend.connection().ended.wait(CEILING)
    assert legs.proxy.wait_for_event("session").fields["ended_by"] == "client"
