/* Whether a server lets users log in, from what a probe of it has found. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "logins.h"

enum { PASSWORDS = OPENING_OFFERS_PASSWORDS, MECHANISM = OPENING_OFFERS_MECHANISM };
enum { DISABLED = OPENING_SHOWS_LOGINDISABLED };

struct row {
    enum config_protocol protocol;
    bool knows_offers;
    unsigned offers;
    enum logins logins;
};

static enum logins judge(const struct row *row, enum config_backend_tls tls)
{
    const struct config_backend backend = {.protocol = row->protocol, .tls = tls};
    const struct probe_result result = {.knows_offers = row->knows_offers, .offers = row->offers};

    return logins_judge(&backend, &result, NULL);
}

/* What lacks may be for want of TLS: with TLS nothing is judged. */
static void test_by_what_it_offers(void **state)
{
    static const struct row rows[] = {
        {CONFIG_PROTOCOL_SMTP, true, 0, LOGINS_FINE}, /* mail comes in without a login */
        {CONFIG_PROTOCOL_LMTP, true, 0, LOGINS_FINE},
        {CONFIG_PROTOCOL_SUBMISSION, true, PASSWORDS, LOGINS_FINE},
        {CONFIG_PROTOCOL_SUBMISSION, true, MECHANISM, LOGINS_FINE},
        {CONFIG_PROTOCOL_SUBMISSION, true, 0, LOGINS_NONE},
        {CONFIG_PROTOCOL_SUBMISSION, false, 0, LOGINS_FINE}, /* it is not known */
        {CONFIG_PROTOCOL_POP3, true, PASSWORDS, LOGINS_FINE},
        {CONFIG_PROTOCOL_POP3, true, MECHANISM, LOGINS_FEW},
        {CONFIG_PROTOCOL_POP3, true, 0, LOGINS_NONE},
        {CONFIG_PROTOCOL_POP3, false, 0, LOGINS_FINE},
        {CONFIG_PROTOCOL_IMAP, true, 0, LOGINS_FINE}, /* LOGIN is no capability */
        {CONFIG_PROTOCOL_IMAP, true, DISABLED, LOGINS_NONE},
        {CONFIG_PROTOCOL_IMAP, false, DISABLED, LOGINS_NONE}, /* in the greeting */
        {CONFIG_PROTOCOL_IMAP, true, DISABLED | MECHANISM, LOGINS_FEW},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(judge(&rows[i], BACKEND_TLS_NONE), rows[i].logins);
        assert_int_equal(judge(&rows[i], BACKEND_TLS_STARTTLS), LOGINS_FINE);
        assert_int_equal(judge(&rows[i], BACKEND_TLS_IMPLICIT), LOGINS_FINE);
    }
}

/* A server that takes no mail without TLS, or without a login that it does not offer. */
static void test_by_what_it_says_to_mail(void **state)
{
    static const struct {
        struct relay_answer relay;
        unsigned offers;
        enum logins logins;
    } rows[] = {
        {{.judgement = RELAY_UNDECIDED, .reason = RELAY_FOR_TLS}, PASSWORDS, LOGINS_NONE},
        {{.judgement = RELAY_UNDECIDED, .reason = RELAY_FOR_LOGIN}, 0, LOGINS_NONE},
        {{.judgement = RELAY_UNDECIDED, .reason = RELAY_FOR_LOGIN}, PASSWORDS, LOGINS_FINE},
        {{.judgement = RELAY_UNDECIDED, .reason = RELAY_FOR_LOGIN}, MECHANISM, LOGINS_FINE},
        {{.judgement = RELAY_UNDECIDED, .reason = RELAY_FOR_SENDER}, 0, LOGINS_FINE},
        {{.judgement = RELAY_REFUSED, .reason = RELAY_FOR_TLS}, 0, LOGINS_FINE},
        {{.judgement = RELAY_TAKEN}, 0, LOGINS_FINE},
    };
    struct config_backend backend = {.protocol = CONFIG_PROTOCOL_SMTP};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct probe_result result = {.knows_offers = true, .offers = rows[i].offers};

        backend.tls = BACKEND_TLS_NONE;
        assert_int_equal(logins_judge(&backend, &result, &rows[i].relay), rows[i].logins);
        backend.tls = BACKEND_TLS_IMPLICIT;
        assert_int_equal(logins_judge(&backend, &result, &rows[i].relay), LOGINS_FINE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_what_it_offers),
        cmocka_unit_test(test_by_what_it_says_to_mail),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
