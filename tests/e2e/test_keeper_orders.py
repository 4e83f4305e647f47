"""Orders that come while something else is going on, and services that hang, die early or refuse."""

import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from mailmux_e2e import CEILING, until
from mailmux_e2e.accounts import as_root, change, is_alive, serves, use_account
from mailmux_e2e.certificates import NAME
from mailmux_e2e.client import Client
from mailmux_e2e.ports import Ports, is_open
from mailmux_e2e.proxy import binary
from mailmux_e2e.servers import server


@pytest.fixture
def ports():
    ports = Ports()
    yield ports
    ports.release()


@pytest.fixture
def front(proxy, new_backend, certificates):
    shutil.copy(certificates.rsa.certificate, proxy.directory / "cert.pem")
    shutil.copy(certificates.rsa.key, proxy.directory / "key.pem")
    use_account(proxy)
    proxy.section("tls", certificate="cert.pem", key="key.pem")
    proxy.backend("server", new_backend(server("imap")).port)
    proxy.listener("imap", "imap", "starttls", "server")
    proxy.start()
    return proxy


def connect(front):
    client = Client(front.ports["imap"])
    assert client.read_line().startswith(b"* OK")
    return client


def is_served(front):
    return serves(lambda: connect(front))


def start_ask(front, order):
    return subprocess.Popen([binary(), "-c", front.ini, order], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)


def answer(asking):
    out, err = asking.communicate(timeout=CEILING)
    return asking.returncode, out + err


def count_descriptors(front):
    return len(os.listdir(f"/proc/{front.keeper_pid}/fd"))


def is_pending(pid, number):
    """Whether a signal waits to be read; others may wait beside it."""
    status = Path(f"/proc/{pid}/status").read_text()
    (mask,) = (line.split()[1] for line in status.splitlines() if line.startswith("ShdPnd:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


def end(front):
    """Where the last line is not that of a service that ended well."""
    front.send_signal(signal.SIGTERM)
    front.wait()
    front.process = None


def use_program(front, monkeypatch, text=None):
    """Runs a copy of the program, which a test may replace: returns its path."""
    copy = front.directory / "mailmux"
    front.stop()
    shutil.copy(binary(), copy)
    monkeypatch.setattr("mailmux_e2e.proxy.BINARY", copy)
    front.lines.clear()
    front.start()
    return copy


def replace(program, text):
    draft = program.with_suffix(".new")
    draft.write_text(text)
    draft.chmod(0o755)
    draft.replace(program)


# What was opened for a configuration that is refused


@pytest.mark.parametrize("workers", [2, 3])
def test_a_refused_configuration_leaves_no_socket_behind(front, ports, workers):
    """workers = 3 needs another process. A port that is open, and that nothing serves, hangs."""
    opened, taken = ports.reserve(), ports.reserve()
    with socket.create_server(("127.0.0.1", taken)):
        change(front, workers=workers)
        front.section("listener more", bind=[f"127.0.0.1:{opened}", f"127.0.0.1:{taken}"],
                      protocol="imap", tls="starttls", backend="server")
        assert front.reload().event == "reload-failed"
        until(lambda: not is_open(opened))
    connect(front).close()
    assert front.reload().event == "reloaded"
    assert is_open(opened) and is_open(taken)


def test_a_refused_move_to_one_address_leaves_the_old_one_serving(front, ports):
    anywhere, taken = Ports("::"), ports.reserve()  # free at every address
    port = front.ports["imap"] = anywhere.reserve()
    front.section("listener imap", bind=f"*:{port}", protocol="imap", tls="starttls",
                  backend="server")
    assert front.reload().event == "reloaded"
    with socket.create_server(("127.0.0.1", taken)):
        front.section("listener imap", bind=[f"127.0.0.1:{port}", f"127.0.0.1:{taken}"],
                      protocol="imap", tls="starttls", backend="server")
        assert front.reload().event == "reload-failed"
        connect(front).close()
    anywhere.release()


# Orders that meet


@pytest.mark.conformance("C140")
def test_a_reload_that_meets_an_upgrade_is_answered(front, monkeypatch):
    real, program = binary().resolve(), use_program(front, monkeypatch)
    hold = front.directory / "hold"
    hold.touch()
    replace(program, f"#!/bin/sh\nwhile [ -e {hold} ]; do sleep 0.05; done\n"
                     f'exec {real} "$@"\n')
    monkeypatch.undo()
    upgrading = start_ask(front, "--upgrade")
    until(lambda: len(front.service_pids()) == 2)  # the second is the program on trial
    reloading = start_ask(front, "--reload")
    change(front, workers=1)
    front.write()
    until(lambda: front.count_orders() == 2)
    hold.unlink()
    code, text = answer(upgrading)
    assert code == 0, text + front.log()
    assert answer(reloading)[0] == 0


@pytest.mark.parametrize("moment", ["reload", "upgrade"])
def test_sigterm_ends_what_is_going_on(front, monkeypatch, moment):
    program = use_program(front, monkeypatch)
    replace(program, "#!/bin/sh\nexec sleep 600\n")
    service = front.pid
    if moment == "upgrade":
        front.send_signal(signal.SIGUSR2)
        until(lambda: len(front.service_pids()) == 2)
    else:
        os.kill(service, signal.SIGSTOP)
        front.send_signal(signal.SIGHUP)
    left = front.service_pids()
    front.send_signal(signal.SIGTERM)
    if moment == "reload":
        os.kill(service, signal.SIGCONT)
    front.finished()
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in left))


# Services that cannot start again


def break_down(front):
    """The service dies, and its certificate is no longer one."""
    (front.directory / "cert.pem").write_text("this is none\n")
    os.kill(front.pid, signal.SIGKILL)
    until(lambda: sum(line.level == "error" for line in front.events("config")) >= 3)


def test_a_reload_mends_a_service_that_cannot_start_again(front, certificates):
    break_down(front)
    shutil.copy(certificates.rsa.certificate, front.directory / "other.pem")
    front.section("tls", certificate="other.pem", key="key.pem")
    front.write()
    code, text = answer(start_ask(front, "--reload"))
    assert code == 0, text
    connect(front).close()


def test_a_reload_that_mends_nothing_is_answered(front):
    break_down(front)
    code, text = answer(start_ask(front, "--reload"))
    assert code == 1, text
    front.ini.write_text(front.ini.read_text() + "nonsense = 1\n")
    code, text = answer(start_ask(front, "--reload"))
    assert code == 1, text
    until(lambda: "nonsense" in front.log())
    end(front)


def test_an_upgrade_mends_a_service_that_cannot_start_again(front, certificates):
    break_down(front)
    code, text = answer(start_ask(front, "--upgrade"))
    assert code == 1, text
    shutil.copy(certificates.rsa.certificate, front.directory / "cert.pem")
    code, text = answer(start_ask(front, "--upgrade"))
    assert code == 0, text
    connect(front).close()


def test_a_first_service_that_dies_is_not_silent(front):
    """One that was ready before it could be killed is no first one any more: then once again."""
    front.stop()
    while True:
        front.lines.clear()
        front.start(wait=False)
        until(lambda: front.service_pids())
        os.kill(front.pid, signal.SIGKILL)
        if not front.wait_until(lambda: front.events("ready")):
            break
        end(front)
    front.wait()
    assert "signal 9" in front.log()
    front.process = None


def test_a_second_sigterm_ends_a_service_that_hangs(front):
    os.kill(front.pid, signal.SIGSTOP)
    for _ in range(2):
        front.send_signal(signal.SIGTERM)
        until(lambda: not is_pending(front.keeper_pid, signal.SIGTERM))  # else two become one
    assert front.wait() != 0
    assert "signal 9" in front.log()
    front.process = None


# Programs


def test_the_program_is_what_its_name_stands_for(front, monkeypatch):
    """A link to the version in use is what an administrator changes."""
    front.stop()
    link = front.directory / "mailmux"
    for name in ("one", "two"):
        shutil.copy(binary(), front.directory / name)
    link.symlink_to("one")
    monkeypatch.setattr("mailmux_e2e.proxy.BINARY", link)
    front.lines.clear()
    front.start()
    link.unlink()
    link.symlink_to("two")
    front.send_signal(signal.SIGUSR2)
    front.wait_for_event("ready", 2)
    assert os.readlink(f"/proc/{front.keeper_pid}/exe").endswith("/two")


# Accounts


@as_root
def test_the_account_changes_by_a_reload(new_proxy, new_backend):
    """The new account can use what the earlier one has made, such as the self-signed pair."""
    front = new_proxy(with_certificate=False)
    front.backend("server", new_backend(server("imap")).port)
    front.listener("imap", "imap", "starttls", "server")
    settings = {"hostname": NAME, "state_directory": front.directory / "state", "workers": 1}
    front.section("proxy", **settings, user="nobody")
    front.start()
    pair = front.directory / "state/self-signed.pem"
    first = pair.read_bytes()
    client = connect(front)
    for account in ("daemon", "nobody"):
        front.section("proxy", **settings, user=account)
        assert front.reload().event == "reloaded"
        assert pair.read_bytes() == first
        assert pair.owner() == account
        assert answer(start_ask(front, "--reload"))[0] == 0
        connect(front).close()
    assert is_alive(client)
    client.close()


# Nothing leaks


def test_orders_leave_no_descriptor_and_no_process(front):
    before = count_descriptors(front)
    for _ in range(30):
        assert answer(start_ask(front, "--reload"))[0] == 0
    for _ in range(5):
        assert answer(start_ask(front, "--upgrade"))[0] == 0
    until(lambda: len(front.service_pids()) == 1)
    until(lambda: count_descriptors(front) <= before)  # a file may be on its way to the service
    state = Path(f"/proc/{front.keeper_pid}/status").read_text()
    assert "SigIgn:\t0000000000001000" in state  # SIGPIPE
    service = Path(f"/proc/{front.pid}/status").read_text()
    assert "SigBlk:\t0000000000000000" in service


# Links of the account


@as_root
@pytest.mark.conformance("C141")
@pytest.mark.parametrize("where", ["file", "directory"])
def test_a_link_of_the_account_gets_no_file_of_root(front, certificates, where):
    """A named path that leads through a directory of the account would name what it likes."""
    secret = front.directory / "secret"
    secret.mkdir(mode=0o700)
    for name, source in (("cert.pem", certificates.ecdsa.certificate),
                         ("key.pem", certificates.ecdsa.key)):
        shutil.copy(source, secret / name)
        (secret / name).chmod(0o600)
    theirs = front.directory / "theirs"
    theirs.mkdir()
    place = theirs / "live"
    if where == "directory":
        place.symlink_to(secret)
    else:
        place.mkdir()
        for name in ("cert.pem", "key.pem"):
            (place / name).symlink_to(secret / name)
    front.section("tls", certificate=place / "cert.pem", key=place / "key.pem")
    assert front.reload().event == "reloaded"  # the links are root's
    nobody = Path("/proc/self").stat().st_uid or 65534
    for path in [theirs, place, *([] if where == "directory" else place.iterdir())]:
        os.chown(path, nobody, nobody, follow_symlinks=False)
    assert front.reload().event == "reload-failed"
    for name in ("cert.pem", "key.pem"):
        os.chown(secret / name, nobody, nobody)
    assert front.reload().event == "reloaded"


def test_orders_follow_the_state_directory(front):
    """It changes by a reload, and the next order goes to the new place."""
    for name in ("other", "state"):
        change(front, state_directory=front.directory / name)
        assert front.reload().event == "reloaded"
        assert answer(start_ask(front, "--reload"))[0] == 0
        assert (front.directory / name / "control").exists()
    assert not (front.directory / "other/control").exists()
