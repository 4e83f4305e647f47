"""Postfix and Dovecot in a temporary directory on loopback, by deploy/lib/legacy-server."""

import imaplib
import os
import re
import shutil
import socket
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Optional, Sequence

from . import CEILING
from .ports import Ports
from .proxy import REPOSITORY

DOMAIN = "example.test"
USER = "alice"
OTHER_USER = "bob"
PASSWORD = "secret"


class _LocalImap(imaplib.IMAP4):
    """By the unix socket, where there is no TLS."""

    def _create_socket(self, timeout: Optional[float]) -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(CEILING)
        made.connect(self.host)
        return made


class LegacyServer:
    """Speaks plaintext only, unless an option says otherwise. Mail to alice@example.test or
    bob@example.test lands in their INBOX. Clients in the trusted networks may send anywhere.
    """

    def __init__(self, *options: str, trusted_networks: str = "", at: str = "127.0.0.1",
                 has_lmtp: bool = False, has_sieve: bool = False) -> None:
        """at: the loopback address on which it listens."""
        if trusted_networks:
            options = (*options, "--trust", trusted_networks)
        self._options = (*options, "--at", at)
        self._ports = Ports(at)
        self.smtp = self._ports.reserve()
        self.imap = self._ports.reserve()
        self.pop3 = self._ports.reserve()
        self.lmtp = self._ports.reserve()
        if has_lmtp:
            self._options += ("--lmtp", str(self.lmtp))
        self.managesieve = self._ports.reserve()
        if has_sieve:
            self._options += ("--sieve", str(self.managesieve))
        self._is_paused = False
        self._directory = Path(tempfile.mkdtemp(prefix="mailmux-legacy-", dir="/tmp"))
        self.start()

    def start(self) -> None:
        """Starts the servers; after kill, again with the same ports, users and mail."""
        self._call("start", str(self.smtp), str(self.imap), str(self.pop3), *self._options)

    def _call(self, verb: str, *arguments: str) -> None:
        command = [str(REPOSITORY / "deploy/lib/legacy-server"), verb, str(self._directory),
                   *arguments]
        if os.geteuid() != 0:
            command.insert(0, "sudo")
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def kill(self) -> None:
        """Sends SIGKILL to all its processes, so that none is left."""
        self._call("kill")

    def pause(self) -> None:
        """Sends SIGSTOP to all its processes: the kernel still takes connections, and none of them
        is answered.
        """
        self._call("pause")
        self._is_paused = True

    def resume(self) -> None:
        self._call("resume")
        self._is_paused = False

    def socket(self, protocol: str) -> str:
        """The path of the unix socket on which it listens as well."""
        at = "postfix/spool/public" if protocol == "smtp" else "dovecot"
        return str(self._directory / at / protocol)

    def mail(self, user: str) -> list[bytes]:
        """The messages in the user's INBOX."""
        with _LocalImap(self.socket("imap")) as client:
            client.login(user, PASSWORD)
            client.select("INBOX", readonly=True)
            _, found = client.search(None, "ALL")
            return [client.fetch(number, "(RFC822)")[1][0][1] for number in found[0].split()]

    def _logs(self) -> list[Path]:
        """The log files of the programs that were started."""
        logs = [self._directory / program / "log" for program in ("dovecot", "postfix")]
        return [log for log in logs if log.exists()]

    def log(self) -> str:
        return "".join(log.read_text(errors="replace") for log in self._logs())

    def wait_for_log(self, count: int, *patterns: str) -> None:
        """Waits until the logs have so many lines that match, of each pattern."""
        missing = {pattern: count for pattern in patterns}
        with subprocess.Popen(["timeout", str(CEILING), "tail", "-q", "-n", "+1", "-F",
                               *map(str, self._logs())], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, errors="replace") as tail:
            assert tail.stdout is not None
            for line in tail.stdout:
                for pattern in patterns:
                    missing[pattern] -= bool(re.search(pattern, line))
                if max(missing.values()) <= 0:
                    tail.terminate()
                    return
        raise AssertionError(f"missing {missing} in the servers' logs:\n{self.log()}")

    def stop(self) -> None:
        if self._is_paused:
            self.resume()
        self._call("stop")
        self._ports.release()
        shutil.rmtree(self._directory, ignore_errors=True)


def start_together(*options: Sequence[str], at: str = "127.0.0.1") -> list[LegacyServer]:
    """Starts a server for each list of options, all at once, which is quicker."""
    with ThreadPoolExecutor() as executor:
        begun = [executor.submit(LegacyServer, *one, at=at) for one in options]
    failures = [one.exception() for one in begun if one.exception()]
    servers = [one.result() for one in begun if not one.exception()]
    if failures:
        stop_together(servers)
        raise failures[0]
    return servers


def stop_together(servers: Sequence[LegacyServer]) -> None:
    with ThreadPoolExecutor() as executor:
        for _ in executor.map(LegacyServer.stop, servers):
            pass
