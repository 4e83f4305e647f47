"""mailmux, with the settings that it has without any, but for one worker."""

import os
import subprocess

from .. import BUILD
from . import Subject

BINARY = os.environ.get("MAILMUX", str(BUILD / "mailmux"))


class Mailmux(Subject):
    name = "mailmux"
    certificate_directory = None
    timeouts = ()

    def version(self):
        shown = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True)
        return shown.stdout.split("\n")[0]

    def prepare(self, run):
        (run.place / "state").mkdir(mode=0o700)
        lines = ["[proxy]", f"workers = {run.bench.workers}", "hostname = bench.test",
                 f"state_directory = {run.place / 'state'}"]
        if os.geteuid() == 0:
            lines.append("user = nobody")
            os.chown(run.place / "state", 65534, 65534)
        lines += ["[tls]", f"certificate = {run.bench.certificate}", f"key = {run.bench.key}"]
        if self.certificate_directory:
            lines.append(f"certificate_directory = {self.certificate_directory}")
        lines += ["[timeouts]", *self.timeouts]
        for number, (service, port) in enumerate(zip(run.services, run.ports)):
            lines += [f"[listener l{number}]", f"bind = 127.0.0.1:{port}",
                      f"protocol = {'submission' if service.protocol == 'smtp' else service.protocol}",
                      f"tls = {service.front}", f"backend = b{number}", f"[backend b{number}]"]
            if service.front == "none":
                lines.insert(-2, "require_tls = no")
            lines += [f"server = {address}:{service.server_port(run.server)} {service.of_server}"
                      for address in addresses(service.servers)]
            lines += service.more
            if service.back == "tls":
                lines += ["tls = implicit", f"ca = {run.bench.certificate}", "tls_name = bench.test"]
        (run.place / "proxy.ini").write_text("\n".join(lines) + "\n")
        return [BINARY, "-c", run.place / "proxy.ini"]


def addresses(count):
    """So many of this machine."""
    if count == 1:
        return ["127.0.0.1"]
    return [f"127.1.{number // 250}.{number % 250 + 1}" for number in range(count)]
