"""Which server a session gets: by weight, by load, by address; marks, drain, and the queue."""

import signal
import threading

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.ports import Ports
from mailmux_e2e.servers import server
from mailmux_e2e.steps import close, hang, reset, send, wait_for_end

REFUSALS = {"smtp": b"421 4.3.2 busy\r\n", "imap": b"* BYE busy\r\n", "pop3": b"-ERR busy\r\n"}
FAREWELLS = {"smtp": b"421 4.4.1 ", "imap": b"* BYE [UNAVAILABLE]", "pop3": b"-ERR [SYS/TEMP]"}


@pytest.fixture
def serve(proxy, new_client):
    """serve(servers, **settings of the backend) gives a function that connects; servers are ports
    or texts such as "4711 weight=2", and are named a, b, c ..."""

    def start(servers, protocol="smtp", workers=1, timeouts=None, **settings):
        proxy.section("timeouts", **{"connect": "5s", "connect_deadline": "20s", "drain": "5s",
                                     **(timeouts or {})})
        proxy.section("proxy", workers=workers, hostname="mail.example.test",
                      state_directory=proxy.directory / "state")
        proxy.section("backend server",
                      server=[f"{name} 127.0.0.1:{one}" for name, one in zip("abcdef", servers)],
                      **{"queue_timeout": "20s", **settings})
        proxy.listener("test", protocol, "starttls", "server")
        proxy.start()
        return lambda **options: new_client(proxy.ports["test"], **options)

    return start


@pytest.fixture
def named(new_backend):
    """named("a") is a server whose greeting tells its name."""
    return lambda name, **options: new_backend(
        server("smtp", greeting=b"220 " + name.encode() + b" ESMTP\r\n"), **options)


def name_of(client):
    return client.read_line().split()[1].decode()


def read_and_close(client):
    line = client.read_line()
    client.close()
    return line


def leave(client):
    assert client.smtp(b"QUIT").startswith(b"221 ")
    client.read_to_end()
    client.close()


def assert_turned_away(client, protocol="smtp"):
    assert client.read_line().startswith(FAREWELLS[protocol])
    assert client.read_to_end() == b""
    client.close()


def counts(backends):
    return [len(backend.connections) for backend in backends]


# The methods


@pytest.mark.quick
def test_sessions_are_shared_by_weight(serve, named):
    backends = [named("a"), named("b"), named("c")]
    connect = serve([backends[0].port, f"{backends[1].port} weight=3", backends[2].port])
    for _ in range(10):
        name_of(connect())
    assert counts(backends) == [2, 6, 2]


def test_least_sessions_goes_where_fewest_are_open(serve, proxy, named):
    backends = [named("a"), named("b")]
    connect = serve([backend.port for backend in backends], balance="least-sessions")
    clients = [connect() for _ in range(6)]
    names = [name_of(client) for client in clients]
    assert sorted(names) == ["a"] * 3 + ["b"] * 3
    for client, name in zip(clients, names):
        if name == "a":
            leave(client)
    proxy.wait_for_event("session", 3)
    assert [name_of(connect()) for _ in range(3)] == ["a"] * 3


def test_least_sessions_honours_weights(serve, named):
    backends = [named("a"), named("b")]
    connect = serve([backends[0].port, f"{backends[1].port} weight=2"], balance="least-sessions")
    for client in [connect() for _ in range(9)]:
        name_of(client)
    assert counts(backends) == [3, 6]


def test_an_address_comes_to_the_same_server_each_time(serve, named):
    backends = [named("a"), named("b"), named("c")]
    connect = serve([backend.port for backend in backends], balance="address-hash")
    first = {n: name_of(connect(source=f"127.0.0.{n}")) for n in range(2, 34)}
    for _ in range(2):
        for n, name in first.items():
            assert name_of(connect(source=f"127.0.0.{n}")) == name
    assert set(first.values()) == {"a", "b", "c"}


def test_addresses_of_a_dead_server_move_and_no_others(serve, named):
    backends = [named("a"), named("b"), named("c")]
    connect = serve([backend.port for backend in backends], balance="address-hash")
    first = {n: name_of(connect(source=f"127.0.0.{n}")) for n in range(2, 34)}
    backends[1].stop()
    for n, name in first.items():
        now = name_of(connect(source=f"127.0.0.{n}"))
        assert now == name if name != "b" else now in "ac"


# Who serves, and when


def test_a_backup_serves_only_when_no_other_can(serve, proxy, named):
    backends = [named("a"), named("b")]
    connect = serve([f"{backends[0].port} backup", backends[1].port])
    assert [name_of(connect()) for _ in range(4)] == ["b"] * 4
    backends[1].stop()
    assert [name_of(connect()) for _ in range(5)] == ["a"] * 5
    proxy.wait_for_event("try-failed", 3)
    assert len(proxy.events("try-failed")) == 3


@pytest.mark.parametrize("word", ["drain", "maintenance"])
def test_a_server_that_is_taken_out_gets_nothing(serve, named, word):
    backends = [named("a"), named("b")]
    connect = serve([f"{backends[0].port} {word}", backends[1].port])
    assert [name_of(connect()) for _ in range(5)] == ["b"] * 5
    assert counts(backends) == [0, 5]


def test_a_backend_without_a_ready_server_turns_everybody_away(serve, proxy, named):
    backends = [named("a"), named("b")]
    connect = serve([f"{backends[0].port} drain", f"{backends[1].port} maintenance"])
    assert_turned_away(connect())
    assert counts(backends) == [0, 0]
    assert proxy.wait_for_event("session").fields["reason"] == "no-backend"
    assert any("drain or maintenance" in line.text for line in proxy.events("config"))


# Marks


def test_a_server_that_cannot_be_connected_is_left_alone(serve, proxy, named):
    ports = Ports()
    dead = ports.reserve()
    good = named("b")
    connect = serve([dead, good.port])
    assert [name_of(connect()) for _ in range(12)] == ["b"] * 12
    proxy.wait_for_event("try-failed", 3)
    assert len(proxy.events("try-failed")) == 3
    down = proxy.wait_for_event("server-down")
    assert down.level == "warning"
    assert down.fields == {**down.fields, "backend": "server", "server": "a", "marks": "3",
                           "address": f"127.0.0.1:{dead}", "why": "Connection refused",
                           "held_ms": "10000"}
    assert len(proxy.events("server-down")) == 1
    ports.release()


@pytest.mark.parametrize("script", [
    [close()], [reset()], [hang()], [send(b"* OK I speak IMAP\r\n"), wait_for_end()],
    [send(b"220 begun"), close()],
], ids=["closes", "resets", "silent", "another-protocol", "half-a-greeting"])
def test_a_server_that_does_not_greet_is_left_alone(serve, proxy, new_backend, named, script):
    bad = new_backend(script)
    good = named("b")
    connect = serve([bad.port, good.port], fall=2, timeouts={"greeting": "1500ms"})
    assert [name_of(connect()) for _ in range(8)] == ["b"] * 8
    assert counts([bad, good]) == [2, 8]
    assert proxy.wait_for_event("server-down").fields["server"] == "a"


@pytest.mark.parametrize("protocol", REFUSALS)
def test_a_greeting_that_refuses_never_marks_a_server(serve, proxy, new_backend, protocol):
    backend = new_backend([send(REFUSALS[protocol]), wait_for_end()])
    connect = serve([backend.port], protocol, fall=1)
    for _ in range(5):
        client = connect()
        assert client.read_line() == REFUSALS[protocol]
        client.read_to_end()
    assert len(backend.connections) == 5
    assert proxy.events("server-down") == []


def test_only_failures_in_a_row_count(serve, proxy, new_backend):
    good = server("smtp")
    backend = new_backend([close()], good, [close()], good, [close()], good)
    connect = serve([backend.port], fall=2)
    greetings = [connect().read_line()[:3] for _ in range(6)]
    assert greetings == [b"421", b"220"] * 3
    assert proxy.events("server-down") == []


@pytest.mark.conformance("C10")
@pytest.mark.parametrize("protocol", FAREWELLS)
def test_without_any_server_each_session_tries_them_all(serve, proxy, protocol):
    """Marks steer; they do not refuse."""
    ports = Ports()
    connect = serve([ports.reserve(), ports.reserve()], protocol, fall=1)
    for _ in range(3):
        assert_turned_away(connect(), protocol)
    proxy.wait_for_event("session", 3)
    tries = [line.fields["tries"] for line in proxy.events("session")]
    assert tries == ["2", "2", "2"]
    assert {line.fields["reason"] for line in proxy.events("session")} == {"no-backend"}
    ports.release()


def test_a_server_that_returns_is_used_again(serve, proxy, named):
    """After its hold-back of ten seconds, by one session and then by another."""
    before = named("before")
    connect = serve([before.port], fall=1)
    before.stop()
    assert_turned_away(connect())
    proxy.wait_for_event("server-down")
    after = named("after", port=before.port)
    while (greeting := read_and_close(connect())).startswith(FAREWELLS["smtp"]):
        assert len(after.connections) == 0
    assert greeting.startswith(b"220 after")
    assert proxy.events("server-up") == []
    assert name_of(connect()) == "after"
    up = proxy.wait_for_event("server-up")
    assert (up.level, up.fields["server"], up.fields["marks"]) == ("info", "a", "2")
    assert [name_of(connect()) for _ in range(3)] == ["after"] * 3


# The queue


def test_a_session_waits_for_a_place_and_gets_it(serve, proxy, named):
    backend = named("a")
    connect = serve([f"{backend.port} max_sessions=1"], queue_size=3)
    clients = [connect()]
    name_of(clients[0])
    clients += [connect() for _ in range(3)]
    assert_turned_away(connect())  # so the three wait
    for before, client in zip(clients, clients[1:]):
        assert len(backend.connections) == clients.index(client)
        leave(before)
        assert name_of(client) == "a"
    leave(clients[-1])
    proxy.wait_for_event("session", 5)
    lines = proxy.events("session")
    assert [line.fields["reason"] for line in lines] == ["queue-full"] + ["quit"] * 4
    assert ["queued_ms" in line.fields for line in lines] == [False, False, True, True, True]


def test_a_full_server_is_passed_by_while_another_has_room(serve, named):
    backends = [named("a"), named("b")]
    connect = serve([f"{backends[0].port} max_sessions=1", f"{backends[1].port} max_sessions=3"],
                    queue_size=0)
    for client in [connect() for _ in range(4)]:
        name_of(client)
    assert counts(backends) == [1, 3]
    assert_turned_away(connect())


@pytest.mark.parametrize("protocol", FAREWELLS)
def test_who_has_waited_too_long_is_turned_away(serve, proxy, new_backend, protocol):
    backend = new_backend(server(protocol))
    connect = serve([f"{backend.port} max_sessions=1"], protocol, queue_timeout="300ms")
    first = connect()
    first.read_line()
    assert_turned_away(connect(), protocol)
    line = proxy.wait_for_event("session")
    assert line.fields["reason"] == "queue-timeout"
    assert "queued_ms" in line.fields
    assert "server" not in line.fields and line.fields["tries"] == "0"


def test_the_wait_ends_with_the_connect_deadline(serve, proxy, named):
    backend = named("a")
    connect = serve([f"{backend.port} max_sessions=1"], queue_timeout="10m",
                    timeouts={"connect_deadline": "1500ms"})
    first = connect()
    name_of(first)
    assert_turned_away(connect())
    assert proxy.wait_for_event("session").fields["reason"] == "queue-timeout"


@pytest.mark.parametrize("go", ["close", "reset"])
def test_a_client_that_leaves_the_queue_makes_room_in_it(serve, proxy, named, go):
    backend = named("a")
    connect = serve([f"{backend.port} max_sessions=1"], queue_size=1, queue_timeout="10m",
                    timeouts={"connect_deadline": "10m"})
    first = connect()
    name_of(first)
    gone = connect()
    assert_turned_away(connect())
    getattr(gone, go)()
    proxy.wait_for_event("session", 2)
    waiting = connect()
    assert_turned_away(connect())
    leave(first)
    assert name_of(waiting) == "a"
    assert len(backend.connections) == 2


@pytest.mark.conformance("C110")
def test_who_waits_is_told_of_the_end(serve, proxy, named):
    backend = named("a")
    connect = serve([f"{backend.port} max_sessions=1"], queue_size=1)
    first = connect()
    name_of(first)
    waiting = connect()
    assert_turned_away(connect())
    proxy.send_signal(signal.SIGTERM)
    assert waiting.read_line().startswith(b"421 4.3.2 ")
    waiting.read_to_end()
    assert first.read_line().startswith(b"421 4.3.2 ")
    first.read_to_end()
    proxy.finished()
    assert len(backend.connections) == 1


def test_a_waiting_session_tries_the_only_server_though_it_went_down(serve, proxy, new_backend):
    go_on = threading.Event()
    backend = new_backend([lambda _: go_on.wait(CEILING)])
    connect = serve([f"{backend.port} max_sessions=1"], queue_size=1, queue_timeout="10m", fall=1,
                    timeouts={"connect_deadline": "10m", "greeting": "10m"})
    first = connect()
    backend.connection()
    waiting = connect()
    assert_turned_away(connect())
    go_on.set()
    for client in [first, waiting]:
        assert_turned_away(client)
    assert len(backend.connections) == 2
    proxy.wait_for_event("session", 3)
    assert [line.fields["reason"] for line in proxy.events("session")][0] == "queue-full"


def test_a_reload_keeps_counts_marks_and_those_who_wait(serve, proxy, named):
    ports = Ports()
    dead = ports.reserve()
    backend = named("b")
    connect = serve([dead, f"{backend.port} max_sessions=1"], fall=1, queue_size=1)
    first = connect()
    assert name_of(first) == "b"
    waiting = connect()
    proxy.wait_for_event("server-down")
    assert proxy.reload().event == "reloaded"
    assert_turned_away(connect())  # for it there is no place to wait: it has tried the other one
    leave(first)
    assert name_of(waiting) == "b"
    proxy.wait_for_event("try-failed", 2)
    assert len(proxy.events("try-failed")) == 2
    ports.release()


@pytest.mark.parametrize("change", [{"tls": "starttls"}, {"send_client_address": "proxy-v2"}])
def test_a_session_that_waits_is_answered_when_its_backend_is_changed(serve, proxy, named, change):
    """It keeps the settings that it began with, and meets no server that is to have others."""
    old, new = named("old"), named("new")
    connect = serve([f"{old.port} max_sessions=1"], queue_size=1, queue_timeout="10m",
                    timeouts={"connect_deadline": "10m"})
    first = connect()
    name_of(first)
    waiting = connect()
    assert_turned_away(connect())
    proxy.section("backend server", server=f"a 127.0.0.1:{new.port}", **change)
    assert proxy.reload().event == "reloaded"
    assert_turned_away(waiting)
    assert "reload" in proxy.wait_for_event("session", 2).fields["untried"]
    leave(first)
    assert len(old.connections) == 1
    assert new.connections == []


def test_a_crowd_on_several_workers_is_served_within_the_limit(serve, proxy, new_backend):
    """Sessions end on one worker and wake those of another; some do not wait for their turn."""
    lock = threading.Lock()
    inside = {}
    most = {}

    def count(connection, change):
        with lock:
            number = inside[connection.backend] = inside.get(connection.backend, 0) + change
            most[connection.backend] = max(most.get(connection.backend, 0), number)

    def enter(connection, _):
        count(connection, 1)
        return b"250 old.example\r\n"

    def go(connection, _):
        count(connection, -1)
        return b"250 2.0.0 noted\r\n"

    backends = [new_backend(server("smtp", replies={b"HELO": enter, b"NOOP": go}))
                for _ in range(2)]
    connect = serve([f"{backend.port} max_sessions=2" for backend in backends], workers=4,
                    queue_timeout="10m", timeouts={"connect_deadline": "10m"})
    served = []

    def visit(number):
        client = connect()
        if number % 5 != 0:
            client.read_line()
            client.smtp(b"HELO client.example")
            client.smtp(b"NOOP")
            leave(client)
            served.append(number)
        client.close()

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(CEILING)
    assert len(served) == 48
    assert all(1 <= most[backend] <= 2 for backend in backends), most.values()
    proxy.wait_for_event("session", 60)
    assert "queued_ms" in proxy.log()
