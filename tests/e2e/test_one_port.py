"""`protocol = auto`: one port for many protocols. The routes choose by ALPN, SNI and first words; the
session then has the settings of another listener, or is passed on to a server as it is.
"""

import os
import signal
import struct
import subprocess
import threading
import time

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.attacks import client_hello, first_flight, go_on, in_records, with_extension
from mailmux_e2e.client import Client, End, default_context
from mailmux_e2e.nginx import Nginx
from mailmux_e2e.ports import Ports
from mailmux_e2e.proxy import binary
from mailmux_e2e.servers import server
from mailmux_e2e.steps import expect, half_close, hang, reset, send, wait_for, wait_for_end

NEVER = "60s"  # longer than any test
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
SSH = b"SSH-2.0-client\r\n"


@pytest.fixture(scope="module")
def site(certificates):
    site = Nginx(certificates.rsa)
    yield site
    site.stop()


class Front:
    """One port for everything: mail behind listeners without a port, a web site, ssh."""

    def __init__(self, proxy, new_backend, site, sniff=NEVER, **settings):
        self.proxy, self.site = proxy, site
        self.mx = new_backend(server("smtp", greeting=b"220 mx\r\n"))
        self.submission = new_backend(server("smtp", greeting=b"220 submission\r\n"))
        self.imap = new_backend(server("imap", greeting=b"* OK imap\r\n"))
        self.pop3 = new_backend(server("pop3", greeting=b"+OK pop3\r\n"))
        self.ssh = new_backend([send(b"SSH-2.0-server\r\n"), hang()])
        for name in ("mx", "submission", "imap", "pop3"):
            proxy.backend(name, getattr(self, name).port)
        self.inside("imaps", "imap", "implicit", "imap")
        self.inside("submissions", "submission", "implicit", "submission")
        self.inside("pop3s", "pop3", "implicit", "pop3")
        self.inside("smtp", "smtp", "starttls", "mx")
        self.inside("imap", "imap", "starttls", "imap")
        self.port = proxy.ports.setdefault("front", proxy._reserved.reserve())
        proxy.section("listener front", bind=f"127.0.0.1:{self.port}", protocol="auto",
                      sniff=sniff, route=[
                          "alpn imap -> imaps",
                          "alpn submission -> submissions",
                          "alpn pop3 -> pop3s",
                          "alpn forbidden -> refuse",
                          "sni imap.example.test -> imaps",
                          "sni smtp.example.test -> submissions",
                          "sni *.pop.example.test -> pop3s",
                          "first smtp -> smtp",
                          "first imap -> imap",
                          f"first ssh -> pass 127.0.0.1:{self.ssh.port}",
                          f"default -> pass 127.0.0.1:{site.port} send_client_address=proxy-v2"],
                      **settings)
        proxy.start()
        self._sessions = 0

    def inside(self, name, protocol, tls, backend):
        self.proxy.section(f"listener {name}", protocol=protocol, tls=tls, backend=backend)

    def connect(self):
        return Client(self.port)

    def session(self):
        """The line of the next session that is over."""
        self._sessions += 1
        return self.proxy.wait_for_event("session", self._sessions).fields


@pytest.fixture
def front(proxy, new_backend, site):
    return lambda **settings: Front(proxy, new_backend, site, **settings)


def context(*protocols):
    """Its ClientHello has no padding, so that it has fewer splits."""
    context = default_context()
    context.minimum_version = context.maximum_version
    context.options &= ~0x10  # SSL_OP_TLSEXT_PADDING
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


# What a client of each kind hears when its route is right

def hears_imap(client):
    assert client.read_line() == b"* OK imap\r\n"
    assert b"z OK bye" in client.imap(b"z LOGOUT")


def hears_submission(client):
    assert client.read_smtp() == b"220 submission\r\n"
    assert client.smtp(b"QUIT").startswith(b"221 ")


def hears_pop3(client):
    assert client.read_line() == b"+OK pop3\r\n"
    assert client.pop3(b"QUIT").startswith(b"+OK")


def hears_site(client):
    """nginx sees the client itself, by the PROXY header."""
    port = client.socket.getsockname()[1]
    client.send(b"GET /page HTTP/1.1\r\nHost: www.example.test\r\nConnection: close\r\n\r\n")
    answer = client.read_to_end()
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    assert f"client 127.0.0.1:{port} peer 127.0.0.1 ".encode() in answer
    assert b"path /page" in answer


TLS = {
    "imap-by-alpn": (["imap"], None, hears_imap, "alpn imap -> imaps"),
    "imap-among-others": (["h2", "imap"], "www.example.test", hears_imap, "alpn imap -> imaps"),
    "submission-by-alpn": (["submission"], None, hears_submission,
                           "alpn submission -> submissions"),
    "pop3-by-alpn": (["pop3"], None, hears_pop3, "alpn pop3 -> pop3s"),
    "imap-by-sni": ([], "imap.example.test", hears_imap, "sni imap.example.test -> imaps"),
    "submission-by-sni": ([], "SMTP.example.test", hears_submission,
                          "sni smtp.example.test -> submissions"),
    "pop3-by-sni": ([], "a.pop.example.test", hears_pop3, "sni *.pop.example.test -> pop3s"),
    "site": (["http/1.1"], "www.example.test", hears_site, "default -> pass SITE"),
    "site-without-a-name": ([], None, hears_site, "default -> pass SITE"),
    # What is nearly the name of another route
    "no-such-alpn": (["imap4", "http/1.1"], None, hears_site, "default -> pass SITE"),
    "alpn-in-capitals": (["IMAP", "http/1.1"], None, hears_site, "default -> pass SITE"),
    "below-imap": ([], "x.imap.example.test", hears_site, "default -> pass SITE"),
    "the-suffix-alone": ([], "pop.example.test", hears_site, "default -> pass SITE"),
    "longer-than-smtp": ([], "smtp.example.tests", hears_site, "default -> pass SITE"),
}


@pytest.mark.conformance("C146", "C147")
@pytest.mark.parametrize("kind", TLS)
def test_tls_at_every_split_of_its_first_bytes(front, kind):
    front = front()
    protocols, name, hears, route = TLS[kind]
    length = len(client_hello(context(*protocols), name))
    for at in range(length):
        with front.connect() as client:
            hello = first_flight(client, context(*protocols), name)
            assert len(hello) == length
            for part in (hello[:at], hello[at:]):
                client.send_raw(part)
            go_on(client)
            hears(client)
        session = front.session()
        assert session["route"] == route.replace("SITE", f"127.0.0.1:{front.site.port}")
        assert session["listener"] == "front"
        if hears is hears_site:
            assert session["tls"] == "none" and session["protocol"] == "auto"
            assert "login" not in session and int(session["bytes_in"]) > length
        else:
            assert session["tls"] == "TLSv1.3" and session["login"] == "none"


# Words in clear: what is sent first, what is heard, the route

def smtp_with_starttls(client):
    assert client.read_smtp() == b"220 mx\r\n"
    assert b"250-STARTTLS\r\n" in client.read_smtp()
    client.starttls("smtp")
    assert client.smtp(b"QUIT").startswith(b"221 ")


def smtp_with_helo(client):
    assert client.read_smtp() == b"220 mx\r\n"
    assert client.read_smtp().startswith(b"250 ")
    assert client.smtp(b"QUIT").startswith(b"221 ")


def imap_with_starttls(client):
    assert client.read_line() == b"* OK imap\r\n"
    assert b"STARTTLS" in client.read_tagged(b"a1")
    client.starttls("imap")
    assert b"z OK bye" in client.imap(b"z LOGOUT")


def ssh(client):
    assert client.read_line() == b"SSH-2.0-server\r\n"


def http_in_clear(client):
    """The site wants TLS, and says so."""
    assert client.read_to_end().startswith(b"HTTP/1.1 400 ")


WORDS = {
    "smtp": (b"EHLO c.test\r\n", smtp_with_starttls, "first smtp -> smtp"),
    "smtp-of-old": (b"helo c.test\r\n", smtp_with_helo, "first smtp -> smtp"),
    "imap": (b"a1 CAPABILITY\r\n", imap_with_starttls, "first imap -> imap"),
    "ssh": (SSH, ssh, "first ssh -> pass SSH"),
    "http": (b"GET / HTTP/1.0\r\n\r\n", http_in_clear, "default -> pass SITE"),
    # What is nearly the word of another route
    "no-smtp": (b"EHLOS / HTTP/1.0\r\n\r\n", http_in_clear, "default -> pass SITE"),
    "no-imap": (b"a1 CAPABLE\r\n\r\n", http_in_clear, "default -> pass SITE"),
    "no-ssh": (b"SSHD / HTTP/1.0\r\n\r\n", http_in_clear, "default -> pass SITE"),
    "no-tls": (b"\x17\x03\x01 / HTTP/1.0\r\n\r\n", http_in_clear, "default -> pass SITE"),
}


@pytest.mark.quick
@pytest.mark.conformance("C146", "C147")
@pytest.mark.parametrize("kind", WORDS)
def test_words_at_every_split(front, kind):
    front = front()
    words, hears, route = WORDS[kind]
    route = route.replace("SITE", f"127.0.0.1:{front.site.port}")
    for at in range(len(words)):
        with front.connect() as client:
            for part in (words[:at], words[at:]):
                client.send_raw(part)
            hears(client)
        assert front.session()["route"] == route.replace("SSH", f"127.0.0.1:{front.ssh.port}")
    if hears is ssh:
        assert {bytes(one.received) for one in front.ssh.connections} == {SSH}


@pytest.mark.parametrize("condition", ["default", "from 127.0.0.0/8"])
def test_a_route_by_no_octet_to_a_listener_for_tls_and_clear(proxy, new_backend, condition):
    backend = new_backend(server("imap", greeting=b"* OK imap\r\n"))
    proxy.backend("imap", backend.port)
    proxy.section("listener inside", protocol="imap", tls="auto", backend="imap")
    proxy.ports["front"] = proxy._reserved.reserve()
    proxy.section("listener front", bind=f"127.0.0.1:{proxy.ports['front']}", protocol="auto",
                  sniff=NEVER, route=[f"{condition} -> inside"])
    proxy.start()
    with Client(proxy.ports["front"]) as client:
        client.begin_tls()
        hears_imap(client)
    with Client(proxy.ports["front"]) as client:
        client.send_raw(b"a1 CAPABILITY\r\n")
        imap_with_starttls(client)


def test_a_client_that_waits_is_passed_to_the_server_that_may_speak_first(front, proxy,
                                                                            new_backend):
    peer = new_backend([send(b"hello\r\n"), hang()])
    serve(proxy, peer.port, sniff="20ms")
    with Client(proxy.ports["front"]) as client:
        assert client.read_line() == b"hello\r\n"


@pytest.mark.conformance("C146")
def test_words_that_come_late_choose_all_the_same(front):
    """A lost segment comes a second later; meanwhile the site, which is silent too, was connected."""
    front = front(sniff="10ms")
    with front.connect() as client:
        wait_for_phase(front.proxy, "relay")
        client.send_raw(first_flight(client, context("imap")))
        go_on(client)
        hears_imap(client)
    session = front.session()
    assert session["route"] == "alpn imap -> imaps" and session["backend"] == "imap"
    assert session["tries"] == "1" and session["server"] == "imap1"
    with front.connect() as client:
        wait_for_phase(front.proxy, "relay", 2)
        client.send_raw(first_flight(client, context("http/1.1")))
        go_on(client)
        hears_site(client)
    assert front.session()["route"] == f"default -> pass 127.0.0.1:{front.site.port}"


def test_a_route_may_refuse(front):
    front = front()
    with front.connect() as client:
        client.send_raw(first_flight(client, context("forbidden")))
        assert client.read_to_end() == b""
        assert client.end == End.FIN
    session = front.session()
    assert session["reason"] == "route-refused" and session["ended_by"] == "proxy"
    assert session["route"] == "alpn forbidden -> refuse"
    assert "backend" not in session


def test_no_route_is_for_the_client(proxy, new_backend):
    peer = new_backend([hang()])
    serve(proxy, peer.port, condition="tls")
    with Client(proxy.ports["front"]) as client:
        client.send_raw(b"EHLO c.test\r\n")
        assert client.read_to_end() == b""
    session = proxy.wait_for_event("session").fields
    assert session["reason"] == "no-route" and "route" not in session
    assert peer.connections == []


def test_a_target_still_looks_at_alpn(front):
    front = front()
    with front.connect() as client:
        client.send_raw(first_flight(client, context("smtp"), "imap.example.test"))
        assert client.read_to_end()[:1] == b"\x15"  # an alert
    session = front.session()
    assert session["reason"] == "alpn-mismatch"
    assert session["route"] == "sni imap.example.test -> imaps"


@pytest.mark.conformance("C146")
def test_a_long_hello_in_two_records(front):
    """Each record is cut at its head and in its middle, and comes in segments of its own."""
    front = front()
    names = [f"grease-{i:0200}" for i in range(7)]
    for size in (1, 37, 700, 1399, 1450):
        for cut in (1, 3, 5, 6, size, size + 5, size + 8, 1500):
            with front.connect() as client:
                hello = first_flight(client, context(*names, "imap"))
                assert len(hello) > 1500
                records = in_records(hello, [size])
                client.send_raw(records[:cut])
                client.send_raw(records[cut:])
                go_on(client)
                hears_imap(client)
            assert front.session()["route"] == "alpn imap -> imaps"


def test_a_hello_may_have_so_many_octets(front, proxy):
    """client_hello in [limits]. A longer one asks for nothing, and passes all the same."""
    proxy.section("limits", client_hello="40k")
    front = front()
    names = [f"grease-{i:0240}" for i in range(200)]
    for count, route in ((150, "alpn imap -> imaps"), (200, "default")):
        with front.connect() as client:
            hello = first_flight(client, context(*names[:count], "imap", "http/1.1"))
            assert (len(hello) > 40 << 10) == (route == "default")
            for at in range(0, len(hello), 5000):
                client.send_raw(hello[at:at + 5000])
            go_on(client)
            hears_site(client) if route == "default" else hears_imap(client)
        assert front.session()["route"].startswith(route)


@pytest.mark.parametrize("hello", [b"\x16\x03\x01\x00\x04\x02\x00\x00\x00", b"\x16\xff\xff\xff\xff\xff"],
                         ids=["another-message", "no-record"])
def test_what_only_begins_like_a_hello_is_passed_as_it_is(proxy, new_backend, hello):
    peer = new_backend([expect(hello), send(b"what?\r\n")])
    serve(proxy, peer.port)
    with Client(proxy.ports["front"]) as client:
        client.send_raw(hello)
        assert client.read_to_end() == b"what?\r\n"


def hybrid_hello():
    """The key share of X25519MLKEM768 [draft-ietf-tls-ecdhe-mlkem] alone has 1,216 octets."""
    share = os.urandom(1216)
    offering = default_context()  # with all its ciphers
    offering.set_alpn_protocols(["h2", "http/1.1"])
    body = struct.pack("!HHH", len(share) + 4, 0x11EC, len(share)) + share
    return with_extension(client_hello(offering, "www.example.test"), 0x7A7A, body)


# Passed connections

def configure(proxy, *ports, condition="default", sniff=NEVER, timeouts={}, **settings):
    """A listener that passes on to one backend."""
    proxy.section("timeouts", **{"drain": "2s", **timeouts})
    proxy.backend("peers", *ports, check="none", **settings)
    proxy.ports["front"] = proxy._reserved.reserve()
    proxy.section("listener front", bind=f"127.0.0.1:{proxy.ports['front']}", protocol="auto",
                  sniff=sniff, route=["alpn nothing -> refuse",
                                      f"{condition} -> pass backend peers"])


def serve(proxy, *ports, **settings):
    configure(proxy, *ports, **settings)
    proxy.start()


def header_v2(client, *tlvs):
    """The PROXY header for a client, as far as the test knows it."""
    ip = bytes([127, 0, 0, 1])
    addresses = ip * 2 + struct.pack("!HH", client.socket.getsockname()[1],
                                     client.socket.getpeername()[1])
    body = addresses + b"".join(struct.pack("!BH", kind, len(v)) + v for kind, v in tlvs)
    return SIGNATURE + struct.pack("!BBH", 0x21, 0x11, len(body)) + body


@pytest.mark.conformance("C146", "C147")
def test_a_hybrid_hello_is_passed_unchanged(proxy, new_backend):
    peer = new_backend([hang()])
    serve(proxy, peer.port, condition="sni www.example.test", send_client_address="proxy-v2",
          proxy_tlvs="authority")
    hello = in_records(hybrid_hello(), [1000])
    assert len(hello) > 1500
    for number, at in enumerate(range(1, len(hello), 97)):
        with Client(proxy.ports["front"]) as client:
            client.send_raw(hello[:at])
            client.send_raw(hello[at:])
            expected = header_v2(client, (0x02, b"www.example.test")) + hello
            assert peer.connection(number).wait_for(expected[-100:])
            assert bytes(peer.connection(number).received) == expected
        session = proxy.wait_for_event("session", number + 1).fields
        assert session["sni"] == "www.example.test"
        assert session["bytes_in"] == str(len(hello))


@pytest.mark.parametrize("condition", ["tls", "default"])
def test_the_name_is_told_whatever_the_route_needs_to_know(proxy, new_backend, condition):
    """proxy_tlvs = authority: the route is known by one octet or none, and the name by the hello."""
    peer = new_backend([hang()])
    proxy.backend("peers", peer.port, send_client_address="proxy-v2", proxy_tlvs="authority")
    proxy.ports["front"] = proxy._reserved.reserve()
    proxy.section("listener front", bind=f"127.0.0.1:{proxy.ports['front']}", protocol="auto",
                  sniff=NEVER, route=[f"{condition} -> pass backend peers"])
    proxy.start()
    hello = client_hello(context(), "www.example.test")
    for number, at in enumerate((1, 5, 100, len(hello))):
        with Client(proxy.ports["front"]) as client:
            for part in (hello[:at], hello[at:]):
                client.send_raw(part)
            expected = header_v2(client, (0x02, b"www.example.test")) + hello
            assert peer.connection(number).wait_for(hello[-100:])
            assert bytes(peer.connection(number).received) == expected
        assert proxy.wait_for_event("session", number + 1).fields["sni"] == "www.example.test"
    if condition == "default":
        with Client(proxy.ports["front"]) as client:
            client.send_raw(SSH)
            assert peer.connection(4).wait_for(SSH)


@pytest.mark.conformance("C147")
@pytest.mark.parametrize("version", ["proxy-v1", "proxy-v2"])
def test_what_is_passed_is_complete_and_unchanged(proxy, new_backend, version):
    """A megabyte each way, at the same time, behind the client's address."""
    there, back = os.urandom(1 << 20), os.urandom(1 << 20)
    peer = new_backend([send(back), half_close(), hang()])
    serve(proxy, peer.port, send_client_address=version)
    with Client(proxy.ports["front"]) as client:
        port, door = client.socket.getsockname()[1], proxy.ports["front"]
        header = header_v2(client) if version == "proxy-v2" else \
            f"PROXY TCP4 127.0.0.1 127.0.0.1 {port} {door}\r\n".encode()

        def speak():
            client.socket.sendall(b"\0" + there)
            client.half_close()

        speaker = threading.Thread(target=speak)
        speaker.start()
        assert client.read_to_end() == back
        assert client.end == End.FIN
        speaker.join()
    assert bytes(peer.finished().received) == header + b"\0" + there
    session = proxy.wait_for_event("session").fields
    assert session["bytes_in"] == str(len(there) + 1)
    assert session["bytes_out"] == str(len(back))
    assert session["phase"] == "half-closed"


def test_one_end_is_no_end_of_the_other(proxy, new_backend):
    """The client has sent all, and reads on; nothing says that it has left."""
    peer = new_backend([wait_for_end(), send(b"the answer")])
    serve(proxy, peer.port, timeouts={"half_closed": "30s"})
    with Client(proxy.ports["front"]) as client:
        client.send_raw(b"\0 question")
        client.half_close()
        assert client.read_to_end() == b"the answer"
    assert bytes(peer.finished().received) == b"\0 question"


def test_a_reset_reaches_the_other_side_as_one(proxy, new_backend):
    go = threading.Event()
    peer = new_backend([hang()], [expect(b"\0"), wait_for(go), reset()])
    serve(proxy, peer.port)
    client = Client(proxy.ports["front"])
    client.send_raw(b"\0")
    assert peer.connection(0).wait_for(b"\0")
    client.reset()
    assert peer.finished(0).was_reset
    assert proxy.wait_for_event("session").fields["reason"] == "client-reset"
    with Client(proxy.ports["front"]) as client:
        client.send_raw(b"\0")
        assert peer.connection(1).wait_for(b"\0")
        go.set()
        assert client.read_to_end() == b""
        assert client.end == End.RESET
    assert proxy.wait_for_event("session", 2).fields["reason"] == "server-reset"


def test_a_dead_server_is_passed_over(proxy, new_backend):
    dead = Ports()
    peer = new_backend([send(b"here"), hang()])
    serve(proxy, dead.reserve(), peer.port)
    for number in range(2):
        with Client(proxy.ports["front"]) as client:
            client.send_raw(b"\0")
            assert client.read_exactly(4) == b"here"
        session = proxy.wait_for_event("session", number + 1).fields
        assert session["server"] == "peers2"
    failed = proxy.wait_for_event("try-failed").fields
    assert failed["server"] == "peers1" and failed["why"] == "Connection refused"
    dead.release()


def test_no_server_is_there(proxy):
    dead = Ports()
    serve(proxy, dead.reserve())
    with Client(proxy.ports["front"]) as client:
        client.send_raw(b"\0")
        assert client.read_to_end() == b""
        assert client.end == End.FIN
    session = proxy.wait_for_event("session").fields
    assert session["reason"] == "no-backend" and session["tries"] == "1"
    assert proxy.events("try-failed")
    dead.release()


def test_silence_on_both_sides_ends_it(proxy, new_backend):
    peer = new_backend([hang()])
    serve(proxy, peer.port, timeouts={"pass_idle": "1s"})
    with Client(proxy.ports["front"]) as client:
        client.send_raw(b"\0")
        assert client.read_to_end() == b""
        assert client.end == End.RESET
    assert proxy.wait_for_event("session").fields["reason"] == "idle-timeout"
    assert peer.finished().was_reset


def test_servers_that_are_passed_to_are_checked(proxy, new_backend):
    """By a connection alone, as nothing is known of what they say."""
    peer = new_backend([hang()])
    dead = Ports()
    proxy.backend("peers", peer.port, dead.reserve(), check="connect", check_interval="1s", fall=1, rise=1)
    proxy.ports["front"] = proxy._reserved.reserve()
    proxy.section("listener front", bind=f"127.0.0.1:{proxy.ports['front']}", protocol="auto",
                  route="default -> pass backend peers")
    proxy.start()
    assert proxy.wait_for_event("server-down").fields["server"] == "peers2"
    peer.connection(1)  # checked again: its first check was no failure
    assert len(proxy.events("server-down")) == 1
    dead.release()


def test_the_probe_of_servers_that_are_passed_to(proxy, new_backend):
    """They are connected, and no more can be said of them."""
    peer = new_backend([hang()])
    configure(proxy, peer.port)
    proxy.write()
    probe = subprocess.run([str(binary()), "--check", "--probe", "-c", str(proxy.ini)],
                           capture_output=True, text=True, timeout=CEILING)
    assert "connection    made; what the server says is passed on unread\n" in probe.stdout
    assert "1 server probed: 0 errors, 0 warnings" in probe.stdout
    assert probe.returncode == 0, probe.stderr
    assert bytes(peer.finished().received) == b""


# While the process changes

def wait_for_phase(proxy, phase, count=1):
    """Asks for the state until a session is in the phase: the count-th that was seen there."""
    end = time.monotonic() + CEILING
    while time.monotonic() < end:
        known = len(proxy.events("state-worker"))
        proxy.send_signal(signal.SIGUSR1)
        proxy.wait_for_event("state-worker", known + 2)
        seen = {line.fields["id"] for line in proxy.events("state-session")
                if line.fields["phase"] == phase}
        if len(seen) >= count:
            return
    raise AssertionError(proxy.log())


def test_a_reload_while_the_first_bytes_are_read(proxy, new_backend):
    """A session has the routes with which it began."""
    old, new = (new_backend([send(name), hang()]) for name in (b"old\r\n", b"new\r\n"))
    serve(proxy, old.port)
    with Client(proxy.ports["front"]) as client:
        client.send_raw(b"\x16\x03\x01")
        wait_for_phase(proxy, "sniff")
        proxy.section("listener front", bind=f"127.0.0.1:{proxy.ports['front']}",
                      protocol="auto", sniff=NEVER,
                      route=["first ssh -> refuse", f"default -> pass 127.0.0.1:{new.port}"])
        proxy.drop("backend peers")
        assert proxy.reload().event == "reloaded"
        client.send_raw(b"\x02\x00" + bytes(0x200))
        assert client.read_line() == b"old\r\n"
    with Client(proxy.ports["front"]) as client:
        client.send_raw(b"\0")
        assert client.read_line() == b"new\r\n"


def test_the_end_of_the_process(proxy, new_backend):
    """A passed connection has no word to be told: it goes on until `drain` is over."""
    peer = new_backend([send(b"here\r\n"), hang()])
    serve(proxy, peer.port, timeouts={"drain": "2s"})
    silent, passed = Client(proxy.ports["front"]), Client(proxy.ports["front"])
    passed.send_raw(b"\0")
    assert passed.read_line() == b"here\r\n"
    wait_for_phase(proxy, "sniff")
    proxy.send_signal(signal.SIGTERM)
    assert silent.read_to_end() == b""
    passed.send_raw(b"more")
    assert peer.connection().wait_for(b"more")
    assert passed.read_to_end() == b"" and passed.end == End.RESET
    assert {line.fields["reason"] for line in proxy.events("session")} == {"shutdown"}
    proxy.stop()


def test_clients_beyond_the_limit_get_no_word(proxy, new_backend):
    peer = new_backend([send(b"here\r\n"), hang()])
    proxy.section("limits", sessions=1)
    serve(proxy, peer.port)
    with Client(proxy.ports["front"]) as first:
        first.send_raw(b"\0")
        assert first.read_line() == b"here\r\n"
        with Client(proxy.ports["front"]) as second:
            assert second.read_to_end() == b""
        assert proxy.wait_for_event("refused").fields["reason"] == "too-many-sessions"


# What else holds for a target

def test_a_ticket_is_good_for_its_target_alone(front):
    """A15: the port is the same, and the listener is not."""
    front = front()
    shared = default_context()

    def visit(name, session=None):
        with front.connect() as client:
            client.send_raw(first_flight(client, shared, name, session))
            go_on(client)
            client.read_line()
            client.send(b"z NOOP\r\n")
            client.read_line()
            return client.tls.session, client.tls.session_reused

    session, _ = visit("imap.example.test")
    assert visit("imap.example.test", session)[1]
    assert not visit("a.pop.example.test", session)[1]


def test_behind_a_balancer(proxy, new_backend):
    """The client's address is that of the PROXY header, for the rules and for the server."""
    peer, other = new_backend([hang()]), new_backend([hang()])
    proxy.ports["front"] = proxy._reserved.reserve()
    proxy.section("listener front", bind=f"127.0.0.1:{proxy.ports['front']}", protocol="auto",
                  sniff=NEVER, accept_proxy_from="127.0.0.9",
                  route=[f"from 192.0.2.0/24 -> pass 127.0.0.1:{peer.port} "
                         "send_client_address=proxy-v1",
                         f"default -> pass 127.0.0.1:{other.port}"])
    proxy.start()
    header = b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 443\r\n"
    with Client(proxy.ports["front"], source="127.0.0.9") as client:
        client.send_raw(header + b"\0first")
        assert peer.connection().wait_for(header + b"\0first")
    with Client(proxy.ports["front"]) as client:
        client.send_raw(b"\0first")
        assert other.connection().wait_for(b"\0first")


def test_each_route_is_counted(front):
    front = front()
    for _ in range(2):
        with front.connect() as client:
            client.send_raw(SSH)
            ssh(client)
    with front.connect() as client:
        client.send_raw(first_flight(client, context("forbidden")))
        client.read_to_end()
    for _ in range(3):
        front.session()
    front.proxy.send_signal(signal.SIGUSR1)
    front.proxy.wait_for_event("state-route", 11)
    counts = {line.fields["route"]: line.fields for line in front.proxy.events("state-route")}
    assert counts[f"first ssh -> pass 127.0.0.1:{front.ssh.port}"]["served"] == "2"
    assert counts["alpn forbidden -> refuse"]["refused"] == "1"
    assert counts["first smtp -> smtp"]["served"] == "0"
    listener = next(line.fields for line in front.proxy.events("state-listener")
                    if line.fields["listener"] == "front")
    assert listener["served"] == "3" and listener["refused"] == "1"
