"""A reader of the log that stops delays nobody, and lost lines are counted (C143)."""

import os
import signal
import socket
import time

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.certificates import NAME
from mailmux_e2e.servers import imap

pytestmark = pytest.mark.conformance("C143")
SESSIONS = 330  # a pipe with Linux's default size is full after some 270


@pytest.fixture(params=[None, "nobody"], ids=["one-account", "two-accounts"])
def front(request, proxy, new_backend):
    """A service of another account may not open the pipe of standard error anew."""
    if request.param and os.geteuid() != 0:
        pytest.skip("only root can become another user")
    if request.param:
        proxy.section("proxy", user=request.param, workers=2, hostname=NAME,
                      state_directory=proxy.directory / "state")
    proxy.backend("server", new_backend(imap()).port)
    proxy.listener("imap", "imap", "none", "server")
    proxy.start()
    return proxy


def login(new_client, port):
    client = new_client(port)
    client.read_line()
    assert b"a OK" in client.imap(b"a LOGIN alice secret")
    return client


def serve_one(new_client, port):
    client = login(new_client, port)
    client.send(b"b LOGOUT\r\n")
    client.read_to_end()
    client.close()


def wait_for_port(port):
    """The log, which would tell, is not read."""
    end = time.monotonic() + CEILING
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < end, "the reload has not opened the port"
            time.sleep(0.02)


@pytest.mark.conformance("C137")
def test_sessions_reload_and_exit_do_not_wait_for_the_reader(front, new_client):
    front.stop_reading()
    for _ in range(SESSIONS):
        serve_one(new_client, front.ports["imap"])
    front.listener("other", "imap", "none", "server")
    front.write()
    front.send_signal(signal.SIGHUP)
    wait_for_port(front.ports["other"])
    serve_one(new_client, front.ports["other"])
    front.send_signal(signal.SIGTERM)
    assert front.wait() == 0  # its pipe is still full


def test_no_line_is_lost_on_a_reader_that_pauses(front, new_client):
    front.stop_reading()
    for _ in range(SESSIONS):
        serve_one(new_client, front.ports["imap"])
    front.resume_reading()
    front.wait_for_event("session", SESSIONS)
    assert not front.events("log-lost")
    assert front.stop().fields["served"] == str(SESSIONS)


def until_both_have_heard(front):
    """The status is asked of keeper and service behind the signal, of which several may become one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as control:
        control.settimeout(CEILING)
        control.connect(str(front.directory / "state/control"))
        control.send(b"s")
        assert control.recv(65536)


def test_lost_lines_are_counted_where_they_are_missing(front, new_client):
    """Each look at the sessions writes a line for every one of them: twice what can wait."""
    staying = [login(new_client, front.ports["imap"]) for _ in range(150)]
    front.stop_reading()
    for look in range(150):
        front.send_signal(signal.SIGUSR1)
        until_both_have_heard(front)
        assert b"c OK" in staying[look].imap(b"c NOOP")
    front.resume_reading()
    lost = front.wait_for_event("log-lost")
    assert lost.level == "warning" and int(lost.fields["lines"]) > 0
    for client in staying:
        assert b"d OK" in client.imap(b"d NOOP")
        client.close()
    front.wait_for_event("session", len(staying))
    front.stop()
    begun = [n for n, line in enumerate(front.lines) if line.event == "log-lost"]
    assert front.events("counters") and begun[0] > front.lines.index(front.events("counters")[0])
    assert all(line.text.startswith("20") for line in front.lines), "a line is not whole"
