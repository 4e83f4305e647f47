"""Messages pass bit by bit: C66, C68 in parts."""

import hashlib

import pytest
from mailmux_e2e.servers import smtp

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


def test_a_refusal_in_the_middle_of_a_message_reaches_the_client(bench):
    """A server that has heard enough says so before the end; the client must get to know."""
    def refuse_early(connection, _):
        connection.send(b"354 go ahead\r\n")
        connection.take(10)
        connection.send(b"552 5.3.4 too big\r\n")
        connection.wait_for_end()
        return b""

    test = bench("smtp", smtp(replies={b"DATA": refuse_early}))
    client = test.connect_tls()
    client.smtp(b"EHLO c.test")
    assert client.smtp(b"DATA").startswith(b"354 ")
    try:
        for _ in range(20):
            client.send(b"0123456789" * 100 + b"\r\n")
    except (BrokenPipeError, ConnectionResetError):
        pass
    assert client.read_smtp() == b"552 5.3.4 too big\r\n"


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
