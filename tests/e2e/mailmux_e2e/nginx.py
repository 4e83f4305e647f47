"""A real nginx on loopback, in a scratch directory: a site with HTTPS. Each answer says how nginx sees
its client.
"""

import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from . import CEILING
from .certificates import Pair
from .ports import Ports

_BINARY = shutil.which("nginx") or "/usr/sbin/nginx"


class Nginx:
    def __init__(self, pair: Pair, *, proxy_protocol: bool = True, port: int = 0) -> None:
        """port: 0 reserves one."""
        self._ports = Ports()
        self.port = port or self._ports.reserve()
        self._directory = Path(tempfile.mkdtemp(prefix="mailmux-nginx-"))
        listen = f"127.0.0.1:{self.port} ssl" + " proxy_protocol" * proxy_protocol
        temporary = "".join(f"{kind}_temp_path {self._directory}/{kind}; "
                            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (self._directory / "nginx.conf").write_text(
            f"daemon off; master_process off; pid {self._directory}/pid;\n"
            "events { worker_connections 512; }\n"
            f"http {{ access_log off; {temporary}\n"
            f"  server {{ listen {listen};\n"
            f"    ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {pair.certificate};\n"
            f"    ssl_certificate_key {pair.key};\n"
            "    location / { default_type text/plain;\n"
            '      return 200 "client $proxy_protocol_addr:$proxy_protocol_port'
            ' peer $remote_addr name $ssl_server_name path $uri\\n"; } } }\n')
        self._process = subprocess.Popen(
            [_BINARY, "-p", str(self._directory), "-c", str(self._directory / "nginx.conf"),
             "-e", str(self._directory / "error.log")],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._wait_until_it_serves()

    def log(self) -> str:
        log = self._directory / "error.log"
        return log.read_text() if log.exists() else ""

    def _wait_until_it_serves(self) -> None:
        end = time.monotonic() + CEILING
        while time.monotonic() < end and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), CEILING).close()
                return
            except ConnectionRefusedError:
                time.sleep(0.02)
        raise AssertionError(f"nginx does not serve:\n{self.log()}")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(CEILING)
        self._ports.release()
        shutil.rmtree(self._directory, ignore_errors=True)
