"""What a server meets a session with, and whether that marks it: each fault with each protocol, with
a server that knows the client and one that does not, alone and with another one behind it."""

import pytest
from mailmux_e2e.servers import server
from mailmux_e2e.steps import close, reset, send, wait_for_end

GREETING = {"smtp": b"220 good.example ESMTP\r\n", "imap": b"* OK good one\r\n",
            "pop3": b"+OK good one\r\n"}
FAREWELL = {"smtp": b"421 4.4.1", "imap": b"* BYE [UNAVAILABLE]", "pop3": b"-ERR [SYS/TEMP]"}
REFUSAL = {"smtp": b"554 5.7.1 not for you", "imap": b"* BYE not for you",
           "pop3": b"-ERR not for you"}
END = b"\r\n"

# What the server does once it has been connected, and read the header if there is one.
WORDS = {
    "a refusal": lambda p: [send(REFUSAL[p] + END), wait_for_end()],
    "a refusal, and an end": lambda p: [send(REFUSAL[p] + END), close()],
    "a refusal, and a reset": lambda p: [send(REFUSAL[p] + END), reset()],
    "a refusal with bare LF": lambda p: [send(REFUSAL[p] + b"\n"), wait_for_end()],
    "a refusal behind a blank line": lambda p: [send(END + REFUSAL[p] + END), wait_for_end()],
    "a refusal with a NUL and a CR": lambda p: [
        send(REFUSAL[p] + b" \0 \r no" + END), wait_for_end()],
    "a refusal without an end": lambda p: [send(REFUSAL[p]), close()],
}
TOO_LARGE = {
    "one long line": lambda p: [send(REFUSAL[p] + b"x" * 70000 + END), wait_for_end()],
    "a line that never ends": lambda p: [send(REFUSAL[p] + b"x" * 70000), wait_for_end()],
    "a greeting, too long": lambda p: [
        send(GREETING[p][:-2] + b"x" * 70000 + END), wait_for_end()],
}
MANY_LINES = {
    "many lines": [send(b"554-no\r\n" * 600 + b"554 no\r\n"), wait_for_end()],
    "very many lines": [send(b"554-no\r\n" * 20000 + b"554 no\r\n"), wait_for_end()],
    "many lines before it": [send(b"220-no\r\n" * 600 + b"554 no\r\n"), wait_for_end()],
}
FAULTS = {
    "end": lambda p: [close()], "reset": lambda p: [reset()],
    "another protocol": lambda p: [send(b"SSH-2.0-OpenSSH\r\n"), wait_for_end()],
}


def read_header(connection):
    connection.take(28)


@pytest.fixture
def serve(proxy, new_client):
    def start(protocol, ports, knows, **settings):
        proxy.section("timeouts", connect="2s", greeting="2s", connect_deadline="20s", drain="2s")
        if knows:
            settings.update(send_client_address="proxy-v2", proxy_tlvs="none")
        proxy.backend("server", *ports, **{"fall": 1, **settings})
        proxy.listener("test", protocol, "starttls", "server")
        proxy.start()
        return lambda: new_client(proxy.ports["test"])

    return start


KNOWS = pytest.mark.parametrize("knows", [False, True], ids=["unknown", "known"])
PROTOCOLS = pytest.mark.parametrize("protocol", GREETING)


def scripts(script, protocol, knows, times=3):
    header = [read_header] if knows else []
    return [*[[*header, *script]] * times, [*header, *server(protocol, greeting=GREETING[protocol])]]


@pytest.mark.conformance("C4", "C5", "C125")
@KNOWS
@PROTOCOLS
@pytest.mark.parametrize("words", WORDS)
def test_a_refusal_is_heard_and_marks_nothing_however_it_is_written(
        serve, proxy, new_backend, words, protocol, knows):
    backend = new_backend(*scripts(WORDS[words](protocol), protocol, knows))
    connect = serve(protocol, [backend.port], knows)
    for _ in range(3):
        with connect() as client:
            heard = client.read_line()
            assert heard.startswith(REFUSAL[protocol]) and heard.endswith(END), heard
    assert connect().read_line() == GREETING[protocol]
    assert proxy.events("server-down") == [], proxy.log()


@pytest.mark.conformance("C125")
@KNOWS
@PROTOCOLS
@pytest.mark.parametrize("words", TOO_LARGE)
def test_a_greeting_that_is_too_large_marks_nothing(
        serve, proxy, new_backend, words, protocol, knows):
    backend = new_backend(*scripts(TOO_LARGE[words](protocol), protocol, knows))
    connect = serve(protocol, [backend.port], knows)
    for _ in range(3):
        assert connect().read_line().startswith(FAREWELL[protocol])
    assert connect().read_line() == GREETING[protocol]
    assert proxy.events("server-down") == [], proxy.log()


@pytest.mark.conformance("C125")
@pytest.mark.parametrize("words", MANY_LINES)
def test_a_greeting_of_too_many_lines_marks_nothing(serve, proxy, new_backend, words):
    backend = new_backend(*scripts(MANY_LINES[words], "smtp", False))
    connect = serve("smtp", [backend.port], False)
    for _ in range(3):
        assert connect().read_line().startswith(FAREWELL["smtp"])
    assert connect().read_line() == GREETING["smtp"]
    assert proxy.events("server-down") == [], proxy.log()


@pytest.mark.conformance("C125", "C126")
@pytest.mark.parametrize("checked", [False, True], ids=["", "checked"])
@KNOWS
@PROTOCOLS
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_marks_a_server_that_does_not_know_the_client(
        serve, proxy, new_backend, fault, protocol, knows, checked):
    bad = new_backend(*scripts(FAULTS[fault](protocol), protocol, knows, times=1))
    good = new_backend(*scripts([], protocol, knows, times=0))
    settings = {"check": "connect", "check_interval": "1h"} if checked else {}
    connect = serve(protocol, [bad.port, good.port], knows, **settings)
    for _ in range(2):
        assert connect().read_line() == GREETING[protocol]
    proxy.wait_for_event("try-failed" if knows else "server-down")
    marked = [line.fields["server"] for line in proxy.events("server-down")]
    assert marked == ([] if knows else ["server1"]), proxy.log()
