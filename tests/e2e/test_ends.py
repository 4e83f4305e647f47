"""How connections end, and what the other side learns of it: conformance C92 to C94, attacks A31
to A33.
"""

import socket
import struct
import threading

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.attacks import client_hello
from mailmux_e2e.client import Client, End
from mailmux_e2e.listeners import GREETINGS, UPGRADE
from mailmux_e2e.raw_tls import TLS1_2, TLS1_3, RawTls
from mailmux_e2e.servers import server, smtp, smtp_chunk
from mailmux_e2e.steps import (close, expect, expect_line, half_close, hang, reset, send, tell,
                               wait_for, wait_for_end)

each_protocol = pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3"])
each_version = pytest.mark.parametrize("version", [TLS1_2, TLS1_3], ids=["1.2", "1.3"])
GOODBYE = {"smtp": b"QUIT\r\n", "imap": b"a LOGOUT\r\n", "pop3": b"QUIT\r\n"}
LOGIN = [send(b"* OK ready\r\n"), expect(b"a LOGIN alice secret\r\n"), send(b"a OK logged in\r\n")]


def raw(port, **options):
    return RawTls(socket.create_connection(("127.0.0.1", port), CEILING), **options)


def abort(sock):
    """RST, whatever is still under way."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def end_sending(client):
    try:
        client.half_close()
    except OSError:
        pass  # it was cut already


def log_in(client):
    client.send(b"a LOGIN alice secret\r\n")
    assert client.read_line() == b"a OK logged in\r\n"


# C92

BAD = {"smtp": b"XCLIENT\r\n", "imap": b"a FROB\r\n", "pop3": b"FROB\r\n"}
ENDS = {
    "quit": (server, lambda client, protocol: client.send(GOODBYE[protocol])),
    "too-many-bad-commands": (server, lambda client, protocol: client.send(BAD[protocol] * 10)),
    "http-request": (server, lambda client, protocol: client.send(b"GET / HTTP/1.1\r\n")),
    "line-too-long": (server, lambda client, protocol: client.send(b"x" * 100000)),
    "first-command-timeout": (server, lambda client, protocol: None),
}


@pytest.mark.conformance("C92")
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize("reason", ENDS)
@each_protocol
def test_every_end_of_ours_is_told_with_close_notify(proxy, field, protocol, reason, tls):
    script, provoke = ENDS[reason]
    limit = "300ms" if tls == "implicit" else "1500ms"  # STARTTLS has to come within it
    proxy.section("timeouts", drain="2s",
                  first_command=limit if reason.endswith("timeout") else "60s")
    target = field(protocol, script(protocol), tls=tls)
    client = target.connect("in TLS")
    provoke(client, protocol)
    client.read_to_end()
    assert client.end is End.CLOSE_NOTIFY
    client.close()
    assert target.proxy.wait_for_event("session").fields["reason"] == reason


@pytest.mark.conformance("C92")
@pytest.mark.parametrize("protocol, greeting", [
    ("smtp", b"421 4.3.2 busy\r\n"), ("imap", b"* BYE busy\r\n"), ("pop3", b"-ERR busy\r\n"),
    ("smtp", b"what\r\n"), ("imap", b"what\r\n"), ("pop3", b"what\r\n")])
def test_a_farewell_instead_of_a_greeting_ends_with_close_notify(field, protocol, greeting):
    target = field(protocol, [send(greeting), wait_for_end()], tls="implicit")
    with Client(target.port) as client:
        client.begin_tls()
        assert client.read_to_end().count(b"\r\n") == 1
        assert client.end is End.CLOSE_NOTIFY


@pytest.mark.conformance("C92")
@each_protocol
def test_a_server_that_is_lost_is_answered_for_with_close_notify(field, protocol):
    greeting = {"smtp": b"220 x\r\n", "imap": b"* OK x\r\n", "pop3": b"+OK x\r\n"}[protocol]
    target = field(protocol, [send(greeting), expect_line(b".*"), close()], tls="implicit")
    client = target.connect()
    client.send(b"n NOOP\r\n" if protocol == "imap" else b"NOOP\r\n")
    assert client.read_to_end().startswith((b"421 ", b"* BYE ", b"-ERR"))
    assert client.end is End.CLOSE_NOTIFY
    client.close()


# C93, A32

@pytest.mark.conformance("C93")
@pytest.mark.parametrize("how, ends", [(reset, (End.FIN, End.RESET)),
                                       (half_close, (End.CLOSE_NOTIFY,))])
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a_reset_of_the_server_is_not_passed_on_as_a_clean_end(field, protocol, how, ends):
    """What it had sent before comes first; the control is an end in order."""
    told = threading.Event()
    login = {"imap": LOGIN, "pop3": [send(b"+OK x\r\n"), expect(b"USER alice\r\n"),
                                     send(b"+OK\r\n"), expect(b"PASS secret\r\n"),
                                     send(b"+OK logged in\r\n")]}[protocol]
    body = b"part of a message\r\n" * 2000
    target = field(protocol, [*login, expect(b"RETR 1\r\n"), send(body), wait_for(told), how()],
                   tls="implicit")
    client = target.connect()
    if protocol == "imap":
        log_in(client)
    else:
        client.pop3(b"USER alice")
        assert client.pop3(b"PASS secret") == b"+OK logged in\r\n"
    client.send(b"RETR 1\r\n")
    assert client.read_exactly(len(body)) == body
    told.set()
    assert client.read_to_end() == b""
    assert client.end in ends
    client.close()


@pytest.mark.conformance("C93", "C94")
def test_what_is_unsent_is_flushed_before_a_truncated_end(field):
    """Eight megabytes are under way to a server that reads late when the client's FIN comes."""
    go = threading.Event()
    body = bytes(range(256)) * 32768
    target = field("imap", [*LOGIN, wait_for(go), wait_for_end()], tls="implicit")
    client = target.connect()
    log_in(client)
    sender = threading.Thread(target=lambda: (client.send(body), client.half_close()))
    sender.start()
    go.set()
    sender.join(CEILING)
    connection = target.backend.finished()
    assert connection.received.endswith(body) and not connection.was_reset
    client.close()
    assert target.proxy.wait_for_event("session").fields["reason"] == "client-truncated"


HALF_SAID = [
    ("smtp", b"MAIL FROM:<a@b.test>\r\nRCPT TO:<a@b.test>\r\nDATA\r\n", b"354 ",
     b"Subject: half\r\n\r\nHello\r\n", b"\r\n.\r\n"),
    ("smtp", b"", b"", b"BDAT 100 LAST\r\nhalf of it", b"x" * 90),
    ("imap", b"a LOGIN {10}\r\n", b"+ ", b"alice", b"xxxxx"),
    ("imap", b"a LOGIN {10+}\r\nal", b"", b"ice", b"xxxxx"),
    ("pop3", b"", b"", b"USER ali", b"ce\r\n"),
]


@pytest.mark.conformance("C93")
@pytest.mark.parametrize("how", ["fin", "reset", "close_notify"])
@pytest.mark.parametrize("protocol, opening, answer, part, rest", HALF_SAID)
def test_a32_what_a_client_left_half_said_is_not_completed(
        field, protocol, opening, answer, part, rest, how):
    words = (b"old.example", b"CHUNKING")
    script = smtp(words=words, replies={b"BDAT": smtp_chunk})
    target = field(protocol, script if protocol == "smtp" else server(protocol), tls="implicit")
    client = target.connect("in TLS behind a hello")
    client.send(opening)
    while answer and not client.read_line().startswith(answer):
        pass
    client.send(part)
    if how == "close_notify":
        client.send_close_notify()
    if how == "reset":
        abort(client.socket)
    else:
        client.half_close()
    connection = target.backend.connection()
    assert connection.ended.wait(CEILING)
    assert rest not in connection.received and not connection.received.endswith(b"\r\n.\r\n")
    assert not connection.messages and not connection.logins
    client.close()
    assert target.proxy.wait_for_event("session").fields["ended_by"] == "client"


@pytest.mark.conformance("C93")
@pytest.mark.parametrize("logged_in", [False, True], ids=["dialog", "relay"])
@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a32_behind_the_goodbye_a_missing_close_notify_is_normal(field, protocol, logged_in):
    target = field(protocol, server(protocol), tls="implicit")
    client = target.connect()
    if logged_in:
        client.send({"imap": b"a LOGIN alice secret\r\n", "pop3": b"USER alice\r\n"}[protocol])
        client.read_line()
        if protocol == "pop3":
            client.pop3(b"PASS secret")
    client.send(GOODBYE[protocol])
    client.read_to_end()
    assert client.end is End.CLOSE_NOTIFY
    client.close()  # with no word of its own
    assert target.proxy.wait_for_event("session").fields["reason"] == "quit"


# C94, A33

@pytest.mark.conformance("C94", "C71", "C92")
@each_version
@each_protocol
def test_a33_the_answer_to_a_goodbye_reaches_a_client_that_has_ended(field, protocol, version):
    target = field(protocol, server(protocol), tls="implicit")
    with raw(target.port, version=version) as client:
        client.read_line()
        client.write(GOODBYE[protocol])
        client.close_notify()
        rest = client.read_to_end()
        assert rest.splitlines()[-1].startswith((b"221 ", b"a OK ", b"+OK")), rest
        assert client.was_closed_in_order
        client.socket.close()
    target.backend.finished()


@pytest.mark.conformance("C94")
@each_version
def test_a33_after_close_notify_the_servers_rest_still_comes(field, version):
    ended = threading.Event()
    body = bytes(range(256)) * 1000
    target = field("imap", [*LOGIN, expect(b"b FETCH\r\n"), wait_for_end(), tell(ended),
                            send(body), close()], tls="implicit")
    with raw(target.port, version=version) as client:
        client.read_line()
        client.write(b"a LOGIN alice secret\r\n")
        client.read_line()
        client.write(b"b FETCH\r\n")
        client.close_notify()
        assert ended.wait(CEILING), "the server was not told of the client's end"
        assert client.read_to_end() == body
        assert client.was_closed_in_order
        client.socket.close()


@pytest.mark.conformance("C94")
def test_a_server_that_never_ends_is_left_in_time(proxy, field):
    proxy.section("timeouts", half_closed="300ms", drain="2s")
    target = field("imap", [*LOGIN, hang(), lambda connection: connection.hold()], tls="implicit")
    client = target.connect()
    log_in(client)
    client.send_close_notify()
    client.half_close()
    client.read_to_end()
    client.close()
    assert target.proxy.wait_for_event("session").fields["ended_by"] == "client"


# A31

@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@each_protocol
def test_a31_a_reset_between_accept_and_write(field, protocol, tls):
    """Some of them are gone before the greeting is written, some while it is."""
    target = field(protocol, tls=tls)
    for n in range(60):
        sock = socket.create_connection(("127.0.0.1", target.port), CEILING)
        if n % 3 == 1:
            sock.sendall(b"\x16\x03\x01" if tls == "implicit" else b"NOOP\r\n")
        elif n % 3 == 2 and tls == "starttls":
            assert sock.recv(1)
        abort(sock)
    fields = target.proxy.wait_for_event("session", 60).fields
    assert fields["ended_by"] in ("client", "proxy")
    assert target.proxy.stop().fields["served"] == "60"
    assert len(target.proxy.events("session")) == 60


@pytest.mark.conformance("C38")
@pytest.mark.parametrize("how", ["fin", "reset", "garbage"])
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@each_protocol
def test_a31_an_end_during_the_handshake(field, protocol, tls, how):
    """At every tenth octet of the ClientHello, and behind the whole of it."""
    target = field(protocol, tls=tls)
    hello = client_hello()
    cuts = [*range(1, len(hello), len(hello) // 10), len(hello)]
    for cut in cuts:
        client = Client(target.port)
        if tls == "starttls":
            assert client.read_line().startswith(GREETINGS)
            client.send(UPGRADE[protocol])
            client.read_line()
        client.send(hello[:cut])
        if how == "garbage":
            client.send(b"\x17\x03\x03\xff\xff" * 100)
        if how != "reset":
            end_sending(client)
        if how == "reset":
            abort(client.socket)
        else:
            assert client.read_to_end()[:1] in (b"", b"\x15", b"\x16")  # an alert, a ServerHello
        client.close()
    fields = target.proxy.wait_for_event("session", len(cuts)).fields
    assert fields["tls"] == "none" and fields["ended_by"] == "client", fields
    for number in range(len(cuts) if tls == "starttls" else 0):
        assert target.backend.connection(number).ended.wait(CEILING)
    assert len(target.proxy.events("session")) == len(cuts)


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@each_protocol
def test_a31_a_client_that_is_gone_while_the_server_is_silent(field, protocol, tls):
    target = field(protocol, [hang()], tls=tls)
    clients = [Client(target.port) for _ in range(4)]
    for client in clients:
        if tls == "implicit":
            client.begin_tls()
    connections = [target.backend.connection(number) for number in range(4)]
    for client in clients:
        abort(client.socket)
    for connection in connections:
        assert connection.ended.wait(CEILING)
    assert target.proxy.wait_for_event("session", 4).fields["ended_by"] == "client"


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a31_a_client_that_is_gone_while_the_server_is_dialled(proxy, tls):
    """A server whose queue is full answers no SYN: the connection is never made."""
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    crowd = []
    for _ in range(4):
        crowd.append(socket.socket())
        crowd[-1].setblocking(False)
        crowd[-1].connect_ex(full.getsockname())
    proxy.backend("server", full.getsockname()[1])
    proxy.listener("test", "imap", tls, "server")
    proxy.start()
    for number in range(4):
        client = Client(proxy.ports["test"])
        if tls == "implicit":
            client.begin_tls()
        abort(client.socket)
        assert proxy.wait_for_event("session", number + 1).fields["ended_by"] == "client"
    for one in [full, *crowd]:
        one.close()
