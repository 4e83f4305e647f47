/*
 * For the tests of what is built from a configuration: a directory with certificates, a text in
 * which each $ stands for it, and what was said of that text. Comes behind cmocka.h.
 */
#ifndef MAILMUX_SETUP_TEST_H
#define MAILMUX_SETUP_TEST_H

#include "certificates.h"
#include "log_catch.h"
#include "mailmux/config.h"
#include <stdlib.h>
#include <string.h>

enum { SETUP_TEXT_MAX = 8192 };

static char *directory;
static struct config_report report;

/* What the system trusts is b alone: its own store is large, and not ours to know. */
static inline int set_up_directory(void **state)
{
    (void)state;
    directory = certificates_directory_new();
    certificates_make(directory, &(struct certificate_request){.file = "a", .name = "a.example"});
    certificates_make(directory, &(struct certificate_request){.file = "b", .name = "b.example"});
    return setenv("SSL_CERT_FILE", certificates_path(directory, "b", "pem"), 1);
}

static inline int tear_down_directory(void **state)
{
    (void)state;
    certificates_directory_free(&directory);
    return 0;
}

static inline int forget(void **state)
{
    (void)state;
    log_release();
    config_report_free(&report);
    return 0;
}

static inline void write_file(const char *name, const char *suffix, const char *bytes, size_t n)
{
    FILE *out = fopen(certificates_path(directory, name, suffix), "w");

    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, n, out), n);
    assert_int_equal(fclose(out), 0);
}

/* The text by itself is good: warnings of the parser are forgotten. */
static inline struct config *config_of(const char *text)
{
    char ini[SETUP_TEXT_MAX];
    struct config *config;
    size_t n = 0;

    for (; *text; text++) {
        assert_true(n < sizeof(ini) - 64);
        if (*text == '$')
            n += (size_t)snprintf(ini + n, 64, "%s", directory);
        else
            ini[n++] = *text;
    }
    config_report_free(&report);
    if (!config_parse_bytes("x.ini", slice_of(ini, n), &config, &report))
        fail_msg("%s", report.problems[0].text);
    config_report_free(&report);
    return config;
}

/* The n-th problem begins so. */
static inline void assert_problem(size_t i, bool is_error, const char *text)
{
    char expected[SETUP_TEXT_MAX];
    size_t n = 0;

    for (; *text; text++) {
        if (*text == '$')
            n += (size_t)snprintf(expected + n, 64, "%s", directory);
        else
            expected[n++] = *text;
    }
    expected[n] = '\0';
    if (i >= report.count || strncmp(report.problems[i].text, expected, n) != 0 ||
        report.problems[i].is_error != is_error)
        fail_msg(
            "%s\nis not %s", i < report.count ? report.problems[i].text : "no problem", expected);
}

static inline void assert_one_error(const char *text)
{
    assert_problem(0, true, text);
    assert_int_equal(report.count, 1);
}

#endif
