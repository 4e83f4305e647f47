"""--check finds what a start finds: accounts, rights, directories, and every mistake of TLS."""

import os
import pwd
import re
import subprocess
import tempfile
from pathlib import Path

import pytest
from mailmux_e2e.proxy import REPOSITORY, binary

ROOT = "[proxy] user: it is not given, and mailmux keeps all rights of root; name an account " \
       "that has no other use, e.g. user = mailmux"
MYSELF = pwd.getpwuid(os.geteuid()).pw_name
LISTENER = "[listener in]\nbind = 127.0.0.1:993\nbackend = b\n"
BACKEND = "[backend b]\nserver = 127.0.0.1:10143\n"
GOOD = LISTENER + BACKEND  # five lines


def mailmux(*arguments, before=()):
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1:exitcode=99"}
    if before:  # a process that has changed its user may not look at itself
        environment["ASAN_OPTIONS"] = "detect_leaks=0:exitcode=99"
    return subprocess.run([*before, str(binary()), *map(str, arguments)], capture_output=True,
                          text=True, env=environment, stdin=subprocess.DEVNULL)


@pytest.fixture(autouse=True)
def trusted(certificates, monkeypatch):
    """The certificates of the tests are whole: their authority is one of the system's."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))


@pytest.fixture
def find(tmp_path):
    """find(text) returns (status, lines) of --check, each line without its file, and without what is
    said of root and of the name of this machine: "8: [tls] key = ..." and the like.
    """
    ini = tmp_path / "proxy.ini"

    def run(text):
        ini.write_text(text)
        done = mailmux("--check", "-c", ini)
        lines = [line.replace(f"{ini}:", "") for line in done.stderr.splitlines()
                 if ROOT not in line and "which is hostname in [proxy]" not in line]
        return done.returncode, lines

    return run


def found_by_start(new_proxy, text):
    """The errors that a start which fails tells of its configuration."""
    proxy = new_proxy(with_certificate=False)
    proxy.ini.write_text(text)
    proxy.run(proxy.ini, wait=False)
    assert proxy.wait() == 1
    errors = [line.text.split('message="', 1)[1].rstrip('"').replace(f"{proxy.ini}:", "")
              for line in proxy.events("config") if line.level == "error"]
    proxy.process = None
    return errors


# Accounts

@pytest.mark.quick
def test_an_account_that_does_not_exist(find, new_proxy):
    text = GOOD + "[proxy]\nuser = no-such-account\n"
    status, lines = find(text)
    assert lines == ["error: 7: [proxy] user: there is no account no-such-account; make one "
                     "(useradd --system --shell /usr/sbin/nologin no-such-account), or name another"]
    assert status == 1
    proxy = new_proxy(with_certificate=False)
    proxy.ini.write_text(text)
    proxy.run(proxy.ini, wait=False)
    assert proxy.wait() == 1
    assert f"{proxy.ini}:7: [proxy] user: there is no account no-such-account; " \
        "make one (useradd" in proxy.log()
    proxy.process = None


@pytest.mark.skipif(os.geteuid() != 0, reason="of root alone")
def test_root_that_stays_root_is_warned_of(tmp_path, proxy, new_backend):
    ini = tmp_path / "proxy.ini"
    ini.write_text(GOOD)
    done = mailmux("--check", "-c", ini)
    assert done.stderr == f"warning: {ROOT}\n"
    assert done.returncode == 0
    for user in ("nobody", "root"):
        ini.write_text(GOOD + f"[proxy]\nuser = {user}\n")
        assert mailmux("--check", "-c", ini).stderr == ""

    proxy.backend("b", new_backend([]).port)
    proxy.listener("in", "imap", "starttls", "b")
    proxy.section("proxy", state_directory=proxy.directory / "state")
    proxy.start()
    assert [line for line in proxy.events("config") if ROOT in line.text]
    proxy.stop()


@pytest.fixture
def open_directory():
    """A directory that every user can look into, which those of pytest are not."""
    with tempfile.TemporaryDirectory(prefix="mailmux-check-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


def as_nobody():
    if os.geteuid() != 0:
        pytest.skip("only root becomes another user")
    return ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def test_only_root_becomes_the_account(open_directory):
    ini = open_directory / "proxy.ini"
    ini.write_text(GOOD + "[proxy]\nuser = mail\nstate_directory = /tmp\n")
    done = mailmux("--check", "-c", ini, before=as_nobody())
    assert done.stderr == (f"warning: {ini}:7: [proxy] user: only root can become mail; let root "
                           "start mailmux\n")
    assert done.returncode == 0


def test_a_port_that_this_account_cannot_have(open_directory):
    """As a start finds it; in namespaces of their own, since a machine may allow low ports."""
    ini = open_directory / "proxy.ini"
    proxy = "[proxy]\nstate_directory = /tmp\n"
    for user in ("", "user = nobody\n"):
        ini.write_text(GOOD.replace("993", "993, [::1]:993") + proxy + user)
        done = mailmux("--check", "-c", ini, before=("unshare", "--net", *as_nobody()))
        assert done.stderr == (f"warning: {ini}:2: [listener in] bind: this account cannot listen "
                               "on port 993; let root start mailmux, give it the capability "
                               "CAP_NET_BIND_SERVICE, or lower "
                               "net.ipv4.ip_unprivileged_port_start\n")
        assert done.returncode == 0
    ini.write_text(GOOD.replace("993", "1993\nprotocol = imap\ntls = implicit") + proxy)
    assert mailmux("--check", "-c", ini, before=("unshare", "--net", *as_nobody())).stderr == ""


def test_a_file_that_this_account_cannot_read(open_directory):
    ini = open_directory / "proxy.ini"
    ini.write_text(GOOD)
    ini.chmod(0o600)
    done = mailmux("--check", "-c", ini, before=as_nobody())
    assert done.stderr == (f"error: {ini}: mailmux runs as nobody, which cannot read it; name "
                           "another file with -c FILE\n")


# The state directory

def test_a_state_directory_that_cannot_be(find, new_proxy, tmp_path):
    (tmp_path / "file").write_text("")
    for directory in (tmp_path / "file", tmp_path / "file" / "below" / "it"):
        text = GOOD + f"[proxy]\nuser = {MYSELF}\nstate_directory = {directory}\n"
        status, lines = find(text)
        assert len(lines) == 1 and status == 1
        assert "[tls] certificate: none is configured, and a self-signed one cannot be made: " \
            f"cannot make the directory {directory}: Not a directory; state_directory must be a " \
            "place that mailmux may write to, or a certificate must be configured" in lines[0]
        assert found_by_start(new_proxy, text) == [line.removeprefix("error: ") for line in lines]


def test_a_state_directory_that_is_not_needed(find, certificates, tmp_path):
    """The certificates are elsewhere, but --reload needs it."""
    (tmp_path / "file").write_text("")
    assert find("[tls]\n" f"certificate = {certificates.rsa.certificate}\n"
                f"key = {certificates.rsa.key}\n" + GOOD +
                f"[proxy]\nuser = {MYSELF}\nstate_directory = {tmp_path}/file\n") == (0, [
                    f"warning: 11: [proxy] state_directory: {tmp_path}/file cannot be made or "
                    "written to: Not a directory; mailmux --reload will not reach the process"])


def test_a_state_directory_whose_name_is_too_long_for_a_socket(find, tmp_path):
    long = tmp_path / ("a" * 100)
    status, lines = find(GOOD + f"[proxy]\nuser = {MYSELF}\nstate_directory = {long}\n")
    assert status == 0 and lines == [
        f"warning: 8: [proxy] state_directory: {long} cannot be made or written to: "
        "File name too long; mailmux --reload will not reach the process"]


def test_a_state_directory_that_the_account_cannot_write_to(find, new_proxy, open_directory):
    as_nobody()
    text = GOOD + f"[proxy]\nuser = nobody\nstate_directory = {open_directory}\n"
    status, lines = find(text)
    assert status == 1 and len(lines) == 1
    assert f"cannot make the directory {open_directory}: Permission denied; " in lines[0]
    assert f"{open_directory}/self-signed.pem" in found_by_start(new_proxy, text)[0]
    open_directory.chmod(0o777)
    assert find(text) == (0, [])
    open_directory.chmod(0o700)  # as mailmux makes it: it is given to the account
    assert find(text) == (0, [])


def test_a_state_directory_that_is_made_later(find, tmp_path):
    text = f"[proxy]\nuser = {MYSELF}\nstate_directory = {tmp_path}/not/yet/there\n"
    assert find(GOOD + text) == (0, [])
    assert not (tmp_path / "not").exists()


def test_a_state_directory_that_is_made_in_the_first_place_of_all(tmp_path):
    """In the root, or in the working directory where the file is named so, too."""
    for place in ("/no-such-directory-yet" if os.geteuid() == 0 else f"{tmp_path}/new", "state"):
        (tmp_path / "a.ini").write_text(
            GOOD + f"[proxy]\nuser = {MYSELF}\nstate_directory = {place}\n")
        done = mailmux("--check", "-c", "a.ini", before=("env", "-C", str(tmp_path)))
        assert (done.returncode, done.stderr) == (0, ""), done


# Every mistake of TLS

def junk(tmp_path, name):
    path = tmp_path / name
    path.write_text("junk")
    return path


def starts(lines):
    """The beginnings of lines: level, number and setting."""
    return [re.match(r"\w+: \d+: \[[^]]*\] \w+", line)[0] for line in lines]


@pytest.mark.quick
def test_tls_is_looked_at_beside_a_syntax_error(find, certificates, tmp_path):
    status, lines = find(
        "[proxy]\nworkers = many\n[lstener typo]\n[tls]\n"
        f"certificate = {certificates.rsa.certificate}\nkey = {certificates.ecdsa.key}\n"
        "[tls two]\nciphers = FROB\nciphersuites = NONE\n"
        f"certificate = {junk(tmp_path, 'a.pem')}\nkey = {tmp_path / 'a.pem'}\n"
        + BACKEND.replace("[backend b]\n", "[backend b]\ntls = implicit\n"
                          f"ca = {junk(tmp_path, 'ca.pem')}\npin = sha256:0\n"
                          f"client_certificate = {tmp_path / 'ca.pem'}\n"))
    assert status == 1
    assert starts(lines[:1] + lines[2:]) == [
        "error: 2: [proxy] workers", "error: 6: [tls] key", "error: 8: [tls two] ciphers",
        "error: 9: [tls two] ciphersuites", "error: 10: [tls two] certificate",
        "error: 14: [backend b] ca", "error: 15: [backend b] pin",
        "error: 16: [backend b] client_certificate"]
    assert lines[1].startswith("error: 3: [lstener typo]: unknown section")


def test_several_mistakes_of_one_set(find, new_proxy, certificates, tmp_path):
    """Each at its own line, also behind one that was left out."""
    text = ("[tls]\n"
            f"certificate = {certificates.rsa.certificate}\nkey = {certificates.rsa.key}\n"
            f"certificate = {junk(tmp_path, 'a.pem')}\nkey = {certificates.rsa.key}\n"
            f"certificate = {certificates.ecdsa.certificate}\nkey = {certificates.rsa.key}\n"
            "names = mail.example.org, a..b, *.example.org\nnames = b..c\n"
            f"client_certificate = request\nclient_ca = {tmp_path / 'a.pem'}\n" + GOOD)
    status, lines = find(text)
    lines = [line for line in lines if line.startswith("error: ")]  # the names are others, too
    assert status == 1
    assert starts(lines) == [
        "error: 4: [tls] certificate", "error: 7: [tls] key", "error: 8: [tls] names",
        "error: 9: [tls] names", "error: 11: [tls] client_ca"]
    assert found_by_start(new_proxy, text) == [line.removeprefix("error: ") for line in lines]


def test_nothing_that_only_follows(find, certificates, tmp_path):
    """What cannot be read may have fitted the rest."""
    status, lines = find("[tls]\npolicy = oldest\nmaximum_version = 1.1\n"
                         f"certificate = {certificates.rsa.certificate}\n"
                         f"certificate = {tmp_path}/none.pem\n"
                         f"key = {certificates.rsa.key}, {certificates.ecdsa.key}\n"
                         "ticket_period = 1y\n" + GOOD)
    assert starts(lines) == ["error: 2: [tls] policy", "error: 5: [tls] certificate",
                             "error: 7: [tls] ticket_period"]


def test_authorities_are_looked_at_without_a_certificate(find, tmp_path):
    status, lines = find("[tls]\nclient_certificate = require\n"
                         f"client_ca = {junk(tmp_path, 'ca.pem')}\n" + GOOD)
    assert starts(lines) == ["error: 3: [tls] client_ca"]


# What old mail servers need

def test_rsa_alone_on_port_25(find, certificates):
    pair = f"[tls]\ncertificate = {certificates.rsa.certificate}\nkey = {certificates.rsa.key}\n"
    mx = GOOD.replace(":993\n", ":25\nrelay_domains = example.org\n")
    status, lines = find(pair + mx)
    assert (status, lines) == (0, [
        f"warning: 2: [tls] certificate = {certificates.rsa.certificate}: it has an RSA key, and "
        "stands alone on port 25: mail servers that know RSA only with DHE or CBC (Exchange on "
        "Windows Server 2012 R2) find no cipher and send in clear; add an ECDSA certificate and "
        "its key, or write ciphers = ECDHE+AESGCM:ECDHE+CHACHA20:DHE-RSA-AES256-GCM-SHA384"])
    assert find(pair + "ciphers = ECDHE+AESGCM:ECDHE+CHACHA20:DHE-RSA-AES256-GCM-SHA384\n" + mx) \
        == (0, [])
    assert find(pair + f"certificate = {certificates.ecdsa.certificate}\n"
                f"key = {certificates.ecdsa.key}\n" + mx) == (0, [])
    assert find(f"[tls]\ncertificate = {certificates.ecdsa.certificate}\n"
                f"key = {certificates.ecdsa.key}\n" + mx) == (0, [])
    assert find(pair + GOOD) == (0, [])


# The options

def test_the_options_of_nginx(tmp_path):
    ini = tmp_path / "proxy.ini"
    ini.write_text(GOOD)
    done = mailmux("-t", "-c", ini)
    assert done.returncode == 0
    assert done.stdout == mailmux("--check", "-c", ini).stdout
    assert mailmux("-V").stdout == mailmux("--version").stdout != ""


def test_probe_works_alone(tmp_path, new_backend):
    ini = tmp_path / "proxy.ini"
    with new_backend([]) as server:
        ini.write_text(LISTENER + f"[backend b]\nserver = 127.0.0.1:{server.port}\n")
        done = mailmux("--probe", "-c", ini)
    assert re.search(r"^1 server probed: ", done.stdout, re.M), done.stdout
