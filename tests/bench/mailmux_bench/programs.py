"""The programs of a measurement: started, spoken to, and ended by their numbers."""

import ctypes
import json
import os
import random
import signal
import socket
import subprocess
import time

from . import BUILD, account

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
PROGRAMS = BUILD / "tests/bench"


class Failure(Exception):
    """A measurement that is worth nothing, and why."""


def end_with_us():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def start(command, log=None, **more):
    """A process that ends when we do; `log` is the file of what it says."""
    output = {"stdout": log, "stderr": subprocess.STDOUT} if log else {}
    return subprocess.Popen([str(word) for word in command], preexec_fn=end_with_us,
                            **{"stdin": subprocess.DEVNULL, **output, **more})


def stop(process):
    """Ends it and what descends from it."""
    pids = account.tree(process.pid)
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    deadline = time.monotonic() + 5
    for pid in pids[1:]:
        while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
            time.sleep(0.01)
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def free_port():
    """One below those that the kernel gives to connections."""
    while True:
        port = random.randint(10000, 30000)
        with socket.socket() as probe:
            try:
                probe.bind(("0.0.0.0", port))
                return port
            except OSError:
                continue


def is_served(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


class Server:
    """The light server behind all proxies."""

    def __init__(self, bench):
        self.process = start([PROGRAMS / "bench_server", bench.certificate, bench.key],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ports = json.loads(self.process.stdout.readline())

    def stop(self):
        """What it has seen."""
        self.process.stdin.close()
        line = self.process.stdout.read()
        self.process.wait()
        return json.loads(line)


class Load:
    """One run of the load client."""

    def __init__(self, bench, port, script, **options):
        path = bench.place / f"script-{random.getrandbits(32):x}"
        path.write_text("\n".join(script) + "\n")
        words = [PROGRAMS / "bench_load", "--port", port, "--script", path, "--sources", 16]
        for name, value in options.items():
            words.append("--" + name.replace("_", "-"))
            words.extend([] if value is True else [value])
        self.process = start(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def wait_until_held(self, count):
        figures = self.read()
        if figures.get("holding") != count:
            raise Failure(f"{figures.get('holding', 0)} of {count} sessions are there: "
                          f"{figures.get('why') or self.go()['why']}")

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            raise Failure("the load client has ended")
        return json.loads(line)

    def go(self):
        """Goes on; what it says next."""
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return self.read()

    def end(self):
        """Its processor time."""
        self.process.stdin.close()
        _, _, used = os.wait4(self.process.pid, 0)
        self.process.returncode = 0
        return used.ru_utime + used.ru_stime

    def abandon(self):
        if self.process.returncode is None:
            self.process.kill()
            self.process.wait()
