"""The service's lock: what a process under it can still do, and what it cannot. Each attempt is made by
a small program that has locked itself as the service does; it is built without sanitizers.
"""

import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.proxy import binary
from mailmux_e2e.servers import imap

PROBE = binary().parent / "tests/harness/lockdown_probe"
UNSANITIZED = binary().parent / "tests/e2e/mailmux_unsanitized"


@pytest.fixture
def state(tmp_path):
    directory = tmp_path / "state"
    directory.mkdir()
    return directory


def attempt(state, *words):
    """Returns the words of the lock, what came of the attempt, and the status of the program."""
    done = subprocess.run([str(PROBE), str(state), *map(str, words)], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, timeout=CEILING, check=False)
    lines = done.stdout.decode().splitlines()
    return dict(word.split("=") for word in lines[0].split()), (lines + [""])[1], done.returncode


def outcome(state, *words):
    return attempt(state, *words)[1]


def landlocked(state):
    return attempt(state, "thread")[0]["landlock"].startswith("abi")


@pytest.fixture
def files(state):
    """Only where the kernel has Landlock; without it the modes of the files are all there is."""
    if not landlocked(state):
        pytest.skip("this kernel has no Landlock")
    return state


def test_what_holds_is_said(state):
    words, result, status = attempt(state, "thread")
    assert (result, status) == ("done", 0)
    assert words["no_new_privs"] == "yes" and words["seccomp"] == "yes"
    assert words["capabilities"] == "none"
    assert words["landlock"].startswith("abi") or words["landlock"] == "no-kernel"


def test_root_has_no_rights_left(state):
    """The file is another user's: without capabilities root may not open it."""
    if os.geteuid() != 0:
        pytest.skip("only root has capabilities")
    secret = state / "secret"
    secret.write_text("x")
    secret.chmod(0o600)
    os.chown(secret, 65534, 65534)
    assert outcome(state, "read", secret) == "EACCES"
    assert outcome(state, "become-root") == "ENOSYS"


@pytest.mark.parametrize("deadly", [("execute", "/bin/true"), ("trace",)], ids=["execute", "trace"])
def test_what_only_an_attacker_asks_for_is_deadly(state, deadly):
    words, result, status = attempt(state, *deadly)
    assert (result, status) == ("", -signal.SIGSYS)


@pytest.mark.parametrize("family, allowed", [
    (socket.AF_INET, True), (socket.AF_INET6, True), (socket.AF_UNIX, True),
    (socket.AF_NETLINK, False), (socket.AF_PACKET, False), (40, False)])
def test_sockets(state, family, allowed):
    assert (outcome(state, "socket", int(family)) == "ENOSYS") != allowed


@pytest.mark.parametrize("words", [("fork",), ("code",), ("terminal",), ("bind",), ("signal", 1)],
                         ids=lambda words: words[0])
def test_what_does_not_exist(state, words):
    assert outcome(state, *words) == "ENOSYS"


def test_a_fault_still_aborts(state):
    assert attempt(state, "abort")[2] == -signal.SIGABRT


def test_the_state_directory_is_there(state):
    (state / "key").write_text("x")
    assert outcome(state, "read", state / "key") == "done"
    assert outcome(state, "write", state / "new") == "done"
    assert outcome(state, "rename", state / "key") == "done"
    assert outcome(state, "list", state) == "done"


@pytest.mark.parametrize("path", ["/etc/resolv.conf", "/etc/hosts", "/etc/ssl/openssl.cnf",
                                  "/dev/null", "/dev/urandom", "/proc/self/maps"])
def test_what_libraries_read(state, path):
    if not Path(path).exists():
        pytest.skip("it is not on this machine")
    assert outcome(state, "read", path) == "done"


def test_a_replaced_resolv_conf_is_read(state):
    """A rule for the file alone would hold for the old one only. /etc itself is not changed here."""
    assert outcome(state, "list", "/etc") == "done"


def test_all_other_files_are_gone(files, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("x")
    assert outcome(files, "read", elsewhere) == "EACCES"
    assert outcome(files, "read-in-thread", elsewhere) == "EACCES"
    assert outcome(files, "read", f"{files}/../elsewhere") == "EACCES"
    assert outcome(files, "write", tmp_path / "new") == "EACCES"
    assert outcome(files, "list", "/") == "EACCES"
    assert outcome(files, "list", "/root" if os.geteuid() == 0 else "/tmp") == "EACCES"
    assert outcome(files, "write", "/etc/mailmux-test") == "EACCES"
    assert outcome(files, "read", f"/proc/{os.getpid()}/maps") == "EACCES"
    (files / "link").symlink_to(elsewhere)
    assert outcome(files, "read", files / "link") == "EACCES"


# The service itself

def statuses(pid):
    """/proc/PID/status of each thread."""
    found = []
    for path in Path(f"/proc/{pid}/task").iterdir():
        lines = (path / "status").read_text().splitlines()
        found.append(dict(line.split(":\t", 1) for line in lines if ":\t" in line))
    return found


def serve(proxy, new_backend):
    proxy.backend("server", new_backend(imap()).port)
    proxy.listener("imap", "imap", "starttls", "server")
    proxy.start()
    return proxy.events("ready")[0].fields


def test_every_thread_of_the_service_is_locked(proxy, new_backend, new_client, monkeypatch):
    if UNSANITIZED.exists():
        monkeypatch.setattr("mailmux_e2e.proxy.BINARY", UNSANITIZED)
    words = serve(proxy, new_backend)
    assert (words["no_new_privs"], words["capabilities"], words["seccomp"]) == ("yes", "none", "yes")
    assert words["landlock"].startswith("abi") or words["landlock"] == "no-kernel"
    threads = statuses(proxy.pid)
    assert len(threads) > 3  # the main one, the log's, the acceptor and workers
    for thread in threads:
        assert (thread["NoNewPrivs"], thread["Seccomp"]) == ("1", "2"), thread["Name"]
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(thread[name], 16) == 0, (thread["Name"], name)
    client = new_client(proxy.ports["imap"])
    client.read_line()
    client.starttls("imap")
    assert b"a OK" in client.imap(b"a LOGIN alice secret")
    client.close()


def test_a_build_with_a_sanitizer_says_so(proxy, new_backend):
    if not UNSANITIZED.exists():
        pytest.skip("this build has none")
    words = serve(proxy, new_backend)
    assert words["no_new_privs"] == "yes"
    assert {words[name] for name in ("capabilities", "seccomp", "landlock")} == {"no-sanitizer"}
