"""What a start meets before the configuration is in effect: descriptors that are closed or too few,
and signals that come early.
"""

import os
import signal
import subprocess

import pytest
from mailmux_e2e import CEILING, until
from mailmux_e2e.client import Client, Closed
from mailmux_e2e.proxy import binary
from mailmux_e2e.servers import server


@pytest.fixture
def front(proxy, new_backend):
    proxy.backend("server", new_backend(server("imap")).port)
    proxy.listener("imap", "imap", "starttls", "server")
    return proxy


def is_served(port):
    try:
        with Client(port) as client:
            return client.read_line().startswith(b"* OK")
    except (OSError, Closed):
        return False


@pytest.mark.conformance("C144")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
def test_no_socket_takes_the_place_of_a_standard_descriptor_that_is_closed(front, closed):
    """What is logged would go to a client, and a client's bytes would be read from nowhere."""
    front.write()
    process = subprocess.Popen(["/bin/sh", "-c", f'exec "$0" -c "$1" {closed}', binary(), front.ini],
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    try:
        until(lambda: is_served(front.ports["imap"]) or process.poll() is not None)
        assert process.poll() is None
        for fd in range(3):
            assert os.readlink(f"/proc/{process.pid}/fd/{fd}") == "/dev/null"
    finally:
        process.terminate()
        status = process.wait(CEILING)
    assert status == 0


@pytest.mark.conformance("C144")
@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM], ids=["usr1", "term"])
def test_a_signal_that_comes_while_the_configuration_is_read_is_kept(front, number):
    front.write()
    pipe = front.ini.with_name("pipe.ini")
    os.mkfifo(pipe)
    front.run(pipe, wait=False)

    writers = []

    def is_being_read():
        """A pipe cannot be opened for writing before something waits for its other end."""
        try:
            writers.append(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True

    until(is_being_read)
    writer = writers[0]
    front.send_signal(number)
    os.write(writer, front.ini.read_bytes())
    os.close(writer)
    if number == signal.SIGUSR1:
        assert front.wait_for_event("counters")
        assert is_served(front.ports["imap"])
        front.stop()
    else:
        front.finished()


@pytest.mark.conformance("C144")
@pytest.mark.parametrize("limit", [4, 8, 65])
def test_too_few_descriptors_for_a_start_are_said(front, limit):
    front.open_files = limit
    front.start(wait=False)
    assert front.wait() == 1
    assert "RLIMIT_NOFILE" in front.events("start-failed")[0].text
    front.process = None


@pytest.mark.conformance("C145")
@pytest.mark.parametrize("address", ["192.0.2.1", "[2001:db8::1]"])
def test_an_address_that_is_not_there_is_never_ready(front, address):
    """Of either family, whether or not the listener has others."""
    front.section("listener imap", bind=[f"{address}:{front.ports['imap']}"], protocol="imap",
                  tls="starttls", backend="server")
    front.start(wait=False)
    assert front.wait() == 1
    assert not front.events("ready")
    assert address in front.events("bind-failed")[0].text
    front.process = None
