"""A certificate authority, an RSA and an ECDSA certificate for mail.example.test, and further
certificates, such as those that a careful client refuses.
"""

import hashlib
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence

NAME = "mail.example.test"
_NAMES = f"DNS:{NAME},DNS:localhost,IP:127.0.0.1,IP:::1"
_ECDSA = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")


@dataclass(frozen=True)
class Pair:
    certificate: Path
    key: Path

    def pin(self) -> str:
        """The SHA-256 of the public key, as a `pin` in proxy.ini."""
        public = subprocess.run(
            ["openssl", "x509", "-in", str(self.certificate), "-pubkey", "-noout"],
            check=True, capture_output=True).stdout
        der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=public,
                             check=True, capture_output=True).stdout
        return "sha256:" + hashlib.sha256(der).hexdigest()


@dataclass(frozen=True)
class Certificates:
    authority: Path
    rsa: Pair
    ecdsa: Pair
    directory: Path

    def other(self, kind: str, *, names: str = _NAMES, issuer: str = "ca", expired: bool = False,
              client: bool = False, options: Sequence[str] = _ECDSA, extra: str = "") -> Pair:
        """A further certificate, made at the first call for its kind. issuer: "ca", "self" for a
        self-signed one, or "foreign" for another authority. options: of openssl req. extra: lines
        of further extensions.
        """
        pair = Pair(self.directory / f"{kind}.pem", self.directory / f"{kind}.key")
        if pair.certificate.exists():
            return pair
        if issuer == "foreign":
            _authority(self.directory, "foreign")
        extensions = f"subjectAltName={names}\n"
        if client:
            extensions += "extendedKeyUsage=clientAuth\n"
        return _leaf(self.directory, issuer, kind, *options, extensions=extensions + extra,
                     expired=expired)

    def with_lifetime(self, kind: str, begin: float, end: float) -> Pair:
        """A self-signed certificate that is valid between these times, in seconds since 1970."""
        pair = _leaf(self.directory, "self", kind, *_ECDSA)
        (self.directory / "index").write_text("")
        config = self.directory / "ca.cnf"
        config.write_text(f"[ca]\ndefault_ca=x\n[x]\ndatabase={self.directory}/index\n"
                          f"new_certs_dir={self.directory}\ndefault_md=sha256\npolicy=p\nrand_serial=yes\n"
                          "[p]\ncommonName=supplied\n")
        _openssl("ca", "-config", str(config), "-batch", "-notext", "-selfsign",
                 "-keyfile", str(pair.key), "-in", str(self.directory / f"{kind}.csr"),
                 "-out", str(pair.certificate), "-extfile", str(self.directory / f"{kind}.extensions"),
                 *(word for name, at in (("-startdate", begin), ("-enddate", end))
                   for word in (name, time.strftime("%Y%m%d%H%M%SZ", time.gmtime(at)))))
        return pair


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _leaf(directory: Path, issuer: str, kind: str, *options: str,
          extensions: str = f"subjectAltName={_NAMES}\n", expired: bool = False) -> Pair:
    pair = Pair(directory / f"{kind}.pem", directory / f"{kind}.key")
    request = directory / f"{kind}.csr"
    file = directory / f"{kind}.extensions"
    file.write_text(extensions)
    _openssl("req", "-new", "-nodes", *options, "-subj", f"/CN={NAME}",
             "-keyout", str(pair.key), "-out", str(request))
    signer = ["-signkey", str(pair.key)] if issuer == "self" else [
        "-CA", str(directory / f"{issuer}.pem"), "-CAkey", str(directory / f"{issuer}.key"),
        "-CAcreateserial"]
    _openssl("x509", "-req", "-in", str(request), "-days", "-1" if expired else "2",
             "-out", str(pair.certificate), *signer, "-extfile", str(file))
    return pair


def _authority(directory: Path, name: str) -> Path:
    certificate = directory / f"{name}.pem"
    if not certificate.exists():
        _openssl("req", "-x509", "-nodes", "-newkey", "rsa:2048", "-days", "2",
                 "-subj", f"/CN=mailmux test authority {name}",
                 "-keyout", str(directory / f"{name}.key"), "-out", str(certificate))
    return certificate


def make(directory: Path) -> Certificates:
    return Certificates(
        authority=_authority(directory, "ca"),
        rsa=_leaf(directory, "ca", "rsa", "-newkey", "rsa:2048"),
        ecdsa=_leaf(directory, "ca", "ecdsa", *_ECDSA),
        directory=directory)


def make_chain(directory: Path, issuers: int) -> list[Pair]:
    """A certificate of mail.example.test and its issuers, of which the root is the last one."""
    chain = [Pair(directory / "root.pem", directory / "root.key")]
    _openssl("req", "-x509", "-nodes", "-newkey", "rsa:2048", "-days", "2", "-subj", "/CN=a root",
             "-keyout", str(chain[0].key), "-out", str(chain[0].certificate))
    for number in range(issuers - 1, -1, -1):
        name = f"issuer{number}" if number else "leaf"
        issuer, pair = chain[0], Pair(directory / f"{name}.pem", directory / f"{name}.key")
        request, extensions = directory / f"{name}.csr", directory / f"{name}.extensions"
        extensions.write_text("basicConstraints=CA:TRUE\n" if number else f"subjectAltName={_NAMES}\n")
        _openssl("req", "-new", "-nodes", "-newkey", "rsa:2048", "-subj", f"/CN={name}",
                 "-keyout", str(pair.key), "-out", str(request))
        _openssl("x509", "-req", "-in", str(request), "-days", "2", "-CAcreateserial",
                 "-CA", str(issuer.certificate), "-CAkey", str(issuer.key),
                 "-extfile", str(extensions), "-out", str(pair.certificate))
        chain.insert(0, pair)
    return chain
