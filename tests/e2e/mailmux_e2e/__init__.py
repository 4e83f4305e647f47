"""What the end-to-end tests stand on: the proxy, servers behind it, clients in front of it."""

import time
from typing import Callable

# The longest that anything here waits for an event, in seconds. Never a measure of anything.
CEILING = 30.0


def until(condition: Callable[[], object]) -> None:
    """Looks again and again until it is true; for what sends no event."""
    end = time.monotonic() + CEILING
    while not condition():
        assert time.monotonic() < end, "it never became true"
        time.sleep(0.01)
