"""How much memory the process has. What the allocator keeps depends on chance, so two measurements
prove nothing. But a leak is there in every round: the least growth of several rounds shows it.
"""

import re
from pathlib import Path
from typing import Sequence

from .proxy import Proxy, is_thread_sanitized

SHADOW = 4 if is_thread_sanitized() else 1  # so many times the memory that the process itself uses
# ASAN_OPTIONS by which freed memory is given back, so that a leak shows in the size of the process.
LEAN = "detect_leaks=1:exitcode=99:quarantine_size_mb=0:thread_local_quarantine_size_kb=0"


def resident(proxy: Proxy) -> int:
    status = Path(f"/proc/{proxy.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024  # type: ignore[index]


def least_growth(looks: Sequence[int]) -> int:
    """The least growth from one look to the next, in octets. ThreadSanitizer itself keeps some more in
    each round, so its builds say nothing of it; those with AddressSanitizer do.
    """
    if is_thread_sanitized():
        return 0
    return min(after - before for before, after in zip(looks, looks[1:]))
