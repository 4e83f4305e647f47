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
from mailmux_e2e.steps import close, expect_line, hang, start_tls

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


@pytest.mark.quick
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


# What a load balancer in front has told of the client's TLS

def tlv(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


def balancer_header(*parts, client=CLIENT_SSL, verify=1, tls=True, family=0x11, command=0x21):
    """Of version 2, for 192.0.2.7; `parts` are TLVs inside that of SSL, or pairs (kind, value)."""
    inside = b"".join(tlv(*part) for part in parts if part[0] >= 0x21)
    body = b"\xc0\0\2\7\xc6\x33\x64\1" + struct.pack("!HH", 40000, 143)
    if tls:
        body += tlv(SSL, struct.pack("!BI", client, verify) + inside)
    body += b"".join(tlv(*part) for part in parts if part[0] < 0x20)
    return SIGNATURE + struct.pack("!BBH", command, family, len(body)) + body


TOLD = ((VERSION, b"TLSv1.2"), (CIPHER, b"ECDHE-RSA-AES128-GCM-SHA256"), (CN, b"alice"),
        (ALPN, b"imap"), (AUTHORITY, b"shop.example.test"), (UNIQUE_ID, b"balancer-1"))
EVERYTHING = "ssl, cn, alpn, authority, unique-id"


def behind_balancer(front, backend, protocol="imap", listener="none", how="proxy-v2", **settings):
    front.serve(protocol, backend.port, listener=listener, send_client_address=how,
                listener_settings={"accept_proxy_from": CLIENT, "require_tls": "no"}, **settings)


def balanced(front, header, **tls):
    """A client that came through the balancer; what it has read is the greeting."""
    client = Client(front.port, source=CLIENT)
    front.clients.append(client)
    client.send(header)
    if front.listener == "implicit":
        client.begin_tls(**tls)
    assert front.greeting(client)
    return client


@pytest.mark.conformance("C99")
@each_protocol
def test_the_tls_that_a_balancer_ended_is_told(front, new_backend, protocol):
    backend = new_backend([take_v2, *server(protocol)])
    behind_balancer(front, backend, protocol)
    balanced(front, balancer_header(*TOLD))
    connection = backend.connection()
    assert connection.addresses == ["192.0.2.7", "198.51.100.1"]
    assert set(connection.tlvs) == {SSL}
    bits, verify, parts = tls_of(connection)
    assert (bits, verify) == (CLIENT_SSL, 1)
    assert parts == {VERSION: b"TLSv1.2", CIPHER: b"ECDHE-RSA-AES128-GCM-SHA256"}


@pytest.mark.conformance("C99")
@pytest.mark.parametrize("chosen, expected", [
    ("none", set()), ("unique-id", {UNIQUE_ID}), ("alpn", {ALPN}), ("authority", {AUTHORITY}),
    (EVERYTHING, {SSL, ALPN, AUTHORITY, UNIQUE_ID})])
def test_only_what_is_configured_is_passed_on(front, new_backend, chosen, expected):
    """The id is that of our log, in which the balancer's client is known."""
    backend = new_backend([take_v2, *server("imap")])
    behind_balancer(front, backend, proxy_tlvs=chosen)
    client = balanced(front, balancer_header(*TOLD))
    found = backend.connection().tlvs
    assert set(found) == expected
    client.imap(b"a LOGOUT")
    client.close()
    session = front.proxy.wait_for_event("session").fields["id"].encode()
    told = {ALPN: b"imap", AUTHORITY: b"shop.example.test", UNIQUE_ID: session}
    assert all(found[kind] == told[kind] for kind in expected - {SSL})


@pytest.mark.conformance("C99")
@pytest.mark.parametrize("verify, name", [(0, b"alice"), (1, None)])
def test_a_name_of_a_certificate_is_passed_on_if_the_balancer_verified_it(
        front, new_backend, verify, name):
    backend = new_backend([take_v2, *server("imap")])
    behind_balancer(front, backend, proxy_tlvs="cn")
    balanced(front, balancer_header(*TOLD, client=7, verify=verify))
    bits, told, parts = tls_of(backend.connection())
    assert (bits, told, parts.get(CN)) == (7, verify, name) and CIPHER not in parts


@pytest.mark.conformance("C99")
@pytest.mark.parametrize("header", [
    balancer_header(tls=False), balancer_header(*TOLD, client=0), balancer_header(*TOLD, client=6),
    balancer_header(*TOLD, command=0x20), b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 143\r\n"],
    ids=["none", "client-in-clear", "certificate-without-tls", "local", "v1"])
def test_where_the_balancer_tells_of_no_tls_there_is_none(front, new_backend, header):
    backend = new_backend([take_v2, *server("imap")])
    behind_balancer(front, backend, proxy_tlvs="ssl, cn, alpn, authority")
    balanced(front, header)
    assert SSL not in backend.connection().tlvs


@pytest.mark.conformance("C100")
@pytest.mark.parametrize("parts", [
    [(AUTHORITY, b"a\r\nPROXY TCP4 x")], [(AUTHORITY, b"a" * 254)], [(ALPN, b"a" * 256)],
    [(VERSION, b"x" * 300), (CIPHER, b"x" * 300), (CN, b"x" * 3000)]],
    ids=["no-host-name", "long-host-name", "long-alpn", "long-words"])
def test_what_is_no_name_or_too_long_is_left_out(front, new_backend, parts):
    """And the rest arrives: no client can make a header that cannot be written."""
    backend = new_backend([take_v2, *server("imap")])
    behind_balancer(front, backend, proxy_tlvs=EVERYTHING)
    balanced(front, balancer_header(*parts, verify=0))
    connection = backend.connection()
    assert set(connection.tlvs) == {SSL, UNIQUE_ID}
    assert tls_of(connection) == (CLIENT_SSL, 0, {})


@pytest.mark.conformance("C99")
def test_our_own_tls_is_told_rather_than_the_balancers(front, new_backend):
    """All of it from one TLS, never a part of each."""
    backend = new_backend([take_v2, *server("imap")])
    behind_balancer(front, backend, listener="implicit", proxy_tlvs=EVERYTHING)
    client = balanced(front, balancer_header(*TOLD, client=7, verify=0))
    connection = backend.connection()
    bits, verify, parts = tls_of(connection)
    assert bits == CLIENT_SSL and verify != 0
    assert parts == {VERSION: b"TLSv1.3", CIPHER: client.tls.cipher()[0].encode()}
    assert ALPN not in connection.tlvs and connection.tlvs[AUTHORITY] == NAME.encode()


@pytest.mark.conformance("C99")
def test_a_backend_that_knows_of_the_balancers_tls_is_not_asked_anew(front, new_backend):
    backend = new_backend([take_v2, *server("imap")])
    behind_balancer(front, backend, listener="starttls")
    client = balanced(front, balancer_header(*TOLD))
    client.starttls("imap")
    assert client.imap(b"a NOOP") == b"a OK noop\r\n"
    assert len(backend.connections) == 1 and SSL in backend.connection().tlvs


@pytest.mark.conformance("C100")
def test_only_a_listed_balancer_is_believed(front, new_backend):
    backend = new_backend([take_v2, *server("imap")])
    front.serve("imap", backend.port, listener="none", send_client_address="proxy-v2",
                listener_settings={"accept_proxy_from": "127.0.0.99", "require_tls": "no"})
    client = front.connect()
    assert client.read_line()
    client.send(balancer_header(*TOLD) + b"\r\n" + QUIT["imap"])
    client.read_to_end()
    assert backend.connection().tlvs == {}


@pytest.mark.conformance("C101")
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
@pytest.mark.parametrize("header, safe", [(balancer_header(*TOLD), True),
                                          (balancer_header(tls=False), False)])
def test_the_balancers_tls_is_told_inside_the_conversation(
        front, new_backend, begin, protocol, header, safe):
    backend = new_backend(trusting(protocol, "none", begin))
    behind_balancer(front, backend, protocol, how=IDENTITY[protocol])
    balanced(front, header)
    said = identity_of(backend.connection().commands)
    assert ("insecure" not in said) == safe and "192.0.2.7" in said


# Inside the conversation: XCLIENT and ID

XCLIENT_WORDS = b"XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT"
IDENTITY = {"smtp": "xclient", "imap": "id", "pop3": "xclient"}
AGAIN = {"smtp": b"220 old.example again\r\n", "pop3": b"+OK Updated\r\n"}


def trusting(protocol, mode, begin, answer=None):
    """A server that lets us say who the client is."""
    if protocol == "smtp":
        return tls_server("smtp", mode, begin,
                          words=(b"old.example", XCLIENT_WORDS, b"XFORWARD NAME", b"SIZE 1000"),
                          replies={b"XCLIENT": answer or AGAIN["smtp"]})
    if protocol == "imap":
        return tls_server("imap", mode, begin, replies={b"ID": answer or b"* ID NIL\r\n%T OK id\r\n"})
    script = tls_server("pop3", mode, begin, greeting=b"+OK [XCLIENT] old server ready\r\n",
                        replies={b"XCLIENT": answer or AGAIN["pop3"]})
    # Behind STLS nothing greets again: the word stands in the greeting in clear.
    return [lambda c: c.send(b"+OK [XCLIENT] clear words\r\n"), *script[1:]] \
        if mode == "starttls" else script


def identity_of(commands):
    """The line with which we said who the client is."""
    found = [line for line in commands if re.match(rb"XCLIENT |m\d ID ", line)]
    assert len(found) == 1, commands
    return found[0].decode()


def expected_identity(protocol, front, number, session, transport):
    ip, port = front.source[:2]
    if protocol == "smtp":
        return (f"XCLIENT DESTADDR=127.0.0.1 DESTPORT={front.port} PORT={port} "
                f"NAME=[UNAVAILABLE] ADDR={ip}\r\n")
    if protocol == "pop3":
        return (f"XCLIENT ADDR={ip} PORT={port} DESTADDR=127.0.0.1 DESTPORT={front.port} "
                f"SESSION={session} TTL=6 CLIENT-TRANSPORT={transport}\r\n")
    return (f'm{number} ID ("name" "mailmux" "x-originating-ip" "{ip}" "x-originating-port" '
            f'"{port}" "x-connected-ip" "127.0.0.1" "x-connected-port" "{front.port}" '
            f'"x-session-id" "{session}" "x-proxy-ttl" "6" "x-client-transport" "{transport}")\r\n')


@pytest.mark.conformance("C101")
@pytest.mark.parametrize("mode", ["none", "starttls", "implicit"])
@each_protocol
def test_it_is_said_before_any_command_of_the_client(
        front, new_backend, begin, protocol, mode, bytewise):
    backend = new_backend(trusting(protocol, mode, begin), bytewise=bytewise)
    front.serve(protocol, backend.port, tls=mode, send_client_address=IDENTITY[protocol])
    client = front.connect(bytewise=bytewise)
    greeting = front.greeting(client)
    assert (b"mail.example.test" in greeting) == (mode == "starttls")
    assert b"again" not in greeting and b"XCLIENT" not in greeting
    client.starttls(protocol)
    first = {"smtp": b"EHLO c.test", "imap": b"a NOOP", "pop3": b"NOOP"}[protocol]
    client.send(first + b"\r\n" + QUIT[protocol])
    shown = client.read_to_end()
    client.close()
    assert b"XCLIENT" not in shown and b"XFORWARD" not in shown and b"again" not in shown
    connection = backend.finished()
    at = connection.commands.index(first + b"\r\n")
    said = identity_of(connection.commands[:at])
    session = front.proxy.wait_for_event("session").fields["id"]
    assert said == expected_identity(protocol, front, 4 if mode == "starttls" else 1, session, "TLS")
    assert len(backend.connections) == 1


@pytest.mark.conformance("C101")
def test_our_hello_is_by_our_name_and_the_reply_is_swallowed(front, new_backend, begin):
    backend = new_backend(trusting("smtp", "none", begin))
    front.serve("smtp", backend.port, send_client_address="xclient")
    client = front.connect()
    assert client.read_smtp() == b"220 old.example ESMTP\r\n"
    assert client.smtp(b"EHLO c.test").startswith(b"250-old.example\r\n")
    assert client.smtp(b"QUIT").startswith(b"221 ")
    commands = backend.finished().commands
    assert commands[0] == b"EHLO mail.example.test\r\n"
    assert commands[1].startswith(b"XCLIENT ")
    assert commands[2:] == [b"EHLO c.test\r\n", b"QUIT\r\n"]
    for word in (b"HELO=", b"PROTO=", b"LOGIN="):
        assert word not in commands[1]


@pytest.mark.conformance("C101")
@pytest.mark.parametrize("protocol, answer, why", [
    ("smtp", b"550 5.7.0 no\r\n", "refused to be told the client's address"),
    ("smtp", b"421 4.3.2 no\r\n", "said goodbye before a session began"),
    ("smtp", b"354 go on\r\n", "answers neither yes nor no"),
    ("imap", b"%T BAD what?\r\n", "refused to be told the client's address"),
    ("pop3", b"-ERR You are not trusted\r\n", "refused to be told the client's address"),
])
def test_a_server_that_will_not_hear_it_is_left_for_the_next(
        front, new_backend, begin, protocol, answer, why):
    bad = new_backend(trusting(protocol, "none", begin, answer=answer))
    good = new_backend(trusting(protocol, "none", begin))
    front.serve(protocol, bad.port, good.port, send_client_address=IDENTITY[protocol])
    for _ in range(2):
        assert b"old" in front.greeting(front.connect())
    assert front.proxy.wait_for_event("try-failed").fields["why"] == why
    assert len(good.connections) == 2


@pytest.mark.conformance("C101")
@pytest.mark.parametrize("protocol", ["smtp", "pop3"])
def test_a_server_that_does_not_offer_it_is_no_server(front, new_backend, protocol):
    backend = new_backend(server(protocol))
    front.serve(protocol, backend.port, send_client_address="xclient")
    assert front.connect().read_to_end().startswith((b"421 4.4.1 ", b"-ERR [SYS/TEMP] "))
    assert front.proxy.wait_for_event("try-failed").fields["why"] == \
        "does not offer XCLIENT with ADDR to us"


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a_client_that_may_log_in_in_clear_is_told_again_after_starttls(
        front, new_backend, begin, protocol):
    backend = new_backend(trusting(protocol, "none", begin))
    front.serve(protocol, backend.port, send_client_address=IDENTITY[protocol],
                listener_settings={"require_tls": "no"})
    client = front.connect()
    client.read_line()
    assert "insecure" in identity_of(backend.connection().commands)
    client.starttls(protocol)
    client.send(QUIT[protocol])
    client.read_to_end()
    assert "insecure" not in identity_of(backend.finished(1).commands)


# What a client says of itself

@pytest.mark.conformance("C44", "C100")
@pytest.mark.parametrize("how", ["none", "xclient"])
def test_an_smtp_client_cannot_say_who_it_is(front, new_backend, begin, how, bytewise):
    backend = new_backend(trusting("smtp", "none", begin), bytewise=bytewise)
    front.serve("smtp", backend.port, listener="implicit", send_client_address=how)
    client = front.connect(bytewise=bytewise)
    client.read_smtp()
    forged = (b"XCLIENT ADDR=10.1.2.3\r\n", b"XFORWARD ADDR=10.1.2.3\r\n",
              b"xclient addr=10.1.2.3\r\n", b"NOOP x\nXCLIENT ADDR=10.1.2.3\r\n")
    assert b"XCLIENT" not in client.smtp(b"EHLO c.test")
    client.send(b"".join(forged) + b"PROXY TCP4 10.1.2.3 10.1.2.3 1 25\r\n")
    replies = [client.read_smtp()[:4] for _ in range(6)]
    assert replies == [b"550 ", b"550 ", b"550 ", b"250 ", b"550 ", b"500 "]
    client.smtp(b"QUIT")
    received = bytes(backend.finished().received)
    assert b"addr=10.1.2.3" not in received.lower()
    assert received.count(b"XCLIENT") == (1 if how == "xclient" else 0)


@pytest.mark.conformance("C100")
@pytest.mark.parametrize("how", ["none", "id"])
def test_an_imap_client_cannot_say_who_it_is(front, new_backend, begin, how):
    backend = new_backend(trusting("imap", "none", begin))
    front.serve("imap", backend.port, listener="implicit", send_client_address=how)
    client = front.connect()
    client.read_line()
    client.imap(b'a ID ("name" "x" "X-Originating-IP" "10.1.2.3" "x-session-id" "y")')
    client.imap(b"b LOGOUT")
    received = bytes(backend.finished().received)
    assert b"10.1.2.3" not in received
    assert b'a ID ("name" "x")\r\n' in received
    assert received.count(b"x-originating-ip") == (1 if how == "id" else 0)


@pytest.mark.conformance("C44", "C100")
@pytest.mark.parametrize("how", ["none", "xclient"])
def test_a_pop3_client_cannot_say_who_it_is(front, new_backend, begin, how):
    backend = new_backend(trusting("pop3", "none", begin))
    front.serve("pop3", backend.port, listener="implicit", send_client_address=how)
    client = front.connect()
    assert client.read_line() == b"+OK old server ready\r\n"
    assert client.pop3(b"XCLIENT ADDR=10.1.2.3").startswith(b"-ERR")
    client.pop3(b"QUIT")
    received = bytes(backend.finished().received)
    assert b"10.1.2.3" not in received
    assert received.count(b"XCLIENT") == (1 if how == "xclient" else 0)


@pytest.mark.conformance("C100")
@pytest.mark.parametrize("header", [b"PROXY TCP4 10.1.2.3 10.1.2.3 1 25\r\n",
                                    SIGNATURE + b"\x21\x11\0\x0c\x0a\1\2\3\x0a\1\2\3\0\1\0\x19"])
@each_protocol
def test_a_header_from_a_client_is_no_header(front, new_backend, protocol, header):
    """At most an unknown command, long after the true one."""
    backend = new_backend([take_v1, *server(protocol)])
    front.serve(protocol, backend.port, send_client_address="proxy-v1")
    client = front.connect()
    client.send(header + QUIT[protocol])
    client.half_close()
    client.read_to_end()
    connection = backend.finished()
    assert connection.header.startswith(f"PROXY TCP4 {CLIENT} ".encode())
    assert connection.commands in ([], [header], [header, QUIT[protocol]], [QUIT[protocol]])
    assert header.startswith(b"PROXY ") or header not in connection.commands


@pytest.mark.conformance("C103")
@pytest.mark.parametrize("wanted", ["none", "request"])
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_client_is_asked_for_a_certificate_where_that_is_configured(
        front, new_backend, certificates, wanted, version):
    extra = {} if wanted == "none" else dict(client_certificate="request",
                                             client_ca=certificates.authority)
    front.proxy.section("tls", certificate=certificates.rsa.certificate, key=certificates.rsa.key,
                        **extra)
    backend = new_backend(server("imap"))
    front.serve("imap", backend.port, listener="implicit")
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{front.port}", "-msg",
                           version], input=b"", capture_output=True, timeout=60)
    assert (b"CertificateRequest" in done.stdout) == (wanted == "request")


# Whose fault it is

@pytest.mark.parametrize("how", [close, hang], ids=["close", "silence"])
@pytest.mark.parametrize("protocol, word", [("imap", "proxy-v1"), ("imap", "id"),
                                            ("smtp", "xclient")])
def test_no_client_can_mark_a_server_down_by_who_it_is(
        front, new_backend, begin, protocol, word, how):
    """A server that has learnt of the client may turn it away by a list of its own."""
    shy = ([take_v1, how()] if word == "proxy-v1" else
           [*trusting(protocol, "none", begin)[:1], *read_until_identity(protocol), how()])
    backend = new_backend(shy, shy, shy, [*([take_v1] if word == "proxy-v1" else []),
                                          *trusting(protocol, "none", begin)])
    front.proxy.section("timeouts", greeting="1s", connect_deadline="10s", drain="2s")
    front.serve(protocol, backend.port, send_client_address=word, fall=1)
    for _ in range(3):
        assert front.connect().read_to_end().startswith((b"* BYE ", b"421 4.4.1 "))
    assert b"old" in front.greeting(front.connect())
    assert not front.proxy.events("server-down")


def read_until_identity(protocol):
    if protocol == "imap":
        return [expect_line(rb"m1 ID .*")]
    return [expect_line(rb"EHLO .*"), lambda c: c.send(b"250-x\r\n250 XCLIENT ADDR\r\n"),
            expect_line(rb"XCLIENT .*")]
