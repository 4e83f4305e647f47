"""What a peer can make grow has a bound: conformance C34, C52, C55 to C58 and C60, attacks A24 to A26
and A29.
"""

import os
import threading
from pathlib import Path

import pytest
from mailmux_e2e import CEILING, until
from mailmux_e2e.attacks import client_hello
from mailmux_e2e.client import Client, End
from mailmux_e2e.listeners import GREETINGS, NOOP, UPGRADE, is_served, reach_tls
from mailmux_e2e.memory import LEAN, SHADOW, least_growth, resident
from mailmux_e2e.servers import imap, pop3, server, smtp, smtp_chunk
from mailmux_e2e.steps import expect_line, send

each_protocol = pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3"])
each_tls = pytest.mark.parametrize("tls", ["starttls", "implicit"])
FAREWELL = {"smtp": b"421 ", "imap": b"* BYE ", "pop3": b"-ERR"}
PACE = 0.02  # between the bytes of a client that drips


def drip(client, words):
    """Sends byte after byte, slowly and without end, until the connection has ended; gives all that
    came meanwhile.
    """
    client.socket.settimeout(PACE)
    came = b""
    for n in range(int(CEILING / PACE)):
        try:
            data = client.socket.recv(4096)
            if not data:
                return came
            came += data
        except TimeoutError:
            pass
        except ConnectionResetError:
            return came
        try:
            client.socket.sendall(words[n % len(words):][:1])
        except OSError:
            return came
    raise AssertionError("it went on for ever")


# A24: handshakes that do not go on

def begin_upgrade(port, protocol, tls):
    client = Client(port)
    if tls == "starttls":
        assert client.read_line().startswith(GREETINGS)
        client.send(UPGRADE[protocol])
        assert client.read_line().startswith((b"220 ", b"t OK ", b"+OK"))
    return client


@pytest.mark.conformance("C104", "C38")
@pytest.mark.parametrize("sent", [0, 1, 5, 100, None])
@each_tls
@each_protocol
def test_a24_a_handshake_that_stops_is_closed(proxy, field, protocol, tls, sent):
    proxy.section("timeouts", handshake="300ms", drain="2s")
    target = field(protocol, tls=tls)
    client = begin_upgrade(target.port, protocol, tls)
    client.send(client_hello()[:sent])
    answer = client.read_to_end()
    assert answer[:1] in (b"", b"\x15", b"\x16"), answer
    client.close()
    assert target.proxy.wait_for_event("session").fields["reason"] == "handshake-timeout"
    if tls == "starttls":
        assert target.backend.connection().ended.wait(CEILING)


@pytest.mark.conformance("C104")
@each_tls
def test_a24_a_handshake_that_drips_has_no_more_time(proxy, field, tls):
    """A record of 16 KiB whose bytes come one by one: each is progress, and none buys time."""
    proxy.section("timeouts", handshake="500ms", drain="2s")
    target = field("imap", tls=tls)
    client = begin_upgrade(target.port, "imap", tls)
    client.send(b"\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03")
    drip(client, b"x")
    assert target.proxy.wait_for_event("session").fields["reason"] == "handshake-timeout"


@pytest.mark.conformance("C34", "C104")
@each_protocol
def test_a24_over_the_cap_of_handshakes_tls_is_refused_for_the_moment(
        proxy, new_backend, protocol):
    """Two that do not go on fill it. STARTTLS gets a temporary no and stays offered, an implicit port
    closes before the handshake, who is in already is served; afterwards all is as before.
    """
    proxy.section("limits", handshakes=2)
    proxy.backend("server", new_backend(server(protocol)).port)
    proxy.listener("clear", protocol, "starttls", "server")
    proxy.listener("implicit", protocol, "implicit", "server")
    proxy.start()
    names = {"smtp": ("smtp", "smtps"), "imap": ("imap", "imaps"), "pop3": ("pop3", "pop3s")}
    starttls, implicit = names[protocol]
    established = reach_tls(proxy.ports["implicit"], implicit)
    waiting = Client(proxy.ports["clear"])
    assert waiting.read_line().startswith(GREETINGS)
    held = [begin_upgrade(proxy.ports["clear"], protocol, "starttls") for _ in range(2)]

    for _ in range(3):
        waiting.send(UPGRADE[protocol])
        assert waiting.read_line().startswith(
            (b"454 4.7.0 ", b"t NO [UNAVAILABLE] ", b"-ERR [SYS/TEMP] "))
    assert is_served(waiting, starttls)
    ask = {"smtp": b"EHLO c.test\r\n", "imap": b"c CAPABILITY\r\n", "pop3": b"CAPA\r\n"}
    waiting.send(ask[protocol])
    end = {"smtp": b"250 ", "imap": b"c OK", "pop3": b".\r\n"}[protocol]
    assert b"STLS\r\n" in (words := waiting.read_until(end)) or b"STARTTLS" in words
    waiting.read_until(b"\r\n") if protocol != "pop3" else None

    refused = Client(proxy.ports["implicit"])
    try:
        refused.send(client_hello())
    except OSError:
        pass
    assert refused.read_to_end() == b""
    assert proxy.wait_for_event("session").fields["reason"] == "too-many-handshakes"
    assert is_served(established, implicit)

    for one in held:
        one.close()
    proxy.wait_for_event("session", 3)
    waiting.send(UPGRADE[protocol])
    assert waiting.read_line().startswith((b"220 ", b"t OK ", b"+OK"))
    waiting.begin_tls()
    assert is_served(waiting, starttls)
    for one in (waiting, established, refused):
        one.close()


# A25: commands that do not come to an end

@pytest.mark.conformance("C105")
@each_protocol
def test_a25_a_line_that_drips_has_no_more_time(proxy, field, protocol):
    proxy.section("timeouts", line="500ms", drain="2s")
    target = field(protocol)
    client = target.connect()
    assert drip(client, b"a" * 1000).startswith(FAREWELL[protocol])
    client.close()
    assert target.proxy.wait_for_event("session").fields["reason"] == "line-timeout"
    assert target.backend.finished().received == b""


@pytest.mark.conformance("C106")
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a25_commands_do_not_put_off_the_login(proxy, field, protocol):
    proxy.section("timeouts", login="500ms", drain="2s")
    target = field(protocol)
    client = Client(target.port)
    assert FAREWELL[protocol] in drip(client, NOOP[protocol])
    client.close()
    assert target.proxy.wait_for_event("session").fields["reason"] == "login-timeout"


# C34, C60

BAD = {
    "smtp": [b"XCLIENT x", b"STARTTLS now", b"NOOP \0", b"\x01", b"TURN", b"XFROB", b"NOOP\rx",
             b"STARTTLS" + b" x" * 3000, b"XFORWARD", b"STARTTLS =="],
    "imap": [b"a FROB", b"a STARTTLS x", b"a NOOP \0", b"", b"a", b"* OK", b"a UNAUTHENTICATE",
             b"a STARTTLS {3+}\r\nabc", b"a NOOP " + b"x" * 5000, b"a COMPRESS DEFLATE"],
    "pop3": [b"FROB", b"STLS x", b"NOOP \0", b"", b"STAT", b"RETR 1", b"TOP 1 1", b"NOOP\rx",
             b"CAPA " + b"x" * 5000, b"XCLIENT x"],
}


@pytest.mark.conformance("C60", "C62")
@pytest.mark.parametrize("stage", ["in clear", "in TLS behind a hello"])
@each_protocol
def test_ten_bad_commands_close(field, protocol, stage):
    """Of all kinds, with good ones in between; the ninth does not, the tenth does."""
    target = field(protocol)
    client = target.connect(stage)
    for number, line in enumerate(BAD[protocol]):
        client.send(line + b"\r\n")
        answer = client.read_line()
        assert answer.startswith((b"50", b"530 ", b"550 ", b"a ", b"* BAD", b"-ERR")), (line, answer)
        if number < 9:
            client.send(NOOP[protocol])
            assert b"noop" in client.read_line()
    assert client.read_to_end().startswith(FAREWELL[protocol])
    client.close()
    assert target.proxy.wait_for_event("session").fields["reason"] == "too-many-bad-commands"


@pytest.mark.conformance("C60")
@each_protocol
def test_how_many_bad_commands_close_is_a_setting(proxy, field, protocol):
    proxy.section("limits", bad_commands=3)
    target = field(protocol)
    client = target.connect()
    client.send(b"".join(line + b"\r\n" for line in BAD[protocol][:2]))
    for _ in range(2):
        client.read_line()
    assert is_served(client, protocol)
    client.send(BAD[protocol][3] + b"\r\n")
    client.read_line()
    assert client.read_to_end().startswith(FAREWELL[protocol])
    client.close()


# C62

MARK = b"SeCrEt<script>"
ECHOES = {
    "smtp": [b"%b", b"EHLO %b\0", b"STARTTLS %b", b"XCLIENT %b", b"AUTH %b-PLUS", b"MAIL %b\r",
             b"TURN %b", b"BDAT %b"],
    "imap": [b"(%b", b"a %b", b"a LOGIN %b", b"a LOGIN x y %b", b"a STARTTLS %b", b"a NOOP %b",
             b"a AUTHENTICATE %b-PLUS", b'a ID ("x" %b', b"(%b NOOP", b"a %b {99999}",
             b"a LOGIN {3} %b"],
    "pop3": [b"%b", b"USER", b"STLS %b", b"AUTH %b-PLUS", b"APOP %b", b"XFROB %b", b"NOOP %b\0"],
}


@pytest.mark.conformance("C62")
@pytest.mark.parametrize("stage", ["in clear", "in TLS behind a hello"])
@each_protocol
def test_no_error_of_ours_echoes_what_was_sent(field, protocol, stage):
    target = field(protocol)
    for line in ECHOES[protocol]:
        line = line.replace(b"%b", MARK)
        for whole in (line, line + b" " * 5000 + MARK):
            outcome = target.attack([whole + b"\r\n"], stage, goodbye=True)
            assert outcome.answer and b"SeCrEt" not in outcome.answer, outcome
            assert b"script" not in outcome.answer, outcome


# C52: replies without end

def pour(data, until):
    """The same bytes again and again until the proxy has had enough; that must be soon."""
    def step(connection):
        try:
            for _ in range(until // len(data)):
                connection._socket.sendall(data)
        except OSError:
            return
        connection.ended.poured = True  # all of it was taken
    return step


GREETING = {"smtp": b"220 x\r\n", "imap": b"* OK x\r\n", "pop3": b"+OK x\r\n"}
ENDLESS = {
    ("smtp", "line"): b"250-" + b"x" * 65536, ("smtp", "lines"): b"250-x\r\n" * 1000,
    ("smtp", "octets"): (b"250-" + b"x" * 2000 + b"\r\n") * 10,
    ("imap", "line"): b"* OK " + b"x" * 65536, ("imap", "lines"): b"* OK x\r\n" * 1000,
    ("imap", "octets"): (b"* OK " + b"x" * 2000 + b"\r\n") * 10,
    ("imap", "parentheses"): b"* LIST " + b"(" * 65536,
    ("imap", "literal"): b"* LIST () x {2000000}\r\n" + b"x" * 65536,
    ("pop3", "line"): b"+OK x\r\n" + b"x" * 65536, ("pop3", "lines"): b"+OK x\r\n" + b"x\r\n" * 1000,
    ("pop3", "octets"): b"+OK x\r\n" + (b"x" * 2000 + b"\r\n") * 10,
}
ASK = {"smtp": b"EHLO c.test\r\n", "imap": b"a CAPABILITY\r\n", "pop3": b"CAPA\r\n"}


@pytest.mark.conformance("C52")
@each_tls
@pytest.mark.parametrize("protocol, kind", ENDLESS)
def test_a26_a_reply_without_end_closes_with_the_farewell(field, protocol, kind, tls):
    """Sixty-four megabytes of it are never taken: what is read is what fits the bound."""
    target = field(protocol, [send(GREETING[protocol]), expect_line(rb".*"),
                              pour(ENDLESS[protocol, kind], 64 << 20)], tls=tls)
    client = target.connect()
    client.send(ASK[protocol])
    lines = client.read_to_end().split(b"\r\n")
    assert lines[-1] == b"" and lines[-2].startswith(FAREWELL[protocol]), lines[-3:]
    assert sum(map(len, lines)) < 80000
    client.close()
    reason = target.proxy.wait_for_event("session").fields["reason"]
    assert reason in ("server-reply-too-large", "server-protocol-violation")
    connection = target.backend.connection()
    assert connection.ended.wait(CEILING) and not hasattr(connection.ended, "poured")


@pytest.mark.conformance("C52")
@each_protocol
def test_a_long_reply_within_the_bound_passes(field, protocol):
    """128 lines; the control to the above."""
    lines = [b"X-%d " % n + b"y" * 400 for n in range(126)]
    script = {"smtp": lambda: smtp(words=[b"old.example", *lines]),
              "imap": lambda: imap(replies={b"NOOP": b"".join(b"* OK " + one + b"\r\n"
                                                              for one in lines) + b"%T OK noop\r\n"}),
              "pop3": lambda: pop3(words=lines)}[protocol]()
    target = field(protocol, script, tls="implicit")
    client = target.connect()
    client.send(ASK[protocol] if protocol != "imap" else b"a NOOP\r\n")
    reply = client.read_until({"smtp": b"\r\n250 ", "imap": b"a OK", "pop3": b"\r\n.\r\n"}[protocol])
    assert reply.count(b"y" * 400) >= 125
    client.close()


# C55, C56

@pytest.mark.conformance("C55")
def test_lines_that_are_under_way_cost_less_than_16_kb_each(proxy, field):
    """Three hundred clients in the middle of a long line, one half of them beyond its limit, where it
    is read and forgotten: kept whole, their lines would cost twice as much as all may together.
    """
    proxy.environment["ASAN_OPTIONS"] = LEAN
    target = field("imap")
    clients = [target.connect() for _ in range(300)]
    before = resident(target.proxy)
    for n, client in enumerate(clients):
        client.send(b"a NOOP " + b"x" * (4000 if n % 2 else 60000))
    until(lambda: is_all_read(target.port))
    assert (resident(target.proxy) - before) // SHADOW < len(clients) * 16 * 1024
    for client in clients:
        client.send(b"\r\n")
        assert client.read_line().startswith((b"a BAD ", b"a OK "))
        client.close()


def is_all_read(port):
    """The kernel holds nothing that was sent to this port."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    # Of a socket that is accepted; the listening one counts those that are not.
    return all(int(words[4].split(":")[1], 16) == 0 for words in lines
               if words[1].endswith(f":{port:04X}"))


def base64_of(octets):
    return (b"QUFB" * (octets // 4 + 1))[:octets]


SASL = {
    "smtp": (b"AUTH XOAUTH2", b"334", b"235 "),
    "imap": (b"a AUTHENTICATE XOAUTH2", b"+", b"a OK "),
    "pop3": (b"AUTH XOAUTH2", b"+", b"+OK"),
}


@pytest.mark.conformance("C56")
@pytest.mark.parametrize("initial", [True, False], ids=["initial", "challenge"])
@each_protocol
def test_a_response_of_12288_octets_passes(field, protocol, initial):
    """Behind the verb and as a line of its own [RFC 4954 4]; what is longer still is refused."""
    target = field(protocol)
    client = target.connect("in TLS behind a hello")
    command, challenge, welcome = SASL[protocol]
    response = base64_of(12288)
    if initial:
        client.send(command + b" " + response + b"\r\n")
    else:
        client.send(command + b"\r\n")
        assert client.read_line().startswith(challenge)
        client.send(response + b"\r\n")
    assert client.read_line().startswith(welcome)
    client.close()
    assert response + b"\r\n" in target.backend.finished().received


@pytest.mark.conformance("C56")
@each_protocol
def test_a_response_that_is_far_too_long_is_refused(field, protocol):
    target = field(protocol)
    client = target.connect("in TLS behind a hello")
    client.send(SASL[protocol][0] + b" " + base64_of(16384) + b"\r\n")
    assert client.read_line().startswith((b"500 5.5.2 ", b"a BAD ", b"-ERR"))
    assert is_served(client, protocol)
    client.close()
    assert b"QUFBQUFB" not in target.backend.finished().received


# C57, C58, A26

ABSURD = [b"4294967296", b"2147483648", b"2147483647", b"99999999999999999999",
          b"18446744073709551616", b"-1", b"", b"1x", b"+", b"0x10", b" 3", b"3 "]


@pytest.mark.conformance("C57", "C58")
@pytest.mark.parametrize("stage", ["in clear", "in TLS behind a hello"])
@pytest.mark.parametrize("command", [b"a LOGIN {%b}", b"a LOGIN x {%b}", b"a NOOP {%b}",
                                     b'a ID ("x" {%b}', b"a {%b}"])
def test_absurd_literals_are_refused(field, command, stage):
    target = field("imap")
    for size in ABSURD:
        outcome = target.attack([command.replace(b"%b", size) + b"\r\n"], stage, goodbye=True)
        assert outcome.lines[0].startswith((b"a BAD ", b"a NO ", b"* BYE ")), outcome
        assert b"\r\n+" not in b"\r\n" + outcome.answer, outcome
        assert b"LOGIN" not in outcome.received or b"{" not in outcome.received, outcome


@pytest.mark.conformance("C57", "C58")
@pytest.mark.parametrize("stage", ["in clear", "in TLS behind a hello"])
@pytest.mark.parametrize("size", [4097, 70000, 2147483648, 4294967296, 99999999999999999999])
def test_a_literal_beyond_the_cap_that_does_not_wait_closes(field, size, stage):
    """Its octets are under way and would be read as commands."""
    target = field("imap")
    outcome = target.attack([b"a LOGIN {%d+}\r\n" % size + b"b NOOP\r\n" * 20], stage)
    assert len(outcome.lines) == 1 and outcome.lines[0].startswith(b"* BYE "), outcome
    assert outcome.reason == "literal-too-large" and b"NOOP" not in outcome.received, outcome
    assert outcome.end in (End.FIN, End.RESET, End.CLOSE_NOTIFY), outcome


@pytest.mark.conformance("C58")
def test_a_literal_beyond_the_cap_that_waits_is_refused(field):
    target = field("imap")
    client = target.connect("in TLS")
    for size in (4097, 70000, 2147483647):
        assert client.imap(b"a LOGIN {%d}" % size).startswith((b"a BAD ", b"a NO "))
        assert is_served(client, "imap")
    client.send(b"a LOGIN {4096}\r\n")
    assert client.read_line().startswith(b"+ ")
    client.close()


@pytest.mark.conformance("C55")
@pytest.mark.parametrize("stage", ["in clear", "in TLS behind a hello"])
def test_a26_parentheses_without_end(field, stage):
    """65 536 of them, and as many as fit a line."""
    target = field("imap")
    for count in (65536, 4000):
        outcome = target.attack([b"a SEARCH " + b"(" * count + b"\r\n"], stage, goodbye=True)
        assert outcome.lines[0].startswith((b"a BAD ", b"* BYE ", b"* BAD ")), outcome


# A29: many small things

@pytest.mark.conformance("C112")
@each_protocol
def test_a29_ten_thousand_commands_whose_answers_are_not_read(field, protocol):
    """They are answered one by one, and once the client reads, every answer is there."""
    many = 10000
    target = field(protocol, tls="implicit")
    client = target.connect()
    sender = threading.Thread(target=client.send, args=(NOOP[protocol] * many,))
    sender.start()
    sender.join(CEILING)
    for _ in range(many):
        assert b"noop" in client.read_line()
    client.close()
    assert target.backend.finished().commands == [NOOP[protocol]] * many


@pytest.mark.conformance("C45")
def test_a29_chunks_of_one_octet(proxy, field):
    """Fifty thousand of them, pipelined; what one leaves behind would be seen in the whole."""
    many = 50000
    proxy.environment["ASAN_OPTIONS"] = LEAN
    target = field("smtp", smtp(words=(b"old.example", b"PIPELINING", b"CHUNKING"),
                                replies={b"BDAT": smtp_chunk}), tls="implicit")
    client = target.connect("in TLS behind a hello")
    looks = []
    for turn in range(many // 100):
        if turn % 100 == 0:
            looks.append(resident(target.proxy))
        client.send(b"".join(b"BDAT 1\r\n%c" % (n % 256) for n in range(100)))
        for _ in range(100):
            assert client.read_smtp().startswith(b"250 ")
    assert least_growth(looks[1:]) < 16 * 10000, looks  # of 100 turns with 100 chunks each
    assert client.smtp(b"NOOP").startswith(b"250 ")
    client.close()
    connection = target.backend.finished()
    assert b"".join(connection.messages) == bytes(range(100)) * (many // 100)


# C39

CYCLES = int(os.environ.get("MAILMUX_CYCLES", "1500"))


@pytest.mark.conformance("C39")
def test_upgrades_and_ends_leave_nothing_behind(proxy, new_backend):
    """MAILMUX_CYCLES of them, 10 000 in the full count; of all protocols and kinds of end in turn."""
    proxy.environment["ASAN_OPTIONS"] = LEAN
    backends = {}
    for protocol in ("smtp", "imap", "pop3"):
        backends[protocol] = new_backend(server(protocol))
        proxy.backend(protocol, backends[protocol].port)
        proxy.listener(protocol, protocol, "starttls", protocol)
    proxy.start()

    def cycle(n):
        protocol = ("smtp", "imap", "pop3")[n % 3]
        with reach_tls(proxy.ports[protocol], protocol) as client:
            if n % 4 == 0:
                client.send({"imap": b"a LOGOUT\r\n"}.get(protocol, b"QUIT\r\n"))
                client.read_to_end()
            elif n % 4 == 1:
                client.send_close_notify()
            elif n % 4 == 2:
                assert is_served(client, protocol)

    looks, descriptors = [], []
    for n in range(CYCLES):
        cycle(n)
        if (n + 1) % (CYCLES // 6) == 0:
            proxy.wait_for_event("session", n + 1)
            looks.append(resident(proxy))
            descriptors.append(proxy.open_descriptors())
    until(lambda: proxy.open_descriptors() <= max(descriptors[:2]))
    # An SSL object is 13 KB at the least.
    assert least_growth(looks[1:]) < 4096 * (CYCLES // 6), looks
    for backend in backends.values():
        for one in backend.connections:
            assert one.ended.wait(CEILING), "a backend connection was left behind"
    assert proxy.stop().fields["served"] == str(CYCLES)
