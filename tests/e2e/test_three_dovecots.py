"""Three Dovecots behind one backend, and clients that log in all the time: sessions by weight, and
what becomes of them when a server is killed, halted, or taken out for maintenance.
"""

import time

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.client import Client
from mailmux_e2e.crowd import Crowd, shares
from mailmux_e2e.legacy import PASSWORD, USER, start_together, stop_together

WEIGHTS = {"a": 3, "b": 2, "c": 1}
AT_ONCE = 6
GREETING = "3s"  # one that is halted costs it, and one that is merely slow must not be taken for it
LOGIN = f"l LOGIN {USER} {PASSWORD}".encode()
CHECKS = {"sessions": {},
          "checks": {"check": "greeting", "check_interval": "500ms", "check_timeout": "3s"}}
BACK = {"sessions": "a session was served", "checks": "its check passed"}


@pytest.fixture
def dovecots():
    servers = start_together(*(["--only", "dovecot", "--name", name] for name in WEIGHTS))
    yield dict(zip(WEIGHTS, servers))
    stop_together(servers)


def greet(client):
    """The name of the server that greets: "* OK [CAPABILITY ...] a ready"."""
    words = client.read_line().split()
    assert words[1] == b"OK" and words[-1] == b"ready", words
    return words[-2].decode()


def log_in(client, greeted):
    greeted(greet(client))
    assert b"l OK" in client.imap(LOGIN)
    assert b"s OK" in client.imap(b"s SELECT INBOX")
    assert b"n OK" in client.imap(b"n NOOP")
    assert b"o OK" in client.imap(b"o LOGOUT")
    assert client.read_to_end() == b""


def look_in(client, greeted):
    """Without a login, which would have Dovecot start a process."""
    greeted(greet(client))
    assert b"o OK" in client.imap(b"o LOGOUT")


class Front:
    def __init__(self, proxy, dovecots, judge):
        self.proxy, self._dovecots, self.judge = proxy, dovecots, judge
        proxy.section("timeouts", connect="1s", greeting=GREETING, connect_deadline="30s",
                      drain="5s")
        self.configure()
        proxy.listener("imap", "imap", "none", "dovecots")
        proxy.start()
        self.port = proxy.ports["imap"]
        self.crowd = Crowd(self.port, log_in)

    def configure(self, **states):
        """states: c="maintenance" """
        self.proxy.section("backend dovecots", fall=2, rise=2, server=[
            f"{name} 127.0.0.1:{self._dovecots[name].imap} weight={weight} {states.get(name, '')}"
            for name, weight in WEIGHTS.items()], **CHECKS[self.judge])

    def changes(self, event, server):
        return [line for line in self.proxy.events(event) if line.fields["server"] == server]

    def visit_until(self, event, server, crowd=None):
        """Clients come one by one until the log tells it; gives the line."""
        crowd = crowd or self.crowd
        begin = time.monotonic()
        while not self.changes(event, server):
            assert time.monotonic() < begin + CEILING, self.proxy.log()
            crowd.visit()
        return self.changes(event, server)[0]

    def visits(self, count):
        """The shares of so many further clients, one after the other."""
        return shares([self.crowd.visit() for _ in range(count)])

    def enter_each(self, new_client):
        """One client that stays for each server."""
        inside = {}
        while len(inside) < len(WEIGHTS):
            client = new_client(self.port)
            name = greet(client)
            assert b"l OK" in client.imap(LOGIN)
            inside[name] = client
        return inside


@pytest.fixture(params=CHECKS)
def front(request, proxy, dovecots):
    """Sessions alone find out who is down, or checks as well."""
    return Front(proxy, dovecots, request.param)


def assert_still_there(client):
    assert b"s OK" in client.imap(b"s SELECT INBOX")
    assert b"n OK" in client.imap(b"n NOOP")


@pytest.mark.parametrize("front", ["sessions"], indirect=True)
def test_sessions_are_shared_by_weight(front):
    """The turns are common to all workers, so a whole number of rounds comes out even."""
    rounds = 30
    with front.crowd.coming(AT_ONCE, rounds):
        pass
    assert front.crowd.failures() == []
    expected = {name: rounds * weight for name, weight in WEIGHTS.items()}
    assert shares(front.crowd.visits) == expected
    front.proxy.wait_for_event("session", rounds * AT_ONCE)
    logged = [line.fields["server"] for line in front.proxy.events("session")]
    assert {name: logged.count(name) for name in WEIGHTS} == expected
    assert front.proxy.events("try-failed") == front.proxy.events("server-down") == []


def test_two_of_three_fail_and_return(front, dovecots, new_client):
    """One is killed, then another is halted: nobody who comes notices. They are used again."""
    crowd = front.crowd
    inside = front.enter_each(new_client)
    with crowd.coming(AT_ONCE):
        crowd.wait_for(30)
        dovecots["b"].kill()
        down = front.visit_until("server-down", "b")
        assert (down.fields["marks"], down.level) == ("2", "warning")
        inside["b"].read_to_end()
        crowd.wait_for(30)
        dovecots["c"].pause()
        down = front.visit_until("server-down", "c")
        assert (down.fields["marks"], down.level) == ("2", "warning")
        silent = {line.fields["why"] for line in front.changes("try-failed", "c")}
        assert silent <= {"no greeting in time"}
        assert front.visits(12) == {"a": 12}
        # It was left alone, but for those who were on their way and a trial now and then.
        assert len(front.changes("try-failed", "b")) <= AT_ONCE + 4
        dovecots["c"].resume()
        dovecots["b"].start()
    # Whom the killed one had greeted may have lost it, and nobody else; of these there was one
    # for each client at most.
    assert {visit.server for visit in crowd.failures()} <= {"b"}
    assert len(crowd.failures()) <= AT_ONCE
    assert_still_there(inside["a"])
    assert_still_there(inside["c"])
    looking = Crowd(front.port, look_in)
    for name in "bc":
        up = front.visit_until("server-up", name, looking)
        assert (up.fields["marks"], up.level) == ("2", "info")
        assert up.fields["why"] == BACK[front.judge]
    assert looking.failures() == []
    before = len(crowd.failures())
    found = front.visits(60)
    assert len(crowd.failures()) == before
    assert {name: abs(found[name] - 10 * weight) <= 6 for name, weight in WEIGHTS.items()} == \
        dict.fromkeys(WEIGHTS, True), found
    assert [len(front.changes(event, name)) for event in ("server-down", "server-up")
            for name in "abc"] == [0, 1, 1] * 2


def test_maintenance_and_the_way_back(front, new_client):
    """The open sessions go on; new ones go elsewhere, and nobody notices either reload."""
    crowd = front.crowd
    inside = front.enter_each(new_client)
    with crowd.coming(AT_ONCE):
        crowd.wait_for(30)
        front.configure(a="maintenance")
        assert front.proxy.reload().event == "reloaded"
        assert set(front.visits(30)) == {"b", "c"}
        crowd.wait_for(30)
        assert_still_there(inside["a"])
    assert set(front.visits(12)) == {"b", "c"}
    with crowd.coming(AT_ONCE):
        crowd.wait_for(30)
        front.configure()
        assert front.proxy.reload().event == "reloaded"
        crowd.wait_for(30)
        for client in inside.values():
            assert_still_there(client)
    assert set(front.visits(12)) == set(WEIGHTS)
    assert crowd.failures() == []
    assert front.proxy.events("server-down") == front.proxy.events("try-failed") == []
