"""The greeting and the start of a session: conformance 5.1."""

import threading

import pytest
from mailmux_e2e.client import End
from mailmux_e2e.ports import Ports
from mailmux_e2e.servers import imap, pop3, server, smtp
from mailmux_e2e.steps import hang, send, tell, wait_for, wait_for_end

GREETINGS = [
    ("smtp", b"220 old.example ESMTP of old\r\n"),
    ("imap", b"* OK the old server is ready\r\n"),
    ("pop3", b"+OK the old server is ready\r\n"),
]
each_protocol = pytest.mark.parametrize("protocol, greeting", GREETINGS)


@pytest.mark.conformance("C1")
@each_protocol
def test_the_first_bytes_are_the_greeting_of_the_backend(bench, protocol, greeting):
    connected, go = threading.Event(), threading.Event()
    test = bench(protocol, [tell(connected), wait_for(go), *server(protocol, greeting=greeting)])
    client = test.connect()
    assert connected.wait(30)
    go.set()
    assert client.read_line() == greeting
    assert client.unread() == b""


@pytest.mark.conformance("C2")
@each_protocol
def test_an_implicit_port_says_nothing_before_the_handshake_is_complete(bench, protocol, greeting):
    test = bench(protocol, server(protocol, greeting=greeting), tls="implicit")
    silent = test.connect()
    client = test.connect()
    client.begin_tls()  # checks that the first byte is a handshake record
    assert client.read_line() == greeting
    line = {"smtp": client.smtp, "imap": client.imap, "pop3": client.pop3}[protocol](
        b"a NOOP" if protocol == "imap" else b"NOOP")
    assert b"noop" in line and client.unread() == b""
    silent.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        silent.socket.recv(1)


@pytest.mark.conformance("C3")
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_multi_line_greeting_passes_with_all_its_lines(bench, tls):
    greeting = b"220-old.example ESMTP\r\n220-No UCE\r\n220-\r\n220 ready\r\n"
    test = bench("smtp", smtp(greeting=greeting), tls=tls)
    client = test.connect()
    if tls == "implicit":
        client.begin_tls()
    assert client.read_smtp() == greeting


@pytest.mark.conformance("C4")
def test_a_421_greeting_is_relayed_and_the_connection_closed(bench):
    test = bench("smtp", [send(b"421 4.3.2 the old server is busy\r\n"), wait_for_end()])
    client = test.connect()
    assert client.read_smtp() == b"421 4.3.2 the old server is busy\r\n"
    assert client.read_to_end() == b""
    assert b"EHLO" not in test.backend.finished().received


@pytest.mark.conformance("C4")
def test_a_554_greeting_is_relayed_and_only_quit_is_served(bench):
    test = bench("smtp", [send(b"554 5.7.1 no service\r\n"), wait_for_end()])
    client = test.connect()
    assert client.read_smtp() == b"554 5.7.1 no service\r\n"
    assert client.smtp(b"EHLO c.test").startswith(b"503 ")
    assert client.smtp(b"MAIL FROM:<a@b.test>").startswith(b"503 ")
    assert client.smtp(b"QUIT").startswith(b"221 ")
    assert client.read_to_end() == b""
    assert test.backend.finished().received in (b"", b"QUIT\r\n")


@pytest.mark.conformance("C5")
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("protocol, greeting", [
    ("imap", b"* BYE [UNAVAILABLE] the old server is busy\r\n"),
    ("pop3", b"-ERR [SYS/TEMP] the old server is busy\r\n"),
])
def test_a_greeting_that_refuses_is_passed_on(bench, protocol, greeting, tls):
    test = bench(protocol, [send(greeting), wait_for_end()], tls=tls)
    client = test.connect()
    if tls == "implicit":
        client.begin_tls()
    assert client.read_line().split()[:2] == greeting.split()[:2]
    assert client.read_to_end() == b""
    if tls == "implicit":
        assert client.end is End.CLOSE_NOTIFY
    assert test.backend.finished().received in (b"", b"QUIT\r\n", b"a LOGOUT\r\n")


@pytest.mark.conformance("C6")
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_preauth_is_refused(bench, tls):
    test = bench("imap", [send(b"* PREAUTH [CAPABILITY IMAP4rev1] as root\r\n"), wait_for_end()],
                 tls=tls)
    client = test.connect()
    if tls == "implicit":
        client.begin_tls()
    assert client.read_line().startswith(b"* BYE ")
    assert client.read_to_end() == b""


@pytest.mark.conformance("C8")
@pytest.mark.parametrize("words, in_clear, in_tls", [
    (b"IMAP4rev1 SASL-IR STARTTLS LOGINDISABLED",
     {b"IMAP4rev1", b"SASL-IR", b"STARTTLS", b"LOGINDISABLED"},
     {b"IMAP4rev1", b"SASL-IR", b"LOGINDISABLED"}),
    (b"IMAP4rev1 LITERAL+ AUTH=PLAIN AUTH=LOGIN",
     {b"IMAP4rev1", b"LITERAL+", b"STARTTLS", b"LOGINDISABLED"},
     {b"IMAP4rev1", b"LITERAL+", b"AUTH=PLAIN", b"AUTH=LOGIN"}),
])
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_the_capability_code_of_the_greeting_tells_the_truth_or_is_gone(
        bench, words, in_clear, in_tls, tls):
    test = bench("imap", imap(greeting=b"* OK [CAPABILITY " + words + b"] old and ready.\r\n"),
                 tls=tls)
    client = test.connect()
    if tls == "implicit":
        client.begin_tls()
    greeting = client.read_line()
    assert greeting.startswith(b"* OK ") and greeting.endswith(b"old and ready.\r\n")
    code = greeting[len(b"* OK "):-len(b"old and ready.\r\n")]
    if code:
        assert code.startswith(b"[CAPABILITY ") and code.endswith(b"] ")
        shown = code[len(b"[CAPABILITY "):-2].split(b" ")
        assert len(shown) == len(set(shown))
        assert set(shown) == (in_clear if tls == "starttls" else in_tls)


CHALLENGE = b"+OK ready <1896.697170952@dbc.example>\r\n"


@pytest.mark.conformance("C9")
def test_apop_works_on_an_implicit_port(bench):
    test = bench("pop3", pop3(greeting=CHALLENGE), tls="implicit")
    client = test.connect()
    client.begin_tls()
    assert client.read_line() == CHALLENGE
    apop = b"APOP alice c4c9334bac560ecc979e58001b3e22fb"
    assert client.pop3(apop) == b"+OK logged in\r\n"
    assert client.pop3(b"QUIT") == b"+OK bye\r\n"
    assert test.backend.finished().commands == [apop + b"\r\n", b"QUIT\r\n"]


@pytest.mark.conformance("C9")
def test_the_apop_challenge_is_not_shown_where_tls_is_required(bench):
    test = bench("pop3", pop3(greeting=CHALLENGE))
    client = test.connect()
    greeting = client.read_line()
    assert greeting.startswith(b"+OK") and b"<" not in greeting and b"1896" not in greeting
    assert client.pop3(b"APOP alice c4c9334bac560ecc979e58001b3e22fb").startswith(b"-ERR [AUTH]")


FAREWELLS = {
    "smtp": b"421 4.4.1 ",
    "imap": b"* BYE [UNAVAILABLE] ",
    "pop3": b"-ERR [SYS/TEMP] ",
}


@pytest.mark.conformance("C10")
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("protocol", FAREWELLS)
def test_no_backend_gives_the_farewell_of_the_protocol(
        proxy, new_client, bytewise, protocol, tls):
    ports = Ports()
    proxy.backend("server", ports.reserve(), ports.reserve())
    proxy.listener("test", protocol, tls, "server")
    proxy.start()
    client = new_client(proxy.ports["test"], bytewise=bytewise)
    if tls == "implicit":
        client.begin_tls()
    assert client.read_line().startswith(FAREWELLS[protocol])
    assert client.read_to_end() == b""
    assert client.end is (End.CLOSE_NOTIFY if tls == "implicit" else End.FIN)
    client.close()
    assert proxy.wait_for_event("session").fields["reason"] == "no-backend"
    ports.release()


@pytest.mark.conformance("C10")
@pytest.mark.parametrize("protocol", FAREWELLS)
def test_silent_backends_give_the_farewell_of_the_protocol(proxy, new_backend, new_client,
                                                           protocol):
    proxy.section("timeouts", connect="500ms", greeting="300ms", connect_deadline="1s",
                  drain="2s")
    proxy.backend("server", new_backend([hang()]).port, new_backend([hang()]).port)
    proxy.listener("test", protocol, "starttls", "server")
    proxy.start()
    client = new_client(proxy.ports["test"])
    assert client.read_line().startswith(FAREWELLS[protocol])
    assert client.read_to_end() == b""


@pytest.mark.conformance("C11")
@pytest.mark.parametrize("protocol, early, answer", [
    ("smtp", b"EHLO early.test\r\n", b"250-old.example\r\n"),
    ("imap", b"a NOOP\r\n", b"a OK "),
    ("pop3", b"CAPA\r\n", b"+OK"),
])
def test_bytes_that_come_before_the_greeting_are_served_after_it(bench, protocol, early, answer):
    connected, go = threading.Event(), threading.Event()
    test = bench(protocol, [tell(connected), wait_for(go), *server(protocol)])
    client = test.connect()
    client.send(early)
    assert connected.wait(30)
    go.set()
    assert client.read_line().startswith((b"220 ", b"* OK ", b"+OK "))
    assert client.read_line().startswith(answer)
