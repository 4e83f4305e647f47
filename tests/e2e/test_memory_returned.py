"""What a burst of sessions took goes back to the system. The C library does that, so the program runs
without a sanitizer, which has an allocator of its own.
"""

import pytest
from mailmux_e2e import until
from mailmux_e2e.listeners import reach_tls
from mailmux_e2e.memory import resident
from mailmux_e2e.proxy import binary
from mailmux_e2e.servers import server

UNSANITIZED = binary().parent / "tests/e2e/mailmux_unsanitized"
SESSIONS = 320  # more than the 256 that are worth it


def test_after_a_burst(proxy, new_backend, monkeypatch):
    if UNSANITIZED.exists():
        monkeypatch.setattr("mailmux_e2e.proxy.BINARY", UNSANITIZED)
    proxy.backend("server", new_backend(server("imap")).port)
    proxy.listener("imap", "imap", "implicit", "server")
    proxy.start()
    with reach_tls(proxy.ports["imap"], "imaps"):
        pass  # what the first session of a process takes stays
    before = resident(proxy)
    clients = [reach_tls(proxy.ports["imap"], "imaps") for _ in range(SESSIONS)]
    taken = resident(proxy) - before
    assert taken > SESSIONS * 8192
    for client in clients:
        client.close()
    until(lambda: resident(proxy) - before < taken / 4)
