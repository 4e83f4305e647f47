"""A network of the test's own, so that real ports and foreign addresses touch nobody."""

import ctypes
import os
import subprocess
import threading
from typing import Callable, Optional, Sequence

_CLONE_NEWNET = 0x40000000


def in_own_network(body: Callable[[], None], addresses: Sequence[str] = ()) -> None:
    """Runs the body in a thread with a fresh network namespace: loopback and these addresses on it.

    Threads and processes started by the body are in it too. Raises OSError where that is not
    allowed.
    """
    failure: Optional[BaseException] = None

    def run() -> None:
        nonlocal failure
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.unshare(_CLONE_NEWNET) != 0:
                error = ctypes.get_errno()
                raise OSError(error, os.strerror(error))
            subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
            for address in addresses:
                subprocess.run(["ip", "address", "add", address, "dev", "lo"], check=True)
            body()
        except BaseException as error:  # handed to the caller's thread
            failure = error

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failure is not None:
        raise failure
