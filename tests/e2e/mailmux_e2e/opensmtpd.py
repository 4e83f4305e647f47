"""A real OpenSMTPD on loopback, by tests/lib/opensmtpd."""

import os
import shutil
import subprocess
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

import pytest

from . import CEILING
from .client import Client
from .ports import Ports
from .proxy import REPOSITORY

DOMAIN = "example.test"
USER = "alice"
_CACHE = REPOSITORY / "build/cache"
_MAY_NOT_MOUNT = 77


class OpenSmtpd:
    """Speaks plaintext, and takes mail for alice@example.test."""

    def __init__(self, directory: Path, port: int) -> None:
        self.port = port
        self._directory = directory
        self._lines: list[str] = []
        self._changed = threading.Condition()
        command = [str(REPOSITORY / "tests/lib/opensmtpd"), str(_CACHE), str(directory), str(port)]
        if os.geteuid() != 0:
            command.insert(0, "sudo")
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT, text=True, errors="replace")
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            with self._changed:
                self._lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def log(self) -> str:
        return "".join(self._lines)

    def wait_for_log(self, word: str) -> None:
        with self._changed:
            self._changed.wait_for(lambda: word in self.log() or not self._reader.is_alive(),
                                   CEILING)
        assert word in self.log(), f"no {word} in its log:\n{self.log()}"

    def wait_until_it_serves(self) -> None:
        """Connects until it is greeted: the log says that it starts, not that its port is open."""
        while self._process.poll() is None:
            try:
                with Client(self.port) as client:
                    assert client.read_smtp().startswith(b"220 "), self.log()
                    client.smtp(b"QUIT")
                    return
            except ConnectionRefusedError:
                threading.Event().wait(0.02)
        if self._process.returncode == _MAY_NOT_MOUNT:
            pytest.skip("a file system of its own needs root")
        raise AssertionError(self.log())

    def messages(self) -> list[bytes]:
        return [file.read_bytes() for file in self._directory.glob("mail/Maildir/new/*")]

    def stop(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(CEILING)
        self._reader.join(CEILING)
        self._process.stdout.close()  # type: ignore[union-attr]


@contextmanager
def opensmtpd() -> Iterator[OpenSmtpd]:
    ports = Ports()
    directory = Path(tempfile.mkdtemp(prefix="mailmux-opensmtpd-", dir="/tmp"))
    directory.chmod(0o711)
    server = OpenSmtpd(directory, ports.reserve())
    try:
        server.wait_until_it_serves()
        yield server
    finally:
        server.stop()
        ports.release()
        shutil.rmtree(directory, ignore_errors=True)
