"""What is offered: conformance 5.3, and C14 and C15 of 5.2."""

import pytest
from mailmux_e2e.servers import ehlo_reply, imap, pop3, smtp


def smtp_words(reply: bytes) -> list[bytes]:
    """The words behind the first line of an EHLO reply, whose form is checked."""
    lines = reply.split(b"\r\n")[:-1]
    assert all(line.startswith(b"250-") for line in lines[:-1]), reply
    assert lines[-1].startswith(b"250 "), reply
    assert lines[0][4:] == b"old.example", reply
    return [line[4:] for line in lines[1:]]


def imap_words(reply: bytes, tag: bytes = b"a") -> list[bytes]:
    """The words of a CAPABILITY reply, whose form is checked."""
    untagged, tagged, rest = reply.split(b"\r\n")
    assert untagged.startswith(b"* CAPABILITY ") and not rest, reply
    assert tagged.startswith(tag + b" OK"), reply
    return untagged.split(b" ")[2:]


def pop3_words(reply: bytes) -> list[bytes]:
    lines = reply.split(b"\r\n")
    assert lines[0].startswith(b"+OK") and lines[-2:] == [b".", b""], reply
    return lines[1:-2]


def ehlo(client, name=b"c.test"):
    return client.smtp(b"EHLO " + name)


OFFERS = pytest.mark.parametrize("offers", [True, False], ids=["offered", "not-offered"])


@pytest.mark.conformance("C14", "C15")
@OFFERS
def test_smtp_starttls_is_ours_in_clear_and_gone_in_tls(bench, offers):
    words = [b"old.example", b"PIPELINING"] + [b"STARTTLS"] * offers + [b"SIZE 1000000"]
    test = bench("smtp", smtp(words=words))
    client = test.connect()
    client.read_smtp()
    clear = ehlo(client)
    assert clear.count(b"STARTTLS") == 1
    assert sorted(smtp_words(clear)) == [b"PIPELINING", b"SIZE 1000000", b"STARTTLS"]
    client.starttls("smtp")
    assert smtp_words(ehlo(client)) == [b"PIPELINING", b"SIZE 1000000"]


@pytest.mark.conformance("C14", "C15")
@OFFERS
def test_imap_starttls_is_ours_in_clear_and_gone_in_tls(bench, offers):
    words = b"IMAP4rev1 " + b"STARTTLS " * offers + b"ID IDLE"
    test = bench("imap", imap(words=words))
    client = test.connect()
    client.read_line()
    assert sorted(imap_words(client.imap(b"a CAPABILITY"))) == [
        b"ID", b"IDLE", b"IMAP4rev1", b"LOGINDISABLED", b"STARTTLS"]
    client.starttls("imap")
    assert imap_words(client.imap(b"a CAPABILITY")) == [b"IMAP4rev1", b"ID", b"IDLE"]


@pytest.mark.conformance("C14", "C15")
@OFFERS
def test_pop3_stls_is_ours_in_clear_and_gone_in_tls(bench, offers):
    words = [b"TOP"] + [b"STLS"] * offers + [b"UIDL"]
    test = bench("pop3", pop3(words=words))
    client = test.connect()
    client.read_line()
    assert sorted(pop3_words(client.pop3_dotted(b"CAPA"))) == [b"STLS", b"TOP", b"UIDL"]
    client.starttls("pop3")
    assert pop3_words(client.pop3_dotted(b"CAPA")) == [b"TOP", b"UIDL"]


@pytest.mark.conformance("C15")
@pytest.mark.parametrize("protocol", ["smtp", "imap", "pop3"])
def test_on_an_implicit_port_it_is_never_offered(bench, protocol):
    script = {"smtp": smtp(), "pop3": pop3(),
              "imap": imap(greeting=b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n")}[protocol]
    test = bench(protocol, script, tls="implicit")
    client = test.connect()
    client.begin_tls()
    assert b"STARTTLS" not in client.read_line()
    reply = {"smtp": lambda: ehlo(client),
             "imap": lambda: client.imap(b"a CAPABILITY"),
             "pop3": lambda: client.pop3_dotted(b"CAPA")}[protocol]()
    assert b"STARTTLS" not in reply and b"STLS" not in reply


@pytest.mark.conformance("C40")
@pytest.mark.parametrize("spelling", [b"starttls", b"StartTLS", b"STARTTLS "])
def test_smtp_words_are_matched_whole_and_case_blind(bench, spelling):
    words = [b"old.example", b"STARTTLSFOO", spelling, b"XSTARTTLS", b"xclient NAME ADDR",
             b"XCLIENTELE", b"auth PLAIN", b"AUTHOR me"]
    test = bench("smtp", smtp(words=words))
    client = test.connect()
    client.read_smtp()
    assert sorted(smtp_words(ehlo(client))) == [
        b"AUTHOR me", b"STARTTLS", b"STARTTLSFOO", b"XCLIENTELE", b"XSTARTTLS"]
    client.starttls("smtp")
    assert smtp_words(ehlo(client)) == [
        b"STARTTLSFOO", b"XSTARTTLS", b"XCLIENTELE", b"auth PLAIN", b"AUTHOR me"]


@pytest.mark.conformance("C40")
def test_imap_words_are_matched_whole_and_case_blind(bench):
    words = b"IMAP4rev1 StartTls STARTTLSFOO XSTARTTLS auth=plain XAUTH=PLAIN AUTHOR logindisabledX"
    test = bench("imap", imap(words=words))
    client = test.connect()
    client.read_line()
    assert sorted(imap_words(client.imap(b"a CAPABILITY"))) == sorted([
        b"IMAP4rev1", b"STARTTLS", b"STARTTLSFOO", b"XSTARTTLS", b"XAUTH=PLAIN", b"AUTHOR",
        b"logindisabledX", b"LOGINDISABLED"])
    client.starttls("imap")
    assert imap_words(client.imap(b"a CAPABILITY")) == [
        b"IMAP4rev1", b"STARTTLSFOO", b"XSTARTTLS", b"auth=plain", b"XAUTH=PLAIN", b"AUTHOR",
        b"logindisabledX"]


@pytest.mark.conformance("C40")
def test_pop3_words_are_matched_whole_and_case_blind(bench):
    words = [b"stls", b"STLSX", b"USERS 3", b"user", b"sasl PLAIN", b"SASLX PLAIN", b"Xclient"]
    test = bench("pop3", pop3(words=words))
    client = test.connect()
    client.read_line()
    assert sorted(pop3_words(client.pop3_dotted(b"CAPA"))) == [
        b"SASLX PLAIN", b"STLS", b"STLSX", b"USERS 3"]
    client.starttls("pop3")
    assert pop3_words(client.pop3_dotted(b"CAPA")) == [
        b"STLSX", b"USERS 3", b"user", b"sasl PLAIN", b"SASLX PLAIN"]


@pytest.mark.conformance("C41")
@pytest.mark.parametrize("require_tls, shown", [("auth", False), ("yes", False), ("no", True)])
def test_smtp_auth_is_hidden_where_tls_is_required(bench, require_tls, shown):
    words = [b"old.example", b"AUTH PLAIN LOGIN", b"AUTH=LOGIN", b"SIZE 9"]
    test = bench("smtp", smtp(words=words), require_tls=require_tls)
    client = test.connect()
    client.read_smtp()
    clear = smtp_words(ehlo(client))
    assert (b"AUTH PLAIN LOGIN" in clear) is shown and (b"AUTH=LOGIN" in clear) is shown
    client.starttls("smtp")
    assert smtp_words(ehlo(client)) == words[1:]


@pytest.mark.conformance("C41")
@pytest.mark.parametrize("require_tls, shown", [("auth", False), ("yes", False), ("no", True)])
def test_imap_auth_is_hidden_where_tls_is_required(bench, require_tls, shown):
    words = b"IMAP4rev1 AUTH=PLAIN AUTH=LOGIN ID"
    test = bench("imap", imap(words=words), require_tls=require_tls)
    client = test.connect()
    client.read_line()
    clear = imap_words(client.imap(b"a CAPABILITY"))
    assert (b"AUTH=PLAIN" in clear) is shown and (b"AUTH=LOGIN" in clear) is shown
    assert (b"LOGINDISABLED" in clear) is not shown
    client.starttls("imap")
    assert imap_words(client.imap(b"a CAPABILITY")) == words.split()


@pytest.mark.conformance("C41")
@pytest.mark.parametrize("require_tls, shown", [("auth", False), ("yes", False), ("no", True)])
def test_pop3_auth_is_hidden_where_tls_is_required(bench, require_tls, shown):
    words = [b"TOP", b"USER", b"SASL PLAIN LOGIN"]
    test = bench("pop3", pop3(words=words), require_tls=require_tls)
    client = test.connect()
    client.read_line()
    clear = pop3_words(client.pop3_dotted(b"CAPA"))
    assert (b"USER" in clear) is shown and (b"SASL PLAIN LOGIN" in clear) is shown
    client.starttls("pop3")
    assert pop3_words(client.pop3_dotted(b"CAPA")) == words


@pytest.mark.conformance("C44")
@pytest.mark.parametrize("verb", [b"XCLIENT ADDR=1.2.3.4", b"xforward NAME=x", b"XCLIENT"])
def test_xclient_and_xforward_are_never_offered_and_refused_in_any_phase(bench, verb):
    words = [b"old.example", b"XCLIENT NAME ADDR", b"SIZE 9", b"XFORWARD NAME ADDR"]
    test = bench("smtp", smtp(words=words))
    client = test.connect()
    client.read_smtp()
    assert client.smtp(verb).startswith(b"550 5.7.0 ")
    assert b"X" not in ehlo(client).replace(b"old.example", b"")
    assert client.smtp(verb).startswith(b"550 5.7.0 ")
    client.starttls("smtp")
    assert client.smtp(verb).startswith((b"550 5.7.0 ", b"503 5.5.1 "))  # no hello yet
    assert smtp_words(ehlo(client)) == [b"SIZE 9"]
    for _ in range(2):
        assert client.smtp(verb).startswith(b"550 5.7.0 ")
        assert client.smtp(b"MAIL FROM:<a@b.test>").startswith(b"250 ")
    client.close()
    commands = b"".join(test.backend.finished().commands).upper()
    assert b"XCLIENT" not in commands and b"XFORWARD" not in commands


@pytest.mark.conformance("C49")
def test_smtp_words_pass_with_their_parameters(bench):
    words = [b"old.example", b"SIZE 123456789", b"8BITMIME", b"SMTPUTF8", b"DSN", b"PIPELINING",
             b"ENHANCEDSTATUSCODES", b"VRFY", b"ETRN", b"HELP", b"DELIVERBY 240",
             b"LIMITS MAILMAX=5 RCPTMAX=20", b"X-Own  two   blanks", b"size"]
    test = bench("smtp", smtp(words=words))
    client = test.connect()
    client.read_smtp()
    clear = smtp_words(ehlo(client))
    clear.remove(b"STARTTLS")
    assert clear == words[1:]
    client.starttls("smtp")
    assert ehlo(client) == ehlo_reply(words)


@pytest.mark.conformance("C49")
def test_imap_words_pass_with_their_parameters(bench):
    words = (b"IMAP4rev1 LITERAL+ LITERAL- SASL-IR ID ENABLE IDLE NAMESPACE APPENDLIMIT=35651584 "
             b"I18NLEVEL=1 QUOTA=RES-STORAGE")
    test = bench("imap", imap(words=words))
    client = test.connect()
    client.read_line()
    clear = imap_words(client.imap(b"a CAPABILITY"))
    assert [w for w in clear if w not in (b"STARTTLS", b"LOGINDISABLED")] == words.split()
    client.starttls("imap")
    assert imap_words(client.imap(b"a CAPABILITY")) == words.split()


@pytest.mark.conformance("C49")
def test_pop3_words_pass_with_their_parameters(bench):
    words = [b"TOP", b"UIDL", b"RESP-CODES", b"LOGIN-DELAY 900 USER", b"EXPIRE 60",
             b"IMPLEMENTATION An  Old One", b"PIPELINING", b"AUTH-RESP-CODE", b"LANG"]
    test = bench("pop3", pop3(words=words))
    client = test.connect()
    client.read_line()
    clear = pop3_words(client.pop3_dotted(b"CAPA"))
    clear.remove(b"STLS")
    assert clear == words
    client.starttls("pop3")
    assert pop3_words(client.pop3_dotted(b"CAPA")) == words


@pytest.mark.conformance("C50", "C14")
def test_an_ehlo_reply_of_one_line(bench):
    test = bench("smtp", smtp(words=[b"old.example"]))
    client = test.connect()
    client.read_smtp()
    assert ehlo(client) == b"250-old.example\r\n250 STARTTLS\r\n"
    client.starttls("smtp")
    assert ehlo(client) == b"250 old.example\r\n"


@pytest.mark.conformance("C50", "C14")
def test_helo_has_no_words(bench):
    test = bench("smtp", smtp())
    client = test.connect()
    client.read_smtp()
    assert client.smtp(b"HELO c.test") == b"250 old.example\r\n"
    client.starttls("smtp")
    assert client.smtp(b"HELO c.test") == b"250 old.example\r\n"


@pytest.mark.conformance("C50", "C14")
@pytest.mark.parametrize("refusal", [b"502 5.5.1 not here\r\n",
                                     b"550-not\r\n550 welcome\r\n"])
def test_a_refused_ehlo_gets_no_words(bench, refusal):
    test = bench("smtp", smtp(replies={b"EHLO": refusal}))
    client = test.connect()
    client.read_smtp()
    assert ehlo(client) == refusal
    client.starttls("smtp")
    assert ehlo(client) == refusal
    assert client.smtp(b"HELO c.test") == b"250 old.example\r\n"


@pytest.mark.conformance("C50")
def test_a_repeated_ehlo_is_answered_alike(bench):
    test = bench("smtp", smtp())
    client = test.connect()
    client.read_smtp()
    assert ehlo(client) == ehlo(client, b"other.test")
    client.starttls("smtp")
    assert ehlo(client) == ehlo(client, b"other.test")
    client.smtp(b"QUIT")
    hellos = [c for c in test.backend.finished().commands if c.startswith(b"EHLO")]
    assert hellos == [b"EHLO c.test\r\n", b"EHLO other.test\r\n"] * 2


@pytest.mark.conformance("C50", "C14")
def test_a_refused_capa_still_offers_stls(bench):
    test = bench("pop3", pop3(replies={b"CAPA": b"-ERR what\r\n"}))
    client = test.connect()
    client.read_line()
    assert pop3_words(client.pop3_dotted(b"CAPA")) == [b"STLS"]
    client.starttls("pop3")
    assert client.pop3_dotted(b"CAPA") == b"-ERR what\r\n"


@pytest.mark.conformance("C50", "C14")
@pytest.mark.parametrize("code", [b"", b"[CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] "])
def test_capability_with_and_without_the_code_of_the_greeting(bench, code):
    test = bench("imap", imap(greeting=b"* OK " + code + b"ready\r\n",
                              words=b"IMAP4rev1 AUTH=PLAIN"))
    client = test.connect()
    client.read_line()
    for _ in range(2):
        assert sorted(imap_words(client.imap(b"a CAPABILITY"))) == [
            b"IMAP4rev1", b"LOGINDISABLED", b"STARTTLS"]
    client.starttls("imap")
    for _ in range(2):
        assert imap_words(client.imap(b"a CAPABILITY")) == [b"IMAP4rev1", b"AUTH=PLAIN"]


@pytest.mark.conformance("C50")
def test_a_capability_code_in_a_tagged_reply_is_rewritten(bench):
    test = bench("imap", imap(replies={
        b"CAPABILITY": b"%T OK [CAPABILITY IMAP4rev1 STARTTLS IDLE] see the code\r\n",
        b"LOGIN": b"%T NO [CAPABILITY IMAP4rev1 STARTTLS IDLE] wrong\r\n"}))
    client = test.connect()
    client.read_line()
    client.starttls("imap")
    for command in (b"a CAPABILITY", b"a LOGIN alice wrong"):
        reply = client.imap(command)
        assert b"STARTTLS" not in reply and reply.splitlines()[-1].startswith(b"a ")
        assert b"IMAP4rev1" not in reply or b"IMAP4rev1 IDLE" in reply


@pytest.mark.conformance("C51")
@pytest.mark.parametrize("login", [b"a LOGIN alice secret",
                                   b"a AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA=="])
@pytest.mark.parametrize("answer", [
    b"* CAPABILITY IMAP4rev1 UIDPLUS IDLE\r\n%T OK logged in\r\n",
    b"%T OK [CAPABILITY IMAP4rev1 UIDPLUS IDLE] logged in\r\n",
])
def test_capabilities_that_come_with_the_login_reach_the_client(bench, answer, login):
    test = bench("imap", imap(replies={b"LOGIN": answer, b"AUTHENTICATE": answer}))
    client = test.connect()
    client.read_line()
    client.starttls("imap")
    assert client.imap(login) == answer.replace(b"%T", b"a")
    assert client.imap(b"b NOOP") == b"b OK noop\r\n"
