"""Attacks A15, A19 to A21, A27, A28, A30, A34 to A36: the TLS layer on one connection."""

import re
import socket
import ssl
import subprocess

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.attacks import (client_hello, first_flight, go_on, in_records, ways,
                                 with_extension)
from mailmux_e2e.client import Client, End, default_context
from mailmux_e2e.proxy import binary
from mailmux_e2e.raw_tls import TLS1_2, TLS1_3, Failed, RawTls
from mailmux_e2e.servers import server, smtp
from mailmux_e2e.steps import expect, hang, send, wait_for_end

each_protocol = pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3"])
each_version = pytest.mark.parametrize("version", [TLS1_2, TLS1_3], ids=["1.2", "1.3"])
NOOP = {"smtp": b"NOOP\r\n", "imap": b"n NOOP\r\n", "pop3": b"NOOP\r\n"}


def raw(port, **options):
    return RawTls(socket.create_connection(("127.0.0.1", port), CEILING), **options)


def is_served(tls, protocol="imap"):
    tls.write(NOOP[protocol])
    return b"noop" in tls.read_line()


@pytest.fixture
def implicit(field):
    """The port of an implicit IMAP listener, with the field behind it."""
    return field("imap", tls="implicit")


@pytest.mark.conformance("C88")
@each_version
def test_a15_a_session_of_one_listener_is_none_of_another(proxy, new_backend, version):
    for protocol in ("imap", "pop3"):
        proxy.backend(protocol, new_backend(server(protocol)).port)
        proxy.listener(protocol, protocol, "implicit", protocol)
    proxy.listener("imap2", "imap", "implicit", "imap")
    proxy.start()
    with raw(proxy.ports["imap"], version=version) as first:
        first.read_line()
        first.keep_session()
        with raw(proxy.ports["imap"], version=version, resume=first) as again:
            assert again.was_resumed and again.read_line(), "the control: it does resume at home"
        for other in ("pop3", "imap2"):
            with raw(proxy.ports[other], version=version, resume=first) as elsewhere:
                assert not elsewhere.was_resumed
                assert elsewhere.read_line()  # a full handshake, and served


@pytest.mark.conformance("C85")
def test_a19_early_data_is_never_executed(implicit):
    with raw(implicit.port) as first:
        first.read_line()
        first.keep_session(early_data=16384)
        with raw(implicit.port, resume=first, early_data=b"a LOGIN u p\r\n") as again:
            assert again.was_resumed and again.early_data_was_rejected
            assert again.read_line().startswith(b"* OK ")
            assert is_served(again)
            again.socket.close()
    assert implicit.backend.finished(1).commands == [b"n NOOP\r\n"]


NAMES = [b"a\r\nINJECTED: 1", b"../../etc/passwd", b"\x1b[31mred\x1b[0m", b"x" * 255, b"\xff\xfe",
         b'a" level=error forged="1', b"a b=c", b"*.example.test", b"-", b"."]


def assert_one_printable_line_each(proxy):
    for line in proxy.lines:
        assert re.match(r"\d{4}-\d\d-\d\dT\S+ (debug|info|warning|error) [a-z_-]+( |$)", line.text), line
        assert re.fullmatch(r"[\x20-\x7e]*", line.text), line
        assert line.fields.get("INJECTED") is None and line.fields.get("forged") is None


@pytest.mark.conformance("C87", "C117")
@pytest.mark.parametrize("name", NAMES)
def test_a20_a_server_name_is_only_data(implicit, name):
    before = len(implicit.proxy.lines)
    with raw(implicit.port, server_name=name) as client:
        assert client.read_line().startswith(b"* OK ")
        client.socket.close()
    fields = implicit.proxy.wait_for_event("session").fields
    assert len(implicit.proxy.lines) == before + 1
    assert len(fields.get("sni", "")) <= 4 * 256 and fields["reason"] == "client-truncated"
    assert_one_printable_line_each(implicit.proxy)


@pytest.mark.conformance("C117")
def test_a20_many_names_leave_nothing_behind(implicit):
    """Two hundred names, none of which is kept: the leak check at the end would name them."""
    for n in range(200):
        with raw(implicit.port, server_name=b"name-%d.example" % n) as client:
            client.read_line()
            client.socket.close()
    implicit.proxy.wait_for_event("session", 200)


EVIL = [b"\x1b[2J", b"\xff\xfe\x80", b'x" reason="forged', b"x reason=forged", b"\t\x08\x7f",
        b"x\nlevel=error", b"%n%s", b"x" * 1000]


@pytest.mark.conformance("C117")
@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize("protocol, before, line", [
    ("smtp", b"", b"EHLO %b"), ("smtp", b"EHLO a\r\n", b"%b"), ("smtp", b"EHLO a\r\n", b"MAIL FROM:<%b>"),
    ("imap", b"", b"%b NOOP"), ("imap", b"", b'a LOGIN "%b" y'), ("imap", b"", b"a ID (\"x\" \"%b\")"),
    ("pop3", b"", b"USER %b"), ("pop3", b"", b"AUTH %b"),
])
def test_a21_words_of_a_client_forge_no_log_line(field, protocol, before, line, evil):
    target = field(protocol, tls="implicit")
    outcome = target.attack([before + line.replace(b"%b", evil) + b"\r\n"], goodbye=True)
    target.proxy.stop()
    assert_one_printable_line_each(target.proxy)
    assert target.proxy.events("session")[0].fields["reason"] == outcome.reason != "forged"


@pytest.mark.conformance("C117")
@pytest.mark.parametrize("evil", EVIL[:4])
@pytest.mark.parametrize("protocol, greeting", [
    ("smtp", b"554 %b\r\n"), ("imap", b"* BYE %b\r\n"), ("pop3", b"-ERR %b\r\n"), ("imap", b"%b\r\n")])
def test_a21_words_of_a_server_forge_no_log_line(field, protocol, greeting, evil):
    target = field(protocol, [send(greeting.replace(b"%b", evil)), wait_for_end()], tls="implicit")
    client = Client(target.port)
    client.begin_tls()
    client.read_line()
    client.close()
    target.proxy.wait_for_event("session")
    assert_one_printable_line_each(target.proxy)


def key_updates(tls, count):
    """How many of them went through."""
    for n in range(count):
        if not tls.key_update():
            return n
    return count


@pytest.mark.conformance("C91")
@pytest.mark.parametrize("logged_in", [False, True], ids=["dialog", "relay"])
def test_a27_some_key_updates_are_fine(implicit, logged_in):
    with raw(implicit.port) as client:
        client.read_line()
        if logged_in:
            client.write(b"a LOGIN alice secret\r\n")
            assert client.read_line() == b"a OK logged in\r\n"
        for _ in range(8):
            assert key_updates(client, 4) == 4
            assert is_served(client)


@pytest.mark.conformance("C91")
@pytest.mark.parametrize("stage", ["starttls", "dialog", "relay"])
def test_a27_a_flood_of_key_updates_closes(field, stage):
    target = field("imap", tls="starttls" if stage == "starttls" else "implicit")
    sock = socket.create_connection(("127.0.0.1", target.port), CEILING)
    if stage == "starttls":
        assert sock.recv(4096).startswith(b"* OK")
        sock.sendall(b"a STARTTLS\r\n")
        assert sock.recv(4096).startswith(b"a OK")
    with RawTls(sock) as client:
        if stage != "starttls":
            client.read_line()
        if stage == "relay":
            client.write(b"a LOGIN alice secret\r\n")
            client.read_line()
        sent = key_updates(client, 100000)
        assert sent < 100000, "all of them were taken"
        sock.close()
    fields = target.proxy.wait_for_event("session").fields
    assert fields["reason"] == "key-update-flood", fields
    target.backend.finished()


@pytest.mark.conformance("C84")
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a28_renegotiation_is_refused(field, tls):
    target = field("imap", tls=tls)
    sock = socket.create_connection(("127.0.0.1", target.port), CEILING)
    if tls == "starttls":
        assert sock.recv(4096).startswith(b"* OK")
        sock.sendall(b"a STARTTLS\r\n")
        assert sock.recv(4096).startswith(b"a OK")
    with RawTls(sock, version=TLS1_2) as client:
        if tls == "implicit":
            client.read_line()
        assert is_served(client)
        assert not client.renegotiate()
        sock.close()
    target.backend.finished()


@pytest.mark.conformance("C90")
@each_protocol
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a30_a_large_client_hello(field, protocol, tls):
    """With 4 KiB of extensions: in one write, byte by byte, and in records of all sizes."""
    target = field(protocol, tls=tls)
    command = {"smtp": b"STARTTLS\r\n", "imap": b"a STARTTLS\r\n", "pop3": b"STLS\r\n"}[protocol]

    def shake_hands(mangle, bytewise=False):
        with Client(target.port) as client:
            if tls == "starttls":
                client.read_line()
                client.send(command)
                client.read_line()
            context = default_context()
            context.set_alpn_protocols(["x%0240d" % n for n in range(17)] + [
                {"smtp": "smtp", "imap": "imap", "pop3": "pop3"}[protocol]])
            hello = mangle(first_flight(client, context))
            assert len(hello) > 4300
            for piece in ([hello[i:i + 1] for i in range(len(hello))] if bytewise else [hello]):
                client.socket.sendall(piece)
            go_on(client)
            if tls == "implicit":
                client.read_line()
            client.send(NOOP[protocol])
            assert b"noop" in client.read_line()

    shake_hands(lambda hello: hello)
    shake_hands(lambda hello: hello, bytewise=True)
    for sizes in ([1], [4], [100], [1] * 20, [2000, 2000], [64] * 30):
        shake_hands(lambda hello: in_records(hello, sizes))
    shake_hands(lambda hello: in_records(hello, [1] * 6), bytewise=True)


@pytest.mark.conformance("C90")
@pytest.mark.parametrize("size", [4096, 15000, 20000, 60000])
def test_a30_a_huge_client_hello_ends_cleanly(implicit, size):
    """Padding is no part of what was signed, so the handshake fails at its end at the latest."""
    with Client(implicit.port) as client:
        hello = with_extension(client_hello(), 21, bytes(size))
        try:
            client.socket.sendall(hello)
            client.half_close()
        except OSError:
            pass
        client.read_to_end()
        assert client.end in (End.FIN, End.RESET)
    implicit.proxy.wait_for_event("session")
    with Client(implicit.port) as client:
        client.begin_tls()
        assert client.read_line().startswith(b"* OK ")


ALPN = 16


@pytest.mark.conformance("C86", "C90")
@pytest.mark.parametrize("content", [b"", b"\0\0", b"\0\1\0", b"\0\2\1", b"\xff\xff", b"\0\5\4imap\0",
                                     b"\0\2\0\0", b"\0\6\5imap"])
def test_a34_a_broken_list_of_protocols_fails_cleanly(implicit, content):
    """Empty and overlong lists: no name is read that is not there."""
    hello = with_extension(client_hello(), ALPN, content)
    for segments in [[hello], [hello[:1], hello[1:]], *list(ways(hello))[-1:]]:
        with Client(implicit.port) as client:
            for segment in segments:
                try:
                    client.socket.sendall(segment)
                except OSError:
                    break
            answer = client.read_to_end()
            assert answer[:1] in (b"", b"\x15"), answer
    implicit.proxy.wait_for_event("session", 3)


@pytest.mark.conformance("C85", "C84")
def test_a35_the_library_is_new_enough():
    """3.0.15 has the fixes of CVE-2024-2511, -4741 and -5535; `--version` tells what is used."""
    words = subprocess.run([binary(), "--version"], capture_output=True, text=True, check=True,
                           env={"ASAN_OPTIONS": "detect_leaks=0"}).stdout
    version = re.search(r"OpenSSL (\d+)\.(\d+)\.(\d+)", words)
    assert version, words
    assert tuple(map(int, version.groups())) >= (3, 0, 15)


@pytest.mark.conformance("C88")
def test_a36_no_session_is_kept_in_memory(implicit):
    """A client without tickets cannot resume: what it would resume is nowhere."""
    context = default_context()
    context.options |= ssl.OP_NO_TICKET
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    session = None
    for _ in range(3):
        with Client(implicit.port) as client:
            tls = context.wrap_bio(client._from_peer, client._to_peer, session=session,
                                   server_hostname="mail.example.test")
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                pass
            client._begun = tls
            client.socket.sendall(client._to_peer.read())
            go_on(client)
            client.read_line()
            assert not tls.session_reused
            session = tls.session


PLAINTEXT_RECORDS = {
    "warnings": b"\x15\x03\x01\0\2\1\x5a" * 6,
    "empty handshakes": b"\x16\x03\x01\0\0" * 64,
    "change cipher specs": b"\x14\x03\x03\0\1\1" * 64,
    "application data": b"\x17\x03\x03\0\5a NOO",
    "a fatal alert": b"\x15\x03\x01\0\2\2\x28",
    "a record too long": b"\x16\x03\x01\xff\xff" + bytes(70000),
    "an unknown kind": b"\x63\x03\x01\0\5abcde",
    "an old hello": b"\x80\x2e\x01\x03\x01" + bytes(43),
}


@pytest.mark.conformance("C90")
@pytest.mark.parametrize("kind", PLAINTEXT_RECORDS)
def test_a29_strange_records_end_the_handshake(implicit, kind):
    records = PLAINTEXT_RECORDS[kind]
    for segments in ([records], [records[i:i + 1] for i in range(min(len(records), 400))]):
        with Client(implicit.port) as client:
            try:
                for segment in segments:
                    client.socket.sendall(segment)
                client.half_close()
            except OSError:
                pass
            answer = client.read_to_end()
            assert answer[:1] in (b"", b"\x15", b"\x14"), answer
    implicit.proxy.wait_for_event("session", 2)


@pytest.mark.conformance("C91")
def test_a27_what_a_client_does_not_read_stays_bounded(field):
    """Whoever floods with requests for an answer and reads none is closed, not queued for."""
    target = field("imap", [send(b"* OK ready\r\n"), expect(b"a LOGIN x y\r\n"),
                            send(b"a OK in\r\n"), hang()], tls="implicit")
    with raw(target.port) as client:
        client.read_line()
        client.write(b"a LOGIN x y\r\n")
        client.read_line()
        with pytest.raises(Failed):
            while client.key_update():
                client.write(b"x" * 1000)
            raise Failed("the flood was refused")
        client.socket.close()
    assert target.proxy.wait_for_event("session").fields["reason"] == "key-update-flood"
    assert target.proxy.wait_for_event("refused").fields["reason"] == "key-update-flood"
