"""A listener for each standard port and protocol, by name, in front of one small server for each
protocol.
"""

import ssl
from typing import Callable, Optional

from .backend import Backend
from .client import Client
from .proxy import Proxy
from .servers import server

LISTENERS = {
    "smtp": ("smtp", "starttls"), "submission": ("submission", "starttls"),
    "smtps": ("submission", "implicit"), "imap": ("imap", "starttls"),
    "imaps": ("imap", "implicit"), "pop3": ("pop3", "starttls"), "pop3s": ("pop3", "implicit"),
    "lmtp": ("lmtp", "starttls"), "managesieve": ("managesieve", "starttls"),
}
WORDS = {"smtp": "smtp", "submission": "smtp", "imap": "imap", "pop3": "pop3", "lmtp": "lmtp",
         "managesieve": "managesieve"}
UPGRADE = {"smtp": b"STARTTLS\r\n", "imap": b"t STARTTLS\r\n", "pop3": b"STLS\r\n",
           "lmtp": b"STARTTLS\r\n", "managesieve": b"STARTTLS\r\n"}
NOOP = {"smtp": b"NOOP\r\n", "imap": b"n NOOP\r\n", "pop3": b"NOOP\r\n", "lmtp": b"NOOP\r\n",
        "managesieve": b"NOOP\r\n"}
GREETINGS = (b"220 ", b"* OK ", b"+OK")
GO_AHEAD = (b"220 ", b"t OK ", b"+OK", b"OK ")


def add_listeners(proxy: Proxy, new_backend: Callable[..., Backend],
                  **settings: object) -> dict[str, Backend]:
    """Adds all listeners to the proxy. Returns the backends by protocol."""
    backends = {name: new_backend(server(WORDS[name])) for name in WORDS}
    for name, backend in backends.items():
        proxy.backend(name, backend.port)
    for name, (protocol, tls) in LISTENERS.items():
        proxy.listener(name, protocol, tls, protocol, **settings)
    return backends


def words_of(name: str) -> str:
    """The protocol of a listener, as it is on the wire."""
    return WORDS[LISTENERS[name][0]]


def reach_tls(port: int, name: str, context: Optional[ssl.SSLContext] = None,
              **options: object) -> Client:
    """Returns a client that has TLS and has read the greeting."""
    client = Client(port)
    protocol, tls = words_of(name), LISTENERS[name][1]
    if tls == "starttls":
        client.read_greeting(protocol)
        client.send(UPGRADE[protocol])
        assert client.read_line().startswith(GO_AHEAD)
    client.begin_tls(context, **options)  # type: ignore[arg-type]
    if tls == "implicit":
        assert client.read_line().startswith(GREETINGS)
    elif protocol == "managesieve":  # its capabilities come again
        client.read_sieve()
    return client


def is_served(client: Client, name: str) -> bool:
    client.send(NOOP[words_of(name)])
    return b"noop" in client.read_line()
