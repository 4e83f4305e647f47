"""--check --probe: what it says of servers that are as configured, and of every wrong set-up."""

import os
import re
import subprocess

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.certificates import NAME
from mailmux_e2e.legacy import LegacyServer
from mailmux_e2e.ports import Ports
from mailmux_e2e.proxy import binary
from mailmux_e2e.servers import server, smtp, tls_server
from mailmux_e2e.steps import close, hang, send, start_tls, wait_for_end

PROTOCOLS = ["smtp", "imap", "pop3"]
RECIPIENT = "probe@relay-probe.example"
V1 = b"PROXY TCP4 127.0.0.1 127.0.0.1 "
V2 = b"\r\n\r\n\0\r\nQUIT\n"
DENIED = {b"RCPT": b"554 5.7.1 Relay access denied\r\n"}


class Answer:
    def __init__(self, done):
        self.status, self.text, self.error = done.returncode, done.stdout, done.stderr
        assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr

    def found(self, kind):
        return [line.strip()[len(kind) + 2:] for line in self.text.splitlines()
                if line.startswith(f"  {kind}: ")]

    def line(self, what):
        for line in self.text.splitlines():
            if line.startswith(f"  {what} "):
                return line[16:]
        raise AssertionError(f"no line {what}:\n{self.text}")

    def is_good(self):
        assert (self.status, self.found("error")) == (0, []), self.text
        return self

    def is_wrong(self, *parts):
        assert self.status == 1, self.text
        assert len(self.found("error")) == 1, self.text
        for part in parts:
            assert part in self.found("error")[0], self.text
        return self


@pytest.fixture
def probe(proxy):
    """probe(protocol, port, **settings of the backend) gives what --check --probe says."""

    def run(protocol="smtp", *ports, listener={}, **settings):
        if ports:
            settings.setdefault("check_timeout", "3s")
            proxy.backend("mail", *ports, **settings)
            proxy.listener("test", protocol, "starttls", "mail", **listener)
        proxy.write()
        return Answer(subprocess.run(
            [str(binary()), "--check", "--probe", "-c", str(proxy.ini)], stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=CEILING,
            env={"ASAN_OPTIONS": "detect_leaks=1:exitcode=99", **os.environ}))

    return run


def behind_header(script):
    """A server that wants a PROXY header, or closes."""

    def take(connection):
        header = connection.take_no_more(len(V2))
        if header == V2:
            connection.take_no_more(connection.take_no_more(4)[3])
        elif header.startswith(b"PROXY TCP4 "):
            while not header.endswith(b"\n"):
                header += connection.take_no_more(1)
        else:
            connection.close()
    return [take, *script]


# As it should be


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_good_server_is_described(probe, new_backend, protocol):
    changes = {"replies": DENIED} if protocol == "smtp" else {}
    backend = new_backend(server(protocol, **changes))
    answer = probe(protocol, backend.port).is_good()
    assert f"[backend mail] server mail1 at 127.0.0.1:{backend.port}\n" in answer.text
    assert answer.line("greeting").endswith({"smtp": "220 old.example ESMTP",
                                             "imap": "* OK old server ready",
                                             "pop3": "+OK old server ready"}[protocol])
    assert {"smtp": "PIPELINING, SIZE 1000000, STARTTLS, AUTH PLAIN LOGIN, 8BITMIME",
            "imap": "IMAP4rev1, SASL-IR, LITERAL+, ID, IDLE, STARTTLS, AUTH=PLAIN, AUTH=LOGIN",
            "pop3": "TOP, UIDL, USER, SASL PLAIN LOGIN, STLS"}[protocol] in \
        answer.line("capabilities")
    assert answer.line("tls") == "none; the server offers STARTTLS"
    assert answer.line("proxy header") == "not sent, and not expected"
    assert answer.text.endswith("\n1 server probed: 0 errors, 0 warnings\n")
    backend.finished(0)


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_tls_is_described(probe, new_backend, certificates, mode):
    backend = new_backend(tls_server("imap", mode, start_tls(certificates.rsa)))
    answer = probe("imap", backend.port, tls=mode, ca=certificates.authority).is_good()
    assert answer.line("tls").startswith(f"{mode}, TLSv1.3, certificate of {NAME}, good until 20")
    # Within the first second of its life it has two whole days left, afterwards one.
    assert re.search(r" \((1 day|2 days)\), verified$", answer.line("tls"))
    assert re.search(r"expires in (1 day|2 days);", answer.found("warning")[0])


def test_foreign_bytes_are_escaped(probe, new_backend):
    backend = new_backend(smtp(greeting=b"220 caf\xc3\xa9 \x1b[31m\r\n", replies=DENIED))
    assert probe("smtp", backend.port).is_good().line("greeting") == \
        "220 caf\\xc3\\xa9 \\x1b[31m"


def test_servers_stand_in_the_order_of_the_file(probe, proxy, new_backend):
    """The first one is the last to answer."""
    slow = new_backend([hang()])
    good = [new_backend(server("imap")) for _ in range(3)]
    ports = Ports()
    proxy.section("backend one", check_timeout="500ms",
                  server=[f"a 127.0.0.1:{slow.port}", f"b 127.0.0.1:{good[0].port} maintenance",
                          f"c 127.0.0.1:{ports.reserve()}"])
    proxy.section("backend two", server=[f"d localhost:{good[1].port}",
                                         f"e 127.0.0.1:{good[2].port} drain"])
    proxy.listener("first", "imap", "starttls", "one")
    proxy.listener("second", "imap", "starttls", "two")
    answer = probe()
    titles = [line.split(" at ")[0] for line in answer.text.splitlines() if line.startswith("[")]
    order = list(dict.fromkeys(titles))
    assert order == ["[backend one] server a", "[backend one] server b", "[backend one] server c",
                     "[backend two] server d", "[backend two] server e"]
    assert "(maintenance)\n" in answer.text and "(drain)\n" in answer.text
    assert answer.status == 1
    ports.release()


def test_a_bad_configuration_is_not_probed(probe, proxy, new_backend):
    backend = new_backend(server("imap"))
    proxy.section("nonsense")
    answer = probe("imap", backend.port)
    assert answer.status == 1
    assert "probed" not in answer.text
    assert not backend.connections


# Wrong set-ups


def test_nobody_is_there(probe):
    ports = Ports()
    probe("smtp", ports.reserve()).is_wrong(
        "it cannot be reached: Connection refused", "proxy.ini:")
    ports.release()


def test_a_name_that_does_not_exist(probe, proxy):
    proxy.section("backend mail", server="no.such.host.invalid:143")
    proxy.listener("test", "imap", "starttls", "mail")
    answer = probe().is_wrong("its name could not be resolved")
    assert "name-failed" in answer.error


@pytest.mark.parametrize("how, said", [("proxy-v1", V1), ("proxy-v2", V2)])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_header_that_is_not_expected(probe, new_backend, protocol, how, said):
    backend = new_backend(server(protocol))
    answer = probe(protocol, backend.port, send_client_address=how).is_wrong(
        "does not expect the PROXY header that it gets", "write send_client_address = none",
        "smtpd_upstream_proxy_protocol = haproxy")
    assert answer.line("proxy header") == "sent, and not expected"
    assert bytes(backend.connections[0].received).startswith(said)


@pytest.mark.parametrize("when_missing", [close, hang], ids=["closes", "waits"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_header_that_is_missing(probe, new_backend, protocol, when_missing):
    backend = new_backend([when_missing()], behind_header(server(protocol)))
    answer = probe(protocol, backend.port, check_timeout="1500ms").is_wrong(
        "expects a PROXY header and gets none", "write send_client_address = proxy-v2")
    assert answer.line("proxy header") == "not sent, and expected"


@pytest.mark.parametrize("mode", ["none", "starttls", "implicit"])
def test_a_header_that_is_right(probe, new_backend, certificates, mode):
    script = behind_header(tls_server("smtp", mode, start_tls(certificates.rsa), replies=DENIED))
    backend = new_backend(script)
    settings = {} if mode == "none" else {"tls": mode, "ca": certificates.authority}
    answer = probe("smtp", backend.port, send_client_address="proxy-v2", **settings).is_good()
    assert answer.line("proxy header") == "sent, and taken"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_starttls_that_is_not_offered(probe, new_backend, certificates, protocol):
    words = {"smtp": [b"old.example", b"8BITMIME"], "imap": b"IMAP4rev1", "pop3": [b"USER"]}
    backend = new_backend(server(protocol, words=words[protocol]))
    probe(protocol, backend.port, tls="starttls", ca=certificates.authority).is_wrong(
        "tls = starttls, and the server does not offer STARTTLS", "write tls = none")


@pytest.mark.parametrize("words, remedy", [([b"old.example", b"STARTTLS"], "write tls = starttls"),
                                           ([b"old.example"], "offers no STARTTLS")])
def test_implicit_tls_on_a_port_in_clear(probe, new_backend, certificates, words, remedy):
    backend = new_backend(smtp(words=words))
    probe("smtp", backend.port, tls="implicit", ca=certificates.authority).is_wrong(
        "tls = implicit, and on this port the server", remedy)


@pytest.mark.parametrize("mode", ["none", "starttls"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_in_clear_on_a_port_for_tls(probe, new_backend, certificates, protocol, mode):
    def begin(connection):
        """Waits for TLS, whatever else comes."""
        try:
            start_tls(certificates.rsa)(connection)
        except OSError:
            connection.close()

    settings = {} if mode == "none" else {"tls": mode, "ca": certificates.authority}
    backend = new_backend([begin, *server(protocol)])
    probe(protocol, backend.port, check_timeout="1500ms", **settings).is_wrong(
        "speaks TLS from the first byte", "write tls = implicit")


@pytest.mark.parametrize("kind, options, parts", [
    ("expired", {"expired": True}, ["its certificate has expired"]),
    ("wrong-name", {"names": "DNS:other.example"},
     ["its certificate is not for 127.0.0.1", "write tls_name = and"]),
    ("self-made", {"issuer": "self"}, ["no trusted authority vouches for its certificate",
                                       "self-signed certificate", "write ca = FILE"]),
    ("strange", {"issuer": "foreign"}, ["no trusted authority vouches for its certificate"]),
], ids=["expired", "wrong name", "self-signed", "unknown authority"])
@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_a_certificate_that_is_not_good(
        probe, new_backend, certificates, kind, options, parts, mode):
    pair = certificates.other(kind, **options)
    backend = new_backend(tls_server("pop3", mode, start_tls(pair)))
    answer = probe("pop3", backend.port, tls=mode, ca=certificates.authority).is_wrong(*parts)
    assert answer.line("tls").endswith(", not verified")
    assert f"certificate of {NAME}, " in answer.line("tls")
    assert len(answer.found("warning")) == 0


def test_a_key_that_is_not_pinned(probe, new_backend, certificates):
    backend = new_backend(tls_server("imap", "implicit", start_tls(certificates.rsa)))
    probe("imap", backend.port, tls="implicit", pin=certificates.ecdsa.pin()).is_wrong(
        "none of those in pin")


@pytest.mark.parametrize("protocol, other", [("smtp", "imap"), ("imap", "smtp"), ("pop3", "imap"),
                                             ("smtp", "pop3"), ("imap", "pop3")])
def test_another_protocol(probe, new_backend, protocol, other):
    backend = new_backend(server(other))
    probe(protocol, backend.port).is_wrong(
        f"speaks {other.upper()} on this port, and {protocol.upper()} is expected")
    assert len(backend.connections) == 1


@pytest.mark.parametrize("protocol, words, other", [
    ("imap", b"554 5.3.2 no\r\n", "SMTP"), ("pop3", b"521 no mail here\r\n", "SMTP"),
    ("imap", b"421-busy\r\n421 later\r\n", "SMTP"), ("smtp", b"* BYE busy\r\n", "IMAP"),
    ("pop3", b"* NO later\r\n", "IMAP"), ("smtp", b"-ERR busy\r\n", "POP3")])
def test_another_protocol_that_turns_us_away(probe, new_backend, protocol, words, other):
    backend = new_backend([send(words), wait_for_end()])
    probe(protocol, backend.port, check_timeout="1s").is_wrong(
        f"speaks {other} on this port, and {protocol.upper()} is expected")


def test_silence_whatever_is_said(probe, new_backend):
    backend = new_backend([hang()])
    probe("smtp", backend.port, check_timeout="300ms").is_wrong(
        "no greeting in time, with a PROXY header as without, and with TLS")
    assert len(backend.connections) == 3


def test_a_server_that_turns_us_away(probe, new_backend):
    backend = new_backend([send(b"554 5.7.1 not you\r\n"), wait_for_end()])
    answer = probe("smtp", backend.port).is_wrong("turns this machine away by its greeting")
    assert answer.line("greeting") == "554 5.7.1 not you"


@pytest.mark.parametrize("protocol", ["smtp", "pop3"])
def test_xclient_that_is_not_offered(probe, new_backend, protocol):
    backend = new_backend(server(protocol))
    answer = probe(protocol, backend.port, send_client_address="xclient").is_wrong(
        "send_client_address = xclient, and the server does not offer XCLIENT",
        "smtpd_authorized_xclient_hosts")
    assert answer.line("xclient") == "not offered to this machine"


def test_xclient_that_would_be_taken(probe, new_backend):
    words = [b"old.example", b"XCLIENT NAME ADDR PORT"]
    backend = new_backend(smtp(words=words, replies=DENIED))
    answer = probe("smtp", backend.port).is_good()
    assert answer.line("xclient") == "offered to this machine: NAME ADDR PORT"
    assert "send_client_address = xclient would tell it" in answer.found("note")[0]


def test_what_cannot_be_seen_from_outside_is_said(probe, new_backend):
    backend = new_backend(server("imap"))
    answer = probe("imap", backend.port, send_client_address="id").is_good()
    assert "login_trusted_networks" in answer.found("note")[0]


# Relaying


def test_an_open_relay(probe, new_backend):
    """It is asked and taken back, and never sent a message."""
    backend = new_backend(smtp())
    answer = probe("smtp", backend.port).is_wrong(
        "through [listener test] the server is an open relay", RECIPIENT, "write relay_domains =")
    assert answer.line("relay") == f"for {RECIPIENT} it says 250 2.1.5 recipient fine"
    said = bytes(backend.finished(1).received)
    assert said.endswith(f"MAIL FROM:<>\r\nRCPT TO:<{RECIPIENT}>\r\nRSET\r\nQUIT\r\n".encode())
    assert b"DATA" not in said and not backend.connections[1].messages


def test_relay_domains_close_it(probe, new_backend):
    backend = new_backend(smtp())
    answer = probe("smtp", backend.port, listener={"relay_domains": "example.org"}).is_good()
    assert f"refuses {RECIPIENT} before the server sees it" in answer.found("note")[0]
    assert "the server itself would take it" in answer.found("note")[1]


def test_relay_domains_must_be_in_every_listener_and_for_others(probe, proxy, new_backend):
    backend = new_backend(smtp())
    proxy.listener("second", "smtp", "starttls", "mail", relay_domains="*.example, example.org")
    answer = probe("smtp", backend.port, listener={"relay_domains": "example.org"})
    answer.is_wrong("through [listener second] the server is an open relay")


OWN = "postmaster@example.test"  # the domain of hostname
UNDECIDED = [
    (b"RCPT", b"450 4.1.2 Domain not found", "for the time being"),
    (b"RCPT", b"451 4.7.1 Greylisted, come back later", "for the time being"),
    (b"RCPT", b"421 4.3.2 shutting down", "for the time being"),
    (b"RCPT", b"550 5.1.2 no domain", "this recipient for another reason"),
    (b"RCPT", b"504 5.5.2 <me>: Helo command rejected: need fully-qualified hostname",
     "the name in EHLO, which is hostname in [proxy]"),
    (b"RCPT", b"554 5.7.1 <unknown[192.0.2.1]>: Client host rejected: Access denied",
     "the client's address"),
    (b"RCPT", b"554 5.7.1 <>: Sender address rejected: Access denied", "refuses the sender"),
    (b"MAIL", b"550 5.7.1 not from you", "refuses the sender"),
    (b"MAIL", b"452 4.3.1 no room", "for the time being"),
]


@pytest.mark.parametrize("verb, reply, why", UNDECIDED, ids=lambda value: None)
def test_relaying_that_cannot_be_told(probe, new_backend, verb, reply, why):
    """A refusal for another reason is no proof that mail is not relayed; the report says which."""
    backend = new_backend(smtp(replies={verb: reply + b"\r\n"}))
    answer = probe("smtp", backend.port).is_good()
    assert len(answer.found("warning")) == 1, answer.text
    assert "whether it relays is not known" in answer.found("warning")[0]
    assert why in answer.found("warning")[0]
    assert reply.decode() in answer.line("relay")


def test_a_login_that_comes_first_leaves_relaying_untold(probe, new_backend):
    backend = new_backend(smtp(replies={b"MAIL": b"530 5.7.0 Authentication required\r\n"}))
    answer = probe("submission", backend.port).is_good()
    assert "whether it relays is not known: it wants a login first" in answer.found("note")[0]
    assert not answer.found("warning"), answer.text


def refuses_null_sender(verb, reply):
    """Either at once or, as Postfix does, not before the recipient."""
    state = {}

    def mail(connection, line):
        state["null"] = b"<>" in line
        return reply if verb == "MAIL" and state["null"] else b"250 2.1.0 sender fine\r\n"

    def rcpt(connection, line):
        return reply if verb == "RCPT" and state["null"] else b"250 2.1.5 recipient fine\r\n"
    return {b"MAIL": mail, b"RCPT": rcpt}


@pytest.mark.parametrize("verb, reply", [
    ("MAIL", b"550 5.7.1 no bounces here\r\n"), ("MAIL", b"501 5.1.7 bad address\r\n"),
    ("MAIL", b"450 4.7.1 not now\r\n"),
    ("RCPT", b"554 5.7.1 <>: Sender address rejected: Access denied\r\n"),
    ("RCPT", b"550 5.1.8 sender unknown\r\n")])
def test_an_open_relay_that_refuses_the_null_sender(probe, new_backend, verb, reply):
    backend = new_backend(smtp(replies=refuses_null_sender(verb, reply)))
    answer = probe("smtp", backend.port).is_wrong("the server is an open relay")
    assert answer.line("relay") == f"for {RECIPIENT} from {OWN} it says 250 2.1.5 recipient fine"
    said = bytes(backend.finished(1).received)
    assert said.endswith(f"MAIL FROM:<{OWN}>\r\nRCPT TO:<{RECIPIENT}>\r\nRSET\r\nQUIT\r\n"
                         .encode())


@pytest.mark.parametrize("domains, sender", [
    ("example.org, example.net", "postmaster@example.org"),
    ("*.example.org", "postmaster@example.org"), ("[192.0.2.1]", "postmaster@[192.0.2.1]")])
def test_the_other_sender_is_of_the_listeners_domain(probe, new_backend, domains, sender):
    backend = new_backend(smtp(replies={b"MAIL": b"550 5.7.1 no\r\n"}))
    probe("smtp", backend.port, listener={"relay_domains": domains}).is_good()
    assert f"MAIL FROM:<{sender}>\r\n".encode() in backend.finished(1).received


def test_a_good_server_that_refuses_the_null_sender(probe, new_backend):
    script = smtp(replies={**refuses_null_sender("MAIL", b"550 5.7.1 no bounces\r\n"), **DENIED})
    answer = probe("smtp", new_backend(script).port).is_good()
    assert answer.line("relay") == f"for {RECIPIENT} from {OWN} it says {DENIED[b'RCPT'].decode()}"\
        .strip()
    assert not answer.found("warning"), answer.text


@pytest.mark.parametrize("how", ["proxy-v1", "xclient"])
def test_a_stranger_is_introduced_as_one(probe, new_backend, how):
    words = [b"old.example", b"XCLIENT NAME ADDR"]
    replies = {**DENIED, b"XCLIENT": b"220 old.example\r\n"}
    script = smtp(words=words, replies=replies)
    backend = new_backend(behind_header(script) if how == "proxy-v1" else script)
    answer = probe("smtp", backend.port, send_client_address=how).is_good()
    assert answer.line("relay").endswith("554 5.7.1 Relay access denied")
    said = bytes(backend.finished(1).received)
    assert {"proxy-v1": b"PROXY TCP4 192.0.2.1 ",
            "xclient": b"XCLIENT NAME=[UNAVAILABLE] ADDR=192.0.2.1\r\n"}[how] in said


# Logins


REFUSES = {"imap": {"words": b"IMAP4rev1 STARTTLS LOGINDISABLED"},
           "pop3": {"words": (b"TOP", b"STLS")},
           "submission": {"words": (b"old.example", b"STARTTLS"), "replies": DENIED}}


def speaker(protocol, **changes):
    return server("smtp" if protocol == "submission" else protocol, **changes)


@pytest.mark.parametrize("protocol", REFUSES)
def test_a_server_that_lets_nobody_log_in(probe, new_backend, protocol):
    backend = new_backend(speaker(protocol, **REFUSES[protocol]))
    probe(protocol, backend.port).is_wrong(
        "cannot log in", "write tls = starttls", "send_client_address = proxy-v2",
        "proxy_tlvs = ssl", "smtpd_tls_auth_only = no" if protocol == "submission" else
        "disable_plaintext_auth = no")


@pytest.mark.parametrize("protocol, words", [
    ("imap", b"IMAP4rev1 LOGINDISABLED AUTH=GSSAPI"), ("pop3", (b"TOP", b"SASL CRAM-MD5"))])
def test_a_server_that_takes_no_passwords(probe, new_backend, protocol, words):
    """It may be meant so."""
    answer = probe(protocol, new_backend(server(protocol, words=words)).port).is_good()
    assert "unless by another mechanism; write tls = starttls" in answer.found("warning")[0]


@pytest.mark.parametrize("protocol", ["smtp", "submission"])
@pytest.mark.parametrize("words, reply", [
    ((b"old.example", b"STARTTLS", b"AUTH PLAIN"), b"530 5.7.0 Must issue a STARTTLS command\r\n"),
    ((b"old.example",), b"530 5.7.0 Authentication required\r\n")])
def test_a_server_that_takes_no_mail_without_tls(probe, new_backend, protocol, words, reply):
    backend = new_backend(smtp(words=words, replies={b"MAIL": reply}))
    probe(protocol, backend.port).is_wrong("it wants TLS for logins or mail", "tls = starttls")


@pytest.mark.parametrize("protocol", REFUSES)
def test_logins_in_tls_are_as_they_should_be(probe, new_backend, certificates, protocol):
    backend = new_backend([start_tls(certificates.rsa), *speaker(protocol, **REFUSES[protocol])])
    answer = probe(protocol, backend.port, tls="implicit", ca=certificates.authority).is_good()
    assert "log in" not in answer.text


@pytest.mark.parametrize("protocol", REFUSES)
def test_logins_of_clients_whose_tls_is_told_cannot_be_seen(probe, new_backend, protocol):
    backend = new_backend(behind_header(speaker(protocol, **REFUSES[protocol])))
    answer = probe(protocol, backend.port, send_client_address="proxy-v2").is_good()
    assert any("proxy_tlvs = ssl" in note for note in answer.found("note")), answer.text


# Real servers


def serve(proxy, legacy, listener={}, **settings):
    for protocol in PROTOCOLS:
        how = settings.get("send_client_address")
        words = {"send_client_address": "id"} if (how, protocol) == ("xclient", "imap") else {}
        proxy.backend(protocol, getattr(legacy, protocol), **{**settings, **words})
        proxy.listener(protocol, protocol, "starttls", protocol,
                       **(listener if protocol == "smtp" else {}))


def test_real_servers_that_trust_this_machine(probe, proxy):
    legacy = LegacyServer(trusted_networks="127.0.0.0/8")
    try:
        serve(proxy, legacy)
        answer = probe().is_wrong("through [listener smtp] the server is an open relay")
        assert "3 servers probed: 1 error" in answer.text
        serve(proxy, legacy, listener={"relay_domains": "example.test"})
        answer = probe().is_good()
        assert f"refuses {RECIPIENT} before the server sees it" in answer.found("note")[0]
    finally:
        legacy.stop()


def test_real_servers_that_believe_xclient(probe, proxy):
    legacy = LegacyServer("--address", "inside", trusted_networks="127.0.0.0/8")
    try:
        serve(proxy, legacy, send_client_address="xclient")
        answer = probe().is_good()
        assert "Relay access denied" in answer.line("relay")
        serve(proxy, legacy)
        assert "send_client_address = xclient would tell it" in probe().text
    finally:
        legacy.stop()


def test_real_servers_that_expect_a_header(probe, proxy):
    legacy = LegacyServer("--address", "proxy")
    try:
        serve(proxy, legacy)
        answer = probe()
        assert answer.status == 1
        assert len(answer.found("error")) == 3, answer.text
        for error in answer.found("error"):
            assert "expects a PROXY header and gets none" in error, answer.text
        serve(proxy, legacy, send_client_address="proxy-v2")
        assert "Relay access denied" in probe().is_good().line("relay")
    finally:
        legacy.stop()


@pytest.mark.parametrize("how", ["proxy-v1", "proxy-v2", "xclient"])
def test_real_servers_that_expect_nothing(probe, proxy, how):
    legacy = LegacyServer()
    try:
        serve(proxy, legacy, send_client_address=how)
        answer = probe()
        errors = answer.found("error")
        assert answer.status == 1
        assert len(errors) == (2 if how == "xclient" else 3), answer.text
        for error in errors:
            assert ("does not offer XCLIENT" if how == "xclient" else
                    "does not expect the PROXY header") in error, answer.text
    finally:
        legacy.stop()
