"""One run: its directory, its certificate, its settings; and the machine that it runs on."""

import math
import os
import platform
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

from . import HERE, ROOT

FILES = 65536  # descriptors of one process


def raise_files():
    """As many descriptors for each process as this machine lets us have."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for most in (max(hard, FILES), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
            return most
        except (ValueError, OSError):
            continue
    return hard


class Bench:
    """Lives for one run; its directory goes with it."""

    def __init__(self, workers=1):
        self.workers = workers
        self.deadline = math.inf  # behind it nothing is repeated, and no further round begins
        HERE.mkdir(parents=True, exist_ok=True)
        self.place = Path(tempfile.mkdtemp(prefix="run-", dir=HERE))
        self.place.chmod(0o755)
        self.certificate, self.key = self.place / "certificate.pem", self.place / "key.pem"
        self.make_certificate()
        self.files = raise_files()

    def make_certificate(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key, "-out",
                        self.certificate, "-days", "30", "-subj", "/CN=bench.test", "-addext",
                        "subjectAltName=DNS:bench.test"], check=True, stderr=subprocess.DEVNULL)

    def new_place(self, name):
        place = Path(tempfile.mkdtemp(prefix=name.replace(" ", "-") + "-", dir=self.place))
        place.chmod(0o755)
        return place

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.place, ignore_errors=True)


def machine():
    """What the figures belong to."""
    model = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
             if line.startswith("model name")]
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines()
                   if "=" in line)
    openssl = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True)
    return {"processors": os.cpu_count(), "model": model[0] if model else "unknown",
            "kernel": platform.release(), "system": release["PRETTY_NAME"].strip('"'),
            "openssl": openssl.stdout.split(" (")[0].strip(), "commit": commit()}


def commit():
    def git(*words):
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True,
                              check=False).stdout.strip()
    changed = git("status", "--porcelain", "--", "proxy", "include", "CMakeLists.txt", "cmake")
    return (git("rev-parse", "--short=10", "HEAD") or "unknown") + (" and changes" if changed else "")


def build(purposes, targets):
    """Installs what is missing, and builds."""
    subprocess.run([ROOT / "deploy/lib/install-packages", *purposes], check=True)
    for words in (["--preset", "release", "-DBUILD_TESTING=ON"],
                  ["--build", "--preset", "release", "--target", *targets]):
        subprocess.run(["cmake", *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
