"""TCP ports of loopback that stay reserved until they are released.

A reserved port is bound, but nothing listens on it. The kernel does not give it to another program
by chance. A program that binds it with SO_REUSEADDR (all servers do) may listen on it. Until then
connections are refused.
"""

import os
import socket


def connected(port: int, host: str = "127.0.0.1") -> socket.socket:
    """A connection. A listener that closes resets those in its queue: then the next one counts."""
    while True:
        try:
            return socket.create_connection((host, port))
        except ConnectionResetError:
            continue


def is_open(port: int, host: str = "127.0.0.1") -> bool:
    try:
        connected(port, host).close()
    except ConnectionRefusedError:
        return False
    return True


def own_address() -> str:
    """An address of loopback for ports below 1024: several test runs may go on at once."""
    return "127.83.{}.{}".format(*os.getpid().to_bytes(4, "big")[2:])


class Ports:
    def __init__(self, address: str = "127.0.0.1") -> None:
        self._address = address
        self._holders: list[socket.socket] = []

    def reserve(self) -> int:
        family = socket.AF_INET6 if ":" in self._address else socket.AF_INET
        holder = socket.socket(family, socket.SOCK_STREAM)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((self._address, 0))
        self._holders.append(holder)
        return holder.getsockname()[1]

    def release(self) -> None:
        for holder in self._holders:
            holder.close()
        self._holders.clear()
