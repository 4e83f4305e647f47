/*
 * A keeper without processes: its configuration in a file, and one service, which the test plays.
 */
#ifndef MAILMUX_KEEPER_TEST_H
#define MAILMUX_KEEPER_TEST_H

#include "keeper_state.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct played {
    char directory[32];
    char file[64];
    char named[64]; /* a file that the configuration names */
    char other[64]; /* one that lies beside it */
    struct keeper keeper;
    int service; /* the service's end of `requests` */
    int news;    /* and of `orders` */
};

static inline void write_text(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

/* The address of the listener: nothing else listens there. */
#define PLAYED_ADDRESS "127.82.0.1:18143"

static inline void write_configuration(const struct played *played, const char *more)
{
    char text[1024];

    (void)snprintf(text, sizeof(text),
        "include = conf.d/*.ini\n[proxy]\nstate_directory = %s\n[tls]\nclient_ca = %s\n"
        "[listener a]\nbind = " PLAYED_ADDRESS "\nprotocol = imap\ntls = none\nbackend = b\n"
        "[backend b]\nserver = 127.0.0.1:1143\n%s",
        played->directory, played->named, more);
    write_text(played->file, text);
}

static inline void play_begin(struct played *played)
{
    struct generation *one = &played->keeper.generations[0];
    struct config_report report;
    int requests[2];
    int orders[2];

    *played = (struct played){.directory = "/tmp/mailmux-keeper-XXXXXX"};
    assert_non_null(mkdtemp(played->directory));
    (void)snprintf(played->file, sizeof(played->file), "%s/proxy.ini", played->directory);
    (void)snprintf(played->named, sizeof(played->named), "%s/named.pem", played->directory);
    (void)snprintf(played->other, sizeof(played->other), "%s/other.pem", played->directory);
    write_text(played->named, "named\n");
    write_text(played->other, "other\n");
    write_configuration(played, "");
    assert_true(word_pair(requests) && word_pair(orders));
    *one = (struct generation){
        .state = GENERATION_SERVING, .number = 1, .requests = requests[0], .orders = orders[0]};
    played->service = requests[1];
    played->news = orders[1];
    played->keeper.file = played->file;
    played->keeper.state = KEEPER_SERVING;
    control_init(&played->keeper.control);
    played->keeper.current = permit_read(played->file, &report);
    assert_int_equal(report.error_count, 0);
    config_report_free(&report);
}

static inline void play_end(struct played *played)
{
    (void)close(played->service);
    (void)close(played->news);
    generation_end(&played->keeper.generations[0]);
    permit_free(&played->keeper.current);
    permit_free(&played->keeper.coming);
    listening_set_close(&played->keeper.sockets);
    control_close(&played->keeper.control);
    (void)unlink(played->named);
    (void)unlink(played->other);
    (void)unlink(played->file);
    (void)rmdir(played->directory);
}

/*
 * Says what the service says, lets the keeper answer, and returns the answer: `fd` is closed by
 * the caller.
 */
static inline struct word play_request(struct played *played, char letter, const char *text)
{
    struct generation *one = &played->keeper.generations[0];
    struct word word;

    assert_true(word_send(played->service, letter, text, -1));
    assert_int_equal(word_receive(one->requests, false, &word), WORD_OK);
    requests_answer(&played->keeper, one, &word);
    assert_int_equal(word_receive(played->service, false, &word), WORD_OK);
    assert_int_equal(word.letter, WORD_ANSWER);
    return word;
}

#endif
