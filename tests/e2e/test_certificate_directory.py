"""certificate_directory: certificates for many names, found in the layouts of those that write them,
chosen by the names in them, and served as they change.
"""

import os
import shutil
import ssl
import subprocess
from functools import partial

import pytest
from mailmux_e2e import until
from mailmux_e2e.accounts import as_root
from mailmux_e2e.client import default_context
from mailmux_e2e.layouts import (LAYOUTS, acme_sh, bundle, certbot, der, gets, haproxy, pair_of, put,
                                 seen, start, traefik)
from mailmux_e2e.listeners import LISTENERS, add_listeners, is_served, reach_tls
from mailmux_e2e.proxy import binary


@pytest.fixture
def front(new_proxy, new_backend):
    """front(live, listener=None, wait=True, **settings of [tls])"""
    return partial(start, new_proxy, new_backend)


# Layouts

@pytest.mark.quick
@pytest.mark.parametrize("lay", LAYOUTS)
def test_each_layout_is_served_and_so_is_its_renewal(front, certificates, tmp_path, lay):
    live = tmp_path / "live"
    old, new = (pair_of(certificates, "a.test", turn=turn) for turn in (0, 1))
    other = pair_of(certificates, "b.test")
    lay(live, "a.test", old, certificates.authority)
    lay(live, "b.test", other, certificates.authority)
    live.chmod(0o700)
    proxy = front(live)
    assert gets(proxy, "a.test", old) and gets(proxy, "b.test", other)
    # The first reading after the start would hide that nothing is heard.
    lay(live, "c.test", pair_of(certificates, "c.test"), certificates.authority)
    proxy.wait_for_event("certificates-changed")
    lay(live, "a.test", new, certificates.authority)
    until(lambda: gets(proxy, "a.test", new))
    assert gets(proxy, "b.test", other)
    assert not proxy.events("reloaded") and not proxy.events("certificate-problem"), proxy.log()


def test_the_chain_is_sent(front, certificates, tmp_path):
    certbot(tmp_path / "live", "a.test", pair_of(certificates, "a.test"), certificates.authority)
    proxy = front(tmp_path / "live")
    shown = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.ports['imaps']}", "-servername",
         "a.test", "-showcerts"], input=b"", capture_output=True).stdout
    assert shown.count(b"BEGIN CERTIFICATE") == 2


# Names

@pytest.mark.parametrize("name", LISTENERS)
def test_a_name_gets_its_certificate_on_every_listener(front, certificates, tmp_path, name):
    names = ["mail.example.test", "a.test", "*.a.test", "x.a.test", "xn--bcher-kva.test"]
    pairs = {one: pair_of(certificates, one) for one in names}
    for one, pair in pairs.items():
        bundle(tmp_path / "live", one.replace("*", "_"), pair, certificates.authority)
    proxy = front(tmp_path / "live")
    for asked, gotten in [("a.test", "a.test"), ("A.Test", "a.test"), ("x.a.test", "x.a.test"),
                          ("y.a.test", "*.a.test"), ("Y.A.TEST", "*.a.test"),
                          ("xn--bcher-kva.test", "xn--bcher-kva.test"),
                          ("z.y.a.test", "mail.example.test"), ("unknown.test", "mail.example.test"),
                          (None, "mail.example.test")]:
        assert gets(proxy, asked, pairs[gotten], name=name), asked


def test_certificate_comes_before_the_directory_and_for_names_that_it_has_not(
        front, certificates, tmp_path):
    traefik(tmp_path / "live", "a.test", pair_of(certificates, "a.test"), certificates.authority)
    proxy = front(tmp_path / "live", certificate=certificates.rsa.certificate,
                  key=certificates.rsa.key)
    assert gets(proxy, "a.test", pair_of(certificates, "a.test"))
    for asked in ("unknown.test", None, "mail.example.test"):
        assert gets(proxy, asked, certificates.rsa)


def test_strict_sni_knows_the_names_of_a_directory(front, certificates, tmp_path):
    traefik(tmp_path / "live", "a.test", pair_of(certificates, "a.test"), certificates.authority)
    proxy = front(tmp_path / "live", listener={"strict_sni": "yes"})
    assert gets(proxy, "a.test", pair_of(certificates, "a.test"))
    with pytest.raises(ssl.SSLError, match="(?i)unrecognized.name"):
        seen(proxy, "b.test")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_of_two_kinds_of_keys_the_client_chooses(front, certificates, tmp_path, version):
    kinds = {kind: pair_of(certificates, "a.test", kind) for kind in ("rsa", "ecdsa")}
    for kind, pair in kinds.items():
        put(tmp_path / "live" / f"{kind}.crt", pair.certificate)
        put(tmp_path / "live" / f"{kind}.key", pair.key)
    proxy = front(tmp_path / "live")

    def shown(signatures):
        option = "-tls1_2" if version == ssl.TLSVersion.TLSv1_2 else "-tls1_3"
        text = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{proxy.ports['imaps']}", option,
             "-servername", "a.test", "-sigalgs", signatures], input="", text=True,
            capture_output=True).stdout
        return ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN"):text.index("-----END")] +
                                        "-----END CERTIFICATE-----\n")

    assert shown("RSA-PSS+SHA256:RSA+SHA256") == der(kinds["rsa"])
    assert shown("ECDSA+SHA256") == der(kinds["ecdsa"])


@pytest.mark.conformance("C88")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a15_a_session_of_one_certificate_is_none_of_another(front, certificates, tmp_path, version):
    for name in ("a.test", "b.test"):
        traefik(tmp_path / "live", name, pair_of(certificates, name), certificates.authority)
    proxy = front(tmp_path / "live")
    context = default_context()
    context.minimum_version = context.maximum_version = version

    def session(name, before=None):
        with reach_tls(proxy.ports["imaps"], "imaps", context, server_name=name,
                       session=before) as client:
            assert is_served(client, "imaps")
            return client.tls.session_reused, client.tls.session

    first = session("a.test")[1]
    assert session("a.test", first)[0] and not session("b.test", first)[0]
    # A renewal does not end it.
    traefik(tmp_path / "live", "a.test", pair_of(certificates, "a.test", turn=1),
            certificates.authority)
    proxy.wait_for_event("certificates-changed")
    assert session("a.test", first)[0]


# Changes

def test_a_directory_that_is_new_is_heard_of(front, certificates, tmp_path):
    certbot(tmp_path / "live", "a.test", pair_of(certificates, "a.test"), certificates.authority)
    proxy = front(tmp_path / "live")
    for count, name in enumerate(("b.test", "c.test"), 1):
        acme_sh(tmp_path / "live" / "deep" / "er", name, pair_of(certificates, name),
                certificates.authority)
        until(lambda: gets(proxy, name, pair_of(certificates, name)))
        assert proxy.wait_for_event("certificates-changed", count)


def relink(link, target):
    draft = link.with_name("draft")
    draft.symlink_to(target)
    draft.replace(link)


@pytest.mark.parametrize("way", ["link", "link behind a link", "link above", "directory above"])
def test_the_way_to_the_directory_may_lead_elsewhere(front, certificates, tmp_path, way):
    """A whole new tree is laid beside the one in use, and the two are swapped."""
    old, new = (pair_of(certificates, "a.test", turn=turn) for turn in (0, 1))
    for place, pair in (("1", old), ("2", new)):
        traefik(tmp_path / place / "live", "a.test", pair, certificates.authority)
    if way == "directory above":
        (tmp_path / "1").rename(tmp_path / "now")
    elif way == "link":
        relink(tmp_path / "now", "1/live")
    else:
        relink(tmp_path / "now", "1")
    if way == "link behind a link":
        relink(tmp_path / "live", "now/live")
    proxy = front({"link": tmp_path / "now", "link behind a link": tmp_path / "live"}.get(
        way, tmp_path / "now/live"))
    assert gets(proxy, "a.test", old)
    # The first reading after the start would hide that nothing is heard.
    traefik(tmp_path / "now" if way == "link" else tmp_path / "now/live", "b.test",
            pair_of(certificates, "b.test"), certificates.authority)
    proxy.wait_for_event("certificates-changed")
    if way == "directory above":
        (tmp_path / "now").rename(tmp_path / "1")
        (tmp_path / "2").rename(tmp_path / "now")
    else:
        relink(tmp_path / "now", "2/live" if way == "link" else "2")
    until(lambda: gets(proxy, "a.test", new))


def test_one_that_is_removed_is_served_no_more(front, certificates, tmp_path):
    live = tmp_path / "live"
    for name in ("a.test", "b.test"):
        haproxy(live, name, pair_of(certificates, name), certificates.authority)
    proxy = front(live)
    assert gets(proxy, "b.test", pair_of(certificates, "b.test"))
    (live / "b.test.pem").unlink()
    until(lambda: gets(proxy, "b.test", pair_of(certificates, "a.test")))
    (live / "a.test.pem").unlink()
    problem = proxy.wait_for_event("certificate-problem").fields
    assert "no certificate with its private key is left" in problem["why"]
    assert gets(proxy, "a.test", pair_of(certificates, "a.test"))


def test_a_directory_that_is_gone_is_named(front, certificates, tmp_path):
    live = tmp_path / "live"
    haproxy(live, "a.test", pair_of(certificates, "a.test"), certificates.authority)
    proxy = front(live)
    live.rename(tmp_path / "away")
    why = f"{live}: it cannot be read: No such file or directory"
    until(lambda: why in [line.fields["why"] for line in proxy.events("certificate-problem")])
    assert gets(proxy, "a.test", pair_of(certificates, "a.test"))


DAMAGES = {
    "half written": (lambda live, new: (live / "a.test.crt").write_bytes(
        new.certificate.read_bytes()[:300]), "not written to its end"),
    "empty": (lambda live, new: put(live / "a.test.crt", b""), "neither a certificate nor"),
    "without its key": (lambda live, new: put(live / "a.test.crt", new.certificate),
                        "no private key in its directory belongs to it"),
    "key alone is new": (lambda live, new: put(live / "a.test.key", new.key),
                         "no private key in its directory belongs to it"),
    "half a key": (lambda live, new: (live / "a.test.key").write_bytes(new.key.read_bytes()[:60]),
                   "a.test.key: it is damaged"),
    "key is gone": (lambda live, new: (live / "a.test.key").unlink(),
                    "no private key in its directory belongs to it"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_what_is_wrong_is_named_and_the_old_one_stays(front, certificates, tmp_path, kind):
    live = tmp_path / "live"
    old, new = (pair_of(certificates, "a.test", turn=turn) for turn in (0, 1))
    for name in ("a.test", "b.test"):
        traefik(live, name, pair_of(certificates, name), certificates.authority)
    proxy = front(live)
    damage, words = DAMAGES[kind]
    damage(live, new)
    until(lambda: any(words in line.fields["why"] for line in proxy.events("certificate-problem")))
    assert any(str(live / "a.test") in line.fields["why"]
               for line in proxy.events("certificate-problem"))
    assert gets(proxy, "a.test", old)
    # What has been said is not said again, and a reload keeps it, too.
    traefik(live, "c.test", pair_of(certificates, "c.test"), certificates.authority)
    proxy.wait_for_event("certificates-changed")
    said = [line.fields["why"] for line in proxy.events("certificate-problem")]
    assert len(said) == len(set(said))
    assert proxy.reload().event == "reloaded"
    assert gets(proxy, "a.test", old)
    traefik(live, "a.test", new, certificates.authority)
    until(lambda: gets(proxy, "a.test", new))


def test_what_is_too_weak_for_the_policy_is_named_and_the_old_one_stays(
        front, certificates, tmp_path):
    live = tmp_path / "live"
    weak = certificates.other("weak", names="DNS:a.test,DNS:weak.test",
                              options=("-newkey", "rsa:1024"))
    haproxy(live, "a.test", pair_of(certificates, "a.test", "rsa"), certificates.authority)
    haproxy(live, "weak.test", weak, certificates.authority)
    proxy = front(live)
    assert "live/weak.test.pem: it, or one of its chain, is too weak" in proxy.log()
    haproxy(live, "a.test", weak, certificates.authority)
    until(lambda: any("live/a.test.pem: it, or one of its chain, is too weak" in line.fields["why"]
                      for line in proxy.events("certificate-problem")))
    for name in ("a.test", "weak.test"):
        assert gets(proxy, name, pair_of(certificates, "a.test", "rsa"))


# Files of another account

@as_root
@pytest.mark.conformance("C139")
def test_a_link_of_the_account_leads_to_no_file_of_root(front, certificates, tmp_path):
    """The account may write in the directory; root's files beside it stay root's."""
    live, secret = tmp_path / "live", tmp_path / "secret"
    traefik(live, "a.test", pair_of(certificates, "a.test"), certificates.authority)
    bundle(secret, "b.test", pair_of(certificates, "b.test"), certificates.authority)
    shutil.chown(live, "nobody")
    for name, target in (("file.pem", secret / "b.test.pem"), ("directory", secret)):
        (live / name).symlink_to(target)
        os.lchown(live / name, shutil._get_uid("nobody"), -1)
    proxy = front(live)
    assert gets(proxy, "a.test", pair_of(certificates, "a.test"))
    assert gets(proxy, "b.test", pair_of(certificates, "a.test"))
    os.lchown(live / "file.pem", 0, 0)
    (live / "other.txt").write_text("")
    until(lambda: gets(proxy, "b.test", pair_of(certificates, "b.test")))


# --check

def check(proxy):
    return subprocess.run([binary(), "--check", "-c", proxy.ini], capture_output=True, text=True)


def test_check_judges_the_directory(new_proxy, new_backend, certificates, tmp_path):
    live = tmp_path / "live"
    proxy = new_proxy(with_certificate=False)
    proxy.section("tls", certificate_directory=live)
    add_listeners(proxy, new_backend)
    proxy.write()
    assert "certificate_directory" in check(proxy).stdout + check(proxy).stderr
    live.mkdir()
    done = check(proxy)
    assert done.returncode == 1
    assert "no certificate with its private key is in it" in done.stdout + done.stderr
    traefik(live, "a.test", pair_of(certificates, "a.test"), certificates.authority)
    traefik(live, "old.test", pair_of(certificates, "old.test", "old", expired=True),
            certificates.authority)
    put(live / "alone.crt", pair_of(certificates, "alone.test").certificate)
    put(live / "broken.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n")
    done = check(proxy)
    words = done.stdout + done.stderr
    assert done.returncode == 0, words
    assert f"{live}/old.test.crt: has expired" in words
    assert f"{live}/alone.crt: no private key in its directory belongs to it" in words
    assert f"{live}/broken.pem: it is damaged" in words
    assert "a.test.crt" not in words.replace("old.test.crt", "")


def test_check_names_the_line_of_each_directory(new_proxy, new_backend, certificates, tmp_path):
    one, two = tmp_path / "one", tmp_path / "two"
    proxy = new_proxy(with_certificate=False)
    proxy.section("tls", certificate_directory=[one, two])
    add_listeners(proxy, new_backend)
    proxy.write()
    for live in (one, two):
        traefik(live, "a.test", pair_of(certificates, "a.test"), certificates.authority)
        put(live / "broken.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n")
    lines = proxy.ini.read_text().splitlines()
    words = check(proxy).stderr
    for live in (one, two):
        at = lines.index(f"certificate_directory = {live}") + 1
        assert f":{at}: [tls] certificate_directory = {live}: {live}/broken.pem: it is damaged" in words


def test_check_warns_of_keys_that_all_users_can_read(new_proxy, new_backend, certificates, tmp_path):
    live = tmp_path / "live"
    proxy = new_proxy(with_certificate=False)
    proxy.section("tls", certificate_directory=live)
    add_listeners(proxy, new_backend)
    proxy.write()
    for name in ("a.test", "b.test"):
        traefik(live, name, pair_of(certificates, name), certificates.authority)
    assert "everybody; chmod" not in check(proxy).stderr
    (live / "b.test.key").chmod(0o644)
    assert f"{live}/b.test.key: its key can be read by everybody; chmod o= {live}/b.test.key" in \
        check(proxy).stderr
    (live / "a.test.key").chmod(0o604)
    words = check(proxy).stderr
    assert f"{live}/a.test.key: its key can be read by everybody, as can 1 more; chmod o= these" in words
    assert words.count("chmod o=") == 1


def test_check_names_a_certificate_of_its_own_making_whose_key_is_another(
        new_proxy, new_backend, tmp_path):
    """`openssl req -x509` makes one that may sign others, as the certificates of a chain may."""
    live = tmp_path / "live"
    proxy = new_proxy(with_certificate=False)
    proxy.section("tls", certificate_directory=live)
    add_listeners(proxy, new_backend)
    proxy.write()
    for name in ("a.test", "b.test"):
        at = live / name
        at.mkdir(parents=True)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", at / "tls.key", "-out",
                        at / "tls.crt", "-subj", f"/CN={name}", "-addext",
                        f"subjectAltName=DNS:{name}"], check=True, capture_output=True)
    assert "no private key" not in check(proxy).stderr
    shutil.copy(live / "b.test/tls.key", live / "a.test/tls.key")
    done = check(proxy)
    assert done.returncode == 0
    assert f"{live}/a.test/tls.crt: no private key in its directory belongs to it" in done.stderr


def test_check_says_which_names_a_directory_has(new_proxy, new_backend, certificates, tmp_path):
    live = tmp_path / "live"
    proxy = new_proxy(with_certificate=False)
    proxy.section("tls", certificate_directory=live)
    add_listeners(proxy, new_backend)
    proxy.write()
    for name in ("a.test", "b.test"):
        traefik(live, name, pair_of(certificates, name), certificates.authority)
    words = check(proxy).stderr
    assert f"[tls] certificate_directory = {live}: no certificate is for mail.example.test" in words
    assert "(the certificate here is for a.test, b.test)" in words
    traefik(live, "mail.example.test", pair_of(certificates, "mail.example.test"),
            certificates.authority)
    assert "no certificate is for" not in check(proxy).stderr


# Many

def test_many_names(front, tmp_path):
    """tests/many-names measures it with ten thousand."""
    tool = binary().parent / "tests/harness/many_names"
    subprocess.run([tool, "make", tmp_path / "live", "400"], check=True)
    proxy = front(tmp_path / "live")
    for number in (0, 1, 255, 256, 300, 399):
        name = f"n{number}.example.test"
        pem = (tmp_path / "live" / name / "fullchain.pem").read_text()
        leaf = pem[:pem.index("-----END CERTIFICATE-----")] + "-----END CERTIFICATE-----\n"
        assert seen(proxy, name) == ssl.PEM_cert_to_DER_cert(leaf), name
    assert not proxy.events("certificate-problem")
