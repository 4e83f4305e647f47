"""The process: start, many sessions, descriptors, signals, rights."""

import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from mailmux_e2e import CEILING, until
from mailmux_e2e.client import Client, Closed, End
from mailmux_e2e.proxy import binary
from mailmux_e2e.servers import SMTP_WORDS, imap, server, smtp, smtp_chunk
from mailmux_e2e.steps import expect, send, wait_for, wait_for_end

each_protocol = pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3"])
NOOP = {"smtp": b"NOOP\r\n", "imap": b"a NOOP\r\n", "pop3": b"NOOP\r\n"}


@pytest.fixture
def front(proxy, new_backend):
    """A STARTTLS and an implicit listener for each protocol, in front of scripted servers."""
    for protocol in ("smtp", "imap", "pop3"):
        proxy.backend(protocol, new_backend(server(protocol)).port)
        proxy.listener(protocol, protocol, "starttls", protocol)
        proxy.listener(protocol + "s", protocol, "implicit", protocol)
    return proxy


def open_session(front, n):
    """The n-th of many sessions, of all kinds in turn, up to its TLS."""
    protocol = ("smtp", "imap", "pop3")[n % 3]
    implicit = n % 2 == 0
    client = Client(front.ports[protocol + "s" * implicit])
    if implicit:
        client.begin_tls()
    client.read_line()
    if not implicit:
        client.starttls(protocol)
    return protocol, client


def test_two_hundred_sessions_at_once(front):
    front.start()
    sessions = [open_session(front, n) for n in range(200)]
    for protocol, client in sessions:
        client.send(NOOP[protocol])
    for _, client in sessions:
        assert b"noop" in client.read_line()
    for protocol, client in sessions:
        client.send(b"a LOGOUT\r\n" if protocol == "imap" else b"QUIT\r\n")
    for _, client in sessions:
        assert client.read_to_end()
        client.close()
    front.wait_for_event("session", 200)
    assert front.stop().fields["served"] == "200"


def test_a_thousand_sessions_leave_nothing_behind(front):
    front.start()
    open_session(front, 0)[1].close()
    open_session(front, 1)[1].close()
    front.wait_for_event("session", 2)
    before = settled_descriptors(front)
    for n in range(1000):
        protocol, client = open_session(front, n)
        if n % 4 == 0:
            client.send(b"a LOGOUT\r\n" if protocol == "imap" else b"QUIT\r\n")
            client.read_to_end()
        client.close()
    front.wait_for_event("session", 1002)
    until(lambda: front.open_descriptors() <= before)
    assert front.stop().fields["served"] == "1002"


def settled_descriptors(front):
    """The count once no session's descriptor is left; twice the same says so."""
    counts = [front.open_descriptors(), -1]
    until(lambda: counts.insert(0, front.open_descriptors()) or counts[0] == counts[1])
    return counts[0]


FAREWELL = {"smtp": b"421 4.3.2 ", "imap": b"* BYE ", "pop3": b"-ERR"}


@pytest.mark.quick
@pytest.mark.conformance("C110")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_with_a_farewell(front, new_client, number):
    front.start()
    sessions = [open_session(front, n) for n in range(6)]
    clear = new_client(front.ports["imap"])
    clear.read_line()
    front.send_signal(number)
    front.wait_for_event("drain")
    for protocol, client in sessions:
        rest = client.read_to_end()
        assert rest.startswith(FAREWELL[protocol]) and rest.count(b"\r\n") == 1
        assert client.end is End.CLOSE_NOTIFY
        client.close()
    assert clear.read_to_end().startswith(b"* BYE ")
    assert front.finished().fields["served"] == "7"


def test_while_draining_nobody_new_is_let_in(proxy, new_backend, new_client):
    go = threading.Event()
    backend = new_backend([send(b"* OK ready\r\n"), expect(b"a LOGIN x y\r\n"),
                           send(b"a OK in\r\n"), wait_for(go), wait_for_end()])
    proxy.section("timeouts", drain="20s")
    proxy.backend("server", backend.port)
    proxy.listener("test", "imap", "starttls", "server", require_tls="no")
    proxy.start()
    client = new_client(proxy.ports["test"])
    client.read_line()
    assert client.imap(b"a LOGIN x y") == b"a OK in\r\n"
    proxy.send_signal(signal.SIGTERM)
    proxy.wait_for_event("drain")

    def is_refused():
        with pytest.raises((ConnectionError, Closed)):
            Client(proxy.ports["test"]).read_line()
        return True

    until(is_refused)
    client.close()
    go.set()
    assert proxy.finished().fields["served"] == "1"


@pytest.mark.conformance("C110")
def test_a_message_under_way_is_finished_while_draining(bench):
    test = bench("smtp", smtp())
    client = test.connect_tls()
    client.smtp(b"EHLO c.test")
    client.smtp(b"MAIL FROM:<a@b.test>")
    client.smtp(b"RCPT TO:<a@b.test>")
    assert client.smtp(b"DATA").startswith(b"354 ")
    client.send(b"Subject: half\r\n")
    test.proxy.send_signal(signal.SIGTERM)
    test.proxy.wait_for_event("drain")
    client.send(b"\r\nthe other half\r\n.\r\n")
    assert client.read_smtp() == b"250 2.0.0 message taken\r\n"
    assert client.read_smtp().startswith(b"421 4.3.2 ")
    assert client.read_to_end() == b""
    assert test.backend.finished().messages == [b"Subject: half\r\n\r\nthe other half\r\n.\r\n"]
    test.proxy.finished()


@pytest.mark.conformance("C110")
@pytest.mark.parametrize("verb", ["DATA", "BDAT"])
def test_a_message_that_is_not_finished_in_time_hears_421(proxy, bench, verb):
    proxy.section("timeouts", drain="300ms")
    chunking = {b"BDAT": smtp_chunk}
    test = bench("smtp", smtp(words=[*SMTP_WORDS, b"CHUNKING"], replies=chunking))
    client = test.connect_tls()
    client.smtp(b"EHLO c.test")
    client.smtp(b"MAIL FROM:<a@b.test>")
    client.smtp(b"RCPT TO:<a@b.test>")
    if verb == "DATA":
        assert client.smtp(b"DATA").startswith(b"354 ")
    else:
        client.send(b"BDAT 1000 LAST\r\n")
    client.send(b"Subject: half\r\n")
    test.proxy.send_signal(signal.SIGTERM)
    assert client.read_to_end().startswith(b"421 4.3.2 ")
    assert client.end is End.CLOSE_NOTIFY
    assert test.proxy.finished().fields["alive"] == "0"


@pytest.mark.conformance("C110")
def test_what_is_left_at_the_end_of_the_drain_is_cut(proxy, new_backend, new_client):
    backend = new_backend(imap())
    proxy.section("timeouts", drain="300ms")
    proxy.backend("server", backend.port)
    proxy.listener("test", "imap", "starttls", "server", require_tls="no")
    proxy.start()
    client = new_client(proxy.ports["test"])
    client.read_line()
    client.imap(b"a LOGIN x y")
    proxy.send_signal(signal.SIGTERM)
    client.read_to_end()
    assert client.end is not None
    assert proxy.finished().fields["alive"] == "0"
    assert proxy.events("session")[0].fields["reason"] == "shutdown"


def begin_nothing(proxy, client):
    """An implicit port; TLS is not begun."""


def read_greeting(proxy, client):
    client.read_line()


def ask_for_tls(proxy, client):
    client.read_line()
    client.send(b"a STARTTLS\r\n")
    client.read_line()


def say_half_a_hello(proxy, client):
    client.send_raw(b"\x16\x03\x01\x02\x00\x01\x00")


def say_half_a_hello_behind_starttls(proxy, client):
    ask_for_tls(proxy, client)
    say_half_a_hello(proxy, client)


def say_half_a_header(proxy, client):
    client.send(b"PROXY TCP4 ")


def linger(proxy, client):
    client.read_line()
    client.send(b"a LOGOUT\r\n")
    client.read_to_end()


def leave_an_answer_owed(proxy, client):
    """The server never answers the goodbye that is said for it."""
    client.read_line()
    client.close()


WAITING = {
    "before TLS": ("implicit", {}, begin_nothing),
    "greeted": ("starttls", {}, read_greeting),
    "before TLS behind STARTTLS": ("starttls", {}, ask_for_tls),
    "in a ClientHello": ("implicit", {}, say_half_a_hello),
    "in a ClientHello behind STARTTLS": ("starttls", {}, say_half_a_hello_behind_starttls),
    "in a ClientHello that decides": ("auto", {}, say_half_a_hello),
    "in a PROXY header": ("starttls", {"accept_proxy_from": "127.0.0.0/8"}, say_half_a_header),
    "lingering": ("starttls", {}, linger),
    "at the goodbye": ("starttls", {}, leave_an_answer_owed),
}


@pytest.mark.conformance("C137", "C110")
@pytest.mark.parametrize("where", WAITING)
def test_the_end_waits_for_nobody_who_has_nothing_to_lose(proxy, new_backend, new_client, where):
    """The drain is longer than any test may take."""
    tls, settings, go_there = WAITING[where]
    script = [send(b"* OK x\r\n"), wait_for_end()] if where == "at the goodbye" else imap()
    proxy.section("timeouts", drain="10m", handshake="10m", proxy_header="10m")
    proxy.backend("server", new_backend(script).port)
    proxy.listener("test", "imap", tls, "server", **settings)
    proxy.start()
    client = new_client(proxy.ports["test"])
    go_there(proxy, client)
    proxy.send_signal(signal.SIGTERM)
    assert proxy.finished().fields["served"] in ("0", "1")


def cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_used_in_a_second(pid):
    """A look at the processor while nothing happens: not a wait for anything."""
    before = cpu_seconds(pid)
    time.sleep(1)
    return cpu_seconds(pid) - before


@pytest.mark.parametrize("sessions", ["auto", 1000], ids=["foreseen", "unforeseen"])
def test_too_few_descriptors_neither_spin_nor_kill(front, sessions):
    front.open_files = 128
    front.section("limits", sessions=sessions)
    front.start()
    established = open_session(front, 0)[1]
    crowd = [socket.create_connection(("127.0.0.1", front.ports["imap"]), CEILING)
             for _ in range(150)]
    established.send(NOOP["smtp"])
    assert b"noop" in established.read_line()
    # One that spins is busy in each of these seconds; one that does not may be in the first, where
    # the machine is slow and the crowd still comes in.
    assert any(cpu_used_in_a_second(front.pid) < 0.5 for _ in range(5))
    established.send(NOOP["smtp"])
    assert b"noop" in established.read_line()
    for one in crowd:
        one.close()

    def is_served_again():
        with Client(front.ports["imap"]) as client:
            try:
                client.read_line()
                return client.imap(b"a NOOP") == b"a OK noop\r\n"
            except (Closed, ConnectionError):
                return False

    until(is_served_again)
    established.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_becomes_the_user(front, new_client):
    front.section("proxy", workers=2, user="nobody", hostname="mail.example.test",
                  state_directory=front.directory / "state")
    # A process that has changed its user may not look at itself, so no leak check here.
    front.environment["ASAN_OPTIONS"] = "detect_leaks=0:exitcode=99"
    front.start()
    open_session(front, 0)[1].close()
    for task in Path(f"/proc/{front.pid}/task").iterdir():
        status = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines()
                      if ":\t" in line)
        assert set(status["Uid"].split()) == {"65534"} and set(status["Gid"].split()) == {"65534"}
        assert status["Groups"].split() in ([], ["65534"])
        assert int(status["CapEff"], 16) == 0


def test_without_a_certificate_it_makes_its_own(new_proxy, new_backend, new_client):
    proxy = new_proxy(with_certificate=False)
    proxy.backend("server", new_backend(imap()).port)
    proxy.listener("test", "imap", "implicit", "server")
    proxy.start()
    client = new_client(proxy.ports["test"])
    client.begin_tls()
    assert client.read_line() == b"* OK old server ready\r\n"
    first = client.tls.getpeercert(binary_form=True)
    client.close()
    assert any(line.level == "warning" and "self-signed" in line.text for line in proxy.lines)
    proxy.stop()

    again = new_proxy(with_certificate=False)
    again._sections.update(proxy._sections)
    again.ports.update(proxy.ports)
    again.start()
    client = new_client(again.ports["test"])
    client.begin_tls()
    assert client.tls.getpeercert(binary_form=True) == first


def test_a_port_that_is_taken_is_named(front):
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    front.section("listener taken", bind=f"127.0.0.1:{port}", protocol="imap", tls="implicit",
                  backend="imap")
    front.start(wait=False)
    assert front.wait() == 1
    assert str(port) in front.log()
    taken.close()


def test_the_ports_stay_open_to_others_when_a_client_is_silent(front, new_client):
    front.start()
    silent = [new_client(front.ports[name]) for name in front.ports for _ in range(3)]
    protocol, client = open_session(front, 2)
    client.send(NOOP[protocol])
    assert b"noop" in client.read_line()
    assert all(one.end is None for one in silent)


def test_the_binary_is_the_one_that_was_built():
    assert binary().is_file() and os.access(binary(), os.X_OK), f"no program at {binary()}"
