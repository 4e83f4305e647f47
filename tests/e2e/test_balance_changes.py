"""Everything changes at once: the configuration, the DNS and the servers, while clients come to
several workers. Worth most under ThreadSanitizer.
"""

import signal

import pytest
from mailmux_e2e.crowd import Crowd
from mailmux_e2e.dns import Dns
from mailmux_e2e.servers import imap
from mailmux_e2e.steps import close, reset, send, wait_for_end

NAME = "mail.example.test"
AT_ONCE = 10
METHODS = ["round-robin", "least-sessions", "address-hash"]
STATES = ["", "maintenance", "", "drain", "backup", "slow_start=1m"]


@pytest.fixture
def dns():
    with Dns() as server:
        yield server


def greeting(word):
    return f"* OK {word}\r\n".encode()


def look_in(client, greeted):
    words = client.read_line().split()
    assert words[1] == b"OK", words
    greeted(words[2].decode())
    assert b"n OK" in client.imap(b"n NOOP")
    assert b"o OK" in client.imap(b"o LOGOUT")


@pytest.fixture
def twins(new_backend):
    """Two servers on one port of two addresses."""
    while True:
        first = new_backend(imap(greeting("twin")), address="127.0.0.2")
        try:
            return first, new_backend(imap(greeting("twin")), address="127.0.0.3", port=first.port)
        except OSError:
            continue


class Configurations:
    """All have the server that never fails, and is full now and then, so that sessions wait."""

    def __init__(self, proxy, dns, steady, moody, twins):
        self._proxy, self._dns = proxy, dns
        self._steady = f"steady 127.0.0.1:{steady.port}"
        self._moody = f"moody 127.0.0.1:{moody.port}"
        self._twins = f"twins {NAME}:{twins[0].port}"

    def write(self, n):
        servers = [f"{self._steady} max_sessions={3 + n % 2}",
                   f"{self._moody} weight={1 + n % 3} {STATES[n % 6]}",
                   f"{self._twins} max_sessions=2 {STATES[(n + n // 6) % 6]}",
                   f"gone 127.0.0.1:1 weight={1 + n % 5}"]
        turn = n % len(servers)
        self._dns.set(NAME, *["127.0.0.2", "127.0.0.3", "127.0.0.4"][n % 3:])
        self._proxy.section("backend servers", server=servers[turn:] + servers[:turn],
                            balance=METHODS[n % 3], retries=100, fall=1 + n % 2,
                            queue_timeout="10m")

    def write_last(self):
        self._proxy.section("backend servers", server=f"{self._steady} max_sessions=1",
                            queue_size=0)


@pytest.fixture
def configurations(proxy, dns, new_backend, twins):
    steady = new_backend(imap(greeting("steady")))
    good = imap(greeting("moody"))
    moody = new_backend(*[good, [close()], [reset()], good,
                          [send(b"* BYE busy\r\n"), wait_for_end()]] * 400)
    proxy.section("proxy", workers=4, hostname="mail.example.test", resolver=dns.resolver,
                  resolve_interval="1s", state_directory=proxy.directory / "state")
    proxy.section("timeouts", connect="10s", greeting="30s", connect_deadline="10m", drain="5s")
    proxy.listener("test", "imap", "none", "servers")
    return Configurations(proxy, dns, steady, moody, twins)


def test_nobody_notices(proxy, configurations):
    configurations.write(0)
    proxy.start()
    crowd = Crowd(proxy.ports["test"], look_in)
    with crowd.coming(AT_ONCE):
        for n in range(1, 37):
            configurations.write(n)
            assert proxy.reload().event == "reloaded"
            proxy.send_signal(signal.SIGUSR1)
            crowd.wait_for(AT_ONCE)
    assert crowd.failures() == []
    assert {visit.server for visit in crowd.visits} == {"steady", "moody", "twin"}
    # Every place was given back: with a single one, and nobody who may wait, it is there each time.
    proxy.wait_for_event("session", len(crowd.visits))
    configurations.write_last()
    assert proxy.reload().event == "reloaded"
    for _ in range(5):
        assert crowd.visit().failure == ""
        proxy.wait_for_event("session", len(crowd.visits))
