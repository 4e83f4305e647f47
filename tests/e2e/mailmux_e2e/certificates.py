"""A certificate authority, and an RSA and an ECDSA certificate for mail.example.test."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

NAME = "mail.example.test"
_EXTENSIONS = f"subjectAltName=DNS:{NAME},DNS:localhost,IP:127.0.0.1,IP:::1\n"


@dataclass(frozen=True)
class Pair:
    certificate: Path
    key: Path


@dataclass(frozen=True)
class Certificates:
    authority: Path
    rsa: Pair
    ecdsa: Pair


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def _leaf(directory: Path, authority: Pair, kind: str, *options: str) -> Pair:
    pair = Pair(directory / f"{kind}.pem", directory / f"{kind}.key")
    request = directory / f"{kind}.csr"
    extensions = directory / "extensions"
    extensions.write_text(_EXTENSIONS)
    _openssl("req", "-new", "-nodes", *options, "-subj", f"/CN={NAME}",
             "-keyout", str(pair.key), "-out", str(request))
    _openssl("x509", "-req", "-in", str(request), "-days", "2", "-out", str(pair.certificate),
             "-CA", str(authority.certificate), "-CAkey", str(authority.key), "-CAcreateserial",
             "-extfile", str(extensions))
    return pair


def make(directory: Path) -> Certificates:
    authority = Pair(directory / "ca.pem", directory / "ca.key")
    _openssl("req", "-x509", "-nodes", "-newkey", "rsa:2048", "-days", "2",
             "-subj", "/CN=mailmux test authority",
             "-keyout", str(authority.key), "-out", str(authority.certificate))
    return Certificates(
        authority=authority.certificate,
        rsa=_leaf(directory, authority, "rsa", "-newkey", "rsa:2048"),
        ecdsa=_leaf(directory, authority, "ecdsa",
                    "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"))


def make_chain(directory: Path, issuers: int) -> list[Pair]:
    """The certificate of mail.example.test and those that it hangs on, the root last."""
    chain = [Pair(directory / "root.pem", directory / "root.key")]
    _openssl("req", "-x509", "-nodes", "-newkey", "rsa:2048", "-days", "2", "-subj", "/CN=a root",
             "-keyout", str(chain[0].key), "-out", str(chain[0].certificate))
    for number in range(issuers - 1, -1, -1):
        name = f"issuer{number}" if number else "leaf"
        issuer, pair = chain[0], Pair(directory / f"{name}.pem", directory / f"{name}.key")
        request, extensions = directory / f"{name}.csr", directory / f"{name}.extensions"
        extensions.write_text("basicConstraints=CA:TRUE\n" if number else _EXTENSIONS)
        _openssl("req", "-new", "-nodes", "-newkey", "rsa:2048", "-subj", f"/CN={name}",
                 "-keyout", str(pair.key), "-out", str(request))
        _openssl("x509", "-req", "-in", str(request), "-days", "2", "-CAcreateserial",
                 "-CA", str(issuer.certificate), "-CAkey", str(issuer.key),
                 "-extfile", str(extensions), "-out", str(pair.certificate))
        chain.insert(0, pair)
    return chain
