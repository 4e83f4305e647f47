/* What words of other programs are answered with. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config_test.h"
#include "synonyms.h"
#include <stdio.h>
#include <string.h>

#define BACKEND "[backend b]\nserver = 10.0.0.5:10143\n"
#define LISTENER "[listener in]\nbind = *:993\nbackend = b\n"

/* The table names settings that there are, and a word once for each section. */
static void test_the_table_is_sound(void **state)
{
    for (size_t i = 0; synonym_at(i); i++) {
        const struct synonym *row = synonym_at(i);
        struct slice rest = slice_from(row->words);
        struct slice word;

        assert_true((row->key == NULL) != (row->remedy == NULL));
        if (row->key)
            assert_non_null(directive_find(row->section, slice_from(row->key)));
        while (slice_word(&rest, &word)) {
            const struct section_info *info = &section_infos[row->section];

            if (row->key && synonym_find(info, word) != row)
                fail_msg("%.*s stands twice", (int)word.n, word.p);
            if (row->key && directive_find(row->section, word))
                fail_msg("%.*s is a setting there", (int)word.n, word.p);
            for (size_t j = 0; j < word.n; j++)
                assert_true((word.p[j] >= 'a' && word.p[j] <= 'z') || byte_is_digit(word.p[j]) ||
                            word.p[j] == '_');
        }
    }
}

static void assert_key(const char *heading, const char *key, const char *answer)
{
    char text[512];
    char expected[512];

    (void)snprintf(text, sizeof(text), "[%s]\n%s = x\n" LISTENER BACKEND, heading, key);
    (void)snprintf(
        expected, sizeof(expected), "x.ini:2: [%s] %s = x: unknown key; %s", heading, key, answer);
    if (strncmp(heading, "listener", 8) == 0)
        (void)snprintf(
            text, sizeof(text), "[%s]\n%s = x\nbind = *:993\nbackend = b\n" BACKEND, heading, key);
    assert_error(text, expected);
}

static void test_keys(void **state)
{
    assert_key("listener in", "listen", "did you mean bind?");
    assert_key("listener in", "accept", "did you mean bind?");
    assert_key("listener in", "mode", "did you mean protocol?");
    assert_key("listener in", "default_backend", "did you mean backend?");
    assert_key("listener in", "ssl_certificate", "did you mean certificate, in [tls]?");
    assert_key("listener in", "disable_plaintext_auth", "did you mean require_tls?");
    assert_key("tls", "ssl_certificate", "did you mean certificate?");
    assert_key("tls", "SSL-Certificate", "did you mean certificate?");
    assert_key("tls", "ssl_protocols", "did you mean minimum_version?");
    assert_key("tls", "tls_cert", "did you mean certificate?");
    assert_key("tls", "smtpd_tls_key_file", "did you mean key?");
    assert_key("tls", "listen", "did you mean bind, in [listener NAME]?");
    assert_key("proxy", "worker_processes", "did you mean workers?");
    assert_key("proxy", "myhostname", "did you mean hostname?");
    assert_key("limits", "maxconn", "did you mean sessions?");
    assert_key("timeouts", "timeout-connect", "did you mean connect?");
    assert_key("proxy", "log_file",
        "mailmux logs to standard error: the journal of systemd keeps it (journalctl -u mailmux), "
        "or a shell with 2>>FILE");
    assert_key("proxy", "error_log",
        "mailmux logs to standard error: the journal of systemd keeps it (journalctl -u mailmux), "
        "or a shell with 2>>FILE");
    assert_key("proxy", "pid_file",
        "mailmux needs none, as it stays in the foreground; systemd knows its process");
    assert_key("proxy", "daemon",
        "mailmux stays in the foreground; let systemd start it, or another supervisor");
    assert_key(
        "listener in", "auth_http", "mailmux knows no users: logins go to the backend as they are");
    assert_key("proxy", "quux", "mailmux --reference lists those of [proxy]");
}

/* What was meant is not reported as missing as well. */
static void test_a_required_key(void **state)
{
    assert_error("[listener in]\nlisten = *:993\nbackend = b\n" BACKEND,
        "x.ini:2: [listener in] listen = *:993: unknown key; did you mean bind?");
}

static void assert_section(const char *heading, const char *answer)
{
    char text[512];
    char expected[512];

    (void)snprintf(text, sizeof(text), "[%s]\n" LISTENER BACKEND, heading);
    (void)snprintf(expected, sizeof(expected), "x.ini:1: [%s]: unknown section; did you mean [%s]?",
        heading, answer);
    assert_error(text, expected);
}

static void test_sections(void **state)
{
    assert_section("frontend mail", "listener mail");
    assert_section("upstream mail", "backend mail");
    assert_section("imaps", "listener imaps");
    assert_section("global", "proxy");
    assert_section("ssl", "tls");
    assert_section("defaults", "timeouts");
    assert_section("lstener x", "listener x");
}

static void assert_choice(
    const char *section, const char *key, const char *value, const char *answer)
{
    char text[512];

    (void)snprintf(text, sizeof(text), "[tls]\n%s%s%s%s" LISTENER "%s%s%s%s" BACKEND "%s%s%s%s",
        section[0] == 't' ? key : "", section[0] == 't' ? " = " : "",
        section[0] == 't' ? value : "", section[0] == 't' ? "\n" : "", section[0] == 'l' ? key : "",
        section[0] == 'l' ? " = " : "", section[0] == 'l' ? value : "",
        section[0] == 'l' ? "\n" : "", section[0] == 'b' ? key : "", section[0] == 'b' ? " = " : "",
        section[0] == 'b' ? value : "", section[0] == 'b' ? "\n" : "");
    assert_false(parse(text));
    assert_int_equal(report.error_count, 1);
    for (size_t i = 0; i < report.count; i++) {
        if (report.problems[i].is_error && !strstr(report.problems[i].text, answer))
            fail_msg("%s", report.problems[i].text);
    }
}

static void test_choices(void **state)
{
    assert_choice("backend", "balance", "leastconn", "did you mean least-sessions? allowed: ");
    assert_choice("backend", "balance", "least_conn", "did you mean least-sessions? allowed: ");
    assert_choice("backend", "balance", "roundrobin", "did you mean round-robin? allowed: ");
    assert_choice("backend", "balance", "ip_hash", "did you mean address-hash? allowed: ");
    assert_choice("backend", "send_client_address", "send-proxy-v2", "did you mean proxy-v2?");
    assert_choice("backend", "check", "tcp", "did you mean connect?");
    assert_choice("backend", "verify", "on", "did you mean yes?");
    assert_choice("tls", "minimum_version", "TLSv1.2", "did you mean 1.2?");
    assert_choice("tls", "policy", "old", "did you mean legacy?");
    assert_choice("tls", "client_certificate", "optional", "did you mean request?");
    assert_choice("listener", "tls", "on",
        "not a choice here; write implicit for TLS from the first byte, or starttls; allowed: ");
    assert_choice("listener", "tls", "off", "did you mean none?");
    assert_choice("listener", "require_tls", "always", "did you mean yes?");
    assert_choice(
        "listener", "protocol", "imaps", "write protocol = imap and tls = implicit; allowed: ");
    assert_choice("listener", "protocol", "sieve", "did you mean managesieve?");
    assert_choice("listener", "strict_sni", "enabled", "did you mean yes?");
}

static void test_options_of_servers(void **state)
{
    assert_error(LISTENER "[backend b]\nserver = 10.0.0.5:10143 maxconn=5\n",
        "x.ini:5: [backend b] server = 10.0.0.5:10143 maxconn=5: \"maxconn=5\" is unknown here; "
        "did you mean max_sessions=?");
    assert_error(LISTENER "[backend b]\nserver = 10.0.0.5:10143 check\n",
        "x.ini:5: [backend b] server = 10.0.0.5:10143 check: \"check\" is unknown here; checks are "
        "settings of the section: check, check_interval, rise and fall");
}

static void test_lines_of_other_files(void **state)
{
    assert_error(LISTENER "listen 25;\n" BACKEND,
        "x.ini:4: [listener in] \"listen 25;\": there is no '='; write key = value; did you mean "
        "bind, in [listener NAME]?");
    assert_error(LISTENER "timeout client 30s\n" BACKEND,
        "x.ini:4: [listener in] \"timeout client 30s\": there is no '='; write key = value; there "
        "is one for each phase; write smtp_command, imap_idle or pop3_idle in [timeouts]");
    assert_error(LISTENER BACKEND "timeout connect = 5s\n",
        "x.ini:6: [backend b] \"timeout connect = 5s\": what stands before the '=' is not a key; "
        "write key = value; did you mean connect, in [timeouts]?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_table_is_sound),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_a_required_key),
        cmocka_unit_test(test_sections),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_options_of_servers),
        cmocka_unit_test(test_lines_of_other_files),
    };

    return cmocka_run_group_tests(tests, NULL, clean_up);
}
