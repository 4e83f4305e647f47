"""Attacks A1 to A14 on one connection: the boundary of TLS, lines, literals, other protocols."""

import ssl

import pytest
from mailmux_e2e.attacks import PLAIN, READY, TLS, client_hello
from mailmux_e2e.client import Client, Closed, End, default_context
from mailmux_e2e.servers import server, smtp

COMMAND = {"smtp": b"STARTTLS\r\n", "imap": b"a STARTTLS\r\n", "pop3": b"STLS\r\n"}
GO_AHEAD = (b"220 ", b"a OK ", b"+OK")
REFUSED = (b"503 5.5.1 ", b"a BAD ", b"-ERR")
ALERT = 0x15
each_protocol = pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3"])


def assert_not_served(outcome, injected):
    """Refused, or taken for TLS that fails: no word in clear behind an answer to the command."""
    line, _, behind = outcome.answer.partition(b"\r\n")
    if line.startswith(GO_AHEAD):
        assert behind == b"" or behind[0] == ALERT, outcome
    elif line:
        assert line.startswith(REFUSED) and behind == b"", outcome
    assert injected not in outcome.received, outcome


INJECTIONS = [
    ("smtp", b"EHLO a", b"STARTTLS\r\nEHLO injected\r\n", b"injected"),
    ("submission", b"EHLO a", b"STARTTLS\r\nEHLO injected\r\n", b"injected"),
    ("imap", None, b"a STARTTLS\r\nXYZQW NOOP\r\n", b"XYZQW"),
    ("pop3", None, b"STLS\r\nCAPA\r\n", b"CAPA"),
]


@pytest.mark.conformance("C17", "C53", "C123")
@pytest.mark.parametrize("protocol, hello, attack, injected", INJECTIONS)
def test_a01_commands_behind_starttls(field, protocol, hello, attack, injected):
    words = "smtp" if protocol == "submission" else protocol
    target = field(words, protocol_setting=protocol)
    before = (lambda client: client.smtp(hello)) if hello else (lambda client: None)
    outcomes = list(target.every_way(attack, before=before))
    for outcome in outcomes:
        assert_not_served(outcome, injected)
    assert outcomes[0].lines[0].startswith(REFUSED), outcomes[0]
    assert outcomes[0].reason == "starttls-injection"
    assert target.proxy.stop().fields["injection"] != "0"


@pytest.mark.conformance("C17", "C20")
@each_protocol
def test_a02_half_a_command_behind_starttls(field, protocol):
    """Its other half, sent within TLS, must find nothing to complete."""
    target = field(protocol)
    for outcome in target.every_way(COMMAND[protocol] + b"RS"):
        assert_not_served(outcome, b"RS")


@pytest.mark.conformance("C17", "C19")
@each_protocol
def test_a02_two_writes_that_may_land_before_or_after_the_answer(field, protocol):
    target = field(protocol)
    noop = b"b NOOP\r\n" if protocol == "imap" else b"NOOP\r\n"
    for _ in range(50):
        assert_not_served(target.attack([COMMAND[protocol], noop]), b"NOOP")


@pytest.mark.conformance("C19", "C38")
@each_protocol
def test_a02_plaintext_after_the_answer(field, protocol):
    """Nothing in clear is written any more; the handshake fails and both legs close."""
    target = field(protocol)
    noop = b"b NOOP\r\n" if protocol == "imap" else b"NOOP\r\n"

    def upgrade(client):
        client.send(COMMAND[protocol])
        assert client.read_line().startswith(GO_AHEAD)

    for outcome in target.every_way(noop, before=upgrade):
        assert outcome.answer == b"" or outcome.answer[0] == ALERT, outcome
        assert b"NOOP" not in outcome.received, outcome
        assert outcome.reason in ("handshake-failed", "plaintext-on-tls-port"), outcome


@each_protocol
@pytest.mark.conformance("C20")
def test_a02_a_handshake_behind_half_a_command_fails(field, protocol):
    target = field(protocol)
    client = target.connect()
    client.send(COMMAND[protocol])
    assert client.read_line().startswith(GO_AHEAD)
    client.send_raw(b"RS")
    with pytest.raises((ssl.SSLError, Closed, ConnectionError)):
        client.begin_tls()
    client.close()
    assert b"RS" not in target.backend.finished().received


@pytest.mark.conformance("C30")
@pytest.mark.parametrize("attack, tags", [
    (b"a LOGIN {10+}\r\nx STARTTLS\r\n", [b"a"]),
    (b"a NOOP {5+}\r\nabcde b STARTTLS\r\n", [b"a"]),
    (b"a LOGIN {14+}\r\nx STARTTLS\r\n\r\n {6+}\r\nsecret\r\n", [b"a"]),
    (b"a NOOP {20+}\r\nx LOGIN alice secret\r\n", [b"a"]),
    (b"a XFOO {14+}\r\nx\r\nx STARTTLS\r\n\r\n", [b"a"]),
])
def test_a03_commands_within_literals(field, attack, tags):
    target = field("imap")
    for outcome in target.every_way(attack, goodbye=True):
        assert outcome.answer.count(b" OK Begin") == 0 and b"TLS neg" not in outcome.answer
        answers = [line.split(b" ")[0] for line in outcome.lines if not line.startswith(b"*")]
        assert answers == tags + [b"zz"], outcome
        assert outcome.reason == "quit", outcome
        assert b"STARTTLS" not in outcome.received and b"LOGIN" not in outcome.received, outcome


@pytest.mark.conformance("C17", "C20", "C30")
def test_a03_a_literal_behind_starttls(field):
    target = field("imap")
    for outcome in target.every_way(b"a STARTTLS\r\nb LOGIN {1}\r\n"):
        assert_not_served(outcome, b"LOGIN")
        assert b"+ " not in outcome.answer


@pytest.mark.conformance("C25")
@pytest.mark.parametrize("attack, rest", [(b"a STARTTLS {3}\r\n", b""),
                                          (b"a STARTTLS {3+}\r\n", b"abc\r\n")])
def test_a03_starttls_with_a_literal(field, attack, rest):
    """BAD, no request to go on, and the octets of the literal are no command."""
    target = field("imap")
    for outcome in target.every_way(attack + rest + b"b NOOP\r\n", goodbye=True):
        assert outcome.lines[0].startswith(b"a BAD "), outcome
        assert outcome.lines[1].startswith(b"b OK "), outcome
        assert not any(line.startswith(b"+") for line in outcome.lines), outcome
        assert b"abc" not in outcome.received


@pytest.mark.conformance("C29")
@pytest.mark.parametrize("protocol, login, welcome", [
    ("smtp", b"EHLO a\r\nAUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", b"235 "),
    ("imap", b"l LOGIN alice secret\r\n", b"l OK "),
    ("pop3", b"USER alice\r\nPASS secret\r\n", b"+OK"),
])
def test_a04_session_fixation(field, protocol, login, welcome):
    target = field(protocol, require_tls="no")
    for outcome in target.every_way(login + COMMAND[protocol], goodbye=True):
        assert any(line.startswith(welcome) for line in outcome.lines), outcome
        refusal = outcome.lines[-3 if protocol == "imap" else -2]
        assert refusal.startswith(REFUSED), outcome
        if protocol == "smtp":
            assert b"STARTTLS" not in outcome.received, outcome


@pytest.mark.conformance("C44", "C54", "C100")
@pytest.mark.parametrize("stage", [PLAIN, READY])
def test_a09_a_bare_lf_hides_no_command(field, stage):
    target = field("smtp")
    for outcome in target.every_way(b"NOOP x\nXCLIENT ADDR=127.0.0.1\r\n", stage, goodbye=True):
        assert [line[:3] for line in outcome.lines] == [b"250", b"550", b"221"], outcome
        assert b"NOOP x\r\n" in outcome.received and b"XCLIENT" not in outcome.received


@pytest.mark.conformance("C54")
@pytest.mark.parametrize("stage", [PLAIN, READY])
@pytest.mark.parametrize("protocol, attack, refusal", [
    ("smtp", b"NOOP\rSTARTTLS\r\n", b"500 5.5.2 "), ("smtp", b"NOOP\0\r\n", b"500 5.5.2 "),
    ("imap", b"a NOOP\rSTARTTLS\r\n", b"a BAD "), ("imap", b"a NOOP\0\r\n", b"a BAD "),
    ("pop3", b"NOOP\rSTLS\r\n", b"-ERR"), ("pop3", b"NOOP\0\r\n", b"-ERR"),
])
def test_a09_cr_and_nul_within_a_line(field, protocol, attack, refusal, stage):
    target = field(protocol)
    for outcome in target.every_way(attack, stage, goodbye=True):
        assert outcome.lines[0].startswith(refusal), outcome
        assert outcome.reason == "quit" and b"NOOP" not in outcome.received, outcome


@pytest.mark.conformance("C65")
def test_a10_behind_a_refused_data_come_commands(field):
    target = field("smtp", smtp(replies={b"DATA": b"554 5.5.1 no valid recipients\r\n"}))
    for outcome in target.every_way(b"DATA\r\nXCLIENT ADDR=1.2.3.4\r\n.\r\n", READY, goodbye=True):
        assert [line[:3] for line in outcome.lines] == [b"554", b"550", b"500", b"221"], outcome
        assert b"XCLIENT" not in outcome.received


CHUNK = b"12345678\r\nXCLIENT ADDR=1.2.3\r\n"


@pytest.mark.conformance("C45")
@pytest.mark.parametrize("words", [(b"old.example",), (b"old.example", b"CHUNKING")])
def test_a10_a_refused_chunk_closes(field, words):
    """A server that does not skip the octets reads them as commands. Only where CHUNKING was offered
    do they go there at all; the answer is then the last that the client gets to see.
    """
    assert len(CHUNK) == 30
    target = field("smtp", smtp(words=words, replies={b"BDAT": b"502 5.5.1 what\r\n"}))
    for outcome in target.every_way(b"BDAT 30\r\n" + CHUNK + b"VRFY a\r\n", READY):
        assert [line[:3] for line in outcome.lines] == [b"502" if len(words) == 2 else b"503"]
        assert len(words) == 2 or outcome.received == b"EHLO c.test\r\n", outcome
        assert outcome.reason == "bdat-refused", outcome


@pytest.mark.conformance("C16", "C33")
@each_protocol
@pytest.mark.parametrize("renews", [False, True])
def test_a11_no_greeting_after_starttls(field, protocol, renews):
    """The first line within TLS answers the first command, whatever happened to the backend."""
    login = {"smtp": b"AUTH PLAIN AGFsaWNlAHdyb25n", "imap": b"l LOGIN alice wrong",
             "pop3": b"APOP alice c4c9334bac560ecc979e58001b3e22fb"}[protocol]
    refusal = {"smtp": b"535 5.7.8 no\r\n", "imap": b"%T NO no\r\n", "pop3": b"-ERR no\r\n"}[protocol]
    verb = login.split(b" ")[1 if protocol == "imap" else 0]
    target = field(protocol, server(protocol, replies={verb: refusal}), require_tls="no")
    client = target.connect()
    if renews:
        if protocol == "smtp":
            client.smtp(b"EHLO plaintext.test")
        client.send(login + b"\r\n")
        assert client.read_line() == refusal.replace(b"%T", b"l")
    client.starttls(protocol)
    client.send(b"n NOOP\r\n" if protocol == "imap" else b"NOOP\r\n")
    assert b"noop" in client.read_line()
    client.close()
    after = target.backend.finished(int(renews))
    assert [c.upper().strip() for c in after.commands][-1].endswith(b"NOOP")
    if renews:
        assert len(after.commands) == 1, "the server behind TLS knows of what was said in clear"


HTTP = [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 20\r\n\r\nEHLO a\r\nQUIT\r\n",
]


@pytest.mark.conformance("C86")
@each_protocol
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a12_alpn_of_another_protocol(field, protocol, tls):
    target = field(protocol, tls=tls)
    client = target.connect() if tls == "starttls" else None
    if client is None:
        client = Client(target.port)
    else:
        client.send(COMMAND[protocol])
        assert client.read_line().startswith(GO_AHEAD)
    context = default_context()
    context.set_alpn_protocols(["http/1.1", "h2"])
    with pytest.raises(ssl.SSLError, match="(?i)no application protocol"):
        client.begin_tls(context)
    assert client.read_to_end() == b""
    client.close()
    assert target.proxy.wait_for_event("session").fields["reason"] == "alpn-mismatch"


@pytest.mark.conformance("C61", "C62")
@each_protocol
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("attack", HTTP)
def test_a12_a_browser_is_not_spoken_to(field, protocol, tls, attack):
    """Closed at the first line: nothing in it or behind it is executed or comes back."""
    target = field(protocol, tls=tls)
    for outcome in target.every_way(attack, PLAIN):
        assert len(outcome.lines) <= 1, outcome
        for word in (b"HTTP", b"Host", b"GET", b"POST", b"Content", b"250", b"221"):
            assert word not in outcome.answer, outcome
        assert outcome.reason == "http-request" and outcome.received == b"", outcome


@each_protocol
@pytest.mark.conformance("C87")
@pytest.mark.parametrize("name", ["www.example", None])
def test_a13_unknown_and_missing_names_are_served_by_default(field, protocol, name):
    target = field(protocol, tls="implicit")
    with Client(target.port) as client:
        client.begin_tls(server_name=name)
        assert client.read_line().startswith((b"220 ", b"* OK ", b"+OK"))
        assert client.tls.getpeercert(binary_form=True)


@pytest.mark.conformance("C61")
@pytest.mark.parametrize("stage", [PLAIN, TLS])
@pytest.mark.parametrize("attack", [
    HTTP[1], b"GET / HTTP/1.0\r\nRSET\r\n", b"PUT /x\r\nRSET\r\n", b"HEAD /\r\nRSET\r\n",
    b"OPTIONS *\r\nRSET\r\n", b"CONNECT x:25 HTTP/1.1\r\nRSET\r\n", b"\x80\x2e\x01\r\nRSET\r\n",
    b" EHLO a\r\nRSET\r\n", b"1EHLO\r\nRSET\r\n"])
def test_a14_what_is_not_smtp_closes_at_once(field, attack, stage):
    target = field("smtp")
    for outcome in target.every_way(attack, stage):
        assert len(outcome.lines) <= 1 and not outcome.answer.startswith(b"250"), outcome
        assert b"RSET" not in outcome.received and b"EHLO" not in outcome.received, outcome
        assert outcome.reason == "http-request", outcome


@pytest.mark.conformance("C12")
@each_protocol
def test_a_client_hello_on_a_plaintext_port_closes(field, protocol):
    target = field(protocol)
    hello = client_hello()
    for segments in ([hello], [hello[:1]], [hello[:1], hello[1:]], [hello[:3], hello[3:]]):
        outcome = target.attack(segments)
        assert outcome.reason == "tls-on-plaintext-port" and outcome.received == b"", outcome
        assert outcome.end in (End.FIN, End.RESET), outcome
