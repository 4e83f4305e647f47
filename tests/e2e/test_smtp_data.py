"""Messages pass bit by bit: C66, C68 in parts."""

import hashlib
import socket
import threading

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.raw_tls import TLS1_2, TLS1_3, RawTls
from mailmux_e2e.servers import Goodbye, smtp
from mailmux_e2e.steps import start_tls

BLOCK = bytes(b for b in range(1, 256) if b not in (10, 13)) + b"\r\n..dot at the start\r\n.\t.\r\n"
CHUNK = BLOCK * (65536 // len(BLOCK))


class Receiver:
    """Counts and hashes a message on the fly, up to and with its end."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()
        self.bytes = 0

    def __call__(self, connection, _):
        connection.send(b"354 go ahead\r\n")
        tail = b"\r\n"

        def consume(data: bytes) -> bool:
            nonlocal tail
            self.digest.update(data)
            self.bytes += len(data)
            tail = (tail + data)[-5:]
            return tail == b"\r\n.\r\n"

        connection.stream(consume)
        return b"250 2.0.0 message taken\r\n"


def send_message(client, megabytes):
    """Gives the digest and the length of what was sent."""
    client.smtp(b"EHLO c.test")
    client.smtp(b"MAIL FROM:<a@b.test>")
    client.smtp(b"RCPT TO:<alice@example.test>")
    assert client.smtp(b"DATA").startswith(b"354 ")
    digest, sent = hashlib.sha256(), 0
    while sent < megabytes * 1000000:
        client.send_at_once(CHUNK)
        digest.update(CHUNK)
        sent += len(CHUNK)
    client.send_at_once(b".\r\n")
    digest.update(b".\r\n")
    return digest.hexdigest(), sent + 3


@pytest.mark.conformance("C66")
@pytest.mark.parametrize("tls", ["implicit", "none"])
def test_a_hundred_megabytes_pass_bit_by_bit(proxy, new_backend, new_client, tls):
    receiver = Receiver()
    backend = new_backend(smtp(replies={b"DATA": receiver}))
    proxy.backend("server", backend.port)
    proxy.listener("test", "smtp", tls, "server")
    proxy.start()
    client = new_client(proxy.ports["test"])
    if tls == "implicit":
        client.begin_tls()
    client.read_smtp()
    sent = send_message(client, 100)
    assert client.read_smtp() == b"250 2.0.0 message taken\r\n"
    assert (receiver.digest.hexdigest(), receiver.bytes) == sent
    assert client.smtp(b"NOOP").startswith(b"250 ")
    assert client.smtp(b"QUIT").startswith(b"221 ")


@pytest.mark.quick
@pytest.mark.conformance("C66")
def test_a_small_message_passes_byte_by_byte(bench):
    test = bench("smtp", smtp())
    client = test.connect_tls()
    client.smtp(b"EHLO c.test")
    assert client.smtp(b"DATA").startswith(b"354 ")
    message = BLOCK * 4 + b"...\r\n..\r\n. \r\n.\r\n"
    client.send(message + b"XFORWARD x\r\nNOOP\r\n")
    assert client.read_smtp() == b"250 2.0.0 message taken\r\n"
    assert client.read_smtp().startswith(b"550 5.7.0 ")
    assert client.read_smtp() == b"250 2.0.0 noop\r\n"
    client.close()
    assert test.backend.finished().messages == [message]


@pytest.mark.conformance("C66")
def test_an_empty_message_ends_at_once(bench):
    test = bench("smtp", smtp(replies={b"DATA": empty_message}))
    client = test.connect_tls()
    client.smtp(b"EHLO c.test")
    assert client.smtp(b"DATA").startswith(b"354 ")
    client.send(b".\r\nNOOP\r\n")
    assert client.read_smtp() == b"250 2.0.0 empty\r\n"
    assert client.read_smtp() == b"250 2.0.0 noop\r\n"


def empty_message(connection, _):
    connection.send(b"354 go ahead\r\n")
    assert connection.take(3) == b".\r\n"
    return b"250 2.0.0 empty\r\n"


# A reply before the end of the message

REFUSALS = [b"552 5.3.4 too big\r\n", b"452-4.3.1 disk full\r\n452 4.3.1 try later\r\n",
            b"421 4.4.2 closing\r\n"]
# What the server does behind its early reply.
AFTERWARDS = ["reads on", "reads commands", "reads nothing", "closes"]
LEGS = [("none", "none"), ("implicit", "none"), ("none", "implicit"), ("implicit", "implicit")]
SECRET = b"XCLIENT ADDR=127.0.0.1 NAME=trusted\r\n"


class Refuser:
    """Takes a part of the message, refuses it, and goes on as it likes."""

    def __init__(self, words, afterwards, go_ahead=b"354 go ahead\r\n"):
        self.words, self.afterwards, self.go_ahead = words, afterwards, go_ahead
        self.refused = threading.Event()

    def __call__(self, connection, _):
        connection.send(self.go_ahead)
        connection.take(10)
        connection.send(self.words)
        self.refused.set()
        if self.afterwards == "closes":
            raise Goodbye
        if self.afterwards == "reads on":
            connection.read_until(b"\r\n.\r\n")
        elif self.afterwards == "reads nothing":
            connection.hold()
        return b""


@pytest.fixture
def refusing(proxy, new_backend, new_client, certificates):
    def begin(refuser, client_tls, server_tls, verb=b"DATA"):
        words = (b"x", b"PIPELINING", b"CHUNKING")
        script = smtp(words=words, replies={verb: refuser})
        backend = new_backend([start_tls(certificates.ecdsa), *script] if server_tls == "implicit"
                              else script)
        tls = {"tls": "implicit", "ca": certificates.authority} if server_tls == "implicit" else {}
        proxy.backend("server", backend.port, **tls)
        proxy.listener("test", "smtp", client_tls, "server")
        proxy.start()
        client = new_client(proxy.ports["test"])
        if client_tls == "implicit":
            client.begin_tls()
        client.read_smtp()
        client.smtp(b"EHLO c.test")
        return client, backend

    return begin


def upload(client, refuser, block, blocks):
    """Begins, waits until the refusal was heard, and sends on."""
    client.send(block)
    heard = client.read_smtp()
    for _ in range(blocks):
        client.send(block)
    return heard


def assert_cut(connection, server_tls, afterwards):
    """TLS ends without close_notify: what came cannot be a whole. In clear nothing but the dot says so."""
    if server_tls == "implicit" and afterwards == "reads on":
        assert connection.ended.wait(CEILING)
        assert connection.was_reset or connection.truncated


@pytest.mark.conformance("C129")
@pytest.mark.parametrize("legs", LEGS, ids=["-".join(legs) for legs in LEGS])
@pytest.mark.parametrize("afterwards", AFTERWARDS)
@pytest.mark.parametrize("words", REFUSALS, ids=["552", "452", "421"])
def test_an_early_refusal_is_the_reply_to_the_whole_message(proxy, refusing, words, afterwards, legs):
    """Heard at once; the message may be sent to its end, 3.5 MB of it; and none of that is a command."""
    refuser = Refuser(words, afterwards)
    client, backend = refusing(refuser, *legs)
    client.send(b"DATA\r\n")
    assert client.read_smtp().startswith(b"354 ")
    assert upload(client, refuser, (b"0123456789" * 10 + b"\r\n" + SECRET) * 100, 250) == words
    client.send(b".\r\n")
    if words.startswith(b"421"):
        assert client.read_to_end() == b""
    else:
        assert client.smtp(b"QUIT").startswith(b"221 ")
        assert client.read_to_end() == b""
    client.close()
    proxy.wait_for_event("session")
    assert_cut(backend.connection(), legs[1], afterwards)
    behind = bytes(backend.connection().received).partition(b"DATA\r\n")[2]
    assert b"QUIT" not in behind and not behind.endswith(b".\r\n")
    assert len(behind) < 200000, "it was sent on for long"


@pytest.mark.conformance("C129")
@pytest.mark.parametrize("words", REFUSALS, ids=["552", "452", "421"])
@pytest.mark.parametrize("afterwards", ["reads on", "reads commands", "closes"])
@pytest.mark.parametrize("legs", [LEGS[0], LEGS[3]], ids=["clear", "tls"])
def test_an_early_refusal_of_a_chunk_is_the_reply_to_all_of_it(
        proxy, refusing, words, afterwards, legs):
    refuser = Refuser(words, afterwards, go_ahead=b"")
    client, backend = refusing(refuser, *legs, verb=b"BDAT")
    block = (b"0123456789" * 10 + b"\r\n" + SECRET) * 100
    client.send(b"BDAT %d LAST\r\n" % (len(block) * 201))
    assert upload(client, refuser, block, 200) == words
    if words.startswith(b"421"):
        assert client.read_to_end() == b""
    else:
        assert client.smtp(b"QUIT").startswith(b"221 ")
    client.close()
    proxy.wait_for_event("session")
    assert_cut(backend.connection(), legs[1], afterwards)
    assert b"QUIT" not in backend.connection().received


@pytest.mark.conformance("C129")
def test_nothing_but_quit_is_served_behind_an_early_refusal(refusing):
    """It is not known what the server took the rest for, so it gets no second message."""
    client, backend = refusing(Refuser(REFUSALS[0], "reads on"), "implicit", "none")
    client.send(b"DATA\r\n")
    assert client.read_smtp().startswith(b"354 ")
    client.send(b"0123456789\r\n")
    assert client.read_smtp() == REFUSALS[0]
    client.send(b"more\r\n.\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n")
    assert client.read_smtp().startswith(b"421 4.4.2 ")
    assert client.read_to_end() == b""
    assert b"MAIL" not in backend.connection().received


# TLS that ends inside a chunk: Exim CVE-2026-45185

@pytest.mark.conformance("C151")
@pytest.mark.parametrize("version", [TLS1_2, TLS1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("how", ["alert", "fin"])
@pytest.mark.parametrize("verb", [b"BDAT 100 LAST", b"DATA"])
@pytest.mark.parametrize("listener", ["starttls", "implicit"])
def test_what_follows_close_notify_in_a_message_goes_nowhere(
        proxy, new_backend, listener, verb, how, version):
    """In clear, behind the end of TLS: neither as octets of the message nor as commands."""
    backend = new_backend(smtp(words=(b"x", b"CHUNKING"), replies={b"BDAT": take_all}))
    proxy.backend("server", backend.port)
    proxy.listener("test", "smtp", listener, "server")
    proxy.start()
    with socket.create_connection(("127.0.0.1", proxy.ports["test"]), CEILING) as sock:
        if listener == "starttls":
            reader = sock.makefile("rb", buffering=0)
            reader.readline()
            sock.sendall(b"STARTTLS\r\n")
            assert reader.readline().startswith(b"220 ")
        with RawTls(sock, version=version) as tls:
            if listener == "implicit":
                tls.read_line()
            tls.write(b"EHLO c.test\r\n")
            while not tls.read_line().startswith(b"250 "):
                pass
            tls.write(verb + b"\r\n")
            if verb == b"DATA":
                assert tls.read_line().startswith(b"354 ")
            tls.write(b"0123456789\r\n")
            assert backend.connection().wait_for(b"0123456789\r\n")
            tls.close_notify()
            try:
                sock.sendall(b"y" * 88 + b"MAIL FROM:<forged@x>\r\n.\r\nQUIT\r\n")
                if how == "fin":
                    sock.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # it was ended before the last of it
            proxy.wait_for_event("session")
    connection = backend.connection()
    assert connection.ended.wait(CEILING)
    assert connection.received.endswith(b"0123456789\r\n"), bytes(connection.received)


def take_all(connection, _):
    connection.wait_for_end()
    raise Goodbye


def test_twenty_megabytes_through_postfix(proxy, legacy, new_client):
    """Delivered to the mailbox and read back through the proxy over IMAP, compared by SHA-256."""
    proxy.backend("mta", legacy.smtp)
    proxy.backend("store", legacy.imap)
    proxy.listener("smtp", "smtp", "starttls", "mta")
    proxy.listener("imap", "imap", "implicit", "store")
    proxy.start()
    lines = b"".join(hashlib.sha256(str(n).encode()).hexdigest().encode() + b"\r\n"
                     for n in range(300000))
    assert len(lines) > 19000000
    sender = new_client(proxy.ports["smtp"])
    sender.read_smtp()
    sender.starttls("smtp")
    sender.smtp(b"EHLO c.test")
    assert sender.smtp(b"MAIL FROM:<a@b.test>").startswith(b"250 ")
    assert sender.smtp(b"RCPT TO:<bob@example.test>").startswith(b"250 ")
    assert sender.smtp(b"DATA").startswith(b"354 ")
    sender.send(b"Subject: twenty megabytes\r\n\r\n" + lines + b".\r\n")
    assert sender.read_smtp().startswith(b"250 ")
    assert sender.smtp(b"QUIT").startswith(b"221 ")

    reader = new_client(proxy.ports["imap"])
    reader.begin_tls()
    reader.read_line()
    assert b"a OK" in reader.imap(b"a LOGIN bob secret")
    assert b"b OK" in reader.imap(b"b SELECT INBOX")
    while b"* SEARCH 1" not in reader.imap(b"c SEARCH SUBJECT twenty"):
        reader.imap(b"d NOOP")  # the delivery is under way
    reader.send(b"e FETCH 1 BODY[TEXT]\r\n")
    size = int(reader.read_line().split(b"{")[1].split(b"}")[0])
    body = reader.read_exactly(size)
    assert reader.read_tagged(b"e").endswith(b"\r\n")
    assert hashlib.sha256(body).digest() == hashlib.sha256(lines).digest()
