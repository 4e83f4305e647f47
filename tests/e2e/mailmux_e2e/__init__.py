"""The base of the end-to-end tests: the proxy, servers behind it, clients in front of it."""

import time
from typing import Callable

# The longest wait for an event, in seconds. It only ends tests that hang; no test measures by it.
CEILING = 30.0


def until(condition: Callable[[], object]) -> None:
    """Polls until the condition is true. Only for things that send no event."""
    end = time.monotonic() + CEILING
    while not condition():
        assert time.monotonic() < end, "it never became true"
        time.sleep(0.01)
