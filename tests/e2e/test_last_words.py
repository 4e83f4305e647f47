"""What a server said last reaches its client, whole, and what is not whole does not look so:
conformance C128, C130, C131; on every kind of legs.
"""

import signal
import socket
import ssl
import threading

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.client import Closed, End, default_context
from mailmux_e2e.legs import IMAP_LOGIN, LEGS, SMTP_DATA, each_leg
from mailmux_e2e.servers import server
from mailmux_e2e.steps import (close, cut, expect, expect_line, hang, reset, send,
                               tell, wait_for, wait_for_end, wait_until_taken)

MESSAGE = b"Subject: much\r\n\r\n" + b"x" * 70 + b"\r\n"
BYE = b"* BYE over quota\r\n"


def is_clean(end, leg):
    return end is (End.CLOSE_NOTIFY if leg == "TLS to the client" else End.FIN)


def is_cut(end, leg):
    """TLS ends without close_notify; in clear only RST says so."""
    return end in ((End.FIN, End.RESET) if leg == "TLS to the client" else (End.RESET,))


def send_until_refused(client, data, times):
    """A client that looks at answers only when all is said, or cannot be said."""
    try:
        for _ in range(times):
            client.send(data)
    except OSError:
        pass


def freeze(proxy):
    """What happens meanwhile the proxy sees all at once."""
    proxy.send_signal(signal.SIGSTOP)


def thaw(proxy):
    proxy.send_signal(signal.SIGCONT)


# Before the relay

@pytest.mark.conformance("C128")
@each_leg
def test_a_refusal_of_a_message_outlives_the_reset_behind_it(legs, leg):
    """The server reads one line, refuses, and closes with unread bytes; 60 kB are under way."""
    begun, go = threading.Event(), threading.Event()
    legs.serve(leg, "smtp", [*SMTP_DATA, expect_line(b"Subject: .*"), tell(begun), wait_for(go),
                             send(b"552 5.3.4 too big\r\n"), reset()])
    client = legs.in_data()
    client.send(MESSAGE)
    assert begun.wait(CEILING)
    freeze(legs.proxy)
    try:
        client.send(b"x" * 998 + b"\r\n")
        go.set()
        assert legs.backend.connection().ended.wait(CEILING)
        send_until_refused(client, b"x" * 998 + b"\r\n", 60)
    finally:
        thaw(legs.proxy)
    send_until_refused(client, b".\r\n", 1)
    assert client.read_line() == b"552 5.3.4 too big\r\n"


LAST_WORD = {"smtp": b"421 4.3.2 over quota\r\n", "imap": BYE, "pop3": b"-ERR over quota\r\n"}
GREETING = {"smtp": b"220 x ESMTP\r\n", "imap": b"* OK x\r\n", "pop3": b"+OK x\r\n"}
COMMAND = {"smtp": b"EHLO c.test\r\n", "imap": b"a NOOP\r\n", "pop3": b"CAPA\r\n"}


@pytest.mark.conformance("C128")
@pytest.mark.parametrize("protocol", ["smtp", "imap"])
@each_leg
def test_last_words_before_a_reset_are_read_when_the_next_command_cannot_be_written(
        legs, protocol, leg):
    told = threading.Event()
    legs.serve(leg, protocol, [send(GREETING[protocol]), wait_for(told),
                               send(LAST_WORD[protocol]), reset()])
    client = legs.greeted()
    freeze(legs.proxy)
    try:
        client.send(COMMAND[protocol])
        told.set()
        assert legs.backend.connection().ended.wait(CEILING)
    finally:
        thaw(legs.proxy)
    assert client.read_line() == LAST_WORD[protocol]
    client.read_to_end()


def refused_hello():
    """A ClientHello for another protocol than any of ours, which is answered with an alert."""
    context, out = default_context(), ssl.MemoryBIO()
    context.set_alpn_protocols(["h2"])
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    return out.read()


@pytest.mark.conformance("C128")
@pytest.mark.parametrize("mode", ["implicit", "starttls"])
def test_an_alert_is_not_destroyed_by_what_the_client_sends_on(legs, mode):
    """Our close with unread input would be a reset, which may overtake it."""
    legs.serve(LEGS[mode == "implicit"], "imap", server("imap"))
    client = legs.new_client(legs.proxy.ports["test"])
    if mode == "starttls":
        client.read_line()
        client.imap(b"a STARTTLS")
    freeze(legs.proxy)
    try:
        client.send_raw(refused_hello() + b"\x17\x03\x03\x40\x00" + b"x" * 400000)
    finally:
        thaw(legs.proxy)
    rest = client.read_to_end()
    assert rest[:1] == b"\x15" and client.end is End.FIN
    client.close()
    assert legs.reason() == "alpn-mismatch"


# In the relay

@pytest.mark.conformance("C128")
@each_leg
def test_last_words_before_a_reset_arrive_while_the_client_sends_a_literal(legs, leg):
    legs.serve(leg, "imap", [*IMAP_LOGIN, expect_line(b"b APPEND .*"), send(BYE), reset()])
    client = legs.logged_in()
    send_until_refused(client, b"b APPEND x {1000000+}\r\n", 1)
    send_until_refused(client, b"x" * 10000, 100)
    assert client.read_line() == BYE
    assert client.read_to_end() == b"" and is_cut(client.end, leg)


@pytest.mark.conformance("C128")
@each_leg
def test_last_words_are_read_when_the_relay_cannot_write(legs, leg):
    told = threading.Event()
    legs.serve(leg, "imap", [*IMAP_LOGIN, wait_for(told), send(BYE), reset()])
    client = legs.logged_in()
    freeze(legs.proxy)
    try:
        client.send(b"b NOOP\r\n")
        told.set()
        assert legs.backend.connection().ended.wait(CEILING)
    finally:
        thaw(legs.proxy)
    assert client.read_line() == BYE


@pytest.mark.conformance("C130")
@each_leg
def test_a_slow_client_that_keeps_sending_gets_all_of_a_closed_server(legs, leg):
    """Our close with unread input would make the kernel throw the rest away."""
    body = bytes(range(256)) * (3 * 4096)
    legs.serve(leg, "imap", [*IMAP_LOGIN, expect(b"b FETCH\r\n"), send(body + BYE),
                             wait_until_taken(), close()])
    client = legs.logged_in()
    client.send(b"b FETCH\r\n")
    assert legs.backend.connection().ended.wait(CEILING)
    for _ in range(200):
        client.send(b"n NOOP\r\n")
    assert client.read_to_end() == body + BYE
    assert is_clean(client.end, leg)
    client.close()
    assert int(legs.proxy.wait_for_event("session").fields["bytes_out"]) >= len(body + BYE)


@pytest.mark.conformance("C130")
@each_leg
def test_a_slow_client_that_keeps_sending_gets_the_last_reply_of_a_dialog(legs, leg):
    """More than the kernel holds, then the server's goodbye; the client sends on before it reads."""
    words = b"".join(b"250-x-%04d%s\r\n" % (n, b"y" * 480) for n in range(100))
    reply = words + b"250 end\r\n"
    legs.serve(leg, "smtp", [send(GREETING["smtp"]), expect_line(b"EHLO .*"), send(reply),
                             expect_line(b"QUIT"), send(b"221 2.0.0 bye\r\n"), close()])
    client = legs.connect()
    client.read_smtp()
    client.send(b"EHLO c.test\r\nQUIT\r\n")
    assert legs.backend.connection().ended.wait(CEILING)
    for _ in range(100):
        send_until_refused(client, b"NOOP\r\n", 1)
    assert client.read_to_end().endswith(b"221 2.0.0 bye\r\n")
    assert is_clean(client.end, leg)


# A cut is no end

@pytest.mark.conformance("C131")
@each_leg
def test_the_end_of_the_drain_in_a_literal_does_not_look_clean(legs, leg):
    legs.proxy.section("timeouts", drain="300ms")
    part = b"* 1 FETCH (BODY {1000}\r\nhalf"
    legs.serve(leg, "imap", [*IMAP_LOGIN, send(part), wait_for_end()])
    client = legs.logged_in()
    assert client.read_exactly(len(part)) == part
    legs.proxy.send_signal(signal.SIGTERM)
    assert client.read_to_end() == b"" and is_cut(client.end, leg)
    legs.proxy.finished()
    assert legs.reason() == "shutdown"


@pytest.mark.conformance("C131")
@each_leg
def test_the_limit_of_half_a_relay_in_a_literal_does_not_look_clean(legs, leg):
    legs.proxy.section("timeouts", half_closed="300ms", drain="2s")
    part = b"* 1 FETCH (BODY {1000}\r\nhalf"
    legs.serve(leg, "imap", [*IMAP_LOGIN, wait_for_end(), send(part),
                             lambda connection: connection.hold()])
    client = legs.logged_in()
    if leg == "TLS to the client":
        client.send_close_notify()
    client.half_close()
    assert client.read_to_end() == part and is_cut(client.end, leg)


@pytest.mark.conformance("C131", "C93")
@each_leg
@pytest.mark.parametrize("how", [reset, cut], ids=["reset", "closed"])
def test_a_server_that_breaks_off_in_a_literal_is_not_shown_as_one_that_ends(legs, leg, how):
    """A close without close_notify is no end of a server that speaks TLS."""
    part = b"* 1 FETCH (BODY {100000}\r\n" + b"half" * 5000
    told = threading.Event()
    legs.serve(leg, "imap", [*IMAP_LOGIN, send(part), wait_for(told), how()])
    client = legs.logged_in()
    assert client.read_exactly(len(part)) == part
    told.set()
    assert client.read_to_end() == b""
    is_end = how is cut and leg != "TLS to the backend"
    assert is_clean(client.end, leg) if is_end else is_cut(client.end, leg), client.end


@pytest.mark.conformance("C131")
@each_leg
def test_an_end_in_order_stays_one(legs, leg):
    legs.serve(leg, "imap", [*IMAP_LOGIN, expect(b"b LOGOUT\r\n"), send(BYE + b"b OK\r\n"), close()])
    client = legs.logged_in()
    client.send(b"b LOGOUT\r\n")
    assert client.read_to_end() == BYE + b"b OK\r\n"
    assert is_clean(client.end, leg)


# Readers that stop

def choke(client):
    """So little room that the kernel cannot take for the client what it does not read."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)


@pytest.mark.conformance("C136", "C131")
@each_leg
def test_a_client_that_reads_nothing_is_cut(legs, leg):
    legs.proxy.section("timeouts", stalled="700ms", drain="2s")
    body = b"x" * 8000000
    legs.serve(leg, "imap", [*IMAP_LOGIN, expect(b"b FETCH\r\n"), send(body), wait_for_end()],
               max_sessions=1)
    client = legs.logged_in()
    client.send(b"b FETCH\r\n")
    fields = legs.proxy.wait_for_event("session").fields
    assert fields["reason"] == "stalled" and fields["ended_by"] == "proxy"
    assert int(fields["bytes_out"]) < len(body)
    rest = client.read_to_end()
    assert len(rest) < len(body) and is_cut(client.end, leg)


@pytest.mark.conformance("C136")
@each_leg
def test_a_server_that_reads_nothing_is_left(legs, leg):
    legs.proxy.section("timeouts", stalled="700ms", drain="2s")
    legs.serve(leg, "imap", [*IMAP_LOGIN, lambda connection: connection.hold()])
    client = legs.logged_in()
    send_until_refused(client, b"x" * 100000, 200)
    assert legs.reason() == "stalled"


@pytest.mark.conformance("C136")
@each_leg
def test_a_server_that_reads_no_message_is_left_and_the_client_is_told(legs, leg):
    legs.proxy.section("timeouts", stalled="700ms", drain="2s")
    legs.serve(leg, "smtp", [*SMTP_DATA, lambda connection: connection.hold()])
    client = legs.in_data()
    sender = threading.Thread(target=send_until_refused, args=(client, b"x" * 100000, 200))
    sender.start()
    assert legs.reason() == "stalled"
    sender.join(CEILING)


@pytest.mark.conformance("C136")
@each_leg
def test_a_client_that_leaves_the_kernel_with_its_words_is_cut(legs, leg):
    """All of it is in the kernel's hands, where only TCP can tell that nothing is taken."""
    legs.proxy.section("timeouts", stalled="700ms", drain="2s")
    legs.serve(leg, "imap", [*IMAP_LOGIN, expect(b"b FETCH\r\n"), send(b"x" * 150000),
                             wait_for_end()])
    client = legs.connect()
    choke(client)
    client.read_line()
    client.imap(b"a LOGIN alice secret")
    client.send(b"b FETCH\r\n")
    assert legs.proxy.wait_for_event("session")


@pytest.mark.conformance("C136")
@each_leg
def test_a_client_that_reads_slowly_is_served(legs, leg):
    legs.proxy.section("timeouts", stalled="2s", drain="2s")
    body = b"x" * 8000000
    legs.serve(leg, "imap", [*IMAP_LOGIN, expect(b"b FETCH\r\n"), send(body), close()])
    client = legs.logged_in()
    client.send(b"b FETCH\r\n")
    got = 0
    pause = threading.Event()
    for _ in range(8):  # longer than the limit, and never as long without reading
        got += len(client.read_exactly(400000))
        pause.wait(0.3)
    assert got + len(client.read_to_end()) == len(body)
    assert is_clean(client.end, leg)


# A client that is gone

@pytest.mark.conformance("C136")
@each_leg
def test_a_reset_in_the_relay_gives_the_place_back_at_once(legs, leg):
    """Whatever the limits of half a relay and of the process's end are."""
    legs.proxy.section("timeouts", half_closed="10m", drain="2s")
    legs.serve(leg, "imap", [*IMAP_LOGIN, lambda connection: connection.hold()],
               [*IMAP_LOGIN, hang()], max_sessions=1, settings={"queue_timeout": "20s"})
    first = legs.logged_in()
    first.reset()
    legs.logged_in()
    assert legs.reason() == "client-reset"


def test_the_octets_that_went_out_are_counted(legs):
    body = b"x" * 8000000
    legs.serve(LEGS[0], "imap", [*IMAP_LOGIN, expect(b"b FETCH\r\n"), send(body), wait_for_end()])
    client = legs.logged_in()
    client.send(b"b FETCH\r\n")
    client.read_exactly(1000)
    client.reset()
    fields = legs.proxy.wait_for_event("session").fields
    assert 1000 <= int(fields["bytes_out"]) < len(body)
