"""One mailmux process: the test makes its configuration, the start waits for `ready`, the log is
read as it comes, and the stop requires a clean end.
"""

import json
import fcntl
import os
import pwd
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Optional, Sequence

from . import CEILING
from .certificates import NAME, Certificates
from .ports import Ports

REPOSITORY = Path(__file__).resolve().parents[3]
BINARY = Path(os.environ.get("MAILMUX", "build/asan/mailmux"))
_SANITIZER = re.compile(r"(Address|Leak|Thread|Memory|UndefinedBehavior)Sanitizer|runtime error:")
_FIELD = re.compile(r' ([a-z0-9_]+)=("(?:\\.|[^"\\])*"|[^ ]*)')


def binary() -> Path:
    return BINARY if BINARY.is_absolute() else REPOSITORY / BINARY


def is_thread_sanitized() -> bool:
    """Whether the binary is built with ThreadSanitizer, which takes several times the memory."""
    return b"__tsan_init" in binary().read_bytes()


@dataclass(frozen=True)
class LogLine:
    text: str
    level: str = ""
    event: str = ""
    fields: dict[str, str] = field(default_factory=dict)

    @staticmethod
    def parse(text: str) -> "LogLine":
        if text.startswith("{"):
            fields = {key: str(value) for key, value in json.loads(text).items()}
            return LogLine(text, fields["level"], fields["event"], fields)
        words = text.split(" ", 3)
        if len(words) < 3:
            return LogLine(text)
        fields = {key: value.strip('"') for key, value in _FIELD.findall(text)}
        return LogLine(text, words[1], words[2], fields)


class Proxy:
    def __init__(self, certificates: Optional[Certificates] = None) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="mailmux-e2e-"))
        self.directory.chmod(0o755)
        self.ini = self.directory / "proxy.ini"
        self.ports: dict[str, int] = {}
        self.lines: list[LogLine] = []
        self.process: Optional[subprocess.Popen[bytes]] = None
        self.environment: dict[str, str] = {}
        self.open_files: Optional[int] = None  # RLIMIT_NOFILE
        self._reserved = Ports()
        self._text = ""
        self._sections: dict[str, str] = {}
        self._changed = threading.Condition()
        self._reading = threading.Event()  # clear: whoever reads the log has stopped
        self._reading.set()
        self._reader: Optional[threading.Thread] = None
        # With core_dumps = no, only root may read /proc of the process.
        self.section("proxy", workers=2, hostname=NAME, state_directory=self.directory / "state",
                     user=pwd.getpwuid(os.geteuid()).pw_name,  # else root would be warned of
                     core_dumps="no" if os.geteuid() == 0 else "yes")
        self.section("timeouts", drain="2s")
        if certificates is not None:
            self.section("tls", certificate=certificates.rsa.certificate,
                         key=certificates.rsa.key)

    # Configuration

    def section(self, name: str, **settings: object) -> None:
        """Sets a whole section. A list becomes several lines with the same key. half_closed is 1s
        unless a test sets it, so that tests do not wait for clients that stay after their server.
        MAILMUX_TLS_RELAY in the environment is the value of tls_relay for a whole run.
        """
        if name == "timeouts":
            settings = {"half_closed": "1s", **settings}
        if name == "proxy" and "MAILMUX_TLS_RELAY" in os.environ:
            settings = {"tls_relay": os.environ["MAILMUX_TLS_RELAY"], **settings}
        lines = [f"[{name}]"]
        for key, value in settings.items():
            for one in value if isinstance(value, (list, tuple)) else [value]:
                lines.append(f"{key} = {one}")
        self._sections[name] = "\n".join(lines) + "\n"

    def backend(self, name: str, *ports: int, **settings: object) -> None:
        servers = [f"{name}{n} 127.0.0.1:{port}" for n, port in enumerate(ports, 1)]
        self.section(f"backend {name}", server=servers, **settings)

    def drop(self, section: str) -> None:
        del self._sections[section]

    def listener(self, name: str, protocol: str, tls: str, backend: str,
                 **settings: object) -> None:
        if name not in self.ports:
            self.ports[name] = self._reserved.reserve()
        self.section(f"listener {name}", bind=f"127.0.0.1:{self.ports[name]}", protocol=protocol,
                     tls=tls, backend=backend, **settings)

    # Life

    def write(self) -> None:
        """Writes proxy.ini in one step, since the process may be reading it."""
        draft = self.ini.with_suffix(".new")
        draft.write_text("\n".join(self._sections.values()))
        draft.replace(self.ini)

    def start(self, *, wait: bool = True) -> None:
        self.write()
        self.run(self.ini, wait=wait)

    def reload(self) -> LogLine:
        """Writes the sections as they are now and sends SIGHUP. Returns the log line that answers:
        `reloaded` or `reload-failed`.
        """
        def answers() -> list[LogLine]:
            return self.events("reloaded") + self.events("reload-failed")
        known = len(answers())
        self.write()
        self.send_signal(signal.SIGHUP)
        assert self.wait_until(lambda: len(answers()) > known), f"no answer to SIGHUP:\n{self.log()}"
        return max(answers(), key=lambda line: self.lines.index(line))

    def run(self, ini: Path, *, wait: bool = True) -> None:
        environment = {**os.environ, **self.environment}
        environment.setdefault("ASAN_OPTIONS", "detect_leaks=1:exitcode=99")
        environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
        limit = self.open_files
        preexec: Optional[Callable[[], None]] = None
        if limit is not None:
            def preexec() -> None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        self.process = subprocess.Popen(
            [str(binary()), "-c", str(ini)], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env=environment, preexec_fn=preexec)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if wait:
            self.wait_for_event("ready")

    def _read(self) -> None:
        """What is in the pipe together is seen together."""
        assert self.process and self.process.stderr
        rest = b""
        while data := self.process.stderr.read1(65536):  # type: ignore[attr-defined]
            self._reading.wait()
            *lines, rest = (rest + data).split(b"\n")
            self._take(lines)
        self._take([rest] if rest else [])

    def _take(self, lines: Sequence[bytes]) -> None:
        parsed = [LogLine.parse(line.decode("utf-8", "replace")) for line in lines]
        with self._changed:
            self.lines += parsed
            self._changed.notify_all()

    def stop_reading(self) -> None:
        """Stops the reader of the log, whose pipe has room for one page then. The log's end is read
        all the same, once the process is over and `wait` is called.
        """
        assert self.process and self.process.stderr
        fcntl.fcntl(self.process.stderr, fcntl.F_SETPIPE_SZ, 4096)
        self._reading.clear()

    def resume_reading(self) -> None:
        self._reading.set()

    def log(self) -> str:
        return "\n".join(line.text for line in self.lines)

    def events(self, event: str) -> list[LogLine]:
        return [line for line in list(self.lines) if line.event == event]

    def wait_for_event(self, event: str, count: int = 1) -> LogLine:
        """Waits for the count-th line of this event and returns it."""
        self.wait_until(lambda: len(self.events(event)) >= count)
        events = self.events(event)
        assert len(events) >= count, \
            f"{len(events)} of {count} lines `{event}`:\n{self.log()}"
        return events[count - 1]

    def wait_until(self, condition: Callable[[], object]) -> bool:
        """Waits until the log makes the condition true. Returns whether it is."""
        with self._changed:
            self._changed.wait_for(lambda: condition() or self._has_ended(), CEILING)
            return bool(condition())

    def _has_ended(self) -> bool:
        return self._reader is not None and not self._reader.is_alive()

    @property
    def keeper_pid(self) -> int:
        """The main process."""
        assert self.process is not None
        return self.process.pid

    def service_pids(self) -> list[int]:
        """The processes that serve, the newest last."""
        children = Path(f"/proc/{self.keeper_pid}/task/{self.keeper_pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    @property
    def pid(self) -> int:
        """The process that serves new connections."""
        return self.service_pids()[-1]

    def open_descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def count_orders(self) -> int:
        """Clients of the control socket that the keeper has accepted: it does not count what waits."""
        path = str(self.directory / "state" / "control")
        lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
        return sum(line[-1] == path and line[5] == "03" for line in lines)  # SS_CONNECTED

    def send_signal(self, number: signal.Signals) -> None:
        """To the main process; a machine that stops or goes on does so with all of them."""
        assert self.process is not None
        if number in (signal.SIGSTOP, signal.SIGCONT):
            for pid in self.service_pids():
                os.kill(pid, number)
        self.process.send_signal(number)

    def wait(self) -> int:
        """Waits for the end of the process and of its log. Returns the exit status."""
        assert self.process is not None and self._reader is not None
        try:
            status = self.process.wait(CEILING)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end:\n{self.log()}") from None
        self.resume_reading()
        self._reader.join(CEILING)
        return status

    def stop(self) -> LogLine:
        """Sends SIGTERM, waits for a clean end, and returns the `exit` line."""
        assert self.process is not None
        if self.process.poll() is None:
            self.send_signal(signal.SIGTERM)
        return self.finished()

    def finished(self) -> LogLine:
        """Waits for an end that the test has asked for, checks that it is clean, and returns the
        `exit` line.
        """
        status = self.wait()
        for line in self.lines:
            assert not _SANITIZER.search(line.text), f"a sanitizer spoke:\n{self.log()}"
        assert status == 0, f"exit status {status}:\n{self.log()}"
        assert self.lines[-1].event == "exit", f"the last line is not `exit`:\n{self.log()}"
        assert self.lines[-1].fields["alive"] == "0", self.lines[-1].text
        assert self.lines[-1].fields["faults"] == "0", f"an invariant does not hold:\n{self.log()}"
        return self.lines[-1]

    def discard(self) -> None:
        """Cleans up at the end of a test: kills the process if it still runs, removes its files."""
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
            self.wait()
        self._reserved.release()
        shutil.rmtree(self.directory, ignore_errors=True)
