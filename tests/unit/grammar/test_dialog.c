/* What a dialog does when an invariant of its own does not hold: no half line, and the end. */
#include "mailmux/dialog.h"

#include "feeder.h"
#include "mailmux/check.h"

enum { SMALL = 16 };

struct bench {
    struct dialog dialog;
    struct buffer to_client;
    struct buffer to_server;
    char client_memory[DIALOG_EXTRA];
    char server_memory[DIALOG_EXTRA];
};

/* room: octets that the client's or the server's text may have. */
static void begin(
    struct bench *bench, const struct protocol *protocol, size_t client_room, size_t server_room)
{
    struct dialog_legs legs = {.client_tls = true};

    buffer_init(&bench->to_client, bench->client_memory, client_room);
    buffer_init(&bench->to_server, bench->server_memory, server_room);
    dialog_init(&bench->dialog, protocol, &feeder_policy, legs);
}

static struct actions feed(struct bench *bench, enum dialog_side side, const char *text)
{
    struct actions actions = actions_of(&bench->to_client, &bench->to_server);

    assert_true(dialog_feed(&bench->dialog, side, slice_from(text), &actions));
    return actions;
}

static void assert_fault(const struct bench *bench, const struct actions *actions)
{
    assert_int_equal(actions->next, DIALOG_CLOSE);
    assert_int_equal(actions->reason, REASON_FAULT);
    assert_false(actions->pass);
    assert_false(dialog_wants_client(&bench->dialog));
}

/* Without a place in the queue the command would get the reply of the next one. */
static void a_full_queue_refuses(void **state)
{
    static struct bench bench;
    uint64_t before = check_failures();
    struct actions actions;

    (void)state;
    begin(&bench, &protocol_smtp, DIALOG_EXTRA, DIALOG_EXTRA);
    bench.dialog.of.smtp.queue_len = SMTP_QUEUE_MAX;
    actions = feed(&bench, DIALOG_CLIENT, "NOOP\r\n");
    assert_fault(&bench, &actions);
    assert_int_equal(buffer_held(&bench.to_server).n, 0);
    assert_int_equal(bench.dialog.of.smtp.queue_len, SMTP_QUEUE_MAX);
    assert_int_equal(check_failures(), before + 1);
}

/* The same for a reply of our own. */
static void a_full_queue_refuses_our_reply(void **state)
{
    static struct bench bench;
    struct actions actions;

    (void)state;
    begin(&bench, &protocol_smtp, DIALOG_EXTRA, DIALOG_EXTRA);
    bench.dialog.of.smtp.queue_len = SMTP_QUEUE_MAX;
    actions = feed(&bench, DIALOG_CLIENT, "XCLIENT x\r\n");
    assert_fault(&bench, &actions);
}

static void no_half_line_goes_to_the_backend(void **state)
{
    static struct bench bench;
    struct actions actions;

    (void)state;
    begin(&bench, &protocol_smtp, DIALOG_EXTRA, SMALL);
    actions = feed(&bench, DIALOG_CLIENT, "VRFY somebody-with-a-name\r\n");
    assert_fault(&bench, &actions);
    assert_int_equal(buffer_held(&bench.to_server).n, 0);
}

/* What was queued before stays; what this call said goes. */
static void no_half_reply_goes_to_the_client(void **state)
{
    static const struct {
        const struct protocol *protocol;
        const char *command;
        const char *reply;
    } rows[] = {
        {&protocol_smtp, "NOOP\r\n", "250-one\r\n250 two and many more words\r\n"},
        {&protocol_smtp, "EHLO x\r\n", "250-one\r\n250-AUTH PLAIN EXTERNAL\r\n250 SIZE 1\r\n"},
        {&protocol_imap, "a CAPABILITY\r\n", "* CAPABILITY IMAP4rev1 STARTTLS IDLE\r\n"},
        {&protocol_imap, "a NOOP\r\n", "a NO [CAPABILITY IMAP4rev1] no\r\n"},
        {&protocol_pop3, "CAPA\r\n", "+OK\r\nSASL PLAIN EXTERNAL LOGIN\r\n.\r\n"},
        {&protocol_managesieve, "CAPABILITY\r\n", "\"SASL\" \"PLAIN LOGIN EXTERNAL\"\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        static struct bench bench;
        struct actions actions;

        begin(&bench, rows[i].protocol, SMALL, DIALOG_EXTRA);
        (void)feed(&bench, DIALOG_CLIENT, rows[i].command);
        assert_true(buffer_append(&bench.to_client, SLICE("ahead")));
        actions = feed(&bench, DIALOG_SERVER, rows[i].reply);
        assert_fault(&bench, &actions);
        assert_true(slice_equal(buffer_held(&bench.to_client), SLICE("ahead")));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_queue_refuses),
        cmocka_unit_test(a_full_queue_refuses_our_reply),
        cmocka_unit_test(no_half_line_goes_to_the_backend),
        cmocka_unit_test(no_half_reply_goes_to_the_client),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
