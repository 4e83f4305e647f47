"""SIGHUP reads the configuration and the certificates again; SIGUSR1 writes the counters."""

import shutil
import signal
import socket
import ssl

import pytest
from mailmux_e2e import until
from mailmux_e2e.certificates import NAME
from mailmux_e2e.client import Client, default_context
from mailmux_e2e.ports import is_open
from mailmux_e2e.servers import server


@pytest.fixture
def front(proxy, new_backend, certificates):
    """An IMAP listener with implicit TLS, whose certificate files belong to the test."""
    for kind, pair in (("rsa", certificates.rsa), ("ecdsa", certificates.ecdsa)):
        shutil.copy(pair.certificate, proxy.directory / f"{kind}.pem")
        shutil.copy(pair.key, proxy.directory / f"{kind}.key")
    use(proxy, "rsa")
    proxy.section("tls", certificate="current.pem", key="current.key")
    proxy.backend("server", new_backend(server("imap")).port)
    proxy.listener("imaps", "imap", "implicit", "server")
    proxy.start()
    return proxy


def use(proxy, kind):
    """Renews the certificate in place, as an ACME client does."""
    for ending in ("pem", "key"):
        shutil.copy(proxy.directory / f"{kind}.{ending}", proxy.directory / f"current.{ending}")


def connect(proxy, listener="imaps", context=None):
    client = Client(proxy.ports[listener])
    client.begin_tls(context)
    assert client.read_line().startswith(b"* OK")
    return client


def served(proxy):
    """The certificate that a new client gets, in DER."""
    with connect(proxy) as client:
        return client.tls.getpeercert(binary_form=True)


def der(pair):
    return ssl.PEM_cert_to_DER_cert(pair.certificate.read_text())


@pytest.mark.quick
@pytest.mark.conformance("C95")
def test_a_new_certificate_serves_and_open_sessions_live(front, certificates):
    client = connect(front)
    assert b"a OK" in client.imap(b"a LOGIN alice secret")
    assert served(front) == der(certificates.rsa)
    use(front, "ecdsa")
    assert front.reload().event == "reloaded"
    assert served(front) == der(certificates.ecdsa)
    assert client.tls.getpeercert(binary_form=True) == der(certificates.rsa)
    assert b"b OK" in client.imap(b"b NOOP")
    client.close()


@pytest.mark.conformance("C95")
@pytest.mark.parametrize("damage", ["key of another", "no certificate", "gone"])
def test_a_bad_certificate_is_named_and_the_old_one_stays(front, certificates, damage):
    client = connect(front)
    if damage == "key of another":
        shutil.copy(front.directory / "ecdsa.key", front.directory / "current.key")
    elif damage == "no certificate":
        (front.directory / "current.pem").write_text("this is none\n")
    else:
        (front.directory / "current.pem").unlink()
    assert front.reload().event == "reload-failed"
    blame = front.events("config")[-1]
    assert blame.level == "error"
    assert f"{front.ini}:" in blame.text and "[tls]" in blame.text
    assert ("current.key" if damage == "key of another" else "current.pem") in blame.text
    assert served(front) == der(certificates.rsa)
    assert b"b OK" in client.imap(b"b NOOP")
    client.close()
    use(front, "ecdsa")
    assert front.reload().event == "reloaded"
    assert served(front) == der(certificates.ecdsa)


def test_a_bad_configuration_changes_nothing(front):
    front.section("timeouts", drain="2s", login="soon")
    assert front.reload().event == "reload-failed"
    assert "[timeouts] login = soon" in front.events("config")[-1].text
    connect(front).close()


@pytest.mark.conformance("C111")
def test_listeners_come_and_go_and_sessions_stay(front, new_backend):
    staying, leaving = connect(front), None
    front.listener("other", "imap", "implicit", "server")
    line = front.reload()
    assert line.event == "reloaded" and line.fields["changed"] == "+listener other"
    leaving = connect(front, "other")
    assert b"a OK" in leaving.imap(b"a LOGIN alice secret")
    front.drop("listener other")
    assert front.reload().event == "reloaded"
    until(lambda: not is_open(front.ports["other"]))  # it closes a moment after the line
    assert b"b OK" in leaving.imap(b"b NOOP")
    assert b"b OK" in staying.imap(b"b NOOP")
    leaving.close()
    staying.close()


@pytest.mark.conformance("C111")
def test_new_sessions_go_to_the_new_backend(front, new_backend):
    old = connect(front)
    other = new_backend(server("imap", greeting=b"* OK the other server\r\n"))
    front.backend("server", other.port)
    assert front.reload().event == "reloaded"
    with Client(front.ports["imaps"]) as client:
        client.begin_tls()
        assert client.read_line() == b"* OK the other server\r\n"
    assert b"a OK" in old.imap(b"a NOOP")
    old.close()


def test_an_address_that_is_taken_changes_nothing(front):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        front.ports["other"] = taken.getsockname()[1]
        front.listener("other", "imap", "implicit", "server")
        assert front.reload().event == "reload-failed"
        assert "listener other" in front.events("bind-failed")[0].text
    connect(front).close()
    assert front.reload().event == "reloaded"
    connect(front, "other").close()


@pytest.mark.conformance("C89")
def test_tickets_stay_good_over_a_reload(front):
    context = default_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # the session is there after the handshake
    first = connect(front, context=context)
    session = first.tls.session
    assert session.has_ticket
    first.close()
    assert front.reload().event == "reloaded"
    with Client(front.ports["imaps"]) as client:
        again = context.wrap_bio(client._from_peer, client._to_peer, server_hostname=NAME,
                                 session=session)
        while True:
            try:
                again.do_handshake()
                break
            except ssl.SSLWantReadError:
                client._flush()
                assert client._feed()
        assert again.session_reused
        client._flush()


def test_many_reloads_at_once_leave_nothing_behind(front):
    connect(front).close()
    for _ in range(20):
        front.send_signal(signal.SIGHUP)
    assert front.reload().event == "reloaded"
    before = front.open_descriptors()
    for _ in range(20):
        assert front.reload().event == "reloaded"
    connect(front).close()
    front.wait_for_event("session", 2)
    assert front.open_descriptors() <= before + 2  # a session may still be closing


@pytest.mark.conformance("C120")
def test_refusals_are_counted_by_kind(front, new_backend):
    front.backend("mta", new_backend(server("smtp")).port)
    front.listener("smtp", "smtp", "starttls", "mta")
    front.reload()
    with Client(front.ports["smtp"]) as client:
        client.read_smtp()
        client.send(b"STARTTLS\r\nEHLO injected\r\n")
        client.read_to_end()
    foreign = default_context()
    foreign.set_alpn_protocols(["h2"])
    for _ in range(2):
        with Client(front.ports["imaps"]) as client, pytest.raises(ssl.SSLError):
            client.begin_tls(foreign)
    front.wait_for_event("session", 3)
    front.send_signal(signal.SIGUSR1)
    counters = front.wait_for_event("counters").fields
    assert {kind: counters[kind] for kind in
            ("injection", "smuggling", "alpn", "sni", "proxy", "flood")} == {
        "injection": "1", "smuggling": "0", "alpn": "2", "sni": "0", "proxy": "0", "flood": "0"}
    assert counters["served"] == "3" and counters["alive"] == "0"
    last = front.stop().fields
    assert last["injection"] == "1" and last["alpn"] == "2"
