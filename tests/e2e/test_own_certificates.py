"""What mailmux says of its own certificates: names, lifetime, chain, use and strength, at the start,
after a reload, in --check, and while it runs.
"""

import os
import re
import subprocess
import time

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.certificates import NAME, make_chain
from mailmux_e2e.client import Client
from mailmux_e2e.proxy import binary
from mailmux_e2e.servers import server, tls_server
from mailmux_e2e.steps import start_tls

DAY = 24 * 60 * 60


@pytest.fixture
def front(proxy, new_backend, certificates):
    """A proxy whose certificate comes from an authority that the system knows."""
    proxy.environment["SSL_CERT_FILE"] = str(certificates.authority)
    proxy.backend("server", new_backend(server("imap")).port)
    proxy.listener("imap", "imap", "starttls", "server")
    return proxy


def use(proxy, pair, **settings):
    proxy.section("tls", certificate=pair.certificate, key=pair.key, **settings)


def check(proxy):
    proxy.write()
    done = subprocess.run([str(binary()), "--check", "-c", str(proxy.ini)],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=CEILING, env={**os.environ, **proxy.environment})
    assert done.returncode == 0, done.stderr
    return done.stderr


def warned(proxy):
    """What the log has of the configuration."""
    return [line.text for line in proxy.events("config")]


def says(proxy, pair, *parts, **settings):
    """The check and the start warn of it with the line of its setting, and serve it all the same."""
    use(proxy, pair, **settings)
    words = check(proxy)
    for part in parts:
        line, = [line for line in words.splitlines() if part in line]
        assert re.match(rf"warning: {re.escape(str(proxy.ini))}:\d+: \[tls\] ", line), line
    proxy.start()
    for part in parts:
        assert len([line for line in warned(proxy) if " warning config " in line
                    and part in line.replace('\\"', '"')]) == 1, proxy.log()
    with Client(proxy.ports["imap"]) as client:
        assert client.read_line().startswith(b"* OK")
        client.starttls("imap")


def append(pair, *others):
    pair.certificate.write_text("".join(one.read_text() for one in (pair.certificate, *others)))


@pytest.mark.quick
def test_nothing_is_said_of_a_good_one(front, certificates):
    use(front, certificates.rsa)
    assert check(front) == ""
    front.start()
    assert warned(front) == []
    assert front.events("own-certificate") == []


# Names

def test_a_name_that_is_not_hostname(front, certificates):
    pair = certificates.other("elsewhere", names="DNS:imap.example.test,DNS:smtp.example.test")
    says(front, pair, f"no certificate is for {NAME}, which is hostname in [proxy], and clients that "
         "use this name will refuse it", "for imap.example.test, smtp.example.test)")


def test_a_common_name_alone_is_no_name(front, certificates):
    says(front, certificates.other("no-name", names="email:a@b.test"),
         f"no certificate is for {NAME}", "the certificate here is for no name at all")


def test_a_wildcard_covers_hostname(front, certificates):
    use(front, certificates.other("wild", names="DNS:*.example.test"))
    assert check(front) == ""


def test_another_set_may_cover_hostname(front, certificates):
    use(front, certificates.other("elsewhere", names="DNS:imap.example.test,DNS:smtp.example.test"))
    front.section("tls own", certificate=certificates.rsa.certificate, key=certificates.rsa.key)
    front.listener("imap", "imap", "starttls", "server", tls_set="default, own")
    assert check(front) == ""


def test_host_names_that_a_set_is_for(front, certificates, tmp_path):
    """A wildcard may be wider than the names that clients ask for."""
    pair = certificates.other("customer", names="DNS:a.customer.test,DNS:*.b.customer.test")
    use(front, certificates.rsa)
    front.section("tls own", certificate=pair.certificate, key=pair.key,
                  **{"for": "A.customer.test, x.b.customer.test, *.customer.test"})
    assert check(front) == ""
    front.section("tls own", certificate=pair.certificate, key=pair.key,
                  **{"for": "a.customer.test, a.custmer.test"})
    assert check(front).endswith(
        "[tls own] for = a.custmer.test: its certificate is not for this name, and clients that "
        "ask for it will refuse it\n")
    lone = tmp_path / "own.pem"
    lone.write_bytes(pair.key.read_bytes() + pair.certificate.read_bytes())
    front.section("tls own", certificate_directory=tmp_path,
                  **{"for": "A.customer.test, c.customer.test"})
    assert "for = c.customer.test: its" in check(front)
    assert "for = A." not in check(front)


def test_names_of_a_set(front, certificates):
    pair = certificates.other("two", names=f"DNS:{NAME},DNS:*.b.test")
    says(front, pair, f"names = c.test: the certificate {pair.certificate} is not for c.test",
         "names = *.c.test: the certificate", names=f"{NAME}, *.b.test, c.test, *.c.test")


# Lifetime

@pytest.mark.parametrize("left, share", [(29, "third"), (8, "tenth")])
def test_little_is_left_at_the_start(front, certificates, left, share):
    end = time.time() + left * DAY + 3600
    pair = certificates.with_lifetime(f"last-{share}", end - 90 * DAY, end)
    says(front, pair, f"the certificate {pair.certificate} ends in {left} days (",
         f"with less than a {share} of its lifetime left")
    assert front.events("own-certificate") == []


def test_it_has_expired_or_is_not_valid_yet(front, certificates):
    now = time.time()
    over = certificates.with_lifetime("over", now - 90 * DAY, now - DAY)
    says(front, over, f"the certificate {over.certificate} has expired")
    later = certificates.with_lifetime("later", now + DAY, now + 90 * DAY)
    use(front, later)
    assert "is not valid yet" in check(front)
    assert front.reload().event == "reloaded"
    assert len([line for line in warned(front) if "is not valid yet" in line]) == 1


def said(proxy, words):
    """The lines with these words: events, and warnings of a configuration."""
    return [line for line in proxy.lines if line.event in ("config", "own-certificate")
            and words in line.text]


def test_what_is_left_is_judged_while_it_runs(front, certificates):
    """The last third begins in three seconds, the last tenth after twelve. Each is said once: by
    the warnings of the start, should it be that slow.
    """
    now = time.time()
    pair = certificates.with_lifetime("short", now - 25, now + 17)
    use(front, pair)
    front.start()
    for count in range(1, 4):
        line = front.wait_for_event("own-certificate", count)
        if line.fields["why"] == "has expired":
            break
    assert line.level == "error" and "days" not in line.fields
    assert len(said(front, "less than a third")) == len(said(front, "less than a tenth")) == 1
    for line in front.events("own-certificate"):
        assert line.fields["set"] == "default"
        assert line.fields["certificate"] == str(pair.certificate)
        assert "SIGHUP" in line.fields["remedy"]
        assert line.level == "error" or (line.level, line.fields["days"]) == ("warning", "0")


def test_a_reload_ends_it_for_a_renewed_one_and_begins_it_for_a_new_one(front, certificates):
    now = time.time()
    old = certificates.with_lifetime("renewed", now - 20, now + 13)
    use(front, old)
    front.start()
    front.wait_for_event("own-certificate")
    now = time.time()
    certificates.with_lifetime("renewed", now, now + 90 * DAY)
    new = certificates.with_lifetime("next", now - 20, now + 13)
    front.section("tls next", certificate=new.certificate, key=new.key, names=NAME)
    front.listener("imap", "imap", "starttls", "server", tls_set="default, next")
    assert front.reload().event == "reloaded"
    after = len(front.events("own-certificate"))
    line = front.wait_for_event("own-certificate", after + 1)
    assert line.fields["set"] == "next" and line.fields["certificate"] == str(new.certificate)


# The chain

def test_an_incomplete_chain(front, certificates):
    front.environment["SSL_CERT_FILE"] = "/nonexistent"
    says(front, certificates.rsa, 'has an incomplete chain: the certificate of "CN=mailmux test '
         f'authority ca", which has issued "CN={NAME}", is neither in the file nor a root')


@pytest.fixture
def chain(tmp_path):
    return make_chain(tmp_path, 3)  # leaf, issuer1, issuer2, root


def test_a_link_is_missing(front, chain):
    front.environment["SSL_CERT_FILE"] = str(chain[3].certificate)
    use(front, chain[0])
    assert 'the certificate of "CN=issuer1", which has issued "CN=leaf"' in check(front)
    append(chain[0], chain[1].certificate)
    assert 'the certificate of "CN=issuer2", which has issued "CN=issuer1"' in check(front)
    append(chain[0], chain[2].certificate)
    assert check(front) == ""


def test_a_chain_out_of_order(front, chain):
    front.environment["SSL_CERT_FILE"] = str(chain[3].certificate)
    append(chain[0], chain[2].certificate, chain[1].certificate)
    says(front, chain[0],
         'has its chain out of order: number 2 in the file, "CN=issuer2"',
         'has its chain out of order: number 3 in the file, "CN=issuer1"')


def test_a_stranger_in_the_chain(front, chain, certificates):
    front.environment["SSL_CERT_FILE"] = str(chain[3].certificate)
    append(chain[0], chain[1].certificate, chain[2].certificate, certificates.authority)
    says(front, chain[0], 'as number 4, "CN=mailmux test authority ca", which has issued none of '
         "the others")


# Use and strength

def test_not_made_for_servers(front, certificates):
    says(front, certificates.other("for-clients", client=True), "has no serverAuth")


def test_a_small_key_where_the_policy_takes_it(front, certificates):
    pair = certificates.other("small", options=("-newkey", "rsa:1024"))
    says(front, pair, "has an RSA key of 1024 bits", policy="legacy")


def test_a_small_key_is_refused_in_words(front, certificates):
    use(front, certificates.other("small", options=("-newkey", "rsa:1024")))
    front.write()
    done = subprocess.run([str(binary()), "--check", "-c", str(front.ini)],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=CEILING)
    assert done.returncode == 1
    assert "key too small" in done.stderr and "expected PEM" not in done.stderr, done.stderr


@pytest.mark.parametrize("kind, which, said", [
    ("exchanged", "certificate", "it has a private key and no certificate; are certificate and key "
     "exchanged?; expected PEM"),
    ("exchanged", "key", "it has certificates and no private key; are certificate and key exchanged?"),
    ("der", "certificate", "it is DER; `openssl x509 -inform der`"),
    ("pkcs12", "certificate", "it is PKCS #12; `openssl pkcs12 -nodes` makes PEM of it"),
    ("request", "certificate", "it is a request for a certificate, for the authority"),
    ("half", "certificate", "it breaks off in the middle; is it still being written?; expected PEM"),
    ("half", "key", "it breaks off in the middle; is it still being written?; expected PEM"),
    ("public", "key", "it has a public key; expected PEM"),
    ("empty", "certificate", "it is empty; expected PEM"), ("empty", "key", "it is empty")])
def test_a_file_of_another_kind(front, certificates, tmp_path, kind, which, said):
    pair, other = certificates.ecdsa, tmp_path / "other"

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments, "-out", other], check=True, capture_output=True)
    if kind == "exchanged":
        other = pair.key if which == "certificate" else pair.certificate
    elif kind == "der":
        openssl("x509", "-in", pair.certificate, "-outform", "der")
    elif kind == "pkcs12":
        openssl("pkcs12", "-export", "-in", pair.certificate, "-inkey", pair.key, "-passout", "pass:x")
    elif kind == "request":
        openssl("req", "-new", "-key", pair.key, "-subj", "/CN=a")
    elif kind == "public":
        openssl("pkey", "-in", pair.key, "-pubout")
    elif kind == "half":
        text = getattr(pair, which).read_text()
        other.write_text(text[:len(text) * 2 // 3])
    else:
        other.touch()
    front.section("tls", **{"certificate": pair.certificate, "key": pair.key, which: other})
    front.write()
    done = subprocess.run([str(binary()), "--check", "-c", str(front.ini)],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=CEILING)
    assert done.returncode == 1
    assert f"{other}: {said}" in done.stderr, done.stderr
    assert "no start line" not in done.stderr and "unsupported" not in done.stderr, done.stderr


def test_a_key_that_everybody_can_read(front, certificates):
    pair = certificates.other("open")
    pair.key.chmod(0o644)
    says(front, pair, f"the key {pair.key} can be read by everybody")


# Toward backends

def toward(proxy, new_backend, certificates, pair):
    backend = new_backend(tls_server("imap", "implicit", start_tls(certificates.ecdsa)))
    proxy.backend("server", backend.port, tls="implicit", ca=certificates.authority,
                  client_certificate=pair.certificate, client_key=pair.key)


def test_one_toward_backends_that_is_not_made_for_clients(front, new_backend, certificates):
    pair = certificates.other("serverauth", extra="extendedKeyUsage=serverAuth\n")
    toward(front, new_backend, certificates, pair)
    use(front, certificates.rsa)
    words = check(front)
    assert "[backend server] client_certificate" in words and "has no clientAuth" in words
    assert "2026" in words


def test_one_toward_backends_ends(front, new_backend, certificates):
    now = time.time()
    toward(front, new_backend, certificates, certificates.with_lifetime("out", now - 20, now + 13))
    use(front, certificates.rsa)
    front.start()
    line = front.wait_for_event("own-certificate")
    assert line.fields["backend"] == "server" and "set" not in line.fields
