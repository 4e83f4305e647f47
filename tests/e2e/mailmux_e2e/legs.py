"""Sessions for each kind of legs: both in clear, TLS to the client, TLS to the backend."""

from typing import Callable, Optional, Sequence

import pytest

from .backend import Backend, Step
from .certificates import Certificates
from .client import Client
from .proxy import Proxy
from .steps import expect, expect_line, send, start_tls

LEGS = ["in clear", "TLS to the client", "TLS to the backend"]
each_leg = pytest.mark.parametrize("leg", LEGS)

IMAP_LOGIN = [send(b"* OK ready\r\n"), expect(b"a LOGIN alice secret\r\n"), send(b"a OK in\r\n")]
SMTP_DATA = [send(b"220 old.example ESMTP\r\n"), expect_line(b"EHLO .*"),
             send(b"250-old.example\r\n250-CHUNKING\r\n250 PIPELINING\r\n"),
             expect_line(b"MAIL .*"), send(b"250 2.1.0 fine\r\n"),
             expect_line(b"RCPT .*"), send(b"250 2.1.5 fine\r\n"),
             expect_line(b"DATA"), send(b"354 go ahead\r\n")]


class Legs:
    def __init__(self, proxy: Proxy, new_backend: Callable[..., Backend],
                 new_client: Callable[..., Client], certificates: Certificates) -> None:
        self.proxy, self.new_backend, self.new_client = proxy, new_backend, new_client
        self.certificates = certificates

    def serve(self, leg: str, protocol: str, *scripts: Sequence[Step], max_sessions: int = 0,
              settings: Optional[dict[str, object]] = None, **listener: object) -> None:
        self.leg, self.protocol = leg, protocol
        to_backend = leg == "TLS to the backend"
        if to_backend:
            scripts = tuple([start_tls(self.certificates.rsa), *script] for script in scripts)
        self.backend = self.new_backend(*scripts)
        options = f" max_sessions={max_sessions}" if max_sessions else ""
        tls = {"tls": "implicit", "verify": "no"} if to_backend else {}
        self.proxy.section("backend server", **tls, **(settings or {}),
                           server=f"only 127.0.0.1:{self.backend.port}{options}")
        listener.setdefault("require_tls", "no")
        mode = "implicit" if leg == "TLS to the client" else "starttls"
        if mode == "implicit":
            del listener["require_tls"]
        self.proxy.listener("test", protocol, mode, "server", **listener)
        self.proxy.start()

    def connect(self) -> Client:
        client = self.new_client(self.proxy.ports["test"])
        if self.leg == "TLS to the client":
            client.begin_tls()
        return client

    def greeted(self) -> Client:
        client = self.connect()
        client.read_smtp() if self.protocol == "smtp" else client.read_line()
        return client

    def logged_in(self) -> Client:
        client = self.greeted()
        assert client.imap(b"a LOGIN alice secret") == b"a OK in\r\n"
        return client

    def in_data(self) -> Client:
        client = self.greeted()
        client.smtp(b"EHLO c.test")
        client.smtp(b"MAIL FROM:<a@b.test>")
        client.smtp(b"RCPT TO:<a@b.test>")
        assert client.smtp(b"DATA").startswith(b"354 ")
        return client

    def reason(self, count: int = 1) -> str:
        return self.proxy.wait_for_event("session", count).fields["reason"]
