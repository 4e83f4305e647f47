/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/config.h"
#include <stdio.h>

#define PIN "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde"

static struct config *parse(const char *lines)
{
    struct config_report report;
    struct config *config;
    char text[1024];

    (void)snprintf(text, sizeof(text),
        "[listener in]\nbind = *:25\nbackend = mta\n"
        "[backend mta]\nserver = 10.0.0.5:25\ntls = starttls\n%s",
        lines);
    if (!config_parse_bytes("x.ini", slice_from(text), &config, &report))
        fail_msg("%s", report.problems[0].text);
    config_report_free(&report);
    return config;
}

static void assert_alike(bool expected, const char *before, const char *now)
{
    struct config *a = parse(before);
    struct config *b = parse(now);

    if (config_speaks_alike(&a->backends[0], &b->backends[0]) != expected)
        fail_msg("\"%s\" and \"%s\"", before, now);
    config_free(&a);
    config_free(&b);
}

/* Each line alone makes the difference. */
static void test_what_makes_backends_differ(void **state)
{
    static const char *const lines[] = {"tls_policy = legacy\n", "verify = no\n", "ca = /a.pem\n",
        "tls_name = mail.example\n", "pin = " PIN "0\n", "send_client_address = xclient\n",
        "client_certificate = /a.pem\nclient_key = /a.key\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        assert_alike(false, "", lines[i]);
        assert_alike(false, lines[i], "");
        assert_alike(true, lines[i], lines[i]);
    }
    assert_alike(false, "ca = /a.pem\n", "ca = /b.pem\n");
    assert_alike(false, "tls_name = a.example\n", "tls_name = b.example\n");
    assert_alike(false, "pin = " PIN "0\n", "pin = " PIN "1\n");
    assert_alike(false, "pin = " PIN "0\n", "pin = " PIN "0\npin = " PIN "1\n");
    assert_alike(false, "client_certificate = /a.pem\n", "client_certificate = /b.pem\n");
    assert_alike(false, "client_certificate = /a.pem\nclient_key = /a.key\n",
        "client_certificate = /a.pem\nclient_key = /b.key\n");
}

static void test_tls_itself_makes_them_differ(void **state)
{
    struct config *clear = parse("");
    struct config *implicit = parse("");

    (void)state;
    clear->backends[0].tls = BACKEND_TLS_NONE;
    implicit->backends[0].tls = BACKEND_TLS_IMPLICIT;
    assert_false(config_speaks_alike(&clear->backends[0], &implicit->backends[0]));
    config_free(&clear);
    config_free(&implicit);
}

static void test_what_does_not(void **state)
{
    (void)state;
    assert_alike(true, "", "server = 10.0.0.6:25\nbalance = least-sessions\ncheck = greeting\n");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_makes_backends_differ),
        cmocka_unit_test(test_tls_itself_makes_them_differ), cmocka_unit_test(test_what_does_not)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
