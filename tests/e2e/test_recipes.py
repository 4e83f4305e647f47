"""The recipes of deploy/recipes, as they are shipped: each is started and used in a network of the
test's own, where the ports are free and the servers' addresses are on the other end of a cable.
"""

import shutil
import struct
import subprocess
from typing import Callable

import pytest
from mailmux_e2e.backend import Backend
from mailmux_e2e.client import Client, default_context
from mailmux_e2e.namespace import Networks, in_own_networks
from mailmux_e2e.nginx import Nginx
from mailmux_e2e.proxy import REPOSITORY, binary
from mailmux_e2e.servers import imap, smtp
from mailmux_e2e.steps import hang

RECIPES = REPOSITORY / "deploy/recipes"
SERVERS = ["10.0.0.5", "10.0.0.11", "10.0.0.12", "10.0.0.13"]


@pytest.fixture
def follow(new_proxy):
    """follow(name, body) runs the body beside mailmux with that recipe."""

    def run(name: str, body: Callable[[Networks], None]) -> None:
        def beside(networks: Networks) -> None:
            proxy = new_proxy(with_certificate=False)
            # The only thing that is not as shipped: where the certificate is kept.
            proxy.environment["STATE_DIRECTORY"] = str(proxy.directory)
            proxy.run(RECIPES / f"{name}.ini")
            body(networks)
            proxy.stop()

        try:
            in_own_networks(beside, SERVERS)
        except PermissionError:
            pytest.skip("a network namespace needs root")

    return run


def client_on(port: int, starttls: str = "", host: str = "127.0.0.1") -> Client:
    """A client within TLS, the greeting read and kept."""
    client = Client(port, host)
    if not starttls:
        client.begin_tls()
    client.greeting = client.read_line()  # type: ignore[attr-defined]
    if starttls:
        client.starttls(starttls)
    return client


def client_with(port: int, protocol: str) -> Client:
    """A client within TLS that offers this protocol alone; the greeting is not read yet."""
    context = default_context()
    context.set_alpn_protocols([protocol])
    client = Client(port)
    client.begin_tls(context)
    return client


def deliver(port: int) -> None:
    with client_on(port, "smtp") as client:
        assert client.smtp(b"EHLO c.test").startswith(b"250-")
        assert client.smtp(b"MAIL FROM:<a@b.test>").startswith(b"250 ")
        assert client.smtp(b"RCPT TO:<victim@elsewhere.example>").startswith(b"554 5.7.1 ")
        assert client.smtp(b"RCPT TO:<alice@example.org>").startswith(b"250 ")
        assert client.smtp(b"DATA").startswith(b"354 ")
        client.send(b"Subject: x\r\n\r\nHello\r\n.\r\n")
        assert client.read_smtp().startswith(b"250 ")
        assert client.smtp(b"QUIT").startswith(b"221 ")


MESSAGE = b"Subject: x\r\n\r\nHello\r\n.\r\n"


@pytest.mark.quick
def test_legacy_tls(follow):
    def body(networks: Networks) -> None:
        with networks.there():
            mta = Backend(smtp(), address="10.0.0.5", port=25)
            store = Backend(imap(), address="10.0.0.5", port=143)
        with mta, store:
            deliver(25)
            assert mta.finished().messages == [MESSAGE]
            with client_on(993) as client:
                assert client.imap(b"a LOGIN alice secret") == b"a OK logged in\r\n"
                client.imap(b"b LOGOUT")
            assert store.finished().logins == [(b"alice", b"secret")]

    follow("legacy-tls", body)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_port_25_to_2525(follow, host):
    def body(_: Networks) -> None:
        with Backend(smtp(), port=2525) as mta:
            with client_on(25, "smtp", host) as client:
                client.smtp(b"EHLO c.test")
                client.smtp(b"QUIT")
            deliver(25)
            assert mta.finished(1).messages == [MESSAGE]

    follow("port-25-to-2525", body)


def test_imap_balance(follow):
    def body(networks: Networks) -> None:
        names = {f"10.0.0.{n}": b"* OK server %d\r\n" % n for n in (11, 12, 13)}
        with networks.there():
            servers = [Backend(imap(greeting=greeting), address=address, port=143)
                       for address, greeting in names.items()]
        clients = [client_on(993) for _ in range(3)] + [client_on(143, "imap") for _ in range(3)]
        greetings = [client.greeting for client in clients]
        assert sorted(greetings) == sorted(list(names.values()) * 2)
        for client in clients:
            assert client.imap(b"a LOGIN alice secret") == b"a OK logged in\r\n"
            client.imap(b"b LOGOUT")
            client.close()
        servers[0].stop()
        for _ in range(4):
            with client_on(993) as client:
                assert client.greeting in (b"* OK server 12\r\n", b"* OK server 13\r\n")
        for one in servers[1:]:
            one.stop()

    follow("imap-balance", body)


def test_front_door(follow):
    """Mail by ALPN, each with its own server; a browser is passed on, behind its address."""
    def body(_: Networks) -> None:
        store = Backend(imap(), port=143)
        mta = Backend(smtp(words=(b"old.example", b"XCLIENT ADDR PORT PROTO HELO", b"SIZE 1000"),
                           replies={b"XCLIENT": b"220 old.example ESMTP\r\n"}), port=587)
        site = Backend([hang()], port=8443)
        with store, mta, site:
            with client_with(443, "imap") as client:
                assert client.read_line().startswith(b"* OK")
                assert client.imap(b"a LOGIN alice secret") == b"a OK logged in\r\n"
                client.imap(b"b LOGOUT")
            with client_with(443, "submission") as client:
                assert client.read_smtp().startswith(b"220 ")
                assert client.smtp(b"EHLO c.test").startswith(b"250-")
                client.smtp(b"QUIT")
            with Client(443) as browser:
                port = browser.socket.getsockname()[1]
                browser.send_raw(b"GET / HTTP/1.1\r\n\r\n")
                assert site.connection().wait_for(b"GET / HTTP/1.1\r\n\r\n")
                header = bytes(site.connection().received)
            assert header.startswith(b"\r\n\r\n\0\r\nQUIT\n\x21\x11")
            assert struct.unpack("!H", header[24:26]) == (port,)
            assert store.finished().logins == [(b"alice", b"secret")]

    follow("front-door", body)


CHROMIUM = shutil.which("chromium")


@pytest.mark.skipif(not CHROMIUM, reason="tests/browser installs Chromium and runs this test")
def test_front_door_with_a_browser(follow, certificates, tmp_path):
    """Chromium opens the site of a real nginx, while clients of mail come to the same port."""
    def browse():
        done = subprocess.run(
            [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--ignore-certificate-errors",
             f"--user-data-dir={tmp_path}/profile", "--dump-dom", "https://127.0.0.1/from-a-browser"],
            capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)
        assert "client 127.0.0.1:" in done.stdout, done.stdout + done.stderr
        assert "path /from-a-browser" in done.stdout

    def by_openssl():
        done = subprocess.run(["openssl", "s_client", "-quiet", "-alpn", "imap", "-connect",
                               "127.0.0.1:443"], capture_output=True, text=True,
                              input="a LOGIN alice secret\r\nb LOGOUT\r\n", timeout=300)
        assert "a OK logged in" in done.stdout, done.stdout + done.stderr

    def body(_: Networks) -> None:
        site = Nginx(certificates.rsa, port=8443)
        try:
            with Backend(imap(), port=143), Backend(smtp(), port=587):
                with client_with(443, "imap") as client:
                    assert client.read_line().startswith(b"* OK")
                    browse()
                    by_openssl()
                    assert client.imap(b"a LOGIN alice secret") == b"a OK logged in\r\n"
                    browse()
                    client.imap(b"b LOGOUT")
        finally:
            site.stop()

    follow("front-door", body)


SHORT = sorted(set(RECIPES.glob("*.ini")) - {RECIPES / "mail-server.ini"})


# deploy/test-package tries it as it is, with its account and with servers that know PROXY.
def test_the_real_one_is_without_a_warning(tmp_path, certificates):
    text = (RECIPES / "mail-server.ini").read_text().replace("user = mailmux", "user = nobody")
    directory = "/etc/letsencrypt/live/mail.example.org"
    pair = certificates.other("mail-server", names="DNS:mail.example.org", issuer="self")
    text = text.replace(f"{directory}/fullchain.pem", str(pair.certificate))
    recipe = tmp_path / "mail-server.ini"
    recipe.write_text(text.replace(f"{directory}/privkey.pem", str(pair.key)))
    done = subprocess.run([str(binary()), "--check", "-c", str(recipe)], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


@pytest.mark.parametrize("recipe", SHORT, ids=lambda path: path.stem)
def test_a_recipe_is_short_and_without_a_warning(recipe):
    assert len(recipe.read_text().splitlines()) <= 12
    done = subprocess.run([str(binary()), "--check", "-c", str(recipe)], capture_output=True,
                          text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout + done.stderr
    # Root is told to name an account, and the account is made where mailmux is installed.
    assert [line for line in done.stderr.splitlines() if "keeps all rights of root" not in line] == []
