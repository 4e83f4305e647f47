"""TLS toward clients as it is without any setting: conformance 5.6, and C13."""

import re
import socket
import ssl
import subprocess

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e import certificates as certificate_files
from mailmux_e2e.attacks import client_hello
from mailmux_e2e.client import Client, Closed, default_context
from mailmux_e2e.listeners import LISTENERS, add_listeners, is_served, reach_tls, words_of

each_listener = pytest.mark.parametrize("name", LISTENERS)


@pytest.fixture
def front(proxy, new_backend, certificates):
    """Every listener, with an RSA and an ECDSA certificate."""
    proxy.section("tls", certificate=[certificates.rsa.certificate, certificates.ecdsa.certificate],
                  key=[certificates.rsa.key, certificates.ecdsa.key])
    add_listeners(proxy, new_backend)
    proxy.start()
    return proxy


def only(version, ciphers="ALL:@SECLEVEL=0"):
    context = default_context()
    context.set_ciphers(ciphers)
    context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.conformance("C13")
@pytest.mark.parametrize("name", [n for n in LISTENERS if LISTENERS[n][1] == "implicit"])
@pytest.mark.parametrize("words", [b"EHLO c.test\r\n", b"a CAPABILITY\r\n", b"CAPA\r\n", b"\r\n",
                                   b"G", b"\0", b"x" * 20000])
def test_plaintext_on_an_implicit_port_gets_no_reply(front, name, words):
    before = len(front.lines)
    for at in (len(words), 1):
        with Client(front.ports[name]) as client:
            try:
                client.send(words[:at])
                client.send(words[at:])
            except (BrokenPipeError, ConnectionResetError):
                pass
            assert client.read_to_end() == b""
    front.wait_for_event("session", 2)
    assert [line.fields["reason"] for line in front.lines[before:]] == ["plaintext-on-tls-port"] * 2


@pytest.mark.quick
@pytest.mark.conformance("C82")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@each_listener
def test_two_versions_are_spoken_and_older_ones_refused(front, name):
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        with reach_tls(front.ports[name], name, only(version)) as client:
            assert client.tls.version() == version.name.replace("_", ".")
            assert is_served(client, name)
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        with pytest.raises((ssl.SSLError, Closed)):
            reach_tls(front.ports[name], name, only(version))


def all_ciphers():
    """Every suite of TLS 1.2 and older that a client here can speak."""
    return [one["name"] for one in only(ssl.TLSVersion.TLSv1_2).get_ciphers()
            if one["protocol"] != "TLSv1.3" and "PSK" not in one["name"]
            and "SRP" not in one["name"]]


def is_taken(front, name, cipher):
    try:
        reach_tls(front.ports[name], name,
                  only(ssl.TLSVersion.TLSv1_2, f"{cipher}:@SECLEVEL=0")).close()
        return True
    except (ssl.SSLError, Closed):
        return False


@pytest.mark.conformance("C83")
def test_of_all_suites_only_those_with_ecdhe_and_aead_are_taken(front):
    ciphers = all_ciphers()
    assert {"AES128-SHA", "DHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA256"} <= set(ciphers)
    assert {c for c in ciphers if is_taken(front, "imaps", c)} == {
        f"ECDHE-{kind}-{rest}" for kind in ("RSA", "ECDSA")
        for rest in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")}


@pytest.mark.conformance("C83")
@each_listener
def test_no_listener_takes_an_old_suite(front, name):
    for cipher in ("AES128-GCM-SHA256", "DHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA"):
        assert not is_taken(front, name, cipher)
    assert is_taken(front, name, "ECDHE-RSA-AES128-GCM-SHA256")


INTERMEDIATE = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305")


def test_a_long_list_of_ciphers_is_taken_whole(proxy, new_backend, certificates):
    """The nine of Mozilla's intermediate policy 5.7, as they are published: one line of 261 bytes."""
    proxy.section("tls", certificate=[certificates.rsa.certificate, certificates.ecdsa.certificate],
                  key=[certificates.rsa.key, certificates.ecdsa.key], ciphers=INTERMEDIATE)
    add_listeners(proxy, new_backend)
    proxy.start()
    assert {c for c in all_ciphers() if is_taken(proxy, "imaps", c)} == set(INTERMEDIATE.split(":"))


@pytest.mark.conformance("C83")
@pytest.mark.parametrize("offered, chosen", [
    ("ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"),
    ("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"),
    ("ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305")])
def test_the_order_is_ours_but_for_a_client_without_aes(front, offered, chosen):
    """Who puts ChaCha20 first has no AES in its hardware."""
    with reach_tls(front.ports["imaps"], "imaps", only(ssl.TLSVersion.TLSv1_2, offered)) as client:
        assert client.tls.cipher()[0] == chosen


def s_client(port, name, *options):
    words = words_of(name).replace("managesieve", "sieve")
    starttls = ["-starttls", words] if LISTENERS[name][1] == "starttls" else []
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *starttls,
                           *options], stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=CEILING)
    return done.stdout.decode(errors="replace")


@pytest.mark.conformance("C83")
@each_listener
def test_the_master_secret_is_the_extended_one(front, name):
    output = s_client(front.ports[name], name, "-tls1_2")
    assert "Extended master secret: yes" in output
    assert "Compression: NONE" in output and "Secure Renegotiation IS supported" in output


@pytest.mark.conformance("C83")
def test_compression_is_not_chosen_though_it_is_offered(front):
    hello = client_hello(only(ssl.TLSVersion.TLSv1_2, "ECDHE+AESGCM"))
    at = 5 + 4 + 34
    at += 1 + hello[at]  # session id
    at += 2 + int.from_bytes(hello[at:at + 2], "big")  # ciphers
    assert hello[at:at + 2] == b"\1\0"
    body = hello[9:at] + b"\2\1\0" + hello[at + 2:]  # DEFLATE and none
    message = b"\1" + len(body).to_bytes(3, "big") + body
    with socket.create_connection(("127.0.0.1", front.ports["imaps"]), CEILING) as sock:
        sock.sendall(hello[:3] + len(message).to_bytes(2, "big") + message)
        answer = b""
        while len(answer) < 9 + 34 + 1 + 32 + 3:
            answer += sock.recv(4096)
    assert answer[0] == 0x16 and answer[5] == 2, "a ServerHello"
    at = 9 + 34
    at += 1 + answer[at]  # session id
    assert answer[at + 2] == 0


@pytest.mark.conformance("C84")
@each_listener
def test_a_client_that_would_authenticate_later_is_not_asked(front, certificates, name):
    """It has a certificate and says so [RFC 8446 4.2.6]; the answer to it is silence."""
    context = only(ssl.TLSVersion.TLSv1_3)
    context.post_handshake_auth = True
    context.load_cert_chain(certificates.rsa.certificate, certificates.rsa.key)
    asked = []
    context._msg_callback = lambda conn, direction, version, content, message, data: (  # noqa: SLF001
        asked.append(message) if direction == "read" else None)
    with reach_tls(front.ports[name], name, context) as client:
        for _ in range(3):
            assert is_served(client, name)
    assert asked and not any(getattr(one, "name", "") == "CERTIFICATE_REQUEST" for one in asked)


ALPN = {"smtp": ["smtp", "esmtp", "submission", "submissions"], "imap": ["imap", "imaps"],
        "pop3": ["pop3", "pop3s"], "lmtp": ["lmtp"], "managesieve": ["managesieve"]}


@pytest.mark.conformance("C86")
@each_listener
def test_the_protocol_is_chosen_where_it_is_offered(front, name):
    for mine in ALPN[words_of(name)]:
        for offered in ([mine], ["http/1.1", mine], [mine, "h2"], ["x" * 255, mine]):
            context = default_context()
            context.set_alpn_protocols(offered)
            with reach_tls(front.ports[name], name, context) as client:
                assert client.tls.selected_alpn_protocol() == mine
                assert is_served(client, name)
    with reach_tls(front.ports[name], name) as client:
        assert client.tls.selected_alpn_protocol() is None
        assert is_served(client, name)


@pytest.mark.conformance("C86")
@each_listener
def test_without_the_protocol_there_is_an_alert_and_no_greeting(front, name):
    others = {name for names in ALPN.values() for name in names} - set(ALPN[words_of(name)])
    for offered in (["http/1.1"], sorted(others), [ALPN[words_of(name)][0].upper()],
                    [ALPN[words_of(name)][0] + "2"]):
        context = default_context()
        context.set_alpn_protocols(offered)
        with pytest.raises(ssl.SSLError, match="(?i)no application protocol"):
            reach_tls(front.ports[name], name, context)


def pem_blocks(text):
    return [re.sub(r"\s", "", block) for block in re.findall(
        r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", text, re.S)]


@pytest.mark.conformance("C95")
@pytest.mark.parametrize("order", [(0, 1, 2), (0, 1, 2, 3), (0,), (0, 3, 2, 1)],
                         ids=["intermediates", "root", "leaf", "odd"])
def test_the_chain_is_served_as_it_is_in_the_file(proxy, new_backend, tmp_path, order):
    """The root included, where it is there [RFC 7672 3.1.2], and in an order that is not usual."""
    leaf, *issuers = certificate_files.make_chain(tmp_path, 3)
    blocks = [pair.certificate.read_text() for pair in (leaf, *issuers)]
    served = tmp_path / "served.pem"
    served.write_text("".join(blocks[n] for n in order))
    proxy.section("tls", certificate=served, key=leaf.key)
    add_listeners(proxy, new_backend)
    proxy.start()
    for name in ("smtp", "imaps"):
        output = s_client(proxy.ports[name], name, "-showcerts")
        assert pem_blocks(output.split("Server certificate")[0]) == pem_blocks(served.read_text())
