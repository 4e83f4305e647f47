/* --route: what it says of each kind of client, and of questions without an answer. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log_catch.h"
#include "route_command.h"
#include "stdout_catch.h"
#include <string.h>

static const char text[] =
    "[listener door]\nbind = 127.0.0.1:443\n"
    "route = from 10.0.0.0/8 -> refuse\n"
    "route = alpn imap -> imaps\n"
    "route = sni *.example.org -> imaps\n"
    "route = first ssh -> pass backend ssh\n"
    "route = tls -> pass 127.0.0.1:8443 send_client_address=proxy-v2\n"
    "route = default -> clear\n"
    "[listener imaps]\nbind = 127.0.0.1:993\nbackend = mail\ntls_set = "
    "default, other\n"
    "[listener clear]\nprotocol = pop3\ntls = none\nbackend = 127.0.0.1:110\n"
    "[backend mail]\nserver = one 127.0.0.1:1143\nserver = two "
    "127.0.0.1:1144\nsend_client_address = id\n"
    "[backend ssh]\nserver = 127.0.0.1:22\n"
    "[tls other]\ncertificate = /c\nkey = /k\n"
    "[listener few]\nbind = 127.0.0.1:444\nroute = first smtp -> refuse\n"
    "[listener all]\nbind = 127.0.0.1:445\nroute = default -> free\n"
    "[listener free]\nbind = 127.0.0.1:143\ntls = auto\nbackend = mail\n"
    "[tls customer]\ncertificate = /c\nkey = /k\nfor = *.customer.test\n";

static struct config *config;
static char out[LOG_CATCH_MAX];

static int setup(void **state)
{
    struct config_report report;
    bool is_good = config_parse_bytes("x.ini", slice_from(text), &config, &report);

    (void)state;
    if (!is_good)
        print_error("%s\n", report.problems[0].text);
    config_report_free(&report);
    return is_good ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    config_free(&config);
    return 0;
}

static int ask(
    const char *sni, const char *alpn, const char *bytes, const char *listener, const char *address)
{
    const struct route_question question = {sni, alpn, bytes, listener, address};
    int fd = stdout_file();
    int before = stdout_take(fd);
    int status = route_command(config, &question);

    stdout_give_back(before);
    stdout_read(fd, out, sizeof(out));
    return status;
}

#define UNKNOWN "not for it: from 10.0.0.0/8, as no ADDRESS is given\n"

static void test_a_listener(void **state)
{
    (void)state;
    assert_int_equal(ask("-", "h2,imaps", "-", "door", NULL), 0);
    assert_string_equal(out, UNKNOWN "route: alpn imap, at x.ini:4\ndecided: by the ClientHello\n"
                                     "listener: imaps, protocol imap, TLS from the first byte\n"
                                     "tls set: default, other, chosen by the name\n"
                                     "backend: mail, of one and two, send_client_address = id\n");
    assert_int_equal(ask("A.Example.org", "-", "\\x16", "door", "192.0.2.1"), 0);
    assert_string_equal(out, "route: sni *.example.org, at x.ini:5\ndecided: by the ClientHello\n"
                             "listener: imaps, protocol imap, TLS from the first byte\n"
                             "tls set: default, other, chosen by the name\n"
                             "backend: mail, of one and two, send_client_address = id\n");
}

/* By its first octet, since that decides how its listener begins. */
static void test_a_listener_for_either_kind(void **state)
{
    (void)state;
    assert_int_equal(ask("-", "-", "-", "all", NULL), 0);
    assert_non_null(strstr(out, "route: default, at x.ini:31\ndecided: after 300ms of silence\n"
                                "listener: free, protocol imap, in clear, with STARTTLS\n"));
    assert_int_equal(ask("-", "-", "a NOOP", "all", NULL), 0);
    assert_non_null(
        strstr(out, "decided: by the first 1 octet\nlistener: free, protocol imap, in"));
    assert_int_equal(ask("-", "imap", "-", "all", NULL), 0);
    assert_non_null(
        strstr(out, "decided: by the first 1 octet\nlistener: free, protocol imap, TLS"));
}

/* An empty word is none, as a dash is: a shell makes it of a variable that is not set. */
static void test_an_empty_word(void **state)
{
    (void)state;
    assert_int_equal(ask("", "", "", "free", ""), 0);
    assert_non_null(strstr(out, "listener: free, protocol imap, in clear, with STARTTLS\n"));
    assert_int_equal(ask("", "imap", "", "free", ""), 0);
    assert_non_null(strstr(out, "listener: free, protocol imap, TLS from the first byte\n"));
}

/* A name may lead to a listener that has none of the protocols that the client offers. */
static void test_a_client_that_tls_refuses(void **state)
{
    (void)state;
    assert_int_equal(ask("a.example.org", "h2", "-", "door", "192.0.2.1"), 0);
    assert_string_equal(out, "route: sni *.example.org, at x.ini:5\ndecided: by the ClientHello\n"
                             "listener: imaps, protocol imap, TLS from the first byte\n"
                             "refused: by its TLS, since it offers none of imap, imaps\n");
}

static void test_pass_and_refuse(void **state)
{
    (void)state;
    assert_int_equal(ask("-", "-", "SSH-2.0-x", "door", "192.0.2.1"), 0);
    assert_string_equal(out, "route: first ssh, at x.ini:6\ndecided: by the first 4 octets\n"
                             "passed unread to: ssh, of 127.0.0.1:22\n");
    assert_int_equal(ask("-", "h2", "-", "door", "192.0.2.1"), 0);
    assert_string_equal(out, "route: tls, at x.ini:7\ndecided: by the ClientHello\n"
                             "passed unread to: 127.0.0.1:8443, send_client_address = proxy-v2\n");
    assert_int_equal(ask("-", "imap", "-", "door", "10.1.2.3"), 0);
    assert_string_equal(
        out, "route: from 10.0.0.0/8, at x.ini:3\ndecided: at once\nrefused: by the route\n");
}

static void test_silence_and_text(void **state)
{
    (void)state;
    assert_int_equal(ask("-", "-", "-", "door", "192.0.2.1"), 0);
    assert_string_equal(out, "route: default, at x.ini:8\ndecided: after 300ms of silence\n"
                             "listener: clear, protocol pop3, in clear\nbackend: 127.0.0.1:110\n");
    assert_int_equal(ask("-", "-", "EHLO x\\r\\n", "few", NULL), 0);
    assert_string_equal(out,
        "route: first smtp, at x.ini:28\ndecided: by the first 5 octets\nrefused: by the "
        "route\n");
    assert_int_equal(ask("-", "-", "EH", "few", NULL), 0);
    assert_string_equal(out, "route: none is for it\ndecided: when no more comes\nrefused: as no "
                             "route is for it\n");
    assert_int_equal(ask("-", "-", "GET", "few", NULL), 0);
    assert_string_equal(out, "route: none is for it\ndecided: by the first 1 octet\nrefused: as no "
                             "route is for it\n");
}

static void test_a_listener_without_routes(void **state)
{
    (void)state;
    assert_int_equal(ask("-", "-", "-", "imaps", NULL), 0);
    assert_string_equal(out, "route: none; [listener imaps] serves every client itself\n"
                             "listener: imaps, protocol imap, it waits for TLS, and there is none\n"
                             "tls set: default, other, chosen by the name\n"
                             "backend: mail, of one and two, send_client_address = id\n");
}

/* Before TLS the name is not known. */
static void test_a_set_for_a_name(void **state)
{
    (void)state;
    assert_int_equal(ask("a.Customer.test", "imap", "-", "free", NULL), 0);
    assert_non_null(strstr(out, "\ntls set: customer, which is for *.customer.test\n"));
    assert_int_equal(ask("customer.test", "imap", "-", "free", NULL), 0);
    assert_non_null(strstr(out, "\ntls set: default\n"));
    assert_int_equal(ask("-", "-", "-", "free", NULL), 0);
    assert_non_null(strstr(out, "\ntls set: default, customer, chosen by the name\n"));
}

static void test_questions_without_an_answer(void **state)
{
    (void)state;
    assert_int_equal(ask("-", "imap", "-", "dor", NULL), 2);
    assert_int_equal(ask("-", "imap", "GET", "door", NULL), 2);
    assert_int_equal(ask("-", "imap,,h2", "-", "door", NULL), 2);
    assert_int_equal(ask("-", "-", "\\q", "door", NULL), 2);
    assert_int_equal(ask("-", "-", "\\x1", "door", NULL), 2);
    assert_int_equal(ask("-", "-", "-", "door", "10.0.0.0/8"), 2);
    assert_string_equal(out, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_listener),
        cmocka_unit_test(test_an_empty_word),
        cmocka_unit_test(test_a_listener_for_either_kind),
        cmocka_unit_test(test_a_client_that_tls_refuses),
        cmocka_unit_test(test_pass_and_refuse),
        cmocka_unit_test(test_silence_and_text),
        cmocka_unit_test(test_a_listener_without_routes),
        cmocka_unit_test(test_a_set_for_a_name),
        cmocka_unit_test(test_questions_without_an_answer),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
