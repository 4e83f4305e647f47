"""A refusal is an answer, and it is the client's: no word of a server takes it away from others, and
the last one is what the client hears."""

import pytest
from mailmux_e2e.ports import Ports
from mailmux_e2e.servers import imap, pop3, server, smtp
from mailmux_e2e.steps import close, reset, send, wait_for_end

REFUSALS = [
    ("smtp", b"421 4.3.2 busy\r\n"), ("smtp", b"450 4.3.2 later\r\n"), ("smtp", b"451 later\r\n"),
    ("smtp", b"521 5.3.2 not for you\r\n"), ("smtp", b"550 5.7.1 Service unavailable\r\n"),
    ("smtp", b"554 5.7.1 no\r\n"), ("smtp", b"571 5.7.1 no\r\n"),
    ("smtp", b"550-5.7.1 no\r\n550 5.7.1 never\r\n"),
    ("imap", b"* BYE [ALERT] no\r\n"), ("imap", b"* NO not for you\r\n"),
    ("imap", b"* BAD not for you\r\n"), ("pop3", b"-ERR [IN-USE] no\r\n"),
]
HEARD = {b"* BYE [ALERT] no\r\n": b"* BYE no\r\n",  # a server in clear vouches for no alert
         b"* NO not for you\r\n": b"* BYE not for you\r\n",
         b"* BAD not for you\r\n": b"* BYE not for you\r\n"}
GREETING = {"smtp": b"220 good.example ESMTP\r\n", "imap": b"* OK good one\r\n",
            "pop3": b"+OK good one\r\n"}
FAREWELL = {"smtp": b"421 4.4.1", "imap": b"* BYE [UNAVAILABLE]", "pop3": b"-ERR [SYS/TEMP]"}


@pytest.fixture
def serve(proxy, new_client):
    """serve(protocol, ports, **settings of the backend) gives a function that connects. One failure
    would mark a server."""

    def start(protocol, ports, timeouts=None, secure=False, listener=None, **settings):
        """secure: TLS toward the servers, by STARTTLS."""
        proxy.section("timeouts", **{"connect": "2s", "greeting": "2s", "connect_deadline": "20s",
                                     "drain": "2s", **(timeouts or {})})
        proxy.section("proxy", workers=1, hostname="mail.example.test",
                      state_directory=proxy.directory / "state")
        if secure:
            settings = {"tls": "starttls", "verify": "no", **settings}
        proxy.backend("server", *ports, **{"fall": 1, **settings})
        proxy.listener("test", protocol, "starttls", "server", **(listener or {}))
        proxy.start()
        return lambda: new_client(proxy.ports["test"])

    return start


def lines_of(client, protocol):
    return client.read_smtp() if protocol == "smtp" else client.read_line()


def assert_unmarked(proxy):
    assert proxy.events("server-down") == [], proxy.log()


@pytest.mark.conformance("C4", "C5", "C125")
@pytest.mark.parametrize("protocol, words", REFUSALS)
def test_a_greeting_that_refuses_marks_no_server(serve, proxy, new_backend, protocol, words):
    """Three are turned away, and hear why; the fourth is served by the same server, at once."""
    backend = new_backend(*[[send(words), wait_for_end()]] * 3,
                          server(protocol, greeting=GREETING[protocol]))
    connect = serve(protocol, [backend.port])
    for _ in range(3):
        with connect() as client:
            assert lines_of(client, protocol) == HEARD.get(words, words)
    assert connect().read_line() == GREETING[protocol]
    assert_unmarked(proxy)


@pytest.mark.conformance("C4", "C5", "C125")
@pytest.mark.parametrize("protocol, words", REFUSALS)
def test_a_greeting_that_refuses_is_left_for_a_second_server(
        serve, proxy, new_backend, protocol, words):
    first = new_backend([send(words), wait_for_end()])
    second = new_backend(server(protocol, greeting=GREETING[protocol]))
    connect = serve(protocol, [first.port, second.port])
    for _ in range(4):
        assert connect().read_line() == GREETING[protocol]
    assert len(first.connections) == 2  # still asked in its turn
    assert_unmarked(proxy)


@pytest.mark.conformance("C4")
@pytest.mark.parametrize("words, closes", [
    (b"421 4.3.2 busy\r\n", True), (b"450 4.3.2 later\r\n", False), (b"521 5.3.2 no\r\n", False),
    (b"550 5.7.1 no\r\n", False), (b"554 5.7.1 no\r\n", False)])
def test_what_a_client_may_say_after_a_refusal(serve, new_backend, words, closes):
    backend = new_backend([send(words), wait_for_end()])
    client = serve("smtp", [backend.port])()
    assert client.read_line() == words
    if closes:
        assert client.read_to_end() == b""
    else:
        assert client.smtp(b"EHLO client.example").startswith(b"503 ")
        assert client.smtp(b"QUIT").startswith(b"221 ")
        client.read_to_end()
    assert b"EHLO" not in backend.finished().received


def no_starttls(protocol):
    words = (b"old.example", b"SIZE 1000")
    return {"smtp": smtp(words=words), "imap": imap(words=b"IMAP4rev1 ID"),
            "pop3": pop3(replies={b"CAPA": b"+OK\r\nTOP\r\n.\r\n"})}[protocol]


def answers(protocol, verb, words):
    return {"smtp": smtp, "imap": imap, "pop3": pop3}[protocol](replies={verb: words})


WORDS_TO_STARTTLS = {
    "smtp 454": ("smtp", answers("smtp", b"STARTTLS", b"454 4.7.0 not now\r\n")),
    "smtp 502": ("smtp", answers("smtp", b"STARTTLS", b"502 5.5.1 what\r\n")),
    "smtp 421": ("smtp", answers("smtp", b"STARTTLS", b"421 4.3.2 bye\r\n")),
    "smtp not offered": ("smtp", no_starttls("smtp")),
    "smtp hello refused": ("smtp", answers("smtp", b"EHLO", b"550 5.7.1 not you\r\n")),
    "smtp hello strange": ("smtp", answers("smtp", b"EHLO", b"354 go on\r\n")),
    "smtp too large": ("smtp", answers("smtp", b"EHLO", b"250-x\r\n" * 300 + b"250 y\r\n")),
    "imap NO": ("imap", answers("imap", b"STARTTLS", b"%T NO not now\r\n")),
    "imap BYE": ("imap", answers("imap", b"STARTTLS", b"* BYE not now\r\n")),
    "imap not offered": ("imap", no_starttls("imap")),
    "imap hello refused": ("imap", answers("imap", b"CAPABILITY", b"%T NO not you\r\n")),
    "pop3 -ERR": ("pop3", answers("pop3", b"STLS", b"-ERR not now\r\n")),
    "pop3 not offered": ("pop3", no_starttls("pop3")),
}


@pytest.mark.conformance("C125", "C127")
@pytest.mark.parametrize("case", WORDS_TO_STARTTLS)
def test_no_word_on_the_way_to_tls_marks_a_server_or_reaches_the_client(
        serve, proxy, new_backend, case):
    protocol, script = WORDS_TO_STARTTLS[case]
    backend = new_backend(script)
    connect = serve(protocol, [backend.port], secure=True)
    for _ in range(3):
        assert connect().read_line().startswith(FAREWELL[protocol])
    assert len(backend.connections) == 3
    assert_unmarked(proxy)


@pytest.mark.conformance("C127")
@pytest.mark.parametrize("greeting, expected", [
    (b"554 5.7.1 written by anyone\r\n", b"421 4.4.1"), (b"421 4.3.2 by anyone\r\n", b"421 4.4.1")])
def test_a_refusal_in_clear_is_not_heard_where_tls_is_asked_for(
        serve, proxy, new_backend, greeting, expected):
    backend = new_backend([send(greeting), wait_for_end()])
    connect = serve("smtp", [backend.port], secure=True)
    assert connect().read_line().startswith(expected)
    assert_unmarked(proxy)


XCLIENT_WORDS = (b"old.example", b"XCLIENT NAME ADDR PORT", b"SIZE 1000")
VERDICTS = {
    "smtp 550": ("smtp", smtp(words=XCLIENT_WORDS, replies={
        b"XCLIENT": b"550 5.7.1 this client is listed\r\n"}), b"550 5.7.1 this client is listed\r\n"),
    "smtp 450": ("smtp", smtp(words=XCLIENT_WORDS, replies={
        b"XCLIENT": b"450-4.7.1 come\r\n450 4.7.1 again\r\n"}),
        b"450-4.7.1 come\r\n450 4.7.1 again\r\n"),
    "smtp 421": ("smtp", smtp(words=XCLIENT_WORDS, replies={
        b"XCLIENT": b"421 4.7.0 too many of you\r\n"}), b"421 4.7.0 too many of you\r\n"),
    "smtp greeting behind XCLIENT": ("smtp", smtp(words=XCLIENT_WORDS, replies={
        b"XCLIENT": b"521 5.3.2 not for you\r\n"}), b"521 5.3.2 not for you\r\n"),
    "smtp hello": ("smtp", smtp(words=XCLIENT_WORDS, replies={
        b"EHLO": b"550 5.7.1 no hello\r\n"}), b"550 5.7.1 no hello\r\n"),
    "imap NO": ("imap", imap(replies={b"ID": b"%T NO [UNAVAILABLE] not for you\r\n"}),
                b"* BYE [UNAVAILABLE] not for you\r\n"),
    "imap BAD": ("imap", imap(replies={b"ID": b"%T BAD not for you\r\n"}),
                 b"* BYE not for you\r\n"),
    "imap BYE": ("imap", imap(replies={b"ID": b"* BYE not for you\r\n"}),
                 b"* BYE not for you\r\n"),
    "pop3": ("pop3", pop3(greeting=b"+OK [XCLIENT] ready\r\n",
                          replies={b"XCLIENT": b"-ERR [AUTH] not for you\r\n"}),
             b"-ERR [AUTH] not for you\r\n"),
}


@pytest.mark.conformance("C125", "C127")
@pytest.mark.parametrize("second", [False, True], ids=["alone", "with a dead server behind it"])
@pytest.mark.parametrize("case", VERDICTS)
def test_a_verdict_about_the_client_is_heard_and_marks_nothing(
        serve, proxy, new_backend, case, second):
    protocol, script, expected = VERDICTS[case]
    ports = Ports()
    backend = new_backend(script)
    connect = serve(protocol, [backend.port] + ([ports.reserve()] if second else []),
                    send_client_address="id" if protocol == "imap" else "xclient")
    for _ in range(3):
        with connect() as client:
            assert lines_of(client, protocol) == expected
    assert len(backend.connections) == 3
    assert [line for line in proxy.events("server-down")
            if line.fields["address"].endswith(f":{backend.port}")] == []
    ports.release()


@pytest.mark.conformance("C125")
@pytest.mark.parametrize("how", [close, reset], ids=["close", "reset"])
@pytest.mark.parametrize("protocol", GREETING)
def test_a_server_that_hangs_up_on_a_client_that_it_knows_is_not_marked(
        serve, proxy, new_backend, protocol, how):
    """postscreen's `drop`: it reads the PROXY header, and has nothing to say to this client."""
    read_header = [lambda connection: connection.take(12), how()]
    backend = new_backend(*[read_header] * 3, [
        lambda connection: connection.take(28), *server(protocol, greeting=GREETING[protocol])])
    connect = serve(protocol, [backend.port], send_client_address="proxy-v2", proxy_tlvs="none")
    for _ in range(3):
        assert connect().read_line().startswith(FAREWELL[protocol])
    assert connect().read_line() == GREETING[protocol]
    assert_unmarked(proxy)


# Marks steer

FAULTS = {"close": [close()], "reset": [reset()], "wrong protocol": [send(b"HTTP/1.1 400\r\n\r\n")]}


@pytest.mark.conformance("C126")
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("protocol", GREETING)
def test_the_only_server_is_tried_whatever_its_mark(serve, proxy, new_backend, protocol, fault):
    """It closed a few times, and is back: the next client is served, though it is marked."""
    backend = new_backend(*[FAULTS[fault]] * 4, server(protocol, greeting=GREETING[protocol]))
    connect = serve(protocol, [backend.port], fall=2)
    for _ in range(4):
        assert connect().read_line().startswith(FAREWELL[protocol])
    proxy.wait_for_event("server-down")
    assert connect().read_line() == GREETING[protocol]
    assert proxy.events("server-up") == []  # two successes would make it one without a mark
    assert connect().read_line() == GREETING[protocol]
    proxy.wait_for_event("server-up")


@pytest.mark.conformance("C126")
@pytest.mark.parametrize("protocol", GREETING)
def test_a_server_that_restarts_serves_the_first_client_that_comes(
        serve, proxy, new_backend, protocol):
    ports = Ports()
    port = ports.reserve()
    connect = serve(protocol, [port])
    for _ in range(3):
        assert connect().read_line().startswith(FAREWELL[protocol])
    proxy.wait_for_event("server-down")
    new_backend(server(protocol, greeting=GREETING[protocol]), port=port)
    assert connect().read_line() == GREETING[protocol]
    ports.release()


@pytest.mark.conformance("C126")
def test_marked_servers_are_tried_when_no_other_is_left(serve, proxy, new_backend):
    """The one whose failure is oldest comes first."""
    first = new_backend([close()], server("smtp", greeting=b"220 first\r\n"))
    second = new_backend([close()], server("smtp", greeting=b"220 second\r\n"))
    connect = serve("smtp", [first.port, second.port])
    assert connect().read_line().startswith(FAREWELL["smtp"])
    proxy.wait_for_event("server-down", 2)
    assert connect().read_line() == b"220 first\r\n"


@pytest.mark.conformance("C126")
@pytest.mark.parametrize("protocol", GREETING)
def test_only_a_failed_check_turns_away_without_a_try(serve, proxy, new_backend, protocol):
    ports = Ports()
    port = ports.reserve()
    connect = serve(protocol, [port], check="greeting", check_interval="500ms",
                    check_timeout="2s", rise=1)
    proxy.wait_for_event("server-down")
    with connect() as client:
        assert client.read_line().startswith(FAREWELL[protocol])
    line = proxy.wait_for_event("session")
    assert line.fields["tries"] == "0"
    assert line.fields["untried"] == "the last check of every server failed"
    new_backend(server(protocol, greeting=GREETING[protocol]), port=port)
    proxy.wait_for_event("server-up")
    assert connect().read_line() == GREETING[protocol]
    ports.release()


@pytest.mark.conformance("C126")
def test_why_no_server_was_tried_is_in_the_log(serve, proxy):
    ports = Ports()
    port = ports.reserve()
    connect = serve("smtp", [port])
    proxy.section("backend server", server=f"a 127.0.0.1:{port} maintenance")
    assert proxy.reload().event == "reloaded"
    with connect() as client:
        assert client.read_line().startswith(FAREWELL["smtp"])
    line = proxy.wait_for_event("session")
    assert line.fields["untried"] == "all servers are in maintenance or drain"
    ports.release()


# Places

@pytest.mark.parametrize("how, protocol, script", [
    ("id", "imap", imap()), ("xclient", "pop3", pop3(greeting=b"+OK [XCLIENT] ready\r\n", replies={
        b"XCLIENT": b"+OK known\r\n"}))])
def test_a_session_that_dials_anew_keeps_its_place(serve, new_backend, how, protocol, script):
    """One place, one client that waits for it, and a STARTTLS that the server is to hear of."""
    backend = new_backend(script)
    connect = serve(protocol, [f"{backend.port} max_sessions=1"], listener={"require_tls": "no"},
                    send_client_address=how, queue_size=1, queue_timeout="10m",
                    timeouts={"connect_deadline": "10m"})
    first = connect()
    first.read_line()
    waiting = connect()
    assert connect().read_line().startswith(FAREWELL[protocol])  # the queue is full
    first.starttls(protocol)
    first.send({"imap": b"b LOGOUT\r\n", "pop3": b"QUIT\r\n"}[protocol])
    first.read_to_end()
    assert len(backend.connections) >= 2  # both are the first client's
    assert not waiting.read_line().startswith(FAREWELL[protocol])


def test_maintenance_answers_those_who_wait(serve, proxy, new_backend):
    backend = new_backend(server("smtp", greeting=b"220 a\r\n"))
    connect = serve("smtp", [f"{backend.port} max_sessions=1"], queue_size=1, queue_timeout="10m",
                    timeouts={"connect_deadline": "10m"})
    first = connect()
    assert first.read_line() == b"220 a\r\n"
    waiting = connect()
    assert connect().read_line().startswith(FAREWELL["smtp"])  # the queue is full
    proxy.section("backend server", server=f"server1 127.0.0.1:{backend.port} maintenance",
                  queue_size=1, queue_timeout="10m")
    assert proxy.reload().event == "reloaded"
    assert waiting.read_line().startswith(FAREWELL["smtp"])
