"""Which addresses are bound: C145, and `freebind`."""

import os
import signal
import socket
import subprocess

import pytest
from mailmux_e2e import CEILING, until
from mailmux_e2e.namespace import in_own_networks
from mailmux_e2e.proxy import binary
from mailmux_e2e.servers import server

V4, V6 = "192.0.2.77", "2001:db8::77"  # addresses that no machine of a test has
MISSING = [f"{V4}:1143", f"[{V6}]:1143"]


@pytest.fixture
def front(proxy, new_backend):
    proxy.backend("server", new_backend(server("imap")).port)
    return proxy


def listen(proxy, *binds, **settings):
    proxy.section("listener imap", bind=list(binds), protocol="imap", tls="starttls",
                  backend="server", **settings)


def run_to_end(proxy):
    proxy.write()
    return subprocess.run([str(binary()), "-c", str(proxy.ini)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=CEILING)


@pytest.mark.conformance("C145")
@pytest.mark.parametrize("bind", MISSING, ids=["IPv4", "IPv6"])
def test_an_address_that_is_not_there_fails(front, bind):
    listen(front, bind)
    done = run_to_end(front)
    assert done.returncode == 1, done.stderr
    assert "bind-failed" in done.stderr and "Cannot assign requested address" in done.stderr
    assert "freebind" in done.stderr  # the remedy
    assert " ready" not in done.stderr and "no-ipv6" not in done.stderr


@pytest.mark.conformance("C145")
@pytest.mark.parametrize("bind", MISSING, ids=["IPv4", "IPv6"])
def test_an_address_that_is_not_there_fails_beside_one_that_is(front, bind):
    front.listener("other", "imap", "starttls", "server")
    listen(front, bind)
    done = run_to_end(front)
    assert done.returncode == 1 and " ready" not in done.stderr, done.stderr


@pytest.mark.parametrize("bind", MISSING, ids=["IPv4", "IPv6"])
def test_freebind_binds_it_all_the_same(front, bind):
    listen(front, bind, freebind="yes")
    front.start()
    tables = "".join(open(f"/proc/net/{name}").read() for name in ("tcp", "tcp6"))
    assert f":{1143:04X} " in tables


def test_freebind_serves_an_address_that_comes_later(front):
    def body(networks):
        listen(front, f"{V4}:1143", freebind="yes")
        front.start()
        subprocess.run(["ip", "address", "add", f"{V4}/32", "dev", "lo"], check=True)
        with socket.create_connection((V4, 1143), CEILING) as client:
            assert client.recv(2) == b"* "  # its backend is in the other network, so it is a BYE
        front.stop()
    if os.geteuid() != 0:
        pytest.skip("namespaces need root")
    in_own_networks(body, ["10.0.0.2"])


def test_a_reload_that_cannot_bind_keeps_what_serves(front):
    front.listener("imap", "imap", "starttls", "server")
    front.start()
    listen(front, MISSING[1])
    assert front.reload().event == "reload-failed"
    listen(front, MISSING[1], freebind="yes")
    assert front.reload().event == "reloaded"
