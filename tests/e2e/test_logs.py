"""What is logged and what is not, and what becomes of secrets: conformance 5.9."""

import array
import base64
import hashlib
import hmac
import itertools
import os
import re
import signal
import ssl
import subprocess
from pathlib import Path

import pytest
from mailmux_e2e.attacks import PLAIN, READY, Field
from mailmux_e2e.client import Client, default_context
from mailmux_e2e.legacy import LegacyServer
from mailmux_e2e.listeners import LISTENERS, add_listeners, is_served, reach_tls, words_of
from mailmux_e2e.logins import (ACCEPTED, EARLIER, IMAP_LOGINS, MECHANISMS, PLAIN_RESPONSE,
                                POP3_LOGINS, REFUSED, SECRET, b64, begin_exchange, talk, taking)
from mailmux_e2e.servers import Goodbye, server

each_protocol = pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3"])
GOODBYE = {"smtp": b"QUIT\r\n", "imap": b"a LOGOUT\r\n", "pop3": b"QUIT\r\n",
           "lmtp": b"QUIT\r\n", "managesieve": b"LOGOUT\r\n"}


# C116

@pytest.mark.conformance("C116")
@pytest.mark.parametrize("name", LISTENERS)
def test_one_line_tells_of_a_session(proxy, new_backend, name):
    add_listeners(proxy, new_backend)
    proxy.start()
    before = len(proxy.lines)
    client = reach_tls(proxy.ports[name], name)
    address = client.socket.getsockname()
    assert is_served(client, name)
    protocol = words_of(name)
    if protocol == "smtp":
        client.smtp(b"EHLO c.test")
        client.smtp(b"AUTH PLAIN AGFsaWNlAHNlY3JldA==")
    elif protocol == "imap":
        client.imap(b"l LOGIN alice secret")
    elif protocol == "pop3":
        client.pop3(b"USER alice")
        client.pop3(b"PASS secret")
    elif protocol == "managesieve":
        client.sieve(b'AUTHENTICATE "PLAIN" "AGFsaWNlAHNlY3JldA=="')
    client.send(GOODBYE[protocol])
    client.read_to_end()
    client.close()
    fields = proxy.wait_for_event("session").fields
    has_login = protocol != "lmtp"
    assert [line.event for line in proxy.lines[before:]] == ["login"] * has_login + ["session"]
    backend = LISTENERS[name][0]
    expected = {
        "listener": name, "client": f"{address[0]}:{address[1]}", "protocol": backend,
        "sni": "mail.example.test", "tls": "TLSv1.3", "user": "alice" if has_login else None,
        "backend": backend, "server": f"{backend}1", "tries": "1",
        "phase": "dialog" if protocol in ("smtp", "lmtp") else "half-closed",
        "login": "ok" if has_login else "none", "failures": "0", "reason": "quit", "ended_by": "client"}
    assert {key: fields.get(key) for key in expected} == expected
    assert fields["cipher"].startswith("TLS_") and fields["group"]
    assert int(fields["bytes_in"]) > 20 and int(fields["bytes_out"]) > 20
    assert int(fields["duration_ms"]) >= 0


@pytest.mark.conformance("C116")
@pytest.mark.parametrize("name", LISTENERS)
def test_sessions_that_come_to_nothing_have_their_line_too(proxy, new_backend, name):
    add_listeners(proxy, new_backend)
    proxy.start()
    Client(proxy.ports[name]).close()
    fields = proxy.wait_for_event("session").fields
    assert fields["listener"] == name and fields["tls"] == "none"
    assert fields["reason"] in ("client-closed", "client-reset")
    assert fields["ended_by"] == "client"
    context = default_context()
    context.set_alpn_protocols(["h2"])
    with pytest.raises(Exception):
        reach_tls(proxy.ports[name], name, context)
    fields = proxy.wait_for_event("session", 2).fields
    assert fields["reason"] == "alpn-mismatch" and fields["ended_by"] == "proxy"
    assert fields["phase"] == "handshake"
    assert fields["sni"] == "mail.example.test"


# C118: every way to say a password

LINES = {
    "smtp": [b"EHLO c.test\r\nAUTH PLAIN " + PLAIN_RESPONSE,
             b"EHLO c.test\r\nAUTH PLAIN\r\n" + PLAIN_RESPONSE,
             b"EHLO c.test\r\nAUTH LOGIN\r\nYWxpY2U=\r\n" + base64.b64encode(SECRET),
             b"EHLO c.test\r\nAUTH " + SECRET + b"\r\n*", b"EHLO c.test\r\nAUTH PLAIN " + SECRET + b"\0",
             b"EHLO c.test\r\nAUTH PLAIN " + b"A" * 20000 + PLAIN_RESPONSE,
             b"EHLO c.test\r\nMAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nDATA\r\n" + SECRET + b"\r\n.",
             b"PASS " + SECRET],
    "imap": [b"a LOGIN alice " + SECRET, b'a LOGIN alice "' + SECRET + b'"',
             b"a LOGIN alice {11+}\r\n" + SECRET, b"a LOGIN alice {11}\r\n" + SECRET,
             b"a AUTHENTICATE PLAIN " + PLAIN_RESPONSE, b"a AUTHENTICATE PLAIN\r\n" + PLAIN_RESPONSE,
             b"a LOGIN alice " + SECRET + b"\0", b"LOGIN alice " + SECRET,
             b"a LOGIN alice " + SECRET + b"x" * 5000,
             b"a LOGIN alice {11+}\r\n" + SECRET + b"\0\r\n"],
    "pop3": [b"USER alice\r\nPASS " + SECRET, b"PASS " + SECRET, b"USER alice\r\nPASS\0" + SECRET,
             b"AUTH PLAIN " + PLAIN_RESPONSE, b"AUTH PLAIN\r\n" + PLAIN_RESPONSE,
             b"APOP alice " + SECRET, b"USER alice\r\nPASS " + SECRET + b"x" * 5000],
}


def holds_secret(text):
    return any(word in text for word in (
        SECRET, PLAIN_RESPONSE, base64.b64encode(SECRET), SECRET[:8], PLAIN_RESPONSE[12:28]))


def assert_no_secret(proxy):
    assert [line.text for line in proxy.lines if holds_secret(line.text.encode())] == []


@pytest.mark.conformance("C118")
@pytest.mark.parametrize("replies", [ACCEPTED, REFUSED], ids=["accepted", "refused"])
@pytest.mark.parametrize("stage", [PLAIN, READY])
@pytest.mark.parametrize("require_tls", ["auth", "no"])
@each_protocol
def test_no_secret_is_logged_at_any_level(proxy, field, protocol, replies, stage, require_tls):
    proxy.section("proxy", workers=2, hostname="mail.example.test", log_level="debug",
                  state_directory=proxy.directory / "state")
    target = field(protocol, server(protocol, replies=replies[protocol]), require_tls=require_tls)
    for line in LINES[protocol]:
        target.attack([one + b"\r\n" for one in line.split(b"\r\n")], stage, goodbye=True)
    target.proxy.stop()
    assert len(target.proxy.events("session")) == len(LINES[protocol])
    assert_no_secret(target.proxy)


@pytest.mark.conformance("C118")
@each_protocol
def test_no_secret_is_logged_when_everything_goes_wrong(proxy, field, protocol):
    """The server hangs up at the login, the client in the middle of it."""
    def hang_up(connection, _):
        raise Goodbye

    proxy.section("proxy", workers=2, hostname="mail.example.test", log_level="debug",
                  state_directory=proxy.directory / "state")
    verbs = (b"AUTH", b"LOGIN", b"AUTHENTICATE", b"PASS", b"APOP")
    target = field(protocol, server(protocol, replies=dict.fromkeys(verbs, hang_up)))
    for count, line in enumerate(LINES[protocol]):
        target.attack([line + b"\r\n"], READY, goodbye=True)
        client = target.connect(READY)
        client.send(line)
        client.close()
        target._visits += 1
        target.proxy.wait_for_event("session", 2 * count + 2)
    target.proxy.stop()
    assert_no_secret(target.proxy)


# Names: of the last attempt and of no other, whatever the mechanism and the string form

def logged_user(target, client, goodbye=True):
    if goodbye:
        client.send(GOODBYE[target.protocol])
        client.read_to_end()
    client.close()
    line = target.proxy.wait_for_event("session")
    assert_no_secret(target.proxy)
    return line.fields.get("user")


@pytest.mark.conformance("C116", "C118")
@pytest.mark.parametrize("kind", MECHANISMS)
@each_protocol
def test_the_name_is_that_of_the_login_whatever_came_before(field, protocol, kind):
    """A refused login of another name, an exchange that was cancelled, and then the one."""
    mechanism, initial, responses, name = MECHANISMS[kind]
    target = field(protocol, taking(protocol), tls="implicit", require_tls="no")
    client = target.connect(READY)
    for line in EARLIER[protocol]:
        talk(client, protocol, line)
    assert begin_exchange(client, protocol, b"LOGIN", b64(b"mallory")).startswith((b"334", b"+"))
    assert talk(client, protocol, b"*").startswith((b"535", b"b NO", b"-ERR"))
    answer = begin_exchange(client, protocol, mechanism, initial)
    for response in responses:
        assert answer.startswith((b"334", b"+ "))
        answer = talk(client, protocol, response)
    assert answer.startswith((b"235", b"b OK", b"+OK")) or kind == "login-cut"
    assert logged_user(target, client, answer[:3] != b"334") == name


@pytest.mark.conformance("C116")
@each_protocol
def test_a_name_is_forgotten_when_a_mechanism_is_withheld(field, protocol):
    target = field(protocol, taking(protocol), tls="implicit", require_tls="no")
    client = target.connect(READY)
    for line in EARLIER[protocol]:
        talk(client, protocol, line)
    begin_exchange(client, protocol, b"EXTERNAL", b64(b"mallory"))
    assert logged_user(target, client) is None


@pytest.mark.conformance("C116")
def test_a_second_login_of_smtp_counts_only_when_it_is_taken(field):
    """RFC 4954 wants it refused; the session stays that of the first. RSET and EHLO change nothing."""
    answers = [b"235 2.7.0 in\r\n", b"503 5.5.1 again\r\n"]
    target = field("smtp", server("smtp", replies={b"AUTH": lambda c, _: answers.pop(0)}),
                   tls="implicit")
    client = target.connect(READY)
    client.smtp(b"AUTH PLAIN " + b64(b"\0alice\0" + SECRET))
    for command in (b"RSET", b"EHLO c.test"):
        client.smtp(command)
    assert client.smtp(b"AUTH PLAIN " + b64(b"\0bob\0" + SECRET)).startswith(b"503")
    assert logged_user(target, client) == "alice"


@pytest.mark.conformance("C116")
def test_a_second_login_of_smtp_that_is_taken_is_the_one(field):
    target = field("smtp", server("smtp"), tls="implicit")
    client = target.connect(READY)
    client.smtp(b"AUTH PLAIN " + b64(b"\0alice\0" + SECRET))
    client.smtp(b"AUTH PLAIN " + b64(b"\0bob\0" + SECRET))
    assert logged_user(target, client) == "bob"


def never_mind(connection, _):
    return b"%T NO no\r\n"


@pytest.mark.conformance("C116", "C118")
@pytest.mark.parametrize("kind", IMAP_LOGINS)
def test_the_name_of_a_login_in_every_string_form(field, kind):
    lines, name = IMAP_LOGINS[kind]
    target = field("imap", server("imap", replies={b"LOGIN": never_mind}), tls="implicit")
    client = target.connect(READY)
    assert client.imap(b"x LOGIN mallory " + SECRET).startswith(b"x NO")
    for at, line in enumerate(lines):
        client.send(line + b"\r\n")
        if at + 1 < len(lines) and not line.endswith(b"+}"):
            assert client.read_line().startswith(b"+")
    assert client.read_line().startswith((b"a NO", b"a BAD"))
    assert logged_user(target, client) == name


@pytest.mark.conformance("C116", "C118")
@pytest.mark.parametrize("kind", POP3_LOGINS)
def test_the_name_of_a_login_in_pop3(field, kind):
    lines, name = POP3_LOGINS[kind]
    target = field("pop3", server("pop3", replies=REFUSED["pop3"]), tls="implicit")
    client = target.connect(READY)
    for line in (b"USER first", b"PASS x", *lines):
        client.pop3(line)
    assert logged_user(target, client) == name


@pytest.fixture(scope="module")
def many_ways():
    """Dovecot with more mechanisms than a plaintext server should need, and Postfix that asks it."""
    legacy = LegacyServer("--mechanisms", "plain login cram-md5 digest-md5 apop")
    yield legacy
    legacy.stop()


def answer_cram_md5(challenge, user, password):
    text = base64.b64decode(challenge)
    return b64(user + b" " + hmac.new(password, text, "md5").hexdigest().encode())


def answer_digest_md5(challenge, user, password):
    told = dict(re.findall(rb'([a-z-]+)="?([^",]*)', base64.b64decode(challenge)))
    realm, nonce, uri = told.get(b"realm", b""), told[b"nonce"], b"imap/mail.example.test"

    def digest(*parts):
        return hashlib.md5(b":".join(parts))

    a1 = digest(digest(user, realm, password).digest(), nonce, b"cn").hexdigest().encode()
    a2 = digest(b"AUTHENTICATE", uri).hexdigest().encode()
    response = digest(a1, nonce, b"00000001", b"cn", b"auth", a2).hexdigest().encode()
    return b64(b'username="' + user + b'",realm="' + realm + b'",nonce="' + nonce + b'",nc=00000001,'
               b'cnonce="cn",digest-uri="' + uri + b'",response=' + response + b",qop=auth")


@pytest.mark.conformance("C116")
@pytest.mark.parametrize("mechanism", [b"CRAM-MD5", b"DIGEST-MD5"])
@each_protocol
def test_the_name_of_a_login_at_real_servers(proxy, many_ways, protocol, mechanism):
    """Refused as bob, then alice by a mechanism that hides the password."""
    proxy.backend("server", getattr(many_ways, protocol))
    proxy.listener("test", protocol, "implicit", "server")
    proxy.start()
    target = Field(proxy, None, protocol, "implicit")
    client = target.connect(READY)
    refused = {"smtp": [b"AUTH PLAIN " + b64(b"\0bob\0wrong")], "imap": [b"a LOGIN {3+}", b"bob wrong"],
               "pop3": [b"USER bob", b"PASS wrong"]}[protocol]
    for line in refused[:-1]:
        client.send(line + b"\r\n")
        if protocol == "pop3":
            client.read_line()
    assert talk(client, protocol, refused[-1]).startswith((b"535", b"a NO", b"-ERR"))
    challenge = begin_exchange(client, protocol, mechanism, None).split()[1]
    compute = answer_cram_md5 if mechanism == b"CRAM-MD5" else answer_digest_md5
    answer = talk(client, protocol, compute(challenge, b"alice", b"secret"))
    if mechanism == b"DIGEST-MD5":  # the server proves that it knows the password, too
        assert answer.startswith((b"334", b"+ "))
        answer = talk(client, protocol, b"")
    while answer.startswith(b"* "):
        answer = client.read_line()
    assert answer.startswith((b"235", b"b OK", b"+OK")), answer
    assert logged_user(target, client) == "alice"


@pytest.mark.conformance("C116")
def test_the_name_of_a_literal_at_a_real_server(proxy, many_ways):
    proxy.backend("server", many_ways.imap)
    proxy.listener("test", "imap", "implicit", "server")
    proxy.start()
    target = Field(proxy, None, "imap", "implicit")
    client = target.connect(READY)
    client.send(b"a LOGIN {5+}\r\nalice {6+}\r\nsecret\r\n")
    assert client.read_line().startswith(b"a OK")
    assert logged_user(target, client) == "alice"


# C119: the memory of the process

PAGE = os.sysconf("SC_PAGE_SIZE")
IS_THERE = 0b11 << 62  # in the memory, or swapped out [Documentation/admin-guide/mm/pagemap.rst]
RESERVED = 4 << 30  # mappings of a sanitizer that are larger still


def pages_in_use(pagemap, start, end):
    """The parts of a mapping that were ever written, as (start, length)."""
    pagemap.seek(start // PAGE * 8)
    pages = array.array("Q", pagemap.read((end - start) // PAGE * 8))
    for is_there, run in itertools.groupby(range(len(pages)), lambda n: pages[n] & IS_THERE):
        first, *_ = run = list(run)
        if is_there:
            yield start + first * PAGE, len(run) * PAGE


def places_in_memory(pid, word):
    """Where the process has this word, by the name of the mapping."""
    found = []
    with open(f"/proc/{pid}/mem", "rb", 0) as memory, open(f"/proc/{pid}/pagemap", "rb", 0) as pagemap:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights, *rest = line.split(None, 5)
            start, end = (int(one, 16) for one in span.split("-"))
            if "r" not in rights or "[v" in line or "w" not in rights or end - start > RESERVED:
                continue
            for at, length in pages_in_use(pagemap, start, end):
                memory.seek(at)
                data = memory.read(length)
                assert len(data) == length, line
                found += [(rest[-1] if rest else "", data[max(0, m.start() - 40):m.end() + 40])
                          for m in re.finditer(re.escape(word), data)]
    return found


LOGINS = {
    "smtp": (b"AUTH PLAIN %p\r\n", b"235 "), "smtp-login": (b"AUTH LOGIN\r\nYWxpY2U=\r\n%b\r\n", b"235 "),
    "imap": (b"a LOGIN alice %s\r\n", b"a OK "), "imap-quoted": (b'a LOGIN alice "%s"\r\n', b"a OK "),
    "imap-literal": (b"a LOGIN alice {11+}\r\n%s\r\n", b"a OK "),
    "imap-sasl": (b"a AUTHENTICATE PLAIN\r\n%p\r\n", b"a OK "),
    "pop3": (b"USER alice\r\nPASS %s\r\n", b"+OK"), "pop3-sasl": (b"AUTH PLAIN %p\r\n", b"+OK"),
}


@pytest.mark.skipif(os.geteuid() != 0, reason="reads the memory of another process")
@pytest.mark.conformance("C119")
@pytest.mark.parametrize("goes_on", [True, False], ids=["session-open", "session-over"])
@pytest.mark.parametrize("tls", ["implicit", "starttls", "none"])
@pytest.mark.parametrize("login", LOGINS)
def test_no_secret_stays_in_memory_behind_the_login(field, login, tls, goes_on):
    protocol = login.split("-")[0]
    target = field(protocol, server(protocol, replies=ACCEPTED[protocol]), tls=tls)
    client = target.connect(READY if tls == "starttls" else PLAIN)
    if protocol == "smtp":
        client.smtp(b"EHLO c.test")
    command, welcome = LOGINS[login]
    secret = SECRET if b"%s" in command else PLAIN_RESPONSE if b"%p" in command else \
        base64.b64encode(SECRET)
    for line in re.sub(rb"%[spb]", lambda _: secret, command).splitlines(keepends=True):
        client.send(line)
        answer = client.read_line() if b"+}" not in line else b""
    assert answer.startswith(welcome)
    if goes_on:
        assert is_served(client, protocol)
    else:
        client.close()
        target.proxy.wait_for_event("session")
    assert secret in target.backend.connection().received, "the control: it did pass"
    found = places_in_memory(target.proxy.pid, secret)
    assert not found, found
    client.close()


# C120

def refuse(client, words):
    client.send(words)
    client.read_to_end()
    client.close()


@pytest.mark.conformance("C120")
def test_every_kind_of_refusal_is_counted_as_what_it_is(proxy, new_backend):
    """Once, twice, three times ... each; what is none of them is counted as none."""
    add_listeners(proxy, new_backend, strict_sni="yes")
    proxy.start()
    served = 0

    def visit(name, words, **options):
        nonlocal served
        served += 1
        try:
            refuse(reach_tls(proxy.ports[name], name, **options), words)
        except ssl.SSLError:
            pass  # it was refused in the handshake

    foreign = default_context()
    foreign.set_alpn_protocols(["h2"])
    client = Client(proxy.ports["smtp"])
    client.read_smtp()
    refuse(client, b"STARTTLS\r\nEHLO injected\r\n")
    served += 1
    for _ in range(2):
        visit("smtp", b"EHLO c.test\r\nDATA\r\n\n.\nQUIT\r\n.\r\n")
    for _ in range(3):
        visit("imaps", b"", context=foreign)
    for _ in range(4):
        visit("pop3s", b"", server_name="unknown.test")
    for _ in range(5):
        visit("imap", b"a FROB\r\n" * 10)
    visit("pop3", b"QUIT\r\n")
    proxy.wait_for_event("session", served)
    proxy.send_signal(signal.SIGUSR1)
    counters = [proxy.wait_for_event("counters").fields, proxy.stop().fields]
    kinds = {"injection": "1", "smuggling": "2", "alpn": "3", "sni": "4", "flood": "5",
             "proxy": "0", "served": str(served), "alive": "0"}
    for fields in counters:
        assert {kind: fields[kind] for kind in kinds} == kinds


# C121

@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.conformance("C121")
def test_the_user_cannot_read_the_keys_again_and_dumps_no_core(proxy, new_backend, certificates):
    """They were read as root, by nobody else readable, and are not open; core dumps are off."""
    keys = proxy.directory / "keys"
    keys.mkdir(mode=0o700)
    (keys / "key.pem").write_bytes(certificates.rsa.key.read_bytes())
    (keys / "key.pem").chmod(0o600)
    proxy.section("tls", certificate=certificates.rsa.certificate, key=keys / "key.pem")
    proxy.section("proxy", workers=2, user="nobody", hostname="mail.example.test",
                  state_directory=proxy.directory / "state")
    # A process that has changed its user may not look at itself, so no leak check here.
    proxy.environment["ASAN_OPTIONS"] = "detect_leaks=0:exitcode=99:disable_coredump=0"
    add_listeners(proxy, new_backend)
    proxy.start()
    reach_tls(proxy.ports["imaps"], "imaps").close()
    reads = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "cat"]
    assert subprocess.run([*reads, keys / "key.pem"], capture_output=True).returncode != 0
    for task in Path(f"/proc/{proxy.pid}/task").iterdir():
        status = (task / "status").read_text()
        assert re.search(r"^Uid:\t65534\t65534\t65534\t65534$", status, re.M)
        assert re.search(r"^CapEff:\t0+$", status, re.M) and re.search(r"^CapPrm:\t0+$", status, re.M)
    for descriptor in Path(f"/proc/{proxy.pid}/fd").iterdir():
        assert str(keys) not in os.readlink(descriptor)
    limits = Path(f"/proc/{proxy.pid}/limits").read_text()
    assert re.search(r"^Max core file size +0 +0 ", limits, re.M), limits
    reads[-1] = "head"
    assert subprocess.run([*reads, "-c1", f"/proc/{proxy.pid}/mem"],
                          capture_output=True).returncode != 0
