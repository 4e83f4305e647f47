"""What systemd is told, see sd_notify(3), and the sockets that it opens, see sd_listen_fds(3)."""

import os
import shutil
import signal
import socket
import subprocess

import pytest
from mailmux_e2e import CEILING, until
from mailmux_e2e.client import Client, Closed
from mailmux_e2e.ports import own_address
from mailmux_e2e.proxy import binary
from mailmux_e2e.servers import server


class Systemd:
    """The end of NOTIFY_SOCKET that systemd has."""

    def __init__(self, address):
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(address)
        self._socket.settimeout(CEILING)

    def wait_for(self, key):
        """The next message with this key, as a dictionary; the others are passed over."""
        while True:
            text = self._socket.recv(4096).decode()
            message = dict(line.split("=", 1) for line in text.splitlines())
            if key in message:
                return message

    def close(self):
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def systemd(request, proxy):
    path = str(proxy.directory / "notify")
    one = Systemd(path if request.param == "path" else "\0" + path)
    proxy.environment["NOTIFY_SOCKET"] = path if request.param == "path" else "@" + path
    yield one
    one.close()


@pytest.fixture
def front(proxy, new_backend):
    proxy.backend("server", new_backend(server("imap")).port)
    proxy.listener("imap", "imap", "none", "server")
    return proxy


def test_a_start_a_reload_and_the_end_are_told(front, systemd):
    front.start()
    assert systemd.wait_for("READY")["READY"] == "1"
    front.send_signal(signal.SIGHUP)
    begins = systemd.wait_for("RELOADING")
    assert begins["RELOADING"] == "1" and int(begins["MONOTONIC_USEC"]) > 0
    assert systemd.wait_for("READY")["READY"] == "1"
    front.send_signal(signal.SIGTERM)
    assert systemd.wait_for("STOPPING")["STOPPING"] == "1"
    front.finished()


def test_a_reload_that_is_refused_ends_too(front, systemd):
    front.start()
    systemd.wait_for("READY")
    front.ini.write_text("[nonsense]\n")
    front.send_signal(signal.SIGHUP)
    systemd.wait_for("RELOADING")
    assert systemd.wait_for("READY")["READY"] == "1"


def test_an_upgrade_is_told_like_a_reload(front, systemd):
    front.start()
    systemd.wait_for("READY")
    front.send_signal(signal.SIGUSR2)
    systemd.wait_for("RELOADING")
    assert systemd.wait_for("READY")["READY"] == "1"


def test_the_status_is_told_and_the_watchdog_fed(front, systemd):
    front.start()
    first = systemd.wait_for("STATUS")
    assert first["STATUS"] == "sessions=0 servers_down=0" and first["WATCHDOG"] == "1"
    with Client(front.ports["imap"]) as client:
        client.read_line()
        while systemd.wait_for("STATUS")["STATUS"] != "sessions=1 servers_down=0":
            pass


def start_with_sockets(front, *sockets, names=""):
    """Starts mailmux as systemd does: the sockets are its descriptors from 3 on."""
    front.write()
    moves = " ".join(f"{3 + n}<&{one.fileno()}" for n, one in enumerate(sockets))
    moves += "".join(f" {one.fileno()}<&-" for one in sockets if one.fileno() >= 3 + len(sockets))
    command = f'LISTEN_PID=$$ LISTEN_FDS={len(sockets)} LISTEN_FDNAMES={names}; ' \
              'export LISTEN_PID LISTEN_FDS LISTEN_FDNAMES; ' \
              f'exec "$0" -c "$1" {moves}'
    return subprocess.Popen(["/bin/bash", "-c", command, binary(), front.ini],
                            pass_fds=[one.fileno() for one in sockets],
                            stdin=subprocess.DEVNULL)


def is_served(address, port):
    try:
        with Client(port, address) as client:
            return client.read_line().startswith(b"* OK")
    except (OSError, Closed):
        return False


def test_sockets_that_systemd_has_opened_are_used(front):
    """They are found by their addresses; a connection may wait in them before the start."""
    with socket.create_server(("127.0.0.1", front.ports["imap"])) as opened:
        waiting = Client(front.ports["imap"])
        process = start_with_sockets(front, opened)
    try:
        assert waiting.read_line().startswith(b"* OK")
        waiting.close()
        process.send_signal(signal.SIGHUP)
        until(lambda: is_served("127.0.0.1", front.ports["imap"]))
    finally:
        process.terminate()
        assert process.wait(CEILING) == 0


def test_sockets_are_taken_by_their_names(front):
    """Which addresses they have is systemd's affair; an upgrade keeps them."""
    front.section("listener imap", bind="systemd:mail", protocol="imap", tls="none",
                  backend="server")
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two, \
            socket.create_server(("127.0.0.1", 0)) as other:
        ports = [opened.getsockname()[1] for opened in (one, two, other)]
        process = start_with_sockets(front, one, other, two, names="mail:other:mail")
    try:
        for number in (None, signal.SIGHUP, signal.SIGUSR2):
            if number:
                process.send_signal(number)
            until(lambda: is_served("127.0.0.1", ports[0]) and is_served("127.0.0.1", ports[1]))
        with pytest.raises(ConnectionError):  # no listener names it
            socket.create_connection(("127.0.0.1", ports[2]))
    finally:
        process.terminate()
        assert process.wait(CEILING) == 0


def test_a_name_that_systemd_does_not_hand_over(front):
    front.section("listener imap", bind="systemd:mail", protocol="imap", tls="none",
                  backend="server")
    with socket.create_server(("127.0.0.1", 0)) as opened:
        assert start_with_sockets(front, opened, names="other").wait(CEILING) == 1
    done = subprocess.run([binary(), "--check", "-c", front.ini], capture_output=True, text=True)
    assert done.returncode == 0 and "[listener imap] bind = systemd:mail: only a start" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the account")
def test_a_port_below_1024_without_rights(front):
    """The account that starts mailmux could not open it."""
    front.directory.chmod(0o777)
    program = shutil.copy(binary(), front.directory)  # the account may not be let in elsewhere
    front.drop("tls")
    front.section("listener imap", bind=f"{own_address()}:143", protocol="imap", tls="none",
                  backend="server")
    front.section("proxy", core_dumps="yes", state_directory=front.directory / "own")
    front.write()
    with socket.create_server((own_address(), 143)) as opened:
        command = 'LISTEN_PID=$$ LISTEN_FDS=1; export LISTEN_PID LISTEN_FDS; exec setpriv ' \
                  '--reuid=65534 --regid=65534 --clear-groups "$0" -c "$1" ' \
                  f'3<&{opened.fileno()}'
        process = subprocess.Popen(["/bin/bash", "-c", command, program, front.ini],
                                   pass_fds=[opened.fileno()], stdin=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
    try:
        until(lambda: is_served(own_address(), 143))
    finally:
        process.terminate()
        assert process.wait(CEILING) == 0
