"""The settings of a [backend]: what --check says of those that contradict each other."""

import os
import pwd
import subprocess

import pytest
from mailmux_e2e.proxy import binary


@pytest.fixture
def check(tmp_path):
    """check(protocol, *lines of the backend) gives what is said, without file and line."""

    def run(protocol, *lines):
        ini = tmp_path / "proxy.ini"
        ini.write_text("\n".join([
            "[proxy]", "hostname = mail.example.test", f"state_directory = {tmp_path}",
            f"user = {pwd.getpwuid(os.geteuid()).pw_name}", "[listener test]",
            "bind = 127.0.0.1:2500", f"protocol = {protocol}", "tls = starttls", "backend = b",
            "[backend b]", "server = 127.0.0.1:2501", *lines]) + "\n")
        done = subprocess.run([binary(), "--check", "-c", ini], capture_output=True, text=True)
        first = 12  # the line of the first of `lines`
        said = [line.replace(f"{ini}:", "") for line in done.stderr.splitlines()]
        assert (done.returncode == 0) == (not any(line.startswith("error") for line in said))
        return [(kind, int(number) - first, text) for kind, number, text in
                (line.replace(": ", ":", 2).split(":", 2) for line in said)]

    return run


def test_what_is_right_is_silent(check, certificates):
    assert check("imap", "tls = starttls", f"ca = {certificates.authority}", "verify = yes",
                 "tls_name = mx.example.test", f"pin = {certificates.rsa.pin()}",
                 f"client_certificate = {certificates.rsa.certificate}",
                 f"client_key = {certificates.rsa.key}", "tls_policy = modern") == []


@pytest.mark.parametrize("line", [
    "ca = {ca}", "verify = no", "tls_name = mx.example.test", "pin = sha256:00",
    "client_certificate = {ca}", "client_key = {ca}", "tls_policy = legacy"])
def test_what_would_look_like_protection_is_an_error(check, certificates, line):
    (kind, number, text), = check("imap", line.format(ca=certificates.authority))
    assert (kind, number) == ("error", 0)
    assert text == (f"[backend b] {line.split()[0]}: it has no meaning with tls = none; write tls = "
                    "starttls or tls = implicit, or remove the line")


@pytest.mark.conformance("C77")
def test_verification_switched_off_is_a_warning(check):
    (kind, number, text), = check("imap", "tls = implicit", "verify = no")
    assert (kind, number) == ("warning", 1)
    assert text.startswith("[backend b] verify = no: anybody on the way can pass for the server")


def test_verification_switched_off_beside_a_ca_is_an_error(check, certificates):
    (kind, number, text), = check("imap", "tls = implicit", "verify = no",
                                  f"ca = {certificates.authority}")
    assert (kind, number) == ("error", 1) and "ca would never be asked" in text


def test_a_pin_makes_up_for_verification(check, certificates):
    assert check("imap", "tls = implicit", "verify = no", f"pin = {certificates.rsa.pin()}") == []


def test_every_bad_pin_is_reported_at_its_line(check, certificates):
    said = check("imap", "tls = implicit", f"pin = {certificates.rsa.pin()}, sha256:00",
                 "pin = md5:00")
    assert [(kind, number) for kind, number, _ in said] == [("error", 1), ("error", 2)]
    assert said[0][2].startswith("[backend b] pin = sha256:00: not a pin; write sha256: and 64")


def test_a_key_needs_a_certificate(check, certificates):
    (kind, number, text), = check("imap", "tls = implicit", f"client_key = {certificates.rsa.key}")
    assert (kind, number) == ("error", 1) and "write client_certificate" in text


@pytest.mark.parametrize("lines, number, words", [
    (["ca = {key}"], 1, "cannot use"),
    (["client_certificate = {key}"], 1, "client_certificate"),
    (["client_certificate = {certificate}", "client_key = {other}"], 2, "client_key"),
    (["client_certificate = {certificate}"], 1, "client_"),
])
def test_files_are_loaded_and_their_mistakes_have_a_line(
        check, certificates, lines, number, words):
    names = dict(key=certificates.rsa.key, certificate=certificates.rsa.certificate,
                 other=certificates.ecdsa.key)
    (kind, where, text), = check(
        "imap", "tls = implicit", *(line.format(**names) for line in lines))
    assert (kind, where) == ("error", number) and words in text, text


@pytest.mark.parametrize("word", ["none", "proxy-v1", "proxy-v2"])
def test_the_ways_to_tell_the_address(check, word):
    assert check("imap", f"send_client_address = {word}") == []


@pytest.mark.parametrize("word", ["none", "proxy-v1"])
def test_what_a_header_has_no_place_for_is_an_error(check, word):
    (kind, number, text), = check("imap", f"send_client_address = {word}", "proxy_tlvs = cn, alpn")
    assert (kind, number) == ("error", 1)
    assert text == ("[backend b] proxy_tlvs: only send_client_address = proxy-v2 has a place for "
                    "them; write that, or remove the line")


@pytest.mark.parametrize("value, words", [
    ("none, ssl", "none: it stands alone or not at all"),
    ("ssl, aln", "did you mean alpn? allowed: none, ssl, cn, alpn, authority, unique-id"),
])
def test_bad_lists_of_tlvs(check, value, words):
    (kind, number, text), = check("imap", "send_client_address = proxy-v2", f"proxy_tlvs = {value}")
    assert (kind, number) == ("error", 1) and text.endswith(words), text


def test_lists_of_tlvs(check):
    assert check("imap", "send_client_address = proxy-v2", "proxy_tlvs = ssl, cn",
                 "proxy_tlvs = unique-id") == []


@pytest.mark.parametrize("protocol, word, right", [
    ("imap", "xclient", "IMAP has no XCLIENT; write id or proxy-v2"),
    ("smtp", "id", "only IMAP has ID; write xclient or proxy-v2"),
    ("submission", "id", "only IMAP has ID; write xclient or proxy-v2"),
    ("lmtp", "id", "only IMAP has ID; write xclient or proxy-v2"),
    ("pop3", "id", "only IMAP has ID; write xclient or proxy-v2"),
])
def test_words_that_a_protocol_does_not_have(check, protocol, word, right):
    said = check(protocol, f"send_client_address = {word}")
    assert said == [("error", 0, f"[backend b] send_client_address = {word}: {right}")]


@pytest.mark.parametrize("protocol, word", [
    ("imap", "id"), ("smtp", "xclient"), ("submission", "xclient"), ("pop3", "xclient")])
def test_words_that_it_has(check, protocol, word):
    assert check(protocol, f"send_client_address = {word}") == []


@pytest.mark.parametrize("lines, is_wrong", [
    (["tls = implicit"], True), (["tls = starttls"], True), (["tls = none"], False),
    (["tls = implicit", "tls_name = mx.example.test"], False),
    (["tls = implicit", "verify = no"], False), (["tls = implicit", "pin = {pin}"], False),
])
def test_a_service_needs_a_name_to_verify(tmp_path, certificates, lines, is_wrong):
    ini = tmp_path / "proxy.ini"
    ini.write_text("\n".join([
        "[listener test]", "bind = 127.0.0.1:2500", "protocol = imap", "backend = b",
        "[backend b]", "server = srv:_imap._tcp.example.test",
        *(line.format(pin=certificates.rsa.pin()) for line in lines)]) + "\n")
    done = subprocess.run([binary(), "--check", "-c", ini], capture_output=True, text=True)
    assert (done.returncode != 0) == is_wrong, done.stderr
    assert ("proxy.ini:6: [backend b] server = srv:_imap._tcp.example.test: the certificates of a "
            "service's hosts are not for its name; write tls_name" in done.stderr) == is_wrong
