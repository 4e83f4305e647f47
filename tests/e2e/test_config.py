"""The commands that read a configuration and answer: --check, --dump, --reference and the like.
Each bad input has one message: file:line, section, key, value, what is wrong, what would be right.
"""

import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mailmux_e2e.certificates import NAME
from mailmux_e2e.proxy import REPOSITORY, binary

BACKEND = "[backend mta]\nserver = mx1 10.0.0.5:25\n"
LISTENER = "[listener in]\nbind = 127.0.0.1:25\nbackend = mta\n"
GOOD = BACKEND + LISTENER  # five lines
TRUST = "[backend mta]: its servers see every client at mailmux's address;"  # test_relay_domains.py
ROOT = "[proxy] user: it is not given, and mailmux keeps all rights of root;"  # when root runs this
READABLE = "the file must be there and readable by the user that starts mailmux"


def mailmux(*arguments, before=(), directory=None):
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1:exitcode=99",
                   "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}
    if before:  # a process that has changed its user may not look at itself
        environment["ASAN_OPTIONS"] = "detect_leaks=0:exitcode=99"
    return subprocess.run([*before, str(binary()), *map(str, arguments)], capture_output=True,
                          text=True, env=environment, stdin=subprocess.DEVNULL, cwd=directory)


class Checked:
    """What --check said of a file that holds the given text."""

    def __init__(self, directory, text, before=()):
        self.file = directory / "proxy.ini"
        self.file.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.done = mailmux("--check", "-c", self.file, before=before)
        lines = self.done.stderr.splitlines()
        self.lines = [line for line in lines if TRUST not in line and ROOT not in line]
        self.expected = len(lines) - len(self.lines)

    def summary(self, warnings, verdict="good: 0 errors"):
        warnings += self.expected
        return f"{self.file}: {verdict}, {warnings} warning{'' if warnings == 1 else 's'}\n"

    def is_good(self):
        assert self.done.returncode == 0, self.done.stderr
        assert self.done.stdout == self.summary(0)
        assert self.lines == []

    def has_error(self, line, text):
        where = f"{self.file}:{line}" if line else f"{self.file}"
        assert self.lines == [f"error: {where}: {text}"]
        assert self.done.stdout == self.summary(0, "not usable: 1 error")
        assert self.done.returncode == 1

    def has_warning(self, line, text):
        assert self.lines == [f"warning: {self.file}:{line}: {text}"]
        assert self.done.stdout == self.summary(1)
        assert self.done.returncode == 0


@pytest.fixture
def check(tmp_path):
    return lambda text, **options: Checked(tmp_path, text, **options)


# Bad input, one by one

def test_unknown_section(check):
    check(GOOD + "[timeout]\n").has_error(
        6, "[timeout]: unknown section; did you mean [timeouts]?")


def test_unknown_key(check):
    check(GOOD + "protocl = smtp\n").has_error(
        6, "[listener in] protocl = smtp: unknown key; did you mean protocol?")


def test_key_of_another_section(check):
    check(GOOD + "[proxy]\ngreeting = 5s\n").has_error(
        7, "[proxy] greeting = 5s: unknown key here; it belongs in [timeouts]")


@pytest.mark.parametrize("text, problem", [
    ("[proxy]\nworkers = many", "[proxy] workers = many: not a whole number; "
     "allowed: 1 to 1024, or auto"),
    ("[limits]\nreply = 64kbit", "[limits] reply = 64kbit: not a size in bytes such as 4096 or 64k; "
     "allowed: 1k to 64k"),
    ("[timeouts]\nlogin = soon", "[timeouts] login = soon: not a time such as 500ms, 30s, 5m or "
     "24h; allowed: 100ms to 1h"),
    ("[timeouts]\nlogin = 60", "[timeouts] login = 60: a time needs a unit; did you mean 60s? "
     "allowed: 100ms to 1h"),
    # What is suggested is allowed
    ("[timeouts]\nlogin = 5000", "[timeouts] login = 5000: a time needs a unit; did you mean "
     "5000ms? allowed: 100ms to 1h"),
    ("[timeouts]\nlogin = 0", "[timeouts] login = 0: a time needs a unit; allowed: 100ms to 1h"),
])
def test_bad_number(check, text, problem):
    check(GOOD + text).has_error(7, problem)


@pytest.mark.parametrize("text, problem", [
    ("[proxy]\nworkers = 2000", "[proxy] workers = 2000: too high; allowed: 1 to 1024, or auto"),
    ("[timeouts]\nimap_idle = 29m", "[timeouts] imap_idle = 29m: too low; allowed: 30m to 720h"),
    ("[timeouts]\npop3_idle = 9m", "[timeouts] pop3_idle = 9m: too low; allowed: 10m to 720h"),
    ("[limits]\nline = 8193", "[limits] line = 8193: too high; allowed: 512 to 8k"),
    ("[limits]\nsasl_line = 65537", "[limits] sasl_line = 65537: too high; allowed: 1k to 64k"),
    ("[limits]\nliteral = 2m", "[limits] literal = 2m: too high; allowed: 16 to 1m"),
    ("[limits]\nreply = 65k", "[limits] reply = 65k: too high; allowed: 1k to 64k"),
    ("[limits]\nreply_lines = 1001", "[limits] reply_lines = 1001: too high; allowed: 8 to 1000"),
    ("[limits]\nreply_lines = 99999999999999999999999",
     "[limits] reply_lines = 99999999999999999999999: too high; allowed: 8 to 1000"),
])
def test_out_of_range(check, text, problem):
    check(GOOD + text).has_error(7, problem)


def test_bad_choice(check):
    check(GOOD + "tls = startls\n").has_error(
        6, "[listener in] tls = startls: not a choice here; did you mean starttls? "
           "allowed: starttls, implicit, none, auto")


def test_missing_certificate_file(check, certificates, tmp_path):
    check(GOOD + f"[tls]\ncertificate = missing.pem\nkey = {certificates.rsa.key}\n").has_error(
        7, f"[tls] certificate = missing.pem: No such file or directory; {READABLE}; "
           f"looked for at {tmp_path}/missing.pem")


# policy/ cannot see this: it takes OpenSSL. The daemon adds what net/tls_context finds when it
# builds the snapshot (proxy/setup/snapshot.c), and --check must build one.
def test_key_that_does_not_match(check, certificates):
    other = certificates.authority.with_name("ca.key")
    checked = check(GOOD + f"[tls]\ncertificate = {certificates.rsa.certificate}\nkey = {other}\n")
    assert len(checked.lines) == 1, checked.lines
    assert checked.lines[0].startswith(f"error: {checked.file}:8: [tls] key = {other}: ")
    assert "certificate" in checked.lines[0].partition(f"{other}: ")[2]
    assert checked.done.returncode == 1


def test_unreadable_key_is_a_directory(check, certificates, tmp_path):
    check(GOOD + f"[tls]\ncertificate = {certificates.rsa.certificate}\n"
          f"key = {tmp_path}\n").has_error(
        8, f"[tls] key = {tmp_path}: it is a directory; {READABLE}")


def test_unreadable_key(certificates):
    """Root reads everything, so the check runs as somebody else, who must reach the directory."""
    import shutil
    import tempfile

    directory = Path(tempfile.mkdtemp(prefix="mailmux-config-"))
    before = ()
    try:
        directory.chmod(0o755)
        certificate, key = directory / "rsa.pem", directory / "rsa.key"
        shutil.copy(certificates.rsa.certificate, certificate)
        shutil.copy(certificates.rsa.key, key)
        certificate.chmod(0o644)
        key.chmod(0o000)
        account = pwd.getpwuid(os.geteuid() or 65534).pw_name
        if os.geteuid() == 0:
            before = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        Checked(directory, GOOD + "[tls]\ncertificate = rsa.pem\nkey = rsa.key\n",
                before=before).has_error(
            8, f"[tls] key = rsa.key: mailmux runs as {account}, which cannot read it; {READABLE}; looked for at {key}")
    finally:
        shutil.rmtree(directory)


def test_certificate_without_key(check, certificates):
    certificate = certificates.rsa.certificate
    check(GOOD + f"[tls]\ncertificate = {certificate}\n").has_error(
        7, f"[tls] certificate = {certificate}: it has no key; the n-th key belongs to the n-th "
           "certificate, and there are 0 keys for 1 certificates")


@pytest.mark.parametrize("first, second", [
    ("127.0.0.1:25", "127.0.0.1:25"),
    ("[::]:25", "[::]:25"),
    ("0.0.0.0:25", "0.0.0.0:25"),
    ("0.0.0.0:25", "127.0.0.1:25"),
    ("[::1]:25", "[::]:25"),
])
def test_duplicate_listener_address(check, first, second):
    checked = check(BACKEND + f"[listener a]\nbind = {first}\nbackend = mta\n"
                              f"[listener b]\nbind = {second}\nbackend = mta\n")
    checked.has_error(
        7, f"[listener b] bind = {second}: [listener a] has {first} already, at "
           f"{checked.file}:4; an address and port can be listened on once")


def test_backend_without_server(check):
    check(LISTENER + "[backend mta]\n").has_error(
        4, "[backend mta]: server is missing; write server = [NAME] HOST:PORT [OPTIONS]")


def test_backend_never_used(check):
    check(GOOD + "[backend spare]\nserver = 10.0.0.6:25\n").has_warning(
        6, "[backend spare]: no listener uses it; write backend = spare in a listener, or remove "
           "the section")


def test_backend_that_is_not_there(check):
    check(BACKEND + LISTENER.replace("mta", "mtb")).has_error(
        5, "[listener in] backend = mtb: there is no section [backend mtb]; did you mean mta?")


def test_a_line_of_2000_bytes(check):
    line = "certificate = /" + "x" * 1985
    assert len(line) == 2000
    check(GOOD + "[tls]\n" + line + "\n").has_error(
        7, f'[tls] "{line[:40]}...": the line has 2000 bytes; at most 1024 can be read, so write a '
           "long list as several lines with the same key, or choose a shorter value")


def test_a_value_of_1000_bytes_is_wrong_as_a_whole(check):
    value = "x" * 1000
    check(GOOD + f"[proxy]\nhostname = {value}\n").has_error(
        7, f"[proxy] hostname = {value}: not a host name; write one such as mail.example.org")


def test_a_comment_of_300_bytes(check):
    check(GOOD + "# " + "x" * 298 + "\nprotocol = smtp  # " + "x" * 300 + "\n").is_good()


def test_a_line_without_an_equals_sign(check):
    check(GOOD + "tls starttls\n").has_error(
        6, '[listener in] "tls starttls": there is no \'=\'; write key = value')


def test_a_colon_for_an_equals_sign(check):
    check(GOOD + "tls : starttls\n").has_error(
        6, '[listener in] "tls : starttls": a \':\' stands where \'=\' belongs; write key = value')


def test_a_section_name_of_60_bytes(check):
    header = f"[backend {'x' * 52}]"
    assert len(header) == 62
    check(GOOD + header + "\nserver = 10.0.0.6:25\n").has_error(
        6, f'"{header[:40]}...": the section name has 60 bytes; at most 48 can be read, choose a '
           "shorter one")


def test_a_nul(check):
    check(GOOD.encode() + b"tls = start\0tls\n").has_error(
        6, "[listener in] byte 12 of the line is a NUL; save the file as plain text (UTF-8)")


def test_a_repeated_section(check):
    checked = check(GOOD + BACKEND)
    checked.has_error(
        6, f"[backend mta]: the section has begun before, at {checked.file}:1; put its settings "
           "there, or choose another name")


def test_a_repeated_key(check):
    check(GOOD + "tls = none\ntls = starttls\nrequire_tls = auth\n").has_error(
        7, "[listener in] tls = starttls: the key has been set before, at line 6; remove one of "
           "them")


def test_an_empty_value(check):
    check(GOOD + "tls =\n").has_error(
        6, "[listener in] tls = : the value is empty; give one, or remove the line for the default")


@pytest.mark.parametrize("text", [b"", b"\n", b"# nothing\n", b"\xef\xbb\xbf"])
def test_an_empty_file(check, text):
    check(text).has_error(
        0, "the file is empty; write a section [listener NAME] with bind and backend, and a "
           "section [backend NAME] with server")


def test_a_file_that_is_not_there(tmp_path):
    done = mailmux("--check", "-c", tmp_path / "none.ini")
    assert done.stderr == (f"error: {tmp_path}/none.ini: No such file or directory; name another "
                           "file with -c FILE\n")
    assert done.returncode == 1


def test_a_directory(tmp_path):
    done = mailmux("--check", "-c", tmp_path)
    assert done.stderr == f"error: {tmp_path}: it is a directory; name another file with -c FILE\n"
    assert done.returncode == 1


def test_a_file_without_end():
    done = mailmux("--check", "-c", "/dev/zero")
    assert done.stderr == ("error: /dev/zero: it is larger than 4 MiB; name another file with -c "
                           "FILE\n")


# Includes

def test_an_include_loop_of_one(check, tmp_path):
    check("include = proxy.ini\n" + GOOD).has_error(
        1, f"include = {tmp_path}/proxy.ini: the file includes itself; remove the line")


def test_an_include_loop_of_two(check, tmp_path):
    (tmp_path / "other.ini").write_text("# here\ninclude = proxy.ini\n")
    checked = check("include = other.ini\n" + GOOD)
    assert checked.lines == [
        f"error: {tmp_path}/other.ini:2: include = {tmp_path}/proxy.ini: an include loop: the file "
        "is already being read and includes, through others, this one; remove one of the lines"]
    assert checked.done.returncode == 1


def test_a_missing_include(check, tmp_path):
    check("include = none.ini\n" + GOOD).has_error(
        1, f"include = {tmp_path}/none.ini: No such file or directory")


def test_includes(check, tmp_path):
    """Relative to the file, in the order of their names, wherever mailmux is started."""
    (tmp_path / "conf.d" / "deeper").mkdir(parents=True)
    (tmp_path / "conf.d" / "a.ini").write_text("include = deeper/c.ini\n" + BACKEND)
    (tmp_path / "conf.d" / "b.ini").write_text(LISTENER)
    (tmp_path / "conf.d" / "b.ini~").write_text("rubbish")
    (tmp_path / "conf.d" / "deeper" / "c.ini").write_text("[proxy]\nuser = mail\n")
    checked = check("include = conf.d/*.ini\n")
    checked.is_good()
    dumped = mailmux("--dump", "-c", checked.file, directory="/").stdout
    assert re.search(rf"^user = mail +# {tmp_path}/conf.d/deeper/c.ini:2$", dumped, re.M)
    assert re.search(rf"^bind = 127.0.0.1:25 +# {tmp_path}/conf.d/b.ini:2$", dumped, re.M)


def test_an_include_that_matches_nothing(check, tmp_path):
    check("include = more/*.ini\n" + GOOD).has_warning(
        1, f"include = more/*.ini: there is no directory {tmp_path}/more; make it, or remove the "
           "line")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.conf").write_text("[proxy]\n")
    check("include = more/*.ini\n" + GOOD).has_warning(
        1, "include = more/*.ini: it matches no file; nothing is read")
    check("include = /no/such/place/*.ini\n" + GOOD).has_warning(
        1, "include = /no/such/place/*.ini: there is no directory /no/such/place; make it, or "
           "remove the line")


def test_an_include_of_a_directory(check, tmp_path):
    (tmp_path / "conf.d").mkdir()
    check("include = conf.d\n" + GOOD).has_error(
        1, f"include = {tmp_path}/conf.d: it is a directory; write {tmp_path}/conf.d/*.ini "
           "for its files")


def test_a_problem_in_an_included_file(check, tmp_path):
    (tmp_path / "more.ini").write_text("[proxy]\nworkers = x\n")
    checked = check("include = more.ini\n" + GOOD)
    assert checked.lines == [f"error: {tmp_path}/more.ini:2: [proxy] workers = x: not a whole "
                             "number; allowed: 1 to 1024, or auto"]


def test_a_directory_with_the_signs_of_a_pattern(tmp_path):
    directory = tmp_path / "a[b]*"
    directory.mkdir()
    (directory / "x.inc").write_text(GOOD)
    Checked(directory, "include = *.inc\n").is_good()


def test_include_within_a_section(check):
    check(GOOD + "include = x.ini\n").has_error(
        6, "[listener in] include = x.ini: unknown key here; include stands before the first "
           "section")


# Several problems, and none

@pytest.mark.quick
def test_all_problems_are_reported_at_once(check):
    checked = check("[proxy]\nworkers = x\nuser mail\ncolour = red\n"
                    "[listner a]\nbind = 1\n"
                    "[timeouts]\nimap_idle = 1m\nconnect = 5\n"
                    "[listener in]\nbind = 127.0.0.1:25, 127.0.0.1:25\nbackend = mta\ntls = none\n"
                    "[backend mta]\nserver = mx1\n")
    where = [re.match(r"(error|warning): .*/proxy\.ini:(\d+): ", line) for line in checked.lines]
    assert [match and int(match[2]) for match in where] == [2, 3, 4, 5, 8, 9, 11, 13, 15]
    assert checked.done.stdout.endswith(": not usable: 8 errors, 1 warning\n")
    assert checked.done.returncode == 1


def test_a_good_file(check):
    check(GOOD).is_good()


def test_a_byte_order_mark_and_crlf_are_accepted(check):
    check(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode()).is_good()


def test_indented_lines_are_accepted(check):
    check(GOOD.replace("\n", "\n    ")).is_good()


def test_no_end_of_line_at_the_end(check):
    check(GOOD.rstrip("\n")).is_good()


def test_a_certificate_with_its_key(check, certificates, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.authority))
    check(GOOD + f"[proxy]\nhostname = {NAME}\n[tls]\ncertificate = {certificates.rsa.certificate}\n"
          f"certificate = {certificates.ecdsa.certificate}\n"
          f"key = {certificates.rsa.key}, {certificates.ecdsa.key}\n").is_good()


# Warnings

def test_plaintext_is_warned_of(check):
    check(GOOD + "tls = none\n").has_warning(
        6, "[listener in] tls = none: passwords and mail travel in clear; tls = starttls protects "
           "them")


@pytest.mark.conformance("C36")
@pytest.mark.parametrize("port", [25, 2525])
def test_required_tls_on_port_25_is_warned_of(check, port):
    text = GOOD.replace("127.0.0.1:25", f"127.0.0.1:{port}")
    check(text + "require_tls = yes\n").has_warning(
        6, "[listener in] require_tls = yes: mail servers that do not speak TLS can no longer "
           f"deliver to port {port}; require_tls = auth protects logins alone")
    check(text).is_good()
    check(text.replace(f":{port}\nbackend", ":587\nbackend") + "require_tls = yes\n").is_good()


# The shipped file and the documents

def test_the_shipped_file_is_accepted():
    done = mailmux("--check", "-c", "proxy.ini", directory=REPOSITORY)
    assert done.returncode == 0
    # What the server there believes of its clients is for whoever runs it to say.
    assert all("[backend mta]: its server legacy is on this machine" in line or ROOT in line
               for line in done.stderr.splitlines()), done.stderr
    assert done.stdout.startswith("proxy.ini: good: 0 errors, ")


def test_the_shipped_file_has_the_eight_listeners():
    dumped = mailmux("--dump", "-c", REPOSITORY / "proxy.ini").stdout
    ports = {name: int(port) for name, port in
             re.findall(r"^\[listener ([a-z0-9-]+)\].*\nbind = 0\.0\.0\.0:(\d+)", dumped, re.M)}
    assert ports == {"smtp": 25, "submission": 587, "smtp-alt": 2525, "submissions": 465,
                     "pop3": 110, "pop3s": 995, "imap": 143, "imaps": 993}


@pytest.mark.parametrize("lines, line, text", [
    ("minimum_version = 1.3\nmaximum_version = 1.2\n", 7,
     "[tls] minimum_version: the highest TLS version is below the lowest; set both, or choose a "
     "policy that has the version"),
    ("ciphers = FROB\n", 7,
     "[tls] ciphers: no cipher of TLS 1.2 is known under these names; `openssl ciphers` lists "
     "them: no cipher match"),
])
def test_rules_of_tls_are_looked_at_without_a_certificate(check, lines, line, text):
    check(GOOD + "[tls]\n" + lines).has_error(line, text)


def test_authorities_that_nobody_asks_for(check, tmp_path, certificates):
    shutil.copy(certificates.authority, tmp_path / "ca.pem")
    check(GOOD + "[tls]\nclient_ca = ca.pem\n").has_warning(
        7, f"[tls] client_ca = {tmp_path}/ca.pem: no client is asked for a certificate; write "
        "client_certificate = require, or request")
    check(GOOD + "[tls]\nclient_ca = ca.pem\nclient_certificate = require\n").is_good()


def test_the_shipped_file_shows_every_setting_and_its_default():
    shipped = (REPOSITORY / "proxy.ini").read_text()
    for section in re.split(r"^## ", mailmux("--reference").stdout, flags=re.M)[1:]:
        kind = section[1:].split("]")[0].split(" ")[0]
        text = "".join(re.findall(rf"^\[{kind}\b.*?(?=^\[|\Z)", shipped, re.M | re.S))
        assert text, kind
        for row in re.findall(r"^\| `(\w+)` \|.*$", section, re.M):
            assert re.search(rf"^(# )?{row} = ", text, re.M), f"{row} of [{kind}]"
    defaults = {key: default for key, default in re.findall(
        r"^\| `(\w+)` \| (?:number|time|size): [^|]* \| (\w+) \|", mailmux("--reference").stdout,
        re.M) if key not in ("line",)}  # there are two of these
    for key, value in re.findall(r"^# (\w+) = (\w+)", shipped, re.M):
        assert defaults.get(key, value) == value, key


@pytest.mark.quick
def test_the_reference_is_up_to_date():
    assert mailmux("--reference").stdout == (REPOSITORY / "docs/operator/reference.md").read_text()


@pytest.mark.quick
def test_the_manual_page_is_up_to_date():
    assert mailmux("--man").stdout == (REPOSITORY / "docs/man/mailmux.ini.5").read_text()


def test_what_is_dumped_can_be_read_again(tmp_path):
    def dump(file):
        done = mailmux("--dump", "-c", file)
        assert done.returncode == 0 and "error:" not in done.stderr, done.stderr
        return done.stdout

    def without_sources(text):
        return re.sub(r" +# .*$", "", text, flags=re.M)

    first = dump(REPOSITORY / "proxy.ini")
    again = tmp_path / "again.ini"
    again.write_text(first)
    assert without_sources(dump(again)) == without_sources(first)


def test_a_bad_file_is_not_dumped(tmp_path):
    file = tmp_path / "proxy.ini"
    file.write_text(GOOD + "tls = x\n")
    done = mailmux("--dump", "-c", file)
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: {file}:6: [listener in] tls = x: ")
    assert done.returncode == 1


# The state directory's default

def state_directory(file, before=(), **variables):
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("STATE_DIRECTORY", "XDG_STATE_HOME")}
    environment["ASAN_OPTIONS"] = "detect_leaks=0"
    done = subprocess.run([*before, str(binary()), "--dump", "-c", str(file)], capture_output=True,
                          text=True, env={**environment, **variables}, stdin=subprocess.DEVNULL)
    return re.search(r"^state_directory = (\S+)", done.stdout, re.M)[1]


def test_the_state_directory():
    shipped = REPOSITORY / "proxy.ini"
    assert state_directory(shipped, STATE_DIRECTORY="/a/b:/c") == "/a/b"
    if os.geteuid() == 0:
        assert state_directory(shipped) == "/var/lib/mailmux"
        assert state_directory(shipped, XDG_STATE_HOME="/home/x/state") == "/var/lib/mailmux"
    elif not os.access("/var/lib/mailmux", os.W_OK):
        assert state_directory(shipped, XDG_STATE_HOME="/s") == "/s/mailmux"
        assert state_directory(shipped, HOME="/h") == "/h/.local/state/mailmux"


# The command line

def test_version():
    done = mailmux("--version")
    assert done.returncode == 0
    assert re.fullmatch(r"mailmux [0-9.]+\nlibuv [0-9.]+\nOpenSSL \S+ .*\n"
                        r"c-ares [0-9.]+\ninih [r0-9.]+\n",
                        done.stdout)


def test_help():
    done = mailmux("--help")
    assert done.returncode == 0
    for option in ("-c", "--check", "--dump", "--reference", "--man", "--version", "--help"):
        assert option in done.stdout


@pytest.mark.parametrize("arguments", [["--chek"], ["-c"], ["--check", "--dump"], ["x.ini"]])
def test_a_command_line_that_makes_no_sense(arguments):
    done = mailmux(*arguments)
    assert done.returncode == 2
    assert re.fullmatch(r"mailmux: .*; mailmux --help shows the options\n", done.stderr)
    assert done.stdout == ""


def test_an_answer_that_cannot_be_written():
    with open("/dev/full", "w") as full:
        done = subprocess.run([str(binary()), "--reference"], stdout=full, stderr=subprocess.PIPE,
                              text=True)
    assert done.returncode == 1
    assert done.stderr == "mailmux: the answer could not be written\n"
