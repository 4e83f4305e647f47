"""A crowd: clients that come again and again, several at a time, with the result of each visit."""

import itertools
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Callable, Iterator, Optional

from . import CEILING
from .client import Client


@dataclass(frozen=True)
class Visit:
    server: str  # the name in the greeting; "" if the client has seen none
    failure: str


# Speaks with a client from the greeting to the goodbye; first calls greeted(server).
Talk = Callable[[Client, Callable[[str], None]], None]


class Crowd:
    def __init__(self, port: int, talk: Talk) -> None:
        self._port = port
        self._talk = talk
        self._changed = threading.Condition()
        self.visits: list[Visit] = []

    def visit(self) -> Visit:
        """One client connects, speaks and leaves. Returns what came of it."""
        greeted = [""]
        failure = ""
        try:
            with Client(self._port) as client:
                self._talk(client, lambda server: greeted.append(server))
        except (AssertionError, OSError) as error:
            failure = repr(error)
        visit = Visit(greeted[-1], failure)
        with self._changed:
            self.visits.append(visit)
            self._changed.notify_all()
        return visit

    @contextmanager
    def coming(self, at_once: int, rounds: Optional[int] = None) -> Iterator[None]:
        """Lets so many clients come at once while the body of `with` runs: each comes `rounds`
        times, or again and again until the body is done.
        """
        done = threading.Event()

        def come() -> None:
            for _ in itertools.count() if rounds is None else range(rounds):
                if rounds is None and done.is_set():
                    break
                self.visit()

        threads = [threading.Thread(target=come, daemon=True) for _ in range(at_once)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            done.set()
            for thread in threads:
                thread.join(CEILING)
        assert not any(thread.is_alive() for thread in threads), "clients hang"

    def wait_for(self, count: int) -> None:
        """Waits for so many further visits."""
        with self._changed:
            wanted = len(self.visits) + count
            assert self._changed.wait_for(lambda: len(self.visits) >= wanted, CEILING)

    def failures(self) -> list[Visit]:
        return [visit for visit in self.visits if visit.failure]


def shares(visits: list[Visit]) -> dict[str, int]:
    """How many visits came to each server."""
    return dict(Counter(visit.server for visit in visits))
