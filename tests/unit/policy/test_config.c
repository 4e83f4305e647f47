/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config_test.h"
#include <stdlib.h>
#include <string.h>

#define BACKEND "[backend mta]\nserver = mx1 10.0.0.5:25\n"
#define TRUSTED "relay_domains = example.org\n" /* else a server that trusts us is warned of */
#define LISTENER(lines) BACKEND "[listener in]\nbackend = mta\n" lines

static void test_defaults(void **state)
{
    assert_parsed(LISTENER("bind = 127.0.0.1:25\n" TRUSTED));
    assert_int_equal(report.count, 0);
    assert_int_equal(config->proxy.workers, 0);
    assert_null(config->proxy.user);
    assert_true(strlen(config->proxy.hostname) > 0);
    assert_int_equal(config->proxy.state_directory[0], '/');
    assert_int_equal(config->proxy.log_format, LOG_FORMAT_TEXT);
    assert_int_equal(config->proxy.log_level, LOG_INFO);
    assert_int_equal(config->tls_count, 1);
    assert_string_equal(config->tls[0].name, "default");
    assert_int_equal(config->tls[0].certificates.count, 0);
    assert_int_equal(config->tls[0].policy, TLS_INTERMEDIATE);
    assert_int_equal(config->backends[0].retries, 3);
    assert_int_equal(config->backends[0].tls, BACKEND_TLS_NONE);
    assert_int_equal(config->backends[0].balance, BALANCE_ROUND_ROBIN);
    assert_int_equal(config->timeouts.connect, 5000);
    assert_int_equal(config->timeouts.connect_deadline, 15000);
    assert_int_equal(config->timeouts.greeting, 0);
    assert_int_equal(config->timeouts.handshake, 30000);
    assert_int_equal(config->timeouts.first_command, 60000);
    assert_int_equal(config->timeouts.line, 60000);
    assert_int_equal(config->timeouts.login, 180000);
    assert_int_equal(config->timeouts.smtp_command, 300000);
    assert_int_equal(config->timeouts.data, 600000);
    assert_int_equal(config->timeouts.imap_idle, 86400000);
    assert_int_equal(config->timeouts.pop3_idle, 600000);
    assert_int_equal(config->timeouts.drain, 30000);
    assert_int_equal(config->timeouts.keepalive, 120000);
    assert_int_equal(config->limits.sessions, 0);
    assert_int_equal(config->limits.handshakes, 1000);
    assert_int_equal(config->limits.bad_commands, 10);
    assert_int_equal(config->limits.line, 4096);
    assert_int_equal(config->limits.sasl_line, 13312);
    assert_int_equal(config->limits.literal, 4096);
    assert_int_equal(config->limits.reply, 65536);
    assert_int_equal(config->limits.reply_lines, 128);
}

static void test_values(void **state)
{
    assert_parsed("[proxy]\nuser = mail\nworkers = 3\nlog_format = json\n" LISTENER(
        "bind = 127.0.0.1:25\n") "[timeouts]\nkeepalive = off\n[limits]\nline = 8k\n");
    assert_string_equal(config->proxy.user, "mail");
    assert_int_equal(config->proxy.workers, 3);
    assert_int_equal(config->proxy.log_format, LOG_FORMAT_JSON);
    assert_int_equal(config->timeouts.keepalive, 0);
    assert_int_equal(config->limits.line, 8192);
}

static void assert_told(enum section_kind kind, const void *section, size_t field, size_t index,
    unsigned line, const char *expected)
{
    config_report_free(&report);
    config_report_setting(&report, false, kind, section, field, index, "no");
    assert_string_equal(report.problems[0].text, expected);
    assert_int_equal(report.problems[0].origin.line, line);
}

/* A problem that is found later stands where the setting does, whoever finds it. */
static void test_origins(void **state)
{
    const size_t names = offsetof(struct config_tls, names);
    const size_t policy = offsetof(struct config_backend, tls_policy);

    assert_parsed("[proxy]\nuser = mail\n" LISTENER(
        "bind = 127.0.0.1:25\ntls_set = a\n" TRUSTED) "[tls]\n[tls a]\nnames = a.example\nnames = "
                                                      "b.example\n"
                                                      "certificate = x\nkey = x\n");
    assert_told(SECTION_PROXY, &config->proxy, offsetof(struct config_proxy, user), 0, 2,
        "x.ini:2: [proxy] user: no");
    assert_told(
        SECTION_TLS, &config->tls[1], names, 0, 12, "x.ini:12: [tls a] names = a.example: no");
    assert_told(
        SECTION_TLS, &config->tls[1], names, 1, 13, "x.ini:13: [tls a] names = b.example: no");
    assert_told(SECTION_TLS, &config->tls[0], names, 0, 10, "x.ini:10: [tls] names: no");
    assert_told(SECTION_BACKEND, &config->backends[0], policy, 0, 3,
        "x.ini:3: [backend mta] tls_policy: no");
    assert_told(SECTION_LIMITS, &config->limits, offsetof(struct config_limits, reply), 0, 0,
        "default: [limits] reply: no");
}

static void test_binds(void **state)
{
    char text[ADDRESS_TEXT_MAX];

    assert_parsed(LISTENER("bind = 127.0.0.1:25, [::1]:25\nbind = *:2525\n"));
    assert_int_equal(config->listeners[0].bind_count, 4);
    assert_string_equal(address_text(&config->listeners[0].bind[1], text), "[::1]:25");
    assert_string_equal(address_text(&config->listeners[0].bind[2], text), "0.0.0.0:2525");
    assert_string_equal(address_text(&config->listeners[0].bind[3], text), "[::]:2525");
    assert_int_equal(config->listeners[0].bind_origin[1].line, 5);
    assert_int_equal(config->listeners[0].bind_origin[3].line, 6);
    assert_error(LISTENER("bind = localhost:25\n"),
        "x.ini:5: [listener in] bind = localhost:25: \"localhost\" is not an IP address; write "
        "e.g. 0.0.0.0:25, [::]:25 or *:25");
    assert_error(LISTENER("bind = 25\n"),
        "x.ini:5: [listener in] bind = 25: not an address with a port of 1 to 65535; write e.g. "
        "0.0.0.0:25, [::]:25 or *:25");
    assert_error(LISTENER("bind = :993\n"),
        "x.ini:5: [listener in] bind = :993: not an address with a port of 1 to 65535; write e.g. "
        "0.0.0.0:993, [::]:993 or *:993");
    assert_error(LISTENER("bind = 99999\n"),
        "x.ini:5: [listener in] bind = 99999: not an address with a port of 1 to 65535; write e.g. "
        "0.0.0.0:25, [::]:25 or *:25");
    assert_error(LISTENER("bind = 127.0.0.1:25,,127.0.0.2:25\n"),
        "x.ini:5: [listener in] bind = 127.0.0.1:25,,127.0.0.2:25: an item of the list is empty");
}

static void assert_listener(const char *bind, enum config_protocol protocol,
    enum config_listener_tls tls, enum require_tls require_tls)
{
    char text[200];

    (void)snprintf(text, sizeof(text), LISTENER("bind = %s\n"), bind);
    assert_parsed(text);
    assert_int_equal(config->listeners[0].protocol, protocol);
    assert_int_equal(config->listeners[0].tls, tls);
    assert_int_equal(config->listeners[0].require_tls, require_tls);
    assert_int_equal(config->backends[0].protocol, protocol);
}

static void test_standard_ports(void **state)
{
    assert_listener("*:25", CONFIG_PROTOCOL_SMTP, LISTENER_TLS_STARTTLS, REQUIRE_TLS_AUTH);
    assert_listener("*:2525", CONFIG_PROTOCOL_SMTP, LISTENER_TLS_STARTTLS, REQUIRE_TLS_AUTH);
    assert_listener("*:587", CONFIG_PROTOCOL_SUBMISSION, LISTENER_TLS_STARTTLS, REQUIRE_TLS_AUTH);
    assert_listener("*:465", CONFIG_PROTOCOL_SUBMISSION, LISTENER_TLS_IMPLICIT, REQUIRE_TLS_NO);
    assert_listener("*:24", CONFIG_PROTOCOL_LMTP, LISTENER_TLS_STARTTLS, REQUIRE_TLS_AUTH);
    assert_listener("*:110", CONFIG_PROTOCOL_POP3, LISTENER_TLS_STARTTLS, REQUIRE_TLS_AUTH);
    assert_listener("*:995", CONFIG_PROTOCOL_POP3, LISTENER_TLS_IMPLICIT, REQUIRE_TLS_NO);
    assert_listener("*:143", CONFIG_PROTOCOL_IMAP, LISTENER_TLS_STARTTLS, REQUIRE_TLS_AUTH);
    assert_listener("*:993", CONFIG_PROTOCOL_IMAP, LISTENER_TLS_IMPLICIT, REQUIRE_TLS_NO);
}

static void test_what_is_written_wins_over_the_port(void **state)
{
    assert_parsed(
        LISTENER("bind = 127.0.0.1:993\nprotocol = pop3\ntls = starttls\nrequire_tls = no\n"));
    assert_int_equal(config->listeners[0].protocol, CONFIG_PROTOCOL_POP3);
    assert_int_equal(config->listeners[0].tls, LISTENER_TLS_STARTTLS);
    assert_int_equal(config->listeners[0].require_tls, REQUIRE_TLS_NO);
}

static void test_ports_that_tell_nothing(void **state)
{
    assert_error(LISTENER("bind = *:10025\n"),
        "x.ini:3: [listener in]: protocol is missing, and port 10025 does not imply one; write "
        "protocol = one of smtp, submission, lmtp, pop3, imap, managesieve, auto");
    assert_error(LISTENER("bind = *:25, *:143\n"),
        "x.ini:3: [listener in]: protocol is missing, and port 143 implies another one than the "
        "port before it; write protocol = one of smtp, submission, lmtp, pop3, imap, managesieve, "
        "auto");
    assert_error(LISTENER("bind = *:143, *:993\n"),
        "x.ini:3: [listener in]: tls is missing, and port 993 implies another value than the port "
        "before it; write tls = one of starttls, implicit, none, auto");
    assert_parsed(LISTENER("bind = *:10025\nprotocol = smtp\n"));
    assert_int_equal(config->listeners[0].tls, LISTENER_TLS_STARTTLS);
}

static void test_require_tls(void **state)
{
    assert_problem(LISTENER("bind = *:25\ntls = none\n" TRUSTED), false,
        "x.ini:6: [listener in] tls = none: passwords and mail travel in clear; tls = starttls "
        "protects them");
    assert_int_equal(config->listeners[0].require_tls, REQUIRE_TLS_NO);
    assert_problem(LISTENER("bind = *:2525\nrequire_tls = yes\n" TRUSTED), false,
        "x.ini:6: [listener in] require_tls = yes: mail servers that do not speak TLS can no "
        "longer deliver to port 2525; require_tls = auth protects logins alone");
    assert_error(LISTENER("bind = *:143\ntls = none\nrequire_tls = auth\n"),
        "x.ini:7: [listener in] require_tls = auth: with tls = none no client could ever log in; "
        "write "
        "tls = starttls, or require_tls = no");
    assert_parsed(LISTENER("bind = *:25\ntls = none\nrequire_tls = auth\n"));
    assert_error(LISTENER("bind = *:25\ntls = none\nrequire_tls = yes\n"),
        "x.ini:7: [listener in] require_tls = yes: with tls = none no client could ever send a "
        "command; write tls = starttls, or require_tls = no");
    assert_parsed(LISTENER("bind = *:587\nrequire_tls = yes\n" TRUSTED));
    assert_int_equal(report.count, 0);
}

static void test_servers(void **state)
{
    const struct config_backend *backend;

    assert_parsed("[listener in]\nbind=*:25\nbackend = mta\n[backend mta]\n"
                  "server = mx1 10.0.0.5:2525 weight=2\n"
                  "server = mx2 mx.example.org:25 backup weight=1000\n"
                  "server = [2001:db8::1]:25, 10.0.0.6:26\n");
    backend = &config->backends[0];
    assert_int_equal(backend->server_count, 4);
    assert_string_equal(backend->servers[0].name, "mx1");
    assert_string_equal(backend->servers[0].host, "10.0.0.5");
    assert_int_equal(backend->servers[0].port, 2525);
    assert_true(backend->servers[0].has_address);
    assert_int_equal(address_port(&backend->servers[0].address), 2525);
    assert_int_equal(backend->servers[0].weight, 2);
    assert_false(backend->servers[0].backup);
    assert_false(backend->servers[1].has_address);
    assert_true(backend->servers[1].backup);
    assert_int_equal(backend->servers[1].weight, 1000);
    assert_int_equal(backend->servers[1].origin.line, 6);
    assert_string_equal(backend->servers[2].name, "[2001:db8::1]:25");
    assert_string_equal(backend->servers[2].host, "2001:db8::1");
    assert_string_equal(backend->servers[3].name, "10.0.0.6:26");
    assert_int_equal(backend->servers[3].weight, 1);
}

#define WITH_SERVER(line)                                                                          \
    "[listener in]\nbind = *:25\nbackend = mta\n[backend mta]\nserver = ok 10.0.0.9:25\n" line "\n"

static void test_bad_servers(void **state)
{
    assert_error(WITH_SERVER("server = mx1"),
        "x.ini:6: [backend mta] server = mx1: the port is missing; write e.g. mx1 10.0.0.5:25");
    assert_error(WITH_SERVER("server = mx1 mx.example.org"),
        "x.ini:6: [backend mta] server = mx1 mx.example.org: \"mx.example.org\" is not HOST:PORT "
        "with a port of 1 to 65535; an IPv6 address stands in brackets");
    assert_error(WITH_SERVER("server = mx1 2001:db8::1:25"),
        "x.ini:6: [backend mta] server = mx1 2001:db8::1:25: \"2001:db8::1:25\" is not HOST:PORT "
        "with a port of 1 to 65535; an IPv6 address stands in brackets");
    assert_error(WITH_SERVER("server = mx1 10.0.0.256:25"),
        "x.ini:6: [backend mta] server = mx1 10.0.0.256:25: \"10.0.0.256\" is neither a host name "
        "nor an IP address");
    assert_error(WITH_SERVER("server = mx1 10.0.0.5:25 weight=0"),
        "x.ini:6: [backend mta] server = mx1 10.0.0.5:25 weight=0: \"weight=0\" is wrong; allowed: "
        "weight=1 to weight=1000");
    assert_error(WITH_SERVER("server = mx1 10.0.0.5:25 wieght=2"),
        "x.ini:6: [backend mta] server = mx1 10.0.0.5:25 wieght=2: \"wieght=2\" is unknown here; "
        "did you mean weight=?");
    assert_error(WITH_SERVER("server = mx1 10.0.0.5:25 spare"),
        "x.ini:6: [backend mta] server = mx1 10.0.0.5:25 spare: \"spare\" is unknown here; "
        "weight=N, max_sessions=N, slow_start=TIME, backup, drain and maintenance may follow");
    assert_error(WITH_SERVER("server = mx1 10.0.0.5:25 backup backup"),
        "x.ini:6: [backend mta] server = mx1 10.0.0.5:25 backup backup: backup stands twice");
    assert_error(WITH_SERVER("server = ok 10.0.0.5:25"),
        "x.ini:6: [backend mta] server = ok 10.0.0.5:25: the backend has a server of this name "
        "already");
    assert_error(WITH_SERVER("server = 127.0.0.1:25"),
        "x.ini:6: [backend mta] server = 127.0.0.1:25: this is mailmux's own [listener in], and "
        "every session would come back to it; name the mail server's address");
}

static void test_server_options(void **state)
{
    const struct config_server *servers;

    assert_parsed(WITH_SERVER("server = a 10.0.0.1:25 max_sessions=20 slow_start=90s\n"
                              "server = b 10.0.0.2:25 drain\n"
                              "server = c 10.0.0.3:25 backup maintenance"));
    servers = config->backends[0].servers;
    assert_int_equal(servers[0].max_sessions, 0);
    assert_int_equal(servers[0].slow_start, 0);
    assert_int_equal(servers[0].state, SERVER_READY);
    assert_int_equal(servers[1].max_sessions, 20);
    assert_int_equal(servers[1].slow_start, 90000);
    assert_int_equal(servers[2].state, SERVER_DRAIN);
    assert_int_equal(servers[3].state, SERVER_MAINTENANCE);
    assert_error(WITH_SERVER("server = a 10.0.0.1:25 max_sessions=0"),
        "x.ini:6: [backend mta] server = a 10.0.0.1:25 max_sessions=0: \"max_sessions=0\" is "
        "wrong; allowed: max_sessions=1 to max_sessions=1000000");
    assert_error(WITH_SERVER("server = a 10.0.0.1:25 slow_start=30"),
        "x.ini:6: [backend mta] server = a 10.0.0.1:25 slow_start=30: \"slow_start=30\" is wrong; "
        "allowed: slow_start=1s to slow_start=1h");
    assert_error(WITH_SERVER("server = a 10.0.0.1:25 drain maintenance"),
        "x.ini:6: [backend mta] server = a 10.0.0.1:25 drain maintenance: \"maintenance\" is "
        "wrong; allowed: maintenance, without a value and without drain");
}

static void test_balancing(void **state)
{
    const struct config_backend *backend;

    assert_parsed(LISTENER("bind = *:25\n"));
    backend = &config->backends[0];
    assert_int_equal(backend->balance, BALANCE_ROUND_ROBIN);
    assert_int_equal(backend->rise, 2);
    assert_int_equal(backend->fall, 3);
    assert_int_equal(backend->queue_timeout, 5000);
    assert_int_equal(backend->queue_size, 100);
    assert_parsed(WITH_SERVER("balance = address-hash\nrise = 1\nfall = 5\nqueue_size = 0\n"
                              "queue_timeout = 500ms"));
    backend = &config->backends[0];
    assert_int_equal(backend->balance, BALANCE_ADDRESS_HASH);
    assert_int_equal(backend->rise, 1);
    assert_int_equal(backend->fall, 5);
    assert_int_equal(backend->queue_timeout, 500);
    assert_int_equal(backend->queue_size, 0);
    assert_problem("[listener in]\nbind = *:25\nbackend = mta\n" TRUSTED "[backend mta]\n"
                   "server = a 10.0.0.1:25 drain\nserver = b 10.0.0.2:25 maintenance\n",
        false,
        "x.ini:5: [backend mta]: all its servers are in drain or maintenance, and every new "
        "session is turned away; leave one without these words");
}

static void test_backends(void **state)
{
    assert_problem(LISTENER("bind = *:25\n" TRUSTED) "[backend spare]\nserver = 10.0.0.1:25\n",
        false,
        "x.ini:7: [backend spare]: no listener uses it; write backend = spare in a listener, or "
        "remove the section");
    assert_error(BACKEND "[listener in]\nbind = *:25\nbackend = mtaa\n",
        "x.ini:5: [listener in] backend = mtaa: there is no section [backend mtaa]; did you mean "
        "mta?");
    assert_error("[listener in]\nbind = *:25\nbackend = mta\n[backend mta]\n",
        "x.ini:4: [backend mta]: server is missing; write server = [NAME] HOST:PORT "
        "[OPTIONS]");
    assert_error(LISTENER("bind = *:25\n") "[listener imap]\nbind = *:143\nbackend = mta\n",
        "x.ini:8: [listener imap] backend = mta: this listener speaks imap and [listener in], at "
        "x.ini:3, speaks smtp to the same servers; make a backend for each");
}

static void test_submission_and_smtp_share_servers(void **state)
{
    assert_parsed("[listener b]\nbind = *:587\nbackend = mta\n" LISTENER("bind = *:25\n"));
    assert_int_equal(config->backends[0].protocol, CONFIG_PROTOCOL_SMTP);
}

static void test_addresses_are_listened_on_once(void **state)
{
    assert_error(LISTENER("bind = [::]:25, [::]:25\n"),
        "x.ini:5: [listener in] bind = [::]:25: [listener in] has [::]:25 already, at x.ini:5; an "
        "address and port can be listened on once");
    assert_error(LISTENER("bind = 0.0.0.0:25\n") "[listener b]\nbind = 127.0.0.1:25\nbackend=mta\n",
        "x.ini:7: [listener b] bind = 127.0.0.1:25: [listener in] has 0.0.0.0:25 already, at "
        "x.ini:5; an address and port can be listened on once");
    assert_parsed(LISTENER("bind = 0.0.0.0:25, [::]:25, 127.0.0.1:2525, [::1]:2525\n"));
}

static void test_certificates_and_keys_are_pairs(void **state)
{
    assert_parsed(LISTENER("bind = *:25\n") "[tls]\ncertificate = /a, /b\nkey = /c\nkey = d\n");
    assert_int_equal(config->tls[0].keys.count, 2);
    assert_string_equal(config->tls[0].certificates.text[1], "/b");
    assert_int_equal(config->tls[0].keys.origin[1].line, 9);
    assert_error(LISTENER("bind = *:25\n") "[tls]\ncertificate = /a, /b\nkey = /c\n",
        "x.ini:7: [tls] certificate = /b: it has no key; the n-th key belongs to the n-th "
        "certificate, and there are 1 keys for 2 certificates");
    assert_error(LISTENER("bind = *:25\n") "[tls]\nkey = /c\n",
        "x.ini:7: [tls] key = /c: it has no certificate; the n-th key belongs to the n-th "
        "certificate, and there are 1 keys for 0 certificates");
}

static void test_quotes(void **state)
{
    assert_parsed(LISTENER("bind = *:25\n") "[tls]\ncertificate = \"/a, # b ; c.pem\"\n"
                                            "key = \"/k y\", /z # comment\ncertificate = /e\n");
    assert_int_equal(config->tls[0].certificates.count, 2);
    assert_string_equal(config->tls[0].certificates.text[0], "/a, # b ; c.pem");
    assert_string_equal(config->tls[0].keys.text[0], "/k y");
    assert_error("[proxy]\nuser = \"a\"b\"c\"\n" LISTENER("bind = *:25\n"),
        "x.ini:2: [proxy] user = \"a\"b\"c\": double quotes stand around a whole value only");
}

/* The nine ciphers of Mozilla's intermediate policy; and ';', which begins no comment in there. */
static void test_long_values(void **state)
{
    const char *ciphers =
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
        "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
        "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305";
    char text[1024];

    (void)snprintf(
        text, sizeof(text), LISTENER("bind = 127.0.0.1:143\n[tls]\nciphers = %s\n"), ciphers);
    assert_parsed(text);
    assert_string_equal(config->tls[0].ciphers, ciphers);

    (void)snprintf(
        text, sizeof(text), LISTENER("bind = 127.0.0.1:143\n[tls]\ngroups = \"%0300d;#\"\n"), 0);
    assert_parsed(text);
    assert_int_equal(strlen(config->tls[0].groups), 302);
    assert_string_equal(config->tls[0].groups + 299, "0;#");
}

/* Said in whole, with what would be right behind them. */
static void test_long_values_in_error(void **state)
{
    char key[61];
    char host[1001];
    char text[4096];
    char expected[4096];

    memset(host, 'h', 1000);
    host[1000] = '\0';
    memset(key, 'k', 60);
    key[60] = '\0';
    (void)snprintf(text, sizeof(text), "[proxy]\nhostname = %s\n", host);
    (void)snprintf(expected, sizeof(expected),
        "x.ini:2: [proxy] hostname = %s: not a host name; write one such as mail.example.org",
        host);
    (void)parse(text);
    assert_string_equal(report.problems[0].text, expected);

    (void)snprintf(text, sizeof(text), BACKEND "server = mx2 %s\n", host);
    (void)snprintf(expected, sizeof(expected),
        "x.ini:3: [backend mta] server = mx2 %s: \"%s\" is not HOST:PORT with a port of 1 to "
        "65535; an IPv6 address stands in brackets",
        host, host);
    (void)parse(text);
    assert_string_equal(report.problems[0].text, expected);

    (void)snprintf(text, sizeof(text), "[proxy]\n%s = 1\n", key);
    (void)snprintf(expected, sizeof(expected),
        "x.ini:2: [proxy] \"%.40s...\": the key has 60 bytes; none has more than 48, and "
        "mailmux --reference lists them",
        key);
    (void)parse(text);
    assert_string_equal(report.problems[0].text, expected);
}

static void test_one_cause_one_message(void **state)
{
    assert_error("[bakend mta]\nserver = 10.0.0.1:25\n[listener in]\nbind = *:25\nbackend = mta\n",
        "x.ini:1: [bakend mta]: unknown section; did you mean [backend mta]?");
    assert_error("[listner in]\nbind = *:25\nbackend = mta\n" BACKEND,
        "x.ini:1: [listner in]: unknown section; did you mean [listener in]?");
    assert_error("[listener in]\nbind = *:25\nbackend = mta\n[backend mta]\nserver mx1 10.0.0.1:25",
        "x.ini:5: [backend mta] \"server mx1 10.0.0.1:25\": there is no '='; write key = value");
    assert_error("[listener in]\nbind = *:25\nbackend = mta\n[backend mta]\nsever = 10.0.0.1:25",
        "x.ini:5: [backend mta] sever = 10.0.0.1:25: unknown key; did you mean server?");
    assert_error(BACKEND "[listener in]\nbin = *:25\nbackend = mta\n",
        "x.ini:4: [listener in] bin = *:25: unknown key; did you mean bind?");
    assert_error(BACKEND "[listener in]\nbind *:10025\nbackend = mta\n",
        "x.ini:4: [listener in] \"bind *:10025\": there is no '='; write key = value");
    assert_error(
        LISTENER("bind = *:143\nprotocol = imp\n") "[listener b]\nbind=*:25\nbackend=mta\n",
        "x.ini:6: [listener in] protocol = imp: not a choice here; did you mean imap? allowed: "
        "smtp, submission, lmtp, pop3, imap, managesieve, auto");
    assert_error(BACKEND "[listener in]\nbind = *:25\n",
        "x.ini:3: [listener in]: backend is missing; write backend = the NAME of a [backend NAME], "
        "or HOST:PORT");
}

static void test_sections(void **state)
{
    assert_error("[listener]\nbind = *:25\n" LISTENER("bind = *:587\n"),
        "x.ini:1: [listener]: the section needs a name; write e.g. [listener mail]");
    assert_error("[proxy x]\n" LISTENER("bind = *:587\n"),
        "x.ini:1: [proxy x]: the section takes no name; write [proxy]");
    assert_error("[proxy]\n[proxy]\n" LISTENER("bind = *:587\n"),
        "x.ini:2: [proxy]: the section has begun before, at x.ini:1; put its settings there");
    assert_error(LISTENER("bind = *:587\n") BACKEND,
        "x.ini:6: [backend mta]: the section has begun before, at x.ini:1; put its settings there, "
        "or choose another name");
    assert_error("[queue]\n" LISTENER("bind = *:587\n"),
        "x.ini:1: [queue]: unknown section; there are [proxy], [tls], [listener NAME], [backend "
        "NAME], [timeouts] and [limits]");
    assert_parsed("[proxy]\n[tls]\n[timeouts]\n[limits]\n" LISTENER("bind = *:587\n"));
}

static void test_keys(void **state)
{
    assert_error("[proxy]\ninclude = x\n" LISTENER("bind = *:587\n"),
        "x.ini:2: [proxy] include = x: unknown key here; include stands before the first section");
    assert_error("[proxy]\nimap_idle = 1h\n" LISTENER("bind = *:587\n"),
        "x.ini:2: [proxy] imap_idle = 1h: unknown key here; it belongs in [timeouts]");
    assert_error("[proxy]\nuser = a\nuser = b\n" LISTENER("bind = *:587\n"),
        "x.ini:3: [proxy] user = b: the key has been set before, at line 2; remove one of them");
    assert_error("[proxy]\nuser =\n" LISTENER("bind = *:587\n"),
        "x.ini:2: [proxy] user = : the value is empty; give one, or remove the line for the "
        "default");
    assert_error("user = x\n" LISTENER("bind = *:587\n"),
        "x.ini:1: user = x: no section has begun; only include stands before the first section");
    assert_error("include = a.ini\n" LISTENER("bind = *:587\n"),
        "x.ini:1: include = a.ini: not possible here: this configuration is not in a file");
}

static void test_nothing_at_all(void **state)
{
    const char *const empty = "x.ini: the file is empty; write a section [listener NAME] with bind "
                              "and backend, and a section [backend NAME] with server";

    assert_error("", empty);
    assert_error("\n\n# comment\n", empty);
    assert_error("\xef\xbb\xbf", empty);
    assert_error(BACKEND,
        "x.ini: there is no listener; write a section [listener NAME] with bind and backend");
    config_report_free(&report);
    assert_false(config_parse_bytes("x.ini", slice_of(NULL, 0), &config, &report));
}

static void test_byte_order_mark_and_crlf(void **state)
{
    assert_parsed("\xef\xbb\xbf[listener in]\r\n  bind = *:25\r\n\tbackend = mta # x\r\n\r\n"
                  "[backend mta]\r\nserver = mx1 10.0.0.5:25\r\n");
    assert_int_equal(report.error_count, 0);
    assert_int_equal(config->listeners[0].section.line, 1);
    assert_int_equal(config->listeners[0].bind_origin[0].line, 2);
    assert_int_equal(config->backends[0].servers[0].origin.line, 6);
}

static void test_times_that_do_not_fit_together(void **state)
{
    assert_problem(LISTENER("bind = *:587\n" TRUSTED) "[timeouts]\nconnect = 20s\n", false,
        "x.ini:8: [timeouts] connect = 20000ms: longer than connect_deadline, which ends the "
        "attempt after 15000ms");
}

/* Any line cut off anywhere, and any byte replaced, gives a configuration or an error. */
static void test_survives_damage(void **state)
{
    const char *const good = LISTENER("bind = *:25\nrequire_tls = no\n") "[tls]\npolicy = modern\n"
                                                                         "certificate = \"a ; b\"\n"
                                                                         "key = x\n";
    const char damage[] = {'\0', '"', '=', '[', ']', '\n', ';', ',', ' ', ':'};
    size_t n = strlen(good);
    char *copy = malloc(n);

    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < sizeof(damage); j++) {
            memcpy(copy, good, n);
            copy[i] = damage[j];
            config_free(&config);
            config_report_free(&report);
            if (!config_parse_bytes("x.ini", slice_of(copy, n), &config, &report))
                assert_true(report.error_count > 0);
        }
        config_free(&config);
        config_report_free(&report);
        if (!config_parse_bytes("x.ini", slice_of(copy, i), &config, &report))
            assert_true(report.error_count > 0);
    }
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_origins),
        cmocka_unit_test(test_binds),
        cmocka_unit_test(test_standard_ports),
        cmocka_unit_test(test_what_is_written_wins_over_the_port),
        cmocka_unit_test(test_ports_that_tell_nothing),
        cmocka_unit_test(test_require_tls),
        cmocka_unit_test(test_servers),
        cmocka_unit_test(test_bad_servers),
        cmocka_unit_test(test_server_options),
        cmocka_unit_test(test_balancing),
        cmocka_unit_test(test_backends),
        cmocka_unit_test(test_submission_and_smtp_share_servers),
        cmocka_unit_test(test_addresses_are_listened_on_once),
        cmocka_unit_test(test_certificates_and_keys_are_pairs),
        cmocka_unit_test(test_quotes),
        cmocka_unit_test(test_long_values),
        cmocka_unit_test(test_long_values_in_error),
        cmocka_unit_test(test_one_cause_one_message),
        cmocka_unit_test(test_sections),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_nothing_at_all),
        cmocka_unit_test(test_byte_order_mark_and_crlf),
        cmocka_unit_test(test_times_that_do_not_fit_together),
        cmocka_unit_test(test_survives_damage),
    };

    return cmocka_run_group_tests(tests, NULL, clean_up);
}
