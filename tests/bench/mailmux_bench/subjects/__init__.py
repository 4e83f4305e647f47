"""The programs that are measured. Each knows how it is configured, and what it cannot do."""

import subprocess
import time
from dataclasses import dataclass

from .. import account
from ..programs import Failure, free_port, is_served, start, stop


@dataclass(frozen=True)
class Service:
    """What a subject is to offer: TLS toward the client (implicit, starttls, none) and the server."""

    protocol: str
    front: str
    back: str = "none"
    servers: int = 1
    more: tuple = ()  # lines of the backend, for mailmux alone
    of_server: str = ""  # options of each server, for mailmux alone

    def __str__(self):
        return f"{self.protocol}, {self.front} to {self.back}"

    def server_port(self, server):
        return server.ports[self.protocol + ("-tls" if self.back == "tls" else "")]


class Subject:
    """One program under test. A subclass writes its configuration and says its command."""

    name = "?"
    package = None
    most_services = 8

    def cannot(self, service):
        """Why it has no such service, or None."""
        return None

    def prepare(self, run):
        """Writes what it needs below run.place; the command that stays in the foreground."""
        raise NotImplementedError

    def version(self):
        shown = subprocess.run(["dpkg-query", "--show", "--showformat=${Version}", self.package],
                               capture_output=True, text=True, check=False)
        return shown.stdout or "?"


class Running:
    """A subject that serves `services`, each at a port of its own."""

    def __init__(self, bench, server, subject, services):
        self.bench, self.server, self.subject, self.services = bench, server, subject, services
        self.ports = [free_port() for _ in services]
        self.place = bench.new_place(subject.name)
        self.log = (self.place / "log").open("wb")
        self.process = start(subject.prepare(self), self.log)
        deadline = time.monotonic() + 30
        while not all(is_served(port) for port in self.ports):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise Failure(f"{subject.name} does not start: "
                              + (self.place / "log").read_text()[-2000:])
            time.sleep(0.02)

    def pids(self):
        return account.tree(self.process.pid)

    def stop(self):
        stop(self.process)
        self.log.close()


def subjects():
    """All of them, ours first and the floor last."""
    from . import haproxy, hitch, mailmux, nginx, relay, stunnel
    return [mailmux.Mailmux(), nginx.Mail(), nginx.Stream(), haproxy.Haproxy(), hitch.Hitch(),
            stunnel.Stunnel(), relay.Relay()]
