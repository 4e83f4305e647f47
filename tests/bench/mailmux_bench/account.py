"""What processes have used, by their own accounting."""

import os
import time
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
CLOCK_OF_PROCESS = 2  # clock_getcpuclockid(3): CPUCLOCK_SCHED of the whole process, ended threads too


def tree(pid):
    """The process and all that descend from it."""
    children = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for one in found:
        found.extend(children.get(one, []))
    return found


def processor_seconds(pids):
    """User and system time of these processes, to the nanosecond."""
    total = 0.0
    for pid in pids:
        try:
            total += time.clock_gettime((~pid << 3) | CLOCK_OF_PROCESS)
        except OSError:
            continue
    return total


def memory(pids):
    """Octets that belong to these processes; what several share is shared out (Pss)."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def machine_seconds():
    """What all processes of this machine, and its host in their place, have used."""
    fields = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    user, nice, system, _, _, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq + steal) / TICK


class Watch:
    """What others used of the machine while the processes of a measurement ran."""

    def __init__(self, pids):
        self.pids = [os.getpid(), *pids]
        self.begin = (time.monotonic(), machine_seconds(), processor_seconds(self.pids))

    def disturbance(self, ended=0.0):
        """The share of the machine that others took; `ended`: seconds of ours that are over."""
        elapsed = time.monotonic() - self.begin[0]
        ours = processor_seconds(self.pids) - self.begin[2] + ended
        others = machine_seconds() - self.begin[1] - ours
        return max(0.0, others) / max(elapsed * os.cpu_count(), 0.001)
