"""FILE.ocsp beside a certificate: what an authority says of it is handed on to clients that ask."""

import subprocess

import pytest
from mailmux_e2e import until
from mailmux_e2e.accounts import use_account
from mailmux_e2e.layouts import gets, pair_of, put, traefik
from mailmux_e2e.listeners import add_listeners
from mailmux_e2e.proxy import binary


@pytest.fixture
def answer(certificates, tmp_path):
    """answer(pair, status="good", begin=0, end=3600): what the authority says of a certificate, in
    DER; begin and end are seconds from now on.
    """
    def make(pair, status="good", begin=0, end=3600):
        out = tmp_path / "answer.der"
        ca = certificates.authority
        subprocess.run([binary().parent / "tests/harness/make_answer", pair.certificate, ca,
                        ca.with_suffix(".key"), out, status, str(begin), str(end)], check=True)
        return out.read_bytes()

    return make


def is_stapled(proxy, server_name):
    text = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.ports['imaps']}", "-servername",
         server_name, "-status"], input="", text=True, capture_output=True).stdout
    assert "OCSP response: no response sent" in text or "Cert Status: good" in text, text
    return "Cert Status: good" in text


def in_directory(proxy, live):
    proxy.section("tls", certificate_directory=live)


def by_name(proxy, live):
    proxy.section("tls", certificate=live / "a.test.crt", key=live / "a.test.key")


PLACES = pytest.mark.parametrize("place", [in_directory, by_name])


@pytest.fixture
def front(new_proxy, new_backend, certificates, tmp_path):
    """front(place, **files): a.test and b.test, with files beside them that are root's alone."""
    def start(place, answer=None):
        live = tmp_path / "live"
        for name in ("a.test", "b.test"):
            traefik(live, name, pair_of(certificates, name), certificates.authority)
        if answer:
            put(live / "a.test.crt.ocsp", answer)
        live.chmod(0o700)
        proxy = new_proxy(with_certificate=False)
        use_account(proxy)
        place(proxy, live)
        add_listeners(proxy, new_backend)
        proxy.start()
        return proxy

    return start


@PLACES
def test_an_answer_is_stapled_as_it_changes(front, certificates, answer, tmp_path, place):
    pair = pair_of(certificates, "a.test")
    file = tmp_path / "live/a.test.crt.ocsp"
    proxy = front(place)
    assert not is_stapled(proxy, "a.test")
    put(file, answer(pair))                       # a new one
    until(lambda: is_stapled(proxy, "a.test"))
    assert place == by_name or not is_stapled(proxy, "b.test")
    file.unlink()
    until(lambda: not is_stapled(proxy, "a.test"))
    file.write_bytes(answer(pair))                # not by a rename
    until(lambda: is_stapled(proxy, "a.test"))
    other = tmp_path / "elsewhere.der"            # where a link leads to
    other.write_bytes(b"nothing")
    file.unlink()
    file.symlink_to(other)
    until(lambda: not is_stapled(proxy, "a.test"))
    until(lambda: proxy.events("certificate-problem"))
    other.write_bytes(answer(pair))
    until(lambda: is_stapled(proxy, "a.test"))
    assert gets(proxy, "a.test", pair) and not proxy.events("reloaded")


WRONG = [({"status": "revoked"}, "the certificate is revoked"),
         ({"status": "unknown"}, "the certificate is unknown"),
         ({"begin": -7200, "end": -3600}, "it has expired"),
         ({"begin": 3600, "end": 7200}, "it is not valid yet"),
         ({"end": "never"}, "until when it holds")]


@PLACES
def test_one_that_is_wrong_is_named_and_not_stapled(front, certificates, answer, tmp_path, place):
    pair = pair_of(certificates, "a.test")
    file = tmp_path / "live/a.test.crt.ocsp"
    wrongs = [(answer(pair, **how), words) for how, words in WRONG]
    wrongs += [(answer(pair)[:100], "no answer of an authority"),
               (answer(pair_of(certificates, "b.test")), "about another certificate"),
               (answer(pair) + b"\n", "no answer of an authority")]
    first, *others = wrongs
    proxy = front(place, first[0])
    said = [line.fields for line in proxy.events("config")]
    assert any(first[1] in fields["message"] for fields in said), said
    assert not is_stapled(proxy, "a.test")
    for count, (wrong, words) in enumerate(others, 1):
        put(file, wrong)
        why = proxy.wait_for_event("certificate-problem", count).fields["why"]
        assert str(file) in why and words in why, why
        assert not is_stapled(proxy, "a.test")
    put(file, answer(pair))
    until(lambda: is_stapled(proxy, "a.test"))
    assert len(proxy.events("certificate-problem")) == len(others)
    assert gets(proxy, "a.test", pair)


def test_one_is_stapled_until_its_end(front, certificates, answer):
    """The unit test of tls_staple.c has the exact second."""
    proxy = front(by_name, answer(pair_of(certificates, "a.test"), end=3))
    until(lambda: not is_stapled(proxy, "a.test"))


def test_a_reload_keeps_it(front, certificates, answer, tmp_path):
    pair = pair_of(certificates, "a.test")
    proxy = front(by_name, answer(pair))
    assert proxy.reload().event == "reloaded"
    assert is_stapled(proxy, "a.test")
    put(tmp_path / "live/a.test.crt.ocsp", answer(pair, status="revoked"))
    until(lambda: not is_stapled(proxy, "a.test"))
    assert proxy.reload().event == "reloaded"
    assert any("a.test.crt.ocsp is not stapled: it says that the certificate is revoked" in
               line.fields["message"] for line in proxy.events("config"))
