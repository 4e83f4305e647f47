"""Postfix and Dovecot in a scratch directory on loopback: deploy/lib/legacy-server for tests."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from .ports import Ports
from .proxy import REPOSITORY

DOMAIN = "example.test"
USER = "alice"
OTHER_USER = "bob"
PASSWORD = "secret"


class LegacyServer:
    """Speaks plaintext only, unless an option says otherwise. Mail to alice@example.test or
    bob@example.test lands in their INBOX. Clients in the trusted networks may send anywhere.
    """

    def __init__(self, *options: str, trusted_networks: str = "") -> None:
        if trusted_networks:
            options = (*options, "--trust", trusted_networks)
        self._ports = Ports()
        self.smtp = self._ports.reserve()
        self.imap = self._ports.reserve()
        self.pop3 = self._ports.reserve()
        self._directory = Path(tempfile.mkdtemp(prefix="mailmux-legacy-", dir="/tmp"))
        self._call("start", str(self._directory), str(self.smtp), str(self.imap), str(self.pop3),
                   *options)

    def _call(self, *arguments: str) -> None:
        command = [str(REPOSITORY / "deploy/lib/legacy-server"), *arguments]
        if os.geteuid() != 0:
            command.insert(0, "sudo")
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def log(self) -> str:
        return "".join((self._directory / program / "log").read_text(errors="replace")
                       for program in ("dovecot", "postfix"))

    def stop(self) -> None:
        self._call("stop", str(self._directory))
        self._ports.release()
        shutil.rmtree(self._directory, ignore_errors=True)
