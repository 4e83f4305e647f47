#include "session_play.h"

#include <stdio.h>
#include <string.h>

enum { COMPLAINT_MAX = 1000 };

const char play_configuration[] =
    "[listener smtp]\nbind = 127.0.0.1:25\nbackend = mta\n"
    "[listener imap]\nbind = 127.0.0.1:143\nbackend = mailboxes\n"
    "[listener pop3]\nbind = 127.0.0.1:110\nbackend = drops\n"
    "[listener imaps]\nbind = 127.0.0.1:993\nbackend = mailboxes\n"
    "[listener plain]\nbind = 127.0.0.1:144\nprotocol = imap\ntls = none\nbackend = mailboxes\n"
    "[listener sieve]\nbind = 127.0.0.1:4190\nbackend = scripts\n"
    "[backend mta]\nserver = 127.0.0.1:2525\n"
    "[backend mailboxes]\nserver = a 127.0.0.1:1143\nserver = b 127.0.0.1:1144\n"
    "[backend drops]\nserver = 127.0.0.1:1110\n"
    "[backend scripts]\nserver = 127.0.0.1:4199\n";

static const struct play_step smtp_steps[] = {
    {PLAY_SERVER_SAYS, "220-old.example ESMTP\r\n220 ready\r\n"},
    {PLAY_CLIENT_HEARS, "220-old.example ESMTP\r\n220 ready\r\n"},
    {PLAY_CLIENT_SAYS, "EHLO c.example\r\n"},
    {PLAY_SERVER_HEARS, "EHLO c.example\r\n"},
    {PLAY_SERVER_SAYS, "250-old.example\r\n250-STARTTLS\r\n250-PIPELINING\r\n250 SIZE 1000\r\n"},
    {PLAY_CLIENT_HEARS, "250-old.example\r\n250-STARTTLS\r\n250-PIPELINING\r\n250 SIZE 1000\r\n"},
    {PLAY_CLIENT_SAYS, "STARTTLS\r\n"},
    {PLAY_CLIENT_HEARS, "220 2.0.0 Ready to start TLS\r\n"},
    {PLAY_START_TLS, NULL},
    {PLAY_CLIENT_SAYS, "EHLO c.example\r\n"},
    {PLAY_SERVER_HEARS, "EHLO c.example\r\n"},
    {PLAY_SERVER_SAYS, "250-old.example\r\n250-STARTTLS\r\n250 PIPELINING\r\n"},
    {PLAY_CLIENT_HEARS, "250-old.example\r\n250 PIPELINING\r\n"},
    {PLAY_CLIENT_SAYS, "MAIL FROM:<a@c.example>\r\nRCPT TO:<b@old.example>\r\nDATA\r\n"},
    {PLAY_SERVER_HEARS, "MAIL FROM:<a@c.example>\r\nRCPT TO:<b@old.example>\r\nDATA\r\n"},
    {PLAY_SERVER_SAYS, "250 ok\r\n250 ok\r\n354 go\r\n"},
    {PLAY_CLIENT_HEARS, "250 ok\r\n250 ok\r\n354 go\r\n"},
    {PLAY_CLIENT_SAYS, "Subject: x\r\n\r\n..dots\r\nQUIT\r\nno end"},
    {PLAY_CLIENT_SAYS, " yet\r\n.\r\n"},
    {PLAY_SERVER_HEARS, "Subject: x\r\n\r\n..dots\r\nQUIT\r\nno end yet\r\n.\r\n"},
    {PLAY_SERVER_SAYS, "250 2.0.0 queued\r\n"},
    {PLAY_CLIENT_HEARS, "250 2.0.0 queued\r\n"},
    {PLAY_CLIENT_SAYS, "QUIT\r\n"},
    {PLAY_SERVER_HEARS, "QUIT\r\n"},
    {PLAY_SERVER_SAYS, "221 bye\r\n"},
    {PLAY_CLIENT_HEARS, "221 bye\r\n"},
    {PLAY_END, NULL},
};

#define IMAP_LOGIN_STEPS                                                                           \
    {PLAY_CLIENT_SAYS, "b LOGIN alice {6}\r\n"}, {PLAY_SERVER_HEARS, "b LOGIN alice {6}\r\n"},     \
        {PLAY_SERVER_SAYS, "+ go on\r\n"}, {PLAY_CLIENT_HEARS, "+ go on\r\n"},                     \
        {PLAY_CLIENT_SAYS, "secret\r\n"}, {PLAY_SERVER_HEARS, "secret\r\n"},                       \
        {PLAY_SERVER_SAYS, "* CAPABILITY IMAP4rev1 IDLE\r\nb OK in\r\n* 1 EXISTS\r\n"},            \
        {PLAY_CLIENT_HEARS, "* CAPABILITY IMAP4rev1 IDLE\r\nb OK in\r\n* 1 EXISTS\r\n"},           \
        {PLAY_CLIENT_SAYS, "c STARTTLS\r\nd "}, {PLAY_SERVER_HEARS, "c STARTTLS\r\nd "},           \
        {PLAY_SERVER_SAYS, "c BAD no\r\n+ idling"}, {PLAY_CLIENT_HEARS, "c BAD no\r\n+ idling"},   \
        {PLAY_CLIENT_SAYS, "\n\r\n\rx"}, {PLAY_SERVER_HEARS, "\n\r\n\rx"}, {PLAY_END, NULL},

static const struct play_step imap_steps[] = {
    {PLAY_SERVER_SAYS, "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n"},
    {PLAY_CLIENT_HEARS, "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready\r\n"},
    {PLAY_CLIENT_SAYS, "a STARTTLS\r\n"}, {PLAY_CLIENT_HEARS, "a OK Begin TLS negotiation now\r\n"},
    {PLAY_START_TLS, NULL}, IMAP_LOGIN_STEPS};

static const struct play_step imaps_steps[] = {{PLAY_START_TLS, NULL},
    {PLAY_SERVER_SAYS, "* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] ready\r\n"},
    {PLAY_CLIENT_HEARS, "* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n"}, IMAP_LOGIN_STEPS};

static const struct play_step plain_steps[] = {
    {PLAY_SERVER_SAYS, "* OK ready\r\n"}, {PLAY_CLIENT_HEARS, "* OK ready\r\n"}, IMAP_LOGIN_STEPS};

static const struct play_step pop3_steps[] = {
    {PLAY_SERVER_SAYS, "+OK ready\r\n"},
    {PLAY_CLIENT_HEARS, "+OK ready\r\n"},
    {PLAY_CLIENT_SAYS, "CAPA\r\n"},
    {PLAY_SERVER_HEARS, "CAPA\r\n"},
    {PLAY_SERVER_SAYS, "+OK\r\nTOP\r\nUSER\r\n.\r\n"},
    {PLAY_CLIENT_HEARS, "+OK\r\nTOP\r\nSTLS\r\n.\r\n"},
    {PLAY_CLIENT_SAYS, "STLS\r\n"},
    {PLAY_CLIENT_HEARS, "+OK Begin TLS negotiation\r\n"},
    {PLAY_START_TLS, NULL},
    {PLAY_CLIENT_SAYS, "USER alice\r\nPASS secret\r\nSTAT\r\n"},
    {PLAY_SERVER_HEARS, "USER alice\r\n"},
    {PLAY_SERVER_SAYS, "+OK\r\n"},
    {PLAY_CLIENT_HEARS, "+OK\r\n"},
    {PLAY_SERVER_HEARS, "PASS secret\r\n"},
    {PLAY_SERVER_SAYS, "+OK in\r\n"},
    {PLAY_CLIENT_HEARS, "+OK in\r\n"},
    {PLAY_SERVER_HEARS, "STAT\r\n"},
    {PLAY_SERVER_SAYS, "+OK 1 2\r\n"},
    {PLAY_CLIENT_HEARS, "+OK 1 2\r\n"},
    {PLAY_END, NULL},
};

static const struct play_step managesieve_steps[] = {
    {PLAY_SERVER_SAYS, "\"SASL\" \"PLAIN\"\r\nOK\r\n"},
    {PLAY_CLIENT_HEARS, "\"SASL\" \"\"\r\n\"STARTTLS\"\r\nOK\r\n"},
    {PLAY_CLIENT_SAYS, "STARTTLS\r\n"},
    {PLAY_CLIENT_HEARS, "OK \"Begin TLS negotiation now\"\r\n"},
    {PLAY_START_TLS, NULL},
    {PLAY_SERVER_HEARS, "CAPABILITY\r\n"},
    {PLAY_SERVER_SAYS, "\"SASL\" {5}\r\nPLAIN\r\n\"STARTTLS\"\r\nOK\r\n"},
    {PLAY_CLIENT_HEARS, "\"SASL\" {5}\r\nPLAIN\r\nOK\r\n"},
    {PLAY_CLIENT_SAYS, "AUTHENTICATE \"PLAIN\" {8+}\r\nAGEAYg==\r\nLISTSCRIPTS\r\n"},
    {PLAY_SERVER_HEARS, "AUTHENTICATE \"PLAIN\" \"AGEAYg==\"\r\n"},
    {PLAY_SERVER_SAYS, "OK\r\n"},
    {PLAY_CLIENT_HEARS, "OK\r\n"},
    {PLAY_SERVER_HEARS, "LISTSCRIPTS\r\n"},
    {PLAY_SERVER_SAYS, "\"x\"\r\nOK\r\n"},
    {PLAY_CLIENT_HEARS, "\"x\"\r\nOK\r\n"},
    {PLAY_END, NULL},
};

const struct play plays[] = {
    [PLAY_SMTP] = {"smtp", 0, smtp_steps},
    [PLAY_IMAP] = {"imap", 1, imap_steps},
    [PLAY_POP3] = {"pop3", 2, pop3_steps},
    [PLAY_IMAPS] = {"imaps", 3, imaps_steps},
    [PLAY_PLAIN_IMAP] = {"plain imap", 4, plain_steps},
    [PLAY_MANAGESIEVE] = {"managesieve", 5, managesieve_steps},
};

size_t play_length(const struct play *play)
{
    size_t n = 0;

    while (play->steps[n].kind != PLAY_END)
        n++;
    return n;
}

static char complaint[COMPLAINT_MAX];

static const char *complain(const struct play *play, size_t at, const char *what, struct slice got)
{
    const char *text = play->steps[at].text;

    (void)snprintf(complaint, sizeof(complaint), "%s, step %zu: %s; wanted: %s; got: %.*s",
        play->name, at, what, text ? text : "", (int)(got.n < 400 ? got.n : 400), got.p);
    return complaint;
}

static const char *hear(
    struct session_bench *bench, const struct play *play, size_t at, enum bench_leg leg)
{
    struct slice got = session_bench_heard(bench, leg);

    if (!slice_equal(got, slice_from(play->steps[at].text)))
        return complain(
            play, at, leg == BENCH_CLIENT ? "the client heard" : "the server heard", got);
    bench->heard[leg].n = 0;
    return NULL;
}

static const char *do_step(struct session_bench *bench, const struct play *play, size_t at)
{
    struct slice text = slice_from(play->steps[at].text);

    switch (play->steps[at].kind) {
    case PLAY_CLIENT_SAYS:
        session_bench_say(bench, BENCH_CLIENT, text);
        break;
    case PLAY_SERVER_SAYS:
        session_bench_say(bench, BENCH_SERVER, text);
        break;
    case PLAY_CLIENT_HEARS:
        return hear(bench, play, at, BENCH_CLIENT);
    case PLAY_SERVER_HEARS:
        return hear(bench, play, at, BENCH_SERVER);
    case PLAY_START_TLS:
        if (!bench->has_tls)
            session_bench_start_tls(bench);
        break;
    case PLAY_END:
        return NULL;
    }
    if (!session_bench_run(bench))
        return complain(play, at, "it spins", slice_of("", 0));
    if (play->steps[at].kind == PLAY_START_TLS && !bench->tls.is_up)
        return complain(play, at, "no TLS", slice_of("", 0));
    return NULL;
}

const char *play_steps(struct session_bench *bench, const struct play *play, size_t n)
{
    const char *wrong = NULL;

    if (!session_bench_run(bench))
        return complain(play, 0, "it spins at once", slice_of("", 0));
    for (size_t i = 0; i < n && !wrong; i++)
        wrong = do_step(bench, play, i);
    return wrong;
}

const char *play_whole(struct session_bench *bench, const struct play *play)
{
    session_bench_begin(bench, play->listener);
    return play_steps(bench, play, play_length(play));
}
