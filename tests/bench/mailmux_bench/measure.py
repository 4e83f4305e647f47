"""The kinds of measurement. Each takes a subject that runs, and gives figures by their names."""

import time

from . import account, scripts
from .programs import Failure, Load

CIPHER = "TLSv1.3 TLS_AES_256_GCM_SHA384 X25519"
GB = 1e9
SETTLE = 0.1  # seconds, for what proxies do behind the last octet
RESUMED_LEAST = 0.98


def check(running, figures, resumes=False, at_once=1):
    """Raises a Failure unless all sessions were whole, and TLS what was agreed on. With `resumes`
    None they may be resumed or not."""
    name = running.subject.name
    if figures["failed"] or figures["done"] != figures["begun"]:
        raise Failure(f"{name}: {figures['failed']} of {figures['begun']} failed: {figures['why']}")
    if figures["handshakes"] and figures["cipher"] != CIPHER:
        raise Failure(f"{name}: {figures['cipher']} in place of {CIPHER}")
    later = figures["handshakes"] - at_once
    if resumes and figures["resumed"] < RESUMED_LEAST * later:
        raise Failure(f"{name}: {figures['resumed']} of {later} sessions were resumed")
    if resumes is False and figures["resumed"]:
        raise Failure(f"{name}: sessions were resumed that should not be")


class Measurement:
    """What the processes of a subject used, and what others took meanwhile."""

    def __init__(self, running):
        self.running = running
        self.loads = []
        self.pids = running.pids()
        self.watch = account.Watch([*self.pids, running.server.process.pid])
        self.ended = 0.0

    def load(self, number, script, **options):
        one = Load(self.running.bench, self.running.ports[number], script, **options)
        self.loads.append(one)
        return one

    def used(self):
        return account.processor_seconds(self.pids)

    def end(self, load):
        self.ended += load.end()
        self.loads.remove(load)

    def disturbance(self):
        return self.watch.disturbance(self.ended)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for load in self.loads:
            load.abandon()


def whole(measurement, number, script, **options):
    """A run from its begin to its end: processor seconds, and the figures of the load."""
    before = measurement.used()
    load = measurement.load(number, script, **options)
    figures = load.read()
    measurement.end(load)
    time.sleep(SETTLE)
    check(measurement.running, figures, options.get("resume", False), options.get("at_once", 1))
    return measurement.used() - before, figures


def middle(measurement, script, at_once, count):
    """The same for what stands between the two `hold` of a script."""
    load = measurement.load(0, script, count=count, at_once=at_once)
    load.wait_until_held(count)
    time.sleep(SETTLE)
    before = measurement.used()
    if load.go().get("holding") != count:
        raise Failure(f"{measurement.running.subject.name}: sessions were lost")
    used = measurement.used() - before
    figures = load.go()
    measurement.end(load)
    check(measurement.running, figures)
    return used, figures


def sessions(measurement, count, at_once=16, resume=False, rate=None, number=0, **more):
    """Whole sessions; the time of each is that from the connection to the login."""
    service = measurement.running.services[number]
    script = [*scripts.login(service), "stop",
              *scripts.session(service)[len(scripts.login(service)):]]
    options = {**more, **({"rate": rate} if rate else {"at_once": at_once})}
    if resume:
        options["resume"] = True
    used, figures = whole(measurement, number, script, count=count, **options)
    return {"cpu": used / count * 1e6, "p50": figures["p50"] / 1e3, "p99": figures["p99"] / 1e3,
            "max": figures["max"] / 1e3, "rate": count / figures["seconds"]}


def bulk(measurement, way, octets, at_once=4):
    service = measurement.running.services[0]
    script = scripts.session(service, "hold", *scripts.bulk(way, octets), "hold")
    used, _ = middle(measurement, script, at_once, at_once)
    return {"cpu": used / (octets * at_once / GB)}


def trips(measurement, count, at_once=64):
    service = measurement.running.services[0]
    script = scripts.session(service, "hold", *scripts.trips(count), "hold")
    used, figures = middle(measurement, script, at_once, at_once)
    return {"cpu": used / (count * at_once) * 1e6, "p99": figures["p99"] / 1e3}


def messages(measurement, count, each=10, octets=20480, at_once=4):
    service = measurement.running.services[0]
    script = scripts.session(service, *scripts.messages(each, octets))
    used, _ = whole(measurement, 0, script, count=count, at_once=at_once)
    return {"cpu": used / (count * each) * 1e6, "cpu_gb": used / (count * each * octets / GB)}


def idle(measurement, count, seconds, after):
    """Logged in and silent; then they all leave, and there are `after` seconds to give memory back."""
    running = measurement.running
    service = running.services[0]
    start = account.memory(measurement.pids)
    load = measurement.load(0, scripts.session(service, "hold"), count=count, at_once=32)
    load.wait_until_held(count)
    time.sleep(1)
    full = account.memory(measurement.pids)
    before = measurement.used()
    time.sleep(seconds)
    used = measurement.used() - before
    figures = load.go()
    measurement.end(load)
    check(running, figures)
    time.sleep(after)
    return {"octets": (full - start) / count, "cpu": used / seconds * 1e3,
            "kept": (account.memory(measurement.pids) - start) / 2**20}


def beside(measurement, idle_count, count):
    """Sessions of the second service alone, and beside idle ones of the first."""
    alone = sessions(measurement, count, number=1)["cpu"]
    script = scripts.session(measurement.running.services[0], "hold")
    load = measurement.load(0, script, count=idle_count, at_once=32)
    load.wait_until_held(idle_count)
    time.sleep(SETTLE)
    crowded = sessions(measurement, count, number=1)["cpu"]
    check(measurement.running, load.go())
    measurement.end(load)
    return {"alone": alone, "beside": crowded, "ratio": crowded / alone}


def servers(measurement, count):
    """Sessions of the first service, with one server, and of the second, with many."""
    one = sessions(measurement, count)["cpu"]
    many = sessions(measurement, count, number=1)["cpu"]
    return {"one": one, "many": many, "ratio": many / one}
