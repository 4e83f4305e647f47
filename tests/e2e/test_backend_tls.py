"""TLS toward the backend: conformance 5.5, with C7 and C46; attacks A5 to A8 and A16 to A18."""

import hashlib
import re
import ssl
import threading

import pytest
from mailmux_e2e.certificates import NAME
from mailmux_e2e.servers import hello, starttls, tls_server
from mailmux_e2e.steps import (close, cut, expect_line, hang, reset, send, start_tls, tell,
                               wait_for_end)

PROTOCOLS = ["smtp", "imap", "pop3"]
TLS_MODES = ["starttls", "implicit"]
OWN_GREETING = {"smtp": b"220 mail.example.test ESMTP\r\n",
                "imap": b"* OK mail.example.test ready\r\n",
                "pop3": b"+OK mail.example.test ready\r\n"}
GREETING = {"smtp": b"220 old.example ESMTP\r\n", "imap": b"* OK old server ready\r\n",
            "pop3": b"+OK old server ready\r\n"}
FAREWELL = {"smtp": b"421 4.4.1 mail.example.test No backend available\r\n",
            "imap": b"* BYE [UNAVAILABLE] No backend available\r\n",
            "pop3": b"-ERR [SYS/TEMP] No backend available\r\n"}
# What may be said in clear where TLS begins with STARTTLS, up to that word and without it.
IN_CLEAR = {"smtp": b"EHLO mail.example.test\r\nSTARTTLS\r\n",
            "imap": b"m1 CAPABILITY\r\nm2 STARTTLS\r\n", "pop3": b"CAPA\r\nSTLS\r\n",
            "managesieve": b"CAPABILITY\r\nSTARTTLS\r\n"}
HELLO = {protocol: said[:said.index(b"\n") + 1] for protocol, said in IN_CLEAR.items()}
each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)
each_mode = pytest.mark.parametrize("mode", TLS_MODES)


class Front:
    """A listener in front of a backend with TLS."""

    def __init__(self, proxy, new_client, certificates):
        self.proxy, self.new_client, self.certificates = proxy, new_client, certificates
        proxy.section("timeouts", connect="2s", greeting="5s", handshake="5s",
                      connect_deadline="20s", drain="2s")

    def serve(self, protocol, *ports, listener="starttls", host="127.0.0.1", greeting_delay="0s",
              **settings):
        self.protocol, self.listener = protocol, listener
        if settings.get("tls") != "none" and not {"verify", "pin", "ca"} & set(settings):
            settings["ca"] = self.certificates.authority
        self.proxy.section("backend server", server=[f"{host}:{port}" for port in ports], **settings)
        self.proxy.listener("test", protocol, listener, "server", greeting_delay=greeting_delay)
        self.proxy.start()
        return self

    def connect(self, bytewise=False, **tls):
        client = self.new_client(self.proxy.ports["test"], bytewise=bytewise)
        if self.listener == "implicit":
            client.begin_tls(**tls)
        return client

    def greeting(self, client):
        return client.read_greeting(self.protocol)

    def is_refused(self):
        """A client gets the farewell and nothing else."""
        client = self.connect()
        assert client.read_to_end() == FAREWELL[self.protocol]

    def why(self, number=1):
        return self.proxy.wait_for_event("try-failed", number).fields["why"]


@pytest.fixture
def front(proxy, new_client, certificates):
    return Front(proxy, new_client, certificates)


@pytest.fixture
def begin(certificates):
    """The step with which a good server begins TLS."""
    return start_tls(certificates.ecdsa)


def talk(client, protocol):
    """A short session to its end; gives what the server showed as capabilities."""
    if protocol == "smtp":
        shown = client.smtp(b"EHLO c.test")
        for command in (b"MAIL FROM:<a@b.test>", b"RCPT TO:<c@d.test>"):
            assert client.smtp(command).startswith(b"250 ")
        assert client.smtp(b"DATA").startswith(b"354 ")
        client.send(b"Subject: x\r\n\r\nHello\r\n.\r\n")
        assert client.read_smtp().startswith(b"250 ")
        assert client.smtp(b"QUIT").startswith(b"221 ")
    elif protocol == "imap":
        shown = client.imap(b"a CAPABILITY")
        assert client.imap(b"b LOGIN alice secret").endswith(b"b OK logged in\r\n")
        assert b"c OK bye" in client.imap(b"c LOGOUT")
    elif protocol == "managesieve":
        shown = client.sieve(b"CAPABILITY")
        assert client.sieve(b'AUTHENTICATE "PLAIN" "AGFsaWNlAHNlY3JldA=="').startswith(b"OK")
        assert client.sieve(b"LOGOUT").startswith(b"OK")
    else:
        shown = client.pop3_dotted(b"CAPA")
        assert client.pop3(b"USER alice").startswith(b"+OK")
        assert client.pop3(b"PASS secret").startswith(b"+OK")
        assert client.pop3(b"STAT").startswith(b"+OK")
        assert client.pop3(b"QUIT").startswith(b"+OK")
    assert client.read_to_end() == b""
    return shown


# The table

@pytest.mark.conformance("C1", "C2", "C15", "C75", "C76")
@pytest.mark.parametrize("mode", ["none", *TLS_MODES])
@pytest.mark.parametrize("listener", TLS_MODES)
@pytest.mark.parametrize("protocol", [*PROTOCOLS, "managesieve"])
def test_every_combination(front, new_backend, begin, protocol, listener, mode, bytewise):
    backend = new_backend(tls_server(protocol, mode, begin), bytewise=bytewise)
    front.serve(protocol, backend.port, listener=listener, tls=mode)
    client = front.connect(bytewise=bytewise)
    greeting = front.greeting(client)
    if protocol == "managesieve":  # the server's own: inside TLS it greets again
        assert (b'"STARTTLS"' in greeting) == (listener == "starttls") and b"Old Sieve" in greeting
        assert greeting.endswith(b'OK "ready"\r\n')
    else:
        assert greeting == (OWN_GREETING if mode == "starttls" else GREETING)[protocol]
    if listener == "starttls":
        client.starttls(protocol)
    if listener == "starttls" and protocol == "managesieve":
        assert client.read_sieve().endswith(b'OK "words"\r\n')
    shown = talk(client, protocol)
    assert b"STARTTLS" not in shown and b"STLS" not in shown and b"CLEAR" not in shown
    client.close()  # else its session lingers
    connection = backend.finished()
    assert connection.in_clear == (IN_CLEAR[protocol] if mode == "starttls" else b"")
    assert (connection.tls is not None) == (mode != "none")
    assert len(backend.connections) == 1
    line = front.proxy.wait_for_event("session")
    assert line.fields["reason"] in ("quit", "server-closed", "client-closed"), line.text
    assert line.fields.get("server_tls", "none") == ("none" if mode == "none" else "TLSv1.3")
    assert not front.proxy.events("try-failed")


# What a server that will not come to TLS, or somebody in between, can do

NO_STARTTLS = [
    ("smtp", b"250-clear.example\r\n250 SIZE 1000\r\n", "does not offer STARTTLS"),
    ("smtp", b"250-clear.example\r\n250 STARTTLSX\r\n", "does not offer STARTTLS"),
    ("smtp", b"250 STARTTLS\r\n", "does not offer STARTTLS"),
    ("smtp", b"502 5.5.1 what?\r\n", "does not tell its capabilities"),
    ("imap", b"* CAPABILITY IMAP4rev1\r\nm1 OK done\r\n", "does not offer STARTTLS"),
    ("imap", b"m1 OK done\r\n", "does not offer STARTTLS"),
    ("imap", b"* BYE [REFERRAL imap://evil/] x\r\n", "said goodbye before a session began"),
    ("pop3", b"+OK\r\nTOP\r\n.\r\n", "does not offer STARTTLS"),
    ("pop3", b"-ERR what?\r\n", "does not tell its capabilities"),
]
STRANGE_ANSWERS = [
    ("smtp", b"454 4.7.0 no\r\n", "refused STARTTLS"), ("smtp", b"502 no\r\n", "refused STARTTLS"),
    ("smtp", b"354 x\r\n", "answers neither yes nor no"),
    ("smtp", b"250 x\r\n", "answers neither yes nor no"),
    ("smtp", b"421 bye\r\n", "said goodbye before a session began"),
    ("smtp", b"go\r\n", "does not speak this protocol"),
    ("imap", b"m2 BAD no\r\n", "refused STARTTLS"), ("imap", b"m2 NO no\r\n", "refused STARTTLS"),
    ("imap", b"+ go on\r\n", "answers neither yes nor no"),
    ("imap", b"* BYE bye\r\n", "said goodbye before a session began"),
    ("imap", b"x OK go\r\n", "does not speak this protocol"),
    ("pop3", b"-ERR no\r\n", "refused STARTTLS"),
    ("pop3", b"+ go on\r\n", "answers neither yes nor no"),
]
INJECTIONS = [
    ("smtp", b"220 go\r\n250-injected\r\n250 AUTH LOGIN\r\n"),
    ("imap", b"m2 OK begin\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nL OK logged in\r\n"),
    ("pop3", b"+OK begin\r\n+OK\r\nPLAIN\r\n.\r\n"),
]


@pytest.mark.conformance("C72")
@pytest.mark.parametrize("protocol, offer, why", NO_STARTTLS)
def test_starttls_that_is_not_offered_ends_the_try(front, new_backend, protocol, offer, why,
                                                   bytewise):
    backend = new_backend([*hello(protocol, offer), wait_for_end()], bytewise=bytewise)
    front.serve(protocol, backend.port, tls="starttls").is_refused()
    assert backend.finished().received == HELLO[protocol]
    assert front.why() == why


@pytest.mark.conformance("C72")
@pytest.mark.parametrize("protocol, answer, why", STRANGE_ANSWERS)
def test_starttls_that_is_refused_ends_the_try(front, new_backend, protocol, answer, why, bytewise):
    backend = new_backend([*starttls(protocol, answer), wait_for_end()], bytewise=bytewise)
    front.serve(protocol, backend.port, tls="starttls").is_refused()
    assert backend.finished().received == IN_CLEAR[protocol]
    assert front.why() == why


@pytest.mark.conformance("C73")
@pytest.mark.parametrize("protocol, answer", INJECTIONS)
def test_bytes_behind_the_answer_to_starttls_are_fatal(front, new_backend, protocol, answer):
    backend = new_backend([*starttls(protocol, answer), wait_for_end()])
    front.serve(protocol, backend.port, tls="starttls").is_refused()
    assert backend.finished().received == IN_CLEAR[protocol]
    assert front.why() == "sent bytes in clear behind its answer to STARTTLS"


@pytest.mark.conformance("C73", "C74")
@pytest.mark.parametrize("protocol, answer", INJECTIONS)
def test_bytes_that_come_later_fail_the_handshake(front, new_backend, protocol, answer):
    """They are sent when our ClientHello is there, so that no input holds both."""
    end = answer.index(b"\n") + 1
    backend = new_backend([*starttls(protocol, answer[:end]), lambda c: c.take(1),
                           send(answer[end:]), wait_for_end()])
    front.serve(protocol, backend.port, tls="starttls").is_refused()
    received = bytes(backend.finished().received)
    assert received.startswith(IN_CLEAR[protocol] + b"\x16\x03")
    for secret in (b"LOGIN", b"AUTH", b"MAIL", b"USER"):
        assert secret not in received
    assert front.why() == "TLS failed: it answers in clear"


@pytest.mark.conformance("C74")
@each_protocol
def test_plaintext_from_an_implicit_backend_is_never_relayed(front, new_backend, protocol):
    backend = new_backend([send(GREETING[protocol]), wait_for_end()])
    front.serve(protocol, backend.port, tls="implicit").is_refused()
    assert front.why() == "TLS failed: it answers in clear"
    backend.finished()


@pytest.mark.conformance("C72", "C75")
@pytest.mark.parametrize("protocol, greeting, why", [
    ("smtp", b"421 4.3.2 evil\r\n", "refused by its greeting"),
    ("smtp", b"554 5.7.1 evil\r\n", "refused by its greeting"),
    ("imap", b"* BYE [REFERRAL imap://evil/] x\r\n", "refused by its greeting"),
    ("imap", b"* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] x\r\n",
     "greets with PREAUTH where TLS must come first"),
    ("pop3", b"-ERR evil\r\n", "refused by its greeting"),
    ("smtp", b"* OK evil\r\n", "does not speak this protocol"),
])
def test_a_greeting_in_clear_is_not_relayed(front, new_backend, protocol, greeting, why):
    backend = new_backend([send(greeting), wait_for_end()])
    front.serve(protocol, backend.port, tls="starttls").is_refused()
    assert backend.finished().received == b""
    assert front.why() == why


@each_mode
@each_protocol
def test_a_server_without_tls_is_left_for_the_next(front, new_backend, begin, protocol, mode):
    bad = new_backend([*hello(protocol, NO_STARTTLS_OFFER[protocol]), wait_for_end()]
                      if mode == "starttls" else [send(GREETING[protocol]), wait_for_end()])
    good = new_backend(tls_server(protocol, mode, begin))
    front.serve(protocol, bad.port, good.port, tls=mode)
    for _ in range(2):
        client = front.connect()
        assert front.greeting(client) == (OWN_GREETING if mode == "starttls" else GREETING)[protocol]
        client.starttls(protocol)
        talk(client, protocol)
    bad.finished()
    assert len(good.connections) == 2


NO_STARTTLS_OFFER = {"smtp": NO_STARTTLS[0][1], "imap": NO_STARTTLS[4][1], "pop3": NO_STARTTLS[7][1]}


@each_mode
def test_a_server_that_is_silent_in_its_handshake_is_left_for_the_next(
        front, new_backend, begin, mode):
    silent = new_backend([*(starttls("imap") if mode == "starttls" else []), hang()])
    good = new_backend(tls_server("imap", mode, begin))
    front.proxy.section("timeouts", handshake="1500ms", connect_deadline="20s", drain="2s")
    front.serve("imap", silent.port, good.port, tls=mode)
    for _ in range(2):
        assert front.connect().read_line() == (OWN_GREETING if mode == "starttls" else GREETING)["imap"]
    assert front.why() == "no TLS handshake in time"


@each_protocol
def test_a_server_that_says_no_inside_tls_is_left_for_the_next(front, new_backend, begin, protocol):
    bye = {"smtp": b"421 4.3.2 busy\r\n", "imap": b"* BYE busy\r\n", "pop3": b"-ERR busy\r\n"}
    bad = new_backend([*starttls(protocol), begin, send(bye[protocol]), wait_for_end()])
    good = new_backend(tls_server(protocol, "starttls", begin))
    front.serve(protocol, bad.port, good.port, tls="starttls")
    for _ in range(2):
        assert front.greeting(front.connect()) == OWN_GREETING[protocol]
    bad.connection()


@pytest.mark.conformance("C4", "C5")
@each_protocol
def test_a_refusal_inside_implicit_tls_is_what_the_client_gets(front, new_backend, begin, protocol):
    bye = {"smtp": b"421 4.3.2 busy\r\n", "imap": b"* BYE busy\r\n", "pop3": b"-ERR busy\r\n"}
    backend = new_backend([begin, send(bye[protocol]), wait_for_end()])
    front.serve(protocol, backend.port, tls="implicit")
    assert front.connect().read_to_end() == bye[protocol]


# Whose certificate is believed

NUL_NAME = NAME.encode() + b"\0.evil.test"
BAD_CERTIFICATES = {
    "wrong name": (dict(names="DNS:other.example.test"), "hostname mismatch"),
    "expired": (dict(expired=True), "certificate has expired"),
    "self-signed": (dict(issuer="self"), "self-signed certificate"),
    "untrusted": (dict(issuer="foreign"), "unable to get local issuer certificate"),
    "NUL in its name": (dict(names="DER:" + bytes(
        [0x30, len(NUL_NAME) + 2, 0x82, len(NUL_NAME)] + list(NUL_NAME)).hex(":")),
        "hostname mismatch"),
    "for clients": (dict(client=True), "unsuitable certificate purpose"),
}


@pytest.mark.conformance("C76", "C77")
@each_mode
@pytest.mark.parametrize("what", BAD_CERTIFICATES)
def test_a_certificate_that_proves_nothing_ends_the_try(
        front, new_backend, certificates, what, mode):
    options, why = BAD_CERTIFICATES[what]
    pair = certificates.other(re.sub(r"\W", "-", what), **options)
    backend = new_backend(tls_server("imap", mode, start_tls(pair)))
    front.serve("imap", backend.port, tls=mode, tls_name=NAME).is_refused()
    assert front.why() == f"TLS failed: certificate verify failed: {why}"
    connection = backend.connection()
    assert connection.ended.wait(30)
    assert bytes(connection.received) == (IN_CLEAR["imap"] if mode == "starttls" else b"")


@pytest.mark.conformance("C77")
@each_mode
def test_verification_is_on_by_default_and_off_by_one_word_with_a_warning(
        new_proxy, new_client, new_backend, certificates, mode):
    pair = certificates.other("self-signed", issuer="self")
    backend = new_backend(tls_server("imap", mode, start_tls(pair)))
    careful, careless = new_proxy(), new_proxy()
    careful.backend("server", backend.port, tls=mode)
    careless.backend("server", backend.port, tls=mode, verify="no")
    for proxy in (careful, careless):
        proxy.environment["SSL_CERT_FILE"] = str(certificates.authority)
        proxy.listener("test", "imap", "starttls", "server")
        proxy.start()
    assert new_client(careful.ports["test"]).read_to_end() == FAREWELL["imap"]
    assert not careful.events("config")
    client = new_client(careless.ports["test"])
    assert client.read_line() == (OWN_GREETING if mode == "starttls" else GREETING)["imap"]
    warning, = careless.events("config")
    assert warning.level == "warning" and "verify = no" in warning.text


@pytest.mark.conformance("C78")
@each_mode
def test_the_configured_name_is_sent_and_not_the_one_that_the_client_asked_for(
        front, new_backend, begin, mode):
    backend = new_backend(tls_server("imap", mode, begin))
    front.serve("imap", backend.port, listener="implicit", tls=mode, tls_name=NAME)
    front.connect(server_name="client.example.test").read_line()
    assert backend.connection().server_name == NAME


@pytest.mark.conformance("C78")
@pytest.mark.parametrize("host, server_name", [("127.0.0.1", None), ("localhost", "localhost")])
def test_without_a_name_the_server_line_decides(front, new_backend, begin, host, server_name):
    """The certificate is for both; an address is no SNI."""
    backend = new_backend(tls_server("imap", "implicit", begin))
    front.serve("imap", backend.port, host=host, tls="implicit")
    assert front.connect().read_line() == GREETING["imap"]
    assert backend.connection().server_name == server_name


def test_an_address_that_the_certificate_does_not_have_is_refused(
        front, new_backend, certificates):
    pair = certificates.other("no-address", names=f"DNS:{NAME}")
    backend = new_backend(tls_server("imap", "implicit", start_tls(pair)))
    front.serve("imap", backend.port, tls="implicit").is_refused()
    assert front.why() == "TLS failed: certificate verify failed: IP address mismatch"


@each_mode
def test_a_pin_alone_decides(front, new_backend, certificates, mode):
    pair = certificates.other("expired-and-own", issuer="self", expired=True)
    backend = new_backend(tls_server("imap", mode, start_tls(pair)))
    front.serve("imap", backend.port, tls=mode, pin=[certificates.rsa.pin(), pair.pin()])
    client = front.connect()
    client.read_line()
    client.starttls("imap")
    talk(client, "imap")


def test_a_pin_that_does_not_fit_is_refused(front, new_backend, certificates):
    backend = new_backend(tls_server("imap", "implicit", start_tls(certificates.ecdsa)))
    front.serve("imap", backend.port, tls="implicit", pin=certificates.rsa.pin()).is_refused()
    assert front.why().startswith("TLS failed: certificate verify failed")


def test_a_pin_with_ca_needs_both(front, new_backend, certificates):
    pair = certificates.other("self-signed", issuer="self")
    backend = new_backend(tls_server("imap", "implicit", start_tls(pair)))
    front.serve("imap", backend.port, tls="implicit", pin=pair.pin(),
                ca=certificates.authority).is_refused()
    assert front.why() == "TLS failed: certificate verify failed: self-signed certificate"


# Our own certificate

def wants_certificate(certificates, mode=ssl.CERT_REQUIRED):
    def prepare(context):
        context.verify_mode = mode
        context.load_verify_locations(certificates.authority)
    return start_tls(certificates.ecdsa, prepare)


@each_mode
def test_our_certificate_is_shown_where_it_is_configured(front, new_backend, certificates, mode):
    backend = new_backend(tls_server("imap", mode, wants_certificate(certificates)))
    front.serve("imap", backend.port, tls=mode, ca=certificates.authority,
                client_certificate=certificates.rsa.certificate, client_key=certificates.rsa.key)
    front.connect().read_line()
    shown = backend.connection().tls.getpeercert()
    assert ("DNS", NAME) in shown["subjectAltName"]


@pytest.mark.conformance("C103")
@each_mode
def test_no_certificate_of_ours_is_shown_where_none_is_configured(
        front, new_backend, certificates, mode):
    backend = new_backend(
        tls_server("imap", mode, wants_certificate(certificates, ssl.CERT_OPTIONAL)))
    front.serve("imap", backend.port, tls=mode)
    front.connect().read_line()
    assert not backend.connection().tls.getpeercert()


@each_mode
def test_a_server_that_insists_on_a_certificate_is_left_for_the_next(
        front, new_backend, certificates, begin, mode):
    """In TLS 1.3 its refusal comes behind the handshake, and still before the client has a byte."""
    strict = new_backend(tls_server("imap", mode, wants_certificate(certificates)))
    good = new_backend(tls_server("imap", mode, begin))
    front.serve("imap", strict.port, good.port, tls=mode)
    for _ in range(2):
        assert front.connect().read_line() == (OWN_GREETING if mode == "starttls" else GREETING)["imap"]
    strict.connection()


# Versions and ciphers; no reuse

def only(version, ciphers=None):
    def prepare(context):
        context.minimum_version = context.maximum_version = version
        if ciphers:
            context.set_ciphers(ciphers)
    return prepare


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.conformance("C80")
@each_mode
@pytest.mark.parametrize("policy, prepare, works", [
    ("modern", only(ssl.TLSVersion.TLSv1_2), False),
    ("modern", only(ssl.TLSVersion.TLSv1_3), True),
    ("intermediate", only(ssl.TLSVersion.TLSv1_2), True),
    ("intermediate", only(ssl.TLSVersion.TLSv1_2, "AES128-SHA:@SECLEVEL=0"), False),
    ("intermediate", only(ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"), False),
    ("legacy", only(ssl.TLSVersion.TLSv1_2, "AES128-SHA:@SECLEVEL=0"), True),
    ("legacy", only(ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"), True),
], ids=lambda value: value if isinstance(value, str) else "")
def test_versions_and_ciphers_are_those_of_the_backend_section(
        front, new_backend, certificates, mode, policy, prepare, works):
    backend = new_backend(tls_server("imap", mode, start_tls(certificates.rsa, prepare)))
    front.serve("imap", backend.port, tls=mode, tls_policy=policy)
    line = front.connect().read_line()
    assert line == ((OWN_GREETING if mode == "starttls" else GREETING)["imap"] if works
                    else FAREWELL["imap"])


@pytest.mark.conformance("C79")
@each_mode
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3],
                         ids=["1.2", "1.3"])
def test_each_session_has_a_connection_of_its_own(
        front, new_backend, certificates, mode, version):
    backend = new_backend(tls_server("imap", mode, start_tls(certificates.ecdsa, only(version))))
    front.proxy.section("proxy", workers=1, hostname=NAME,
                        state_directory=front.proxy.directory / "state")
    front.serve("imap", backend.port, tls=mode)
    for number in range(3):
        client = front.connect()
        client.read_line()
        client.starttls("imap")
        talk(client, "imap")
        backend.finished(number)
    assert len(backend.connections) == 3


# PREAUTH and REQUIRETLS

PREAUTH = b"* PREAUTH [CAPABILITY IMAP4rev1] welcome alice\r\n"


def preauthenticated(begin):
    def tail(connection):
        assert connection.read_line() == b"a SELECT INBOX\r\n"
        connection.send(b"a OK selected\r\n")
    return [begin, send(PREAUTH), tail, wait_for_end()]


@pytest.mark.conformance("C7")
def test_preauth_is_relayed_between_two_legs_of_verified_tls(front, new_backend, begin):
    backend = new_backend(preauthenticated(begin))
    front.serve("imap", backend.port, listener="implicit", tls="implicit")
    client = front.connect()
    assert client.read_line() == PREAUTH
    fields = front.proxy.wait_for_event("login").fields
    assert fields["mechanism"] == "PREAUTH" and "user" not in fields
    assert client.imap(b"a SELECT INBOX") == b"a OK selected\r\n"
    client.close()
    backend.finished()


@pytest.mark.conformance("C6", "C7")
@pytest.mark.parametrize("listener, settings", [
    ("starttls", dict(tls="implicit")), ("implicit", dict(tls="implicit", verify="no")),
    ("implicit", dict(tls="none")), ("implicit", dict(tls="starttls")),
])
def test_preauth_is_refused_elsewhere(front, new_backend, begin, listener, settings):
    first = [begin] if settings["tls"] == "implicit" else []
    backend = new_backend([*first, send(PREAUTH), wait_for_end()])
    front.serve("imap", backend.port, listener=listener, **settings)
    client = front.connect()
    assert client.read_line().startswith(b"* BYE ")
    assert client.read_to_end() == b""
    assert b"alice" not in client.unread()


@pytest.mark.conformance("C46", "C46b")
@pytest.mark.parametrize("listener", TLS_MODES)
@pytest.mark.parametrize("mode, settings, shown", [
    ("starttls", {}, True), ("implicit", {}, True), ("starttls", dict(verify="no"), False),
    ("implicit", dict(verify="no"), False), ("none", {}, False),
])
def test_requiretls_is_shown_where_both_legs_keep_it(
        front, new_backend, begin, listener, mode, settings, shown):
    words = (b"old.example", b"REQUIRETLS", b"SIZE 1000")
    backend = new_backend(tls_server("smtp", mode, begin, words=words))
    front.serve("smtp", backend.port, listener=listener, tls=mode, **settings)
    client = front.connect()
    client.read_smtp()
    if listener == "starttls":
        assert b"REQUIRETLS" not in client.smtp(b"EHLO c.test")
        client.starttls("smtp")
    assert (b"REQUIRETLS" in client.smtp(b"EHLO c.test")) == shown


# In the middle of a session

@pytest.mark.conformance("C33")
@each_mode
def test_a_renewed_connection_is_secured_again(front, new_backend, begin, mode):
    """A command in clear whose trace only a new connection undoes."""
    backend = new_backend(tls_server("smtp", mode, begin))
    front.serve("smtp", backend.port, tls=mode)
    client = front.connect()
    client.read_smtp()
    assert client.smtp(b"XYZZY").startswith(b"500 ")
    client.starttls("smtp")
    talk(client, "smtp")
    second = backend.finished(1)
    assert len(backend.connections) == 2
    assert second.tls is not None and b"XYZZY" not in second.received
    assert second.in_clear == (IN_CLEAR["smtp"] if mode == "starttls" else b"")


@pytest.mark.conformance("C72")
def test_a_renewed_connection_that_cannot_be_secured_ends_the_session(
        front, new_backend, begin):
    backend = new_backend(tls_server("smtp", "starttls", begin),
                          [*hello("smtp", NO_STARTTLS_OFFER["smtp"]), wait_for_end()])
    front.serve("smtp", backend.port, tls="starttls")
    client = front.connect()
    client.read_smtp()
    client.smtp(b"XYZZY")
    client.starttls("smtp")
    assert client.read_to_end() == FAREWELL["smtp"]
    assert backend.finished(1).received == HELLO["smtp"]


LOST = {"smtp": (b"NOOP", b"421 4.4.2 "), "imap": (b"a NOOP", b"* BYE "), "pop3": (b"NOOP", b"-ERR ")}


@pytest.mark.conformance("C81")
@pytest.mark.parametrize("how", [close, cut, reset], ids=["close", "cut", "reset"])
@each_mode
@each_protocol
def test_a_backend_that_dies_before_the_login_is_explained(
        front, new_backend, begin, protocol, mode, how):
    command, farewell = LOST[protocol]
    first = ([begin, send(GREETING[protocol])] if mode == "implicit"
             else [*starttls(protocol), begin, *answer_hello(protocol)])
    backend = new_backend([*first, expect_line(re.escape(command)), how()])
    front.serve(protocol, backend.port, tls=mode)
    client = front.connect()
    front.greeting(client)
    client.starttls(protocol)
    client.send(command + b"\r\n")
    rest = client.read_to_end()
    assert rest.startswith(farewell) and rest.count(b"\r\n") == 1


def answer_hello(protocol):
    """Behind TLS the capabilities are asked for again."""
    command, answer = {"smtp": (b"EHLO .*", b"250 old.example\r\n"),
                       "imap": (b"m3 CAPABILITY", b"* CAPABILITY IMAP4rev1\r\nm3 OK done\r\n"),
                       "pop3": (b"CAPA", b"+OK\r\nTOP\r\n.\r\n")}[protocol]
    return [expect_line(command), send(answer)]


@pytest.mark.conformance("C81")
@pytest.mark.parametrize("how", [close, cut, reset], ids=["close", "cut", "reset"])
@each_mode
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a_backend_that_dies_after_the_login_is_not_spoken_for(
        front, new_backend, begin, protocol, mode, how):
    login = {"imap": dict(replies={b"LOGIN": lambda c, _: leave(c, b"%T OK in\r\n* 1 EX", how)}),
             "pop3": dict(replies={b"PASS": lambda c, _: leave(c, b"+OK in\r\n+OK 1 par", how)})}
    backend = new_backend(tls_server(protocol, mode, begin, **login[protocol]))
    front.serve(protocol, backend.port, tls=mode)
    client = front.connect()
    client.read_line()
    client.starttls(protocol)
    if protocol == "imap":
        client.send(b"a LOGIN alice secret\r\n")
    else:
        client.pop3(b"USER alice")
        client.send(b"PASS secret\r\n")
    rest = client.read_to_end()
    assert b"BYE" not in rest and b"-ERR" not in rest and b"421" not in rest
    assert rest in (b"", b"a OK in\r\n* 1 EX", b"+OK in\r\n+OK 1 par", b"a OK in\r\n", b"+OK in\r\n")


def leave(connection, words, how):
    connection.send(words.replace(b"%T", b"a"))
    if how is not reset:
        how()(connection)
    else:
        connection.reset()


@pytest.mark.conformance("C66")
@each_mode
def test_a_large_mailbox_passes_both_ways(front, new_backend, begin, mode):
    """More than any buffer, in both directions, with ends that arrive behind the last byte."""
    text = b"".join(hashlib.sha256(b"%d" % n).hexdigest().encode() + b"\r\n" for n in range(60000))
    digests = []

    def exchange(connection, _):
        connection.send(b"a OK in\r\n" + text)
        digests.append(hashlib.sha256(connection.take(len(text))).hexdigest())
        connection.send(b"done\r\n")
        connection.close()
        return b""

    backend = new_backend(tls_server("imap", mode, begin, replies={b"LOGIN": exchange}))
    front.serve("imap", backend.port, tls=mode)
    client = front.connect()
    client.read_line()
    client.starttls("imap")
    client.imap(b"a LOGIN alice secret")
    assert client.read_exactly(len(text)) == text
    client.send(text)
    assert client.read_to_end() == b"done\r\n"
    assert digests == [hashlib.sha256(text).hexdigest()]


def test_bytes_of_the_greeting_wait_until_the_client_is_there(front, new_backend, begin):
    """What came in one record with the greeting is not lost in TLS's own memory."""
    greeted = threading.Event()
    backend = new_backend([begin, send(b"220 old.example ESMTP\r\n"), tell(greeted),
                           expect_line(b"EHLO c.test"), send(b"250 old.example\r\n"),
                           expect_line(b"QUIT"), send(b"221 bye\r\n")])
    front.serve("smtp", backend.port, tls="implicit", greeting_delay="200ms")
    client = front.connect()
    assert greeted.wait(30)
    assert client.read_smtp() == b"220 old.example ESMTP\r\n"
    assert client.smtp(b"EHLO c.test").startswith(b"250-")
    assert client.smtp(b"QUIT").startswith(b"221 ")
    backend.finished()


@pytest.mark.conformance("C93")
@pytest.mark.parametrize("listener", ["none", "implicit"])
def test_a_reset_of_a_client_that_waits_is_not_passed_on_as_a_clean_end(
        front, new_backend, begin, listener):
    """It is noticed and not read, since nothing was wanted of the client before the answer."""
    asked = threading.Event()
    backend = new_backend([begin, send(GREETING["imap"]), expect_line(b"a LOGIN alice secret"),
                           tell(asked), wait_for_end()])
    front.serve("imap", backend.port, listener=listener, tls="implicit")
    client = front.connect()
    assert client.read_line() == GREETING["imap"]
    client.send(b"a LOGIN alice secret\r\n")
    assert asked.wait(30)
    client.reset()
    connection = backend.finished()
    assert connection.truncated or connection.was_reset
    assert front.proxy.wait_for_event("session").fields["reason"] == "client-reset"


@each_mode
def test_tls_that_fails_marks_the_server(front, new_backend, certificates, mode):
    pair = certificates.other("self-signed", issuer="self")
    backend = new_backend(tls_server("imap", mode, start_tls(pair)))
    front.serve("imap", backend.port, tls=mode, fall=1).is_refused()
    why = front.proxy.wait_for_event("server-down").fields["why"]
    assert why == "TLS failed: certificate verify failed: self-signed certificate"


def test_tls_that_fails_marks_a_server_that_knows_the_client(front, new_backend, certificates):
    """A certificate is bad for everybody, whatever was told before it."""
    pair = certificates.other("self-signed", issuer="self")

    def take_header(connection):
        while not connection.received.endswith(b"\r\n"):
            connection.take_no_more(1)

    backend = new_backend([take_header, *tls_server("imap", "implicit", start_tls(pair))])
    front.serve("imap", backend.port, tls="implicit", fall=1, send_client_address="proxy-v1")
    front.is_refused()
    why = front.proxy.wait_for_event("server-down").fields["why"]
    assert why == "TLS failed: certificate verify failed: self-signed certificate"
