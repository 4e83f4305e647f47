"""hitch, which ends TLS and does nothing else."""

import os

from . import Subject


class Hitch(Subject):
    name = package = "hitch"
    most_services = 1

    def cannot(self, service):
        if service.front != "implicit":
            return "TLS from the first octet alone"
        return "no TLS to servers" if service.back != "none" else None

    def prepare(self, run):
        pair = run.place / "pair.pem"
        pair.write_bytes(run.bench.certificate.read_bytes() + run.bench.key.read_bytes())
        lines = [f'frontend = "[127.0.0.1]:{run.ports[0]}"',
                 f'backend = "[127.0.0.1]:{run.services[0].server_port(run.server)}"',
                 f'pem-file = "{pair}"', f"workers = {run.bench.workers}", "daemon = off",
                 "backlog = 4096", "tls-protos = TLSv1.3", 'ecdh-curve = "X25519"',
                 "log-level = 1", 'ocsp-dir = ""']
        if os.geteuid() == 0:
            lines.append('user = "nobody"\ngroup = "nogroup"')
        path = run.place / "hitch.conf"
        path.write_text("\n".join(lines) + "\n")
        return ["hitch", f"--config={path}"]
