"""The benchmark itself: its programs, and that it does not take a wrong figure for a right one."""

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from mailmux_e2e.proxy import binary

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))

from mailmux_bench import callgrind, figures, measure, report, rounds, scripts, trials  # noqa: E402
from mailmux_bench.programs import Failure  # noqa: E402
from mailmux_bench.subjects import Service  # noqa: E402

PROGRAMS = next(place for parent in binary().parents
                if (place := parent / "tests/bench/bench_load").exists()).parent
FINE = {"begun": 100, "done": 100, "failed": 0, "why": "", "handshakes": 100, "resumed": 0,
        "cipher": measure.CIPHER}
RUNNING = SimpleNamespace(subject=SimpleNamespace(name="some proxy"))


def load(place, port, script, *options):
    """What the load client says of this script."""
    path = place / "script"
    path.write_text("\n".join(script) + "\n")
    done = subprocess.run([PROGRAMS / "bench_load", "--port", str(port), "--script", path, *options],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.fixture(name="server")
def light_server(certificates):
    pair = certificates.ecdsa
    with subprocess.Popen([PROGRAMS / "bench_server", pair.certificate, pair.key],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield SimpleNamespace(process=process, ports=json.loads(process.stdout.readline()))
        process.stdin.close()
    assert process.returncode == 0


@pytest.mark.quick
@pytest.mark.parametrize("protocol", ["imap", "pop3", "smtp"])
@pytest.mark.parametrize("front", ["none", "implicit"])
def test_the_load_speaks_with_the_server(server, tmp_path, protocol, front):
    service = Service(protocol, front)
    port = server.ports[protocol + ("-tls" if front == "implicit" else "")]
    between = {"imap": [*scripts.bulk("GET", 300000), *scripts.bulk("PUT", 300000), *scripts.trips(3)],
               "pop3": [], "smtp": scripts.messages(3, 20480)}[protocol]
    found = load(tmp_path, port, scripts.session(service, *between), "--count", "20", "--at-once", "4",
                 "--resume")
    assert (found["done"], found["failed"]) == (20, 0), found["why"]
    if front == "implicit":
        assert found["cipher"] == measure.CIPHER
        assert found["resumed"] >= 16


@pytest.mark.quick
@pytest.mark.parametrize("sent, step", [(b"* OK ready\r\nother octets", ["get 12"]),
                                        (b"* OK ready\r\nshort", ["get 12"]),
                                        (b"* OK ready\r\na NO\r\n", ["expect a OK"]),
                                        (b"* OK ready\r\n* OK more\r\n", ["end"])])
def test_the_load_finds_what_is_wrong(tmp_path, sent, step):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        def serve():
            with listening.accept()[0] as client:
                client.sendall(sent)
                client.shutdown(socket.SHUT_WR)
                client.recv(1)
        thread = threading.Thread(target=serve)
        thread.start()
        found = load(tmp_path, listening.getsockname()[1], ["expect * OK", *step])
        thread.join()
    assert (found["done"], found["failed"]) == (0, 1)
    assert found["why"]


@pytest.mark.quick
def test_a_run_that_is_not_whole_is_a_failure():
    measure.check(RUNNING, FINE)
    measure.check(RUNNING, {**FINE, "resumed": 84}, resumes=True, at_once=16)
    for change, resumes in (({"failed": 1, "why": "reset"}, False), ({"done": 99}, False),
                            ({"cipher": "TLSv1.2 AES128-SHA prime256v1"}, False),
                            ({"resumed": 1}, False), ({"resumed": 40}, True)):
        with pytest.raises(Failure):
            measure.check(RUNNING, {**FINE, **change}, resumes=resumes, at_once=16)


def some_results(ours, theirs):
    trial = trials.Trial("key", trials.IMPLICIT, None,
                         (trials.Figure("cpu", "a thing", "us CPU", (("best", 0.95),)),))
    results = rounds.Results(trial)
    results.values = {"mailmux": [{"cpu": value} for value in ours],
                      "haproxy": [{"cpu": value} for value in theirs],
                      "stunnel": [{"cpu": 10 * value} for value in theirs]}
    return results


@pytest.mark.quick
def test_a_ratio_is_that_of_one_round():
    row = figures.of_trial(some_results([90, 180, 270], [100, 200, 300]))[0]
    assert row["best"] == "haproxy"
    assert row["ratios"]["haproxy"] == {"median": 0.9, "least": 0.9, "most": 0.9}
    assert figures.is_reached(row)
    assert not figures.is_reached(figures.of_trial(some_results([99, 198], [100, 200]))[0])


@pytest.mark.quick
def test_what_failed_has_no_figure():
    results = some_results([90], [100])
    results.failed["mailmux"] = "mailmux: 1 of 100 failed"
    rows = figures.of_trial(results)
    assert "mailmux" not in rows[0]["subjects"]
    assert "**failed**" in "\n".join(report.summary(rows))


@pytest.mark.quick
def test_callgrind_is_read_to_the_last_instruction(tmp_path):
    path = tmp_path / "callgrind.1"
    path.write_text("""events: Ir
ob=(1) /x/mailmux
fl=(1) a.c
fn=(1) step
+1 100
cob=(2) /lib/libcrypto.so.3
cfi=(2) ???
cfn=(2) EVP_thing
calls=1 0
+1 60
* 5
ob=(2)
fn=(3) 0x0000000000001234
0 40
cob=(1)
cfn=(4) back
calls=1 0
0 7
fn=(2)
0 13
calls=1 0
0 47
ob=(1)
fn=(4)
0 7
""")
    total, found = callgrind.read(path)
    assert total == 165
    assert found == {"step": 105, "libcrypto: EVP_thing": 60, callgrind.BACK: -7, "back": 7}
