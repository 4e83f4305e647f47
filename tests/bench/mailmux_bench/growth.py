"""What one operation costs while something else grows: sessions, servers, certificates, waiters."""

import subprocess
from dataclasses import dataclass, field

from . import BUILD, HERE, measure, scripts
from .measure import Measurement
from .rounds import DISTURBED
from .programs import Failure, Server
from .subjects import Running, Service
from .subjects.mailmux import Mailmux

IMAPS = Service("imap", "implicit")
POP3S = Service("pop3", "implicit")
NAMES_USED = 500
PLACES = 64


@dataclass
class Growth:
    """One chart: a line for each operation, with a point for each size."""

    key: str
    title: str
    grows: str
    lines: dict = field(default_factory=dict)  # title: {size: [one figure a round]}
    disturbed: int = 0

    def add(self, line, size, value):
        self.lines.setdefault(line, {}).setdefault(size, []).append(value)


def with_running(bench, subject, services, measured, growth=None):
    """Starts one, measures, stops it; what the server has seen."""
    server = Server(bench)
    try:
        running = Running(bench, server, subject, services)
        try:
            with Measurement(running) as first:
                measure.sessions(first, 64, **getattr(subject, "asks", {}))
            with Measurement(running) as one:
                measured(one)
                if growth:
                    growth.disturbed += one.disturbance() > DISTURBED
        finally:
            running.stop()
    finally:
        seen = server.stop()
    return seen, running


def held(measurement, count):
    """So many sessions of the first service that are idle."""
    load = measurement.load(0, scripts.session(IMAPS, "hold"), count=count, at_once=32)
    load.wait_until_held(count)
    return load


def released(measurement, load):
    measure.check(measurement.running, load.go())
    measurement.end(load)


def sessions(bench, growth, sizes, count):
    for size in sizes:
        def measured(one, size=size):
            load = held(one, size)
            for number, title in enumerate(("a login, IMAP", "a login, POP3")):
                growth.add(title, size, measure.sessions(one, count, number=number)["cpu"])
            growth.add("a NOOP", size, measure.trips(one, count, at_once=16)["cpu"])
            released(one, load)
        with_running(bench, Mailmux(), (IMAPS, POP3S), measured, growth)


def servers(bench, growth, sizes, count):
    used = 1
    for balance in ("round-robin", "least-sessions", "address-hash"):
        for size in sizes:
            service = Service("imap", "implicit", servers=size, more=(f"balance = {balance}",))
            seen, _ = with_running(
                bench, Mailmux(), (service,),
                lambda one, size=size, balance=balance: growth.add(
                    balance, size, measure.sessions(one, max(count, size + 100))["cpu"]), growth)
            if balance == "round-robin":
                used = min(used, seen["addresses"] / size)
    if used < 1:
        raise Failure(f"{used:.0%} of the servers were used")


def made_certificates(count):
    """A directory with so many; it is made once."""
    place = HERE / f"certificates/{count}"
    if not (place / f"n{count - 1}.example.test").is_dir():
        place.mkdir(parents=True, exist_ok=True)
        subprocess.run([BUILD / "tests/harness/many_names", "make", place, str(count)], check=True)
    return place


class WithCertificates(Mailmux):
    def __init__(self, count):
        used = min(count, NAMES_USED)
        self.certificate_directory = made_certificates(count)
        self.asks = {"names": used, "stride": count // used}


def certificates(bench, growth, sizes, count):
    for size in sizes:
        subject = WithCertificates(size)

        def measured(one, size=size, subject=subject):
            first = measure.sessions(one, subject.asks["names"], **subject.asks)["cpu"]
            if subject.asks["names"] > 1:
                growth.add("a session for a name that comes for the first time", size, first)
            growth.add("a session for one that came before", size,
                       measure.sessions(one, count, **subject.asks)["cpu"])
        with_running(bench, subject, (IMAPS,), measured, growth)


class WithLongQueue(Mailmux):
    timeouts = ("connect_deadline = 10m", "login = 10m")


def waiters(bench, growth, sizes, count):
    """All places of all servers are taken, and so many sessions wait for one."""
    for size in sizes:
        service = Service("imap", "implicit", servers=PLACES, of_server="max_sessions=1",
                          more=("queue_size = 10000", "queue_timeout = 10m"))
        with_running(
            bench, WithLongQueue(), (service,),
            lambda one, size=size: growth.add(
                "a session that waited for its place", size,
                measure.sessions(one, max(count, 2 * size), at_once=PLACES + size)["cpu"]), growth)


def calm(bench, count, rate, seconds):
    """Logins at a steady rate beside idle sessions: how long the slowest took, and stalls of a loop."""
    found = {}

    def measured(one):
        load = held(one, count)
        found.update(measure.sessions(one, rate * seconds, rate=rate))
        released(one, load)
        found["disturbance"] = one.disturbance()
    _, running = with_running(bench, Mailmux(), (IMAPS,), measured)
    words = (running.place / "log").read_text().split()
    found["stalls"] = max((int(word[7:]) for word in words if word.startswith("stalls=")), default=0)
    return found
