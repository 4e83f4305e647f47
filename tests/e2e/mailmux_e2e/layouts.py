"""Directories of certificates, as those that renew them lay them, and what a client gets of them."""

import ssl

from .accounts import use_account
from .listeners import add_listeners, is_served, reach_tls

RSA = ("-newkey", "rsa:2048")


def pair_of(certificates, name, kind="ecdsa", turn=0, **more):
    """A certificate for the name, of which the file's name says nothing."""
    file = f"{kind}{turn}-{name.replace('*', 'any')}"
    options = {"options": RSA} if kind == "rsa" else {}
    return certificates.other(file, names=f"DNS:{name}", **options, **more)


def put(path, *sources):
    """Writes a file in one step, as those do that renew."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.parent / (".new-" + path.name)
    draft.write_bytes(b"".join(source if isinstance(source, bytes) else source.read_bytes()
                               for source in sources))
    draft.chmod(0o600)
    draft.replace(path)


def certbot(live, name, pair, ca):
    archive = live.parent / "archive" / name
    number = len(list(archive.glob("privkey*"))) + 1
    put(archive / f"privkey{number}.pem", pair.key)
    put(archive / f"cert{number}.pem", pair.certificate)
    put(archive / f"chain{number}.pem", ca)
    put(archive / f"fullchain{number}.pem", pair.certificate, ca)
    (live / name).mkdir(parents=True, exist_ok=True)
    (live / "README").write_text("This directory contains your keys\n")
    for what in ("cert", "chain", "fullchain", "privkey"):
        link = live / name / f"{what}.pem"
        link.unlink(missing_ok=True)
        link.symlink_to(f"../../archive/{name}/{what}{number}.pem")


def acme_sh(live, name, pair, ca):
    at = live / (name + "_ecc")
    put(at / f"{name}.key", pair.key)
    put(at / f"{name}.cer", pair.certificate)
    put(at / "ca.cer", ca)
    put(at / "fullchain.cer", pair.certificate, ca)
    put(at / f"{name}.conf", b"Le_Domain='x'\n")
    put(at / f"{name}.csr", b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n")


def dehydrated(live, name, pair, ca):
    at = live / name
    stamp = f"16000000{len(list(at.glob('privkey-*')))}"
    for what, sources in (("privkey", [pair.key]), ("cert", [pair.certificate]), ("chain", [ca]),
                          ("fullchain", [pair.certificate, ca])):
        put(at / f"{what}-{stamp}.pem", *sources)
        (at / "draft").symlink_to(f"{what}-{stamp}.pem")
        (at / "draft").replace(at / f"{what}.pem")


def traefik(live, name, pair, ca):
    put(live / f"{name}.key", pair.key)
    put(live / f"{name}.crt", pair.certificate, ca)


def kubernetes(live, name, pair, ca):
    at = live / name
    number = len(list(at.glob("..2*")))
    put(at / f"..2026_{number}/tls.key", pair.key)
    put(at / f"..2026_{number}/tls.crt", pair.certificate, ca)
    (at / "..data_tmp").symlink_to(f"..2026_{number}")
    (at / "..data_tmp").replace(at / "..data")
    for file in ("tls.crt", "tls.key"):
        if not (at / file).is_symlink():
            (at / file).symlink_to(f"..data/{file}")


def bundle(live, name, pair, ca):
    put(live / f"{name}.pem", pair.certificate, ca, pair.key)


def key_first(live, name, pair, ca):
    put(live / f"{name}.pem", pair.key, pair.certificate, ca)


def haproxy(live, name, pair, ca):
    put(live / f"{name}.pem.key", pair.key)
    put(live / f"{name}.pem", pair.certificate, ca)


def linked(live, name, pair, ca):
    """A directory and a file elsewhere, by links, which are written in their place."""
    other = live.parent / "elsewhere"
    put(other / f"{name}.key", pair.key)
    other.mkdir(exist_ok=True)
    (other / f"{name}.crt").write_bytes(pair.certificate.read_bytes() + ca.read_bytes())
    live.mkdir(exist_ok=True)
    for file in (f"{name}.crt", f"{name}.key"):
        if not (live / file).is_symlink():
            (live / file).symlink_to(f"../elsewhere/{file}")


LAYOUTS = [certbot, acme_sh, dehydrated, traefik, kubernetes, bundle, key_first, haproxy, linked]


def start(new_proxy, new_backend, live, listener=None, wait=True, **settings):
    """All listeners with this directory, under an account that cannot read it."""
    proxy = new_proxy(with_certificate=False)
    use_account(proxy)
    proxy.section("tls", certificate_directory=live, **settings)
    add_listeners(proxy, new_backend, **(listener or {}))
    proxy.start(wait=wait)
    return proxy


def seen(proxy, server_name, name="imaps", context=None):
    """The certificate that a client gets, once it is served."""
    with reach_tls(proxy.ports[name], name, context, server_name=server_name) as client:
        assert is_served(client, name)
        return client.tls.getpeercert(binary_form=True)


def der(pair):
    return ssl.PEM_cert_to_DER_cert(pair.certificate.read_text())


def gets(proxy, server_name, pair, **more):
    return seen(proxy, server_name, **more) == der(pair)
