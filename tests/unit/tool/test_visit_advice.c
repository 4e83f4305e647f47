/* From what a visit has found to the sentence that names the mistake and what to write. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tool_test.h"

enum { DAY_S = 24 * 60 * 60 };

#define FINE .failure = OPENING_FINE
#define OFFERS(bits) .knows_offers = true, .offers = (unsigned)(bits)
#define PASSWORDS OPENING_OFFERS_PASSWORDS
#define TRUSTED "verify = no\n"

/* What is found, with TLS of the other kind or another header where that is understood, and what is
 * then said: the beginnings of the lines, in their order. */
struct row {
    const char *protocol;
    const char *settings;
    struct probe_result found;
    bool header_explains;
    bool tls_explains;
    unsigned tls_offers;
    const char *says[3];
};

static size_t says(const struct row *row)
{
    size_t count = 0;

    while (count < 3 && row->says[count])
        count++;
    return count;
}

static void assert_says(const struct row *row)
{
    const char *text = print(visit_advise);
    const char *rest = text;
    size_t errors = 0;
    size_t warnings = 0;

    if (log_count(text, "\n") != says(row))
        fail_msg("%s\nis not %s", text, row->says[0] ? row->says[0] : "nothing");
    for (size_t i = 0; i < says(row); i++) {
        const char *expected = row->says[i];

        if (strncmp(rest, "  ", 2) != 0 || strncmp(rest + 2, expected, strlen(expected)) != 0)
            fail_msg("%s\ndoes not begin with %s", rest, expected);
        errors += strncmp(expected, "error", 5) == 0 ? 1 : 0;
        warnings += strncmp(expected, "warning", 7) == 0 ? 1 : 0;
        rest = strchr(rest, '\n') + 1;
    }
    assert_int_equal(counts.errors, errors);
    assert_int_equal(counts.warnings, warnings);
}

static void play(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[i];

        visit_of(row->protocol, row->settings);
        found(VISIT_AS_CONFIGURED, row->found);
        if (row->header_explains)
            found(VISIT_OTHER_HEADER, (struct probe_result){FINE});
        if (row->tls_explains)
            found(VISIT_OTHER_TLS, (struct probe_result){OFFERS(row->tls_offers)});
        assert_says(row);
    }
}

#define PLAY(rows) play(rows, sizeof(rows) / sizeof((rows)[0]))

/* ---- It could not be spoken to ---- */

static void test_a_server_that_cannot_be_reached(void **state)
{
    static const struct row rows[] = {
        {"imap", "", {.failure = OPENING_NO_MEANS, .why = "no memory"}, false, false, 0,
            {"error: it cannot be probed: no memory"}},
        {"imap", "", {.failure = OPENING_NOT_CONNECTED, .why = "refused"}, false, false, 0,
            {"error: it cannot be reached: refused; is the server running, is the address in "
             "x.ini:9 right"}},
        {"pop3", "", {.failure = OPENING_GREETING_TIMEOUT, .why = "no greeting in time"}, false,
            false, 0, {"error: no greeting in time, with a PROXY header as without"}},
        {"imap", "tls = implicit\n" TRUSTED, {.failure = OPENING_TLS_FAILED, .why = "TLS failed"},
            false, false, 0, {"error: TLS failed; do tls_policy and "}},
    };

    PLAY(rows);
}

static void test_a_header_that_is_wrong(void **state)
{
    static const struct row rows[] = {
        {"imap", "", {.failure = OPENING_MUTE}, true, false, 0,
            {"error: the server expects a PROXY header and gets none; write send_client_address = "
             "proxy-v2"}},
        {"imap", "send_client_address = proxy-v1\n", {.failure = OPENING_MUTE}, true, false, 0,
            {"error: the server does not expect the PROXY header that it gets"}},
    };

    PLAY(rows);
}

static void test_tls_that_is_wrong(void **state)
{
    static const struct row rows[] = {
        {"imap", "", {.failure = OPENING_GREETING_TIMEOUT}, false, true, 0,
            {"error: on this port the server speaks TLS from the first byte; write tls = implicit "
             "here, or name its port for IMAP in clear"}},
        {"smtp", "tls = implicit\n" TRUSTED, {.failure = OPENING_TLS_IN_CLEAR}, false, true,
            OPENING_OFFERS_STARTTLS,
            {"error: tls = implicit, and on this port the server begins in clear and offers "
             "STARTTLS; write tls = starttls"}},
        {"smtp", "tls = implicit\n" TRUSTED, {.failure = OPENING_TLS_IN_CLEAR}, false, true, 0,
            {"error: tls = implicit, and on this port the server speaks in clear and offers no "
             "STARTTLS"}},
        {"pop3", "tls = starttls\n" TRUSTED, {.failure = OPENING_NO_STARTTLS}, false, false, 0,
            {"error: tls = starttls, and the server does not offer STARTTLS; turn TLS on there"}},
    };

    PLAY(rows);
}

static void test_certificates(void **state)
{
    static const struct row rows[] = {
        {"imap", "tls = implicit\n",
            {.failure = OPENING_CERTIFICATE, .tls_fault = TLS_FAULT_EXPIRED}, false, false, 0,
            {"error: its certificate has expired; renew it at the server"}},
        {"imap", "tls = implicit\ntls_name = mx.example\n",
            {.failure = OPENING_CERTIFICATE, .tls_fault = TLS_FAULT_NAME}, false, false, 0,
            {"error: its certificate is not for mx.example; write tls_name = and a name"}},
        {"imap", "tls = implicit\n",
            {.failure = OPENING_CERTIFICATE, .tls_fault = TLS_FAULT_TRUST, .why = "self-signed"},
            false, false, 0,
            {"error: no trusted authority vouches for its certificate (self-signed); write ca = "}},
        {"imap",
            "tls = implicit\n"
            "pin = sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n",
            {.failure = OPENING_CERTIFICATE, .tls_fault = TLS_FAULT_TRUST}, false, false, 0,
            {"error: the key of its certificate is none of those in pin"}},
    };

    PLAY(rows);
}

/* What it says instead is known by its first words. */
static void test_words_of_another_protocol(void **state)
{
    static const struct {
        const char *expected;
        const char *words;
        const char *says;
    } rows[] = {
        {"imap", "220 mx",
            "error: the server speaks SMTP on this port, and IMAP is expected; "
            "name the port of its IMAP service"},
        {"imap", "554 no", "error: the server speaks SMTP on this port, and IMAP "},
        {"imap", "5540 no", "error: the server does not speak this protocol"},
        {"imap", "250 ok", "error: the server does not speak this protocol"},
        {"pop3", "* OK", "error: the server speaks IMAP on this port, and POP3 is "},
        {"managesieve", "* OK",
            "error: the server speaks IMAP on this port, and ManageSieve is expected; name the "
            "port of its ManageSieve service"},
        {"imap", "\"IMPLEMENTATION\" \"x\"",
            "error: the server speaks ManageSieve on this port, and IMAP is "},
        {"smtp", "+OK", "error: the server speaks POP3 on this port, and SMTP is "},
        {"smtp", "-ERR", "error: the server speaks POP3 on this port, and SMTP is "},
        {"submission", "SSH-2.0", "error: the server speaks SSH on this port, and SMTP is "},
        {"imap", "* OK", "error: the server does not speak this protocol"},
        {"imap", "?", "error: the server does not speak this protocol"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row row = {rows[i].expected, "",
            {.failure = OPENING_WRONG_PROTOCOL, .first_word = slice_from(rows[i].words)}, false,
            false, 0, {rows[i].says}};

        play(&row, 1);
    }
}

static void test_other_words(void **state)
{
    static const struct row rows[] = {
        {"imap", "", {.failure = OPENING_GREETING_REFUSED}, false, false, 0,
            {"error: the server turns this machine away by its greeting"}},
        {"imap", "", {.failure = OPENING_STRANGE_ANSWER}, false, false, 0,
            {"error: the server answers neither yes nor no"}},
        {"imap", "", {.failure = OPENING_HELLO_REFUSED}, false, false, 0,
            {"error: the server does not tell its capabilities"}},
        {"lmtp", "", {.failure = OPENING_HELLO_REFUSED}, false, false, 0,
            {"error: the server greets and then does not tell its capabilities; if it speaks SMTP "
             "on this port, name the port of its LMTP service"}},
        {"smtp", "", {.failure = OPENING_HELLO_REFUSED}, false, false, 0,
            {"error: the server greets and then does not tell its capabilities; if it speaks LMTP "
             "on this port, name the port of its SMTP service"}},
    };

    PLAY(rows);
}

/* ---- It could, and still ---- */

static void test_who_the_client_is(void **state)
{
    static const struct row rows[] = {
        {"pop3", "send_client_address = xclient\n", {OFFERS(OPENING_OFFERS_XCLIENT | PASSWORDS)},
            false, false, 0,
            {"error: send_client_address = xclient, and the server does not offer XCLIENT with "
             "ADDR to this machine"}},
        {"pop3", "send_client_address = xclient\n",
            {OFFERS(OPENING_OFFERS_XCLIENT | OPENING_OFFERS_XCLIENT_ADDR | PASSWORDS)}, false,
            false, 0, {NULL}},
        {"imap", "send_client_address = id\n", {OFFERS(PASSWORDS)}, false, false, 0,
            {"note: whether the server believes the client's address in ID cannot be seen"}},
        {"pop3", "", {OFFERS(OPENING_OFFERS_XCLIENT | PASSWORDS)}, false, false, 0,
            {"note: the server would believe XCLIENT from this machine"}},
        {"imap", "", {OFFERS(PASSWORDS)}, false, false, 0,
            {"note: whether the server trusts this machine more than other clients"}},
        {"imap", "send_client_address = proxy-v2\n", {OFFERS(PASSWORDS)}, false, false, 0, {NULL}},
    };

    PLAY(rows);
}

#define TLS "tls = implicit\nsend_client_address = proxy-v2\n" TRUSTED

static void test_certificates_that_come_to_their_end(void **state)
{
    static const struct row rows[] = {
        {"imap", TLS, {.has_certificate = true, .tls_seconds = -1}, false, false, 0,
            {"warning: its certificate has expired; renew it"}},
        {"imap", TLS, {.has_certificate = true, .tls_seconds = DAY_S}, false, false, 0,
            {"warning: its certificate expires in 1 day; renew it"}},
        {"imap", TLS, {.has_certificate = true, .tls_seconds = 14 * DAY_S - 1}, false, false, 0,
            {"warning: its certificate expires in 13 days; renew it"}},
        {"imap", TLS, {.has_certificate = true, .tls_seconds = 14 * DAY_S}, false, false, 0,
            {NULL}},
    };

    PLAY(rows);
}

static void test_channel_binding(void **state)
{
    static const struct row rows[] = {
        {"imap", TLS, {.has_tls = true, OFFERS(OPENING_OFFERS_PLUS)}, false, false, 0,
            {"warning: it offers a mechanism with -PLUS"}},
        {"imap", "send_client_address = proxy-v2\n", {OFFERS(OPENING_OFFERS_PLUS | PASSWORDS)},
            false, false, 0, {NULL}},
    };

    PLAY(rows);
}

static void test_logins_that_it_refuses(void **state)
{
    static const struct row rows[] = {
        {"submission", "send_client_address = proxy-v1\n", {OFFERS(0)}, false, false, 0,
            {"error: it wants TLS for logins or mail (no AUTH, or 530)"}},
        {"pop3", "send_client_address = proxy-v1\n", {OFFERS(OPENING_OFFERS_MECHANISM)}, false,
            false, 0,
            {"warning: it wants TLS for logins (CAPA without USER, SASL PLAIN or LOGIN)"}},
        {"imap", "send_client_address = proxy-v2\nproxy_tlvs = ssl\n",
            {OFFERS(OPENING_SHOWS_LOGINDISABLED)}, false, false, 0,
            {"note: without TLS it takes no login; whether it takes note of proxy_tlvs = ssl"}},
        {"imap", TLS, {OFFERS(OPENING_SHOWS_LOGINDISABLED)}, false, false, 0, {NULL}},
    };

    PLAY(rows);
}

/* ---- Relaying ---- */

static void assert_relay(const char *settings, struct relay_answer answer, const char *line)
{
    const struct row row = {.says = {line}};

    visit_of("smtp", settings);
    found(VISIT_AS_CONFIGURED, (struct probe_result){OFFERS(0)});
    found(VISIT_STRANGER, (struct probe_result){.relay = answer});
    assert_says(&row);
}

static void test_an_open_relay(void **state)
{
    const struct relay_answer taken = {.judgement = RELAY_TAKEN};

    assert_relay("", taken,
        "error: through [listener a] the server is an open relay: it takes mail to "
        "probe@relay-probe.example");
}

static void test_a_relay_for_strangers(void **state)
{
    const struct relay_answer taken = {.judgement = RELAY_TAKEN};

    assert_relay("send_client_address = proxy-v2\n", taken,
        "error: the server is an open relay: it takes mail to probe@relay-probe.example from a "
        "stranger");
}

/* Each reason by its words; a login that is asked for is no lack. */
static void test_whether_it_relays_is_not_known(void **state)
{
    static const struct {
        enum relay_reason reason;
        const char *says;
    } rows[] = {
        {RELAY_FOR_NOTHING, "warning: whether it relays is not known: it refuses this recipient "
                            "for a reason of its own"},
        {RELAY_FOR_NOW, "warning: whether it relays is not known: it refuses for the time being"},
        {RELAY_FOR_HELLO, "warning: whether it relays is not known: it refuses the name in EHLO"},
        {RELAY_FOR_CLIENT, "warning: whether it relays is not known: it refuses the client's "
                           "address"},
        {RELAY_FOR_SENDER, "warning: whether it relays is not known: it refuses the sender"},
        {RELAY_FOR_RECIPIENT, "warning: whether it relays is not known: it refuses this recipient "
                              "for another reason"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_relay("send_client_address = proxy-v2\n",
            (struct relay_answer){.judgement = RELAY_UNDECIDED, .reason = rows[i].reason},
            rows[i].says);
    assert_relay("tls = starttls\nsend_client_address = proxy-v2\n" TRUSTED,
        (struct relay_answer){.judgement = RELAY_UNDECIDED, .reason = RELAY_FOR_LOGIN},
        "note: whether it relays is not known: it wants a login first");
    assert_relay("tls = starttls\nsend_client_address = proxy-v2\n" TRUSTED,
        (struct relay_answer){.judgement = RELAY_UNDECIDED, .reason = RELAY_FOR_TLS},
        "warning: whether it relays is not known: it wants TLS first");
    assert_relay("", (struct relay_answer){.judgement = RELAY_NOT_TESTED},
        "warning: whether it relays could not be tested");
    assert_relay("", (struct relay_answer){.judgement = RELAY_REFUSED}, NULL);
}

/* With relay_domains in every listener such mail never comes to the server. */
static void test_recipients_that_do_not_come_through(void **state)
{
    static const char closed[] =
        "[listener c]\nbind = @:1002\nprotocol = smtp\ntls = none\nrelay_domains = own.example\n"
        "backend = b\n";
    const struct row row = {
        .says = {"note: relay_domains in every listener of this backend refuses "
                 "probe@relay-probe.example",
            "note: the server itself would take it"}};
    struct config_listener *listeners;

    visit_of("smtp", closed);
    found(VISIT_AS_CONFIGURED, (struct probe_result){OFFERS(0)});
    found(VISIT_STRANGER, (struct probe_result){.relay = {.judgement = RELAY_TAKEN}});
    assert_non_null(strstr(print(visit_advise), "error: through [listener a] "));
    listeners = snapshot_config(snapshot)->listeners; /* and now the other one, too */
    listeners[0].relay_domains = listeners[1].relay_domains;
    assert_says(&row);
}

#define TEST(name) cmocka_unit_test_teardown(name, clean_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_server_that_cannot_be_reached),
        TEST(test_a_header_that_is_wrong),
        TEST(test_tls_that_is_wrong),
        TEST(test_certificates),
        TEST(test_words_of_another_protocol),
        TEST(test_other_words),
        TEST(test_who_the_client_is),
        TEST(test_certificates_that_come_to_their_end),
        TEST(test_channel_binding),
        TEST(test_logins_that_it_refuses),
        TEST(test_an_open_relay),
        TEST(test_a_relay_for_strangers),
        TEST(test_whether_it_relays_is_not_known),
        TEST(test_recipients_that_do_not_come_through),
    };

    log_setup(LOG_FORMAT_TEXT, LOG_ERROR);
    (void)setenv("SSL_CERT_FILE", "/dev/null", 1); /* the system's store is large */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
