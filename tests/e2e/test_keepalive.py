"""A peer that is gone without a word is found by TCP's own probes, on both legs."""

import re
import subprocess

import pytest
from mailmux_e2e import until
from mailmux_e2e.servers import server


@pytest.fixture
def front(proxy, new_backend):
    backend = new_backend(server("imap"))
    proxy.backend("server", backend.port)
    proxy.listener("imap", "imap", "none", "server")
    return proxy, backend


def keepalives(proxy, backend):
    """The timers of keepalive on the sockets of the process: by their peer's or own port."""
    text = subprocess.run(["ss", "-tnoH", "state", "established"], capture_output=True, text=True,
                          check=True).stdout
    found = {"client": None, "server": None}
    for line in text.splitlines():
        words = line.split()
        timer = re.search(r"timer:\(keepalive,([^,]*),", line)
        if words[2].endswith(f":{proxy.ports['imap']}"):
            found["client"] = timer and timer[1]
        if words[3].endswith(f":{backend.port}"):
            found["server"] = timer and timer[1]
    return found


@pytest.mark.conformance("C107")
@pytest.mark.parametrize("setting", ["on", "off"])
def test_an_idle_session_is_probed(front, new_client, setting):
    proxy, backend = front
    proxy.section("timeouts", keepalive="90s" if setting == "on" else "off")
    proxy.start()
    client = new_client(proxy.ports["imap"])
    client.read_line()
    assert b"OK" in client.imap(b"a LOGIN x y")
    client.send(b"b IDLE\r\n")
    if setting == "off":
        assert keepalives(proxy, backend) == {"client": None, "server": None}
        return
    found = {}
    # While octets are under way, a connection has a timer of another kind.
    until(lambda: found.update(keepalives(proxy, backend)) or None not in found.values())
    for left in found.values():
        assert left.startswith("1min") or left.endswith("sec"), left
