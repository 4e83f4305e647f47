"""Rounds: the subjects are measured in turn, so that what changes on the machine meets them all."""

import time

from .measure import Measurement, sessions
from .programs import Failure, Server
from .subjects import Running

DISTURBED = 0.05  # of the machine, by others
WARM_UP = 32


class Results:
    """What one trial has given: for each subject its rounds, or why there are none."""

    def __init__(self, trial):
        self.trial = trial
        self.values = {}  # by the subject's name: one dictionary of figures a round
        self.cannot = {}
        self.failed = {}
        self.disturbed = 0
        self.repeated = 0


def services_for(trial, subject):
    """The services that it is measured with, or why it is not."""
    if trial.only and subject.name not in trial.only:
        return None, "not measured"
    if len(trial.services) > subject.most_services:
        return None, "one service alone"
    for services in (trial.services, trial.blind):
        reasons = [reason for service in services if (reason := subject.cannot(service))]
        if services and not reasons:
            return services, None
    return None, next(reason for service in trial.services if (reason := subject.cannot(service)))


class Place:
    """A subject in a trial: it runs for the whole of it, or for one measurement."""

    def __init__(self, bench, trial, subject, services):
        self.bench, self.trial, self.subject, self.services = bench, trial, subject, services
        self.running = self.server = None

    def open(self):
        self.server = Server(self.bench)
        try:
            self.running = Running(self.bench, self.server, self.subject, self.services)
        except Failure:
            self.server.stop()
            raise

    def warm_up(self, count):
        """Behind it all of its processes are there."""
        for number in range(len(self.services)):
            with Measurement(self.running) as one:
                sessions(one, count, number=number)

    def close(self):
        if not self.running:
            return None
        self.running.stop()
        self.running = None
        return self.server.stop()

    def once(self):
        if not self.trial.is_fresh:
            return self.measured()
        self.open()
        try:
            self.warm_up(1)
            return self.measured()
        finally:
            self.close()

    def measured(self):
        with Measurement(self.running) as one:
            return self.trial.measure(one), one.disturbance()


def measured(place, results, patience):
    """One round of one subject: the least disturbed of as many as there is patience for."""
    best = None
    for attempt in range(patience + 1):
        values, disturbance = place.once()
        results.repeated += attempt > 0
        if best is None or disturbance < best[1]:
            best = values, disturbance
        if disturbance <= DISTURBED or time.monotonic() > place.bench.deadline:
            break
    results.disturbed += best[1] > DISTURBED
    return best[0]


def run_trial(bench, trial, subjects, count, patience, say):
    results = Results(trial)
    places = []
    for subject in subjects:
        services, reason = services_for(trial, subject)
        if services is None:
            results.cannot[subject.name] = reason
        else:
            places.append(Place(bench, trial, subject, services))
    try:
        begin(places, results)
        for number in range(trial.rounds or count):
            for place in places[number % len(places):] + places[:number % len(places)]:
                one_round(place, results, patience)
            say(results)
            if time.monotonic() > bench.deadline:
                break
    finally:
        for place in places:
            close(place, results)
    return results


def close(place, results):
    seen = place.close()
    if seen and seen["addresses"] < trial_addresses(place.trial):
        results.failed[place.subject.name] = (
            f"{seen['addresses']} of {trial_addresses(place.trial)} servers were used")


def trial_addresses(trial):
    """How many servers have to have sessions at its end."""
    return max(service.servers for service in trial.services)


def one_round(place, results, patience):
    name = place.subject.name
    if name in results.failed:
        return
    try:
        values = measured(place, results, patience)
        results.values.setdefault(name, []).append(values)
    except Failure as failure:
        results.failed[name] = str(failure)


def begin(places, results):
    for place in places:
        if place.trial.is_fresh:
            continue
        try:
            place.open()
            place.warm_up(WARM_UP)
        except Failure as failure:
            results.failed[place.subject.name] = str(failure)
