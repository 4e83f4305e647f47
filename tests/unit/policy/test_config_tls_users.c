/* for, in a [tls NAME]: which sets a listener has by it, what is refused, and what has no effect.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config_test.h"

#include <string.h>

#define SET(name, lines) "[tls " name "]\ncertificate = /c\nkey = /k\n" lines
#define FIRST "[tls]\ncertificate = /c\nkey = /k\n"
/* Three lines each. */
#define IMAP "[listener imap]\nbind = 127.0.0.1:143\nbackend = 127.0.0.1:1143\n"
#define IMAPS "[listener imaps]\nbind = 127.0.0.1:993\nbackend = 127.0.0.1:1143\n"
#define OTHER "[listener other]\nbind = 127.0.0.2:143\nbackend = 127.0.0.1:1143\n"
#define SIEVE "[listener sieve]\nbind = 127.0.0.1:4190\nbackend = 127.0.0.1:14190\n"

/* The names of the sets of a listener; behind a bar those for their host names alone. */
static void assert_sets(const char *listener, const char *expected)
{
    char text[256] = "";

    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *at = &config->listeners[i];

        for (size_t j = 0; j < at->tls_set_count && strcmp(at->name, listener) == 0; j++) {
            if (j == at->tls_set_count - at->tls_host_sets)
                (void)strcat(text, "| ");
            (void)strcat(strcat(text, config->tls[at->tls_sets[j]].name), " ");
        }
    }
    assert_string_equal(text, expected);
}

static void assert_good(const char *text)
{
    assert_parsed(text);
    if (report.count > 0)
        fail_msg("%s", report.problems[0].text);
}

static void assert_warning(const char *text, const char *expected)
{
    assert_problem(text, false, expected);
}

static void test_a_listener(void **state)
{
    (void)state;
    assert_good(FIRST SET("a", "for = imaps\n") IMAP IMAPS);
    assert_sets("imap", "default ");
    assert_sets("imaps", "a default ");
}

static void test_a_protocol(void **state)
{
    (void)state;
    assert_good(FIRST SET("a", "for = imap\n") OTHER IMAPS SIEVE);
    assert_sets("other", "a default ");
    assert_sets("imaps", "a default ");
    assert_sets("sieve", "default ");
    assert_good(FIRST SET("a", "for = managesieve, other\n") OTHER IMAPS SIEVE);
    assert_sets("other", "a default ");
    assert_sets("imaps", "default ");
    assert_sets("sieve", "a default ");
}

/* A listener may be called as a protocol; the word still means all listeners of it. */
static void test_the_name_of_a_listener_comes_first(void **state)
{
    (void)state;
    assert_good(FIRST SET("a", "for = imap\n") IMAP IMAPS);
    assert_sets("imap", "a default ");
    assert_sets("imaps", "a default ");
    assert_good(FIRST SET("a", "for = pop3\n") "[listener pop3]\nbind = 127.0.0.1:143\n"
                                               "backend = 127.0.0.1:1143\n" IMAPS);
    assert_sets("pop3", "a default ");
    assert_sets("imaps", "default ");
    assert_good(FIRST SET("wide", "for = imap\n") SET("own", "for = imaps\n") OTHER IMAPS);
    assert_sets("other", "wide default ");
    assert_sets("imaps", "own wide default ");
    assert_good(FIRST SET("b", "for = imaps\n") SET("a", "for = imaps\n") IMAPS);
    assert_sets("imaps", "b a default ");
    assert_good(FIRST SET(
        "a", "for = mail.example.org\n") "[listener mail.example.org]\nbind = "
                                         "127.0.0.1:143\nbackend = 127.0.0.1:1143\n" IMAPS);
    assert_sets("mail.example.org", "a default ");
    assert_sets("imaps", "default ");
}

static void test_a_host_name(void **state)
{
    (void)state;
    assert_good(FIRST SET("a", "for = *.example.org, mail.example.net\n") IMAP SIEVE);
    assert_sets("imap", "default | a ");
    assert_sets("sieve", "default | a ");
    assert_good(FIRST SET("a", "for = imap\nfor = *.example.org\n") IMAP SIEVE);
    assert_sets("imap", "a default ");
    assert_sets("sieve", "default | a ");
}

/* A self-signed one is for where there is no other. */
static void test_without_a_certificate_in_tls(void **state)
{
    (void)state;
    assert_good(SET("a", "for = imap\n") IMAP SIEVE SET("b", "for = b.example.org\n"));
    assert_sets("imap", "a | b ");
    assert_sets("sieve", "default | b ");
    assert_good("[tls]\ncertificate_directory = /d\n" SET("a", "for = imap\n") IMAP);
    assert_sets("imap", "a default ");
    assert_good("[tls a]\ncertificate_directory = /d\nfor = imap, *.example.org\n" IMAP);
    assert_sets("imap", "a ");
}

static void test_tls_set_says_all(void **state)
{
    (void)state;
    assert_good(FIRST SET("a", "for = imap, *.example.org\n") SET("b", "for = *.example.net\n") IMAP
        "tls_set = default, a\n" OTHER);
    assert_sets("imap", "default a ");
    assert_sets("other", "a default | b ");
}

#define AT(line) "x.ini:" line ": [tls a] for = "

static void test_what_is_wrong_with_a_word(void **state)
{
    (void)state;
    assert_error(SET("a", "for = imapz\n") IMAPS,
        AT("4") "imapz: no listener and no protocol; did you mean imaps?");
    assert_error(SET("a", "for = pop\n") IMAPS,
        AT("4") "pop: no listener and no protocol; did you mean pop3?");
    assert_error(SET("a", "for = auto\n") IMAPS,
        AT("4") "auto: no listener and no protocol; write one, or a host name such as "
                "mail.example.org or *.example.org");
    assert_error(SET("a", "for = *\n") IMAPS,
        AT("4") "*: no listener and no protocol; write one, or a host name such as "
                "mail.example.org or *.example.org");
    assert_error(SET("a", "for = imaps, mail.*.org\n") IMAPS,
        AT("4") "mail.*.org: no host name; write mail.example.org, or *.example.org for every "
                "name one level below");
    assert_error(SET("a", "for = .example.org\n") IMAPS,
        AT("4") ".example.org: no host name; write mail.example.org, or *.example.org for every "
                "name one level below");
    assert_false(parse(SET("a", "for = 192.0.2.1\n") IMAPS));
    assert_false(parse(SET("a", "for = m\xc3\xbcller.example\n") IMAPS));
    assert_non_null(strstr(report.problems[0].text, "xn--mller-kva.example"));
    assert_error("[tls]\nfor = imaps\n" IMAPS,
        "x.ini:2: [tls] for: it belongs in a [tls NAME], as [tls] is for every listener; move it "
        "and the certificate there");
}

/* The section that is lost may be the listener. */
static void test_a_listener_that_is_lost(void **state)
{
    (void)state;
    assert_false(parse(SET("a", "for = webmail\n") IMAPS "[listner webmail]\nbind = *:143\n"));
    assert_int_equal(report.count, 1);
    assert_non_null(strstr(report.problems[0].text, "unknown section"));
}

static void test_two_sets_for_one_name(void **state)
{
    static const char *const both =
        "x.ini:8: [tls b] for = *.Example.org: [tls a] is for it already, at x.ini:4, and "
        "[listener imaps] has both; a host name here counts for every listener; for some alone, "
        "write for = LISTENER and names = *.Example.org";

    (void)state;
    assert_error(SET("a", "for = *.example.org\n") SET("b", "for = *.Example.org\n") IMAPS, both);
    assert_error(SET("a", "for = *.example.org\n") SET("b", "for = *.Example.org\n") IMAPS
        "tls_set = b, a\n",
        both);
    assert_good(FIRST SET("a", "for = *.example.org\n") SET("b", "for = a.example.org\n") IMAPS);
    assert_good(FIRST SET("a", "for = imap\nnames = *.example.org\n")
            SET("b", "for = sieve\nnames = *.example.org\n") OTHER SIEVE);
    assert_good(FIRST SET("a", "for = *.example.org\n") SET("b", "for = *.example.org\n") IMAPS
        "tls_set = a\n" OTHER "tls_set = b\n");
}

static void test_a_word_without_effect(void **state)
{
    (void)state;
    assert_warning(FIRST SET("a", "for = imaps\n") IMAPS "tls_set = default\n",
        "x.ini:7: [tls a] for = imaps: it has no effect on [listener imaps]: it has a tls_set, "
        "and that says all; add this one there, or remove it");
    assert_warning(FIRST SET("a", "for = imap\n") IMAPS "tls_set = default\n",
        "x.ini:7: [tls a] for = imap: it has no effect: each listener that it means has tls = "
        "none, or a tls_set without this set");
    assert_warning(FIRST SET("a", "for = *.example.org, imaps\n") IMAP
        "tls_set = default\n" IMAPS "tls_set = a\n[listener door]\nbind = 127.0.0.1:443\n"
        "route = default -> imap\n" SET("b", "for = door\n"),
        "x.ini:22: [tls b] for = door: it has no effect on [listener door]: it leads its clients "
        "to other listeners; name those");
    assert_warning(FIRST SET("a", "for = pop3, imaps\n") IMAPS,
        "x.ini:7: [tls a] for = pop3: it has no effect: no listener has this protocol");
    assert_warning(FIRST SET("a", "for = *.example.org\n") IMAPS "tls_set = default\n",
        "x.ini:7: [tls a] for = *.example.org: it has no effect: each listener that it means has "
        "tls = none, or a tls_set without this set");
}

static void test_a_set_that_nothing_uses(void **state)
{
    (void)state;
    assert_warning(FIRST SET("a", "") IMAPS,
        "x.ini:4: [tls a]: no listener uses it; write for = LISTENER or HOST NAME in it, or "
        "remove the section");
    assert_good(FIRST SET("a", "") IMAPS "tls_set = a\n");
}

static void assert_set_of(const char *name, const char *set, const char *expected)
{
    const char *pattern;
    const struct config_tls *tls =
        config_tls_of_name(config, &config->listeners[0], slice_from(name), &pattern);

    assert_string_equal(tls ? tls->name : "none", set);
    if (tls)
        assert_string_equal(pattern, expected);
}

static void test_the_set_of_a_name(void **state)
{
    (void)state;
    assert_good(FIRST SET("a", "for = *.example.org\n") SET("b", "for = B.example.org\n") IMAPS);
    assert_set_of("x.EXAMPLE.org", "a", "*.example.org");
    assert_set_of("b.example.org", "b", "B.example.org");
    assert_set_of("example.org", "none", NULL);
    assert_set_of("x.b.example.org", "none", NULL);
    assert_set_of("org", "none", NULL);
    assert_set_of("", "none", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_a_listener, clean_up),
        cmocka_unit_test_teardown(test_a_protocol, clean_up),
        cmocka_unit_test_teardown(test_the_name_of_a_listener_comes_first, clean_up),
        cmocka_unit_test_teardown(test_a_host_name, clean_up),
        cmocka_unit_test_teardown(test_without_a_certificate_in_tls, clean_up),
        cmocka_unit_test_teardown(test_tls_set_says_all, clean_up),
        cmocka_unit_test_teardown(test_what_is_wrong_with_a_word, clean_up),
        cmocka_unit_test_teardown(test_a_listener_that_is_lost, clean_up),
        cmocka_unit_test_teardown(test_two_sets_for_one_name, clean_up),
        cmocka_unit_test_teardown(test_a_word_without_effect, clean_up),
        cmocka_unit_test_teardown(test_a_set_that_nothing_uses, clean_up),
        cmocka_unit_test_teardown(test_the_set_of_a_name, clean_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
