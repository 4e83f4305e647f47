/* How a relay has ended, judged by the last lines of both sides. */
#include "last_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct row {
    const char *client;
    const char *server;
    enum last_words words;
};

static void check(enum last_words (*judge)(struct slice client, struct slice server),
    const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        enum last_words got = judge(slice_from(rows[i].client), slice_from(rows[i].server));

        if (got != rows[i].words)
            fail_msg("\"%s\", \"%s\": %d, not %d", rows[i].client, rows[i].server, (int)got,
                (int)rows[i].words);
    }
}

static void imap(void **state)
{
    static const struct row rows[] = {
        {"", "", LAST_WORDS_NONE},
        {"a NOOP\r\nb LOGOUT\r\n", "* BYE out\r\nb OK done\r\n", LAST_WORDS_ANSWERED},
        {"b logout\n", "* BYE out\r\nb OK done\n", LAST_WORDS_ANSWERED},
        {"b LOGOUT \r\n", "B OK done\r\n", LAST_WORDS_ANSWERED},
        {"b LOGOUT\r\n", "* BYE out\r\n", LAST_WORDS_ANSWERED},
        {"b LOGOUT\r\n", "a OK noop\r\n", LAST_WORDS_QUIT},
        {"b LOGOUT\r\n", "bb OK noop\r\n", LAST_WORDS_QUIT},
        {"b LOGOUT\r\n", "", LAST_WORDS_QUIT},
        {"b LOGOUT\r\n", "* BYE ou", LAST_WORDS_QUIT},
        {"b LOGOUT\r\nc NOOP\r\n", "c OK noop\r\n", LAST_WORDS_NONE},
        {"b LOGOUT", "b OK\r\n", LAST_WORDS_NONE},
        {"b LOGOUT now\r\n", "b BAD no\r\n", LAST_WORDS_NONE},
        {"b IDLE\r\n", "+ idling\r\n* BYE Disconnected for inactivity.\r\n", LAST_WORDS_SERVER},
        {"b IDLE\r\n", "+ idling\r\n* bye\r\n", LAST_WORDS_SERVER},
        {"b FETCH 1 BODY[]\r\n", "* BYE is in the mail\r\n)\r\n", LAST_WORDS_NONE},
        {"\x01\x02", "\xff\n", LAST_WORDS_NONE},
        {"\n", "\n", LAST_WORDS_NONE},
        {"\r\n", "\r\n", LAST_WORDS_NONE},
    };

    (void)state;
    check(last_words_imap, rows, sizeof(rows) / sizeof(*rows));
}

static void pop3(void **state)
{
    static const struct row rows[] = {
        {"", "", LAST_WORDS_NONE},
        {"STAT\r\nQUIT\r\n", "+OK 0 0\r\n+OK bye\r\n", LAST_WORDS_ANSWERED},
        {"quit \n", "+OK\n", LAST_WORDS_ANSWERED},
        {"QUIT\r\n", "-ERR some messages were not removed\r\n", LAST_WORDS_ANSWERED},
        {"RETR 1\r\nQUIT\r\n", "text\r\n.\r\n", LAST_WORDS_QUIT},
        {"QUIT\r\n", "", LAST_WORDS_QUIT},
        {"STAT\r\n", "+OK 0 0\r\n", LAST_WORDS_NONE},
        {"DELE 1\r\n", "+OK\r\n", LAST_WORDS_NONE},
        {"NOOP\r\n", "+OK\r\n-ERR Disconnected for inactivity.\r\n", LAST_WORDS_SERVER},
        {"QUIT now\r\n", "-ERR no\r\n", LAST_WORDS_SERVER},
        {"RETR 1\r\n", "+OK\r\nhalf a mess", LAST_WORDS_NONE},
    };

    (void)state;
    check(last_words_pop3, rows, sizeof(rows) / sizeof(*rows));
}

static void managesieve(void **state)
{
    static const struct row rows[] = {
        {"", "", LAST_WORDS_NONE},
        {"LISTSCRIPTS\r\nLOGOUT\r\n", "\"x\" ACTIVE\r\nOK\r\nOK \"bye\"\r\n", LAST_WORDS_ANSWERED},
        {"logout \n", "ok\n", LAST_WORDS_ANSWERED},
        {"LOGOUT\r\n", "BYE \"see you\"\r\n", LAST_WORDS_ANSWERED},
        {"LOGOUT\r\n", "\"x\"\r\n", LAST_WORDS_QUIT},
        {"LOGOUT\r\n", "", LAST_WORDS_QUIT},
        {"LOGOUT now\r\n", "NO\r\n", LAST_WORDS_NONE},
        {"NOOP\r\n", "OK\r\nBYE (TRYLATER) \"x\"\r\n", LAST_WORDS_SERVER},
        {"NOOP\r\n", "OK\r\nBYEBYE\r\n", LAST_WORDS_NONE},
        {"NOOP\r\n", "OK\r\n", LAST_WORDS_NONE},
    };

    (void)state;
    check(last_words_managesieve, rows, sizeof(rows) / sizeof(*rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(imap),
        cmocka_unit_test(pop3),
        cmocka_unit_test(managesieve),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
