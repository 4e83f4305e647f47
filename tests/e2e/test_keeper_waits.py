"""What could keep the keeper or an administrator waiting: programs that end at once, files that have
no end, and orders that no process takes.
"""

import errno
import os
import shutil
import signal
import socket
import subprocess

import pytest
from mailmux_e2e import CEILING, until
from mailmux_e2e.accounts import as_root, is_alive, use_account
from mailmux_e2e.client import Client
from mailmux_e2e.proxy import binary
from mailmux_e2e.servers import server


@pytest.fixture
def front(proxy, new_backend, certificates):
    use_account(proxy)
    proxy.backend("server", new_backend(server("imap")).port)
    proxy.listener("imap", "imap", "starttls", "server")
    proxy.start()
    return proxy


def connect(front):
    client = Client(front.ports["imap"])
    assert client.read_line().startswith(b"* OK")
    return client


def ask(front, order, prefix=()):
    return subprocess.run([*prefix, binary(), "-c", front.ini, order], capture_output=True, text=True,
                          timeout=CEILING)


# Programs that an upgrade finds


PROGRAMS = {
    "another": ("#!/bin/sh\nexit 0\n", "it is no mailmux"),
    "lacks a library": ("#!/bin/sh\necho 'cannot open shared object file' >&2\nexit 127\n",
                        "exit status 127: cannot open shared object file"),
    "knows its version": ('#!/bin/sh\n[ "$1" = --version ] && echo mailmux 9 && exit 0\nexit 3\n',
                          "exit status 3"),
}


@pytest.mark.conformance("C140")
@pytest.mark.parametrize("kind", PROGRAMS)
def test_a_program_that_would_end_at_once_changes_nothing(front, monkeypatch, kind):
    text, why = PROGRAMS[kind]
    copy = front.directory / "mailmux"
    front.stop()
    shutil.copy(binary(), copy)
    monkeypatch.setattr("mailmux_e2e.proxy.BINARY", copy)
    front.lines.clear()
    front.start()
    monkeypatch.undo()
    client = connect(front)
    before = front.pid
    copy.unlink()
    copy.write_text(text)
    copy.chmod(0o755)
    done = ask(front, "--upgrade")
    assert done.returncode == 1 and f"cannot be run: {why}; nothing has changed" in done.stderr, done
    assert front.pid == before and is_alive(client)
    client.close()


@pytest.mark.conformance("C140")
def test_a_service_that_dies_after_an_upgrade_into_mistakes_comes_back(front):
    with front.ini.open("a") as ini:
        ini.write("nonsense\n")
    done = ask(front, "--upgrade")
    assert done.returncode == 1 and '"nonsense": there is no \'=\'' in done.stderr, done
    os.kill(front.pid, signal.SIGKILL)
    assert front.wait_for_event("ready", 2).fields["why"] == "restart"
    connect(front).close()


# Files of a configuration that have no end


def test_a_pipe_that_is_included_holds_up_nothing(front):
    """No process writes into it."""
    more = front.directory / "more"
    more.mkdir()
    os.mkfifo(more / "pipe.ini")
    text = front.ini.read_text()
    front.ini.write_text(f"include = {more}/*.ini\n{text}")
    front.send_signal(signal.SIGHUP)
    line = front.wait_for_event("reload-failed")
    assert f"{more}/pipe.ini: No data available" in front.log(), line
    connect(front).close()
    front.ini.write_text(text)


# Orders


def test_a_keeper_that_does_not_answer_is_not_waited_for(front):
    """Orders that wait fill its queue, so that one more cannot even connect."""
    path = str(front.directory / "state/control")
    waiting = []
    front.send_signal(signal.SIGSTOP)
    try:
        asking = subprocess.Popen([binary(), "-c", front.ini, "--status"], stderr=subprocess.PIPE,
                                  text=True)
        while True:
            one = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            waiting.append(one)
            one.setblocking(False)
            if one.connect_ex(path) == errno.EAGAIN:
                break
        late = ask(front, "--reload")
        early = asking.communicate(timeout=CEILING)[1]
    finally:
        front.send_signal(signal.SIGCONT)
        for one in waiting:
            one.close()
    for code, said in ((asking.returncode, early), (late.returncode, late.stderr)):
        assert code == 1 and "the process there does not answer; it hangs, or is stopped" in said, said


def test_orders_are_refused_while_it_ends(front):
    """One that waits, and those that come behind SIGTERM."""
    os.kill(front.pid, signal.SIGSTOP)
    waiting = subprocess.Popen([binary(), "-c", front.ini, "--reload"], stderr=subprocess.PIPE,
                               text=True)
    until(lambda: front.count_orders() == 1)
    front.send_signal(signal.SIGTERM)
    late = ask(front, "--upgrade")
    status = ask(front, "--status").stdout
    said = waiting.communicate(timeout=CEILING)[1]
    os.kill(front.pid, signal.SIGCONT)
    assert (waiting.returncode, said) == (1, "mailmux is ending\n"), said
    assert (late.returncode, late.stderr) == (1, "mailmux is ending\n"), late
    assert " services died, ending\n" in status, status
    front.finished()


def test_a_file_in_the_place_of_the_control_socket_stays(front):
    front.stop()
    control = front.directory / "state/control"
    control.write_text("a file of another program\n")
    front.start()
    assert "Address already in use" in front.wait_for_event("control").fields["message"]
    assert control.read_text() == "a file of another program\n"


@as_root
@pytest.mark.conformance("C139")
def test_orders_with_the_rights_of_the_unit(front):
    """An account that can read the file by a capability alone, as the package's can."""
    front.directory.chmod(0o755)
    front.stop()
    front.ini.chmod(0o600)
    rights = "-all,+net_bind_service,+dac_read_search"
    prefix = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--no-new-privs",
              f"--bounding-set={rights}", f"--inh-caps={rights}",
              "--ambient-caps=" + rights.removeprefix("-all,")]
    keeper = subprocess.Popen([*prefix, binary(), "-c", front.ini], stderr=subprocess.DEVNULL)
    try:
        until(lambda: (front.directory / "state/control").exists())
        done = ask(front, "--reload", prefix)
        assert done.returncode == 0 and "in effect" in done.stdout, done
    finally:
        keeper.terminate()
        keeper.wait(CEILING)


def test_an_order_for_another_configuration_is_refused(front):
    """Two of them have the same state directory."""
    other = front.directory / "other.ini"
    other.write_text(front.ini.read_text())
    for order in ("--reload", "--upgrade", "--status"):
        done = subprocess.run([binary(), "-c", other, order], capture_output=True, text=True,
                              timeout=CEILING)
        assert done.returncode == 1 and f"runs with {front.ini}; give each its own" in done.stderr, done
    assert not front.events("reloaded")
    assert subprocess.run([binary(), "-c", front.ini.name, "--reload"], cwd=front.directory,
                          timeout=CEILING).returncode == 0


@pytest.mark.parametrize("locale, shown", [("C.UTF-8", "bücher"), ("C", "b??cher")])
def test_letters_that_the_terminal_has_are_shown(front, locale, shown):
    with front.ini.open("a", encoding="utf-8") as ini:
        ini.write("server = bücher.example:143\n")
    done = subprocess.run([binary(), "-c", front.ini, "--reload"], capture_output=True,
                          env={**os.environ, "LC_ALL": locale}, timeout=CEILING)
    assert f"server = {shown}.example:143: " in done.stderr.decode(), done
