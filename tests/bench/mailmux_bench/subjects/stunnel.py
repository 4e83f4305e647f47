"""stunnel, a thread for each session. For TLS on both legs two of its services follow each other."""

import os

from ..programs import free_port
from . import Subject


class Stunnel(Subject):
    name, package = "stunnel", "stunnel4"

    def cannot(self, service):
        return "no service without TLS" if service.front == "none" else None

    def prepare(self, run):
        lines = ["foreground = yes", "debug = warning", "pid =", "socket = l:TCP_NODELAY=1",
                 "socket = r:TCP_NODELAY=1"]
        if os.geteuid() == 0:
            lines += ["setuid = nobody", "setgid = nogroup"]
        for number, (service, port) in enumerate(zip(run.services, run.ports)):
            target = service.server_port(run.server)
            if service.back == "tls":
                between = free_port()
                lines += [f"[back{number}]", "client = yes", f"accept = 127.0.0.1:{between}",
                          f"connect = 127.0.0.1:{target}", "verifyChain = yes",
                          f"CAfile = {run.bench.certificate}", "checkHost = bench.test",
                          "sslVersionMin = TLSv1.3", "curves = X25519"]
                target = between
            lines += [f"[front{number}]", f"accept = 127.0.0.1:{port}",
                      f"connect = 127.0.0.1:{target}", f"cert = {run.bench.certificate}",
                      f"key = {run.bench.key}", "sslVersionMin = TLSv1.3", "curves = X25519",
                      "sessionCacheSize = 20000", "TIMEOUTidle = 3600"]
            if service.front == "starttls":
                lines.append(f"protocol = {service.protocol}")
        path = run.place / "stunnel.conf"
        path.write_text("\n".join(lines) + "\n")
        return ["stunnel4", path]
