"""How much memory the process has. What an allocator keeps, and when the kernel delivers, is chance and
differs from one look to the next, so no two looks are compared: what is kept is kept in every round,
and the least growth of several rounds shows it.
"""

import re
from pathlib import Path
from typing import Sequence

from .proxy import Proxy, is_thread_sanitized

SHADOW = 4 if is_thread_sanitized() else 1  # times the memory that the process uses itself
# For ASAN_OPTIONS: what is freed is given back, so that what is not shows in the size of the process.
LEAN = "detect_leaks=1:exitcode=99:quarantine_size_mb=0:thread_local_quarantine_size_kb=0"


def resident(proxy: Proxy) -> int:
    status = Path(f"/proc/{proxy.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024  # type: ignore[index]


def least_growth(looks: Sequence[int]) -> int:
    """Of all rounds, between two looks each, the growth of that which grew least, in octets."""
    return min(after - before for before, after in zip(looks, looks[1:])) // SHADOW
