"""A stop of the process is no peer's fault (C134): every deadline of a session, with a process that is
stopped for longer than it, while the peer has done its part.
"""

import signal
import threading
from contextlib import contextmanager

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.legs import IMAP_LOGIN, LEGS, SMTP_DATA
from mailmux_e2e.servers import server
from mailmux_e2e.steps import close, expect, expect_line, send, tell, wait_for

pytestmark = pytest.mark.conformance("C134")
each_protocol = pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3"])
NOOP = {"smtp": b"NOOP\r\n", "imap": b"a NOOP\r\n", "pop3": b"NOOP\r\n"}
LIMIT, PAUSE_S = "1500ms", 2.5


@contextmanager
def stopped(proxy):
    """The block runs while the process stands still, which it does for longer than the limit."""
    proxy.send_signal(signal.SIGSTOP)
    try:
        yield
        threading.Event().wait(PAUSE_S)
    finally:
        proxy.send_signal(signal.SIGCONT)


@each_protocol
def test_a_first_command_that_came_meanwhile_is_served(legs, protocol):
    legs.proxy.section("timeouts", first_command=LIMIT, drain="2s")
    legs.serve(LEGS[0], protocol, server(protocol))
    client = legs.greeted()
    with stopped(legs.proxy):
        client.send(NOOP[protocol])
    assert b"noop" in client.read_line()


@each_protocol
def test_the_rest_of_a_line_that_came_meanwhile_is_served(legs, protocol):
    legs.proxy.section("timeouts", line=LIMIT, drain="2s")
    legs.serve(LEGS[0], protocol, server(protocol))
    client = legs.greeted()
    client.send(NOOP[protocol][:3])
    with stopped(legs.proxy):
        client.send(NOOP[protocol][3:])
    assert b"noop" in client.read_line()


def test_a_login_that_came_meanwhile_is_served(legs):
    legs.proxy.section("timeouts", login=LIMIT, drain="2s")
    legs.serve(LEGS[0], "imap", server("imap"))
    client = legs.greeted()
    with stopped(legs.proxy):
        client.send(b"a LOGIN alice secret\r\n")
    assert client.read_line().startswith(b"a OK ")


def test_message_data_that_came_meanwhile_is_taken(legs):
    legs.proxy.section("timeouts", data=LIMIT, drain="2s")
    legs.serve(LEGS[0], "smtp", [*SMTP_DATA, expect_line(b"half"), expect_line(rb"\."),
                                 send(b"250 2.0.0 taken\r\n"), expect_line(b"QUIT"), close()])
    client = legs.in_data()
    client.send(b"half\r\n")
    with stopped(legs.proxy):
        client.send(b".\r\n")
    assert client.read_line() == b"250 2.0.0 taken\r\n"


def test_a_reply_that_came_meanwhile_is_relayed(legs):
    asked, go, said = threading.Event(), threading.Event(), threading.Event()
    legs.proxy.section("timeouts", data=LIMIT, drain="2s")
    legs.serve(LEGS[0], "smtp", [*SMTP_DATA, expect_line(rb"\."), tell(asked), wait_for(go),
                                 send(b"250 2.0.0 taken\r\n"), tell(said), expect_line(b"QUIT")])
    client = legs.in_data()
    client.send(b".\r\n")
    assert asked.wait(CEILING)
    with stopped(legs.proxy):
        go.set()
        assert said.wait(CEILING)
    assert client.read_line() == b"250 2.0.0 taken\r\n"


def test_a_command_that_came_meanwhile_is_served(legs):
    legs.proxy.section("timeouts", smtp_command=LIMIT, drain="2s")
    legs.serve(LEGS[0], "smtp", server("smtp"))
    client = legs.greeted()
    assert client.smtp(b"NOOP").startswith(b"250 ")
    with stopped(legs.proxy):
        client.send(b"NOOP\r\n")
    assert client.read_line().startswith(b"250 ")


def test_a_handshake_that_came_meanwhile_is_done(legs):
    legs.proxy.section("timeouts", handshake=LIMIT, drain="2s")
    legs.serve(LEGS[1], "imap", server("imap"))
    client = legs.new_client(legs.proxy.ports["test"])
    shaking = threading.Thread(target=client.begin_tls)
    with stopped(legs.proxy):
        shaking.start()
    shaking.join(CEILING)
    assert client.read_line().startswith(b"* OK ")


def read_what_the_kernel_holds(client):
    """Until its window is open again: else the kernel itself would find that it reads nothing."""
    client.socket.settimeout(0.3)
    try:
        while client._receive():
            pass
    except TimeoutError:
        client.socket.settimeout(CEILING)


def test_a_reader_that_caught_up_meanwhile_is_served(legs):
    """stalled: the client has read, which only the process has not seen yet."""
    body = b"x" * 8000000
    legs.proxy.section("timeouts", stalled=LIMIT, drain="2s")
    legs.serve(LEGS[0], "imap", [*IMAP_LOGIN, expect(b"b FETCH\r\n"), send(body), close()])
    client = legs.logged_in()
    client.send(b"b FETCH\r\n")
    client.read_exactly(1000)
    with stopped(legs.proxy):
        read_what_the_kernel_holds(client)
    assert len(client.read_to_end()) == len(body) - 1000


def test_the_rest_of_a_relay_that_came_meanwhile_is_relayed(legs):
    """half_closed: the server has gone on, which only the process has not seen yet."""
    ended, go, said = threading.Event(), threading.Event(), threading.Event()
    legs.proxy.section("timeouts", half_closed=LIMIT, drain="2s")
    legs.serve(LEGS[0], "imap", [*IMAP_LOGIN, lambda connection: connection.wait_for_end(),
                                 tell(ended), wait_for(go), send(b"* BYE\r\n"), tell(said), close()])
    client = legs.logged_in()
    client.half_close()
    assert ended.wait(CEILING)
    with stopped(legs.proxy):
        go.set()
        assert said.wait(CEILING)
    assert client.read_to_end() == b"* BYE\r\n"


def test_a_goodbye_that_was_answered_meanwhile_ends_in_order(legs):
    asked, go, said = threading.Event(), threading.Event(), threading.Event()
    legs.serve(LEGS[0], "smtp", [send(b"220 x\r\n"), expect_line(b"QUIT"), tell(asked),
                                 wait_for(go), send(b"221 bye\r\n"), tell(said),
                                 lambda connection: connection.expect_end()])
    client = legs.greeted()
    client.close()
    assert asked.wait(CEILING)
    with stopped(legs.proxy):
        go.set()
        assert said.wait(CEILING)
    connection = legs.backend.finished()
    assert not connection.was_reset
