"""TCP ports of loopback that stay reserved until they are released.

A reserved port is bound, but nothing listens on it. The kernel does not give it to another program
by chance. A program that binds it with SO_REUSEADDR (all servers do) may listen on it. Until then
connections are refused.
"""

import socket


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
