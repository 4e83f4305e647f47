"""A backend with more servers than one would look at: each of them gets its sessions."""

import pytest
from mailmux_e2e.steps import wait_for_end

SERVERS = 300


def greet_with_address(connection):
    """The server listens on all addresses of the loopback, and says on which it was met."""
    connection.send(b"220 %s ESMTP\r\n" % connection.met_at().encode())


@pytest.mark.parametrize("balance", ["round-robin", "least-sessions"])
def test_each_of_many_servers_has_its_turn(proxy, new_backend, new_client, balance):
    port = new_backend([greet_with_address, wait_for_end()], address="0.0.0.0").port
    addresses = [f"127.0.{n // 250 + 1}.{n % 250 + 1}" for n in range(SERVERS)]
    proxy.section("proxy", workers=1, hostname="mail.example.test")
    proxy.section("backend many", balance=balance,
                  server=[f"s{n} {address}:{port}" for n, address in enumerate(addresses)])
    proxy.listener("test", "smtp", "starttls", "many")
    proxy.start()
    met = []
    for _ in addresses:
        client = new_client(proxy.ports["test"])
        met.append(client.read_line().split()[1].decode())
        client.close()
    assert sorted(met) == sorted(addresses)
