"""What `cmake --install` lays down, and the package's files that can be judged without it. The package
itself is tried by deploy/test-package.
"""

import os
import re
import subprocess
from pathlib import Path

import pytest
from mailmux_e2e.proxy import REPOSITORY, binary

DEPLOY = REPOSITORY / "deploy"
BUILD = binary().resolve().parent
PREFIX = "usr/local"  # of a build that names none

LAID_DOWN = {
    f"{PREFIX}/sbin/mailmux",
    f"{PREFIX}/lib/systemd/system/mailmux.service",
    f"{PREFIX}/lib/sysusers.d/mailmux.conf",
    "etc/apparmor.d/usr.local.sbin.mailmux",
    "etc/mailmux/proxy.ini",
    "etc/fail2ban/filter.d/mailmux.conf",
    f"{PREFIX}/share/bash-completion/completions/mailmux",
    f"{PREFIX}/share/man/man8/mailmux.8",
    f"{PREFIX}/share/man/man5/mailmux.ini.5",
    f"{PREFIX}/share/man/man5/proxy.ini.5",
    f"{PREFIX}/share/doc/mailmux/README.md",
    f"{PREFIX}/share/doc/mailmux/docs/operator/install.md",
    f"{PREFIX}/share/doc/mailmux/examples/proxy.ini",
    f"{PREFIX}/share/doc/mailmux/examples/mailmux.socket",
    f"{PREFIX}/share/doc/mailmux/examples/certbot/mailmux",
} | {f"{PREFIX}/share/doc/mailmux/recipes/{path.name}" for path in (DEPLOY / "recipes").glob("*.ini")}


def run(*command: object, **options: object) -> subprocess.CompletedProcess:
    return subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


def install(root: Path) -> str:
    done = run("cmake", "--install", BUILD, env={**os.environ, "DESTDIR": str(root)})
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    install(root)
    return root


@pytest.fixture
def unit(installed: Path, tmp_path: Path) -> Path:
    """The unit as installed, with the program where the test has put it."""
    text = (installed / PREFIX / "lib/systemd/system/mailmux.service").read_text()
    path = tmp_path / "mailmux.service"
    path.write_text(text.replace(f"/{PREFIX}/sbin/", f"{installed}/{PREFIX}/sbin/"))
    return path


def test_cmake_installs_all_but_the_account(installed):
    there = {str(path.relative_to(installed)) for path in installed.rglob("*") if path.is_file()}
    assert LAID_DOWN <= there
    done = run(installed / PREFIX / "sbin/mailmux", "--version")
    assert done.returncode == 0 and done.stdout.startswith("mailmux ")


def test_an_installed_configuration_is_kept(tmp_path):
    install(tmp_path)
    file = tmp_path / "etc/mailmux/proxy.ini"
    file.write_text("# mine\n")
    assert "proxy.ini.new" in install(tmp_path)
    assert file.read_text() == "# mine\n"
    assert (file.parent / "proxy.ini.new").read_text() == (DEPLOY / "proxy.ini").read_text()


def test_the_shipped_configuration_is_clean(tmp_path):
    # An account that every machine has; the package brings its own.
    file = tmp_path / "proxy.ini"
    file.write_text((DEPLOY / "proxy.ini").read_text().replace("user = mailmux", "user = nobody"))
    done = run(binary(), "--check", "-c", file)
    assert done.stdout == f"{file}: good: 0 errors, 0 warnings\n"


RECIPES = sorted((DEPLOY / "recipes").glob("*.ini"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_an_installed_recipe_names_the_account(installed, recipe):
    """It is as in the repository but for that: there the account need not exist."""
    text = (installed / PREFIX / "share/doc/mailmux/recipes" / recipe.name).read_text()
    assert text.endswith(recipe.read_text())
    assert text.count("\n[proxy]\nuser = mailmux\n") == 1


def test_the_manual_has_both_names(installed):
    manual = installed / PREFIX / "share/man"
    assert (manual / "man5/proxy.ini.5").read_text() == ".so man5/mailmux.ini.5\n"
    assert "proxy.ini" in (manual / "man5/mailmux.ini.5").read_text()


def test_the_unit_is_right(unit):
    socket = unit.parent / "mailmux.socket"
    socket.write_text((DEPLOY / "systemd/mailmux.socket").read_text())
    done = run("systemd-analyze", "verify", "--man=no", unit, socket)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_reload_waits_for_its_outcome(unit):
    settings = unit.read_text().splitlines()
    program = next(line for line in settings if line.startswith("ExecStart=")).split("=", 1)[1]
    assert f"ExecReload={program} --reload" in settings
    assert {"Type=notify", "NotifyAccess=main", "KillMode=mixed", "OOMPolicy=continue"} <= set(settings)


def test_the_time_to_stop_is_above_the_drain(unit):
    drain = re.search(r"^# drain = (\d+)s", (REPOSITORY / "proxy.ini").read_text(), re.M)
    stop = re.search(r"^TimeoutStopSec=(\d+)s$", unit.read_text(), re.M)
    assert drain and stop
    assert int(stop[1]) > int(drain[1])


def test_the_exposure_is_below_two(unit):
    done = run("systemd-analyze", "security", "--offline=true", "--no-pager", unit)
    found = re.search(r"Overall exposure level for mailmux.service: ([\d.]+)", done.stdout)
    assert found, done.stdout
    print(f"systemd-analyze security: {found[1]}")
    assert float(found[1]) < 2.0, done.stdout


def test_the_apparmor_profile_is_right_and_the_unit_takes_it(installed, unit):
    profile = installed / "etc/apparmor.d/usr.local.sbin.mailmux"
    done = run("apparmor_parser", "--skip-kernel-load", "--skip-cache", "--Werror", "--kernel-features",
               "/etc/apparmor.d/abi/3.0", profile)
    # Here there may be no AppArmor in the kernel, which is of no account.
    words = [line for line in done.stdout.splitlines() if not line.startswith("Cache read/write disabled")]
    assert (done.returncode, words) == (0, [])
    assert f"/{PREFIX}/sbin/mailmux mrix," in profile.read_text()
    done = run("apparmor_parser", "--names", "--skip-cache", profile)
    assert "AppArmorProfile=-" + done.stdout.split()[-1] in unit.read_text().splitlines()


def complete(installed: Path, directory: Path, *words: str) -> set[str]:
    """What bash offers for the last word."""
    script = """
        . /usr/share/bash-completion/bash_completion
        . "$1"; shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=${#COMP_LINE}
        _mailmux "$1" "${!#}"
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = run("bash", "-c", script, "bash",
               installed / PREFIX / "share/bash-completion/completions/mailmux",
               installed / PREFIX / "sbin/mailmux", *words, cwd=directory)
    assert done.returncode == 0, done.stdout
    return set(done.stdout.split())


def test_bash_completes_every_option(installed, tmp_path):
    options = set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", run(binary(), "--help").stdout))
    assert "--check" in options
    assert options <= complete(installed, tmp_path, "-")
    assert complete(installed, tmp_path, "--ch") == {"--check"}


def test_bash_completes_configuration_files(installed, tmp_path):
    for name in ("proxy.ini", "proxy.txt"):
        (tmp_path / name).touch()
    assert complete(installed, tmp_path, "-c", "pro") == {"proxy.ini"}


def test_bash_completes_the_listeners_of_a_route(installed, tmp_path):
    (tmp_path / "x.ini").write_text("[listener front]\nbind = *:443\nprotocol = auto\n"
                                    "route = default -> imaps\n[listener imaps]\nprotocol = imap\n"
                                    "backend = 127.0.0.1:143\n")
    route = ["-c", "x.ini", "--route", "-", "imap"]
    assert complete(installed, tmp_path, *route, "-") == {"-"}  # none, for the first bytes
    assert complete(installed, tmp_path, *route, "-", "") == {"front", "imaps"}
    assert complete(installed, tmp_path, *route, "-", "fr") == {"front"}
    assert "--check" in complete(installed, tmp_path, *route, "-", "front", "-")


def packages(purpose: str) -> set[str]:
    words = [line.split() for line in (DEPLOY / "packages").read_text().splitlines()]
    return {found[1] for found in words if len(found) == 2 and found[0] == purpose}


def test_the_package_is_built_of_what_the_program_is(installed):
    control = (DEPLOY / "debian/control").read_text()
    field = re.search(r"^Build-Depends:\n((?: .*\n)+)", control, re.M)
    assert field
    named = set(re.findall(r"^ ([\w.+-]+)", field[1], re.M))
    essential = {"gcc", "libc6-dev"}
    assert packages("build") - essential <= named


@pytest.fixture
def hook(tmp_path):
    """hook(active, reloads) runs certbot's hook beside a systemctl and a journalctl of its own."""
    def follow(active: bool, reloads: bool) -> subprocess.CompletedProcess:
        commands = {
            "systemctl": f"""case "$*" in
                '--quiet is-active mailmux.service') exit {0 if active else 3} ;;
                'reload mailmux.service') echo reload; exit {0 if reloads else 1} ;;
                esac; exit 99""",
            "journalctl": "echo the reason",
        }
        for name, text in commands.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
            (tmp_path / name).chmod(0o755)
        return run(DEPLOY / "certbot/mailmux", env={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    return follow


@pytest.mark.parametrize("active, reloads, status, words", [
    (True, True, 0, "reload\n"),
    (True, False, 1, "reload\nthe reason\n"),
    (False, True, 0, ""),
], ids=["taken", "refused", "stopped"])
def test_the_hook_of_certbot(hook, active, reloads, status, words):
    done = hook(active, reloads)
    assert (done.returncode, done.stdout) == (status, words)


def quickstart(*words: object, **options: object) -> subprocess.CompletedProcess:
    return run(DEPLOY / "quickstart", *words, **options)


@pytest.mark.skipif(os.geteuid() != 0, reason="it asks for root first")
def test_the_quick_start_says_beforehand_what_it_installs(tmp_path):
    for name in ("dpkg-query", "apt-get"):  # nothing is installed, and nothing can be
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    done = quickstart("--once", env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert done.returncode == 1
    said = done.stdout.splitlines()
    assert said[0].startswith("==> installing with apt, and leaving installed: ")
    assert {"dovecot-imapd", "postfix"} <= set(said[0].split())
    assert "Postfix and Dovecot" in said[1] and "not started as services" in said[1]
    assert "apt-get update failed" in said[2]


def test_the_quick_start_keeps_no_template_over_another_file(tmp_path):
    (tmp_path / "proxy.ini").write_text("# mine\n")
    done = quickstart("--once", "--keep", tmp_path)
    assert done.returncode == 1
    assert f"{tmp_path}/proxy.ini exists" in done.stdout
    assert (tmp_path / "proxy.ini").read_text() == "# mine\n"
