"""What is measured: every row of the page docs/performance.md, and what is to be reached."""

from dataclasses import dataclass
from functools import partial

from . import measure
from .subjects import Service

MIB = 2**20
GIVEN_BACK = 12  # seconds: mailmux looks every five whether a burst is over
OURS, FLOOR = "mailmux", "bare relay"


@dataclass(frozen=True)
class Figure:
    """One row. `reach`: (whom it is compared with, the ratio); "best" is the best peer."""

    key: str
    title: str
    unit: str
    reach: tuple = ()
    most: float | None = None  # of the figure itself, where it is no ratio


@dataclass(frozen=True)
class Trial:
    """One measurement, the figures that it gives, and the services that a subject needs for it."""

    key: str
    services: tuple
    measure: partial
    figures: tuple
    blind: tuple = ()  # those that cannot do it are measured with these in their place
    is_fresh: bool = False  # each round has a process of its own
    rounds: int | None = None
    only: tuple = ()  # the subjects; all, if it is empty


@dataclass(frozen=True)
class Size:
    """How much is done; each measurement is to take a second or two."""

    sessions: int
    resumed: int
    calm: int
    octets: int
    trips: int
    idle: int
    idle_seconds: int
    messages: int
    beside: int
    rounds: int


FULL = Size(1500, 4000, 2000, 256 * MIB, 1500, 9800, 10, 150, 5000, 5)
QUICK = Size(300, 600, 300, 32 * MIB, 200, 1000, 2, 20, 1000, 3)

IMPLICIT = (Service("imap", "implicit"),)
CLEAR = (Service("imap", "none"),)
BOTH = (Service("imap", "implicit", "tls"),)
MAIL = (Service("smtp", "starttls"),)
MAIL_BLIND = (Service("smtp", "implicit"),)


def starttls(name, size):
    title = f"a session with STARTTLS, {name.upper()}"
    return Trial(f"starttls-{name}", (Service(name, "starttls"),),
                 partial(measure.sessions, count=size.sessions),
                 (Figure("cpu", title, "us CPU", (("nginx-mail", 0.70),)),))


def sessions(size):
    return [
        Trial("implicit", IMPLICIT, partial(measure.sessions, count=size.sessions),
              (Figure("cpu", "a session with TLS from the start, and login", "us CPU",
                      (("nginx-stream", 0.85), (FLOOR, 1.10))),)),
        Trial("resumed", IMPLICIT, partial(measure.sessions, count=size.resumed, resume=True),
              (Figure("cpu", "a resumed session", "us CPU", (("best", 0.95),)),)),
        *[starttls(name, size) for name in ("imap", "pop3", "smtp")],
        Trial("calm", IMPLICIT, partial(measure.sessions, count=size.calm, rate=200),
              (Figure("p99", "a login at 200 a second, the slowest of 100", "ms",
                      (("haproxy", 1.00),)),)),
        Trial("clear", CLEAR, partial(measure.sessions, count=size.resumed),
              (Figure("cpu", "a session without TLS", "us CPU", (("nginx-stream", 0.95),)),)),
        Trial("both", BOTH, partial(measure.sessions, count=size.sessions),
              (Figure("cpu", "a session with TLS on both legs", "us CPU",
                      (("nginx-stream", 0.80),)),)),
    ]


def octets(size):
    down = partial(measure.bulk, way="GET", octets=size.octets)
    return [
        Trial("down", IMPLICIT, down,
              (Figure("cpu", "a GB to the client", "s CPU", (("haproxy", 0.70),)),)),
        Trial("up", IMPLICIT, partial(measure.bulk, way="PUT", octets=size.octets),
              (Figure("cpu", "a GB to the server", "s CPU", (("nginx-stream", 0.75),)),)),
        Trial("down-clear", CLEAR, partial(measure.bulk, way="GET", octets=4 * size.octets),
              (Figure("cpu", "a GB to the client, without TLS", "s CPU", (("haproxy", 0.60),)),)),
        Trial("down-both", BOTH, down,
              (Figure("cpu", "a GB to the client, TLS on both legs", "s CPU",
                      (("haproxy", 0.70),)),)),
        Trial("trips", IMPLICIT, partial(measure.trips, count=size.trips),
              (Figure("cpu", "a NOOP and its answer, 64 sessions", "us CPU",
                      (("nginx-stream", 0.85),)),
               Figure("p99", "the same, the slowest of 100", "ms", (("hitch", 0.80),)))),
        Trial("messages", MAIL, partial(measure.messages, count=size.messages),
              (Figure("cpu", "a message of 20 KiB, ten in a session", "us CPU",
                      (("nginx-mail", 0.75), ("haproxy", 0.95))),), blind=MAIL_BLIND),
        Trial("data", MAIL, partial(measure.messages, count=4 if size.octets < 100 * MIB else 12,
                                    each=1, octets=32 * MIB),
              (Figure("cpu_gb", "a GB in messages of 32 MiB", "s CPU", (("hitch", 0.85),)),),
              blind=MAIL_BLIND),
    ]


def scale(size):
    idle = partial(measure.idle, count=size.idle, seconds=size.idle_seconds)
    rounds = max(1, size.rounds // 2)
    return [
        Trial("idle", IMPLICIT, partial(idle, after=GIVEN_BACK),
              (Figure("octets", f"an idle session with TLS, of {size.idle}", "octets",
                      (("haproxy", 0.85),), most=14700),
               Figure("kept", "memory that stays when they have left", "MiB", most=10),
               Figure("cpu", "processor time while they are idle", "ms/s", most=0.3)),
              is_fresh=True, rounds=rounds),
        Trial("idle-both", BOTH, partial(idle, after=0),
              (Figure("octets", f"an idle session, TLS on both legs, of {size.idle}", "octets",
                      (("haproxy", 0.75),)),), is_fresh=True, rounds=rounds),
        Trial("beside", (Service("imap", "implicit"), Service("pop3", "implicit")),
              partial(measure.beside, idle_count=size.beside, count=size.sessions),
              (Figure("ratio", f"a POP3 session beside {size.beside} idle ones of IMAP, to one alone",
                      "x", most=1.05),), is_fresh=True, rounds=rounds),
        Trial("servers", (Service("imap", "implicit"), Service("imap", "implicit", servers=1000)),
              partial(measure.servers, count=max(size.sessions, 1000)),
              (Figure("ratio", "a session with 1,000 servers, to one with one", "x", most=1.05),),
              only=(OURS,)),
    ]


def trials(size):
    return [*sessions(size), *octets(size), *scale(size)]
