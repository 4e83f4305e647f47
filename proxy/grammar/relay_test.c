#include "mailmux/relay_test.h"

#include "mailmux/line.h"
#include "smtp_parts.h"
#include <string.h>

void relay_test_init(struct relay_test *test, struct slice hostname, struct slice recipient)
{
    *test = (struct relay_test){.hostname = hostname, .recipient = recipient};
}

static void say(struct relay_test *test, enum relay_step step, struct buffer *out)
{
    test->step = step;
    switch (step) {
    case RELAY_AT_HELLO:
        (void)(buffer_append(out, SLICE("EHLO ")) && line_append(out, test->hostname));
        break;
    case RELAY_AT_SENDER:
        (void)buffer_append(out, SLICE("MAIL FROM:<>\r\n"));
        break;
    case RELAY_AT_RECIPIENT:
        (void)(buffer_append(out, SLICE("RCPT TO:<")) && buffer_append(out, test->recipient) &&
               buffer_append(out, SLICE(">\r\n")));
        break;
    case RELAY_AT_RESET:
        (void)buffer_append(out, SLICE("RSET\r\n"));
        break;
    }
}

/* The last line of a reply, its end excepted. */
static struct slice last_line(struct slice text)
{
    size_t begin;

    while (text.n > 0 && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
        text.n--;
    for (begin = text.n; begin > 0 && text.p[begin - 1] != '\n'; begin--)
        continue;
    return slice_after(text, begin);
}

/*
 * What is no judgement about relaying: something temporary, and a bad domain or no way to it
 * [RFC 3463 3.2, 3.5], which a real one might not be.
 */
static enum relay_judgement judge(unsigned code, struct slice line)
{
    struct slice enhanced = slice_after(line, 4);

    if (code < 500)
        return RELAY_UNDECIDED;
    return slice_starts(enhanced, SLICE("5.1.2 ")) || slice_starts(enhanced, SLICE("5.4."))
               ? RELAY_UNDECIDED
               : RELAY_REFUSED;
}

static void keep(
    struct relay_test *test, enum relay_judgement judgement, unsigned code, struct slice line)
{
    struct relay_answer *answer = &test->answer;

    answer->judgement = judgement;
    answer->code = code;
    answer->n = line.n < RELAY_TEXT_MAX ? line.n : RELAY_TEXT_MAX;
    memcpy(answer->text, line.p, answer->n);
}

/* What was answered; false: there is nothing more to say. */
static bool take(
    struct relay_test *test, const struct smtp_reply_text *reply, enum relay_step *next)
{
    bool is_yes = reply->code / 100 == 2;
    struct slice line = last_line(reply->text);

    switch (test->step) {
    case RELAY_AT_HELLO:
        *next = RELAY_AT_SENDER;
        if (!is_yes)
            keep(test, judge(reply->code, line), reply->code, line);
        return is_yes;
    case RELAY_AT_SENDER:
        *next = is_yes ? RELAY_AT_RECIPIENT : RELAY_AT_RESET;
        if (!is_yes)
            keep(test, judge(reply->code, line), reply->code, line);
        return true;
    case RELAY_AT_RECIPIENT:
        *next = RELAY_AT_RESET;
        keep(test, is_yes ? RELAY_TAKEN : judge(reply->code, line), reply->code, line);
        return true;
    case RELAY_AT_RESET:
        break;
    }
    return false;
}

enum relay_test_next relay_test_feed(
    struct relay_test *test, struct slice in, struct buffer *out, size_t *used)
{
    struct smtp_reply_text reply;
    enum relay_step next;

    *used = 0;
    if (!test->has_begun) {
        test->has_begun = true;
        say(test, RELAY_AT_HELLO, out);
        return RELAY_TEST_GO_ON;
    }
    switch (smtp_reply_cut(in, RELAY_REPLY_MAX, RELAY_REPLY_LINES, SMTP_REPLY_LINE_MAX, &reply)) {
    case REPLY_MORE:
        return RELAY_TEST_MORE;
    case REPLY_MALFORMED:
    case REPLY_LARGE:
        return RELAY_TEST_BROKEN;
    case REPLY_WHOLE:
        break;
    }
    *used = reply.used;
    if (!take(test, &reply, &next))
        return RELAY_TEST_DONE;
    say(test, next, out);
    return RELAY_TEST_GO_ON;
}
