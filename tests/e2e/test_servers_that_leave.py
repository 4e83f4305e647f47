"""What the log says of a backend that has no server left, and of a server that gets no new sessions
while old ones live on.
"""

import pytest
from mailmux_e2e.dns import Dns
from mailmux_e2e.servers import imap, server
from mailmux_e2e.steps import close, send


def serve(proxy, *servers, **settings):
    proxy.section("backend mail", server=servers, **settings)
    proxy.listener("test", "imap", "none", "mail")


def served(proxy, new_client):
    client = new_client(proxy.ports["test"])
    assert client.read_line().startswith(b"* OK")
    return client


def is_turned_away(proxy, new_client):
    with new_client(proxy.ports["test"]) as client:
        return client.read_to_end().startswith(b"* BYE")


# No server is left

@pytest.mark.quick
def test_the_last_server_that_is_lost_is_told_once_and_so_is_the_first_that_is_back(
        proxy, new_backend, new_client):
    script = [send(b"220 I am no IMAP server\r\n"), close()]
    a, b = (new_backend([lambda connection: [step(connection) for step in script]])
            for _ in range(2))
    serve(proxy, f"a 127.0.0.1:{a.port}", f"b 127.0.0.1:{b.port}", fall=1, rise=1)
    proxy.start()
    for _ in range(3):
        assert is_turned_away(proxy, new_client)
    line = proxy.wait_for_event("backend-down")
    assert line.level == "error"
    assert line.fields == {"backend": "mail", "why": "all servers are down",
                           "see": "mailmux --check --probe"}
    downs = [one for one in proxy.lines if one.event in ("server-down", "backend-down")]
    assert [one.event for one in downs] == ["server-down", "server-down", "backend-down"]
    script[:] = imap()
    served(proxy, new_client).close()
    up = proxy.wait_for_event("backend-up")
    assert up.level == "info" and up.fields["backend"] == "mail" and int(up.fields["down_ms"]) >= 0
    served(proxy, new_client).close()
    proxy.wait_for_event("session", 5)
    proxy.stop()
    assert len(proxy.events("backend-down")) == len(proxy.events("backend-up")) == 1


def test_checks_find_that_no_server_is_left(proxy, new_backend):
    backend = new_backend(imap())
    port = backend.port
    serve(proxy, f"a 127.0.0.1:{port}", fall=1, rise=1, check="greeting", check_interval="100ms")
    proxy.start()
    backend.stop()
    assert proxy.wait_for_event("backend-down").fields["why"] == "all servers are down"


def test_a_backend_whose_servers_are_all_taken_out(proxy, new_backend, new_client):
    backend = new_backend(imap())
    serve(proxy, f"a 127.0.0.1:{backend.port}")
    proxy.start()
    serve(proxy, f"a 127.0.0.1:{backend.port} maintenance")
    proxy.reload()
    assert proxy.wait_for_event("backend-down").fields["why"] == \
        "all servers are in maintenance or drain"
    assert is_turned_away(proxy, new_client) and is_turned_away(proxy, new_client)
    serve(proxy, f"a 127.0.0.1:{backend.port}")
    proxy.reload()
    proxy.wait_for_event("backend-up")
    served(proxy, new_client).close()
    proxy.stop()
    assert len(proxy.events("backend-down")) == len(proxy.events("backend-up")) == 1


def test_a_name_without_an_address_is_told_when_a_session_needs_it(proxy, new_backend, new_client):
    backend = new_backend(imap())
    with Dns() as dns:
        proxy.section("proxy", workers=2, hostname="mail.example.test", resolver=dns.resolver,
                      resolve_interval="1s", state_directory=proxy.directory / "state")
        serve(proxy, f"mail.internal.test:{backend.port}")
        proxy.start()
        assert is_turned_away(proxy, new_client) and is_turned_away(proxy, new_client)
        assert proxy.wait_for_event("backend-down").fields["why"] == "no server has an address"
        dns.set("mail.internal.test", "127.0.0.1")
        proxy.wait_for_event("backend-up")
        served(proxy, new_client).close()
        proxy.stop()
    assert len(proxy.events("backend-down")) == len(proxy.events("backend-up")) == 1


# A server that leaves

LEAVING = {"drain": " drain", "maintenance": " maintenance", "left": None}


@pytest.mark.parametrize("state", LEAVING)
def test_the_sessions_of_a_server_that_leaves_are_told_until_there_are_none(
        proxy, new_backend, new_client, state):
    a, b = new_backend(imap()), new_backend(imap())
    serve(proxy, f"a 127.0.0.1:{a.port}")
    proxy.start()
    clients = [served(proxy, new_client) for _ in range(5)]
    options = LEAVING[state]
    leaving = [] if options is None else [f"a 127.0.0.1:{a.port}{options}"]
    serve(proxy, *leaving, f"b 127.0.0.1:{b.port}")
    proxy.reload()
    fields = proxy.wait_for_event("server-drain").fields
    assert fields == {"backend": "mail", "server": "a", "address": f"127.0.0.1:{a.port}",
                      "state": state, "sessions": "5", "duration_ms": "0"}
    served(proxy, new_client).close()
    for ended, client in enumerate(clients, 2):
        client.close()
        proxy.wait_for_event("session", ended)
    last = proxy.wait_for_event("server-drained").fields
    assert last["server"] == "a" and last["state"] == state and last["sessions"] == "0"
    told = [line.fields["sessions"] for line in proxy.events("server-drain")]
    assert told == ["5", "2", "1"]  # at every half
    proxy.stop()
    assert len(proxy.events("server-drained")) == 1


def test_a_server_without_sessions_is_drained_at_once(proxy, new_backend):
    a, b = new_backend(imap()), new_backend(imap())
    serve(proxy, f"a 127.0.0.1:{a.port}", f"b 127.0.0.1:{b.port}", f"c 127.0.0.1:{b.port} drain")
    proxy.start()
    serve(proxy, f"a 127.0.0.1:{a.port} drain", f"b 127.0.0.1:{b.port}", f"c 127.0.0.1:{b.port} drain")
    proxy.reload()
    fields = proxy.wait_for_event("server-drained").fields
    assert fields["server"] == "a" and fields["state"] == "drain" and fields["sessions"] == "0"
    proxy.stop()
    assert len(proxy.events("server-drained")) == 1 and proxy.events("server-drain") == []


def test_a_server_that_comes_back_is_told_anew(proxy, new_backend, new_client):
    a, b = new_backend(imap()), new_backend(imap())
    for state, count in (("", 0), (" drain", 1), ("", 1), (" drain", 2)):
        serve(proxy, f"a 127.0.0.1:{a.port}{state}", f"b 127.0.0.1:{b.port} backup")
        proxy.reload() if proxy.process else proxy.start()
        if not count and not state:
            client = served(proxy, new_client)
        if count:
            assert proxy.wait_for_event("server-drain", count).fields["sessions"] == "1"
    client.close()
    proxy.wait_for_event("server-drained")


def test_a_backend_that_is_gone_tells_of_its_sessions(proxy, new_backend, new_client):
    """Its TLS has changed, so that the sessions stay with the backend from before."""
    a = new_backend(imap())
    serve(proxy, f"a 127.0.0.1:{a.port}", send_client_address="none")
    proxy.start()
    client = served(proxy, new_client)
    serve(proxy, f"a 127.0.0.1:{a.port}", send_client_address="proxy-v2")
    proxy.reload()
    fields = proxy.wait_for_event("server-drain").fields
    assert fields["server"] == "a" and fields["state"] == "left" and fields["sessions"] == "1"
    client.close()
    proxy.wait_for_event("server-drained")


def test_an_address_that_leaves_the_name_is_told_if_it_has_sessions(
        proxy, new_backend, new_client):
    backend = new_backend(imap())
    with Dns() as dns:
        dns.set("mail.internal.test", "127.0.0.1")
        proxy.section("proxy", workers=2, hostname="mail.example.test", resolver=dns.resolver,
                      resolve_interval="1s", state_directory=proxy.directory / "state")
        serve(proxy, f"mail.internal.test:{backend.port}")
        proxy.start()
        client = served(proxy, new_client)
        dns.set("mail.internal.test", "127.0.0.9")
        fields = proxy.wait_for_event("server-drain").fields
        assert fields["address"] == f"127.0.0.1:{backend.port}" and fields["state"] == "left"
        client.close()
        proxy.wait_for_event("server-drained")
        proxy.stop()
    assert len(proxy.events("server-drain")) == len(proxy.events("server-drained")) == 1


@pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3"])
def test_nothing_of_this_is_said_while_all_is_well(proxy, new_backend, new_client, protocol):
    proxy.backend("mail", new_backend(server(protocol)).port)
    proxy.listener("test", protocol, "none", "mail")
    proxy.start()
    client = new_client(proxy.ports["test"])
    client.read_line()
    client.close()
    proxy.wait_for_event("session")
    proxy.reload()
    proxy.stop()
    assert not {line.event for line in proxy.lines} & {
        "backend-down", "backend-up", "server-drain", "server-drained"}
