"""The floor: TLS and a relay, written for this benchmark."""

from ..programs import PROGRAMS
from . import Subject


class Relay(Subject):
    name = "bare relay"

    def cannot(self, service):
        return "no STARTTLS" if service.front == "starttls" else None

    def version(self):
        return "tests/bench/relay"

    def prepare(self, run):
        doors = [":".join([str(port), str(service.server_port(run.server)),
                           "tls" if service.front == "implicit" else "plain",
                           "tls" if service.back == "tls" else "plain"])
                 for service, port in zip(run.services, run.ports)]
        return [PROGRAMS / "bench_relay", run.bench.certificate, run.bench.key,
                run.bench.certificate, *doors]
