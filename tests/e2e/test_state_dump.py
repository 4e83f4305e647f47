"""SIGUSR1 writes the state of every session, server and worker into the log."""

import base64
import signal
import threading
import time

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.ports import Ports
from mailmux_e2e.servers import imap, server, smtp
from mailmux_e2e.steps import expect, send, wait_for, wait_for_end

WORKERS = 2
SECRET = b"Tr0ub4dor&3"


class Dump:
    """What one look has brought, by event."""

    def __init__(self, lines):
        self.lines = lines

    def of(self, event):
        return [line.fields for line in self.lines if line.event == event]

    @property
    def sessions(self):
        return self.of("state-session")

    def session(self, client):
        """The one of that client, or None."""
        address = "{}:{}".format(*client.socket.getsockname())
        found = [fields for fields in self.sessions if fields["client"] == address]
        assert len(found) <= 1, found
        return found[0] if found else None


def look(proxy, backends=1):
    """Sends the signal; a worker's last line, and one of each backend, say that all is told."""
    seen = len(proxy.lines)
    known = {event: len(proxy.events(event)) for event in ("state-worker", "state-backend")}
    proxy.send_signal(signal.SIGUSR1)
    proxy.wait_for_event("state-worker", known["state-worker"] + WORKERS)
    proxy.wait_for_event("state-backend", known["state-backend"] + backends)
    return Dump(proxy.lines[seen:])


def look_until(proxy, condition, backends=1):
    """Looks again and again, for what sends no event."""
    end = time.monotonic() + CEILING
    while not condition(dump := look(proxy, backends)):
        assert time.monotonic() < end, f"it never became true:\n{proxy.log()}"
    return dump


def wait_for_phase(proxy, client, phase):
    def has_come(dump):
        fields = dump.session(client)
        return fields is not None and fields["phase"] == phase

    return look_until(proxy, has_come).session(client)


def serve(proxy, script, protocol="imap", tls="starttls", options="", timeouts=None, **settings):
    proxy.section("timeouts", **{"drain": "20s", **(timeouts or {})})
    proxy.section("backend mail", server=f"only 127.0.0.1:{script.port}{options}",
                  **settings.pop("backend", {}))
    proxy.listener("test", protocol, tls, "mail", **settings)
    proxy.start()


# Sessions

def test_a_session_in_its_dialog(proxy, new_backend, new_client):
    serve(proxy, new_backend(smtp()), "smtp")
    client = new_client(proxy.ports["test"])
    client.read_smtp()
    client.starttls("smtp")
    client.smtp(b"EHLO c.test")
    dump = look(proxy)
    fields = dump.session(client)
    assert {key: fields.get(key) for key in (
        "listener", "protocol", "phase", "client_watch", "server_watch", "tls", "server_tls",
        "backend", "server", "tries", "from_client", "to_server", "from_server", "to_client",
        "deadline")} == {
        "listener": "test", "protocol": "smtp", "phase": "dialog", "client_watch": "read",
        "server_watch": "read", "tls": "TLSv1.3", "server_tls": None, "backend": "mail",
        "server": "only", "tries": "1", "from_client": "0", "to_server": "0", "from_server": "0",
        "to_client": "0", "deadline": "command"}
    assert 0 < int(fields["deadline_ms"]) <= 300_000 and fields["worker"] in ("0", "1")
    assert int(fields["phase_ms"]) <= int(fields["duration_ms"])
    assert int(fields["bytes_in"]) > 10 and int(fields["bytes_out"]) > 10
    assert len(dump.sessions) == 1 and "reason" not in fields
    client.send(b"QUIT\r\n")
    client.read_to_end()
    client.close()
    assert proxy.wait_for_event("session").fields["id"] == fields["id"]


def test_a_handshake_that_does_not_begin(proxy, new_backend, new_client):
    serve(proxy, new_backend(imap()), tls="implicit")
    fields = wait_for_phase(proxy, client := new_client(proxy.ports["test"]), "handshake")
    assert fields["tls"] == "none" and fields["deadline"] == "handshake"
    assert fields["client_watch"] == "read" and "server" not in fields
    client.close()


def test_a_dial_that_waits_for_its_greeting_and_one_that_waits_for_a_place(
        proxy, new_backend, new_client):
    serve(proxy, new_backend([wait_for_end()]), options=" max_sessions=1")
    first = new_client(proxy.ports["test"])

    def is_dialled(dump):
        fields = dump.session(first)
        return fields is not None and fields.get("way") == "opening"

    look_until(proxy, is_dialled)
    second = new_client(proxy.ports["test"])

    def is_queued(dump):  # as both threads tell it
        fields = dump.session(second)
        return (fields is not None and fields.get("way") == "queued"
                and dump.of("state-backend")[0]["queued"] == "1")

    dump = look_until(proxy, is_queued)
    dialling, queued = dump.session(first), dump.session(second)
    assert dialling["phase"] == "dial" and dialling["server"] == "only"
    assert dialling["deadline"] in ("greeting", "connect-deadline")
    assert dialling["server_watch"] == "read"
    assert queued["deadline"] == "queue" and "server" not in queued
    backend, = dump.of("state-backend")
    assert backend["backend"] == "mail" and backend["queue_size"] != "0"
    one, = dump.of("state-server")
    assert one["sessions"] == one["max_sessions"] == "1"
    for client in (first, second):
        client.close()


def test_a_relay_whose_client_takes_nothing(proxy, new_backend, new_client):
    go = threading.Event()
    backend = new_backend([send(b"* OK ready\r\n"), expect(b"a LOGIN alice secret\r\n"),
                           send(b"a OK in\r\n"), send(b"* x\r\n" * 2_000_000), wait_for(go)])
    serve(proxy, backend, require_tls="no")
    client = new_client(proxy.ports["test"])
    client.read_line()
    client.imap(b"a LOGIN alice secret")

    def is_stuck(dump):
        fields = dump.session(client)
        return fields["client_watch"] == "read+write" and fields["server_watch"] == "nothing"

    fields = look_until(proxy, is_stuck).session(client)
    assert fields["phase"] == "relay" and fields["user"] == "alice"
    assert int(fields["to_client"]) > 0 and int(fields["client_unacked"]) > 0
    assert int(fields["deadline_ms"]) > 0
    client.close()
    go.set()


# Servers

def test_each_server_with_its_places_and_its_mark(proxy, new_backend, new_client):
    good, closed = new_backend(imap()), Ports()
    proxy.section("backend mail", server=[
        f"dead 127.0.0.1:{closed.reserve()}", f"good 127.0.0.1:{good.port} max_sessions=7",
        "leaving 127.0.0.1:9 drain", "away 127.0.0.1:9 maintenance",
        "spare 127.0.0.1:9 backup"], fall="1")
    proxy.section("backend other", server=f"only 127.0.0.1:{good.port}")
    proxy.listener("test", "imap", "starttls", "mail")
    proxy.listener("second", "imap", "starttls", "other")
    proxy.start()
    clients = [new_client(proxy.ports["test"]) for _ in range(2)]
    for client in clients:
        client.read_line()
    proxy.wait_for_event("server-down")
    dump = look(proxy, backends=2)
    servers = {(fields["backend"], fields["server"]): fields for fields in dump.of("state-server")}
    assert set(servers) == {("mail", name) for name in
                            ("dead", "good", "leaving", "away", "spare")} | {("other", "only")}
    seen = {name: (fields["mark"], fields["state"], fields["sessions"], fields["max_sessions"])
            for (backend, name), fields in servers.items() if backend == "mail"}
    assert seen == {"dead": ("held", "ready", "0", "0"), "good": ("up", "ready", "2", "7"),
                    "leaving": ("up", "drain", "0", "0"),
                    "away": ("up", "maintenance", "0", "0"), "spare": ("up", "backup", "0", "0")}
    assert 0 < int(servers["mail", "dead"]["held_ms"]) <= 10_000
    assert servers["mail", "good"]["address"] == f"127.0.0.1:{good.port}"
    assert [fields["backend"] for fields in dump.of("state-backend")] == ["mail", "other"]
    closed.release()
    for client in clients:
        client.close()


def test_each_listener_and_server_with_its_counts(proxy, new_backend, new_client):
    good, closed = new_backend(imap()), Ports()
    proxy.section("limits", sessions="4")
    proxy.section("backend mail", server=[
        f"good 127.0.0.1:{good.port}", f"dead 127.0.0.1:{closed.reserve()} backup"])
    proxy.section("backend none", server=f"dead 127.0.0.1:{closed.reserve()}", retries=0)
    for name, tls, backend in (("test", "none", "mail"), ("second", "starttls", "none"),
                               ("third", "implicit", "mail")):
        proxy.listener(name, "imap", tls, backend)
    proxy.start()
    with new_client(proxy.ports["test"]) as client:
        client.read_line()
        client.imap(b"a LOGOUT")
        client.read_to_end()
    first = proxy.wait_for_event("session").fields
    assert new_client(proxy.ports["second"]).read_to_end().startswith(b"* BYE")
    proxy.wait_for_event("session", 2)
    with new_client(proxy.ports["third"]) as client:
        client.send(b"this is no TLS")
        client.read_to_end()
    proxy.wait_for_event("session", 3)
    clients = [new_client(proxy.ports["test"])]
    while clients[-1].read_line().startswith(b"* OK"):  # until one is too many
        clients.append(new_client(proxy.ports["test"]))
    alive = str(len(clients) - 1)
    proxy.reload()  # the counts go on
    dump = look(proxy, backends=2)
    assert {fields.pop("generation") for fields in dump.of("state-listener")} == {"1"}
    seen = {fields.pop("listener"): fields for fields in dump.of("state-listener")}
    nothing = dict.fromkeys(["served", "alive", "refused", "no_backend", "failed_tls"], "0")
    assert seen["test"] == {**nothing, "served": "1", "alive": alive, "refused": "1",
                            "bytes_in": first["bytes_in"], "bytes_out": first["bytes_out"]}
    assert {**seen["second"], "bytes_out": "0"} == {
        **nothing, "served": "1", "no_backend": "1", "bytes_in": "0", "bytes_out": "0"}
    assert seen["third"]["served"] == seen["third"]["failed_tls"] == "1"
    servers = {(fields["backend"], fields["server"]): [
        fields[key] for key in ("sessions", "served", "failed", "bytes_in", "bytes_out")]
        for fields in dump.of("state-server")}
    assert servers == {
        ("mail", "good"): [alive, "1", "0", first["bytes_in"], first["bytes_out"]],
        ("mail", "dead"): ["0"] * 5, ("none", "dead"): ["0", "0", "1", "0", "0"]}
    closed.release()
    for client in clients:
        client.close()


# Workers

def test_each_worker_tells_of_its_buffers(proxy, new_backend, new_client):
    serve(proxy, new_backend(imap()))
    clients = [new_client(proxy.ports["test"]) for _ in range(4)]
    for client in clients:
        client.read_line()
    clients[0].send(b"a LOG")  # a line that goes on takes a buffer
    dump = look_until(proxy, lambda dump: dump.session(clients[0])["from_client"] == "5")
    workers = dump.of("state-worker")
    assert sorted(fields["worker"] for fields in workers) == ["0", "1"]
    for fields in workers:
        assert int(fields["sessions"]) == sum(
            one["worker"] == fields["worker"] for one in dump.sessions)
        assert int(fields["deadlines"]) >= int(fields["sessions"])
    assert sum(int(fields["lines_taken"]) for fields in workers) == 1
    assert all(key in workers[0] for key in ("lines_idle", "replies_taken", "replies_idle"))
    for client in clients:
        client.close()


# How it is done

def test_the_counters_come_as_before(proxy, new_backend):
    serve(proxy, new_backend(imap()))
    dump = look(proxy)
    counters, = dump.of("counters")
    assert counters["alive"] == "0" and dump.sessions == []


def test_many_sessions_are_told_and_nobody_waits(proxy, new_backend, new_client):
    count = 400
    serve(proxy, new_backend(imap()))
    clients = [new_client(proxy.ports["test"]) for _ in range(count)]
    for client in clients:
        client.read_line()
    dump = look(proxy)
    assert len({fields["id"] for fields in dump.sessions}) == len(dump.sessions) == count
    # Several in a row, while sessions are served and end.
    for _ in range(10):
        proxy.send_signal(signal.SIGUSR1)
    for client in clients[:200]:
        assert client.imap(b"a NOOP") == b"a OK noop\r\n"
        client.close()
    proxy.wait_for_event("session", 200)
    dump = look_until(proxy, lambda dump: len(dump.sessions) == count - 200)
    assert {fields["phase"] for fields in dump.sessions} == {"dialog"}
    for client in clients:
        client.close()
    proxy.wait_for_event("session", count)
    proxy.stop()


def test_while_draining(proxy, new_backend, new_client):
    serve(proxy, new_backend(smtp()), "smtp")
    client = new_client(proxy.ports["test"])
    client.read_smtp()
    for line in (b"EHLO c.test", b"MAIL FROM:<a@b.test>", b"RCPT TO:<a@b.test>", b"DATA"):
        client.smtp(line)
    proxy.send_signal(signal.SIGTERM)
    proxy.wait_for_event("drain")
    seen = len(proxy.events("state-session"))
    proxy.send_signal(signal.SIGUSR1)
    fields = proxy.wait_for_event("state-session", seen + 1).fields
    assert fields["phase"] == "dialog" and fields["deadline"] == "data"
    client.send(b"x\r\n.\r\n")
    assert client.read_smtp().startswith(b"250 ")
    assert client.read_smtp().startswith(b"421 ")
    for _ in range(5):  # as it ends, too
        proxy.send_signal(signal.SIGUSR1)
    client.close()
    proxy.finished()


def test_before_anything_is_served(proxy, new_backend):
    """Ready or not: a signal that comes at any time does no harm."""
    proxy.backend("mail", new_backend(imap()).port)
    proxy.listener("test", "imap", "starttls", "mail")
    proxy.start()
    for _ in range(20):
        proxy.send_signal(signal.SIGUSR1)
        proxy.send_signal(signal.SIGHUP)
    proxy.wait_for_event("reloaded")
    look(proxy)
    proxy.stop()


HALF_A_LOGIN = {
    "smtp": [b"EHLO c.test\r\n", b"AUTH PLAIN " + base64.b64encode(b"\0alice\0" + SECRET)],
    "imap": [b"a LOGIN alice " + SECRET], "pop3": [b"USER alice\r\n", b"PASS " + SECRET]}


@pytest.mark.conformance("C118")
@pytest.mark.parametrize("protocol", HALF_A_LOGIN)
def test_a_password_that_is_held_is_not_told(proxy, new_backend, new_client, protocol):
    serve(proxy, new_backend(server(protocol)), protocol)
    client = new_client(proxy.ports["test"])
    client.read_line()
    client.starttls(protocol)
    *before, last = HALF_A_LOGIN[protocol]
    for line in before:
        client.send(line)
        client.read_smtp() if protocol == "smtp" else client.read_line()
    client.send(last)
    look_until(proxy, lambda dump: dump.session(client)["from_client"] == str(len(last)))
    client.send(b"\r\n")
    client.read_line()
    look(proxy)
    client.close()
    proxy.wait_for_event("session")
    proxy.stop()
    words = (SECRET, SECRET[:8], base64.b64encode(b"\0alice\0" + SECRET)[12:28])
    assert not any(word.decode() in proxy.log() for word in words)
