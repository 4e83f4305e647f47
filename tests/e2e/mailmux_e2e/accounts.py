"""Proxies whose service has another account than the keeper, where root runs the tests."""

import os

import pytest

from .certificates import NAME
from .client import Closed
from .proxy import Proxy

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the account")


def use_account(proxy: Proxy) -> None:
    """Sets [proxy]; proxy.settings are its settings, for tests that change one of them."""
    proxy.settings = {"workers": 2, "hostname": NAME, "core_dumps": "yes",
                      "state_directory": proxy.directory / "state"}
    if os.geteuid() == 0:
        proxy.settings["user"] = "nobody"
    proxy.section("proxy", **proxy.settings)


def change(proxy: Proxy, **settings: object) -> None:
    """Sets these of [proxy], and leaves the others as use_account has set them."""
    proxy.section("proxy", **{**proxy.settings, **settings})


def is_alive(client) -> bool:
    """Whether an IMAP session goes on."""
    return b"OK" in client.imap(b"n NOOP")


def serves(connect) -> bool:
    """Whether a client that `connect` makes is greeted."""
    try:
        connect().close()
    except (OSError, Closed):
        return False
    return True
