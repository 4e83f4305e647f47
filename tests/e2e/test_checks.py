"""Health checks that speak mail: what they say, what they find, and what the servers' logs make of
them."""

import re
import signal
import threading

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.backend import Backend
from mailmux_e2e.certificates import NAME
from mailmux_e2e.legacy import LegacyServer
from mailmux_e2e.ports import Ports
from mailmux_e2e.servers import server, smtp, starttls, tls_server
from mailmux_e2e.steps import close, expect, expect_end, hang, send, start_tls, wait_for_end

PROTOCOLS = ["smtp", "imap", "pop3"]
LEAVE = {"smtp": b"QUIT\r\n", "imap": b"m1 LOGOUT\r\n", "pop3": b"QUIT\r\n"}
ASK = {"smtp": f"EHLO {NAME}\r\n".encode(), "imap": b"m1 CAPABILITY\r\n", "pop3": b"CAPA\r\n"}
ASK_AND_LEAVE = {"smtp": ASK["smtp"] + b"QUIT\r\n", "imap": ASK["imap"] + b"m2 LOGOUT\r\n",
                 "pop3": ASK["pop3"] + b"QUIT\r\n"}
IN_TLS = {"smtp": ASK["smtp"] + b"STARTTLS\r\n" + ASK["smtp"] + b"QUIT\r\n",
          "imap": b"m1 CAPABILITY\r\nm2 STARTTLS\r\nm3 CAPABILITY\r\nm4 LOGOUT\r\n",
          "pop3": b"CAPA\r\nSTLS\r\nCAPA\r\nQUIT\r\n"}
FAREWELLS = {"smtp": b"421 4.4.1 ", "imap": b"* BYE [UNAVAILABLE]", "pop3": b"-ERR [SYS/TEMP]"}
# Version 1 has no word of its own for it that Postfix would take: the ends are the connection's.
OWN = {"proxy-v1": rb"PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ \d+\r\n",
       "proxy-v2": rb"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"}
each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)


@pytest.fixture
def serve(proxy, new_client):
    """serve(protocol, ports, **settings of the backend) gives a function that connects."""

    def start(protocol, ports, **settings):
        settings = {"check": "greeting", "check_interval": "200ms", "check_timeout": "10s",
                    **settings}
        proxy.backend("server", *ports, **settings)
        proxy.listener("test", protocol, "starttls", "server")
        proxy.start()
        return lambda: new_client(proxy.ports["test"])

    return start


def received(backend, count=2):
    """What each of the first checks said, once it has taken its leave."""
    return [bytes(backend.finished(number).received) for number in range(count)]


# What is said on the wire


@each_protocol
def test_a_greeting_is_waited_for_and_taken_leave_of(serve, proxy, new_backend, protocol):
    backend = new_backend([*server(protocol), expect_end()])
    serve(protocol, [backend.port])
    assert received(backend) == [LEAVE[protocol]] * 2
    assert not proxy.events("check-failed")


@each_protocol
def test_a_check_takes_its_leave_though_mailmux_ends(serve, proxy, new_backend, protocol):
    go_on = threading.Event()
    backend = new_backend([lambda _: go_on.wait(CEILING), *server(protocol), expect_end()])
    serve(protocol, [backend.port], check_timeout="1m")
    backend.connection()
    proxy.send_signal(signal.SIGTERM)
    proxy.wait_for_event("drain")
    go_on.set()
    assert received(backend, 1) == [LEAVE[protocol]]
    proxy.finished()
    assert len(backend.connections) == 1


@pytest.mark.parametrize("insists", [True, False], ids=["second signal", "drain is over"])
def test_a_check_that_hangs_does_not_keep_mailmux(serve, proxy, new_backend, insists):
    backend = new_backend([wait_for_end()])
    proxy.section("timeouts", drain="1h" if insists else "100ms")
    serve("smtp", [backend.port], check_timeout="5m")
    backend.connection()
    proxy.send_signal(signal.SIGTERM)
    proxy.wait_for_event("drain")
    if insists:
        proxy.send_signal(signal.SIGTERM)
    proxy.finished()
    backend.finished()


@each_protocol
def test_capabilities_are_asked_for(serve, new_backend, protocol):
    backend = new_backend([*server(protocol), expect_end()])
    serve(protocol, [backend.port], check="capabilities")
    assert received(backend) == [ASK_AND_LEAVE[protocol]] * 2


@each_protocol
def test_starttls_is_gone_through(serve, new_backend, certificates, protocol):
    begin = start_tls(certificates.rsa)
    backend = new_backend([*tls_server(protocol, "starttls", begin), expect_end()])
    serve(protocol, [backend.port], check="starttls", tls="starttls", ca=certificates.authority)
    assert received(backend) == [IN_TLS[protocol]] * 2
    assert not backend.connections[0].truncated


@pytest.mark.parametrize("check, said", [("greeting", LEAVE), ("capabilities", ASK_AND_LEAVE)])
@each_protocol
def test_implicit_tls_is_used(serve, new_backend, certificates, protocol, check, said):
    backend = new_backend([start_tls(certificates.rsa), *server(protocol), expect_end()])
    serve(protocol, [backend.port], check=check, tls="implicit", ca=certificates.authority)
    assert received(backend) == [said[protocol]] * 2
    assert backend.connections[0].tls is not None


@pytest.mark.parametrize("check", ["connect", "greeting", "capabilities"])
@pytest.mark.parametrize("how", OWN)
def test_a_header_says_that_it_is_no_clients_connection(serve, new_backend, how, check):
    def take_header(connection):
        connection.read_line() if how == "proxy-v1" else connection.take(16)

    script = [wait_for_end()] if check == "connect" else server("smtp")
    backend = new_backend([take_header, *script])
    serve("smtp", [backend.port], check=check, send_client_address=how)
    behind = {"connect": b"", "greeting": LEAVE["smtp"], "capabilities": ASK_AND_LEAVE["smtp"]}
    for said in received(backend):
        assert re.fullmatch(OWN[how] + behind[check], said), said


def test_a_connection_may_be_all_that_is_wanted(serve, proxy, new_backend):
    backend = new_backend([wait_for_end()])
    serve("imap", [backend.port], check="connect")
    assert received(backend, 3) == [b""] * 3
    assert not proxy.events("check-failed")


@pytest.mark.parametrize("check", ["none", None])
def test_nobody_is_checked_unasked(proxy, new_backend, new_client, check):
    """Another backend's checks come and go meanwhile."""
    quiet, checked = new_backend(server("smtp")), new_backend(server("smtp"))
    proxy.backend("quiet", quiet.port, check_interval="100ms",
                  **({"check": check} if check else {}))
    proxy.backend("checked", checked.port, check="greeting", check_interval="100ms")
    proxy.listener("one", "smtp", "starttls", "quiet")
    proxy.listener("other", "smtp", "starttls", "checked")
    proxy.start()
    checked.finished(4)
    assert not quiet.connections


def test_a_server_that_does_not_answer_the_goodbye_is_good(serve, proxy, new_backend):
    backend = new_backend([send(b"220 slow to part\r\n"), wait_for_end()])
    serve("smtp", [backend.port], check_timeout="1s")
    assert received(backend, 3) == [LEAVE["smtp"]] * 3
    assert not proxy.events("check-failed")


# What is found


BAD = [
    ("smtp", "greeting", [hang()], "no greeting in time"),
    ("imap", "greeting", [], "closed before its greeting"),
    ("smtp", "greeting", [send(b"* OK IMAP here\r\n"), wait_for_end()],
     "does not speak this protocol"),
    ("imap", "greeting", [send(b"220 SMTP here\r\n"), wait_for_end()],
     "does not speak this protocol"),
    ("smtp", "greeting", [send(b"421 4.3.2 busy\r\n"), close()], "refused by its greeting"),
    ("smtp", "greeting", [send(b"554 5.7.1 closed\r\n"), expect(b"QUIT\r\n"),
                          send(b"221 bye\r\n"), expect_end()], "refused by its greeting"),
    ("imap", "greeting", [send(b"* BYE busy\r\n"), wait_for_end()], "refused by its greeting"),
    ("pop3", "greeting", [send(b"-ERR busy\r\n"), close()], "refused by its greeting"),
    ("smtp", "capabilities", smtp(replies={b"EHLO": b"502 no\r\n"}),
     "does not tell its capabilities"),
    ("smtp", "capabilities", smtp(replies={b"EHLO": b"421 4.3.2 busy\r\n"}),
     "said goodbye before a session began"),
    ("pop3", "capabilities", [send(b"+OK\r\n"), hang()], "no answer in time"),
]


@pytest.mark.parametrize("protocol, check, script, why", BAD, ids=lambda value: None)
def test_a_server_that_is_bad_is_down(serve, proxy, new_backend, protocol, check, script, why):
    backend = new_backend(script)
    limit = "400ms" if why.endswith("in time") else "1s"
    connect = serve(protocol, [backend.port], check=check, check_timeout=limit)
    down = proxy.wait_for_event("server-down")
    assert (down.fields["why"], down.fields["marks"]) == (why, "3")
    assert [line.fields["why"] for line in proxy.events("check-failed")] == [why]
    backend.connection(2)
    client = connect()
    assert client.read_line().startswith(FAREWELLS[protocol])
    assert client.read_to_end() == b""


def test_a_server_that_is_not_there_is_down(serve, proxy):
    ports = Ports()
    serve("smtp", [ports.reserve()])
    assert proxy.wait_for_event("server-down").fields["why"] == "Connection refused"
    ports.release()


@pytest.mark.parametrize("check", ["capabilities", "starttls"])
@each_protocol
def test_starttls_must_be_offered_where_sessions_need_it(
        serve, proxy, new_backend, certificates, protocol, check):
    words = {"smtp": [b"old.example", b"8BITMIME"], "imap": b"IMAP4rev1", "pop3": [b"USER"]}
    backend = new_backend([*server(protocol, words=words[protocol]), expect_end()])
    serve(protocol, [backend.port], check=check, tls="starttls", ca=certificates.authority)
    assert proxy.wait_for_event("server-down").fields["why"] == "does not offer STARTTLS"
    assert received(backend) == [ASK_AND_LEAVE[protocol]] * 2


CERTIFICATES = [
    ("expired", {"expired": True}, "certificate has expired"),
    ("wrong-name", {"names": "DNS:other.example"}, "IP address mismatch"),
    ("self-made", {"issuer": "self"}, "self-signed certificate"),
]


@pytest.mark.parametrize("mode, check", [("starttls", "starttls"), ("implicit", "greeting")])
@pytest.mark.parametrize("kind, options, why", CERTIFICATES, ids=lambda value: None)
def test_a_certificate_that_sessions_would_refuse_takes_it_down(
        serve, proxy, new_backend, certificates, kind, options, why, mode, check):
    pair = certificates.other(kind, **options)
    backend = new_backend(tls_server("smtp", mode, start_tls(pair)))
    serve("smtp", [backend.port], check=check, tls=mode, ca=certificates.authority)
    assert why in proxy.wait_for_event("server-down").fields["why"]


def test_in_clear_where_tls_should_be_is_told(serve, proxy, new_backend, certificates):
    backend = new_backend(smtp())
    serve("smtp", [backend.port], tls="implicit", ca=certificates.authority)
    assert proxy.wait_for_event("server-down").fields["why"].startswith("TLS failed: ")


# Marks


def test_as_many_in_a_row_as_are_configured_change_the_mark(serve, proxy, new_backend):
    bad, good = [send(b"421 4.3.2 busy\r\n"), close()], server("smtp")
    backend = new_backend(bad, bad, good, bad, bad, bad, good, bad, good, good, good)
    serve("smtp", [backend.port], fall=3, rise=3)
    up = proxy.wait_for_event("server-up")
    assert up.fields["marks"] == "3"
    assert up.fields["why"] == "its check passed"
    assert [line.fields["marks"] for line in proxy.events("server-down")] == ["3"]
    order = [line.event for line in proxy.lines
             if line.event in ("check-failed", "check-passed", "server-down", "server-up")]
    assert order == ["check-failed", "check-passed", "check-failed", "server-down",
                     "check-passed", "check-failed", "check-passed", "server-up"]
    backend.connection(10)


@each_protocol
def test_all_down_is_answered_at_once_and_over_with_one_check(serve, proxy, protocol):
    ports = Ports()
    first, second = ports.reserve(), ports.reserve()
    connect = serve(protocol, [first, second], fall=1, rise=1)
    proxy.wait_for_event("server-down", 2)
    client = connect()
    assert client.read_line().startswith(FAREWELLS[protocol])
    assert client.read_to_end() == b""
    proxy.wait_for_event("session")
    assert proxy.events("session")[0].fields["tries"] == "0"
    with Backend(server(protocol), port=second) as backend:
        up = proxy.wait_for_event("server-up")
        assert (up.fields["server"], up.fields["marks"]) == ("server2", "1")
        assert len(backend.connections) < 40  # and not those of the ten seconds of a hold-back
        assert bytes(backend.finished(0).received) == LEAVE[protocol]
        assert connect().read_line() in (b"220 old.example ESMTP\r\n",
                                         b"* OK old server ready\r\n", b"+OK old server ready\r\n")
    ports.release()


@pytest.mark.quick
def test_a_session_never_tries_what_checks_have_found_down(serve, proxy, new_backend):
    bad = new_backend([])
    good = new_backend(server("smtp"))
    connect = serve("smtp", [bad.port, good.port], fall=1)
    proxy.wait_for_event("server-down")
    for _ in range(4):
        assert connect().read_line() == b"220 old.example ESMTP\r\n"
    assert not proxy.events("try-failed")


def test_maintenance_is_left_alone_and_drain_is_not(proxy, new_backend):
    backends = [new_backend(server("smtp")) for _ in range(3)]
    words = ["", " drain", " maintenance"]
    proxy.section("backend server", check="greeting", check_interval="100ms",
                  server=[f"127.0.0.1:{backend.port}{word}"
                          for backend, word in zip(backends, words)])
    proxy.listener("test", "smtp", "starttls", "server")
    proxy.start()
    backends[0].finished(4)
    backends[1].finished(4)
    assert not backends[2].connections


def test_marks_and_times_outlive_a_reload(serve, proxy, new_backend):
    bad, good = new_backend([]), new_backend(server("smtp"))
    connect = serve("smtp", [bad.port, good.port], fall=1)
    proxy.wait_for_event("server-down")
    assert proxy.reload().event == "reloaded"
    good.finished(len(good.connections) + 2)
    bad.connection(len(bad.connections) + 1)
    for _ in range(4):
        assert connect().read_line() == b"220 old.example ESMTP\r\n"
    assert len(proxy.events("server-down")) == 1
    assert len(proxy.events("check-failed")) == 1
    assert not proxy.events("try-failed")


def test_a_reload_begins_and_ends_checks(serve, proxy, new_backend):
    backend, other = new_backend(server("smtp")), new_backend(server("smtp"))
    connect = serve("smtp", [backend.port], check="none")
    proxy.backend("server", backend.port, other.port, check="greeting", check_interval="100ms")
    assert proxy.reload().event == "reloaded"
    backend.finished(2)
    other.finished(2)
    proxy.backend("server", backend.port, other.port)
    proxy.backend("elsewhere", other.port, check="greeting", check_interval="100ms")
    proxy.listener("more", "smtp", "starttls", "elsewhere")
    assert proxy.reload().event == "reloaded"
    count = len(backend.connections)
    other.finished(len(other.connections) + 3)
    assert len(backend.connections) <= count + 1  # one may have been on its way
    assert connect().read_line() == b"220 old.example ESMTP\r\n"


# News


def test_servers_that_offer_different_things_are_told_of_once(serve, proxy, new_backend):
    words = [[b"one", b"SIZE 1000", b"AUTH PLAIN LOGIN", b"8BITMIME"],
             [b"two", b"AUTH LOGIN PLAIN", b"8bitmime", b"SIZE 1000"],
             [b"three", b"SIZE 1000", b"AUTH PLAIN", b"8BITMIME", b"SMTPUTF8"]]
    backends = [new_backend(smtp(words=one)) for one in words]
    serve("smtp", [backend.port for backend in backends], check="capabilities")
    proxy.wait_for_event("capabilities-differ")
    for backend in backends:
        backend.finished(4)
    lines = proxy.events("capabilities-differ")
    assert lines[0].level == "warning"
    told = {(line.fields["server"], line.fields["other"]): (line.fields["only_here"],
                                                            line.fields["only_there"])
            for line in lines}
    assert len(told) == len(lines)
    for (here, there), (only_here, only_there) in told.items():
        assert "server3" in (here, there)
        if there == "server3":
            only_here, only_there = only_there, only_here
        assert (only_here, only_there) == ("SMTPUTF8", "AUTH LOGIN")


@pytest.mark.conformance("C42")
@pytest.mark.parametrize("tls", ["implicit", "none"])
def test_channel_binding_behind_tls_is_told_of_once(serve, proxy, new_backend, certificates, tls):
    words = b"IMAP4rev1 AUTH=SCRAM-SHA-256 AUTH=SCRAM-SHA-256-PLUS"
    script = server("imap", words=words)
    if tls == "implicit":
        script = [start_tls(certificates.rsa), *script]
    backend = new_backend(script)
    settings = {"ca": certificates.authority} if tls == "implicit" else {}
    serve("imap", [backend.port], check="capabilities", tls=tls, **settings)
    backend.finished(3)
    assert len(proxy.events("channel-binding")) == (tls == "implicit")


def test_a_certificate_that_soon_expires_is_told_of_once_a_day(
        serve, proxy, new_backend, certificates):
    """The certificates of these tests are good for two days."""
    backend = new_backend(tls_server("smtp", "starttls", start_tls(certificates.rsa)))
    serve("smtp", [backend.port], check="starttls", tls="starttls", ca=certificates.authority)
    backend.finished(3)
    lines = proxy.events("certificate-expires")
    assert len(lines) == 1
    assert (lines[0].fields["name"], lines[0].fields["days"]) == (NAME, "1")


def test_an_expired_certificate_that_need_not_be_good_is_told_of(
        serve, proxy, new_backend, certificates):
    pair = certificates.other("expired", expired=True)
    backend = new_backend(tls_server("smtp", "starttls", start_tls(pair)))
    serve("smtp", [backend.port], check="starttls", tls="starttls", verify="no")
    backend.finished(2)
    assert [line.fields["why"] for line in proxy.events("certificate-expires")] == [
        "it has expired"]
    assert not proxy.events("check-failed")


# Real servers


ALARMING = re.compile(
    r"warning|error|fatal|panic|lost connection|timeout after|improper command pipelining|"
    r"Disconnected: (?!Aborted login by logging out)|Connection closed|SSL_accept|TLS.*fail", re.I)


@pytest.mark.parametrize("check, tls, address", [
    ("greeting", "none", "none"), ("greeting", "starttls", "none"),
    ("capabilities", "none", "proxy-v1"), ("capabilities", "implicit", "none"),
    ("starttls", "starttls", "none"), ("starttls", "starttls", "proxy-v2")])
def test_real_servers_are_not_alarmed(proxy, certificates, check, tls, address):
    options = [] if tls == "none" else ["--tls", tls, str(certificates.rsa.certificate),
                                        str(certificates.rsa.key)]
    options += ["--address", "proxy"] if address != "none" else []
    legacy = LegacyServer(*options)
    try:
        before = len(legacy.log())
        for protocol in PROTOCOLS:
            settings = {} if tls == "none" else {"tls": tls, "ca": certificates.authority}
            settings["send_client_address"] = address
            proxy.backend(protocol, getattr(legacy, protocol), check=check, check_interval="300ms",
                          rise=1, fall=1, **settings)
            proxy.listener(protocol, protocol, "starttls", protocol)
        proxy.start()
        legacy.wait_for_log(3, r"postfix/smtpd\[\d+\]: disconnect from", "imap-login: ",
                            "pop3-login: ")
        assert not proxy.events("check-failed"), proxy.log()
        proxy.stop()
        alarming = [line for line in legacy.log()[before:].splitlines() if ALARMING.search(line)]
        assert not alarming, "\n".join(alarming)
    finally:
        legacy.stop()
