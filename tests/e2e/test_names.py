"""Servers that are known by name: a DNS server of the test's own answers, and changes its mind."""

import subprocess

import pytest
from mailmux_e2e.dns import A, AAAA, NXDOMAIN, REFUSED, SERVFAIL, Alias, Dns, Service
from mailmux_e2e.ports import Ports
from mailmux_e2e.proxy import binary
from mailmux_e2e.servers import imap

NAME = "mail.example.test"
SERVICE = "_imap._tcp.example.test"


@pytest.fixture
def dns():
    with Dns() as server:
        yield server


def greeting(word):
    return b"* OK " + word.encode() + b"\r\n"


@pytest.fixture
def twins(new_backend):
    """Two servers on one port of two addresses, 127.0.0.2 and 127.0.0.3, which greet as such."""
    while True:
        first = new_backend(imap(greeting("127.0.0.2")), address="127.0.0.2")
        try:
            return first, new_backend(imap(greeting("127.0.0.3")), address="127.0.0.3",
                                      port=first.port)
        except OSError:
            continue


@pytest.fixture
def serve(proxy, new_client):
    """serve(resolvers, server lines) starts, and gives a function that connects."""

    def start(resolver, *servers, wait=True):
        proxy.section("proxy", workers=1, hostname="mail.example.test", resolver=resolver,
                      resolve_interval="1s", state_directory=proxy.directory / "state")
        proxy.section("backend servers", server=list(servers))
        proxy.listener("test", "imap", "starttls", "servers")
        proxy.start(wait=wait)
        return lambda: new_client(proxy.ports["test"])

    return start


def greetings(connect, count):
    return [connect().read_line() for _ in range(count)]


# Hosts

@pytest.mark.quick
def test_both_addresses_of_a_name_serve(serve, proxy, dns, twins):
    dns.set(NAME, "127.0.0.2", "127.0.0.3")
    connect = serve(dns.resolver, f"{NAME}:{twins[0].port}")
    found = greetings(connect, 6)
    assert found.count(greeting("127.0.0.2")) == 3 and found.count(greeting("127.0.0.3")) == 3
    line = proxy.wait_for_event("name-resolved")
    assert line.fields["count"] == "2" and line.fields["name"] == NAME
    assert f"127.0.0.3:{twins[0].port}" in line.fields["addresses"]


def test_ipv4_and_ipv6_serve(serve, dns, new_backend):
    old = new_backend(imap(greeting("four")))
    while True:
        try:
            new_backend(imap(greeting("six")), address="::1", port=old.port)
            break
        except OSError:
            old = new_backend(imap(greeting("four")))
    dns.set(NAME, "127.0.0.1", "::1")
    connect = serve(dns.resolver, f"{NAME}:{old.port}")
    assert sorted(greetings(connect, 4)) == [greeting("four")] * 2 + [greeting("six")] * 2


def test_an_alias_is_followed(serve, dns, new_backend):
    dns.set(NAME, Alias("first.example.test"))
    dns.set("first.example.test", Alias("second.example.test"))
    dns.set("second.example.test", "127.0.0.1")
    connect = serve(dns.resolver, f"{NAME}:{new_backend(imap(greeting('alias'))).port}")
    assert connect().read_line() == greeting("alias")


def test_an_address_that_is_gone_gets_no_new_session_and_keeps_its_old(
        serve, proxy, dns, twins):
    dns.set(NAME, "127.0.0.2", "127.0.0.3")
    connect = serve(dns.resolver, f"{NAME}:{twins[0].port}")
    clients = [connect(), connect()]
    old = [client for client in clients if client.read_line() == greeting("127.0.0.2")]
    assert len(old) == 1
    dns.set(NAME, "127.0.0.3")
    assert proxy.wait_for_event("name-resolved", 2).fields["count"] == "1"
    assert set(greetings(connect, 4)) == {greeting("127.0.0.3")}
    assert old[0].imap(b"a NOOP") == b"a OK noop\r\n"
    dns.set(NAME, "127.0.0.2", "127.0.0.3")
    proxy.wait_for_event("name-resolved", 3)
    assert set(greetings(connect, 2)) == {greeting("127.0.0.2"), greeting("127.0.0.3")}
    assert old[0].imap(b"b NOOP") == b"b OK noop\r\n"


@pytest.mark.parametrize("fail, tries", [
    (lambda dns: dns.fail(NAME, SERVFAIL), 3), (lambda dns: dns.fail(NAME, REFUSED), 3),
    (lambda dns: dns.fail(NAME, NXDOMAIN), 1), (lambda dns: dns.set(NAME), 1),
    (lambda dns: dns.set(NAME, "0.0.0.0", "::"), 1)],
    ids=["servfail", "refused", "nxdomain", "no-data", "unspecified"])
def test_a_name_that_fails_keeps_its_addresses(serve, proxy, dns, twins, fail, tries):
    dns.set(NAME, "127.0.0.2")
    connect = serve(dns.resolver, f"mx {NAME}:{twins[0].port}")
    fail(dns)
    line = proxy.wait_for_event("name-failed")
    assert line.fields["name"] == NAME and line.fields["server"] == "mx"
    assert line.fields["backend"] == "servers" and line.fields["kept"] == "1"
    dns.wait_for_rounds(NAME, 2 * tries)
    assert set(greetings(connect, 2)) == {greeting("127.0.0.2")}
    dns.set(NAME, "127.0.0.2")
    assert proxy.wait_for_event("name-resolved", 2).fields["count"] == "1"
    dns.set(NAME, "127.0.0.3")
    proxy.wait_for_event("name-resolved", 3)
    assert set(greetings(connect, 2)) == {greeting("127.0.0.3")}
    assert len(proxy.events("name-failed")) == 1


def test_what_does_not_change_is_not_logged_again(serve, proxy, dns, twins):
    dns.set(NAME, "127.0.0.2", "127.0.0.3")
    serve(dns.resolver, f"{NAME}:{twins[0].port}")
    dns.wait_for_rounds(NAME)
    dns.set(NAME, "127.0.0.3", "127.0.0.2")
    dns.wait_for_rounds(NAME)
    assert len(proxy.events("name-resolved")) == 1 and not proxy.events("name-failed")


# A and AAAA are two questions

FOUR, FOUR_TOO, SIX, SIX_TOO = "127.0.0.2", "127.0.0.3", "2001:db8::1", "2001:db8::2"
FAMILIES = {A: (FOUR, FOUR_TOO), AAAA: (SIX, SIX_TOO)}


def known(proxy, count=1):
    """The addresses of the so manieth name-resolved, without their ports."""
    line = proxy.wait_for_event("name-resolved", count)
    return {one.rsplit(":", 1)[0].strip("[]") for one in line.fields["addresses"].split()}


@pytest.fixture(params=["host", "service", "alias"])
def family_name(request, serve, dns):
    """The name whose addresses matter, behind a host, a service or an alias; and how to start."""
    line = {"host": f"{NAME}:143", "alias": "alias.example.test:143",
            "service": f"srv:{SERVICE}"}[request.param]
    dns.set(SERVICE, Service(10, 1, 143, NAME))
    dns.set("alias.example.test", Alias("second.example.test"))
    dns.set("second.example.test", Alias(NAME))
    return lambda: serve(dns.resolver, line)


@pytest.mark.parametrize("failing, rcode", [(A, SERVFAIL), (AAAA, REFUSED)])
def test_a_family_that_cannot_be_asked_keeps_its_addresses(
        proxy, dns, family_name, failing, rcode):
    """The other family's answer holds all the same: its new address comes, its old one goes."""
    answering = AAAA if failing == A else A
    kept, (old, new) = FAMILIES[failing][0], FAMILIES[answering]
    dns.set(NAME, kept, old)
    family_name()
    assert known(proxy) == {kept, old}
    dns.set(NAME, old, new, failing={failing: rcode})
    assert known(proxy, 2) == {kept, old, new}
    dns.set(NAME, new, failing={failing: rcode})
    assert known(proxy, 3) == {kept, new}
    dns.set(NAME, new)
    assert known(proxy, 4) == {new}


def test_a_family_that_is_silent_keeps_its_addresses(proxy, dns, serve):
    dns.set(NAME, FOUR, SIX)
    serve(dns.resolver, f"{NAME}:143")
    dns.set(NAME, SIX_TOO, failing={A: None})
    assert known(proxy, 2) == {FOUR, SIX_TOO}


@pytest.mark.parametrize("gone", [A, AAAA])
def test_no_data_for_a_family_is_an_answer(proxy, dns, family_name, gone):
    left = FAMILIES[AAAA if gone == A else A][0]
    dns.set(NAME, FOUR, SIX)
    family_name()
    assert known(proxy) == {FOUR, SIX}
    dns.set(NAME, left)
    assert known(proxy, 2) == {left}


def test_no_data_for_one_family_and_a_failure_of_the_other(proxy, dns, family_name):
    """What is answered goes, what is not stays."""
    dns.set(NAME, FOUR, SIX)
    family_name()
    dns.set(NAME, failing={A: SERVFAIL})
    assert proxy.wait_for_event("name-failed").fields["kept"] == "1"
    assert known(proxy, 2) == {FOUR}


def test_what_is_answered_last_is_never_taken_away(proxy, dns, family_name):
    dns.set(NAME, FOUR)
    family_name()
    dns.set(NAME, failing={AAAA: SERVFAIL})
    assert proxy.wait_for_event("name-failed").fields["kept"] == "1"
    assert known(proxy) == {FOUR}


def test_a_family_that_is_answered_later_joins(proxy, dns, family_name):
    dns.set(NAME, FOUR, SIX, failing={A: SERVFAIL})
    family_name()
    assert known(proxy) == {SIX}
    dns.set(NAME, FOUR, SIX)
    assert known(proxy, 2) == {FOUR, SIX}


@pytest.mark.parametrize("silent", [A, AAAA])
def test_one_family_serves_while_the_other_is_silent(serve, proxy, dns, silent):
    """Many a firewall drops one of the two questions. The lookup is not over, and its end adds."""
    answered, late = (SIX, FOUR) if silent == A else (FOUR, SIX)
    dns.set(NAME, FOUR, SIX, failing={silent: None})
    serve(dns.resolver, f"{NAME}:143")
    assert known(proxy) == {answered}
    assert len([one for one in dns.queries if one.type == silent]) < 3, "of three tries"
    dns.set(NAME, FOUR, SIX)
    assert known(proxy, 2) == {answered, late}


def test_only_the_host_that_cannot_be_asked_keeps_addresses(serve, proxy, dns):
    """Of two hosts of a service: the other one's old address goes."""
    dns.set("one.example.test", FOUR, SIX)
    dns.set("two.example.test", FOUR_TOO)
    dns.set(SERVICE, Service(0, 0, 143, "one.example.test"), Service(0, 0, 143, "two.example.test"))
    serve(dns.resolver, f"srv:{SERVICE}")
    assert known(proxy) == {FOUR, SIX, FOUR_TOO}
    dns.set("one.example.test", SIX, failing={A: SERVFAIL})
    dns.set("two.example.test", "127.0.0.4")
    assert known(proxy, 2) == {FOUR, SIX, "127.0.0.4"}


@pytest.mark.conformance("C10")
def test_a_name_that_never_resolved_says_farewell_and_serves_once_it_appears(
        serve, proxy, dns, twins):
    connect = serve(dns.resolver, f"{NAME}:{twins[0].port}")
    assert proxy.wait_for_event("name-failed").fields["kept"] == "0"
    client = connect()
    assert client.read_line().startswith(b"* BYE ")
    assert client.read_to_end() == b""
    dns.set(NAME, "127.0.0.2")
    proxy.wait_for_event("name-resolved")
    assert connect().read_line() == greeting("127.0.0.2")


def test_a_silent_resolver_holds_up_neither_start_nor_end(serve, proxy, dns, twins):
    dns.silence(NAME)
    connect = serve(dns.resolver, f"{NAME}:{twins[0].port}", f"127.0.0.3:{twins[0].port}")
    assert connect().read_line() == greeting("127.0.0.3")
    assert not proxy.events("name-failed"), "the lookup is still under way"
    proxy.stop()
    assert not proxy.events("name-failed"), "the end waited for the lookup"


def test_a_reload_keeps_addresses_while_the_dns_is_away(serve, proxy, dns, twins):
    dns.set(NAME, "127.0.0.2", "127.0.0.3")
    connect = serve(dns.resolver, f"mx {NAME}:{twins[0].port}")
    old = connect()
    word = old.read_line()
    dns.fail(NAME)
    proxy.wait_for_event("name-failed")
    proxy.section("backend servers", server=["other no.example.test:1",
                                             f"mx {NAME}:{twins[0].port}"])
    assert proxy.reload().event == "reloaded"
    assert set(greetings(connect, 2)) == {greeting("127.0.0.2"), greeting("127.0.0.3")}
    assert [line.fields["server"] for line in proxy.events("name-failed")] == ["mx", "other"]
    assert word in (greeting("127.0.0.2"), greeting("127.0.0.3"))
    assert old.imap(b"a NOOP") == b"a OK noop\r\n"


def test_a_reload_changes_the_resolver(serve, proxy, dns, twins):
    dns.set(NAME, "127.0.0.2")
    connect = serve(dns.resolver, f"{NAME}:{twins[0].port}")
    with Dns() as other:
        other.set(NAME, "127.0.0.3")
        proxy.section("proxy", workers=1, resolver=other.resolver, resolve_interval="1s",
                      hostname="mail.example.test", state_directory=proxy.directory / "state")
        assert proxy.reload().event == "reloaded"
        assert set(greetings(connect, 2)) == {greeting("127.0.0.3")}
        asked = len(dns.queries)
        other.wait_for_rounds(NAME)
        assert len(dns.queries) == asked
        proxy.stop()


# Servers of the DNS

@pytest.mark.parametrize("truncated", [True, False], ids=["flag", "size"])
def test_an_answer_that_is_too_long_comes_by_tcp(serve, proxy, dns, truncated):
    count = 5 if truncated else 50
    dns.set(NAME, *[f"127.0.1.{n}" for n in range(1, count + 1)], truncated=truncated)
    serve(dns.resolver, f"{NAME}:143")
    assert proxy.wait_for_event("name-resolved").fields["count"] == str(count)
    assert dns.count(NAME, "tcp") >= 1


def test_a_name_has_all_its_addresses(serve, proxy, dns):
    dns.set(NAME, "0.0.0.0", *[f"127.0.{n // 250}.{n % 250 + 1}" for n in range(1000)])
    serve(dns.resolver, f"{NAME}:143")
    line = proxy.wait_for_event("name-resolved")
    assert line.fields["count"] == "1000" and "left_out" not in line.fields


def test_addresses_are_bounded_and_the_log_says_so(serve, proxy, dns):
    hosts = [f"host{n}.example.test" for n in range(3)]
    for n, host in enumerate(hosts):
        dns.set(host, *[f"127.{n}.{i // 250}.{i % 250 + 1}" for i in range(1400)])
    dns.set(SERVICE, *[Service(0, 0, 143, host) for host in hosts])
    serve(dns.resolver, f"srv:{SERVICE}")
    line = proxy.wait_for_event("name-resolved")
    if line.fields["count"] != "4096":  # an answer was slow, and what was there came first
        line = proxy.wait_for_event("name-resolved", 2)
    assert line.fields["count"] == "4096" and line.fields["left_out"] == "104"


def test_a_resolver_that_is_not_there_is_left_for_the_next(serve, dns, twins):
    ports = Ports()
    dns.set(NAME, "127.0.0.2")
    connect = serve([f"127.0.0.1:{ports.reserve()}", dns.resolver], f"{NAME}:{twins[0].port}")
    assert connect().read_line() == greeting("127.0.0.2")
    ports.release()


def test_a_resolver_that_fails_is_left_for_the_next(serve, dns, twins):
    dns.set(NAME, "127.0.0.2")
    with Dns("::1") as failing:
        failing.fail(NAME)
        connect = serve(f"{failing.resolver}, {dns.resolver}", f"{NAME}:{twins[0].port}")
        assert connect().read_line() == greeting("127.0.0.2")
        assert failing.count(NAME) >= 1


def test_a_resolver_of_ipv6(serve, twins):
    with Dns("::1") as dns:
        dns.set(NAME, "127.0.0.2")
        connect = serve(dns.resolver, f"{NAME}:{twins[0].port}")
        assert connect().read_line() == greeting("127.0.0.2")


def test_check_and_dump_ask_nobody(proxy, dns):
    proxy.section("proxy", resolver=dns.resolver, resolve_interval="24h")
    proxy.section("backend servers", server=[f"srv:{SERVICE}", f"{NAME}:143"])
    proxy.listener("test", "imap", "starttls", "servers")
    proxy.start(wait=False)
    proxy.wait_for_event("name-failed", 2)
    asked = list(dns.queries)
    for command in ("--check", "--dump"):
        done = subprocess.run([binary(), "-c", proxy.ini, command], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert f"server = srv:{SERVICE} " in done.stdout
    assert f"resolver = {dns.resolver} " in done.stdout
    assert dns.queries == asked


# Services

def service(dns, *records):
    """(priority, weight, backend) each; hosts are named after the backends' greetings."""
    for number, (_, _, backend) in enumerate(records):
        dns.set(f"host{number}.example.test", "127.0.0.1")
    dns.set(SERVICE, *[Service(priority, weight, backend.port, f"host{number}.example.test")
                       for number, (priority, weight, backend) in enumerate(records)])


@pytest.fixture
def three(new_backend):
    return [new_backend(imap(greeting(f"server {n}"))) for n in range(3)]


def test_a_service_by_priority_and_weight(serve, proxy, dns, three):
    service(dns, (20, 0, three[2]), (10, 3, three[0]), (10, 1, three[1]))
    connect = serve(dns.resolver, f"srv:{SERVICE}")
    greetings(connect, 8)
    assert [len(backend.connections) for backend in three] == [6, 2, 0]
    for backend in three[:2]:
        backend.stop()
    assert set(greetings(connect, 2)) == {greeting("server 2")}
    service(dns, (5, 0, three[2]))
    assert proxy.wait_for_event("name-resolved", 2).fields["count"] == "1"
    assert set(greetings(connect, 2)) == {greeting("server 2")}


def test_a_service_beside_other_servers(serve, dns, three):
    service(dns, (10, 1, three[0]))
    connect = serve(dns.resolver, f"all srv:{SERVICE} weight=3", f"127.0.0.1:{three[1].port}",
                    "srv:_imaps._tcp.example.test backup")
    dns.wait_for_queries("_imaps._tcp.example.test")
    greetings(connect, 8)
    assert [len(backend.connections) for backend in three] == [6, 2, 0]


def test_records_that_cannot_be_used_are_left_out(serve, proxy, dns, three):
    port = three[0].port
    dns.set("good.example.test", "127.0.0.1")
    dns.set(SERVICE, Service(0, 0, 0, "good.example.test"), Service(0, 0, port, "."),
            Service(0, 0, port, "two words.example.test"), Service(0, 0, port, "x\r\ny.test"),
            Service(0, 0, port, "127.0.0.9"), Service(9, 0, port, "good.example.test"),
            Service(9, 0, port, "good.example.test"))
    connect = serve(dns.resolver, f"srv:{SERVICE}")
    line = proxy.wait_for_event("name-resolved")
    assert line.fields["addresses"] == f"127.0.0.1:{port}" and line.fields["count"] == "1"
    assert connect().read_line() == greeting("server 0")
    assert {query.name for query in dns.queries} == {SERVICE, "good.example.test", "127.0.0.9"}


def test_a_service_of_which_nothing_can_be_used_keeps_what_it_had(serve, proxy, dns, three):
    service(dns, (0, 0, three[0]))
    connect = serve(dns.resolver, f"srv:{SERVICE}")
    dns.set(SERVICE, Service(0, 0, 0, "host0.example.test"))
    assert proxy.wait_for_event("name-failed").fields["kept"] == "1"
    assert connect().read_line() == greeting("server 0")


@pytest.mark.conformance("C10")
def test_a_service_that_is_not_offered(serve, proxy, dns, three):
    service(dns, (0, 0, three[0]))
    connect = serve(dns.resolver, f"srv:{SERVICE}")
    old = connect()
    old.read_line()
    dns.set(SERVICE, Service(0, 0, 0, "."))
    assert proxy.wait_for_event("name-resolved", 2).fields["count"] == "0"
    assert connect().read_line().startswith(b"* BYE ")
    assert old.imap(b"a NOOP") == b"a OK noop\r\n"
    service(dns, (0, 0, three[0]))
    proxy.wait_for_event("name-resolved", 3)
    assert connect().read_line() == greeting("server 0")


def test_a_host_that_cannot_be_asked_keeps_its_place_in_the_service(serve, proxy, dns, three):
    service(dns, (0, 0, three[0]), (0, 0, three[1]))
    connect = serve(dns.resolver, f"srv:{SERVICE}")
    dns.fail("host1.example.test")
    dns.wait_for_queries(SERVICE, dns.count(SERVICE) + 2)
    assert set(greetings(connect, 2)) == {greeting("server 0"), greeting("server 1")}
    dns.remove("host1.example.test")
    assert proxy.wait_for_event("name-resolved", 2).fields["count"] == "1"
    assert set(greetings(connect, 2)) == {greeting("server 0")}


def test_a_service_by_tcp_with_many_records(serve, proxy, dns):
    dns.set("host.example.test", "127.0.0.1")
    dns.set(SERVICE, *[Service(n, 0, 20000 + n, "host.example.test") for n in range(100, 0, -1)])
    serve(dns.resolver, f"srv:{SERVICE}")
    line = proxy.wait_for_event("name-resolved")
    assert line.fields["count"] == "100" and dns.count(SERVICE, "tcp") >= 1
    assert line.fields["addresses"].startswith("127.0.0.1:20001 127.0.0.1:20002 ")
