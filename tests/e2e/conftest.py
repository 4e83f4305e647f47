"""Fixtures of the end-to-end tests; what they give is in mailmux_e2e/."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, Optional

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from mailmux_e2e import certificates as certificate_files  # noqa: E402
from mailmux_e2e import conformance  # noqa: E402
from mailmux_e2e.attacks import Field  # noqa: E402
from mailmux_e2e.backend import Backend, Script  # noqa: E402
from mailmux_e2e.certificates import Certificates  # noqa: E402
from mailmux_e2e.client import Client  # noqa: E402
from mailmux_e2e.legacy import LegacyServer  # noqa: E402
from mailmux_e2e.legs import Legs  # noqa: E402
from mailmux_e2e.proxy import Proxy  # noqa: E402
from mailmux_e2e.servers import server  # noqa: E402


def pytest_configure(config: pytest.Config) -> None:
    # What a machine trusts besides its own store is none of a test's. Each start would read the whole
    # file, too.
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        os.environ.pop(name, None)
    config.addinivalue_line("markers", "conformance(*numbers): statements that the test proves")
    config.addinivalue_line("markers", "quick: one of the few that tests/run --quick runs")
    config.pluginmanager.register(conformance.Conformance(), "mailmux-conformance")


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificate_files.make(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def new_proxy(certificates: Certificates) -> Iterator[Callable[..., Proxy]]:
    """Makes proxies that are still to be configured and started; each must end cleanly."""
    made: list[Proxy] = []

    def make(with_certificate: bool = True) -> Proxy:
        made.append(Proxy(certificates if with_certificate else None))
        return made[-1]

    yield make
    try:
        for one in made:
            if one.process is not None and one.process.poll() is None:
                one.stop()
    finally:
        for one in made:
            one.discard()


@pytest.fixture
def proxy(new_proxy: Callable[..., Proxy]) -> Proxy:
    return new_proxy()


@pytest.fixture(params=[False, True], ids=["whole", conformance.BYTEWISE])
def bytewise(request: pytest.FixtureRequest) -> bool:
    """Every test that uses it runs twice: as it is written, and each byte in its own segment."""
    return request.param


@pytest.fixture
def new_backend() -> Iterator[Callable[..., Backend]]:
    made: list[Backend] = []

    def make(*scripts: Script, **options: object) -> Backend:
        made.append(Backend(*scripts, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.stop()
    for one in made:  # one may serve where an earlier one did
        one.release()


@pytest.fixture
def new_client(new_proxy: object) -> Iterator[Callable[..., Client]]:
    """Clients close before the proxy is stopped."""
    made: list[Client] = []

    def make(port: int, **options: object) -> Client:
        made.append(Client(port, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


@dataclass
class Bench:
    """One backend, one listener, and clients that come to it."""

    protocol: str
    proxy: Proxy
    backend: Backend
    connect: Callable[[], Client]

    def connect_tls(self) -> Client:
        """Connects and upgrades, the greeting read."""
        client = self.connect()
        client.read_greeting(self.protocol)
        client.starttls(self.protocol)
        return client


@pytest.fixture
def bench(proxy: Proxy, new_backend: Callable[..., Backend], new_client: Callable[..., Client],
          bytewise: bool) -> Callable[..., Bench]:
    """bench(protocol, *scripts, tls="starttls", **settings of the listener)"""

    def build(protocol: str, *scripts: Script, tls: str = "starttls",
              **settings: object) -> Bench:
        backend = new_backend(*scripts, bytewise=bytewise)
        proxy.backend("server", backend.port)
        proxy.listener("test", protocol, tls, "server", **settings)
        proxy.start()
        return Bench(protocol, proxy, backend,
                     lambda: new_client(proxy.ports["test"], bytewise=bytewise))

    return build


@pytest.fixture
def field(proxy: Proxy, new_backend: Callable[..., Backend]) -> Callable[..., Field]:
    """field(protocol, script, tls="starttls", **settings of the listener)

    protocol_setting: what the listener is called where that is not what is spoken: submission.
    """

    def build(protocol: str, script: Optional[Script] = None, tls: str = "starttls",
              protocol_setting: Optional[str] = None, **settings: object) -> Field:
        backend = new_backend(script or server(protocol))
        proxy.backend("server", backend.port)
        proxy.listener("test", protocol_setting or protocol, tls, "server", **settings)
        proxy.start()
        return Field(proxy, backend, protocol, tls)

    return build


@pytest.fixture
def legs(proxy: Proxy, new_backend: Callable[..., Backend], new_client: Callable[..., Client],
         certificates: Certificates) -> Legs:
    """legs.serve(leg, protocol, *scripts), see mailmux_e2e/legs.py"""
    return Legs(proxy, new_backend, new_client, certificates)


@pytest.fixture(scope="session")
def legacy() -> Iterator[LegacyServer]:
    server = LegacyServer()
    yield server
    server.stop()
