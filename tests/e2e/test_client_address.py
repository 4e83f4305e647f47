"""Who the backend thinks the client is: conformance C99 to C101 and C103."""

import ipaddress
import re
import socket
import ssl
import struct
import subprocess

import pytest
from mailmux_e2e.certificates import NAME
from mailmux_e2e.client import Client
from mailmux_e2e.raw_tls import RawTls
from mailmux_e2e.servers import server, tls_server
from mailmux_e2e.steps import hang, start_tls, wait_for_end

PROTOCOLS = ["smtp", "imap", "pop3"]
CLIENT = "127.0.0.7"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
QUIT = {"smtp": b"QUIT\r\n", "imap": b"z LOGOUT\r\n", "pop3": b"QUIT\r\n"}
each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)


def take_v1(connection):
    header = b""
    while not header.endswith(b"\n"):
        header += connection.take_no_more(1)
    connection.header = header


def take_v2(connection):
    head = connection.take_no_more(16)
    assert head[:12] == SIGNATURE and head[12] >> 4 == 2, head
    body = connection.take_no_more(struct.unpack(">H", head[14:])[0])
    connection.header = head + body
    size = {0x11: 12, 0x21: 36, 0x00: 0}[head[13]]
    half = (size - 4) // 2
    connection.addresses = [str(ipaddress.ip_address(body[i * half:(i + 1) * half]))
                            for i in range(2)] if size else []
    connection.ports = struct.unpack(">HH", body[size - 4:size]) if size else ()
    connection.tlvs = tlvs(body[size:])


def tlvs(data):
    found = {}
    while data:
        kind, size = data[0], struct.unpack(">H", data[1:3])[0]
        found[kind], data = data[3:3 + size], data[3 + size:]
    return found


class Front:
    def __init__(self, proxy, certificates):
        self.proxy, self.certificates, self.clients = proxy, certificates, []

    def serve(self, protocol, *ports, listener="starttls", host="127.0.0.1", bind="127.0.0.1",
              listener_settings={}, **settings):
        self.protocol, self.listener, self.bind = protocol, listener, bind
        if settings.get("tls", "none") != "none":
            settings["ca"] = self.certificates.authority
        self.proxy.section("backend server", server=[f"{host}:{port}" for port in ports], **settings)
        self.proxy.listener("test", protocol, listener, "server", **listener_settings)
        self.port = self.proxy.ports["test"]
        if ":" in bind:
            self.proxy.section("listener test", bind=f"[{bind}]:{self.port}", protocol=protocol,
                               tls=listener, backend="server", **listener_settings)
        self.proxy.start()
        return self

    def connect(self, source=CLIENT, bytewise=False, **tls):
        """From an address of its own."""
        client = Client(self.port, self.bind, bytewise=bytewise, source=source)
        self.clients.append(client)
        self.source = client.socket.getsockname()
        if self.listener == "implicit":
            client.begin_tls(**tls)
        return client

    def greeting(self, client):
        return client.read_smtp() if self.protocol == "smtp" else client.read_line()


@pytest.fixture
def front(proxy, certificates):
    made = Front(proxy, certificates)
    yield made
    for client in made.clients:
        client.close()


@pytest.fixture
def begin(certificates):
    return start_tls(certificates.ecdsa)


# The PROXY header

@pytest.mark.conformance("C99")
@pytest.mark.parametrize("mode", ["none", "starttls", "implicit"])
@pytest.mark.parametrize("version", ["proxy-v1", "proxy-v2"])
@each_protocol
def test_the_header_comes_before_everything_else(
        front, new_backend, begin, protocol, version, mode):
    take = take_v1 if version == "proxy-v1" else take_v2

    backend = new_backend([take, *tls_server(protocol, mode, begin)])
    front.serve(protocol, backend.port, tls=mode, send_client_address=version)
    client = front.connect()
    assert front.greeting(client)
    client.starttls(protocol)
    client.send(QUIT[protocol])
    client.read_to_end()
    connection = backend.finished(len(backend.connections) - 1)
    assert bytes(connection.received).startswith(connection.header)
    assert (connection.tls is not None) == (mode != "none")
    if version == "proxy-v1":
        assert connection.header == (f"PROXY TCP4 {CLIENT} 127.0.0.1 {front.source[1]} "
                                     f"{front.port}\r\n").encode()
    else:
        assert connection.addresses == [CLIENT, "127.0.0.1"]
        assert connection.ports == (front.source[1], front.port)
        assert connection.header[12:14] == b"\x21\x11"


@pytest.mark.conformance("C99")
@pytest.mark.parametrize("version", ["proxy-v1", "proxy-v2"])
def test_the_header_of_an_ipv6_client(front, new_backend, version):
    take = take_v1 if version == "proxy-v1" else take_v2
    backend = new_backend([take, *server("imap")])
    front.serve("imap", backend.port, bind="::1", send_client_address=version)
    front.connect(source="::1").read_line()
    connection = backend.connection()
    if version == "proxy-v1":
        assert connection.header == f"PROXY TCP6 ::1 ::1 {front.source[1]} {front.port}\r\n".encode()
    else:
        assert connection.addresses == ["::1", "::1"] and connection.header[13] == 0x21


def test_every_try_has_a_header_of_its_own(front, new_backend):
    bad = new_backend([take_v1, lambda c: c.close()])
    good = new_backend([take_v1, *server("imap")])
    front.serve("imap", bad.port, good.port, send_client_address="proxy-v1")
    for _ in range(2):
        assert front.connect().read_line() == b"* OK old server ready\r\n"
    assert bad.finished().header.startswith(b"PROXY TCP4 ")
    assert len(good.connections) == 2


# What it tells of the client's TLS

SSL, CLIENT_SSL = 0x20, 1
VERSION, CN, CIPHER = 0x21, 0x22, 0x23
ALPN, AUTHORITY, UNIQUE_ID = 0x01, 0x02, 0x05


def tls_of(connection):
    value = connection.tlvs[SSL]
    return value[0], struct.unpack(">I", value[1:5])[0], tlvs(value[5:])


@pytest.mark.conformance("C99")
@pytest.mark.parametrize("chosen, expected", [
    (None, {SSL}), ("none", set()), ("unique-id", {UNIQUE_ID}),
    ("ssl, cn, alpn, authority, unique-id", {SSL, ALPN, AUTHORITY, UNIQUE_ID}),
    ("authority", {AUTHORITY}), ("alpn", {ALPN}),
])
def test_only_what_is_configured_is_told(front, new_backend, chosen, expected):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["imap"])
    backend = new_backend([take_v2, *server("imap")])
    front.serve("imap", backend.port, listener="implicit", send_client_address="proxy-v2",
                **({"proxy_tlvs": chosen} if chosen else {}))
    client = front.connect(context=context)
    client.read_line()
    connection = backend.connection()
    assert set(connection.tlvs) == expected
    if SSL in expected:
        bits, verify, parts = tls_of(connection)
        assert bits == CLIENT_SSL and verify != 0
        assert parts[VERSION] == b"TLSv1.3"
        assert parts[CIPHER].decode() == client.tls.cipher()[0]
        assert set(parts) == {VERSION, CIPHER}
    if ALPN in expected:
        assert connection.tlvs[ALPN] == b"imap"
    if AUTHORITY in expected:
        assert connection.tlvs[AUTHORITY] == NAME.encode()
    if UNIQUE_ID in expected:
        client.imap(b"a LOGOUT")
        client.close()
        line = front.proxy.wait_for_event("session")
        assert connection.tlvs[UNIQUE_ID].decode() == line.fields["id"]


@pytest.mark.parametrize("trusted", [True, False])
def test_a_name_of_a_certificate_is_told_if_it_was_verified(
        front, new_backend, certificates, trusted):
    pair = certificates.rsa if trusted else certificates.other("foreign-client", issuer="foreign")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(pair.certificate, pair.key)
    front.proxy.section("tls", certificate=certificates.rsa.certificate, key=certificates.rsa.key,
                        client_certificate="request", client_ca=certificates.authority)
    backend = new_backend([take_v2, *server("imap")])
    front.serve("imap", backend.port, listener="implicit", send_client_address="proxy-v2",
                proxy_tlvs="cn")
    front.connect(context=context).read_line()
    bits, verify, parts = tls_of(backend.connection())
    assert bits == 7
    assert (verify == 0) == trusted
    assert parts.get(CN) == (NAME.encode() if trusted else None)


@pytest.mark.conformance("C100")
def test_a_server_name_that_is_none_is_not_passed_on(front, new_backend):
    backend = new_backend([take_v2, *server("imap")])
    front.serve("imap", backend.port, listener="implicit", send_client_address="proxy-v2",
                proxy_tlvs="authority")
    with socket.create_connection(("127.0.0.1", front.port)) as sock:
        with RawTls(sock, server_name=b"a\r\nPROXY TCP4 x") as tls:
            assert tls.read_line() == b"* OK old server ready\r\n"
    assert backend.connection().tlvs == {}


@pytest.mark.parametrize("protocol, name, again", [
    ("imap", "imap", True), ("pop3", "pop3", True), ("submission", "smtp", True),
    ("smtp", "smtp", False),
])
def test_where_logins_are_expected_the_backend_learns_of_starttls(
        front, new_backend, protocol, name, again):
    backend = new_backend([take_v2, *server(name)])
    front.serve(protocol, backend.port, send_client_address="proxy-v2")
    front.protocol = name
    client = front.connect()
    front.greeting(client)
    assert backend.connection().tlvs == {}
    client.starttls(name)
    client.send(QUIT[name])
    client.read_to_end()
    assert len(backend.connections) == (2 if again else 1)
    assert (SSL in backend.finished(len(backend.connections) - 1).tlvs) == again


def test_without_words_on_tls_the_connection_stays(front, new_backend):
    backend = new_backend([take_v2, *server("imap")])
    front.serve("imap", backend.port, send_client_address="proxy-v2", proxy_tlvs="unique-id")
    client = front.connect()
    client.read_line()
    client.starttls("imap")
    client.imap(b"a NOOP")
    assert len(backend.connections) == 1
