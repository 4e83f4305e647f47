"""FILE.ocsp beside a certificate: what an authority says of it is handed on to clients that ask."""

import subprocess
from functools import partial

import pytest
from mailmux_e2e import until
from mailmux_e2e.accounts import as_root, use_account
from mailmux_e2e.layouts import gets, pair_of, put, start, traefik
from mailmux_e2e.listeners import add_listeners


@pytest.fixture
def front(new_proxy, new_backend):
    """front(live, listener=None, wait=True, **settings of [tls])"""
    return partial(start, new_proxy, new_backend)


@pytest.fixture
def answers(certificates, tmp_path):
    """answers(pair, *options): what the authority says of a certificate, in DER."""
    def make(pair, *options, status="V"):
        serial = subprocess.run(["openssl", "x509", "-in", pair.certificate, "-noout", "-serial"],
                                capture_output=True, text=True, check=True).stdout.split("=")[1].strip()
        revoked = "260101000000Z" if status == "R" else ""
        (tmp_path / "index").write_text(f"{status}\t360101000000Z\t{revoked}\t{serial}\tunknown\t/CN=x\n")
        out = tmp_path / "answer.der"
        ca = certificates.authority
        subprocess.run(["openssl", "ocsp", "-index", tmp_path / "index", "-CA", ca, "-rsigner", ca,
                        "-rkey", ca.with_suffix(".key"), "-issuer", ca, "-cert", pair.certificate,
                        "-respout", out, *options], check=True, capture_output=True)
        return out

    return make


def staple(proxy, server_name):
    text = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.ports['imaps']}", "-servername",
         server_name, "-status"], input="", text=True, capture_output=True).stdout
    return "OCSP Response Status: successful" in text


def test_an_answer_of_the_authority_is_stapled(front, certificates, answers, tmp_path):
    live = tmp_path / "live"
    pair = pair_of(certificates, "a.test")
    for name in ("a.test", "b.test"):
        traefik(live, name, pair_of(certificates, name), certificates.authority)
    put(live / "a.test.crt.ocsp", answers(pair, "-ndays", "1"))
    proxy = front(live)
    assert staple(proxy, "a.test") and not staple(proxy, "b.test")
    put(live / "a.test.crt.ocsp", answers(pair_of(certificates, "b.test"), "-ndays", "1"))
    until(lambda: not staple(proxy, "a.test"))
    assert "about another certificate" in proxy.wait_for_event("certificate-problem").fields["why"]
    put(live / "a.test.crt.ocsp", answers(pair, "-ndays", "1"))
    until(lambda: staple(proxy, "a.test"))
    put(live / "a.test.crt.ocsp", answers(pair, "-ndays", "1", status="R"))
    assert "revoked" in proxy.wait_for_event("certificate-problem", 2).fields["why"]
    assert not staple(proxy, "a.test")
    put(live / "a.test.crt.ocsp", b"nothing")
    assert "no answer" in proxy.wait_for_event("certificate-problem", 3).fields["why"]
    assert gets(proxy, "a.test", pair)


@as_root
def test_an_answer_beside_a_certificate_that_is_named(new_proxy, new_backend, certificates, answers,
                                                      tmp_path):
    """The files are root's alone."""
    pair = pair_of(certificates, "a.test")
    live = tmp_path / "live"
    traefik(live, "a.test", pair, certificates.authority)
    put(live / "a.test.crt.ocsp", answers(pair, "-ndays", "1"))
    live.chmod(0o700)
    proxy = new_proxy(with_certificate=False)
    use_account(proxy)
    proxy.section("tls", certificate=live / "a.test.crt", key=live / "a.test.key")
    add_listeners(proxy, new_backend)
    proxy.start()
    assert staple(proxy, "a.test")
    put(live / "a.test.crt.ocsp", answers(pair_of(certificates, "b.test"), "-ndays", "1"))
    assert proxy.reload().event == "reloaded"
    assert not staple(proxy, "a.test")
    assert any("a.test.crt.ocsp is not stapled: it is about another certificate" in
               line.fields["message"] for line in proxy.events("config"))
