"""What the log says when TLS fails: in the line of the session on the client's leg, in try-failed on
the server's. Each kind has a client or a server that fails in this way.
"""

import re
import socket
import ssl
import struct
import subprocess

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e import certificates as certificate_files
from mailmux_e2e.certificates import NAME
from mailmux_e2e.client import Client, Closed, default_context
from mailmux_e2e.servers import server, tls_server
from mailmux_e2e.steps import close, expect_line, hang, send, start_tls

FAILED = (ssl.SSLError, Closed, ConnectionError)
V10, V11, V12, V13 = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2,
                      ssl.TLSVersion.TLSv1_3)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def client_authority(tmp_path_factory):
    """Signs certificates of clients."""
    return certificate_files.make(tmp_path_factory.mktemp("client-authority"))


def only(lowest, highest=None, ciphers="ALL:@SECLEVEL=0"):
    context = default_context()
    context.set_ciphers(ciphers)
    context.minimum_version, context.maximum_version = lowest, highest or lowest
    return context


def checking(authority):
    """A client that looks at our certificate, as real ones do."""
    context = ssl.create_default_context(cafile=str(authority))
    context.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
    return context


@pytest.fixture
def front(proxy, new_backend, certificates):
    """front(pair, **settings of [tls]): a listener `imaps` and one with STARTTLS, `imap`."""
    def start(pair=None, listener=None, **settings):
        pair = pair or certificates.rsa
        proxy.section("tls", certificate=pair.certificate, key=pair.key, **settings)
        proxy.backend("server", new_backend(server("imap")).port)
        proxy.section("timeouts", handshake="1s")
        proxy.listener("imaps", "imap", "implicit", "server", **(listener or {}))
        proxy.listener("imap", "imap", "starttls", "server", **(listener or {}))
        proxy.start()
        return proxy

    return start


def fields_of(proxy, context, name="imaps", server_name=NAME):
    """The line of a session whose client fails in the handshake or with its first read."""
    before = len(proxy.events("session"))
    with Client(proxy.ports[name]) as client:
        if name == "imap":
            client.read_line()
        with pytest.raises(FAILED):
            if name == "imap":
                client.send(b"t STARTTLS\r\n")
                client.read_line()
            client.begin_tls(context, server_name=server_name)
            client.read_line()
            raise Closed("after the handshake")
    return proxy.wait_for_event("session", before + 1).fields


# What the client offers

@pytest.mark.quick
@pytest.mark.parametrize("name", ["imaps", "imap"])
def test_a_client_that_is_too_old_for_the_policy(front, name):
    fields = fields_of(front(), only(V10), name)
    assert fields["reason"] == "handshake-failed"
    assert fields["hint"] == \
        "the client offers TLS 1.0 at most; policy = intermediate begins with TLS 1.2"
    assert fields["offered_versions"] == "up to TLS 1.0"
    assert "AES256-SHA" in fields["offered_ciphers"]
    assert fields["detail"] == "unsupported protocol"


def test_a_client_that_is_too_old_for_the_policy_modern(front):
    fields = fields_of(front(policy="modern"), only(V12))
    assert fields["hint"] == \
        "the client offers TLS 1.2 at most; policy = modern begins with TLS 1.3"


def test_a_client_that_is_too_old_for_a_setting_of_its_own(front):
    fields = fields_of(front(minimum_version="1.3"), only(V11, V12))
    assert fields["hint"] == "the client offers TLS 1.2 at most; minimum_version is TLS 1.3"


def test_a_client_that_is_too_new(front):
    fields = fields_of(front(maximum_version="1.2"), only(V13))
    assert fields["hint"] == "the client offers TLS 1.3 at least; maximum_version is TLS 1.2"
    assert fields["offered_versions"] == "TLS 1.3"


def test_no_cipher_in_common(front):
    fields = fields_of(front(), only(V12, ciphers="AES128-SHA:AES256-SHA:@SECLEVEL=0"))
    assert fields["hint"].startswith("no cipher in common; ciphers or policy in [tls]")
    assert fields["offered_ciphers"] == "AES128-SHA:AES256-SHA"
    assert fields["offered_versions"] == "up to TLS 1.2"


def test_many_ciphers_are_shown_in_short(front):
    fields = fields_of(front(), only(V11, ciphers="ALL:@SECLEVEL=0"))
    assert fields["offered_ciphers"].split()[-1] == "more"
    assert len(fields["offered_ciphers"]) < 200


@pytest.mark.parametrize("kind, ciphers, wanted", [
    ("ecdsa", "ECDHE-RSA-AES128-GCM-SHA256", "RSA"), ("rsa", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDSA")])
def test_a_cipher_that_needs_a_certificate_of_another_kind(front, certificates, kind, ciphers, wanted):
    fields = fields_of(front(getattr(certificates, kind)), only(V12, ciphers=ciphers))
    assert f"wants one with an {wanted} key" in fields["hint"]


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_no_group_in_common(front, version):
    proxy = front(groups="X25519")
    client = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.ports['imaps']}", version,
         "-groups", "P-521:P-384"], stdin=subprocess.DEVNULL, capture_output=True, timeout=CEILING)
    assert client.returncode != 0
    fields = proxy.wait_for_event("session").fields
    assert fields["hint"] == "no group for the key exchange in common: ours are X25519"
    assert fields["offered_groups"] == "secp521r1:secp384r1"


def test_a_name_that_no_certificate_has(front):
    proxy = front(listener={"strict_sni": "yes"})
    fields = fields_of(proxy, default_context(), server_name="other.test")
    assert fields["reason"] == "unknown-sni" and fields["sni"] == "other.test"
    assert fields["hint"].startswith("strict_sni = yes, and no certificate is for the name")


def test_protocols_of_a_browser(front):
    context = default_context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    fields = fields_of(front(), context)
    assert fields["reason"] == "alpn-mismatch"
    assert fields["hint"].startswith("the client wants other protocols (ALPN) than imap")
    assert fields["offered_alpn"] == "h2,http/1.1"


@pytest.mark.conformance("C153")
def test_protocols_are_escaped(front):
    context = default_context()
    context.set_alpn_protocols(["x\r\n\x00\x7f"])
    assert fields_of(front(), context)["offered_alpn"] == "x\\x0d\\x0a\\x00\\x7f"


# What the client thinks of our certificate

def fields_of_refusal(proxy, context, server_name=NAME):
    """The client says with an alert what it does not like."""
    with socket.create_connection(("127.0.0.1", proxy.ports["imaps"]), CEILING) as plain:
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(plain, server_hostname=server_name)
    return proxy.wait_for_event("session").fields



def test_a_client_that_does_not_know_our_authority(front, certificates, client_authority):
    fields = fields_of_refusal(front(), checking(client_authority.authority))
    assert fields["reason"] == "handshake-failed"
    assert fields["hint"].startswith(
        "the client does not know the authority of our certificate (alert unknown_ca)")
    assert fields["hint"].endswith("name the whole chain (certbot: fullchain.pem)")
    assert fields["detail"] == "tlsv1 alert unknown ca"


def test_a_client_that_refuses_a_self_signed_certificate(front, certificates):
    pair = certificates.other("self-signed", issuer="self")
    fields = fields_of_refusal(front(pair), checking(certificates.authority))
    assert "unknown_ca" in fields["hint"] and "it is self-signed" in fields["hint"]


def test_a_client_that_finds_our_certificate_expired(front, certificates):
    pair = certificates.other("expired", expired=True)
    fields = fields_of_refusal(front(pair), checking(certificates.authority))
    assert "alert certificate_expired" in fields["hint"]
    assert re.search(r"; it expired on 20\d\d-\d\d-\d\d, renew it$", fields["hint"])


def test_a_client_that_finds_another_name_in_our_certificate(front, certificates):
    fields = fields_of_refusal(front(), checking(certificates.authority), server_name="other.test")
    assert "bad_certificate" in fields["hint"] or "certificate_unknown" in fields["hint"]
    assert fields["hint"].endswith("it is not for the name that the client asked for")


def test_a_client_that_leaves_when_it_has_seen_our_certificate(front):
    """Many clients show their user a question, and close without a word."""
    proxy = front()
    with socket.create_connection(("127.0.0.1", proxy.ports["imaps"])) as plain:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = only(V12, V13).wrap_bio(incoming, outgoing, server_hostname=NAME)
        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        plain.sendall(outgoing.read())
        assert plain.recv(1)
        plain.shutdown(socket.SHUT_WR)
        while plain.recv(65536):
            pass
    fields = proxy.wait_for_event("session").fields
    assert fields["hint"] == "the client closed in the handshake without an alert; many do so if " \
                             "they do not trust the certificate"
    assert fields["offered_versions"] == "TLS 1.2 to TLS 1.3"


def test_a_client_that_resets_when_it_has_seen_our_certificate(front):
    proxy = front()
    with socket.create_connection(("127.0.0.1", proxy.ports["imaps"])) as plain:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        with pytest.raises(ssl.SSLWantReadError):
            only(V12).wrap_bio(incoming, outgoing).do_handshake()
        plain.sendall(outgoing.read())
        assert plain.recv(1)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    fields = proxy.wait_for_event("session").fields
    assert fields["reason"] == "client-reset" and fields["offered_versions"] == "up to TLS 1.2"
    assert fields["hint"].startswith("the client closed in the handshake without an alert")


# Ports that are taken for others

def test_a_client_in_clear_where_tls_comes_first(front):
    proxy = front()
    with Client(proxy.ports["imaps"]) as client:
        client.send(b"a LOGIN alice secret\r\n")
        assert client.read_to_end() == b""
    fields = proxy.wait_for_event("session").fields
    assert fields["reason"] == "plaintext-on-tls-port"
    assert fields["hint"].startswith("the client speaks without TLS, and on this port TLS comes first")
    assert fields["hint"].endswith(", or write tls = auto in the listener")
    assert "secret" not in proxy.log()


def test_a_client_that_goes_on_in_clear_after_starttls(front):
    proxy = front()
    with Client(proxy.ports["imap"]) as client:
        client.read_line()
        client.send(b"t STARTTLS\r\n")
        client.read_line()
        client.send(b"a LOGIN alice secret\r\n")
        client.read_to_end()
    fields = proxy.wait_for_event("session").fields
    assert fields["reason"] == "handshake-failed"
    assert fields["hint"] == "the client goes on in clear where TLS was to begin"
    assert "secret" not in proxy.log()


def test_a_client_that_waits_for_a_greeting_where_tls_comes_first(front):
    proxy = front()
    with Client(proxy.ports["imaps"]) as client:
        assert client.read_to_end() == b""
    fields = proxy.wait_for_event("session").fields
    assert fields["reason"] == "handshake-timeout"
    assert fields["hint"].startswith("the client waited for a greeting, and on this port TLS comes first")
    assert fields["hint"].endswith(", or write tls = auto in the listener")


def test_a_client_with_tls_where_starttls_comes_first(front):
    proxy = front()
    client = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.ports['imap']}"],
        stdin=subprocess.DEVNULL, capture_output=True, timeout=CEILING)
    assert client.returncode != 0
    fields = proxy.wait_for_event("session").fields
    assert fields["reason"] == "tls-on-plaintext-port"
    assert fields["hint"].startswith("the client begins with TLS, and on this port STARTTLS comes first")
    assert fields["hint"].endswith(", or write tls = auto in the listener")


# The client's certificate

def with_certificate(pair):
    context = default_context()
    context.load_cert_chain(pair.certificate, pair.key)
    return context


def session_of(proxy, context):
    with Client(proxy.ports["imaps"]) as client:
        client.begin_tls(context, server_name=NAME)
        assert client.read_line().startswith(b"* OK")
        client.imap(b"a LOGOUT")
        client.read_to_end()
    return proxy.wait_for_event("session").fields


def test_the_certificate_of_a_client_is_named(front, client_authority):
    proxy = front(client_certificate="require", client_ca=client_authority.authority)
    fields = session_of(proxy, with_certificate(client_authority.other("client", client=True)))
    assert fields["client_name"] == NAME and fields["client_verify"] == "ok"


@pytest.mark.parametrize("context, name, verify", [
    (lambda authority: default_context(), None, "none"),
    (lambda authority: with_certificate(authority.other("own", issuer="self", client=True)), NAME,
     "failed: self-signed certificate"),
    (lambda authority: with_certificate(authority.other("old", expired=True, client=True)), NAME,
     "failed: certificate has expired")], ids=["none", "self-signed", "expired"])
def test_a_certificate_that_was_asked_for_is_judged(front, client_authority, context, name, verify):
    proxy = front(client_certificate="request", client_ca=client_authority.authority)
    fields = session_of(proxy, context(client_authority))
    assert (fields.get("client_name"), fields["client_verify"]) == (name, verify)


def test_without_a_question_nothing_is_said_of_certificates(front, client_authority):
    fields = session_of(front(), with_certificate(client_authority.rsa))
    assert "client_verify" not in fields and "client_name" not in fields
    assert fields["resumed"] == "no"


@pytest.mark.conformance("C153")
def test_the_name_in_a_certificate_is_escaped(front, client_authority):
    pair = certificate_files._leaf(client_authority.directory, "ca", "odd", "-newkey", "rsa:2048")
    request = client_authority.directory / "odd2.csr"
    odd = certificate_files.Pair(client_authority.directory / "odd2.pem", pair.key)
    subprocess.run(["openssl", "req", "-new", "-utf8", "-key", pair.key, "-out", request, "-subj",
                    "/CN=a\r\nb \"c\" \u00fc"], check=True, capture_output=True)
    subprocess.run(["openssl", "x509", "-req", "-in", request, "-days", "2", "-CAcreateserial",
                    "-CA", client_authority.authority, "-CAkey", client_authority.directory / "ca.key",
                    "-out", odd.certificate], check=True, capture_output=True)
    proxy = front(client_certificate="require", client_ca=client_authority.authority)
    session_of(proxy, with_certificate(odd))
    assert ' client_name="a\\x0d\\x0ab \\"c\\" \\xc3\\xbc" ' in proxy.events("session")[0].text


def test_a_client_without_the_certificate_that_is_required(front, client_authority):
    proxy = front(client_certificate="require", client_ca=client_authority.authority)
    fields = fields_of(proxy, default_context())
    assert fields["hint"] == "client_certificate = require, and the client shows no certificate"


@pytest.mark.parametrize("kind, options, why", [
    ("foreigner", {"issuer": "foreign"}, "no authority in client_ca has signed it"),
    ("own", {"issuer": "self"}, "no authority in client_ca has signed it"),
    ("old", {"expired": True}, "it has expired, renew it")])
def test_a_client_whose_certificate_is_not_accepted(front, client_authority, kind, options, why):
    pair = client_authority.other(kind, client=True, **options)
    proxy = front(client_certificate="require", client_ca=client_authority.authority)
    fields = fields_of(proxy, with_certificate(pair))
    assert fields["hint"] == "client_certificate = require, and the certificate of the client is " \
                             f"not accepted: {why}"


def test_what_was_agreed_on(front):
    proxy = front()
    context = only(V12, ciphers="ECDHE-RSA-AES128-GCM-SHA256")
    context.set_alpn_protocols(["imap"])
    sessions = []
    for number, resumed in enumerate(("no", "yes"), 1):
        with Client(proxy.ports["imaps"]) as client:
            client.begin_tls(context, server_name=NAME, session=sessions[0] if sessions else None)
            assert client.read_line().startswith(b"* OK")
            sessions.append(client.tls.session)
            client.imap(b"a LOGOUT")
            client.read_to_end()
        fields = proxy.wait_for_event("session", number).fields
        assert fields["alpn"] == "imap" and fields["resumed"] == resumed
        assert int(fields["tls_ms"]) >= 0
        assert "hint" not in fields and "offered_versions" not in fields


# The server's leg

@pytest.fixture
def behind(proxy, new_backend, certificates):
    """behind(script, **settings of the backend): the line of a try that fails."""
    def start(script, **settings):
        proxy.section("timeouts", connect="2s", greeting="1s", handshake="2s", connect_deadline="20s")
        backend = new_backend(script)
        settings = {"tls": "implicit", "ca": certificates.authority, "tls_name": NAME, **settings}
        settings = {key: value for key, value in settings.items() if value is not None}
        proxy.section("backend server", server=f"one 127.0.0.1:{backend.port}", **settings)
        proxy.listener("test", "imap", "none", "server")
        proxy.start()
        with Client(proxy.ports["test"]) as client:
            assert client.read_to_end().startswith(b"* BYE")
        return proxy.wait_for_event("try-failed").fields

    return start


def implicit(certificates, pair=None, prepare=None):
    return tls_server("imap", "implicit", start_tls(pair or certificates.ecdsa, *([prepare] if prepare else [])))


@pytest.mark.quick
def test_a_server_in_clear_where_tls_comes_first(behind):
    fields = behind([send(b"* OK Dovecot ready.\r\n"), hang()])
    assert fields["why"] == "TLS failed: it answers in clear"
    assert fields["said"] == "* OK Dovecot ready."
    assert fields["hint"].startswith("the server speaks in clear, and tls = implicit expects TLS first")
    assert fields["see"] == "mailmux --check --probe"


def test_a_server_with_tls_where_it_is_expected_in_clear(behind, certificates):
    fields = behind(implicit(certificates), tls="none", tls_name=None, ca=None)
    assert fields["hint"].startswith("a server is silent where it expects TLS first (tls = implicit)")
    assert fields["see"] == "mailmux --check --probe"


@pytest.mark.parametrize("kind, options, hint", [
    ("expired", {"expired": True}, r"the server's certificate expired on 20\d\d-\d\d-\d\d; renew it there"),
    ("foreigner", {"issuer": "foreign"},
     "mailmux test authority foreign has signed the server's certificate, and is not among the "
     "authorities in ca; write ca = FILE with it, or have the server send its chain"),
    ("other-name", {"names": "DNS:a.test,DNS:b.test"},
     f"the server's certificate is for a.test, b.test, and not for {NAME}; write tls_name = and a "
     "name that it is for"),
    ("for-clients", {"client": True},
     "the server's certificate is not for servers (extendedKeyUsage without serverAuth)")])
def test_a_server_whose_certificate_proves_nothing(behind, certificates, kind, options, hint):
    fields = behind(implicit(certificates, certificates.other(kind, **options)))
    assert re.fullmatch(hint.replace("(", r"\(").replace(")", r"\)"), fields["hint"])
    assert fields["see"] == "mailmux --check --probe"


def test_a_server_with_a_self_signed_certificate_shows_its_pin(behind, certificates):
    pair = certificates.other("self-signed", issuer="self")
    fields = behind(implicit(certificates, pair))
    assert fields["hint"] == "the server's certificate is self-signed; write ca = FILE with it or, " \
                             f"if this is its key, pin = {pair.pin()}"


def test_a_server_with_another_key_shows_its_pin(behind, certificates):
    fields = behind(implicit(certificates), pin=certificates.rsa.pin(), ca=None)
    assert fields["hint"] == "the key of the server's certificate is none of those in pin; it is " \
                             f"{certificates.ecdsa.pin()}"


def test_a_server_that_is_too_old(behind, certificates):
    def old(context):
        context.minimum_version = context.maximum_version = V11
        context.set_ciphers("ALL:@SECLEVEL=0")

    fields = behind(implicit(certificates, certificates.rsa, old))
    assert fields["hint"] == "the server speaks none of our versions of TLS; tls_policy = " \
                             "intermediate begins with TLS 1.2"


def test_a_server_without_a_cipher_in_common(behind, certificates):
    def odd(context):
        context.maximum_version = V12
        context.set_ciphers("AES128-SHA:@SECLEVEL=0")

    fields = behind(implicit(certificates, certificates.rsa, odd))
    assert fields["hint"].startswith("the server found no cipher or group in common")


@pytest.mark.parametrize("version", [V12, V13])
def test_a_server_that_wants_a_certificate_of_ours(behind, certificates, version):
    def strict(context):
        context.maximum_version = version
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates.authority)

    fields = behind(implicit(certificates, None, strict))
    assert "certificate of ours" in fields["hint"]


def test_a_server_that_does_not_accept_our_certificate(behind, certificates, client_authority):
    def strict(context):
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificates.authority)

    pair = client_authority.other("ours", client=True)
    fields = behind(implicit(certificates, None, strict), client_certificate=pair.certificate,
                    client_key=pair.key)
    assert fields["hint"].startswith("the server does not accept our own certificate")


def test_a_server_that_closes_in_the_handshake(behind):
    fields = behind([close()])
    assert fields["why"].startswith("TLS failed")
    assert fields["see"] == "mailmux --check --probe"


def test_a_check_says_the_same(proxy, new_backend, certificates):
    pair = certificates.other("self-signed", issuer="self")
    backend = new_backend(implicit(certificates, pair))
    proxy.section("backend server", server=f"one 127.0.0.1:{backend.port}", tls="implicit",
                  ca=certificates.authority, check="greeting")
    proxy.listener("test", "imap", "none", "server")
    proxy.start()
    fields = proxy.wait_for_event("check-failed").fields
    assert fields["hint"].endswith(f"pin = {pair.pin()}")


def test_a_check_of_a_server_in_clear_tells_its_words(proxy, new_backend, certificates):
    backend = new_backend([send(b"* OK Dovecot ready.\r\n"), hang()])
    proxy.section("backend server", server=f"one 127.0.0.1:{backend.port}", tls="implicit",
                  ca=certificates.authority, check="greeting")
    proxy.listener("test", "imap", "none", "server")
    proxy.start()
    fields = proxy.wait_for_event("check-failed").fields
    assert fields["said"] == "* OK Dovecot ready."
    assert fields["hint"] == "the server goes on in clear where TLS was to begin"


# The server's own words

REFUSALS = {
    "greeting": ([send(b"* BYE [ALERT] too \"many\" connections\r\n"), close()],
                 '* BYE [ALERT] too \\"many\\" connections'),
    "cut": ([send(b"* BYE half a lin"), close()], "* BYE half a lin"),
    "other-protocol": ([send(b"220 mail ESMTP\r\n"), hang()], "220 mail ESMTP"),
    "binary": ([send(b"SSH-2.0-\x00\xff\x1b[2J\r\n"), hang()], "SSH-2.0-\\x00\\xff\\x1b[2J"),
    "long": ([send(b"* BYE " + b"x" * 400 + b"\r\n"), close()], "* BYE " + "x" * 194 + "..."),
}


@pytest.mark.parametrize("kind", REFUSALS)
def test_the_words_of_a_server_that_refuses(behind, kind):
    script, said = REFUSALS[kind]
    fields = behind(script, tls="none", tls_name=None, ca=None)
    assert fields["said"] == said
    assert ("see" in fields) == (kind in ("other-protocol", "binary"))


def test_words_that_are_not_a_whole_line_are_told_as_well(behind):
    fields = behind([send(b"* OK wait"), hang()], tls="none", tls_name=None, ca=None)
    assert fields["why"] == "no greeting in time" and fields["said"] == "* OK wait"


def test_a_server_that_cannot_be_reached_needs_no_probe(proxy):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        proxy.backend("server", closed.getsockname()[1])
    proxy.listener("test", "imap", "none", "server")
    proxy.start()
    with Client(proxy.ports["test"]) as client:
        client.read_to_end()
    fields = proxy.wait_for_event("try-failed").fields
    assert fields["why"] == "Connection refused" and "see" not in fields and "said" not in fields
    assert fields["id"] == proxy.wait_for_event("session").fields["id"]
    assert fields["address"].startswith("127.0.0.1:")


def test_the_session_names_the_address_and_how_long_its_server_took(proxy, new_backend):
    backend = new_backend(server("imap"))
    proxy.backend("server", backend.port)
    proxy.listener("test", "imap", "none", "server")
    proxy.start()
    with Client(proxy.ports["test"]) as client:
        assert client.read_line().startswith(b"* OK")
        client.imap(b"a LOGOUT")
        client.read_to_end()
    fields = proxy.wait_for_event("session").fields
    assert fields["address"] == f"127.0.0.1:{backend.port}"
    assert int(fields["connect_ms"]) >= 0 and int(fields["greeting_ms"]) >= 0
    assert "server_tls_ms" not in fields and "tls_ms" not in fields
