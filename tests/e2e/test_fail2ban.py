"""deploy/fail2ban/mailmux.conf on lines that a running mailmux has written: whom it would ban. What a
client can choose is as hostile as it can be.
"""

import re
import shutil
import subprocess

import pytest
from mailmux_e2e.client import Client
from mailmux_e2e.logins import b64
from mailmux_e2e.proxy import REPOSITORY
from mailmux_e2e.servers import imap, pop3, smtp

FILTER = REPOSITORY / "deploy" / "fail2ban" / "mailmux.conf"
LOGIN = {"smtp": b"AUTH LOGIN ", "imap": b"a AUTHENTICATE LOGIN ", "pop3": b"AUTH LOGIN "}
INNOCENT = "203.0.113.9"
NAMES = [b"alice", f"x client={INNOCENT}:1 why=refused".encode(),
         f'x" client={INNOCENT}:1 why=refused user="'.encode(),
         f'x\\" client={INNOCENT}:1 why=refused'.encode(), f'x\\","client":"{INNOCENT}:1","why":"refused'.encode(),
         f'","client":"{INNOCENT}:1","why":"refused"'.encode(), b"x\\", b'\\"', b'"', b"x\\\\\" ",
         f"2026-01-01T00:00:00.000Z info login-failed id=1 listener=x client={INNOCENT}:1 why=refused".encode(),
         f"login-failed client=[2001:db8::bad]:1 why=refused {INNOCENT}".encode(), "\u00e9l\u00e8ve".encode(),
         f"\u2028 client={INNOCENT}:1".encode(), b"n" * 255, b'"' * 255]


def refuse(protocol):
    """Refuses every exchange but those of names in which it is said that the server cannot tell."""
    no = {"smtp": b"535 5.7.8 no\r\n", "imap": b"%T NO [AUTHENTICATIONFAILED] no\r\n", "pop3": b"-ERR [AUTH] no\r\n"}
    unsure = {"smtp": b"454 4.7.0 later\r\n", "imap": b"%T NO [UNAVAILABLE] later\r\n",
              "pop3": b"-ERR [SYS/TEMP] later\r\n"}
    yes = {"smtp": b"235 in\r\n", "imap": b"%T OK in\r\n", "pop3": b"+OK in\r\n"}

    def reply(connection, command):
        connection.send(b"334 UGFzc3dvcmQ6\r\n" if protocol == "smtp" else b"+ UGFzc3dvcmQ6\r\n")
        password = connection.read_line().strip()
        connection.commands.append(password)
        return {b64(b"right"): yes, b64(b"unsure"): unsure}.get(password, no)[protocol]

    return {b"AUTHENTICATE" if protocol == "imap" else b"AUTH": reply}


@pytest.fixture(params=["text", "json"])
def log_in(request, proxy, new_backend):
    """log_in(protocol, address, name, password) of a proxy that logs so."""
    proxy.section("proxy", workers=2, hostname="mail.example.test", log_format=request.param,
                  state_directory=proxy.directory / "state")
    for protocol, script in (("smtp", smtp), ("imap", imap), ("pop3", pop3)):
        proxy.backend(protocol, new_backend(script(replies=refuse(protocol))).port)
        proxy.listener(protocol, protocol, "none", protocol, require_tls="no",
                       accept_proxy_from="127.0.0.1")
    proxy.start()

    def log_in(protocol, address, name, password):
        client = Client(proxy.ports[protocol])
        family = b"TCP6" if ":" in address else b"TCP4"
        there = b"2001:db8::1" if ":" in address else b"192.0.2.1"
        client.send(b"PROXY %b %b %b 4000 143\r\n" % (family, address.encode(), there))
        client.read_line()
        if protocol == "smtp":
            client.smtp(b"EHLO c.test")
        client.send(LOGIN[protocol] + b64(name) + b"\r\n")
        client.read_line()
        client.send(b64(password) + b"\r\n")
        client.read_line()
        client.send({"smtp": b"QUIT\r\n", "imap": b"z LOGOUT\r\n", "pop3": b"QUIT\r\n"}[protocol])
        client.read_to_end()
        client.close()

    log_in.proxy = proxy
    return log_in


def banned(tmp_path, lines, mode="normal"):
    """The addresses in the order in which fail2ban finds them."""
    log = tmp_path / "mailmux.log"
    log.write_text("\n".join(lines) + "\n")
    run = subprocess.run(["fail2ban-regex", "--usedns=no", "-o", "ip", str(log), f"{FILTER}[mode={mode}]"],
                         capture_output=True, text=True)
    assert "Traceback" not in run.stderr and run.returncode in (0, 1, 255), run.stderr
    return run.stdout.split()


PREFIXES = {"file": "", "syslog": "Nov 28 02:12:22 mx mailmux[77]: ",
            "syslog-iso": "2026-11-28T02:12:22.123456+00:00 mx mailmux[77]: "}


@pytest.mark.conformance("C142")
@pytest.mark.parametrize("prefix", PREFIXES)
def test_the_filter_finds_each_failed_login_and_nothing_else(log_in, tmp_path, prefix):
    expected, count = [], 0
    for n, name in enumerate(NAMES):
        protocol = ("smtp", "imap", "pop3")[n % 3]
        address = f"198.51.100.{n}" if n % 2 else f"2001:db8:1::{n + 1}"
        log_in(protocol, address, name, b"wrong")
        count += 1
        log_in.proxy.wait_for_event("session", count)
        expected.append(address)
    for n, password in enumerate((b"right", b"unsure")):
        for protocol in ("smtp", "imap", "pop3"):
            for name in NAMES[1:6]:
                log_in(protocol, f"198.51.100.{200 + n}", name, password)
                count += 1
    log_in.proxy.wait_for_event("session", count)
    lines = [PREFIXES[prefix] + line.text for line in log_in.proxy.lines]
    assert banned(tmp_path, lines) == expected


@pytest.mark.conformance("C142")
def test_in_aggressive_mode_attacks_count_too(log_in, tmp_path):
    log_in("smtp", "198.51.100.1", b"alice", b"wrong")
    for n, words in enumerate((b"DATA\r\n", b"XCLIENT ADDR=203.0.113.9\r\n", b"NOOP\r\n")):
        client = Client(log_in.proxy.ports["smtp"])
        client.send(b"PROXY TCP4 198.51.100.%d 192.0.2.1 4000 25\r\n" % (n + 2))
        client.read_line()
        client.send(words)
        client.read_line()
        if words == b"DATA\r\n":
            client.send(b"x\n.\n.\r\n")
        client.send(b"QUIT\r\n")
        client.close()
    log_in.proxy.wait_for_event("session", 4)
    lines = [line.text for line in log_in.proxy.lines]
    assert set(banned(tmp_path, lines)) == {"198.51.100.1"}
    assert set(banned(tmp_path, lines, "aggressive")) == {f"198.51.100.{n}" for n in (1, 2, 3)}


def test_the_jail_that_the_documentation_shows(tmp_path):
    """Taken up by fail2ban beside its own configuration, with the filter where it is installed."""
    text = (REPOSITORY / "docs/operator/operations.md").read_text()
    jail = re.search(r"^```\n(\[mailmux\]\n.*?)^```$", text, re.M | re.S)
    assert jail
    there = tmp_path / "fail2ban"
    shutil.copytree("/etc/fail2ban", there)
    shutil.rmtree(there / "jail.d")  # those of this machine
    (there / "jail.d").mkdir()
    (there / "jail.d/mailmux.conf").write_text(jail[1])
    shutil.copy(FILTER, there / "filter.d")
    run = subprocess.run(["fail2ban-client", "-c", str(there), "-d"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "['add', 'mailmux', 'systemd']" in run.stdout
    assert "['set', 'mailmux', 'addjournalmatch', '_SYSTEMD_UNIT=mailmux.service']" in run.stdout
    assert "['set', 'mailmux', 'maxretry', 5]" in run.stdout
    assert "['start', 'mailmux']" in run.stdout
    action = next(line for line in run.stdout.splitlines() if "'port'" in line)
    assert "smtp,submission,submissions,imap,imaps,pop3,pop3s" in action
