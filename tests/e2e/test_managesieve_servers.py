"""ManageSieve [RFC 5804] toward servers: real Pigeonhole with sieve-connect in front, and scripted ones
for what real ones never do.
"""

import subprocess

import pytest
from mailmux_e2e import CEILING
from mailmux_e2e.legacy import PASSWORD, USER, LegacyServer
from mailmux_e2e.proxy import binary
from mailmux_e2e.servers import managesieve, sieve_words, starttls, tls_server
from mailmux_e2e.sieve import LOGIN, PROTOCOL, SHOWN
from mailmux_e2e.steps import expect_line, send, start_tls, wait_for_end

SCRIPT = 'require ["fileinto"];\nif header :contains "subject" "list" {\n  fileinto "lists";\n}\n'

# Real ones


@pytest.fixture(scope="module")
def pigeonhole(request, certificates):
    """Its TLS is the parameter: none, starttls, implicit."""
    pair = (str(certificates.rsa.certificate), str(certificates.rsa.key))
    options = [] if request.param == "none" else ["--tls", request.param, *pair]
    legacy = LegacyServer("--only", "dovecot", *options, has_sieve=True)
    legacy.tls = request.param
    yield legacy
    legacy.stop()


def with_pigeonhole(*modes):
    return pytest.mark.parametrize("pigeonhole", modes, indirect=True)


def stand_before(proxy, pigeonhole, certificates):
    settings = {}
    if pigeonhole.tls != "none":
        settings.update(ca=certificates.authority, tls_name="localhost")
    proxy.backend("sieve", pigeonhole.managesieve, tls=pigeonhole.tls, **settings)
    proxy.listener("sieve", PROTOCOL, "starttls", "sieve")


class SieveConnect:
    """The program of that name."""

    def __init__(self, port, certificates, directory):
        self._command = ["sieve-connect", "--nosrv", "--server", "localhost", "--4", "--port",
                         str(port), "--user", USER, "--passwordfd", "0", "--noclearchan",
                         "--tlscafile", str(certificates.authority)]
        self._directory = directory

    def __call__(self, *arguments):
        done = subprocess.run([*self._command, *arguments], input=PASSWORD + "\n", text=True,
                              capture_output=True, cwd=self._directory, timeout=CEILING)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def manages_a_script(self):
        """Puts it, lists it, makes it the active one, and gets it as it was put."""
        (self._directory / "put.sieve").write_text(SCRIPT)
        self("--localsieve", "put.sieve", "--remotesieve", "lists", "--upload")
        assert self("--list").split() == ['"lists"']
        self("--remotesieve", "lists", "--activate")
        assert "ACTIVE" in self("--list")
        self("--remotesieve", "lists", "--localsieve", "got.sieve", "--download")
        assert (self._directory / "got.sieve").read_text() == SCRIPT
        self("--deactivate")
        self("--remotesieve", "lists", "--delete")
        assert self("--list").split() == []


@pytest.mark.conformance("C72", "C75", "C124")
@with_pigeonhole("none", "starttls", "implicit")
def test_sieve_connect_manages_scripts_of_pigeonhole(proxy, pigeonhole, certificates, tmp_path):
    stand_before(proxy, pigeonhole, certificates)
    proxy.start()
    SieveConnect(proxy.ports["sieve"], certificates, tmp_path).manages_a_script()
    sessions = proxy.events("session")
    assert {(line.fields["user"], line.fields["reason"], line.fields["protocol"])
            for line in sessions} == {(USER, "quit", PROTOCOL)}
    assert proxy.events("login")[0].fields["mechanism"] in ("PLAIN", "LOGIN")


@pytest.mark.conformance("C99", "C101")
@pytest.mark.parametrize("how", ["proxy-v1", "proxy-v2", "xclient"])
def test_pigeonhole_hears_who_the_client_is(proxy, new_client, how):
    """XCLIENT tells our id of the session, too."""
    legacy = LegacyServer("--only", "dovecot", "--address",
                          "inside" if how == "xclient" else "proxy", has_sieve=True)
    try:
        proxy.backend("sieve", legacy.managesieve, send_client_address=how)
        proxy.listener("sieve", PROTOCOL, "starttls", "sieve")
        proxy.start()
        client = new_client(proxy.ports["sieve"], source="127.0.0.9")
        assert b"XCLIENT" not in client.read_sieve()
        client.starttls(PROTOCOL)
        assert b'"SASL" "PLAIN LOGIN"' in client.read_sieve()
        assert client.sieve(LOGIN).startswith(b"OK")
        assert client.sieve(b"LOGOUT").startswith(b"OK")
        client.close()
        legacy.wait_for_log(1, rf"managesieve-login: Info: Login: user=<{USER}>.* rip=127.0.0.9, ")
        if how == "xclient":
            legacy.wait_for_log(1, f"session=<{proxy.wait_for_event('session').fields['id']}>")
    finally:
        legacy.stop()


@with_pigeonhole("none", "starttls")
def test_probe_describes_pigeonhole(proxy, pigeonhole, certificates):
    stand_before(proxy, pigeonhole, certificates)
    proxy.write()
    done = subprocess.run([str(binary()), "--check", "--probe", "-c", str(proxy.ini)],
                          capture_output=True, text=True, timeout=CEILING)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"IMPLEMENTATION" "Dovecot' in done.stdout
    assert "SASL PLAIN" in done.stdout, done.stdout
    assert (" starttls, TLSv1.3" in done.stdout) == (pigeonhole.tls == "starttls"), done.stdout


# Toward servers with TLS


@pytest.fixture
def front(proxy, new_backend, new_client, certificates):
    """front(script, mode) serves with TLS toward the scripted server, and gives both."""
    def build(script, mode="starttls", listener="implicit"):
        backend = new_backend(script)
        proxy.section("timeouts", connect="2s", greeting="3s", connect_deadline="10s")
        proxy.backend("sieve", backend.port, tls=mode, ca=certificates.authority,
                      tls_name="localhost")
        proxy.listener("sieve", PROTOCOL, listener, "sieve")
        proxy.start()
        client = new_client(proxy.ports["sieve"])
        if listener == "implicit":
            client.begin_tls()
        return client, backend
    return build


@pytest.mark.conformance("C75")
@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_the_greeting_inside_tls_is_what_the_client_gets(front, certificates, mode):
    """No word of what was said in clear, and nothing is asked for that comes unasked."""
    client, backend = front(tls_server(PROTOCOL, mode, start_tls(certificates.rsa)), mode)
    assert client.read_sieve() == SHOWN + b'OK "ready"\r\n'
    assert client.sieve(LOGIN).startswith(b"OK")
    client.close()
    connection = backend.finished()
    assert connection.in_clear == (b"CAPABILITY\r\nSTARTTLS\r\n" if mode == "starttls" else b"")
    assert connection.commands == [LOGIN + b"\r\n"]


@pytest.mark.conformance("C101")
def test_the_greeting_inside_tls_waits_for_xclient(proxy, new_backend, new_client, certificates):
    """It is offered there alone, and the client hears of it in no way."""
    words = [b'"SASL" "PLAIN"', b'"XCLIENT"']
    backend = new_backend([*starttls(PROTOCOL), start_tls(certificates.rsa), send(sieve_words(words)),
                           expect_line(rb"XCLIENT ADDR=127.0.0.1 PORT=\d+ DESTADDR=127.0.0.1 "
                                       rb"DESTPORT=\d+ SESSION=\S+ TTL=\d+ CLIENT-TRANSPORT=TLS"),
                           send(b'OK "Updated"\r\n'), *managesieve(words=words)[1:]])
    proxy.backend("sieve", backend.port, tls="starttls", ca=certificates.authority,
                  tls_name="localhost", send_client_address="xclient")
    proxy.listener("sieve", PROTOCOL, "starttls", "sieve")
    proxy.start()
    client = new_client(proxy.ports["sieve"])
    assert client.read_sieve() == b'"SASL" ""\r\n"STARTTLS"\r\nOK "ready"\r\n'
    client.starttls(PROTOCOL)
    assert client.read_sieve() == b'"SASL" "PLAIN"\r\nOK "words"\r\n'
    assert client.sieve(LOGIN).startswith(b"OK")
    client.close()
    assert backend.finished().commands == [b"CAPABILITY\r\n", LOGIN + b"\r\n"]


CHECKS = {"greeting": ("none", [b"LOGOUT"]), "capabilities": ("none", [b"CAPABILITY", b"LOGOUT"]),
          "starttls": ("starttls", [b"LOGOUT"])}


@pytest.mark.parametrize("check", CHECKS)
def test_what_a_check_says(proxy, new_backend, certificates, check):
    tls, commands = CHECKS[check]
    backend = new_backend(tls_server(PROTOCOL, tls, start_tls(certificates.rsa)))
    settings = {} if tls == "none" else {"ca": certificates.authority, "tls_name": "localhost"}
    proxy.backend("sieve", backend.port, tls=tls, check=check, check_interval="1s", **settings)
    proxy.listener("sieve", PROTOCOL, "starttls", "sieve")
    proxy.start()
    connection = backend.finished()
    assert connection.commands == [command + b"\r\n" for command in commands]
    assert (connection.in_clear != b"") == (tls == "starttls")
    backend.finished(1)  # it goes on
    assert not proxy.events("check-failed") and not proxy.events("server-down")


NO_BACKEND = b'BYE (TRYLATER) "No backend available"\r\n'
CLEAR = b'"STARTTLS"\r\nOK\r\n'
FAILURES = {
    "not-offered": ([send(b"OK\r\n"), expect_line(b"CAPABILITY"), send(b'"SASL" "PLAIN"\r\nOK\r\n'),
                     wait_for_end()], "does not offer STARTTLS"),
    "refused": ([send(CLEAR), expect_line(b"CAPABILITY"), send(CLEAR), expect_line(b"STARTTLS"),
                 send(b'NO "not now"\r\n'), wait_for_end()], "refused STARTTLS"),
    "injected": ([*starttls(PROTOCOL, b'OK "go"\r\n"SASL" "PLAIN"\r\nOK\r\n'), wait_for_end()],
                 "sent bytes in clear"),
    "imap": ([send(b"* OK ready\r\n"), wait_for_end()], "does not speak this protocol"),
    "silent-in-tls": ([*starttls(PROTOCOL), "tls", wait_for_end()], "no greeting in time"),
    "refused-in-tls": ([*starttls(PROTOCOL), "tls", send(b'BYE "full"\r\n'), wait_for_end()], None),
}


@pytest.mark.conformance("C10", "C72", "C73", "C127")
@pytest.mark.parametrize("kind", FAILURES)
def test_a_server_that_does_not_come_to_tls_serves_nobody(front, proxy, certificates, kind):
    script, text = FAILURES[kind]
    client, _ = front([start_tls(certificates.rsa) if step == "tls" else step for step in script])
    assert client.read_to_end() == (NO_BACKEND if text else b'BYE "full"\r\n')
    client.close()
    proxy.wait_for_event("session")
    if text:
        assert text in proxy.log()
