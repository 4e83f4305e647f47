"""The PROXY header of a load balancer in front of mailmux, attack A22: the addresses listed in
accept_proxy_from must send it, it is believed from there alone, and a wrong one gets no answer.
"""

import ipaddress
import signal
import struct

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.attacks import GOODBYE, client_hello, first_flight, go_on, ways
from mailmux_e2e.client import Client, End
from mailmux_e2e.servers import server

BALANCER = "127.0.0.9"
LISTED = ["127.0.0.8/30", "2001:db8::/32"]
CLIENT, CLIENT6 = "192.0.2.7", "2001:db8:7::7"
SERVER, SERVER6 = "198.51.100.1", "2001:db8:1::1"
KINDS = [(protocol, tls) for protocol in ("smtp", "submission", "imap", "pop3")
         for tls in ("starttls", "implicit", "none")]
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v1(source=CLIENT, destination=SERVER, ports=(40000, 25)):
    family = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {family} {source} {destination} {ports[0]} {ports[1]}\r\n".encode()


def tlv(kind, value):
    return struct.pack("!BH", kind, len(value)) + value


def v2(body=b"", command=0x21, family=0x11, length=None):
    length = len(body) if length is None else length
    return SIGNATURE + struct.pack("!BBH", command, family, length) + body


def addresses(source=CLIENT, destination=SERVER, ports=(40000, 25)):
    return (ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed
            + struct.pack("!HH", *ports))


V2 = v2(addresses())
V2_TCP6 = v2(addresses(CLIENT6, SERVER6), family=0x21)
V2_WITH_TLVS = v2(addresses() + tlv(0x01, b"imap") + tlv(0x02, b"mail.example.test")
                  + tlv(0x04, bytes(100)) + tlv(0x20, b"\1\0\0\0\0" + tlv(0x21, b"TLSv1.3"))
                  + tlv(0xEE, b"unknown"))


class Front:
    """One listener behind a load balancer and one backend."""

    def __init__(self, proxy, backend, protocol, tls):
        self.proxy, self.backend = proxy, backend
        self.protocol, self.tls = protocol.replace("submission", "smtp"), tls
        self._sessions = 0

    def connect(self, source=BALANCER):
        return Client(self.proxy.ports["test"], source=source)

    def session(self):
        """The log line of the next session that is over."""
        self._sessions += 1
        return self.proxy.wait_for_event("session", self._sessions).fields

    def goodbye(self):
        return GOODBYE[self.protocol]

    def greet(self, client):
        return client.read_smtp() if self.protocol == "smtp" else client.read_line()

    def converse(self, client, segments_of, behind=b""):
        """
        Sends what segments_of makes of the client's first bytes: of its ClientHello, or of a whole
        goodbye. Then everything up to the end, in plaintext.
        """
        implicit = self.tls == "implicit"
        own = first_flight(client) if implicit else behind + self.goodbye()
        for segment in segments_of(own):
            client.send_raw(segment)
        if implicit:
            go_on(client)
            client.send(behind + self.goodbye())
        greeting = self.greet(client)
        answer = client.read_to_end()
        client.close()
        return greeting, answer


@pytest.fixture
def front(proxy, new_backend):
    def build(protocol="smtp", tls="starttls", early_talker="hold", workers=2, **timeouts):
        backend = new_backend(server(protocol.replace("submission", "smtp")))
        proxy.section("proxy", workers=workers, state_directory=proxy.directory / "state")
        proxy.section("timeouts", drain="2s", **timeouts)
        proxy.backend("server", backend.port)
        proxy.listener("test", protocol, tls, "server", accept_proxy_from=LISTED,
                       early_talker=early_talker)
        proxy.start()
        return Front(proxy, backend, protocol, tls)
    return build


def assert_served(front, greeting, answer):
    assert greeting.startswith({"smtp": b"220 ", "imap": b"* OK ", "pop3": b"+OK "}[front.protocol])
    assert answer, "the goodbye was not answered"


def assert_cut(front, client, reason="bad-proxy-header"):
    """Not a byte came back, and no server was asked."""
    answer = client.read_to_end()
    client.close()
    assert answer == b""
    assert client.end in (End.FIN, End.RESET)
    session = front.session()
    assert session["reason"] == reason
    assert session["ended_by"] == "proxy"
    assert "backend" not in session and "via" not in session
    assert session["client"].startswith(BALANCER + ":")
    assert front.backend.connections == []


# What is true

@pytest.mark.conformance("C96")
@pytest.mark.parametrize("protocol, tls", KINDS)
@pytest.mark.parametrize("header, client", [
    (v1(), f"{CLIENT}:40000"), (V2, f"{CLIENT}:40000"), (V2_WITH_TLVS, f"{CLIENT}:40000"),
    (v1(CLIENT6, SERVER6), f"[{CLIENT6}]:40000"), (V2_TCP6, f"[{CLIENT6}]:40000"),
], ids=["v1", "v2", "v2-tlvs", "v1-tcp6", "v2-tcp6"])
def test_the_client_of_the_header_is_the_client(front, protocol, tls, header, client):
    """On every kind of listener, with the client's first bytes in the same segment."""
    front = front(protocol, tls)
    assert_served(front, *front.converse(front.connect(), lambda own: [header + own]))
    session = front.session()
    assert session["client"] == client
    assert session["via"].startswith(BALANCER + ":")


@pytest.mark.conformance("C96")
@pytest.mark.parametrize("protocol, tls", [("smtp", "starttls"), ("imap", "starttls"),
                                           ("pop3", "none"), ("submission", "implicit")])
@pytest.mark.parametrize("header", [v1(), V2_WITH_TLVS], ids=["v1", "v2"])
def test_a_header_in_any_segments(front, protocol, tls, header):
    """Split in two at every offset up to the client's own bytes and into them, and byte by byte."""
    front = front(protocol, tls)
    splits = [lambda own, at=at: [(header + own)[:at], (header + own)[at:]]
              for at in range(1, len(header) + 7)]
    splits.append(lambda own: [bytes([byte]) for byte in header + own])
    for segments_of in splits:
        assert_served(front, *front.converse(front.connect(), segments_of))
        assert front.session()["client"] == f"{CLIENT}:40000"


@pytest.mark.quick
@pytest.mark.conformance("C96")
def test_commands_behind_a_header_are_served_in_order(front):
    front = front("smtp", "none")
    greeting, answer = front.converse(front.connect(), lambda own: [v1() + own],
                                      behind=b"EHLO c.test\r\nNOOP\r\n")
    assert greeting == b"220 old.example ESMTP\r\n"
    assert answer.endswith(b"250 2.0.0 noop\r\n221 2.0.0 bye\r\n")
    assert front.backend.finished().commands == [b"EHLO c.test\r\n", b"NOOP\r\n", b"QUIT\r\n"]


@pytest.mark.conformance("C96")
def test_an_ipv4_mapped_client_is_one_of_ipv4(front):
    front = front()
    header = v2(addresses("::ffff:192.0.2.7", "::ffff:198.51.100.1"), family=0x21)
    assert_served(front, *front.converse(front.connect(), lambda own: [header + own]))
    assert front.session()["client"] == f"{CLIENT}:40000"


@pytest.mark.conformance("C96")
def test_the_header_is_not_counted_as_the_clients_bytes(front):
    front = front("smtp", "none")
    front.converse(front.connect(), lambda own: [V2_WITH_TLVS + own])
    assert front.session()["bytes_in"] == str(len(b"QUIT\r\n"))


@pytest.mark.conformance("C11")
def test_the_header_is_not_what_an_early_talker_says(front):
    front = front("smtp", "none", early_talker="refuse")
    client = front.connect()
    client.send(v1())
    assert client.read_smtp() == b"220 old.example ESMTP\r\n"
    assert client.smtp(b"QUIT") == b"221 2.0.0 bye\r\n"
    client.close()
    assert front.session()["reason"] == "quit"
    greeting, _ = front.converse(front.connect(), lambda own: [v1() + own])
    assert greeting.startswith(b"554 5.5.1 ")
    session = front.session()
    assert (session["reason"], session["client"]) == ("early-talker", f"{CLIENT}:40000")


@pytest.mark.conformance("C98")
@pytest.mark.parametrize("protocol, tls", [("smtp", "starttls"), ("imap", "implicit")])
@pytest.mark.parametrize("header", [
    b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN 192.0.2.7 198.51.100.1 40000 25\r\n",
    b"PROXY UNKNOWN " + b"x" * 91 + b"\r\n",
    v2(command=0x20, family=0), v2(addresses(), command=0x20), v2(b"\xff" * 20, command=0x20),
    v2(family=0x00), v2(b"\xff" * 20, family=0x00),
    v2(addresses(), family=0x12), v2(bytes(216), family=0x31),
], ids=["unknown", "unknown-addresses", "unknown-107", "local", "local-addresses", "local-rest",
        "unspec", "unspec-rest", "udp", "unix"])
def test_a_balancer_that_speaks_for_itself_is_served(front, protocol, tls, header):
    front = front(protocol, tls)
    assert_served(front, *front.converse(front.connect(), lambda own: [header + own]))
    session = front.session()
    assert session["client"].startswith(BALANCER + ":")
    assert "via" not in session


# What is wrong

ABSENT = {
    "ehlo": b"EHLO c.test\r\n", "quit": b"QUIT\r\n", "tag": b"a LOGIN u p\r\n", "empty": b"\r\nX",
    "http": b"GET / HTTP/1.0\r\n\r\n", "tls": client_hello(), "nul": b"\0",
    "lower": b"proxy TCP4 192.0.2.7 198.51.100.1 40000 25\r\n", "word": b"PROXYX",
}
MALFORMED_V1 = {
    "short": b"PROXY TCP4 192.0.2.7 198.51.100.1 40000\r\n",
    "long": b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 25 x\r\n",
    "no-family": b"PROXY \r\n", "family": b"PROXY TCP5 192.0.2.7 198.51.100.1 40000 25\r\n",
    "family-case": b"PROXY tcp4 192.0.2.7 198.51.100.1 40000 25\r\n",
    "port": b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 25\r\n",
    "zero": b"PROXY TCP4 192.0.2.7 198.51.100.1 040000 25\r\n",
    "sign": b"PROXY TCP4 192.0.2.7 198.51.100.1 +4000 25\r\n",
    "blanks": b"PROXY TCP4  192.0.2.7 198.51.100.1 40000 25\r\n",
    "blank-behind": b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 25 \r\n",
    "octet": b"PROXY TCP4 192.0.2.256 198.51.100.1 40000 25\r\n",
    "name": b"PROXY TCP4 localhost 198.51.100.1 40000 25\r\n",
    "other-family": b"PROXY TCP4 2001:db8::7 2001:db8::1 40000 25\r\n",
    "scope": b"PROXY TCP6 fe80::1%lo fe80::2%lo 40000 25\r\n",
    "lf": b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\nX", "cr": b"PROXY TCP4 192.0.2.7\rX",
    "nul": b"PROXY TCP4 192.0.2.7\0 198.51.100.1 40000 25\r\n",
    "108": b"PROXY UNKNOWN " + b"x" * 92 + b"\r\n", "endless": b"PROXY TCP4 " + b"1" * 200,
}
MALFORMED_V2 = {
    "version": v2(addresses(), command=0x11), "command": v2(addresses(), command=0x22),
    "family": v2(addresses(), family=0x41), "transport": v2(addresses(), family=0x13),
    "signature": SIGNATURE[:11] + b"\r",
    "ipv4-short": v2(addresses()[:11]), "ipv4-none": v2(),
    "ipv6-short": v2(addresses(CLIENT6, SERVER6)[:35], family=0x21),
    "unix-short": v2(bytes(215), family=0x31),
    "tlv-head": v2(addresses() + b"\x02\0"), "tlv-overrun": v2(addresses() + b"\x02\0\x01"),
    "tlv-64k": v2(addresses() + b"\x02\xff\xffmail"),
    "tls-short": v2(addresses() + tlv(0x20, b"\1\0\0")),
    "tls-overrun": v2(addresses() + tlv(0x20, b"\1\0\0\0\0\x21\0\x09TLSv1.3")),
    "unique-id": v2(addresses() + tlv(0x05, bytes(129))),
    "checksum": v2(addresses() + tlv(0x03, b"\xde\xad\xbe\xef")),
}
OVERSIZED = {
    "4081": v2(addresses(), length=4081), "64k": v2(addresses(), length=0xffff),
    "local-64k": v2(command=0x20, family=0, length=0xffff),
    "4081-whole": v2(addresses() + tlv(0x04, bytes(4081 - 12 - 3))),
}


def names(vectors):
    return pytest.mark.parametrize("vector", vectors.values(), ids=vectors.keys())


def assert_refused(front, vector, segmentations):
    for segments in segmentations:
        client = front.connect()
        try:
            for segment in segments:
                client.send(segment)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was refused before the last of it was sent
        assert_cut(front, client)


@pytest.mark.conformance("C97")
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@names(ABSENT)
def test_an_absent_header_ends_the_session_without_a_word(front, tls, vector):
    assert_refused(front(tls=tls), vector, [[vector], [bytes([byte]) for byte in vector]])


@pytest.mark.conformance("C97")
@names(MALFORMED_V1)
def test_a_malformed_header_of_version_1(front, vector):
    assert_refused(front("imap"), vector, ways(vector))


@pytest.mark.conformance("C97", "C98")
@names(MALFORMED_V2)
def test_a_malformed_header_of_version_2(front, vector):
    front = front("pop3")
    assert_refused(front, vector, ways(vector))


@pytest.mark.conformance("C97", "C98")
@names(OVERSIZED)
def test_an_oversized_header(front, vector):
    assert_refused(front(), vector, [[vector], [vector[:15], vector[15:]],
                                     [bytes([byte]) for byte in vector[:40]]])


@pytest.mark.conformance("C98")
def test_the_largest_header_is_taken(front):
    front = front()
    header = v2(addresses() + tlv(0x04, bytes(4096 - 16 - 12 - 3)))
    assert len(header) == 4096
    assert_served(front, *front.converse(front.connect(), lambda own: [header + own]))
    assert front.session()["client"] == f"{CLIENT}:40000"


@pytest.mark.conformance("C97")
@pytest.mark.parametrize("begun", [v1()[:-1], V2[:-1], V2[:13]], ids=["v1", "v2", "v2-head"])
def test_a_header_that_breaks_off(front, begun):
    front = front()
    client = front.connect()
    client.send(begun)
    client.half_close()
    assert_cut(front, client)


@pytest.mark.conformance("C97")
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("begun", [b"", v1()[:-1], V2[:20]], ids=["nothing", "v1", "v2"])
def test_a_late_header(front, tls, begun):
    front = front(tls=tls, proxy_header="200ms")
    client = front.connect()
    client.send(begun)
    assert_cut(front, client, reason="proxy-header-timeout")


def test_a_connection_that_says_nothing_is_no_attack(front):
    """Load balancers connect and close to see whether somebody is there."""
    front = front()
    for end in (Client.half_close, Client.close):
        client = front.connect()
        end(client)
        assert front.session()["reason"] == "client-closed"
        client.close()
    assert front.backend.connections == []
    assert front.proxy.stop().fields["proxy"] == "0"


@pytest.mark.conformance("C120")
def test_bad_headers_are_counted_as_attacks(front):
    front = front(proxy_header="200ms")
    for data in (b"EHLO c.test\r\n", v1()[:-2] + b"\n", b""):
        client = front.connect()
        client.send(data)
        client.read_to_end()
        client.close()
        front.session()
    assert front.proxy.stop().fields["proxy"] == "3"


# Who may say it

UNKNOWN = {"smtp": b"500 5.5.2 the server does not know this\r\n", "pop3": b"-ERR",
           "imap": b"* BAD"}


@pytest.mark.conformance("C96", "C100")
@pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3"])
def test_from_anybody_else_the_same_bytes_are_an_unknown_command(front, protocol):
    """And the connection is served on the same port without one."""
    front = front(protocol, "none")
    for segments in ways(v1()):
        client = front.connect("127.0.0.1")
        front.greet(client)
        for segment in segments:
            client.send(segment)
        answer = client.read_line()
        assert answer.startswith(UNKNOWN[protocol]) or b" BAD " in answer, answer
        client.send(front.goodbye())
        client.read_to_end()
        client.close()
        session = front.session()
        assert session["client"].startswith("127.0.0.1:")
        assert "via" not in session


@pytest.mark.conformance("C96", "C100")
def test_from_anybody_else_version_2_means_nothing(front):
    front = front("smtp", "none")
    client = front.connect("127.0.0.1")
    client.send(V2)
    client.read_to_end()
    client.close()
    assert front.session()["client"].startswith("127.0.0.1:")


@pytest.mark.conformance("C96", "C100")
@pytest.mark.parametrize("header", [v1(), V2], ids=["v1", "v2"])
def test_from_anybody_else_a_header_is_no_tls(front, header):
    front = front("imap", "implicit")
    client = front.connect("127.0.0.1")
    client.send(header + client_hello())
    client.read_to_end()
    client.close()
    session = front.session()
    assert session["reason"] == "plaintext-on-tls-port"
    assert session["client"].startswith("127.0.0.1:")


@pytest.mark.conformance("C96")
@pytest.mark.parametrize("protocol, tls", KINDS)
def test_from_anybody_else_no_header_is_needed(front, protocol, tls):
    front = front(protocol, tls)
    assert_served(front, *front.converse(front.connect("127.0.0.1"), lambda own: [own]))
    assert front.session()["client"].startswith("127.0.0.1:")


@pytest.mark.conformance("C100")
def test_a_client_cannot_add_a_header_of_its_own(front):
    """Behind that of the load balancer, and behind TLS, it is a command."""
    front = front("smtp", "starttls")
    client = front.connect()
    client.send(v1() + v1("203.0.113.66"))
    assert front.greet(client) == b"220 old.example ESMTP\r\n"
    assert client.read_line() == UNKNOWN["smtp"]
    client.starttls("smtp")
    client.smtp(b"EHLO c.test")
    assert client.smtp(v1("203.0.113.66")[:-2]) == UNKNOWN["smtp"]
    client.smtp(b"QUIT")
    client.close()
    session = front.session()
    assert session["client"] == f"{CLIENT}:40000"
    assert session["via"].startswith(BALANCER + ":")


@pytest.mark.conformance("C96")
def test_without_the_setting_nobody_is_believed(proxy, new_backend, new_client):
    backend = new_backend(server("smtp"))
    proxy.backend("server", backend.port)
    proxy.listener("test", "smtp", "none", "server")
    proxy.start()
    client = new_client(proxy.ports["test"], source=BALANCER)
    assert client.read_smtp() == b"220 old.example ESMTP\r\n"
    assert client.smtp(v1()[:-2]) == UNKNOWN["smtp"]


# The end

def test_shutdown_does_not_wait_for_a_header(front):
    front = front(proxy_header="5m", workers=1)
    client = front.connect()
    client.send(v1()[:10])
    other = front.connect()  # the one worker has begun with the first when this one is served
    assert_served(front, *front.converse(other, lambda own: [v1() + own]))
    front.session()
    front.proxy.send_signal(signal.SIGTERM)
    assert client.read_to_end() == b""
    client.close()
    assert front.session()["reason"] == "shutdown"
    front.proxy.process.wait(CEILING)
