"""Names that others choose - in the DNS, in a hello, in the header of a balancer - and what becomes of
the octets in them: conformance C153.
"""

import socket
import struct

import pytest
from mailmux_e2e.client import Client
from mailmux_e2e.dns import Alias, Dns, Service
from mailmux_e2e.servers import server
from mailmux_e2e.steps import hang, send

CLIENT = "127.0.0.7"
EVIL = "x\r\nXCLIENT ADDR=10.1.2.3\x00\xfc\""  # one label: CR, LF, NUL, 8-bit, a quote
PTR = 12
XCLIENT = {"smtp": b"XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT"}
IDENTITY = {"smtp": "xclient", "imap": "id", "pop3": "xclient"}
each_protocol = pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3"])


def assert_log_is_clean(proxy):
    """Each line is one of the process's own, and nothing but printable ASCII."""
    for line in proxy.lines:
        assert all(" " <= letter <= "~" for letter in line.text), line.text
        assert line.level in ("debug", "info", "warning", "error"), line.text


def trusting(protocol):
    """A server that takes our word on who the client is."""
    if protocol == "smtp":
        return server("smtp", words=(b"old.example", XCLIENT["smtp"]),
                      replies={b"XCLIENT": b"220 again\r\n"})
    if protocol == "pop3":
        return server("pop3", greeting=b"+OK [XCLIENT] ready\r\n", replies={b"XCLIENT": b"+OK\r\n"})
    return server("imap")


@pytest.fixture
def zone(proxy):
    with Dns() as dns:
        proxy.section("proxy", workers=1, hostname="mail.example.test", resolver=dns.resolver,
                      resolve_interval="1s", log_level="debug",
                      state_directory=proxy.directory / "state")
        dns.set("7.0.0.127.in-addr.arpa", Alias(f"{EVIL}.test"))
        yield dns


def talk(proxy, protocol, hello=b"EHLO c.test\r\n"):
    """A short session, and the line that it leaves."""
    before = len(proxy.events("session"))
    with Client(proxy.ports["test"], source=CLIENT) as client:
        client.read_line()
        client.send(hello if protocol == "smtp" else b"")
        client.send({"smtp": b"QUIT\r\n", "imap": b"a LOGOUT\r\n", "pop3": b"QUIT\r\n"}[protocol])
        client.read_to_end()
    return proxy.wait_for_event("session", before + 1).fields


def serve(proxy, protocol, server_line, **settings):
    proxy.section("backend server", server=server_line, **settings)
    proxy.listener("test", protocol, "none", "server")
    proxy.start()


# The DNS

@pytest.mark.quick
@pytest.mark.conformance("C153")
@each_protocol
def test_the_targets_of_a_service_are_host_names_or_nothing(proxy, new_backend, zone, protocol):
    backend = new_backend(trusting(protocol))
    zone.set("_mail._tcp.example.test", Service(0, 0, backend.port, f"{EVIL}.example.test"),
             Service(1, 0, backend.port, "good.example.test"))
    zone.set(f"{EVIL}.example.test", "127.0.0.1")
    zone.set("good.example.test", "127.0.0.1")
    serve(proxy, protocol, "srv:_mail._tcp.example.test", send_client_address=IDENTITY[protocol])
    assert proxy.wait_for_event("name-resolved").fields["count"] == "1"
    talk(proxy, protocol)
    assert zone.count(f"{EVIL}.example.test") == 0
    proxy.stop()
    assert_log_is_clean(proxy)
    assert b"10.1.2.3" not in backend.finished().received


@pytest.mark.conformance("C153")
def test_an_alias_is_followed_and_never_told(proxy, new_backend, zone):
    """Whether c-ares takes it or not."""
    backend = new_backend(trusting("smtp"))
    zone.set("mail.example.test", Alias(f"{EVIL}.example.test"))
    zone.set(f"{EVIL}.example.test", "127.0.0.1")
    serve(proxy, "smtp", f"mail.example.test:{backend.port}", send_client_address="xclient")
    with Client(proxy.ports["test"], source=CLIENT) as client:
        client.read_line()
    fields = proxy.wait_for_event("session").fields
    proxy.stop()
    assert_log_is_clean(proxy)
    assert EVIL[:1] + "\\x0d" not in proxy.log() and "10.1.2.3" not in proxy.log()
    assert all(b"10.1.2.3" not in one.received for one in backend.connections)
    assert fields["client"].startswith(f"{CLIENT}:")


@pytest.mark.conformance("C153")
@pytest.mark.parametrize("how", ["proxy-v1", "proxy-v2", "own"])
@each_protocol
def test_the_client_is_an_address_and_its_ptr_is_asked_for_by_nobody(
        proxy, new_backend, zone, protocol, how):
    how = IDENTITY[protocol] if how == "own" else how
    header = []
    script = trusting(protocol)
    if how == "proxy-v1":
        script = [lambda c: header.append(take_line(c)), *script]
    elif how == "proxy-v2":
        script = [lambda c: header.append(take_v2(c)), *script]
    backend = new_backend(script)
    zone.set("mail.example.test", "127.0.0.1")
    serve(proxy, protocol, f"mail.example.test:{backend.port}", send_client_address=how)
    talk(proxy, protocol)
    proxy.stop()
    assert [one for one in zone.queries if one.type == PTR or "arpa" in one.name] == []
    received = bytes(backend.finished().received)
    assert b"10.1.2.3" not in received
    if how == "proxy-v1":
        assert header[0].startswith(f"PROXY TCP4 {CLIENT} 127.0.0.1 ".encode())
    elif how == "proxy-v2":
        assert header[0] == socket.inet_aton(CLIENT)
    else:
        assert CLIENT.encode() in received
    assert_log_is_clean(proxy)


def take_line(connection):
    line = b""
    while not line.endswith(b"\n"):
        line += connection.take_no_more(1)
    return line


def take_v2(connection):
    """Returns the client's address."""
    head = connection.take_no_more(16)
    return connection.take_no_more(struct.unpack(">H", head[14:])[0])[:4]


# The hello

HELLOS = {"cr": b"x\rXCLIENT ADDR=10.1.2.3", "nul": b"x\0y", "8-bit": b"m\xfcller\xff",
          "escape": b"\x1b[2J", "quote": b'"a" b=c', "lf": b"x\nXCLIENT ADDR=10.1.2.3"}


@pytest.mark.conformance("C153")
@pytest.mark.parametrize("kind", HELLOS)
@pytest.mark.parametrize("verb", [b"EHLO", b"HELO"])
def test_a_hello_is_neither_told_nor_logged(proxy, new_backend, verb, kind):
    proxy.section("proxy", workers=1, hostname="mail.example.test", log_level="debug",
                  state_directory=proxy.directory / "state")
    backend = new_backend(trusting("smtp"))
    serve(proxy, "smtp", f"127.0.0.1:{backend.port}", send_client_address="xclient")
    talk(proxy, "smtp", verb + b" " + HELLOS[kind] + b"\r\n")
    proxy.stop()
    assert_log_is_clean(proxy)
    said = [line for line in backend.finished().commands if line.upper().startswith(b"XCLIENT")]
    assert len(said) == 1 and f"ADDR={CLIENT}".encode() in said[0] and b"HELO" not in said[0]
    assert "10.1.2.3" not in proxy.log() and "ller" not in proxy.log()


# What a balancer in front tells of its client's TLS

def header_v2(source, *tlvs):
    body = socket.inet_aton(source) + socket.inet_aton("127.0.0.1") + struct.pack(">HH", 4711, 25)
    body += b"".join(struct.pack(">BH", kind, len(value)) + value for kind, value in tlvs)
    return b"\r\n\r\n\0\r\nQUIT\n" + b"\x21\x11" + struct.pack(">H", len(body)) + body


@pytest.mark.conformance("C153")
@pytest.mark.parametrize("how", ["none", "xclient", "proxy-v1"])
def test_names_in_the_header_of_a_balancer(proxy, new_backend, how):
    evil = EVIL.encode("latin-1")
    tls = b"\x01\0\0\0\0" + struct.pack(">BH", 0x21, len(evil)) + evil  # PP2_SUBTYPE_SSL_VERSION
    tls += struct.pack(">BH", 0x22, len(evil)) + evil  # PP2_SUBTYPE_SSL_CN
    proxy.section("proxy", workers=1, hostname="mail.example.test", log_level="debug",
                  state_directory=proxy.directory / "state")
    header = []
    script = trusting("smtp")
    backend = new_backend([lambda c: header.append(take_line(c)), *script]
                          if how == "proxy-v1" else script)
    proxy.section("backend server", server=f"127.0.0.1:{backend.port}", send_client_address=how)
    proxy.listener("test", "smtp", "none", "server", accept_proxy_from="127.0.0.0/8")
    proxy.start()
    with Client(proxy.ports["test"], source=CLIENT) as client:
        client.send(header_v2("192.0.2.9", (0x02, evil), (0x20, tls)))  # PP2_TYPE_AUTHORITY, _SSL
        client.read_line()
        client.smtp(b"EHLO c.test")
        client.smtp(b"QUIT")
    assert proxy.wait_for_event("session").fields["client"] == "192.0.2.9:4711"
    proxy.stop()
    assert_log_is_clean(proxy)
    assert b"10.1.2.3" not in backend.finished().received


# What a server says

@pytest.mark.conformance("C153")
def test_the_words_of_a_server_in_the_log(proxy, new_backend):
    backend = new_backend([send(b"* BYE a\x00\xfc\x1b[2J\"b\x7f\r\n"), hang()])
    serve(proxy, "imap", f"127.0.0.1:{backend.port}")
    with Client(proxy.ports["test"]) as client:
        client.read_to_end()
    assert "\\xfc\\x1b[2J\\\"b\\x7f" in proxy.wait_for_event("try-failed").text
    proxy.stop()
    assert_log_is_clean(proxy)
