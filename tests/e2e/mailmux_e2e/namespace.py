"""Two network namespaces of the test's own, joined by a cable: one for the program under test and
its clients, one for the servers behind it. Real ports and foreign addresses in them disturb no
other program.
"""

import ctypes
import os
import subprocess
import threading
from contextlib import contextmanager
from typing import Callable, Iterator, Optional, Sequence

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def _new_network() -> int:
    """Moves this thread into a new network. Returns a descriptor for coming back later."""
    _check(_libc.unshare(_CLONE_NEWNET))
    _ip("link set lo up")
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def _ip(command: str) -> None:
    subprocess.run(["ip", *command.split()], check=True)


class Networks:
    """The two networks. Make it in a thread of its own, see in_own_networks()."""

    def __init__(self, servers: Sequence[str]) -> None:
        self._there = _new_network()
        self._here = _new_network()
        _ip(f"link add near type veth peer name far netns /proc/{os.getpid()}/fd/{self._there}")
        _ip("address add 10.0.0.1/24 dev near")
        _ip("link set near up")
        with self.there():
            for address in servers:
                _ip(f"address add {address}/24 dev far")
            _ip("link set far up")

    @contextmanager
    def there(self) -> Iterator[None]:
        """Sockets that the body of `with` opens belong to the servers' network."""
        _check(_libc.setns(self._there, _CLONE_NEWNET))
        try:
            yield
        finally:
            _check(_libc.setns(self._here, _CLONE_NEWNET))

    def close(self) -> None:
        os.close(self._there)
        os.close(self._here)


def in_own_networks(body: Callable[[Networks], None], servers: Sequence[str]) -> None:
    """Runs the body in a thread in the first network, where processes that it starts are as well.

    The second network has the servers' addresses. Raises PermissionError if namespaces are not
    allowed.
    """
    failure: Optional[BaseException] = None

    def run() -> None:
        nonlocal failure
        try:
            networks = Networks(servers)
            try:
                body(networks)
            finally:
                networks.close()
        except BaseException as error:  # raised again in the caller's thread
            failure = error

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failure is not None:
        raise failure
