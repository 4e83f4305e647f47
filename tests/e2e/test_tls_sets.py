"""Sets of certificates, chosen by the name that a client asks for, and what each has its own way:
conformance C82, C83, C87 to C89 and C103, attacks A13 and A15. A connection begins with the first
set, so every parameter is tried through a set that differs from it.
"""

import base64
import os
import ssl

import pytest
from mailmux_e2e import certificates as certificate_files
from mailmux_e2e.client import Client, Closed, default_context
from mailmux_e2e.listeners import LISTENERS, add_listeners, is_served, reach_tls

each_listener = pytest.mark.parametrize("name", LISTENERS)
V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
FAILED = (ssl.SSLError, Closed, ConnectionError)


@pytest.fixture(scope="module")
def client_authority(tmp_path_factory):
    """Signs certificates of clients; that of the listeners does not."""
    return certificate_files.make(tmp_path_factory.mktemp("clients"))


@pytest.fixture
def sets(proxy, new_backend, certificates):
    """sets(name=dict of settings, ...): listeners that choose from these beside the default one; the
    name of a set, with .test behind it, is what a client asks for.
    """
    def start(listener=None, default=None, **wanted):
        proxy.section("tls", certificate=certificates.rsa.certificate, key=certificates.rsa.key,
                      **(default or {}))
        for name, settings in wanted.items():
            proxy.section(f"tls {name}", **{
                "certificate": certificates.rsa.certificate, "key": certificates.rsa.key,
                "names": f"{name}.test", **settings})
        add_listeners(proxy, new_backend,
                      **{"tls_set": ", ".join(["default", *wanted]), **(listener or {})})
        proxy.start()
        return proxy

    return start


def only(version, ciphers="ALL:@SECLEVEL=0"):
    context = default_context()
    context.set_ciphers(ciphers)
    context.minimum_version = context.maximum_version = version
    return context


def is_refused(proxy, name, server_name, context=None):
    """In TLS 1.3 a client learns of it with its first read only."""
    try:
        with reach_tls(proxy.ports[name], name, context, server_name=server_name) as client:
            return not is_served(client, name)
    except FAILED:
        return True


def reach(proxy, name, server_name, context=None, **options):
    client = reach_tls(proxy.ports[name], name, context, server_name=server_name, **options)
    assert is_served(client, name)
    return client


# Versions, ciphers, groups, certificates

@pytest.mark.conformance("C82")
@each_listener
def test_a_set_has_its_own_versions(sets, name):
    proxy = sets(old={"maximum_version": "1.2"}, new={"minimum_version": "1.3"},
                 modern={"policy": "modern"})
    assert reach(proxy, name, "old.test").tls.version() == "TLSv1.2"
    assert is_refused(proxy, name, "old.test", only(V13))
    for new in ("new.test", "modern.test"):
        assert reach(proxy, name, new).tls.version() == "TLSv1.3"
        assert is_refused(proxy, name, new, only(V12))
    assert reach(proxy, name, "mail.example.test", only(V12)).tls.version() == "TLSv1.2"
    assert reach(proxy, name, "mail.example.test", only(V13)).tls.version() == "TLSv1.3"


@pytest.mark.conformance("C82")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_only_a_legacy_set_speaks_what_is_old(sets):
    proxy = sets(legacy={"policy": "legacy"}, tls11={"policy": "legacy", "minimum_version": "1.1"})
    oldest = only(ssl.TLSVersion.TLSv1)
    assert reach(proxy, "smtp", "legacy.test", oldest).tls.version() == "TLSv1"
    assert is_refused(proxy, "smtp", "tls11.test", oldest)
    assert is_refused(proxy, "smtp", "mail.example.test", oldest)
    assert is_refused(proxy, "smtp", None, oldest)


@pytest.mark.conformance("C83")
@each_listener
def test_a_set_has_its_own_ciphers(sets, name):
    proxy = sets(strong={"ciphers": "ECDHE-RSA-AES256-GCM-SHA384",
                         "ciphersuites": "TLS_CHACHA20_POLY1305_SHA256"})
    cipher = reach(proxy, name, "strong.test", only(V12)).tls.cipher()[0]
    assert cipher == "ECDHE-RSA-AES256-GCM-SHA384"
    assert is_refused(proxy, name, "strong.test", only(V12, "ECDHE-RSA-AES128-GCM-SHA256"))
    cipher = reach(proxy, name, "strong.test", only(V13)).tls.cipher()[0]
    assert cipher == "TLS_CHACHA20_POLY1305_SHA256"
    others = reach(proxy, name, "mail.example.test", only(V12, "ECDHE-RSA-AES128-GCM-SHA256"))
    assert others.tls.cipher()[0] == "ECDHE-RSA-AES128-GCM-SHA256"
    assert reach(proxy, name, None, only(V13)).tls.cipher()[0] != "TLS_CHACHA20_POLY1305_SHA256"


@each_version
@each_listener
def test_a_set_has_its_own_groups(sets, name, version):
    proxy = sets(large={"groups": "P-384"}, odd={"groups": "X25519MLKEM768x:P-521"})
    for count, (server_name, group) in enumerate(
            [("large.test", "secp384r1"), ("odd.test", "secp521r1"), ("other.test", "x25519"),
             (None, "x25519")], 1):
        reach(proxy, name, server_name, only(version)).close()
        assert proxy.wait_for_event("session", count).fields["group"].lower() == group


def served(client):
    return ssl.DER_cert_to_PEM_cert(client.tls.getpeercert(binary_form=True)).split()


@each_listener
def test_a_set_has_its_own_certificate(sets, certificates, name):
    proxy = sets(curve={"certificate": certificates.ecdsa.certificate,
                        "key": certificates.ecdsa.key, "names": "curve.test, *.curve.test"})
    rsa = certificates.rsa.certificate.read_text().split()
    curve = certificates.ecdsa.certificate.read_text().split()
    for server_name in ("curve.test", "CuRvE.TEST", "a.curve.test", "A.CURVE.TEST"):
        assert served(reach(proxy, name, server_name)) == curve, server_name
    for server_name in (None, "a.b.curve.test", "xcurve.test", "test", "mail.example.test"):
        assert served(reach(proxy, name, server_name)) == rsa, server_name


@pytest.mark.conformance("C87")
def test_the_first_set_of_a_listener_is_its_fallback(sets, certificates):
    """Not the first of the file."""
    proxy = sets(listener={"tls_set": "curve, default"},
                 curve={"certificate": certificates.ecdsa.certificate,
                        "key": certificates.ecdsa.key})
    for server_name, pair in (("unknown.test", certificates.ecdsa), (None, certificates.ecdsa),
                              ("mail.example.test", certificates.rsa)):
        assert served(reach(proxy, "imaps", server_name)) == pair.certificate.read_text().split()


# for

@pytest.fixture
def sets_for(proxy, new_backend, certificates):
    """sets_for(name=dict of settings, ...): sets with the ECDSA certificate beside the default one
    with the RSA one, and listeners without tls_set. Both certificates have the same names.
    """
    def start(listener=None, **wanted):
        proxy.section("tls", certificate=certificates.rsa.certificate, key=certificates.rsa.key)
        for name, settings in wanted.items():
            if "certificate_directory" not in settings:
                settings = {"certificate": certificates.ecdsa.certificate,
                            "key": certificates.ecdsa.key, **settings}
            proxy.section(f"tls {name}", **settings)
        add_listeners(proxy, new_backend, **(listener or {}))
        return proxy

    return start


def shows(proxy, name, server_name, pair, behaves_as=None):
    with reach_tls(proxy.ports[name], behaves_as or name, server_name=server_name) as client:
        assert is_served(client, behaves_as or name)
        return served(client) == pair.certificate.read_text().split()


@pytest.mark.conformance("C87")
def test_a_set_for_a_listener_is_its_first(sets_for, certificates):
    proxy = sets_for(own={"for": "imaps, pop3s"})
    proxy.start()
    for server_name in (None, "unknown.test", "mail.example.test"):
        for name in ("imaps", "pop3s"):
            assert shows(proxy, name, server_name, certificates.ecdsa)
        for name in ("imap", "pop3", "smtp"):
            assert shows(proxy, name, server_name, certificates.rsa)


def test_a_set_for_a_protocol_is_the_first_of_each_such_listener(sets_for, certificates):
    """Also where one of them has the word for its name."""
    proxy = sets_for(word={"for": "imap"}, name={"for": "pop3"})
    proxy.drop("listener imap")
    proxy.listener("mailbox", "imap", "starttls", "imap")
    proxy.start()
    assert shows(proxy, "imaps", None, certificates.ecdsa)
    assert shows(proxy, "mailbox", None, certificates.ecdsa, "imap")
    for name in ("pop3", "pop3s"):
        assert shows(proxy, name, None, certificates.ecdsa)
    for name in ("smtp", "submission"):
        assert shows(proxy, name, None, certificates.rsa)


@pytest.mark.conformance("C87")
@each_listener
def test_a_set_for_host_names_comes_before_the_names_in_certificates(sets_for, certificates, name):
    """Neither has *.curve.test, and the default one has mail.example.test as well."""
    proxy = sets_for(curve={"for": "*.curve.test, MAIL.example.test"})
    proxy.start()
    for server_name in ("a.curve.test", "A.CURVE.test", "mail.example.test"):
        assert shows(proxy, name, server_name, certificates.ecdsa), server_name
    for server_name in (None, "curve.test", "a.b.curve.test", "other.test"):
        assert shows(proxy, name, server_name, certificates.rsa), server_name


def test_a_set_for_host_names_serves_no_other_name_unless_the_listener_is_its_own(
        sets_for, certificates):
    """more.test is a name of its certificate."""
    pair = certificates.other("wide", names="DNS:wide.test,DNS:more.test")
    proxy = sets_for(wide={"certificate": pair.certificate, "key": pair.key,
                           "for": "wide.test, imaps"})
    proxy.start()
    assert shows(proxy, "pop3s", "wide.test", pair)
    assert shows(proxy, "pop3s", "more.test", certificates.rsa)
    for server_name in ("wide.test", "more.test", None):
        assert shows(proxy, "imaps", server_name, pair)
    assert shows(proxy, "imaps", "mail.example.test", certificates.rsa)


def test_what_for_names_is_known_to_strict_sni(sets_for, certificates):
    proxy = sets_for(listener={"strict_sni": "yes"}, curve={"for": "*.curve.test"})
    proxy.start()
    assert shows(proxy, "imaps", "a.curve.test", certificates.ecdsa)
    assert is_refused(proxy, "imaps", "curve.test")


def test_a_tls_set_says_all(sets_for, certificates):
    proxy = sets_for(listener={"tls_set": "default"}, curve={"for": "imaps, *.curve.test"})
    proxy.listener("free", "imap", "implicit", "imap")
    proxy.start()
    for server_name in (None, "a.curve.test"):
        assert shows(proxy, "imaps", server_name, certificates.rsa)
    assert shows(proxy, "free", "a.curve.test", certificates.ecdsa, "imaps")


def test_a_set_for_host_names_with_a_directory(sets_for, certificates, tmp_path):
    """Of its certificates the one with the name; or else the first."""
    pairs = {name: certificates.other(name, names=f"DNS:{name}")
             for name in ("b.curve.test", "c.curve.test", "elsewhere.test")}
    for name, pair in pairs.items():
        (tmp_path / f"{name}.pem").write_bytes(
            pair.key.read_bytes() + pair.certificate.read_bytes())
    proxy = sets_for(curve={"certificate_directory": tmp_path, "for": "*.curve.test"})
    proxy.start()
    for name in ("imaps", "pop3"):
        assert shows(proxy, name, "b.curve.test", pairs["b.curve.test"])
        assert shows(proxy, name, "c.curve.test", pairs["c.curve.test"])
        assert shows(proxy, name, "x.curve.test", pairs["b.curve.test"])
        assert shows(proxy, name, "elsewhere.test", certificates.rsa)
        assert shows(proxy, name, None, certificates.rsa)


def test_a_reload_takes_another_for(sets_for, certificates):
    proxy = sets_for(curve={"for": "imaps"})
    proxy.start()
    assert shows(proxy, "imaps", None, certificates.ecdsa)
    proxy.section("tls curve", certificate=certificates.ecdsa.certificate,
                  key=certificates.ecdsa.key, **{"for": "pop3s"})
    changed = proxy.reload().fields["changed"]
    assert "tls curve" in changed and "listener imaps" in changed and "listener pop3s" in changed
    assert "listener smtp" not in changed
    assert shows(proxy, "imaps", None, certificates.rsa)
    assert shows(proxy, "pop3s", None, certificates.ecdsa)


# Names: A13

@pytest.mark.conformance("C87")
@each_listener
def test_a13_strict_sni_turns_unknown_names_away_but_never_on_port_25(sets, name):
    proxy = sets(listener={"strict_sni": "yes"}, other={})
    for server_name in (None, "other.test", "OTHER.test", "mail.example.test"):
        reach(proxy, name, server_name).close()
    proxy.wait_for_event("session", 4)
    for count, server_name in enumerate(("unknown.test", "a.other.test", "test"), 5):
        if LISTENERS[name][0] == "smtp":
            reach(proxy, name, server_name).close()
            continue
        with pytest.raises(ssl.SSLError, match="(?i)unrecognized.name"):
            reach(proxy, name, server_name)
        fields = proxy.wait_for_event("session", count).fields
        assert fields["reason"] == "unknown-sni" and fields["sni"] == server_name


# Client certificates

def with_certificate(pair, version=None):
    context = only(version) if version else default_context()
    context.load_cert_chain(pair.certificate, pair.key)
    return context


@pytest.mark.conformance("C103")
@each_version
@each_listener
def test_a_set_has_its_own_mind_about_client_certificates(
        sets, certificates, client_authority, name, version):
    ca = {"client_ca": client_authority.authority}
    proxy = sets(mutual={"client_certificate": "require", **ca},
                 asks={"client_certificate": "request", **ca})
    good = with_certificate(client_authority.rsa, version)
    stranger = with_certificate(certificates.rsa, version)
    assert is_refused(proxy, name, "mutual.test", only(version))
    assert is_refused(proxy, name, "mutual.test", stranger)
    reach(proxy, name, "mutual.test", good).close()
    for server_name in ("asks.test", "mail.example.test", None):
        for context in (only(version), stranger, good):
            reach(proxy, name, server_name, context).close()


@pytest.mark.conformance("C103")
@each_version
def test_only_where_it_is_configured_a_certificate_is_asked_for(sets, client_authority, version):
    proxy = sets(asks={"client_certificate": "request", "client_ca": client_authority.authority})
    for server_name, asked in (("asks.test", True), ("mail.example.test", False), (None, False)):
        context = with_certificate(client_authority.rsa, version)
        seen = []
        context._msg_callback = lambda conn, direction, version, content, message, data: (
            seen.append(getattr(message, "name", "")))
        reach(proxy, "imaps", server_name, context).close()
        assert ("CERTIFICATE_REQUEST" in seen) is asked


# Sessions: A15, tickets

def session_of(proxy, name, server_name, context):
    """Of a whole handshake, once its tickets have come."""
    with reach(proxy, name, server_name, context) as client:
        assert not client.tls.session_reused
        return client.tls.session


def resumes(proxy, name, server_name, context, session):
    with reach(proxy, name, server_name, context, session=session) as client:
        return client.tls.session_reused


@pytest.mark.conformance("C88")
@each_version
@each_listener
def test_a15_a_session_of_one_set_is_none_of_another(sets, name, version):
    proxy = sets(a={}, b={})
    context = only(version)
    places = ["a.test", "b.test", "mail.example.test"]
    for home in places:
        session = session_of(proxy, name, home, context)
        for elsewhere in places:
            assert resumes(proxy, name, elsewhere, context, session) is (elsewhere == home)
    session = session_of(proxy, name, None, context)
    assert resumes(proxy, name, None, context, session)
    assert not resumes(proxy, name, "b.test", context, session)


@pytest.mark.conformance("C88")
@each_version
def test_a15_a_session_of_one_listener_is_none_of_another(sets, version):
    """Sets and names are the same on all of them."""
    proxy = sets(a={})
    context = only(version)
    for home in LISTENERS:
        session = session_of(proxy, home, "a.test", context)
        for elsewhere in LISTENERS:
            assert resumes(proxy, elsewhere, "a.test", context, session) is (elsewhere == home)


@pytest.mark.conformance("C88", "C103")
@each_version
@each_listener
def test_a15_no_session_gets_round_a_client_certificate(sets, client_authority, name, version):
    """As found in nginx, CVE-2025-23419: a session of a set that asks for nothing, at one that does."""
    proxy = sets(open={}, mutual={"client_certificate": "require",
                                  "client_ca": client_authority.authority})
    context = only(version)
    for home in ("open.test", "mail.example.test", None):
        session = session_of(proxy, name, home, context)
        assert resumes(proxy, name, home, context, session)
        with pytest.raises(FAILED):
            reach(proxy, name, "mutual.test", context, session=session)

    context = with_certificate(client_authority.rsa, version)
    session = session_of(proxy, name, "mutual.test", context)
    assert resumes(proxy, name, "mutual.test", context, session)
    for elsewhere in ("open.test", "mail.example.test", None):
        assert not resumes(proxy, name, elsewhere, context, session)


def tickets_seen(proxy, name, server_name, context):
    seen = []
    context._msg_callback = lambda conn, direction, version, content, message, data: (
        seen.append(getattr(message, "name", "")))
    reach(proxy, name, server_name, context).close()
    return seen.count("NEWSESSION_TICKET")


@pytest.mark.conformance("C89")
@each_listener
def test_a_set_has_its_own_number_of_tickets(sets, name):
    proxy = sets(none={"tickets": 0}, many={"tickets": 5})
    for server_name, count in (("none.test", 0), ("many.test", 5), ("mail.example.test", 1)):
        assert tickets_seen(proxy, name, server_name, only(V13)) == count
        assert tickets_seen(proxy, name, server_name, only(V12)) == min(count, 1)


@pytest.mark.conformance("C89")
@each_version
def test_without_tickets_nobody_resumes(sets, version):
    proxy = sets(none={"tickets": 0}, some={"tickets": 1})
    context = only(version)
    for server_name, works in (("none.test", False), ("some.test", True)):
        session = session_of(proxy, "imaps", server_name, context)
        if session is not None:
            assert resumes(proxy, "imaps", server_name, context, session) is works
        else:
            assert not works


@pytest.mark.conformance("C89")
@each_version
def test_workers_share_the_keys_of_tickets(proxy, sets, version):
    proxy.section("proxy", workers=4, state_directory=proxy.directory / "state")
    sets()
    context = only(version)
    session = session_of(proxy, "imaps", None, context)
    crowd = [Client(proxy.ports["imaps"]) for _ in range(16)]
    for client in crowd:  # all at once, so that every worker has some
        client.begin_tls(context, None, session)
        assert client.tls.session_reused
    for client in crowd:
        client.close()


@pytest.mark.conformance("C89")
@each_version
def test_keys_of_tickets_rotate(sets, version):
    """A ticket resumes while its key is one of two; after that there is a full handshake, and the
    tickets of that one resume.
    """
    proxy = sets(default={"ticket_period": "1s"})
    context = only(version)
    first = session_of(proxy, "imaps", None, context)
    assert resumes(proxy, "imaps", None, context, first)
    tries = 0
    while resumes(proxy, "imaps", None, context, first):
        tries += 1
        assert tries < 10000, "it resumes for ever"
    assert resumes(proxy, "imaps", None, context, session_of(proxy, "imaps", None, context))


KEY_FILES = {
    "48 bytes": [os.urandom(48)], "80 bytes": [os.urandom(80)],
    "lines": [b"\n".join(base64.b64encode(os.urandom(48)) for _ in range(3)) + b"\n"],
}


@pytest.mark.conformance("C89")
@pytest.mark.parametrize("kind", KEY_FILES)
@each_version
def test_two_machines_share_keys_by_file(new_proxy, new_backend, tmp_path, version, kind):
    """The control is a third one with keys of its own."""
    files = []
    for number, content in enumerate(KEY_FILES[kind]):
        files.append(tmp_path / f"keys{number}")
        files[-1].write_bytes(content)
        files[-1].chmod(0o600)
    machines = []
    for shares in (True, True, False):
        proxy = new_proxy()
        tls = dict(line.split(" = ") for line in proxy._sections["tls"].splitlines()[1:])
        proxy.section("tls", **tls, **({"ticket_keys": files} if shares else {}))
        add_listeners(proxy, new_backend)
        proxy.start()
        machines.append(proxy)
    context = only(version)
    session = session_of(machines[0], "imaps", None, context)
    assert resumes(machines[1], "imaps", None, context, session)
    assert not resumes(machines[2], "imaps", None, context, session)
