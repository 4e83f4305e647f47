"""TLS sessions with servers are resumed: with the same server, under the same name, with the settings
that they began with. Conformance C79, attack A16.
"""

import ssl

import pytest
from mailmux_e2e import until
from mailmux_e2e.certificates import NAME
from mailmux_e2e.client import Client
from mailmux_e2e.servers import tls_server
from mailmux_e2e.steps import cut

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
each_mode = pytest.mark.parametrize("mode", ["starttls", "implicit"])
each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])


class Servers:
    """Servers behind one listener, all with the keys of one: each could resume what any has begun."""

    def __init__(self, proxy, new_backend, certificates):
        self.proxy, self.new_backend, self.certificates = proxy, new_backend, certificates
        proxy.section("proxy", workers=1, hostname=NAME, state_directory=proxy.directory / "state")
        self.resumed = {}  # by server: of each handshake, as the server says
        self.forget_keys()

    def forget_keys(self):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificates.ecdsa.certificate,
                                     self.certificates.ecdsa.key)

    def only(self, version):
        self.context.minimum_version = self.context.maximum_version = version
        return self

    def make(self, mode="implicit", protocol="imap", tail=None):
        def begin(connection):
            connection.start_tls(self.context)
            self.resumed[backend].append(connection.tls.session_reused)

        script = tls_server(protocol, mode, begin)
        backend = self.new_backend(script[:-1] + tail if tail else script)
        self.resumed[backend] = []
        return backend

    def start(self, *backends, mode="implicit", protocol="imap", **settings):
        if not {"ca", "verify", "pin"} & set(settings):
            settings["ca"] = self.certificates.authority
        self.proxy.backend("server", *(backend.port for backend in backends), tls=mode, **settings)
        self.proxy.listener("test", protocol, "none", "server")
        self.proxy.start()

    def visit(self, listener="test"):
        """Returns whether the server's leg has resumed, as the log says."""
        count = len(self.proxy.events("session"))
        with Client(self.proxy.ports[listener]) as client:
            assert client.read_line().startswith((b"* OK", b"220 ", b"+OK"))
        fields = self.proxy.wait_for_event("session", count + 1).fields
        return {"yes": True, "no": False}[fields["server_resumed"]]


@pytest.fixture
def servers(proxy, new_backend, certificates):
    return Servers(proxy, new_backend, certificates)


@pytest.mark.conformance("C79")
@each_mode
@each_version
@pytest.mark.parametrize("protocol", ["imap", "smtp", "pop3"])
def test_sessions_are_resumed(servers, mode, version, protocol):
    """The server says the same as the log. Each session has a connection of its own."""
    backend = servers.only(version).make(mode, protocol)
    servers.start(backend, mode=mode, protocol=protocol)
    assert [servers.visit() for _ in range(5)] == [False] + 4 * [True]
    assert servers.resumed[backend] == [False] + 4 * [True]
    assert len(backend.connections) == 5


@pytest.mark.parametrize("settings", [{"verify": "no"}, {"pin": True}], ids=["no", "pin"])
def test_what_is_verified_otherwise_is_resumed_too(servers, settings):
    if "pin" in settings:
        settings = {"pin": servers.certificates.ecdsa.pin()}
    servers.start(servers.make(), **settings)
    assert [servers.visit() for _ in range(3)] == [False, True, True]


@pytest.mark.conformance("C79")
@each_version
def test_a16_no_session_is_resumed_with_another_server(servers, version):
    backends = [servers.only(version).make() for _ in range(2)]
    servers.start(*backends, balance="round-robin")
    for _ in range(4):
        servers.visit()
    assert [servers.resumed[backend] for backend in backends] == 2 * [[False, True]]


@pytest.mark.conformance("C79")
@each_version
def test_a16_no_session_is_resumed_under_another_name(servers, version):
    """One server, two backends, and the certificate is good for both names."""
    backend = servers.only(version).make()
    settings = {"tls": "implicit", "ca": servers.certificates.authority}
    servers.proxy.backend("other", backend.port, tls_name="localhost", **settings)
    servers.proxy.listener("other", "imap", "none", "other")
    servers.start(backend)
    assert [servers.visit(name) for name in ("test", "other", "test", "other")] == [
        False, False, True, True]


@each_version
def test_no_session_outlives_a_change_of_settings(servers, version):
    """A server that was believed without proof must prove itself, once proof is asked for."""
    backend = servers.only(version).make()
    servers.start(backend, verify="no")
    assert [servers.visit(), servers.visit()] == [False, True]
    servers.proxy.section("backend server", server=f"127.0.0.1:{backend.port}", tls="implicit",
                          ca=servers.certificates.authority)
    assert servers.proxy.reload().event == "reloaded"
    assert [servers.visit(), servers.visit()] == [False, True]


@each_version
def test_a_connection_that_is_cut_spoils_no_session(servers, version):
    """Without close_notify on either side."""
    servers.start(servers.only(version).make(tail=[cut()]))
    assert [servers.visit() for _ in range(3)] == [False, True, True]


def test_sessions_side_by_side_are_resumed(servers):
    """A ticket of TLS 1.3 is good once. There are two for each full handshake, one for each other."""
    backend = servers.make()
    servers.start(backend)
    clients = []
    for _ in range(6):
        clients.append(Client(servers.proxy.ports["test"]))
        assert clients[-1].read_line().startswith(b"* OK")
    for client in clients:
        client.close()
    assert servers.resumed[backend] == [False] + 5 * [True]


@each_version
def test_checks_resume_nothing_and_spoil_nothing(servers, version):
    """A check proves the certificate that the server has now."""
    backend = servers.only(version).make()
    servers.start(backend, check="greeting", check_interval="1s")
    assert not servers.visit()
    seen = len(backend.connections)
    until(lambda: len(backend.connections) >= seen + 2)
    assert servers.visit() and servers.visit()
    servers.proxy.stop()
    assert servers.resumed[backend].count(True) == 2
    assert servers.resumed[backend].count(False) >= 3


def test_a_server_that_forgets_its_keys_gets_a_full_handshake(servers):
    """As after its restart."""
    backend = servers.make()
    servers.start(backend)
    assert [servers.visit(), servers.visit()] == [False, True]
    servers.forget_keys()
    assert [servers.visit(), servers.visit()] == [False, True]
