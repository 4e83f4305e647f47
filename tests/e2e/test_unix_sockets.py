"""Servers on unix sockets: all that a session does with a server works there as over TCP."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.certificates import NAME
from mailmux_e2e.legacy import LegacyServer
from mailmux_e2e.proxy import binary
from mailmux_e2e.servers import imap, server, smtp, tls_server
from mailmux_e2e.steps import close, expect_line, send, start_tls

PROTOCOLS = ["smtp", "imap", "pop3"]
QUIT = {"smtp": b"QUIT\r\n", "imap": b"z LOGOUT\r\n", "pop3": b"QUIT\r\n"}
BYE = {"smtp": b"221 ", "imap": b"* BYE ", "pop3": b"+OK"}
FAREWELL = {"smtp": b"421 4.4.1 mail.example.test No backend available\r\n",
            "imap": b"* BYE [UNAVAILABLE] No backend available\r\n",
            "pop3": b"-ERR [SYS/TEMP] No backend available\r\n"}
each_protocol = pytest.mark.parametrize("protocol", PROTOCOLS)


class Front:
    def __init__(self, proxy, new_client):
        self.proxy, self.new_client = proxy, new_client
        self.path = str(proxy.directory / "socket")

    def serve(self, protocol, *paths, **settings):
        self.protocol = protocol
        self.proxy.section("backend server", server=[f"s{n} unix:{path}" for n, path in
                                                     enumerate(paths or [self.path], 1)], **settings)
        self.proxy.listener("test", protocol, "starttls", "server")
        self.proxy.start()

    def connect(self):
        """A client inside TLS, the greeting read."""
        client = self.new_client(self.proxy.ports["test"])
        client.read_smtp() if self.protocol == "smtp" else client.read_line()
        client.starttls(self.protocol)
        return client

    def talk(self):
        """A whole session, which the server ends in the proper way."""
        client = self.connect()
        if self.protocol == "smtp":
            client.smtp(b"EHLO c.test")
            for command in (b"MAIL FROM:<a@b.test>", b"RCPT TO:<c@d.test>"):
                assert client.smtp(command).startswith(b"250 ")
            assert client.smtp(b"DATA").startswith(b"354 ")
            client.send(b"Subject: x\r\n\r\nHello\r\n.\r\n")
            assert client.read_smtp().startswith(b"250 ")
        elif self.protocol == "imap":
            assert client.imap(b"a LOGIN alice secret").endswith(b"a OK logged in\r\n")
        else:
            assert client.pop3(b"USER alice").startswith(b"+OK")
            assert client.pop3(b"PASS secret").startswith(b"+OK")
        client.send(QUIT[self.protocol])
        assert client.read_to_end().startswith(BYE[self.protocol])
        client.close()


@pytest.fixture
def front(proxy, new_client):
    return Front(proxy, new_client)


@pytest.fixture
def begin(certificates):
    return start_tls(certificates.ecdsa)


@pytest.mark.quick
@each_protocol
def test_a_whole_session(front, new_backend, protocol):
    backend = new_backend(server(protocol), path=front.path)
    front.serve(protocol)
    front.talk()
    backend.finished()
    assert front.proxy.wait_for_event("session").fields["server"] == "s1"


def test_an_abstract_name(front, new_backend):
    name = f"@mailmux-{os.getpid()}"
    backend = new_backend(server("imap"), path=name)
    front.serve("imap", name)
    front.talk()
    backend.finished()


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
@each_protocol
def test_tls_with_a_name(front, new_backend, certificates, begin, protocol, mode):
    backend = new_backend(tls_server(protocol, mode, begin), path=front.path)
    front.serve(protocol, tls=mode, ca=certificates.authority, tls_name=NAME)
    front.talk()
    assert backend.finished().server_name == NAME


def test_tls_by_a_pin_sends_no_name(front, new_backend, certificates, begin):
    backend = new_backend(tls_server("imap", "implicit", begin), path=front.path)
    front.serve("imap", tls="implicit", pin=certificates.ecdsa.pin())
    front.talk()
    assert backend.finished().server_name is None


def test_a_wrong_certificate_is_refused(front, new_backend, certificates, begin):
    new_backend([begin], path=front.path)
    front.serve("imap", tls="implicit", ca=certificates.authority, tls_name="other.example")
    client = front.new_client(front.proxy.ports["test"])
    assert client.read_to_end() == FAREWELL["imap"]
    assert "hostname mismatch" in front.proxy.wait_for_event("try-failed").fields["why"]


@pytest.mark.parametrize("version", ["proxy-v1", "proxy-v2"])
def test_the_header_carries_the_clients_address(front, new_backend, version):
    def take(connection):
        if version == "proxy-v1":
            connection.header = connection.read_line()
        else:
            head = connection.take(16)
            connection.header = head + connection.take(int.from_bytes(head[14:], "big"))
    backend = new_backend([take, *server("imap")], path=front.path)
    front.serve("imap", send_client_address=version)
    front.talk()
    header = backend.finished().header
    if version == "proxy-v1":
        assert re.fullmatch(rb"PROXY TCP4 127\.0\.0\.1 127\.0\.0\.1 \d+ %d\r\n"
                            % front.proxy.ports["test"], header), header
    else:
        assert header[13] == 0x11 and header[16:24] == bytes([127, 0, 0, 1] * 2), header


def test_xclient_carries_the_clients_address(front, new_backend):
    words = (b"old.example", b"XCLIENT ADDR PORT DESTADDR DESTPORT", b"PIPELINING")
    backend = new_backend(smtp(words=words, replies={b"XCLIENT": b"220 again\r\n"}),
                          path=front.path)
    front.serve("smtp", send_client_address="xclient")
    front.talk()
    backend.finished()
    xclient, = [command for command in backend.finished().commands if b"XCLIENT" in command]
    assert b" ADDR=127.0.0.1\r\n" in xclient


@pytest.mark.parametrize("what", ["missing", "stale"])
def test_a_socket_that_nobody_listens_at_is_a_failed_try(front, new_backend, what):
    other = front.path + "2"
    backend = new_backend(server("imap"), path=other)
    if what == "stale":
        new_backend(server("imap"), path=front.path).stop()
        assert Path(front.path).is_socket()
    front.serve("imap", front.path, other, balance="round-robin")
    front.talk()
    front.talk()
    backend.finished(1)
    line = front.proxy.wait_for_event("try-failed")
    assert line.fields["address"] == f"unix:{front.path}"
    why = "No such file or directory" if what == "missing" else "Connection refused"
    assert why in line.fields["why"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_socket_that_the_user_may_not_write_to_is_a_failed_try(front, new_backend):
    new_backend(server("imap"), path=front.path)
    os.chmod(front.path, 0o600)
    front.proxy.section("proxy", workers=2, hostname=NAME, user="nobody", core_dumps="no",
                        state_directory=front.proxy.directory / "state")
    front.serve("imap")
    with front.new_client(front.proxy.ports["test"]) as client:
        assert client.read_to_end() == FAREWELL["imap"]
    assert "Permission denied" in front.proxy.wait_for_event("try-failed").fields["why"]


def test_it_comes_back_and_is_checked(front, new_backend):
    """Marks and checks know the server by its path."""
    front.serve("imap", check="greeting", check_interval="1s", rise=1, fall=1)
    down = front.proxy.wait_for_event("server-down")
    assert down.fields["address"] == f"unix:{front.path}"
    new_backend(server("imap"), path=front.path)
    assert front.proxy.wait_for_event("server-up").fields["address"] == f"unix:{front.path}"
    front.talk()


def test_words_before_the_end_are_delivered(front, new_backend):
    """A close ends both directions of a unix socket at once, and what was said is still read."""
    said = b"* BYE so much to say " + b"x" * 60000 + b"\r\n"

    def take_login(connection):
        assert b"LOGIN" in connection.read_line()
    backend = new_backend([send(b"* OK [CAPABILITY IMAP4rev1] ready\r\n"), take_login,
                           send(b"a OK in\r\n" + said), close()], path=front.path)
    front.serve("imap")
    client = front.connect()
    client.send(b"a LOGIN alice secret\r\n")
    assert client.read_to_end() == b"a OK in\r\n" + said
    backend.finished()


def test_a_close_with_unread_words_delivers_what_was_said(front, new_backend):
    backend = new_backend([send(b"* OK [CAPABILITY IMAP4rev1] ready\r\n"),
                           expect_line(rb"a LOGIN .*"), send(b"a OK in\r\n* BYE going\r\n"),
                           lambda connection: connection._socket.close()], path=front.path)
    front.serve("imap")
    client = front.connect()
    client.send(b"a LOGIN alice secret\r\nb NOOP\r\n")
    assert client.read_to_end().startswith(b"a OK in\r\n* BYE going\r\n")
    backend.finished()


RECORD = 16000  # what one write of a client inside TLS takes
MUCH = bytes(range(256)) * 12000


def begin_relay(front):
    client = front.connect()
    client.send(b"a LOGIN alice secret\r\n")
    assert client.read_line() == b"a OK in\r\n"
    return client


LOGIN = [send(b"* OK [CAPABILITY IMAP4rev1] ready\r\n"), expect_line(rb"a LOGIN .*"),
         send(b"a OK in\r\n")]


def test_much_passes_unchanged_both_ways(front, new_backend):
    backend = new_backend([*LOGIN, lambda connection: connection.send(connection.take(len(MUCH))),
                           close()], path=front.path)
    front.serve("imap")
    client = begin_relay(front)
    for at in range(0, len(MUCH), RECORD):
        client.send(MUCH[at:at + RECORD])
    assert client.read_to_end() == MUCH
    backend.finished()


def test_a_server_that_reads_nothing_is_given_up(front, new_backend):
    new_backend([*LOGIN, lambda connection: connection.hold()], path=front.path)
    front.proxy.section("timeouts", stalled="1s", drain="2s")
    front.serve("imap")
    client = begin_relay(front)
    with pytest.raises(ConnectionError):
        for _ in range(10):
            for at in range(0, len(MUCH), RECORD):
                client.send(MUCH[at:at + RECORD])
    assert front.proxy.wait_for_event("session").fields["reason"] == "stalled"


def test_address_hash_keeps_a_client_at_its_socket(front, new_backend):
    paths = [f"{front.path}{n}" for n in range(4)]
    backends = [new_backend(server("imap"), path=path) for path in paths]
    front.serve("imap", *paths, balance="address-hash")
    for _ in range(6):
        front.talk()
    assert sorted(len(backend.connections) for backend in backends) == [0, 0, 0, 6]


def test_a_reload_moves_to_another_socket(front, new_backend):
    old = new_backend(server("imap"), path=front.path)
    new = new_backend(server("imap"), path=front.path + "2")
    front.serve("imap")
    front.talk()
    front.proxy.section("backend server", server=[f"s1 unix:{front.path}2"])
    assert front.proxy.reload().event == "reloaded"
    front.talk()
    old.finished()
    new.finished()
    front.proxy.send_signal(signal.SIGUSR1)
    front.proxy.wait_for_event("state-backend")
    assert f"unix:{front.path}2" in [line.fields["address"]
                                     for line in front.proxy.events("state-server")]


# --check and --probe

def run(proxy, *arguments):
    proxy.write()
    return subprocess.run([str(binary()), *arguments, "-c", str(proxy.ini)],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=CEILING)


def test_the_probe_visits_it(front, new_backend):
    front.proxy.section("backend server", server=f"unix:{front.path}")
    front.proxy.listener("test", "imap", "starttls", "server")
    done = run(front.proxy, "--check", "--probe")
    assert done.returncode == 1
    assert f"server unix:{front.path} at unix:{front.path}\n" in done.stdout
    assert "cannot be reached: " in done.stdout and "No such file or directory" in done.stdout
    assert "does the server listen on this path, and may the user of mailmux" in done.stdout
    new_backend(imap(), path=front.path)
    done = run(front.proxy, "--check", "--probe")
    assert done.returncode == 0, done.stdout
    assert "old server ready" in done.stdout


def test_the_check_warns_of_relaying_as_for_loopback(front):
    """Postfix takes a client at a unix socket for 127.0.0.1."""
    front.proxy.section("backend server", server=f"s1 unix:{front.path}")
    front.proxy.listener("test", "smtp", "starttls", "server")
    done = run(front.proxy, "--check")
    assert "its server s1 is on this machine and sees every client at a loopback address" \
        in done.stderr


# Real servers

@pytest.fixture(scope="module")
def legacy():
    server = LegacyServer("--trust", "127.0.0.0/8")
    yield server
    server.stop()


@each_protocol
def test_postfix_and_dovecot(front, legacy, protocol):
    front.serve(protocol, legacy.socket(protocol))
    client = front.connect()
    if protocol == "smtp":
        client.smtp(b"EHLO c.test")
        assert client.smtp(b"MAIL FROM:<a@b.test>").startswith(b"250 ")
        assert client.smtp(b"RCPT TO:<alice@example.test>").startswith(b"250 ")
        assert client.smtp(b"DATA").startswith(b"354 ")
        client.send(b"Subject: x\r\n\r\nHello\r\n.\r\n")
        assert client.read_smtp().startswith(b"250 ")
    elif protocol == "imap":
        assert b"a OK " in client.imap(b"a LOGIN alice secret")
        assert b"b OK " in client.imap(b"b SELECT INBOX")
    else:
        assert client.pop3(b"USER alice").startswith(b"+OK")
        assert client.pop3(b"PASS secret").startswith(b"+OK")
        assert client.pop3(b"STAT").startswith(b"+OK")
    client.send(QUIT[protocol])
    assert client.read_to_end().startswith(BYE[protocol])


def test_postfix_relays_for_strangers_there_and_the_probe_says_so(front, legacy):
    front.proxy.section("backend server", server=f"s1 unix:{legacy.socket('smtp')}")
    front.proxy.listener("test", "smtp", "starttls", "server")
    done = run(front.proxy, "--check", "--probe")
    assert done.returncode == 1 and "open relay" in done.stdout, done.stdout
