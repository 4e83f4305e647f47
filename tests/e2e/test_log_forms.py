"""The form of the log: JSON from its first line on, and priorities where it goes to systemd's journal."""

import json
import os
import signal
import socket
import subprocess

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.proxy import binary
from mailmux_e2e.servers import imap

PROBLEMS = {"a problem of the file": ("hostnam = x\n", 1), "a key that is none": ("workers = many\n", 1),
            "no section": ("[tsl]\n", 1)}


def run(ini, error, **options):
    """Runs it to its end and returns what it has said."""
    with subprocess.Popen([str(binary()), "-c", str(ini)], stderr=error, **options) as process:
        process.wait(CEILING)
        return process.stderr.read().decode() if process.stderr else ""


def lines_of_json(text):
    assert text.endswith("\n"), text
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("problem", PROBLEMS)
def test_problems_of_the_file_are_json(tmp_path, problem):
    text, count = PROBLEMS[problem]
    ini = tmp_path / "müller.ini"
    ini.write_text(f"[proxy]\nlog_format = json\n{text}")
    lines = lines_of_json(run(ini, subprocess.PIPE))
    assert len([line for line in lines if line["level"] == "error"]) >= count
    assert all("müller.ini" in line["message"] for line in lines if line["event"] == "config")
    assert any(text.split()[0].strip("[]") in line["message"] for line in lines)


def test_too_few_descriptors_are_told_in_json(proxy, new_backend):
    proxy.section("proxy", log_format="json")
    proxy.open_files = 40
    proxy.start(wait=False)
    assert proxy.wait() == 1
    lines = lines_of_json("".join(line.text + "\n" for line in proxy.lines))
    assert lines[-1]["event"] == "start-failed" and "RLIMIT_NOFILE" in lines[-1]["message"]


def test_the_journal_gets_priorities(tmp_path):
    """systemd gives its journal as a socket, and says so in JOURNAL_STREAM."""
    ini = tmp_path / "proxy.ini"
    ini.write_text("[proxy]\nworkers = many\n")
    ours, journal = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    info = os.fstat(journal.fileno())
    run(ini, journal, env={**os.environ, "JOURNAL_STREAM": f"{info.st_dev}:{info.st_ino}"})
    journal.close()
    lines = ours.makefile().read().splitlines()
    assert lines and all(line.startswith("<3>error ") for line in lines), lines
    ours.close()


def test_a_served_session_in_the_journal(proxy, new_backend, new_client):
    ours, journal = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    info = os.fstat(journal.fileno())
    proxy.backend("server", new_backend(imap()).port)
    proxy.listener("imap", "imap", "none", "server")
    proxy.write()
    environment = {**os.environ, "JOURNAL_STREAM": f"{info.st_dev}:{info.st_ino}"}
    log = ours.makefile()
    with subprocess.Popen([str(binary()), "-c", str(proxy.ini)], stderr=journal, env=environment) as process:
        journal.close()
        said = []
        while not said or " ready " not in said[-1]:
            said.append(log.readline())
            assert said[-1], said
        client = new_client(proxy.ports["imap"])
        client.read_line()
        client.send(b"a LOGOUT\r\n")
        client.read_to_end()
        process.send_signal(signal.SIGTERM)
        assert process.wait(CEILING) == 0
    said += log.read().splitlines(keepends=True)
    assert any(line.startswith("<6>info session ") for line in said), said
    assert any(line.startswith("<4>warning config ") for line in said), said
    assert all(line[0] == "<" and line[2] == ">" for line in said), said
    ours.close()
