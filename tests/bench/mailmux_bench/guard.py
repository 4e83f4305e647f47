"""Instructions of single operations: the same scripts, once shorter and once longer, under callgrind.
What a longer run needs more is what the operation needs; the start and the end of mailmux drop out."""

from concurrent.futures import ThreadPoolExecutor

from . import callgrind, scripts
from .measure import check
from .programs import Load, Server
from .subjects import Running, Service
from .subjects.mailmux import Mailmux

MIB = 2**20
TOTAL = "all"
# Callgrind counts each octet of `rep movsb` as an instruction, which the processor does not.
TUNABLES = ":".join(f"glibc.cpu.x86_rep_{name}_threshold=1073741824" for name in ("movsb", "stosb"))
MESSAGE = 20480
IMAPS, SMTP, POP3, CLEAR, BOTH = range(5)
SERVICES = (Service("imap", "implicit"), Service("smtp", "starttls"), Service("pop3", "starttls"),
            Service("imap", "none"), Service("imap", "implicit", "tls"))

# Each operation: how often it is done in every run, and how often more in its own.
OPERATIONS = {
    "session": ("a handshake: TLS, greeting, goodbye", 4, 32),
    "login": ("a session with login, IMAP", 4, 32),
    "resumed": ("the same, resumed", 4, 32),
    "starttls": ("a session with STARTTLS and login, POP3", 4, 32),
    "clear": ("a session with login, IMAP, without TLS", 4, 32),
    "both": ("a session with login, IMAP, TLS on both legs", 4, 32),
    "message": ("a message of 20 KiB", 4, 64),
    "down": ("a MiB to the client", 2, 16),
    "up": ("a MiB to the server", 2, 16),
}


class Guarded(Mailmux):
    """mailmux under callgrind, which does not know the calls that would lock it in."""

    def __init__(self, binary):
        self.binary = binary

    def prepare(self, run):
        _, *words = super().prepare(run)
        return ["env", f"GLIBC_TUNABLES={TUNABLES}", "valgrind", "--quiet", "--tool=callgrind",
                f"--callgrind-out-file={run.place}/state/callgrind.%p", self.binary, *words]


def loads(counts):
    """(service, script, sessions, whether they are resumed) of one run."""
    imap, smtp, pop3, clear, both = SERVICES
    silent = ["tls", "expect * OK", "send z LOGOUT", "expect z OK", "end"]
    return [
        (IMAPS, silent, counts["session"], {}),
        (IMAPS, scripts.session(imap), counts["login"], {}),
        (IMAPS, scripts.session(imap), counts["resumed"], {"resume": True}),
        (POP3, scripts.session(pop3), counts["starttls"], {}),
        (CLEAR, scripts.session(clear), counts["clear"], {}),
        (BOTH, scripts.session(both), counts["both"], {}),
        (SMTP, scripts.session(smtp, *scripts.messages(counts["message"], MESSAGE)), 1, {}),
        (IMAPS, scripts.session(imap, *scripts.bulk("GET", counts["down"] * MIB)), 1, {}),
        (IMAPS, scripts.session(imap, *scripts.bulk("PUT", counts["up"] * MIB)), 1, {}),
    ]


def run(bench, binary, counts):
    """Instructions of the service for so many of each operation, by function."""
    server = Server(bench)
    try:
        running = Running(bench, server, Guarded(binary), SERVICES)
        try:
            for number, script, sessions, more in loads(counts):
                load = Load(bench, running.ports[number], script, count=sessions, **more)
                figures = load.read()
                load.end()
                check(running, figures, resumes=None)
        finally:
            running.stop()
    finally:
        server.stop()
    found = [callgrind.read(path) for path in (running.place / "state").glob("callgrind.*")]
    return max(found, key=lambda one: one[0])


def operations(bench, binary):
    """For each operation the instructions of one, by function, and of all."""
    least = {name: count for name, (_, count, _) in OPERATIONS.items()}
    longer = [{**least, name: least[name] + more} for name, (_, _, more) in OPERATIONS.items()]
    with ThreadPoolExecutor(2) as two:
        base, *found = two.map(lambda counts: run(bench, binary, counts), [least, *longer])
    result = {}
    for (name, (_, _, more)), (total, one) in zip(OPERATIONS.items(), found):
        result[name] = {function: (one[function] - base[1][function]) / more
                        for function in set(one) | set(base[1])
                        if one[function] != base[1][function]}
        result[name][TOTAL] = (total - base[0]) / more
    return result


def table(head, rows):
    return ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1),
            *("| " + " | ".join(row) + " |" for row in rows)]


def totals(ours, theirs, revision):
    rows = []
    for name, (title, _, _) in OPERATIONS.items():
        mine, its = ours[name][TOTAL], theirs[name][TOTAL] if theirs else 0
        rows.append([title, f"{its:,.0f}" if theirs else "", f"{mine:,.0f}",
                     f"{mine / its:.3f}" if its else ""])
    return table(["instructions of the service for", revision or "", "this tree", "ratio"], rows)


def changes(ours, theirs, most):
    """The functions that changed most, of each operation."""
    rows = []
    for name, (title, _, _) in OPERATIONS.items():
        both = {function: (theirs[name].get(function, 0), ours[name].get(function, 0))
                for function in (set(ours[name]) | set(theirs[name])) - {TOTAL}}
        total = theirs[name][TOTAL]
        largest = sorted(both.items(), key=lambda item: -abs(item[1][1] - item[1][0]))[:most]
        rows += [[title, function, f"{its:,.0f}", f"{mine:,.0f}", f"{mine - its:+,.0f}"]
                 for function, (its, mine) in largest if abs(mine - its) > total / 1000]
    return table(["operation", "function", "before", "now", "more"], rows)


def functions(ours, name, most):
    """Where the instructions of one operation go."""
    total = ours[name][TOTAL]
    sorted_ones = sorted(ours[name].items(), key=lambda item: -abs(item[1]))
    rows = [[function, f"{count:,.0f}", f"{count / total:.1%}"]
            for function, count in sorted_ones[:most + 1] if function != TOTAL]
    return table([f"{OPERATIONS[name][0]}: {total:,.0f}", "instructions", "share"], rows)
