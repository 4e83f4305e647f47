"""The whole process stands still for longer than any timer on the way to a server: it is no
peer's fault, no server is marked and no client is turned away whose answer is there already."""

import signal
import threading
import time

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.servers import imap, pop3, server, smtp
from mailmux_e2e.steps import start_tls, tell, wait_for, wait_for_end

GREETING = {"smtp": b"220 good.example ESMTP\r\n", "imap": b"* OK good one\r\n",
            "pop3": b"+OK good one\r\n"}
CLIENTS = 4
PAUSE = 2.6  # longer than any timer below; it is the fault, not a wait


@pytest.fixture
def serve(proxy, new_client):
    def start(protocol, ports, **settings):
        proxy.section("timeouts", connect="2s", greeting="2s", connect_deadline="2s",
                      handshake="2s", drain="2s")
        proxy.section("proxy", workers=1, hostname="mail.example.test",
                      state_directory=proxy.directory / "state")
        proxy.backend("server", *ports, **{"fall": 1, **settings})
        proxy.listener("test", protocol, "starttls", "server")
        proxy.start()
        return lambda: new_client(proxy.ports["test"])

    return start


@pytest.fixture
def pause(proxy):
    """pause(act): stops the process, acts, lets time pass, and lets it go on."""
    def stand_still(act):
        proxy.send_signal(signal.SIGSTOP)
        act()
        time.sleep(PAUSE)
        proxy.send_signal(signal.SIGCONT)
    return stand_still


def assert_nobody_is_blamed(proxy):
    proxy.wait_for_event("loop-stalled")
    assert proxy.events("server-down") == [], proxy.log()


@pytest.mark.conformance("C134")
@pytest.mark.parametrize("second", [False, True], ids=["alone", "second server free"])
@pytest.mark.parametrize("protocol", GREETING)
def test_a_greeting_that_came_meanwhile_is_heard(
        serve, proxy, new_backend, pause, protocol, second):
    go_on = threading.Event()
    script = [wait_for(go_on), *server(protocol, greeting=GREETING[protocol])]
    backends = [new_backend(script) for _ in range(2 if second else 1)]
    connect = serve(protocol, [backend.port for backend in backends])
    clients = [connect() for _ in range(CLIENTS)]
    for backend in backends:
        backend.connection(CLIENTS // len(backends) - 1)
    pause(go_on.set)
    for client in clients:
        assert client.read_line() == GREETING[protocol]
    assert sum(len(backend.connections) for backend in backends) == CLIENTS
    assert_nobody_is_blamed(proxy)


@pytest.mark.conformance("C134")
@pytest.mark.parametrize("protocol, how, script", [
    ("smtp", "xclient", smtp(words=(b"old.example", b"XCLIENT NAME ADDR PORT"), replies={
        b"XCLIENT": b"220 old.example ESMTP\r\n"})),
    ("imap", "id", imap()), ("pop3", "xclient", pop3(greeting=b"+OK [XCLIENT] ready\r\n",
                                                     replies={b"XCLIENT": b"+OK known\r\n"}))])
def test_what_is_left_of_the_opening_has_its_time(
        serve, proxy, new_backend, pause, protocol, how, script):
    """The greeting came while no answer was possible; what follows needs a turn or two more."""
    go_on = threading.Event()
    backend = new_backend([wait_for(go_on), *script])
    connect = serve(protocol, [backend.port], send_client_address=how)
    clients = [connect() for _ in range(CLIENTS)]
    backend.connection(CLIENTS - 1)
    pause(go_on.set)
    for client in clients:
        assert client.read_line()[:3] in (b"220", b"* O", b"+OK")
    assert_nobody_is_blamed(proxy)


@pytest.mark.conformance("C134")
def test_a_handshake_with_the_server_has_its_time(serve, proxy, new_backend, pause, certificates):
    go_on = threading.Event()
    backend = new_backend([wait_for(go_on), start_tls(certificates.rsa),
                           *server("imap", greeting=GREETING["imap"])])
    connect = serve("imap", [backend.port], tls="implicit", verify="no")
    clients = [connect() for _ in range(CLIENTS)]
    backend.connection(CLIENTS - 1)
    pause(go_on.set)
    for client in clients:
        assert client.read_line() == GREETING["imap"]
    assert_nobody_is_blamed(proxy)


@pytest.mark.conformance("C134")
@pytest.mark.parametrize("protocol", GREETING)
def test_a_server_that_stays_silent_is_not_marked_for_the_pause(
        serve, proxy, new_backend, pause, protocol):
    """Its clients are turned away in the end; the next one is served by it, unmarked."""
    over = threading.Event()
    backend = new_backend([wait_for(over)], server(protocol, greeting=GREETING[protocol]))
    connect = serve(protocol, [backend.port])
    client = connect()
    backend.connection()
    pause(lambda: None)
    assert client.read_line()[:3] in (b"421", b"* B", b"-ER")
    assert connect().read_line() == GREETING[protocol]
    over.set()
    assert_nobody_is_blamed(proxy)


@pytest.mark.conformance("C134")
def test_a_check_is_not_failed_by_a_pause(serve, proxy, new_backend, pause):
    go_on = threading.Event()
    asked = threading.Event()
    backend = new_backend([tell(asked), wait_for(go_on), *smtp()], smtp())
    serve("smtp", [backend.port], check="greeting", check_interval="500ms", check_timeout="2s")
    assert asked.wait(CEILING)
    pause(go_on.set)
    backend.connection(2)
    assert_nobody_is_blamed(proxy)
    assert proxy.events("check-failed") == []


@pytest.mark.conformance("C134")
def test_a_check_that_a_pause_has_spoilt_is_no_news(serve, proxy, new_backend, pause):
    """Its server stays silent behind the pause, too; the next check passes."""
    asked = threading.Event()
    backend = new_backend([tell(asked), wait_for_end()], smtp(), smtp())
    serve("smtp", [backend.port], check="greeting", check_interval="500ms", check_timeout="1500ms")
    assert asked.wait(CEILING)
    pause(lambda: None)
    backend.connection(2)
    assert_nobody_is_blamed(proxy)
    assert proxy.events("check-failed") == []
