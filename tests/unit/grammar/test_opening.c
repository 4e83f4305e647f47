/* Opening a connection as a client: every answer that a server, or somebody in between, may give;
 * each whole and cut in two at every offset. */
#include "mailmux/opening.h"

#include "mailmux/protocols.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { REPLIES_MAX = 10, MEMORY = 128 * 1024 };

/* Stands among the replies where TLS must be asked for; what follows is said inside it. */
static const char tls[] = "TLS";

struct conversation {
    const struct protocol *protocol;
    struct opening_plan plan; /* the common parts are filled in */
    struct opening_client client;
    const char *replies[REPLIES_MAX]; /* the next one comes when all before was used */
    bool quits;                       /* a goodbye follows READY, and the rest answers it */
    const char *sent;
    enum opening_failure failure; /* FINE: it must become READY */
    const char *capabilities;     /* NULL: not looked at */
    unsigned offers;              /* that must be there */
};

struct run {
    struct opening opening;
    struct opening_plan plan;
    struct buffer in;
    struct buffer out;
    struct buffer capabilities;
    char in_memory[MEMORY];
    char out_memory[MEMORY];
    char capability_memory[512];
    size_t fed;
    bool asked_for_tls;
    bool saw_greeting;
    enum opening_next last;
};

/* Feeds until it wants more or is over. */
static void pump(struct run *run)
{
    do {
        size_t before = buffer_held(&run->out).n;
        struct slice in = buffer_held(&run->in);
        struct opening_turn turn = opening_feed(&run->opening, in, &run->out);

        assert_true(turn.used <= in.n);
        assert_true(buffer_held(&run->out).n - before <= OPENING_TEXT_MAX);
        if (turn.next == OPENING_MORE)
            assert_int_equal(turn.used, 0);
        run->saw_greeting = run->saw_greeting || turn.is_greeting;
        run->last = turn.next;
        buffer_consume(&run->in, turn.used);
        if (turn.next == OPENING_START_TLS)
            run->asked_for_tls = true;
    } while (run->last == OPENING_GO_ON);
}

static void feed(struct run *run, const char *text, size_t split)
{
    struct slice rest = slice_from(text);
    size_t first = split > run->fed && split < run->fed + rest.n ? split - run->fed : rest.n;

    run->fed += rest.n;
    assert_true(buffer_append(&run->in, slice_of(rest.p, first)));
    pump(run);
    rest = slice_after(rest, first);
    if (rest.n > 0 && run->last == OPENING_MORE) {
        assert_true(buffer_append(&run->in, rest));
        pump(run);
    }
}

static void begin(struct run *run, const struct conversation *conversation)
{
    buffer_init(&run->in, run->in_memory, MEMORY);
    buffer_init(&run->out, run->out_memory, MEMORY);
    buffer_init(&run->capabilities, run->capability_memory, sizeof(run->capability_memory));
    run->fed = 0;
    run->asked_for_tls = false;
    run->saw_greeting = false;
    run->last = OPENING_MORE;
    run->plan = conversation->plan;
    run->plan.protocol = conversation->protocol;
    run->plan.hostname = SLICE("mux.example");
    run->plan.reply = 2000;
    run->plan.reply_lines = 16;
    opening_init(&run->opening, &run->plan, &conversation->client, &run->capabilities);
}

/* How many octets the server says. */
static size_t play(struct run *run, const struct conversation *conversation, size_t split)
{
    bool quit = false;

    begin(run, conversation);
    for (size_t i = 0; i < REPLIES_MAX && conversation->replies[i]; i++) {
        if (conversation->replies[i] == tls) {
            assert_int_equal(run->last, OPENING_START_TLS);
            assert_int_equal(buffer_held(&run->in).n, 0);
            opening_tls_started(&run->opening, &run->out);
            continue;
        }
        if (run->last == OPENING_READY && conversation->quits && !quit) {
            opening_quit(&run->opening, &run->out);
            quit = true;
        }
        feed(run, conversation->replies[i], split);
    }
    assert_int_equal(quit, conversation->quits);
    return run->fed;
}

static void check(const struct run *run, const struct conversation *conversation, size_t split)
{
    struct slice sent = buffer_held(&run->out);
    bool fine = conversation->failure == OPENING_FINE;

    if (!slice_equal(sent, slice_from(conversation->sent)))
        print_error("split %zu: sent %.*s\n", split, (int)sent.n, sent.p);
    assert_true(slice_equal(sent, slice_from(conversation->sent)));
    if (run->opening.failure != conversation->failure)
        print_error("split %zu: %s\n", split, opening_verdict(run->opening.failure)->text);
    assert_int_equal(run->opening.failure, conversation->failure);
    assert_int_equal(run->last, fine ? OPENING_READY : OPENING_FAILED);
    assert_true(run->saw_greeting || !fine);
    assert_int_equal(run->opening.offers & conversation->offers, conversation->offers);
    if (conversation->capabilities)
        assert_true(
            slice_equal(buffer_held(&run->capabilities), slice_from(conversation->capabilities)));
}

static void check_conversations(const struct conversation *conversations, size_t count)
{
    static struct run run;

    for (size_t i = 0; i < count; i++) {
        size_t all = play(&run, &conversations[i], SIZE_MAX);

        check(&run, &conversations[i], 0);
        if (conversations[i].failure == OPENING_INJECTED)
            continue; /* cut behind the answer line, the rest goes to TLS: see below */
        for (size_t split = 1; split < all; split++) {
            (void)play(&run, &conversations[i], split);
            check(&run, &conversations[i], split);
        }
    }
}

#define CHECK(rows) check_conversations(rows, sizeof(rows) / sizeof(*(rows)))
#define SMTP .protocol = &protocol_smtp
#define LMTP .protocol = &protocol_lmtp
#define IMAP .protocol = &protocol_imap
#define POP3 .protocol = &protocol_pop3
#define SIEVE .protocol = &protocol_managesieve
#define PLAIN .plan = {.goal = OPENING_SESSION}
#define STARTTLS .plan = {.goal = OPENING_SESSION, .starttls = true}
#define GREETS_SMTP "220 old.example ESMTP\r\n"
#define OFFERS_SMTP "250-old.example\r\n250-SIZE 1000\r\n250 STARTTLS\r\n"
#define HELLO_SMTP "EHLO mux.example\r\n"
#define CAPABLE(tag, words) "* CAPABILITY IMAP4rev1 " words "\r\n" tag " OK done\r\n"
#define CAPA(words) "+OK list\r\n" words ".\r\n"
#define SIEVES(words) "\"IMPLEMENTATION\" \"x\"\r\n" words "OK \"ready\"\r\n"
#define STARTS "\"STARTTLS\"\r\n"

static void plain(void **state)
{
    static const struct conversation rows[] = {
        {SMTP, PLAIN, .replies = {GREETS_SMTP}, .sent = ""},
        {SMTP, PLAIN, .replies = {"220-old.example\r\n220-\r\n220 ready\r\n"}, .sent = ""},
        {LMTP, PLAIN, .replies = {"220 old.example LMTP\r\n"}, .sent = ""},
        {LMTP, PLAIN, .replies = {"421 no\r\n"}, .sent = "", .failure = OPENING_GREETING_REFUSED},
        {LMTP, PLAIN, .replies = {"+OK no\r\n"}, .sent = "", .failure = OPENING_WRONG_PROTOCOL},
        {IMAP, PLAIN, .replies = {"* OK [CAPABILITY IMAP4rev1] ready\r\n"}, .sent = ""},
        {IMAP, PLAIN, .replies = {"* PREAUTH welcome\r\n"}, .sent = ""},
        {POP3, PLAIN, .replies = {"+OK ready <1.2@x>\r\n"}, .sent = ""},
        {SMTP, PLAIN, .replies = {"554 no\r\n"}, .sent = "", .failure = OPENING_GREETING_REFUSED},
        {SMTP, PLAIN, .replies = {"521 no\r\n"}, .sent = "", .failure = OPENING_GREETING_REFUSED},
        {SMTP, PLAIN, .replies = {"450 no\r\n"}, .sent = "", .failure = OPENING_GREETING_REFUSED},
        {SMTP, PLAIN, .replies = {"250 no\r\n"}, .sent = "", .failure = OPENING_WRONG_PROTOCOL},
        {IMAP, PLAIN, .replies = {"* NO no\r\n"}, .sent = "", .failure = OPENING_GREETING_REFUSED},
        {IMAP, PLAIN, .replies = {"* BYE no\r\n"}, .sent = "", .failure = OPENING_GREETING_REFUSED},
        {POP3, PLAIN, .replies = {"-ERR no\r\n"}, .sent = "", .failure = OPENING_GREETING_REFUSED},
        {SMTP, PLAIN, .replies = {"* OK no\r\n"}, .sent = "", .failure = OPENING_WRONG_PROTOCOL},
        {IMAP, PLAIN, .replies = {"220 no\r\n"}, .sent = "", .failure = OPENING_WRONG_PROTOCOL},
        {POP3, PLAIN, .replies = {"220 no\r\n"}, .sent = "", .failure = OPENING_WRONG_PROTOCOL},
        {SIEVE, PLAIN, .replies = {"\"SASL\" {5}\r\nPLAIN\r\nOK\r\n"}, .sent = "",
            .offers = OPENING_OFFERS_PASSWORDS},
        {SIEVE, PLAIN, .replies = {"OK {2}\r\n\r\n\r\n"}, .sent = ""},
        {SIEVE, PLAIN, .replies = {"BYE \"no\"\r\n"}, .sent = "",
            .failure = OPENING_GREETING_REFUSED},
        {SIEVE, PLAIN, .replies = {"\"SASL\" \"\"\r\nNO\r\n"}, .sent = "",
            .failure = OPENING_GREETING_REFUSED},
        {SIEVE, PLAIN, .replies = {"+OK ready\r\n"}, .sent = "", .failure = OPENING_WRONG_PROTOCOL},
        {SIEVE, PLAIN, .replies = {"\"A\" \"B\" \"C\"\r\n"}, .sent = "",
            .failure = OPENING_WRONG_PROTOCOL},
    };

    (void)state;
    CHECK(rows);
}

/* What a server in good order does, and what is asked again behind TLS (C75). */
static void starttls(void **state)
{
    static const struct conversation rows[] = {
        {SMTP, STARTTLS,
            .replies = {GREETS_SMTP, OFFERS_SMTP, "220 2.0.0 go\r\n", tls,
                "250-old.example\r\n250 AUTH PLAIN SCRAM-SHA-256-PLUS\r\n"},
            .sent = HELLO_SMTP "STARTTLS\r\n" HELLO_SMTP,
            .capabilities = "AUTH PLAIN SCRAM-SHA-256-PLUS\n", .offers = OPENING_OFFERS_PLUS},
        {LMTP, STARTTLS,
            .replies = {"220 old.example LMTP\r\n", OFFERS_SMTP, "220 2.0.0 go\r\n", tls,
                "250-old.example\r\n250 PIPELINING\r\n"},
            .sent = "LHLO mux.example\r\nSTARTTLS\r\nLHLO mux.example\r\n",
            .capabilities = "PIPELINING\n"},
        {LMTP, STARTTLS, /* SMTP is spoken there */
            .replies = {GREETS_SMTP, "500 5.5.1 what?\r\n"}, .sent = "LHLO mux.example\r\n",
            .failure = OPENING_HELLO_REFUSED},
        {SMTP, STARTTLS, /* keywords are case-blind, and lines may end with LF alone */
            .replies = {GREETS_SMTP, "250-old\n250 startTLS \n", "220-a\r\n220 b\r\n", tls,
                "250 old.example\r\n"},
            .sent = HELLO_SMTP "STARTTLS\r\n" HELLO_SMTP, .capabilities = ""},
        {IMAP, STARTTLS,
            .replies = {"* OK [CAPABILITY IMAP4rev1] ready\r\n", CAPABLE("m1", "STARTTLS"),
                "m2 OK begin\r\n", tls, CAPABLE("m3", "AUTH=SCRAM-SHA-1-PLUS")},
            .sent = "m1 CAPABILITY\r\nm2 STARTTLS\r\nm3 CAPABILITY\r\n",
            .capabilities = "IMAP4rev1\nAUTH=SCRAM-SHA-1-PLUS\n", .offers = OPENING_OFFERS_PLUS},
        {IMAP, STARTTLS, /* data that nobody asked for leaves no trace (A8) */
            .replies = {"* OK [ALERT] call 555\r\n",
                "* FLAGS (\\Flagged)\r\n* OK [REFERRAL imap://evil/] x\r\n" CAPABLE(
                    "m1", "STARTTLS"),
                "* LIST () \"/\" {12}\r\nm2 OK x\r\nab\r\n* LIST () \"/\" x\r\nm2 OK begin\r\n",
                tls, CAPABLE("m3", "ID")},
            .sent = "m1 CAPABILITY\r\nm2 STARTTLS\r\nm3 CAPABILITY\r\n",
            .capabilities = "IMAP4rev1\nID\n"},
        {POP3, STARTTLS,
            .replies = {"+OK ready <1.2@x>\r\n", CAPA("TOP\r\nSTLS\r\n"), "+OK begin\r\n", tls,
                CAPA("TOP\r\nSASL PLAIN SCRAM-SHA-1-PLUS\r\n")},
            .sent = "CAPA\r\nSTLS\r\nCAPA\r\n",
            .capabilities = "TOP\nSASL PLAIN SCRAM-SHA-1-PLUS\n", .offers = OPENING_OFFERS_PLUS},
        {SIEVE, STARTTLS, /* it greets again inside TLS, unasked */
            .replies = {SIEVES(STARTS), SIEVES(STARTS "\"SASL\" \"CLEAR\"\r\n"), "ok\r\n", tls,
                SIEVES("{4}\r\nSASL \"PLAIN X-PLUS\"\r\n")},
            .sent = "CAPABILITY\r\nSTARTTLS\r\n",
            .capabilities = "IMPLEMENTATION x\nSASL PLAIN X-PLUS\n", .offers = OPENING_OFFERS_PLUS},
    };

    (void)state;
    CHECK(rows);
}

/* What the dialog reads in one way only is no fault of a server here, either. */
static void odd_answers(void **state)
{
    static const struct conversation rows[] = {
        {SMTP, STARTTLS,
            .replies = {GREETS_SMTP, "\r\n250-old\r\nSTARTTLS\r\n250\tID\r\n\n", "220 go\r\n", tls,
                "\r\r\n250 old.example\r\n"},
            .sent = HELLO_SMTP "STARTTLS\r\n" HELLO_SMTP, .capabilities = ""},
        {IMAP, STARTTLS,
            .replies = {"* OK ready\r\n", "\r\n* CAPABILITY STARTTLS\r\n\r\nM1 ok. Done\r\n",
                "\r\nM2 OK begin\r\n", tls, CAPABLE("m3", "ID")},
            .sent = "m1 CAPABILITY\r\nm2 STARTTLS\r\nm3 CAPABILITY\r\n",
            .capabilities = "IMAP4rev1\nID\n"},
        {POP3, STARTTLS,
            .replies = {"+OK ready\r\n", "\r\n" CAPA("STLS\r\n"), "\r\n+OK begin\r\n", tls,
                CAPA("TOP\r\n")},
            .sent = "CAPA\r\nSTLS\r\nCAPA\r\n", .capabilities = "TOP\n"},
    };

    (void)state;
    CHECK(rows);
}

#define FAILS_SMTP(why, ...)                                                                       \
    {                                                                                              \
        SMTP, STARTTLS, .replies = {GREETS_SMTP, __VA_ARGS__}, .sent = HELLO_SMTP, .failure = why  \
    }
#define REFUSES_SMTP(why, answer)                                                                  \
    {                                                                                              \
        SMTP, STARTTLS, .replies = {GREETS_SMTP, OFFERS_SMTP, answer},                             \
                        .sent = HELLO_SMTP "STARTTLS\r\n", .failure = why                          \
    }

/* C72, attack A7: STARTTLS is not offered, refused, or answered by something else. */
static void smtp_fails_closed(void **state)
{
    static const struct conversation rows[] = {
        FAILS_SMTP(OPENING_NO_STARTTLS, "250-old.example\r\n250 SIZE 1000\r\n"),
        FAILS_SMTP(OPENING_NO_STARTTLS, "250 STARTTLS\r\n"), /* a domain, no keyword */
        FAILS_SMTP(OPENING_NO_STARTTLS, "250-old\r\n250 STARTTLSX\r\n"),
        FAILS_SMTP(OPENING_HELLO_REFUSED, "502 what?\r\n"),
        FAILS_SMTP(OPENING_HELLO_REFUSED, "454 later\r\n"),
        FAILS_SMTP(OPENING_STRANGE_ANSWER, "354 go on\r\n"),
        FAILS_SMTP(OPENING_FAREWELL, "421 bye\r\n"),
        FAILS_SMTP(OPENING_WRONG_PROTOCOL, "* OK STARTTLS\r\n"),
        FAILS_SMTP(OPENING_STRANGE_ANSWER, "250-a\r\n251 STARTTLS\r\n"),
        FAILS_SMTP(OPENING_TOO_LARGE,
            "250-a\r\n250-b\r\n250-c\r\n250-d\r\n250-e\r\n250-f\r\n250-g\r\n250-h\r\n250-i\r\n"
            "250-j\r\n250-k\r\n250-l\r\n250-m\r\n250-n\r\n250-o\r\n250-p\r\n250 q\r\n"),
        {SMTP, STARTTLS, /* a greeting of 17 lines (C52) */
            .replies = {"220-a\r\n220-b\r\n220-c\r\n220-d\r\n220-e\r\n220-f\r\n220-g\r\n"
                        "220-h\r\n220-i\r\n220-j\r\n220-k\r\n220-l\r\n220-m\r\n220-n\r\n"
                        "220-o\r\n220-p\r\n220 q\r\n"},
            .sent = "", .failure = OPENING_TOO_LARGE},
        REFUSES_SMTP(OPENING_STARTTLS_REFUSED, "454 4.7.0 no\r\n"),
        REFUSES_SMTP(OPENING_STARTTLS_REFUSED, "502 what?\r\n"),
        REFUSES_SMTP(OPENING_STRANGE_ANSWER, "354 x\r\n"),
        REFUSES_SMTP(OPENING_STRANGE_ANSWER, "250 x\r\n"),
        REFUSES_SMTP(OPENING_FAREWELL, "421 bye\r\n"),
        REFUSES_SMTP(OPENING_WRONG_PROTOCOL, "go\r\n"),
        {SMTP, STARTTLS, .replies = {"421 busy\r\n"}, .sent = "",
            .failure = OPENING_GREETING_REFUSED},
        {SMTP, STARTTLS, /* what was offered in clear is forgotten, and a server may say no to TLS
                          */
            .replies = {GREETS_SMTP, OFFERS_SMTP, "220 go\r\n", tls, "421 not with you\r\n"},
            .sent = HELLO_SMTP "STARTTLS\r\n" HELLO_SMTP, .failure = OPENING_FAREWELL},
    };

    (void)state;
    CHECK(rows);
}

#define FAILS_IMAP(why, answer)                                                                    \
    {                                                                                              \
        IMAP, STARTTLS, .replies = {"* OK ready\r\n", answer}, .sent = "m1 CAPABILITY\r\n",        \
                        .failure = why                                                             \
    }
#define REFUSES_IMAP(why, answer)                                                                  \
    {                                                                                              \
        IMAP, STARTTLS, .replies = {"* OK ready\r\n", CAPABLE("m1", "STARTTLS"), answer},          \
                        .sent = "m1 CAPABILITY\r\nm2 STARTTLS\r\n", .failure = why                 \
    }

/* The same for IMAP, with the greetings and farewells of attack A8. */
static void imap_fails_closed(void **state)
{
    static const struct conversation rows[] = {
        FAILS_IMAP(OPENING_NO_STARTTLS, CAPABLE("m1", "ID")),
        FAILS_IMAP(OPENING_NO_STARTTLS, "m1 OK none at all\r\n"),
        FAILS_IMAP(OPENING_NO_STARTTLS, CAPABLE("m1", "STARTTLSX XSTARTTLS")),
        FAILS_IMAP(OPENING_HELLO_REFUSED, "m1 BAD what?\r\n"),
        FAILS_IMAP(OPENING_STRANGE_ANSWER, "+ go on\r\n"),
        FAILS_IMAP(OPENING_FAREWELL, "* BYE [REFERRAL imap://evil/] x\r\n"),
        FAILS_IMAP(OPENING_WRONG_PROTOCOL, "m2 OK too early\r\n"),
        FAILS_IMAP(OPENING_WRONG_PROTOCOL, "* PREAUTH welcome\r\n"),
        FAILS_IMAP(OPENING_WRONG_PROTOCOL, "250 old\r\n"),
        FAILS_IMAP(OPENING_NO_STARTTLS, "\r\n\nm1 OK blank lines say nothing\r\n"),
        FAILS_IMAP(OPENING_FAREWELL, "* BYE[UNAVAILABLE] x\r\n"),
        FAILS_IMAP(OPENING_WRONG_PROTOCOL, "* PREAUTH[CAPABILITY IMAP4rev1] x\r\n"),
        FAILS_IMAP(OPENING_TOO_LARGE, "* LIST {99999999999999999999}\r\n"),
        FAILS_IMAP(OPENING_TOO_LARGE,
            "* 1\r\n* 2\r\n* 3\r\n* 4\r\n* 5\r\n* 6\r\n* 7\r\n* 8\r\n* 9\r\n* 10\r\n* 11\r\n"
            "* 12\r\n* 13\r\n* 14\r\n* 15\r\n* 16\r\n* 17\r\n"),
        REFUSES_IMAP(OPENING_STARTTLS_REFUSED, "m2 BAD no\r\n"),
        REFUSES_IMAP(OPENING_STARTTLS_REFUSED, "m2 NO no\r\n"),
        REFUSES_IMAP(OPENING_STRANGE_ANSWER, "+ go on\r\n"),
        REFUSES_IMAP(OPENING_FAREWELL, "* BYE bye\r\n"),
        REFUSES_IMAP(OPENING_WRONG_PROTOCOL, "m1 OK again\r\n"),
        REFUSES_IMAP(OPENING_WRONG_PROTOCOL, "m2 PREAUTH x\r\n"),
        {IMAP, STARTTLS, .replies = {"* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] x\r\n"}, .sent = "",
            .failure = OPENING_PREAUTHENTICATED},
        {IMAP, STARTTLS, .replies = {"* BYE [REFERRAL imap://evil/] x\r\n"}, .sent = "",
            .failure = OPENING_GREETING_REFUSED},
    };

    (void)state;
    CHECK(rows);
}

#define FAILS_POP3(why, answer)                                                                    \
    {                                                                                              \
        POP3, STARTTLS, .replies = {"+OK ready\r\n", answer}, .sent = "CAPA\r\n", .failure = why   \
    }
#define REFUSES_POP3(why, answer)                                                                  \
    {                                                                                              \
        POP3, STARTTLS, .replies = {"+OK ready\r\n", CAPA("STLS\r\n"), answer},                    \
                        .sent = "CAPA\r\nSTLS\r\n", .failure = why                                 \
    }

static void pop3_fails_closed(void **state)
{
    static const struct conversation rows[] = {
        FAILS_POP3(OPENING_NO_STARTTLS, CAPA("TOP\r\nSTLSX\r\n")),
        FAILS_POP3(OPENING_NO_STARTTLS, CAPA("")),
        FAILS_POP3(OPENING_HELLO_REFUSED, "-ERR what?\r\n"),
        FAILS_POP3(OPENING_STRANGE_ANSWER, "+ go on\r\n"),
        FAILS_POP3(OPENING_WRONG_PROTOCOL, "250 old\r\n"),
        FAILS_POP3(OPENING_TOO_LARGE, "\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n\n"),
        REFUSES_POP3(OPENING_STARTTLS_REFUSED, "-ERR no\r\n"),
        REFUSES_POP3(OPENING_STRANGE_ANSWER, "+ go on\r\n"),
        REFUSES_POP3(OPENING_WRONG_PROTOCOL, "OK\r\n"),
        {POP3, STARTTLS, .replies = {"-ERR busy\r\n"}, .sent = "",
            .failure = OPENING_GREETING_REFUSED},
    };

    (void)state;
    CHECK(rows);
}

#define FAILS_SIEVE(why, answer)                                                                   \
    {                                                                                              \
        SIEVE, STARTTLS, .replies = {"OK\r\n", answer}, .sent = "CAPABILITY\r\n", .failure = why   \
    }
#define REFUSES_SIEVE(why, answer)                                                                 \
    {                                                                                              \
        SIEVE, STARTTLS, .replies = {"OK\r\n", SIEVES(STARTS), answer},                            \
                         .sent = "CAPABILITY\r\nSTARTTLS\r\n", .failure = why                      \
    }

static void managesieve_fails_closed(void **state)
{
    static const struct conversation rows[] = {
        FAILS_SIEVE(OPENING_NO_STARTTLS, SIEVES("\"STARTTLSX\"\r\n")),
        FAILS_SIEVE(OPENING_NO_STARTTLS, SIEVES("\"SIEVE\" \"STARTTLS\"\r\n")),
        FAILS_SIEVE(OPENING_HELLO_REFUSED, "NO \"what?\"\r\n"),
        FAILS_SIEVE(OPENING_FAREWELL, "BYE\r\n"),
        FAILS_SIEVE(OPENING_WRONG_PROTOCOL, "250 old\r\n"),
        FAILS_SIEVE(OPENING_TOO_LARGE, "\"SIEVE\" {99999999}\r\n"),
        REFUSES_SIEVE(OPENING_STARTTLS_REFUSED, "NO (TRYLATER)\r\n"),
        REFUSES_SIEVE(OPENING_STRANGE_ANSWER, "\"words\"\r\n"),
        REFUSES_SIEVE(OPENING_WRONG_PROTOCOL, "+OK\r\n"),
        REFUSES_SIEVE(OPENING_INJECTED, "OK\r\nOK\r\n"),
        {SIEVE, STARTTLS, .replies = {"OK\r\n", SIEVES(STARTS), "OK\r\n", tls, "BYE \"full\"\r\n"},
            .sent = "CAPABILITY\r\nSTARTTLS\r\n", .failure = OPENING_GREETING_REFUSED},
    };

    (void)state;
    CHECK(rows);
}

/* C73, attack A5: bytes in clear behind the answer to STARTTLS, in the same input. */
static void injection(void **state)
{
    static const struct conversation rows[] = {
        REFUSES_SMTP(OPENING_INJECTED, "220 go\r\n250-injected\r\n250 AUTH LOGIN\r\n"),
        REFUSES_SMTP(OPENING_INJECTED, "220-go\r\n220 go\r\n\n"),
        REFUSES_SMTP(OPENING_INJECTED, "220 go\r\n\x16\x03\x01"),
        REFUSES_IMAP(OPENING_INJECTED,
            "m2 OK begin\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nL OK logged in\r\n"),
        REFUSES_IMAP(OPENING_INJECTED, "* FLAGS ()\r\nm2 OK begin\r\nx"),
        REFUSES_POP3(OPENING_INJECTED, "+OK begin\r\n+OK\r\nPLAIN\r\n.\r\n"),
    };

    (void)state;
    CHECK(rows);
}

/* Cut behind the answer line, the injected bytes are never looked at: TLS gets them. */
static void injection_in_a_segment_of_its_own(void **state)
{
    static const struct conversation row =
        REFUSES_SMTP(OPENING_FINE, "220 go\r\n250-injected\r\n250 AUTH LOGIN\r\n");
    static struct run run;
    const size_t split = strlen(GREETS_SMTP) + strlen(OFFERS_SMTP) + strlen("220 go\r\n");

    (void)state;
    (void)play(&run, &row, split);
    assert_int_equal(run.last, OPENING_START_TLS);
    assert_int_equal(buffer_held(&run.in).n, 0);
    assert_true(slice_equal(buffer_held(&run.capabilities), SLICE("SIZE 1000\nSTARTTLS\n")));
    opening_tls_started(&run.opening, &run.out);
    assert_int_equal(buffer_held(&run.capabilities).n, 0); /* C75 */
    assert_int_equal(run.opening.offers, 0);
}

static struct address address(const char *ip, uint16_t port)
{
    struct address made = {0};

    if (ip[0] != '\0')
        assert_true(address_parse_ip(slice_from(ip), port, &made));
    return made;
}

static void check_identity(const struct protocol *protocol, bool with_tls, const char *source,
    const char *const replies[REPLIES_MAX], const char *sent, enum opening_failure failure)
{
    struct conversation row = {.protocol = protocol,
        .plan = {.goal = OPENING_SESSION,
            .starttls = with_tls,
            .identity = protocol == &protocol_imap ? SEND_ADDRESS_ID : SEND_ADDRESS_XCLIENT},
        .client = {.source = address(source, 4711),
            .destination = address("192.0.2.1", 25),
            .tls = with_tls,
            .session_id = SLICE("5f-1")},
        .sent = sent,
        .failure = failure};

    memcpy(row.replies, replies, sizeof(row.replies));
    check_conversations(&row, 1);
}

#define REPLIES(...) ((const char *const[REPLIES_MAX]){__VA_ARGS__})
#define XCLIENT_ALL "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT REVERSE_NAME"

/* The backend hears the true address, by the attributes that it takes, those that end trust last.
 */
static void smtp_identity(void **state)
{
    const char *offers = "250-old.example\r\n250-" XCLIENT_ALL "\r\n250 SIZE\r\n";

    (void)state;
    check_identity(&protocol_smtp, false, "198.51.100.7", REPLIES(GREETS_SMTP, offers, "220 y\r\n"),
        HELLO_SMTP "XCLIENT DESTADDR=192.0.2.1 DESTPORT=25 PORT=4711 NAME=[UNAVAILABLE] "
                   "ADDR=198.51.100.7\r\n",
        OPENING_FINE);
    check_identity(&protocol_lmtp, false, "198.51.100.7",
        REPLIES(GREETS_SMTP, "250-x\r\n250 XCLIENT ADDR PORT\r\n", "220 y\r\n"),
        "LHLO mux.example\r\nXCLIENT PORT=4711 ADDR=198.51.100.7\r\n", OPENING_FINE);
    check_identity(&protocol_smtp, false, "2001:db8::7",
        REPLIES(GREETS_SMTP, "250-x\r\n250 xclient addr bogus port\r\n", "220-y\r\n220 z\r\n"),
        HELLO_SMTP "XCLIENT PORT=4711 ADDR=IPV6:2001:db8::7\r\n", OPENING_FINE);
    check_identity(&protocol_smtp, false, "",
        REPLIES(GREETS_SMTP, "250-x\r\n250 XCLIENT PORT ADDR\r\n", "220 y\r\n"),
        HELLO_SMTP "XCLIENT PORT=[UNAVAILABLE] ADDR=[UNAVAILABLE]\r\n", OPENING_FINE);
    check_identity(&protocol_smtp, true, "198.51.100.7",
        REPLIES(GREETS_SMTP, OFFERS_SMTP, "220 go\r\n", tls, "250-x\r\n250 XCLIENT ADDR\r\n",
            "220 y\r\n"),
        HELLO_SMTP "STARTTLS\r\n" HELLO_SMTP "XCLIENT ADDR=198.51.100.7\r\n", OPENING_FINE);
    check_identity(&protocol_smtp, false, "198.51.100.7", REPLIES(GREETS_SMTP, OFFERS_SMTP),
        HELLO_SMTP, OPENING_NO_XCLIENT);
    check_identity(&protocol_smtp, false, "198.51.100.7",
        REPLIES(GREETS_SMTP, "250-x\r\n250 XCLIENT NAME\r\n"), HELLO_SMTP, OPENING_NO_XCLIENT);
    check_identity(&protocol_smtp, true, "198.51.100.7", /* offered in clear alone: not believed */
        REPLIES(GREETS_SMTP, "250-x\r\n250-XCLIENT ADDR\r\n250 STARTTLS\r\n", "220 go\r\n", tls,
            "250 x\r\n"),
        HELLO_SMTP "STARTTLS\r\n" HELLO_SMTP, OPENING_NO_XCLIENT);
    for (size_t i = 0; i < 4; i++) {
        static const struct {
            const char *answer;
            enum opening_failure failure;
        } answers[] = {{"550 5.7.0 no\r\n", OPENING_IDENTITY_REFUSED},
            {"501 syntax\r\n", OPENING_IDENTITY_REFUSED}, {"421 bye\r\n", OPENING_FAREWELL},
            {"354 x\r\n", OPENING_STRANGE_ANSWER}};

        check_identity(&protocol_smtp, false, "198.51.100.7",
            REPLIES(GREETS_SMTP, "250-x\r\n250 XCLIENT ADDR\r\n", answers[i].answer),
            HELLO_SMTP "XCLIENT ADDR=198.51.100.7\r\n", answers[i].failure);
    }
}

static void imap_identity(void **state)
{
    (void)state;
    check_identity(&protocol_imap, false, "198.51.100.7",
        REPLIES("* OK ready\r\n", "* ID (\"name\" {2}\r\nab)\r\nm1 OK done\r\n"),
        "m1 ID (\"name\" \"mailmux\" \"x-originating-ip\" \"198.51.100.7\" \"x-originating-port\" "
        "\"4711\" \"x-connected-ip\" \"192.0.2.1\" \"x-connected-port\" \"25\" \"x-session-id\" "
        "\"5f-1\" \"x-proxy-ttl\" \"6\" \"x-client-transport\" \"insecure\")\r\n",
        OPENING_FINE);
    check_identity(&protocol_imap, true, "2001:db8::7",
        REPLIES("* OK ready\r\n", CAPABLE("m1", "STARTTLS"), "m2 OK go\r\n", tls,
            CAPABLE("m3", "ID"), "* ID NIL\r\nm4 OK done\r\n"),
        "m1 CAPABILITY\r\nm2 STARTTLS\r\nm3 CAPABILITY\r\n"
        "m4 ID (\"name\" \"mailmux\" \"x-originating-ip\" \"2001:db8::7\" \"x-originating-port\" "
        "\"4711\" \"x-connected-ip\" \"192.0.2.1\" \"x-connected-port\" \"25\" \"x-session-id\" "
        "\"5f-1\" \"x-proxy-ttl\" \"6\" \"x-client-transport\" \"TLS\")\r\n",
        OPENING_FINE);
    check_identity(&protocol_imap, false, "", REPLIES("* OK ready\r\n", "m1 BAD what?\r\n"),
        "m1 ID (\"name\" \"mailmux\" \"x-connected-ip\" \"192.0.2.1\" \"x-connected-port\" \"25\" "
        "\"x-session-id\" \"5f-1\" \"x-proxy-ttl\" \"6\" \"x-client-transport\" \"insecure\")\r\n",
        OPENING_IDENTITY_REFUSED);
    check_identity(&protocol_imap, false, "", REPLIES("* PREAUTH welcome\r\n"), "", OPENING_FINE);
}

static void pop3_identity(void **state)
{
    (void)state;
    check_identity(&protocol_pop3, false, "2001:db8::7",
        REPLIES("+OK [XCLIENT] ready\r\n", "+OK Updated\r\n"),
        "XCLIENT ADDR=2001:db8::7 PORT=4711 DESTADDR=192.0.2.1 DESTPORT=25 SESSION=5f-1 TTL=6 "
        "CLIENT-TRANSPORT=insecure\r\n",
        OPENING_FINE);
    check_identity(&protocol_pop3, true, "198.51.100.7",
        REPLIES("+OK [XCLIENT] ready\r\n", CAPA("STLS\r\n"), "+OK go\r\n", tls, CAPA("TOP\r\n"),
            "+OK Updated\r\n"),
        "CAPA\r\nSTLS\r\nCAPA\r\n"
        "XCLIENT ADDR=198.51.100.7 PORT=4711 DESTADDR=192.0.2.1 DESTPORT=25 SESSION=5f-1 TTL=6 "
        "CLIENT-TRANSPORT=TLS\r\n",
        OPENING_FINE);
    check_identity(
        &protocol_pop3, false, "198.51.100.7", REPLIES("+OK ready\r\n"), "", OPENING_NO_XCLIENT);
    check_identity(&protocol_pop3, false, "",
        REPLIES("+OK [XCLIENT] ready\r\n", "-ERR You are not trusted\r\n"),
        "XCLIENT DESTADDR=192.0.2.1 DESTPORT=25 SESSION=5f-1 TTL=6 CLIENT-TRANSPORT=insecure\r\n",
        OPENING_IDENTITY_REFUSED);
}

static void managesieve_identity(void **state)
{
    (void)state;
    check_identity(&protocol_managesieve, false, "2001:db8::7",
        REPLIES("OK\r\n", SIEVES("\"XCLIENT\"\r\n"), "OK \"Updated\"\r\n"),
        "CAPABILITY\r\n"
        "XCLIENT ADDR=2001:db8::7 PORT=4711 DESTADDR=192.0.2.1 DESTPORT=25 SESSION=5f-1 TTL=6 "
        "CLIENT-TRANSPORT=insecure\r\n",
        OPENING_FINE);
    check_identity(&protocol_managesieve, true, "198.51.100.7",
        REPLIES("OK\r\n", SIEVES(STARTS), "OK\r\n", tls, SIEVES("\"XCLIENT\"\r\n"), "OK\r\n"),
        "CAPABILITY\r\nSTARTTLS\r\n"
        "XCLIENT ADDR=198.51.100.7 PORT=4711 DESTADDR=192.0.2.1 DESTPORT=25 SESSION=5f-1 TTL=6 "
        "CLIENT-TRANSPORT=TLS\r\n",
        OPENING_FINE);
    check_identity(&protocol_managesieve, true, "198.51.100.7",
        REPLIES("OK\r\n", SIEVES(STARTS "\"XCLIENT\"\r\n"), "OK\r\n", tls, "OK\r\n"),
        "CAPABILITY\r\nSTARTTLS\r\n", OPENING_NO_XCLIENT);
}

/* What a health check does: so far and no further, and a goodbye whose answer is waited for. */
static void goals(void **state)
{
    static const struct conversation rows[] = {
        {SMTP, .plan = {.goal = OPENING_GREETING, .starttls = true},
            .replies = {GREETS_SMTP, "221 bye\r\n"}, .quits = true, .sent = "QUIT\r\n"},
        {IMAP, .plan = {.goal = OPENING_GREETING},
            .replies = {"* OK x\r\n", "* BYE see you\r\nm1 OK bye\r\n"}, .quits = true,
            .sent = "m1 LOGOUT\r\n"},
        {POP3, .plan = {.goal = OPENING_GREETING}, .replies = {"+OK x\r\n", "-ERR what?\r\n"},
            .quits = true, .sent = "QUIT\r\n"},
        {SMTP, .plan = {.goal = OPENING_CAPABILITIES, .starttls = true},
            .replies = {GREETS_SMTP, OFFERS_SMTP, "421 bye\r\n"}, .quits = true,
            .sent = HELLO_SMTP "QUIT\r\n", .capabilities = "SIZE 1000\nSTARTTLS\n",
            .offers = OPENING_OFFERS_STARTTLS},
        {IMAP, .plan = {.goal = OPENING_CAPABILITIES},
            .replies = {"* OK x\r\n", CAPABLE("m1", "STARTTLS ID")}, .sent = "m1 CAPABILITY\r\n",
            .capabilities = "IMAP4rev1\nSTARTTLS\nID\n"},
        {POP3, .plan = {.goal = OPENING_TLS, .starttls = true},
            .replies = {"+OK x\r\n", CAPA("STLS\r\n"), "+OK go\r\n", tls, CAPA("TOP\r\n"),
                "+OK bye\r\n"},
            .quits = true, .sent = "CAPA\r\nSTLS\r\nCAPA\r\nQUIT\r\n", .capabilities = "TOP\n"},
        {SMTP, .plan = {.goal = OPENING_TLS}, .replies = {GREETS_SMTP, OFFERS_SMTP},
            .sent = HELLO_SMTP, .capabilities = "SIZE 1000\nSTARTTLS\n"},
        {SIEVE, .plan = {.goal = OPENING_CAPABILITIES},
            .replies = {"OK\r\n", SIEVES("\"SASL\" \"PLAIN\"\r\n"), "BYE\r\n"}, .quits = true,
            .sent = "CAPABILITY\r\nLOGOUT\r\n", .capabilities = "IMPLEMENTATION x\nSASL PLAIN\n"},
        {POP3, .plan = {.goal = OPENING_CAPABILITIES}, .replies = {"+OK x\r\n", "-ERR what?\r\n"},
            .sent = "CAPA\r\n", .failure = OPENING_HELLO_REFUSED},
    };

    (void)state;
    CHECK(rows);
}

/* The words are bounded: what does not fit is left out, and nothing else happens. */
static void many_capabilities(void **state)
{
    static char text[2000];
    struct conversation row = {IMAP, .plan = {.goal = OPENING_CAPABILITIES},
        .replies = {"* OK x\r\n", text}, .sent = "m1 CAPABILITY\r\n",
        .offers = OPENING_OFFERS_STARTTLS};
    size_t n = (size_t)snprintf(text, sizeof(text), "* CAPABILITY");

    (void)state;
    for (int i = 0; i < 300; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, " W%03d", i);
    (void)snprintf(text + n, sizeof(text) - n, " STARTTLS\r\nm1 OK\r\n");
    check_conversations(&row, 1);
}

static void our_greeting(void **state)
{
    char memory[64];
    struct buffer out;

    (void)state;
    buffer_init(&out, memory, sizeof(memory));
    assert_true(opening_write_greeting(&protocol_smtp, SLICE("mux.example"), &out));
    assert_true(slice_equal(buffer_held(&out), SLICE("220 mux.example ESMTP\r\n")));
    buffer_clear(&out);
    assert_true(opening_write_greeting(&protocol_lmtp, SLICE("mux.example"), &out));
    assert_true(slice_equal(buffer_held(&out), SLICE("220 mux.example LMTP\r\n")));
    buffer_clear(&out);
    assert_true(opening_write_greeting(&protocol_imap, SLICE("mux.example"), &out));
    assert_true(slice_equal(buffer_held(&out), SLICE("* OK mux.example ready\r\n")));
    buffer_clear(&out);
    assert_true(opening_write_greeting(&protocol_pop3, SLICE("mux.example"), &out));
    assert_true(slice_equal(buffer_held(&out), SLICE("+OK mux.example ready\r\n")));
    assert_false(opening_write_greeting(
        &protocol_pop3, SLICE("a.name.that.is.too.long.for.what.is.left.example"), &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain),
        cmocka_unit_test(starttls),
        cmocka_unit_test(odd_answers),
        cmocka_unit_test(smtp_fails_closed),
        cmocka_unit_test(imap_fails_closed),
        cmocka_unit_test(pop3_fails_closed),
        cmocka_unit_test(managesieve_fails_closed),
        cmocka_unit_test(injection),
        cmocka_unit_test(injection_in_a_segment_of_its_own),
        cmocka_unit_test(smtp_identity),
        cmocka_unit_test(imap_identity),
        cmocka_unit_test(pop3_identity),
        cmocka_unit_test(managesieve_identity),
        cmocka_unit_test(goals),
        cmocka_unit_test(many_capabilities),
        cmocka_unit_test(our_greeting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
