"""The two processes: what the service gets behind the back of its account, and what becomes of
sessions when it is replaced, dies, or must end.
"""

import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
from mailmux_e2e import CEILING, until
from mailmux_e2e.accounts import as_root, change, is_alive, serves, use_account
from mailmux_e2e.certificates import NAME
from mailmux_e2e.client import Client
from mailmux_e2e.ports import Ports, connected, is_open, own_address
from mailmux_e2e.proxy import binary
from mailmux_e2e.servers import server


def use(front, pair):
    """Renews the certificate as certbot lays it down: 0600 and root's, in a directory of 0700."""
    live = front.directory / "live"
    live.mkdir(mode=0o700, exist_ok=True)
    for name, source in (("fullchain.pem", pair.certificate), ("privkey.pem", pair.key)):
        draft = live / (name + ".new")
        shutil.copy(source, draft)
        draft.chmod(0o600)
        draft.replace(live / name)


@pytest.fixture
def front(proxy, new_backend, certificates):
    use(proxy, certificates.rsa)
    use_account(proxy)
    proxy.section("tls", certificate="live/fullchain.pem", key="live/privkey.pem")
    proxy.backend("server", new_backend(server("imap")).port)
    proxy.listener("imaps", "imap", "implicit", "server")
    proxy.start()
    return proxy


def connect(port, address="127.0.0.1"):
    client = Client(port, address) if address != "127.0.0.1" else Client(port)
    client.begin_tls()
    assert client.read_line().startswith(b"* OK")
    return client


def served(front):
    with connect(front.ports["imaps"]) as client:
        return client.tls.getpeercert(binary_form=True)


def is_served(front):
    return serves(lambda: connect(front.ports["imaps"]))


def der(pair):
    return ssl.PEM_cert_to_DER_cert(pair.certificate.read_text())


def user_of(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(line.split()[1] for line in status if line.startswith("Uid:"))


# Behind the back of the account


@as_root
@pytest.mark.conformance("C139")
def test_a_renewed_key_that_only_root_may_read_comes_into_service(front, certificates):
    front.ini.chmod(0o600)
    assert user_of(front.pid) != "0" and user_of(front.keeper_pid) == "0"
    client = connect(front.ports["imaps"])
    use(front, certificates.ecdsa)
    assert front.reload().event == "reloaded"
    assert served(front) == der(certificates.ecdsa)
    assert is_alive(client)
    client.close()


@as_root
@pytest.mark.conformance("C139")
def test_ports_below_1024_are_opened_by_a_reload(front):
    client = connect(front.ports["imaps"])
    own = own_address()
    front.section("listener low", bind=f"{own}:993", backend="server")
    assert front.reload().event == "reloaded"
    assert is_open(993, own)
    assert is_alive(client)
    client.close()


@as_root
@pytest.mark.conformance("C139")
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
def test_a_listener_moves_between_all_addresses_and_one(front, family):
    ports = Ports("::")  # free at every address, and not at the one alone
    port = ports.reserve()
    every, one = (f"*:{port}", f"127.0.0.1:{port}") if family == "ipv4" else \
        (f"[::]:{port}", f"[::1]:{port}")
    host = "127.0.0.1" if family == "ipv4" else "::1"

    def move(place):
        front.section("listener moves", bind=place, protocol="imap", tls="implicit",
                      backend="server")
        assert front.reload().event == "reloaded", front.log()

    move(every)
    for place in (one, every, one):
        with connected(port, host):
            move(place)
        assert is_open(port, host)
    # The port is not shared with other programs behind that.
    with socket.socket(socket.AF_INET6 if family == "ipv6" else socket.AF_INET) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError):
            other.bind((host, port))
    ports.release()


@as_root
def test_the_state_directory_is_the_accounts(front):
    state = front.directory / "state"
    assert state.stat().st_uid == int(user_of(front.pid))


@as_root
def test_a_self_signed_certificate_of_root_is_handed_on(new_proxy, new_backend):
    """Before there were two processes, root made it."""
    proxy = new_proxy(with_certificate=False)
    proxy.backend("server", new_backend(server("imap")).port)
    proxy.listener("imaps", "imap", "implicit", "server")
    proxy.start()
    first = (proxy.directory / "state/self-signed.pem").read_bytes()
    proxy.stop()
    proxy.section("proxy", hostname=NAME, state_directory=proxy.directory / "state", user="nobody")
    proxy.lines.clear()
    proxy.start()
    assert (proxy.directory / "state/self-signed.pem").read_bytes() == first
    assert proxy.reload().event == "reloaded"
    proxy.stop()


# What is not named is not given: see also tests/unit/keeper.


@as_root
def test_a_file_that_is_no_longer_named_is_not_read(front, certificates):
    """After a reload that failed, the files of the configuration in effect are still those."""
    front.section("tls", certificate="live/other.pem", key="live/privkey.pem")
    assert front.reload().event == "reload-failed"
    front.section("tls", certificate="live/fullchain.pem", key="live/privkey.pem")
    use(front, certificates.ecdsa)
    assert front.reload().event == "reloaded"
    assert served(front) == der(certificates.ecdsa)


# Settings of a process


def test_settings_of_a_process_change_by_a_reload(front):
    client = connect(front.ports["imaps"])
    before = front.pid
    change(front, workers=3)
    line = front.reload()
    assert line.event == "reloaded" and line.fields["workers"] == "3"
    assert line.fields["generation"] == "2"
    assert front.pid != before
    assert is_alive(client)
    connect(front.ports["imaps"]).close()
    client.close()
    until(lambda: front.service_pids() == [front.pid])
    assert front.reload().fields["generation"] == "2"


def test_warnings_are_told_where_another_service_takes_over(front):
    front.listener("clear", "imap", "none", "server")
    change(front, workers=3)
    assert front.reload().fields["generation"] == "2"
    assert any("[listener clear] tls = none" in line.text for line in front.events("config"))


def test_log_format_changes_by_a_reload(front):
    change(front, log_format="json")
    front.write()
    front.send_signal(signal.SIGHUP)
    until(lambda: '"event":"reloaded"' in front.log())
    front.send_signal(signal.SIGTERM)
    assert front.wait() == 0
    front.process = None


def test_a_replacement_that_cannot_start_changes_nothing(front):
    client = connect(front.ports["imaps"])
    before = front.pid
    (front.directory / "live/fullchain.pem").write_text("this is none\n")
    change(front, workers=3)
    assert front.reload().event == "reload-failed"
    assert front.pid == before
    assert is_alive(client)
    client.close()
    connect(front.ports["imaps"]).close()


# Upgrades


def upgrade(front):
    known = len(front.events("ready")) + len(front.events("upgrade-failed"))
    front.send_signal(signal.SIGUSR2)
    until(lambda: len(front.events("ready")) + len(front.events("upgrade-failed")) > known)
    return front.lines[-1]


@pytest.mark.conformance("C140")
def test_an_upgrade_keeps_sessions_and_the_main_process(front):
    main = front.keeper_pid
    clients = []
    for generation in range(2, 5):
        clients.append(connect(front.ports["imaps"]))
        upgrade(front)
        assert front.events("ready")[-1].fields["generation"] == str(generation)
        assert front.events("ready")[-1].fields["why"] == "upgrade"
    assert front.keeper_pid == main and front.process.poll() is None
    assert len(front.service_pids()) == 4
    for client in clients:
        assert is_alive(client)
        client.close()
    until(lambda: len(front.service_pids()) == 1)
    connect(front.ports["imaps"]).close()


@pytest.mark.conformance("C140")
def test_reloads_work_in_a_program_that_was_upgraded(front, certificates):
    upgrade(front)
    use(front, certificates.ecdsa)
    assert front.reload().event == "reloaded"
    assert served(front) == der(certificates.ecdsa)


@pytest.mark.conformance("C140")
@pytest.mark.parametrize("damage, why", [
    ("no program", "Exec format error"), ("exits", "exit status 3"), ("hangs", "signal 9 (Killed)"),
    ("gone", "No such file or directory")])
def test_a_program_that_does_not_run_changes_nothing(front, monkeypatch, damage, why):
    copy = front.directory / "mailmux"
    front.stop()
    shutil.copy(binary(), copy)
    monkeypatch.setattr("mailmux_e2e.proxy.BINARY", copy)
    front.lines.clear()
    front.start()
    client = connect(front.ports["imaps"])
    before = front.pid
    copy.unlink()
    if damage == "no program":
        copy.write_text("\x7fELF junk\n")
    elif damage != "gone":
        copy.write_text("#!/bin/sh\nexit 3\n" if damage == "exits" else "#!/bin/sh\nexec sleep 60\n")
    if damage != "gone":
        copy.chmod(0o755)
    front.send_signal(signal.SIGUSR2)
    assert f"cannot be run: {why}; " in front.wait_for_event("upgrade-failed").fields["message"]
    assert front.pid == before
    assert is_alive(client)
    client.close()
    connect(front.ports["imaps"]).close()


@pytest.mark.conformance("C140")
def test_a_new_program_with_a_bad_configuration_changes_nothing(front):
    client = connect(front.ports["imaps"])
    before = front.pid
    good = front.ini.read_text()
    front.ini.write_text("[nonsense]\n")
    front.send_signal(signal.SIGUSR2)
    front.wait_for_event("upgrade-failed")
    assert front.pid == before and is_alive(client)
    client.close()
    front.ini.write_text(good)
    assert front.reload().event == "reloaded"
    connect(front.ports["imaps"]).close()


@pytest.mark.conformance("C140")
def test_what_is_left_after_upgrade_drain_gets_a_farewell(front):
    front.section("timeouts", drain="30s", upgrade_drain="1s")
    front.reload()
    client = connect(front.ports["imaps"])
    upgrade(front)
    assert client.read_to_end().startswith(b"* BYE")
    client.close()
    until(lambda: len(front.service_pids()) == 1)


# Deaths


@pytest.mark.parametrize("moment", ["serving", "retired"])
def test_a_service_that_dies_is_started_again(front, moment):
    client = connect(front.ports["imaps"])
    victim = front.pid
    if moment == "retired":
        upgrade(front)
    os.kill(victim, signal.SIGKILL)
    died = front.wait_for_event("service-died")
    assert died.level == "error" and "signal 9" in died.text
    if moment == "serving":
        front.wait_for_event("ready", 2)
        assert front.events("ready")[-1].fields["why"] == "restart"
    connect(front.ports["imaps"]).close()
    client.close()


def test_no_connection_is_refused_while_a_service_is_started_again(front):
    """The keeper has the sockets: a connection waits in the queue."""
    os.kill(front.pid, signal.SIGKILL)
    waiting = [socket.create_connection(("127.0.0.1", front.ports["imaps"])) for _ in range(20)]
    front.wait_for_event("ready", 2)
    connect(front.ports["imaps"]).close()
    for one in waiting:
        one.close()


def test_a_dead_service_comes_back_with_the_configuration_that_was_in_effect(front):
    front.ini.write_text("[nonsense]\n")
    os.kill(front.pid, signal.SIGKILL)
    front.wait_for_event("ready", 2)
    connect(front.ports["imaps"]).close()


def test_a_service_without_a_keeper_serves_its_sessions_to_the_end(front):
    client = connect(front.ports["imaps"])
    service = front.pid
    front.process.kill()
    front.wait_for_event("drain")
    assert client.read_to_end().startswith(b"* BYE")
    client.close()
    until(lambda: not os.path.exists(f"/proc/{service}"))
    front.process = None


def test_a_reader_of_the_log_that_goes_ends_nothing(front):
    """The keeper writes there, too."""
    front.stop()
    reads, writes = os.pipe()
    process = subprocess.Popen([binary(), "-c", front.ini], stdin=subprocess.DEVNULL, stderr=writes)
    os.close(writes)
    try:
        until(lambda: is_served(front))
        os.close(reads)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        before = children.read_text().split()
        process.send_signal(signal.SIGUSR2)  # the keeper logs that
        until(lambda: before[0] not in children.read_text().split())
        until(lambda: is_served(front))
    finally:
        process.terminate()
        assert process.wait(CEILING) == 0


# The end


def test_connections_in_the_queue_get_their_word(front, new_backend):
    """A connection that nothing has accepted yet is not left without a word."""
    front.listener("imap", "imap", "none", "server")
    front.reload()
    service = front.pid
    os.kill(service, signal.SIGSTOP)
    # More than an acceptor takes at a time: some are in the queue when it stops.
    waiting = [socket.create_connection(("127.0.0.1", front.ports["imap"])) for _ in range(100)]
    front.send_signal(signal.SIGTERM)
    front.process.poll()
    os.kill(service, signal.SIGCONT)
    for one in waiting:
        one.settimeout(CEILING)
        with one, one.makefile("rb") as lines:
            said = lines.read()
        assert b"* BYE" in said, said
    front.finished()


# The control socket


def ask(front, order):
    return subprocess.run([binary(), "-c", front.ini, order], capture_output=True, text=True,
                          timeout=CEILING)


def test_reload_waits_for_the_outcome(front, certificates):
    use(front, certificates.ecdsa)
    done = ask(front, "--reload")
    assert done.returncode == 0 and "in effect" in done.stdout, done
    assert served(front) == der(certificates.ecdsa)


def test_a_reload_that_is_refused_says_why(front):
    front.ini.write_text(front.ini.read_text().replace("protocol = imap", "protocol = imapp"))
    done = ask(front, "--reload")
    assert done.returncode == 1
    assert "protocol" in done.stderr and "imapp" in done.stderr


def test_a_reload_names_the_certificate_that_was_renewed(front, certificates):
    """Nothing has changed in the file, and yet the night's work was done."""
    use(front, certificates.ecdsa)
    done = ask(front, "--reload")
    end = subprocess.run(["openssl", "x509", "-in", certificates.ecdsa.certificate, "-noout",
                          "-enddate", "-dateopt", "iso_8601"], capture_output=True, text=True).stdout
    told = f"certificate {front.directory}/live/fullchain.pem until {end.split('=')[1][:10]}"
    changed = front.wait_for_event("reloaded").fields["changed"]
    assert changed.startswith(told) and changed.endswith(" UTC"), changed
    assert f"changed: {changed}" in done.stdout
    front.section("timeouts", login="4m")
    front.write()
    assert "changed: timeouts\n" in ask(front, "--reload").stdout
    assert "changed: nothing\n" in ask(front, "--reload").stdout


def test_a_reload_says_which_address_it_cannot_have(front):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        front.section("listener more", bind=f"127.0.0.1:{taken.getsockname()[1]}", protocol="imap",
                      tls="implicit", backend="server")
        front.write()
        done = ask(front, "--reload")
    assert done.returncode == 1
    assert "listener more: cannot listen on 127.0.0.1:" in done.stderr, done


@pytest.mark.parametrize("order", ["--reload", "--upgrade"])
def test_a_service_that_cannot_start_says_why_to_the_one_that_asked(front, certificates, order):
    """`workers` wants a service of its own, which is the first to look into the key."""
    change(front, workers=3)
    front.section("tls", certificate="live/fullchain.pem", key=certificates.ecdsa.key)
    front.write()
    done = ask(front, order)
    assert done.returncode == 1
    assert "does not belong to the first certificate" in done.stderr, done
    assert not front.events("service-died")
    assert " 0 services died\n" in ask(front, "--status").stdout


def test_an_upgrade_into_a_file_with_errors_says_which(front):
    front.ini.write_text(front.ini.read_text().replace("protocol = imap", "protocol = imapp"))
    done = ask(front, "--upgrade")
    assert done.returncode == 1 and "imapp" in done.stderr, done


def test_the_control_socket_moves_with_the_state_directory(front):
    before = front.directory / "state" / "control"
    change(front, state_directory=front.directory / "moved")
    assert front.reload().event == "reloaded"
    assert ask(front, "--status").returncode == 0
    assert not before.exists()


def test_a_start_that_fails_cuts_nothing(front):
    """There is no session yet."""
    taken = front.ports["imaps"]
    other = front.directory / "other.ini"
    other.write_text(front.ini.read_text().replace("/state", "/second"))
    done = subprocess.run([binary(), "-c", other], capture_output=True, text=True, timeout=CEILING)
    assert done.returncode == 1 and f"127.0.0.1:{taken}" in done.stderr, done
    assert "drain-over" not in done.stderr


def test_upgrade_waits_for_the_outcome(front):
    done = ask(front, "--upgrade")
    assert done.returncode == 0, done
    assert front.wait_for_event("ready", 2).fields["generation"] == "2"


def test_status_names_the_generations(front):
    client = connect(front.ports["imaps"])
    upgrade(front)
    done = ask(front, "--status")
    assert done.returncode == 0
    number, status = r"generation %d: %s, pid \d+, ", r"sessions=%d servers_down=0\n"
    assert re.fullmatch(r"mailmux \S+, pid \d+, 0 services died\n" +
                        number % (1, "retired") + status % 1 + number % (2, "serving") + status % 0,
                        done.stdout), done.stdout
    client.close()


@as_root
def test_only_root_may_give_orders(front):
    os.chmod(front.directory / "state", 0o777)
    done = subprocess.run([binary(), "-c", front.ini, "--reload"], capture_output=True, text=True,
                          user="daemon", timeout=CEILING)
    assert done.returncode == 1
    assert not front.events("reloaded")


@as_root
def test_no_order_for_a_process_of_another_account(front):
    """It may have taken the place of a mailmux."""
    front.stop()
    state = front.directory / "state"
    front.directory.chmod(0o755)
    os.chmod(state, 0o777)
    other = subprocess.Popen(
        ["python3", "-c", "import socket, sys\nwith socket.socket(1, 5) as one:\n"
         " one.bind(sys.argv[1]); one.listen(); print(flush=True); one.accept()[0].recv(1)",
         state / "control"], stdout=subprocess.PIPE, user="daemon")
    with other:
        assert other.stdout.read(1) == b"\n"
        done = ask(front, "--reload")
    assert done.returncode == 1
    assert "control: it is of another account than root and user of this file; give" in done.stderr


def test_an_order_where_no_mailmux_runs(front):
    front.stop()
    done = ask(front, "--reload")
    assert done.returncode == 1
    assert "/state/control: No such file or directory; is it running, and with this file?" in done.stderr


# Under load


@pytest.mark.conformance("C140")
def test_upgrades_and_reloads_under_logins_lose_nothing(front):
    failures = []
    over = threading.Event()

    def log_in():
        while not over.is_set():
            try:
                with connect(front.ports["imaps"]) as client:
                    assert b"a OK" in client.imap(b"a LOGIN alice secret")
                    assert is_alive(client)
            except Exception as failure:  # noqa: BLE001
                failures.append(failure)

    threads = [threading.Thread(target=log_in) for _ in range(4)]
    staying = [connect(front.ports["imaps"]) for _ in range(5)]
    for thread in threads:
        thread.start()
    for number in range(4):
        for _ in range(3):
            assert front.reload().event == "reloaded"
        upgrade(front)
    over.set()
    for thread in threads:
        thread.join(CEILING)
    assert not failures, failures[:3]
    assert not front.events("upgrade-failed")
    for client in staying:
        assert is_alive(client)
        client.close()
