/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/config.h"
#include <stdlib.h>
#include <string.h>

static struct config *parse(struct slice text)
{
    struct config_report report;
    struct config *config;

    if (!config_parse_bytes("/etc/x.ini", text, &config, &report))
        fail_msg("%s", report.problems[0].text);
    config_report_free(&report);
    return config;
}

static char *dump(const struct config *config, size_t *n)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, n);

    assert_non_null(out);
    config_dump(config, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

/* What stands before the comments, which name the lines of another file each time. */
static void cut_comments(char *text)
{
    char *to = text;

    for (const char *at = text; *at;) {
        size_t n = strcspn(at, "\n");
        const char *comment = strstr(at, "  # ");

        memmove(to, at, comment && comment < at + n ? (size_t)(comment - at) : n);
        to += comment && comment < at + n ? (size_t)(comment - at) : n;
        *to++ = '\n';
        at += n + (at[n] == '\n' ? 1 : 0);
    }
    *to = '\0';
}

static const char text[] =
    "[proxy]\nworkers = 2\nuser = mail\n"
    "[tls]\ncertificate = \"/a b, c # d.pem\", rsa.pem\nkey = /k1, /k2\n"
    "[listener in]\nbind = *:25\nbackend = mta\nrequire_tls = no\n"
    "accept_proxy_from = 10.0.0.0/8, ::ffff:192.0.2.1, 2001:db8::/32\n"
    "relay_domains = example.org, *.example.org, [192.0.2.1]\n"
    "[backend mta]\nserver = mx1 10.0.0.5:25 weight=7 backup\n"
    "server = mx4 10.0.0.6:25 drain slow_start=90s max_sessions=9\n"
    "server = [2001:db8::1]:25\nserver = mx3 [2001:db8::2]:26\n"
    "[timeouts]\nkeepalive = off\nconnect = 1500ms\ndrain = 0\n"
    "[limits]\nline = 8k\n"
    "[tls other]\ncertificate = /c3.pem\nkey = /k3\n"
    "[listener out]\nbind = *:2525\nbackend = mta\ntls_set = default, other\n"
    "smuggling_exempt = 10.0.0.0/8, 192.0.2.7\nfreebind = yes\n"
    "[listener door]\nbind = *:443\nsniff = 1s\nroute = alpn imap -> imap\n"
    "route = sni *.example.org -> pass backend web, first   EHLO/HELO->refuse\n"
    "route = \"alpn a,#b -> pass unix:/run/a;b\"\n"
    "route = default -> pass [::1]:8443 send_client_address=proxy-v2\n"
    "[listener imap]\nbackend = unix:/run/imap send_client_address=id\n"
    "[backend web]\nserver = 192.0.2.9:443\n"
    "[tls more]\ncertificate = /c4.pem\nkey = /k4\nfor = in, *.example.org\n"
    "for = mail.example.net\n";

static void test_can_be_read_again(void **state)
{
    struct config *first = parse(slice_from(text));
    size_t n;
    char *once = dump(first, &n);
    struct config *second = parse(slice_of(once, n));
    char *twice = dump(second, &n);

    cut_comments(once);
    cut_comments(twice);
    assert_string_equal(once, twice);
    assert_non_null(strstr(once, "\ncertificate = \"/a b, c # d.pem\""));
    assert_non_null(strstr(once, "\nroute = sni *.example.org -> pass backend web "));
    assert_non_null(strstr(once, "\nroute = first EHLO/HELO -> refuse "));
    assert_non_null(
        strstr(once, "\nroute = default -> pass [::1]:8443 send_client_address=proxy-v2"));
    assert_non_null(strstr(once, "\nbackend = unix:/run/imap send_client_address=id"));
    assert_non_null(strstr(once, "\nroute = \"alpn a,#b -> pass unix:/run/a;b\""));
    assert_non_null(strstr(once, "\nfor = in "));
    assert_non_null(strstr(once, "\nfor = *.example.org "));
    assert_non_null(strstr(once, "\nfor = mail.example.net "));
    assert_true(strstr(once, "# for: ") > strstr(once, "[tls other]")); /* [tls] has none */
    assert_non_null(strstr(once, "\n# tls_set: more, default\n"));
    assert_non_null(strstr(once, "\n# tls_set: default, more (for host names)\n"));
    assert_null(strstr(once, "[backend [::1]:8443]")); /* its line is all that there is */
    free(once);
    free(twice);
    config_free(&first);
    config_free(&second);
}

static void test_hostile_values_can_be_read_again(void **state)
{
    static const char *const paths[] = {" /a", "/a ", "/a,b", "/a #b", "/a ;b", "#/a", "/a\\",
        "/a\\,", "/a\tb", "/a=b", "[/a]", "/\xc3\xa4'$%"};
    enum { PATHS = sizeof(paths) / sizeof(paths[0]), ROOM = 1024 };
    char written[ROOM] =
        "[listener in]\nbind = *:25\nbackend = mta\n[backend mta]\n"
        "server = \"one unix:/run/a,b;c#d\\ weight=3 backup\", \"unix:/run/e,f drain\"\n"
        "server = unix:@g;h#i, 192.0.2.1:25\n[tls]\n";
    struct config *config;
    struct config *again;
    char *dumped;
    size_t n;

    for (size_t i = 0; i < PATHS; i++) {
        n = strlen(written);
        (void)snprintf(written + n, ROOM - n, "certificate = \"%s%s\"\nkey = /k\n",
            paths[i][0] == '/' ? "" : "/", paths[i]);
    }
    config = parse(slice_from(written));
    dumped = dump(config, &n);
    again = parse(slice_of(dumped, n));
    assert_int_equal(again->tls[0].certificates.count, PATHS);
    for (size_t i = 0; i < PATHS; i++) {
        const char *path = again->tls[0].certificates.text[i];

        assert_string_equal(path + (paths[i][0] == '/' ? 0 : 1), paths[i]);
    }
    assert_int_equal(again->backends[0].server_count, config->backends[0].server_count);
    for (size_t i = 0; i < config->backends[0].server_count; i++) {
        const struct config_server *server = &again->backends[0].servers[i];

        assert_string_equal(server->name, config->backends[0].servers[i].name);
        assert_true(address_equal(&server->address, &config->backends[0].servers[i].address));
        assert_int_equal(server->weight, i == 0 ? 3 : 1);
        assert_int_equal(server->state, i == 1 ? SERVER_DRAIN : SERVER_READY);
    }
    free(dumped);
    config_free(&config);
    config_free(&again);
}

static void assert_line(const char *dumped, const char *begin, const char *source)
{
    const char *at = strstr(dumped, begin);
    char line[256];

    if (!at)
        fail_msg("there is no line %s", begin);
    (void)snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
    assert_non_null(strstr(line, source));
}

static void test_names_every_source(void **state)
{
    struct config *config = parse(slice_from(text));
    size_t n;
    char *dumped = dump(config, &n);

    assert_line(dumped, "workers = 2 ", "# /etc/x.ini:2");
    assert_line(dumped, "log_format = text ", "# default");
    assert_line(dumped, "certificate = /etc/rsa.pem ", "# /etc/x.ini:5");
    assert_line(dumped, "[listener in] ", "# /etc/x.ini:7");
    assert_line(dumped, "bind = [::]:25 ", "# /etc/x.ini:8");
    assert_line(dumped, "protocol = smtp ", "# default");
    assert_line(dumped, "accept_proxy_from = 192.0.2.1 ", "# /etc/x.ini:11");
    assert_line(dumped, "relay_domains = *.example.org ", "# /etc/x.ini:12");
    assert_line(dumped, "server = mx1 10.0.0.5:25 weight=7 backup ", "# /etc/x.ini:14");
    assert_line(
        dumped, "server = mx4 10.0.0.6:25 max_sessions=9 slow_start=90s drain ", "# /etc/x.ini:15");
    assert_line(dumped, "server = [2001:db8::1]:25 ", "# /etc/x.ini:16");
    assert_line(dumped, "server = mx3 [2001:db8::2]:26 ", "# /etc/x.ini:17");
    assert_line(dumped, "keepalive = off ", "# /etc/x.ini:19");
    assert_line(dumped, "connect = 1500ms ", "# /etc/x.ini:20");
    assert_line(dumped, "sessions = auto ", "# default");
    assert_line(dumped, "certificate = /c3.pem ", "# /etc/x.ini:25");
    assert_line(dumped, "smuggling_exempt = 192.0.2.7 ", "# /etc/x.ini:31");
    assert_line(dumped, "freebind = no ", "# default");
    assert_line(dumped, "freebind = yes ", "# /etc/x.ini:32");
    free(dumped);
    config_free(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_can_be_read_again),
        cmocka_unit_test(test_hostile_values_can_be_read_again),
        cmocka_unit_test(test_names_every_source),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
