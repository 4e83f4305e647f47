"""A session that dials its backend anew behind a dialog that goes on: after STARTTLS, or for a server
that takes one EHLO on a connection."""

import re

import pytest
from mailmux_e2e.servers import SMTP_WORDS, ehlo_reply, imap, pop3, smtp, tls_server
from mailmux_e2e.steps import expect_line, send, start_tls, wait_for_end

ALREADY = b"503 5.5.1 Invalid command: Already identified\r\n"


def once(connection, command):
    """OpenSMTPD 6.8: the second hello of a connection is refused."""
    hellos = [line for line in connection.commands if line[:4].upper() in (b"EHLO", b"HELO")]
    return ehlo_reply(SMTP_WORDS) if len(hellos) == 1 else ALREADY


ONE_HELLO = smtp(replies={b"EHLO": once, b"HELO": once})


@pytest.fixture
def serve(proxy, new_client):
    def start(protocol, ports, listener=None, **settings):
        proxy.backend("server", *ports, **{"fall": 1, **settings})
        proxy.listener("test", protocol, "starttls", "server", **(listener or {}))
        proxy.start()
        return lambda: new_client(proxy.ports["test"])

    return start


def hello_in_tls(client, first=b"EHLO client.example"):
    client.read_smtp()
    client.smtp(first)
    client.starttls("smtp")
    return client.smtp(b"EHLO client.example")


@pytest.mark.conformance("C132")
@pytest.mark.parametrize("first", [b"EHLO client.example", b"HELO client.example"])
def test_a_server_that_takes_one_ehlo_is_dialled_again(serve, new_backend, first):
    backend = new_backend(ONE_HELLO)
    client = serve("smtp", [f"{backend.port} max_sessions=1"])()
    reply = hello_in_tls(client, first)
    assert reply.startswith(b"250-") and ALREADY not in reply
    assert client.smtp(b"MAIL FROM:<a@example.org>").startswith(b"250")
    assert client.smtp(b"RCPT TO:<b@example.org>").startswith(b"250")
    assert client.smtp(b"DATA").startswith(b"354")
    assert client.smtp(b"Subject: x\r\n\r\nx\r\n.").startswith(b"250")
    assert client.smtp(b"QUIT").startswith(b"221")
    assert len(backend.connections) == 2
    assert backend.finished(1).commands[0] == b"EHLO client.example\r\n"


@pytest.mark.conformance("C132")
def test_a_server_that_never_takes_it_is_asked_twice_and_no_more(serve, new_backend):
    backend = new_backend(ONE_HELLO, smtp(replies={b"EHLO": ALREADY}))
    client = serve("smtp", [backend.port])()
    assert hello_in_tls(client) == ALREADY
    assert client.smtp(b"EHLO client.example") == ALREADY
    assert len(backend.connections) == 2


@pytest.mark.conformance("C132")
def test_where_the_server_has_tls_the_one_hello_is_the_clients(
        serve, new_backend, certificates):
    """Toward the server there is STARTTLS, too: inside it the client says the only hello."""
    backend = new_backend(tls_server("smtp", "starttls", start_tls(certificates.rsa),
                                     replies={b"EHLO": once}))
    client = serve("smtp", [backend.port], tls="starttls", verify="no")()
    client.read_smtp()
    assert client.smtp(b"EHLO client.example").startswith(b"250-")


@pytest.mark.conformance("C132")
def test_what_the_server_said_before_it_is_dialled_again_is_the_clients(serve, new_backend):
    """Two replies in one segment, to one group of commands: none of them is lost."""
    backend = new_backend([send(b"220 x\r\n"), expect_line(b"EHLO .*"), send(ehlo_reply(SMTP_WORDS)),
                           expect_line(b"NOOP"), expect_line(b"EHLO .*"),
                           send(b"250 2.0.0 noop\r\n" + ALREADY), expect_line(b"QUIT")], smtp())
    client = serve("smtp", [backend.port])()
    client.read_smtp()
    client.smtp(b"EHLO client.example")
    client.starttls("smtp")
    client.send(b"NOOP\r\nEHLO client.example\r\n")
    assert client.read_smtp() == b"250 2.0.0 noop\r\n"
    assert client.read_smtp().startswith(b"250-")
    backend.finished(0)


@pytest.mark.conformance("C133")
@pytest.mark.parametrize("how, protocol, script, goodbye", [
    ("id", "imap", imap(), rb"[a-z]+\d+ LOGOUT\r\n"),
    ("xclient", "pop3", pop3(greeting=b"+OK [XCLIENT] ready\r\n",
                             replies={b"XCLIENT": b"+OK known\r\n"}), rb"QUIT\r\n")])
def test_the_connection_that_is_left_for_a_fresh_one_hears_a_goodbye(
        serve, new_backend, how, protocol, script, goodbye):
    backend = new_backend(script)
    client = serve(protocol, [backend.port], listener={"require_tls": "no"},
                   send_client_address=how)()
    client.read_line()
    client.starttls(protocol)
    backend.connection(1)
    assert re.search(goodbye + b"$", bytes(backend.finished(0).received))


@pytest.mark.conformance("C133")
def test_a_client_that_leaves_behind_its_tls_leaves_no_complaint_at_the_fresh_server(
        serve, new_backend):
    backend = new_backend(pop3(greeting=b"+OK [XCLIENT] ready\r\n",
                               replies={b"XCLIENT": b"+OK known\r\n"}))
    client = serve("pop3", [backend.port], listener={"require_tls": "no"},
                   send_client_address="xclient")()
    client.read_line()
    client.starttls("pop3")
    client.close()
    assert backend.finished(1).commands[-1] == b"QUIT\r\n"


REFUSALS = [("smtp", smtp(replies={b"EHLO": once}), b"421 4.3.2 no more\r\n", b"421 4.3.2 no more\r\n"),
            ("smtp", smtp(replies={b"EHLO": once}), b"550 5.7.1 gone\r\n", b"550 5.7.1 gone\r\n")]


@pytest.mark.conformance("C127")
@pytest.mark.parametrize("protocol, script, words, heard", REFUSALS)
def test_a_refusal_of_the_fresh_connection_is_heard(
        serve, new_backend, protocol, script, words, heard):
    backend = new_backend(script, [send(words), wait_for_end()])
    client = serve(protocol, [backend.port])()
    assert hello_in_tls(client) == heard
    assert client.read_to_end() == b""


@pytest.mark.conformance("C127")
@pytest.mark.parametrize("how, protocol, script, words, heard", [
    ("id", "imap", imap(), b"* BYE too many of you\r\n", b"* BYE too many of you\r\n"),
    ("xclient", "pop3", pop3(greeting=b"+OK [XCLIENT] ready\r\n",
                             replies={b"XCLIENT": b"+OK known\r\n"}),
     b"-ERR too many of you\r\n", b"-ERR too many of you\r\n")])
def test_a_refusal_after_starttls_is_heard(
        serve, new_backend, how, protocol, script, words, heard):
    backend = new_backend(script, [send(words), wait_for_end()])
    client = serve(protocol, [backend.port], listener={"require_tls": "no"},
                   send_client_address=how)()
    client.read_line()
    client.starttls(protocol)
    assert client.read_to_end() == heard
