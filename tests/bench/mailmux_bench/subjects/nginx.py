"""nginx: its mail proxy, which speaks mail, and its stream proxy, which looks at nothing."""

import os

from . import Subject

MODULES = "/usr/lib/nginx/modules"


class Nginx(Subject):
    module = "?"

    def head(self, run):
        return [f"load_module {MODULES}/ngx_{self.module}_module.so;", "daemon off;",
                f"worker_processes {run.bench.workers};", f"worker_rlimit_nofile {run.bench.files};",
                *(["user nobody nogroup;"] if os.geteuid() == 0 else []),
                f"pid {run.place}/pid;", f"error_log {run.place}/error.log warn;",
                f"events {{ worker_connections {run.bench.files}; multi_accept on; }}"]

    def write(self, run, lines):
        path = run.place / "nginx.conf"
        path.write_text("\n".join([*self.head(run), *lines]) + "\n")
        return ["nginx", "-e", run.place / "error.log", "-p", run.place, "-c", path]

    @staticmethod
    def tls(run):
        return [f"ssl_certificate {run.bench.certificate};", f"ssl_certificate_key {run.bench.key};",
                "ssl_protocols TLSv1.3;", "ssl_ecdh_curve X25519;",
                "ssl_session_cache shared:bench:20m;", "ssl_session_tickets on;"]


class Mail(Nginx):
    name, package, module = "nginx-mail", "libnginx-mod-mail", "mail"

    def cannot(self, service):
        return "no TLS to servers" if service.back != "none" else None

    def prepare(self, run):
        lines = ["mail {", "server_name proxy.bench.test;",
                 f"auth_http 127.0.0.1:{run.server.ports['http']}/;", *self.tls(run),
                 "imap_auth plain login;", "imap_capabilities IMAP4rev1 SASL-IR IDLE;",
                 "pop3_auth plain;", "pop3_capabilities USER PIPELINING UIDL TOP;",
                 "smtp_auth plain login;",
                 "smtp_capabilities PIPELINING 'SIZE 104857600' ENHANCEDSTATUSCODES 8BITMIME;"]
        for service, port in zip(run.services, run.ports):
            more = {"implicit": "", "starttls": "starttls on; ", "none": ""}[service.front]
            ssl = " ssl" if service.front == "implicit" else ""
            lines.append(f"server {{ listen 127.0.0.1:{port}{ssl} backlog=4096; "
                         f"protocol {service.protocol}; {more}timeout 1h; proxy_timeout 1h; "
                         "xclient off; }")
        return self.write(run, [*lines, "}"])


class Stream(Nginx):
    name, package, module = "nginx-stream", "libnginx-mod-stream", "stream"

    def cannot(self, service):
        return "no STARTTLS" if service.front == "starttls" else None

    def prepare(self, run):
        lines = ["stream {", "proxy_timeout 1h;"]
        for service, port in zip(run.services, run.ports):
            ssl = " ssl" if service.front == "implicit" else ""
            lines += ["server {", f"listen 127.0.0.1:{port}{ssl} backlog=4096;",
                      f"proxy_pass 127.0.0.1:{service.server_port(run.server)};"]
            lines += self.tls(run) if ssl else []
            if service.back == "tls":
                lines += ["proxy_ssl on;", "proxy_ssl_protocols TLSv1.3;", "proxy_ssl_verify on;",
                          f"proxy_ssl_trusted_certificate {run.bench.certificate};",
                          "proxy_ssl_name bench.test;", "proxy_ssl_server_name on;"]
            lines.append("}")
        return self.write(run, [*lines, "}"])
