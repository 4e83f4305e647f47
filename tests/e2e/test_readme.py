"""What the README shows of the program is what the program writes."""

import os
import re
import subprocess

from mailmux_e2e import CEILING
from mailmux_e2e.client import Client
from mailmux_e2e.legacy import LegacyServer
from mailmux_e2e.proxy import REPOSITORY, LogLine, binary
from mailmux_e2e.servers import Goodbye, imap

SHOWN = [line[4:] for line in (REPOSITORY / "README.md").read_text().splitlines()
         if line.startswith("    ")]
# What is the same in each session like the one that is shown.
CONSTANT = ["listener", "protocol", "tls", "cipher", "user", "backend", "tries", "phase", "reason",
            "ended_by"]


def logout(connection, command):
    tag = command.split()[0]
    connection.send(b"* BYE Logging out\r\n" + tag + b" OK Logout completed.\r\n")
    raise Goodbye


def test_the_line_of_a_session(proxy, new_backend):
    proxy.backend("old-imap", new_backend(imap(replies={b"LOGOUT": logout})).port)
    proxy.listener("imaps", "imap", "implicit", "old-imap")
    proxy.start()
    with Client(proxy.ports["imaps"]) as client:
        client.begin_tls()
        client.read_line()
        assert b"OK" in client.imap(b"a LOGIN alice secret")
        client.send(b"b LOGOUT\r\n")
        client.read_to_end()
    line = proxy.wait_for_event("session")
    shown = LogLine.parse(next(line for line in SHOWN if " session " in line and line[0] == "2"))
    assert list(shown.fields) == list(line.fields)
    assert [shown.level, shown.event] == [line.level, line.event]
    assert {key: shown.fields[key] for key in CONSTANT} == {key: line.fields[key] for key in CONSTANT}


def test_the_answer_of_probe(proxy, certificates):
    legacy = LegacyServer("--only", "postfix", trusted_networks="127.0.0.0/8")
    try:
        proxy.section("backend old-smtp", server=f"127.0.0.1:{legacy.smtp}")
        proxy.listener("smtp", "smtp", "starttls", "old-smtp")
        proxy.write()
        done = subprocess.run([str(binary()), "--check", "--probe", "-c", str(proxy.ini)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=CEILING,
                              env={"ASAN_OPTIONS": "exitcode=99", **os.environ,
                                   "SSL_CERT_FILE": str(certificates.authority)})
    finally:
        legacy.stop()
    first = SHOWN.index("$ mailmux --check --probe -c proxy.ini") + 1
    said = done.stdout.replace(str(proxy.ini), "proxy.ini")
    answer = re.sub(rf"127\.0\.0\.1:{legacy.smtp}\b", "10.0.0.5:25", said).splitlines()
    assert SHOWN[first:first + len(answer)] == answer
    assert len(answer) < 11 and done.returncode == 1
