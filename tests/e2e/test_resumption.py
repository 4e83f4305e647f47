"""Clients that come back: each visit resumes the session of the one before, with the newest ticket
that it got, since a ticket of TLS 1.3 is used once [RFC 8446 C.4].
"""

import os
import signal
import ssl

import pytest
from mailmux_e2e import certificates as certificate_files
from mailmux_e2e import until
from mailmux_e2e.client import default_context
from mailmux_e2e.listeners import LISTENERS, add_listeners, is_served, reach_tls

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
each_version = pytest.mark.parametrize("version", [V12, V13], ids=["1.2", "1.3"])
each_listener = pytest.mark.parametrize("name", LISTENERS)
RETURNS = 5


class Visitor:
    """A client that keeps the newest session that it has."""

    def __init__(self, proxy, name, context):
        self.proxy, self.name, self.context = proxy, name, context
        self.session = None
        self.tickets = 0
        context._msg_callback = self._note

    def _note(self, conn, direction, version, content, message, data):
        self.tickets += getattr(message, "name", "") == "NEWSESSION_TICKET"

    def visit(self):
        """Returns whether it has resumed."""
        self.tickets = 0
        with reach_tls(self.proxy.ports[self.name], self.name, self.context,
                       session=self.session) as client:
            assert is_served(client, self.name)
            self.session = client.tls.session
            return client.tls.session_reused


def only(version):
    context = default_context()
    context.minimum_version = context.maximum_version = version
    return context


@pytest.fixture
def front(proxy, new_backend, certificates):
    def start(**settings):
        proxy.section("tls", certificate=certificates.rsa.certificate, key=certificates.rsa.key,
                      **settings)
        add_listeners(proxy, new_backend)
        proxy.start()
        return proxy

    return start


@pytest.mark.conformance("C89")
@each_version
@each_listener
def test_a_client_resumes_each_time_that_it_comes_back(front, name, version):
    visitor = Visitor(front(), name, only(version))
    assert not visitor.visit()
    first = visitor.tickets
    for _ in range(RETURNS):
        before = visitor.session
        assert visitor.visit()
        if version == V13:  # it has used its ticket up, and gets one for it
            assert visitor.tickets == 1
            assert visitor.session.id != before.id
    assert first == 1


@pytest.mark.conformance("C89")
@each_version
def test_it_resumes_over_reloads_and_upgrades(front, tmp_path, version):
    """An upgrade starts another process. The keys of its tickets are in a file."""
    keys = tmp_path / "ticket.key"
    keys.write_bytes(os.urandom(80))
    keys.chmod(0o600)
    proxy = front(ticket_keys=keys)
    visitors = [Visitor(proxy, name, only(version)) for name in ("imaps", "submission")]
    assert [visitor.visit() for visitor in visitors] == [False, False]

    def upgrade():
        known = len(proxy.events("ready"))
        proxy.send_signal(signal.SIGUSR2)
        until(lambda: len(proxy.events("ready")) > known)

    for change in (proxy.reload, upgrade, proxy.reload):
        change()
        for visitor in visitors:
            assert [visitor.visit() for _ in range(2)] == [True, True]


@pytest.mark.conformance("C89")
@each_version
def test_a_client_with_a_certificate_resumes_each_time(
        front, new_proxy, tmp_path_factory, version):
    authority = certificate_files.make(tmp_path_factory.mktemp("clients"))
    proxy = front(client_certificate="require", client_ca=authority.authority)
    context = only(version)
    context.load_cert_chain(authority.rsa.certificate, authority.rsa.key)
    visitor = Visitor(proxy, "imaps", context)
    assert [visitor.visit() for _ in range(1 + RETURNS)] == [False] + RETURNS * [True]
    names = [line.fields["client_name"] for line in
             (proxy.wait_for_event("session", number) for number in range(1, 2 + RETURNS))]
    assert len(set(names)) == 1
