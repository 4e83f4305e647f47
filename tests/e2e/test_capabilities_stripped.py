"""Words that TLS in between makes false, and verbs behind them: conformance C42, C43 and C45 to C48."""

import os
import zlib

import pytest
from mailmux_e2e.servers import Goodbye, imap, pop3, smtp, smtp_chunk
from test_capabilities import ehlo, imap_words, pop3_words, smtp_words

FALSE = [b"SCRAM-SHA-1-PLUS", b"SCRAM-SHA-256-PLUS", b"scram-sha-512-plus", b"EXTERNAL", b"External"]
TRUE = [b"PLAIN", b"SCRAM-SHA-256", b"PLUS", b"X-PLUSSED", b"EXTERNALLY"]
MIXED = [word for pair in zip(FALSE, TRUE) for word in pair]
PLAINLY = pytest.mark.parametrize("require_tls", ["auth", "no"])


def in_clear_and_in_tls(test, protocol, look, require_tls):
    """What the look gives before and after the upgrade; in clear only where logins are shown."""
    client = test.connect()
    client.read_line()
    if require_tls == "no":
        yield look(client)
    client.starttls(protocol)
    yield look(client)
    client.close()


@pytest.mark.conformance("C42", "C43")
@PLAINLY
def test_smtp_mechanisms_that_must_fail_are_not_shown(bench, require_tls):
    words = [b"old.example", b"AUTH " + b" ".join(MIXED), b"AUTH=" + b" ".join(MIXED),
             b"AUTH=EXTERNAL", b"AUTH SCRAM-SHA-1-PLUS EXTERNAL", b"SIZE 9"]
    test = bench("smtp", smtp(words=words), require_tls=require_tls)
    for shown in in_clear_and_in_tls(test, "smtp", lambda c: smtp_words(ehlo(c)), require_tls):
        shown = [one for one in shown if one != b"STARTTLS"]
        assert [one.replace(b"AUTH=", b"AUTH ").split() for one in shown] == [
            [b"AUTH", *TRUE], [b"AUTH", *TRUE], [b"SIZE", b"9"]]


@pytest.mark.conformance("C42", "C43", "C8")
@PLAINLY
def test_imap_mechanisms_that_must_fail_are_not_shown(bench, require_tls):
    """In the greeting, in the reply, and in the code of a refused login."""
    words = b"IMAP4rev1 " + b" ".join(b"AUTH=" + one for one in MIXED) + b" SASL-IR"
    code = b"[CAPABILITY " + words + b"]"
    shown = [b"IMAP4rev1", *(b"AUTH=" + one for one in TRUE), b"SASL-IR"]
    test = bench("imap", imap(words=words, greeting=b"* OK " + code + b" ready\r\n",
                              replies={b"LOGIN": b"%T NO " + code + b" wrong\r\n"}),
                 require_tls=require_tls)
    client = test.connect()
    in_clear = shown if require_tls == "no" else [b"IMAP4rev1", b"SASL-IR", b"LOGINDISABLED"]
    greeting = client.read_line().partition(b"[CAPABILITY ")[2].partition(b"]")[0].split()
    assert [word for word in greeting if word != b"STARTTLS"] == in_clear
    if require_tls == "no":
        assert [w for w in imap_words(client.imap(b"a CAPABILITY")) if w != b"STARTTLS"] == shown
    client.starttls("imap")
    assert imap_words(client.imap(b"a CAPABILITY")) == shown
    assert client.imap(b"b LOGIN alice wrong") == \
        b"b NO [CAPABILITY " + b" ".join(shown) + b"] wrong\r\n"


@pytest.mark.conformance("C42", "C43")
@PLAINLY
def test_pop3_mechanisms_that_must_fail_are_not_shown(bench, require_tls):
    """In CAPA and in what AUTH lists."""
    listing = b"+OK\r\n" + b"".join(one + b"\r\n" for one in MIXED) + b".\r\n"
    test = bench("pop3", pop3(words=[b"TOP", b"SASL " + b" ".join(MIXED)],
                              replies={b"AUTH": listing}), require_tls=require_tls)

    def look(client):
        words = [w for w in pop3_words(client.pop3_dotted(b"CAPA")) if w != b"STLS"]
        return words, pop3_words(client.pop3_dotted(b"AUTH"))

    for words, listed in in_clear_and_in_tls(test, "pop3", look, require_tls):
        assert words == [b"TOP", b"SASL " + b" ".join(TRUE)] and listed == TRUE


@pytest.mark.conformance("C42", "C43")
@pytest.mark.parametrize("mechanism", FALSE)
@pytest.mark.parametrize("protocol, command, refusal", [
    ("smtp", b"AUTH %b", b"504 5.5.4 "), ("imap", b"a AUTHENTICATE %b", b"a NO "),
    ("pop3", b"AUTH %b", b"-ERR")])
def test_what_is_not_shown_cannot_be_used(bench, protocol, command, refusal, mechanism):
    script = {"smtp": smtp, "imap": imap, "pop3": pop3}[protocol]()
    test = bench(protocol, script)
    client = test.connect_tls()
    if protocol == "smtp":
        ehlo(client)
    for tail in (b"", b" =", b" cGxhaW4="):
        client.send(command.replace(b"%b", mechanism) + tail + b"\r\n")
        assert client.read_line().startswith(refusal)
    client.close()
    assert b"AUTH" not in test.backend.finished().received


# C45

BODIES = [b"", b"\n", b"\r\n.\r\nQUIT\r\nSTARTTLS\r\n",
          (b"\r\n.\r\nQUIT\r\nSTARTTLS\r\n\0\n.\n\r.\r" * 50000)[:(1 << 20) + 1]]


@pytest.mark.conformance("C45", "C68")
@pytest.mark.parametrize("tls", ["implicit", "starttls"])
@pytest.mark.parametrize("body", BODIES, ids=[str(len(one)) for one in BODIES])
def test_chunks_pass_by_their_count(field, body, tls):
    words = (b"old.example", b"PIPELINING", b"CHUNKING", b"BINARYMIME")
    target = field("smtp", smtp(words=words, replies={b"BDAT": smtp_chunk}), tls=tls)
    client = target.connect("in TLS")
    assert smtp_words(ehlo(client)) == list(words[1:])
    group = b"MAIL FROM:<a@b.test> BODY=BINARYMIME\r\nRCPT TO:<a@b.test>\r\n"
    client.send(group + b"BDAT %d\r\n" % len(body) + body + b"BDAT 4 LAST\r\nlast" + b"NOOP\r\n")
    assert [client.read_smtp()[:3] for _ in range(5)] == [b"250"] * 5
    client.close()
    connection = target.backend.finished()
    assert connection.messages == [body, b"last"]
    assert connection.commands[-1] == b"NOOP\r\n"


@pytest.mark.conformance("C45")
@pytest.mark.parametrize("words, shown", [
    ([b"BINARYMIME"], []), ([b"CHUNKING"], [b"CHUNKING"]),
    ([b"binarymime", b"chunking"], [b"binarymime", b"chunking"])])
def test_binarymime_goes_with_chunking_alone(bench, words, shown):
    test = bench("smtp", smtp(words=[b"old.example", *words]))
    client = test.connect()
    client.read_smtp()
    assert [w for w in smtp_words(ehlo(client)) if w != b"STARTTLS"] == shown
    client.starttls("smtp")
    assert smtp_words(ehlo(client)) == shown


@pytest.mark.conformance("C45")
def test_where_it_is_hidden_a_chunk_closes(bench):
    test = bench("smtp", smtp(replies={b"BDAT": smtp_chunk}))
    client = test.connect_tls()
    ehlo(client)
    client.send(b"BDAT 6\r\nQUIT\r\n")
    assert client.read_smtp().startswith(b"503 ")
    assert client.read_to_end() == b""
    assert b"BDAT" not in test.backend.finished().received


# C46, C47, C48

@pytest.mark.conformance("C46")
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_requiretls_is_not_shown_before_a_plain_server(bench, tls):
    """The last leg would break the promise [RFC 8689]."""
    test = bench("smtp", smtp(words=[b"old.example", b"REQUIRETLS", b"requiretls", b"SIZE 9",
                                     b"REQUIRETLSX"]), tls=tls)
    client = test.connect()
    if tls == "implicit":
        client.begin_tls()
    client.read_smtp()
    assert [w for w in smtp_words(ehlo(client)) if w != b"STARTTLS"] == [b"SIZE 9", b"REQUIRETLSX"]
    if tls == "starttls":
        client.starttls("smtp")
        assert smtp_words(ehlo(client)) == [b"SIZE 9", b"REQUIRETLSX"]


@pytest.mark.conformance("C47")
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_compress_is_shown_and_works(bench, tls):
    """Both directions are deflated behind the OK [RFC 4978]."""
    body = os.urandom(3000) + b"again and again\r\n" * 2000

    def compress(connection, command):
        connection.send(command.split()[0] + b" OK DEFLATE active\r\n")
        inflate = zlib.decompressobj(-15)
        said = b""
        while not said.endswith(b"NOOP\r\n"):
            said += inflate.decompress(connection.take(1))
        deflate = zlib.compressobj(wbits=-15)
        connection.send(deflate.compress(body) + deflate.flush(zlib.Z_SYNC_FLUSH))
        connection.commands.append(said)
        connection.wait_for_end()
        raise Goodbye

    test = bench("imap", imap(words=b"IMAP4rev1 COMPRESS=DEFLATE STARTTLS",
                              replies={b"COMPRESS": compress}), tls=tls)
    client = test.connect()
    if tls == "implicit":
        client.begin_tls()
    client.read_line()
    if tls == "starttls":
        assert b"COMPRESS=DEFLATE" in imap_words(client.imap(b"a CAPABILITY"))
        client.starttls("imap")
    assert imap_words(client.imap(b"a CAPABILITY")) == [b"IMAP4rev1", b"COMPRESS=DEFLATE"]
    assert client.imap(b"b COMPRESS DEFLATE").startswith(b"b BAD ")  # not before the login
    client.imap(b"c LOGIN alice secret")
    assert client.imap(b"d COMPRESS DEFLATE") == b"d OK DEFLATE active\r\n"
    deflate = zlib.compressobj(wbits=-15)
    client.send(deflate.compress(b"e NOOP\r\n") + deflate.flush(zlib.Z_SYNC_FLUSH))
    inflate, got = zlib.decompressobj(-15), b""
    while len(got) < len(body):
        got += inflate.decompress(client.read_exactly(1))
    assert got == body
    client.close()
    assert test.backend.finished().commands[-2:] == [b"d COMPRESS DEFLATE\r\n", b"e NOOP\r\n"]


@pytest.mark.conformance("C48")
def test_words_that_lead_round_the_proxy_are_not_shown(bench):
    words = (b"IMAP4rev1 LOGIN-REFERRALS MAILBOX-REFERRALS login-referrals UNAUTHENTICATE IDLE "
             b"LOGIN-REFERRALSX")
    code = b"[CAPABILITY " + words + b"] "
    test = bench("imap", imap(words=words, greeting=b"* OK " + code + b"ready\r\n"))
    client = test.connect()
    assert b"REFERRALS " not in client.read_line().upper()
    client.starttls("imap")
    assert imap_words(client.imap(b"a CAPABILITY")) == [b"IMAP4rev1", b"IDLE", b"LOGIN-REFERRALSX"]
    assert client.imap(b"b UNAUTHENTICATE").startswith(b"b BAD ")
    client.close()
    assert b"UNAUTHENTICATE" not in test.backend.finished().received


REFERRAL = b"[REFERRAL imap://mallory@evil.test/] "


@pytest.mark.conformance("C48", "C8")
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_referral_does_not_reach_the_client(bench, tls):
    """In the greeting, in both kinds of line that refuse a login, and in a farewell."""
    test = bench("imap", imap(greeting=b"* OK " + REFERRAL + b"go there\r\n", replies={
        b"LOGIN": b"* NO " + REFERRAL + b"there\r\n%T NO " + REFERRAL + b"go there\r\n",
        b"NOOP": b"* OK [referral imap://evil.test/] x\r\n%T OK noop\r\n",
        b"AUTHENTICATE": b"* BYE " + REFERRAL + b"go there\r\n"}), tls=tls)
    client = test.connect()
    if tls == "implicit":
        client.begin_tls()
    came = client.read_line()
    if tls == "starttls":
        client.starttls("imap")
    came += client.imap(b"a LOGIN alice secret")
    came += client.imap(b"b NOOP")
    client.send(b"c AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==\r\n")
    came += client.read_to_end()
    assert b"evil.test" not in came and b"REFERRAL" not in came.upper(), came
    assert came.count(b"there\r\n") >= 3 and b"\r\n* BYE " in came
