/* The approach to one server over a wire in memory: how it comes to be ready, and how it fails. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "approach.h"
#include "certificates.h"
#include "mailmux/protocols.h"
#include "memory_tls.h"
#include "tls_client.h"
#include <errno.h>
#include <string.h>

static uv_loop_t loop;
static struct engine engine; /* large */
static struct memory_wire server;
static struct memory_tls peer; /* of the server, where it speaks TLS */
static struct stream leg;
static struct buffer *input;
static struct approach approach;
static struct opening_plan opening;
static struct approach_plan plan;
static enum approach_result result;
static int connect_errno;
static int refusal_errno;
static unsigned events;
static char *directory;
static struct tls_client *lax;    /* believes every certificate */
static struct tls_client *strict; /* believes another one */

/* ---- The bench ---- */

static struct wire *hook_connect(
    struct engine *dialling, const struct address *to, unsigned keepalive_s, int *failure)
{
    *failure = connect_errno;
    if (connect_errno != 0)
        return NULL;
    memory_wire_init_connecting(&server, refusal_errno);
    return &server.wire;
}

static const struct engine_hooks hooks = {.connect = hook_connect};

static void on_event(void *owner, struct stream *stream, unsigned what)
{
    assert_ptr_equal(owner, &events);
    events++;
    result = approach_step(&approach);
}

static int set_up(void **state)
{
    connect_errno = refusal_errno = 0;
    events = 0;
    opening = (struct opening_plan){.protocol = &protocol_imap,
        .goal = OPENING_SESSION,
        .hostname = SLICE("me.example"),
        .reply = 65536,
        .reply_lines = 128};
    plan =
        (struct approach_plan){.opening = &opening, .on_event = on_event, .event_owner = &events};
    assert_int_equal(uv_loop_init(&loop), 0);
    engine_init(&engine, &loop, &hooks, NULL);
    return 0;
}

static int tear_down(void **state)
{
    approach_drop(&approach);
    approach_drop(&approach); /* there is nothing left */
    if (stream_is_open(&leg))
        stream_close(&leg, false);
    buffer_give(&engine.replies, &input);
    assert_int_equal(engine.lines.taken + engine.replies.taken, 0);
    if (connect_errno == 0)
        memory_wire_deinit(&server);
    engine_deinit(&engine);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static void start(void)
{
    struct address to = {0};

    approach_start(&approach, &engine, &plan, &to, &leg, &input);
    result = approach_step(&approach);
}

static void run(void)
{
    for (int i = 0; i < 1000 && result == APPROACH_WAITS && memory_wire_poll(&server) != 0; i++)
        continue;
}

static void begin(void)
{
    start();
    assert_int_equal(result, APPROACH_WAITS);
    assert_int_equal(approach.stage, APPROACH_CONNECTING);
    run();
}

static void say(const char *text)
{
    memory_wire_feed(&server, slice_from(text));
    run();
}

static void hang_up(void)
{
    memory_wire_feed_end(&server);
    run();
}

static void assert_heard(const char *text)
{
    struct slice sent = memory_wire_sent(&server);

    assert_int_equal(sent.n, strlen(text));
    assert_memory_equal(sent.p ? sent.p : "", text, sent.n);
    memory_wire_drop(&server, sent.n);
}

static void assert_ready(void)
{
    assert_int_equal(result, APPROACH_READY);
    assert_int_equal(approach.failure, OPENING_FINE);
}

static void assert_failed(enum opening_failure failure, const char *why)
{
    assert_int_equal(result, APPROACH_FAILED);
    assert_int_equal(approach.failure, failure);
    assert_string_equal(approach.why, why);
}

static void assert_input(const char *text)
{
    struct slice held = buffer_held(input);

    assert_int_equal(held.n, strlen(text));
    assert_memory_equal(held.p ? held.p : "", text, held.n);
}

/* ---- Connecting ---- */

static void test_a_connection_that_cannot_begin(void **state)
{
    connect_errno = ENETUNREACH;
    start();
    assert_failed(OPENING_NOT_CONNECTED, "Network is unreachable");
    connect_errno = EMFILE; /* that says nothing of the server */
    start();
    assert_failed(OPENING_NO_MEANS, "Too many open files");
}

static void test_a_connection_that_is_refused(void **state)
{
    refusal_errno = ECONNREFUSED;
    begin();
    assert_failed(OPENING_NOT_CONNECTED, "Connection refused");
}

/* It is reset by the time that we look: what it said before may be there. */
static void test_last_words_of_a_server_that_has_reset(void **state)
{
    refusal_errno = ECONNRESET;
    start();
    memory_wire_feed(&server, SLICE("* BYE away\r\n"));
    run();
    assert_failed(OPENING_GREETING_REFUSED, "refused by its greeting");
}

static void test_connecting_may_be_all(void **state)
{
    opening.goal = OPENING_CONNECT;
    begin();
    assert_ready();
    assert_heard("");
}

/* ---- The opening ---- */

static void test_a_greeting_alone_makes_it_ready(void **state)
{
    plan.keeps_greeting = true;
    begin();
    assert_true(approach_is_before_greeting(&approach));
    assert_true(approach_waits_for_greeting(&approach));
    say("* OK hi");
    assert_int_equal(result, APPROACH_WAITS);
    assert_true(approach_is_before_greeting(&approach));
    assert_false(approach_waits_for_greeting(&approach)); /* it has begun to speak */
    say("\r\n* more");
    assert_ready();
    assert_int_equal(approach.greeting_len, 9);
    assert_input("* OK hi\r\n* more");
    assert_heard("");
}

static void test_who_does_not_relay_it_has_no_greeting(void **state)
{
    begin();
    say("* OK hi\r\n* more");
    assert_ready();
    assert_input("* more");
}

static unsigned heard;

static void on_heard(
    void *owner, enum opening_step step, struct slice in, const struct opening_turn *turn)
{
    assert_int_equal(step, heard == 0 ? OPENING_AT_GREETING : OPENING_AT_HELLO);
    assert_true(turn->used <= in.n);
    heard++;
}

/* The greeting waits for what is asked behind it, and comes first. */
static void test_the_greeting_in_front_of_what_follows(void **state)
{
    heard = 0;
    opening.goal = OPENING_CAPABILITIES;
    plan.keeps_greeting = true;
    plan.heard = on_heard;
    begin();
    say("* OK hi\r\n");
    assert_heard("m1 CAPABILITY\r\n");
    say("* CAPABILITY IMAP4rev1\r\nm1 OK\r\n");
    assert_ready();
    assert_int_equal(approach.greeting_len, 9);
    assert_input("* OK hi\r\n");
    assert_true(heard > 1);
}

/* ---- Refusals ---- */

static void test_a_refusal_is_kept_for_a_client(void **state)
{
    plan.keeps_greeting = true;
    begin();
    say("* BYE too busy\r\nrest");
    assert_failed(OPENING_GREETING_REFUSED, "refused by its greeting");
    assert_input("* BYE too busy\r\n");
    assert_int_equal(approach.refusal_len, 16);
    assert_int_equal(approach.step, OPENING_AT_GREETING);
}

static void test_a_refusal_for_no_client(void **state)
{
    begin();
    say("* BYE too busy\r\nrest");
    assert_failed(OPENING_GREETING_REFUSED, "refused by its greeting");
    assert_input("rest");
    assert_int_equal(approach.refusal_len, 0);
}

/* Its last line has no end: a refusal can be read in one way only, other words mean nothing. */
static void test_a_line_that_is_cut(void **state)
{
    opening.protocol = &protocol_smtp;
    plan.keeps_greeting = true;
    begin();
    say("554 no");
    hang_up();
    assert_failed(OPENING_GREETING_REFUSED, "refused by its greeting");
    assert_input("554 no\r\n");
}

static void test_a_greeting_that_is_cut(void **state)
{
    opening.protocol = &protocol_smtp;
    begin();
    say("220 mx");
    hang_up();
    assert_failed(OPENING_MUTE, "closed before its greeting");
}

static void test_a_refusal_that_would_go_on(void **state)
{
    opening.protocol = &protocol_smtp;
    begin();
    say("554-no");
    hang_up();
    assert_failed(OPENING_MUTE, "closed before its greeting");
}

static void test_an_end_behind_the_greeting(void **state)
{
    opening.goal = OPENING_CAPABILITIES;
    begin();
    say("* OK hi\r\n");
    hang_up();
    assert_failed(OPENING_CLOSED, "closed before a session began");
    assert_int_equal(approach.step, OPENING_AT_HELLO);
}

static void test_words_that_are_none(void **state)
{
    begin();
    say("220 mx ESMTP\r\n");
    assert_failed(OPENING_WRONG_PROTOCOL, "does not speak this protocol");
}

/* ---- The PROXY header ---- */

static bool write_header(void *owner, struct buffer *out)
{
    return owner && buffer_append(out, slice_from(owner));
}

static void test_the_header_comes_first(void **state)
{
    static char text[] = "PROXY UNKNOWN\r\n";
    static const size_t sizes[] = {5, 0, 100};

    plan.write_header = write_header;
    plan.owner = text;
    start();
    server.sends = (struct memory_script){.sizes = sizes, .count = 3};
    memory_wire_feed(&server, SLICE("* OK hi\r\n")); /* it did not wait for it */
    run();
    assert_ready();
    assert_heard("PROXY UNKNOWN\r\n");
}

static void test_a_header_that_cannot_be_written(void **state)
{
    plan.write_header = write_header;
    begin();
    assert_failed(OPENING_NO_MEANS, "the PROXY header cannot be written");
}

/* It was not taken; the server may have said why, or nothing at all. */
static void test_a_header_that_is_lost(void **state)
{
    static char text[] = "PROXY UNKNOWN\r\n";

    plan.write_header = write_header;
    plan.owner = text;
    start();
    memory_wire_fail(&server, EPIPE);
    run();
    assert_int_equal(result, APPROACH_FAILED);
    assert_int_equal(approach.failure, OPENING_HEADER_LOST);
}

/* ---- Deadlines are the owner's ---- */

static void expire(enum approach_stage stage, enum opening_failure failure)
{
    assert_int_equal(result, APPROACH_WAITS);
    assert_int_equal(approach.stage, stage);
    approach_expire(&approach);
    result = approach_step(&approach);
    assert_int_equal(result, APPROACH_FAILED);
    assert_int_equal(approach.failure, failure);
    approach_expire(&approach); /* it is over */
    assert_int_equal(approach.failure, failure);
}

static void test_late_to_connect(void **state)
{
    start();
    expire(APPROACH_CONNECTING, OPENING_CONNECT_TIMEOUT);
}

static void test_late_to_take_the_header(void **state)
{
    static const size_t none[] = {0};
    static char text[] = "PROXY UNKNOWN\r\n";

    plan.write_header = write_header;
    plan.owner = text;
    start();
    server.sends = (struct memory_script){.sizes = none, .count = 1};
    (void)memory_wire_poll(&server);
    expire(APPROACH_HEADER, OPENING_HEADER_TIMEOUT);
}

static void test_late_to_greet(void **state)
{
    begin();
    expire(APPROACH_OPENING, OPENING_GREETING_TIMEOUT);
}

static void test_late_to_answer(void **state)
{
    opening.goal = OPENING_CAPABILITIES;
    begin();
    say("* OK hi\r\n");
    expire(APPROACH_OPENING, OPENING_ANSWER_TIMEOUT);
}

static void test_late_with_tls(void **state)
{
    plan.implicit_tls = true;
    plan.tls = lax;
    begin();
    assert_true(approach_waits_for_greeting(&approach)); /* no octet has come */
    expire(APPROACH_HANDSHAKE, OPENING_TLS_TIMEOUT);
}

static void test_left_because_another_is_faster(void **state)
{
    begin();
    approach_leave_slow(&approach);
    result = approach_step(&approach);
    assert_failed(OPENING_SLOW_GREETING, "its greeting is slow, and another server is free");
}

/* ---- TLS ---- */

/* Both sides, until neither moves. */
static void shake(void)
{
    bool moved = true;

    memory_tls_init_server(&peer, &server, certificates_path(directory, "a", "pem"),
        certificates_path(directory, "a", "key"));
    for (int i = 0; i < 1000 && moved; i++) {
        moved = memory_tls_step(&peer);
        if (result == APPROACH_WAITS)
            moved = memory_wire_poll(&server) != 0 || moved;
    }
}

static void test_tls_from_the_first_byte(void **state)
{
    plan.implicit_tls = true;
    plan.tls = lax;
    plan.keeps_greeting = true;
    begin();
    shake();
    assert_true(peer.is_up);
    memory_tls_say(&peer, SLICE("* OK secret\r\n"));
    run();
    assert_ready();
    assert_input("* OK secret\r\n");
    memory_tls_deinit(&peer);
}

/* Nothing that came in clear is for the client: the greeting is our own (C75). */
static void test_starttls(void **state)
{
    opening.starttls = true;
    plan.tls = lax;
    plan.keeps_greeting = true;
    begin();
    say("* OK [CAPABILITY STARTTLS] in clear\r\n");
    assert_heard("m1 CAPABILITY\r\n");
    say("* CAPABILITY IMAP4rev1 STARTTLS\r\nm1 OK\r\n");
    assert_heard("m2 STARTTLS\r\n");
    say("m2 OK\r\n");
    shake();
    assert_true(peer.is_up);
    if (result == APPROACH_WAITS) {
        assert_true(slice_equal(memory_tls_heard(&peer), SLICE("m3 CAPABILITY\r\n")));
        memory_tls_say(&peer, SLICE("* CAPABILITY IMAP4rev1\r\nm3 OK\r\n"));
        run();
    }
    assert_ready();
    assert_true(slice_starts(buffer_held(input), SLICE("* OK ")));
    assert_false(slice_has_nocase(buffer_held(input), SLICE("in clear")));
    assert_int_equal(approach.greeting_len, buffer_held(input).n);
    memory_tls_deinit(&peer);
}

static void test_a_server_that_does_not_offer_it(void **state)
{
    opening.starttls = true;
    plan.tls = lax;
    begin();
    say("* OK hi\r\n");
    say("* CAPABILITY IMAP4rev1\r\nm1 OK\r\n");
    assert_failed(OPENING_NO_STARTTLS, "does not offer STARTTLS");
}

static void test_a_certificate_that_is_not_believed(void **state)
{
    plan.implicit_tls = true;
    plan.tls = strict;
    plan.tls_name = "a.example";
    begin();
    shake();
    assert_int_equal(result, APPROACH_FAILED);
    assert_int_equal(approach.failure, OPENING_CERTIFICATE);
    assert_true(slice_starts(slice_from(approach.why), SLICE("TLS failed: ")));
    memory_tls_deinit(&peer);
}

static void test_a_server_that_answers_in_clear(void **state)
{
    plan.implicit_tls = true;
    plan.tls = lax;
    begin();
    say("* OK hi\r\n");
    assert_failed(OPENING_TLS_IN_CLEAR, "TLS failed: it answers in clear");
}

static int set_up_group(void **state)
{
    struct tls_client_parameters parameters = {
        .rules = {.policy = TLS_INTERMEDIATE}, .no_verify = true};
    struct tls_fault fault;

    directory = certificates_directory_new();
    certificates_make(directory, &(struct certificate_request){.file = "a", .name = "a.example"});
    certificates_make(directory, &(struct certificate_request){.file = "b", .name = "b.example"});
    parameters.ca = certificates_path(directory, "b", "pem");
    lax = tls_client_new(&parameters, &fault);
    parameters.no_verify = false;
    strict = tls_client_new(&parameters, &fault);
    return lax && strict ? 0 : -1;
}

static int tear_down_group(void **state)
{
    tls_client_unref(&lax);
    tls_client_unref(&strict);
    certificates_directory_free(&directory);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_connection_that_cannot_begin),
        TEST(test_a_connection_that_is_refused),
        TEST(test_last_words_of_a_server_that_has_reset),
        TEST(test_connecting_may_be_all),
        TEST(test_a_greeting_alone_makes_it_ready),
        TEST(test_who_does_not_relay_it_has_no_greeting),
        TEST(test_the_greeting_in_front_of_what_follows),
        TEST(test_a_refusal_is_kept_for_a_client),
        TEST(test_a_refusal_for_no_client),
        TEST(test_a_line_that_is_cut),
        TEST(test_a_greeting_that_is_cut),
        TEST(test_a_refusal_that_would_go_on),
        TEST(test_an_end_behind_the_greeting),
        TEST(test_words_that_are_none),
        TEST(test_the_header_comes_first),
        TEST(test_a_header_that_cannot_be_written),
        TEST(test_a_header_that_is_lost),
        TEST(test_late_to_connect),
        TEST(test_late_to_take_the_header),
        TEST(test_late_to_greet),
        TEST(test_late_to_answer),
        TEST(test_late_with_tls),
        TEST(test_left_because_another_is_faster),
        TEST(test_tls_from_the_first_byte),
        TEST(test_starttls),
        TEST(test_a_server_that_does_not_offer_it),
        TEST(test_a_certificate_that_is_not_believed),
        TEST(test_a_server_that_answers_in_clear),
    };

    return cmocka_run_group_tests(tests, set_up_group, tear_down_group);
}
