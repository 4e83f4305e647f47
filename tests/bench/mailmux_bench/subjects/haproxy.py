"""HAProxy in TCP mode; without TLS the kernel moves the octets for it (splice)."""

import os

from . import Subject


class Haproxy(Subject):
    name = package = "haproxy"

    def cannot(self, service):
        return "no STARTTLS" if service.front == "starttls" else None

    def prepare(self, run):
        pair = run.place / "pair.pem"
        pair.write_bytes(run.bench.certificate.read_bytes() + run.bench.key.read_bytes())
        lines = ["global", f"  nbthread {run.bench.workers}", f"  maxconn {run.bench.files // 2 - 100}",
                 "  maxpipes 64", "  tune.ssl.cachesize 20000", "  ssl-default-bind-options ssl-min-ver TLSv1.3"]
        if os.geteuid() == 0:
            lines += ["  user nobody", "  group nogroup"]
        lines += ["defaults", "  mode tcp", "  timeout connect 5s", "  timeout client 1h",
                  "  timeout server 1h"]
        for number, (service, port) in enumerate(zip(run.services, run.ports)):
            ssl = f" ssl crt {pair} curves X25519" if service.front == "implicit" else ""
            back = " ssl verify required sni str(bench.test) verifyhost bench.test " \
                f"ca-file {run.bench.certificate}" if service.back == "tls" else ""
            lines += [f"listen l{number}", f"  bind 127.0.0.1:{port} backlog 4096{ssl}",
                      f"  server s 127.0.0.1:{service.server_port(run.server)}{back}"]
            if not ssl and not back:
                lines.append("  option splice-auto")
        path = run.place / "haproxy.cfg"
        path.write_text("\n".join(lines) + "\n")
        return ["haproxy", "-db", "-f", path]
