#include "mailmux/relay_test.h"

#include "login_words.h"
#include "mailmux/line.h"
#include "smtp_parts.h"
#include <string.h>

void relay_test_init(
    struct relay_test *test, struct slice hostname, struct slice sender, struct slice recipient)
{
    *test = (struct relay_test){.hostname = hostname, .sender = sender, .recipient = recipient};
}

static void say_path(struct buffer *out, struct slice command, struct slice mailbox)
{
    (void)(buffer_append(out, command) && buffer_append(out, mailbox) &&
           buffer_append(out, SLICE(">\r\n")));
}

static void say(struct relay_test *test, enum relay_step step, struct buffer *out)
{
    test->step = step;
    switch (step) {
    case RELAY_AT_HELLO:
        (void)(buffer_append(out, SLICE("EHLO ")) && line_append(out, test->hostname));
        break;
    case RELAY_AT_SENDER:
        say_path(
            out, SLICE("MAIL FROM:<"), test->now == RELAY_OWN_SENDER ? test->sender : SLICE(""));
        break;
    case RELAY_AT_RECIPIENT:
        say_path(out, SLICE("RCPT TO:<"), test->recipient);
        break;
    case RELAY_AT_RESET:
        (void)buffer_append(out, SLICE("RSET\r\n"));
        break;
    }
}

/* Returns the last line of a reply, without its line end. */
static struct slice last_line(struct slice text)
{
    size_t begin;

    while (text.n > 0 && (text.p[text.n - 1] == '\n' || text.p[text.n - 1] == '\r'))
        text.n--;
    for (begin = text.n; begin > 0 && text.p[begin - 1] != '\n'; begin--)
        continue;
    return slice_after(text, begin);
}

/* ---- What a refusal means ---- */

static const struct {
    const char *words;
    enum relay_reason reason;
} tokens[] = {
    {"authenticat", RELAY_FOR_LOGIN},
    {"log in", RELAY_FOR_LOGIN},
    {"helo", RELAY_FOR_HELLO},
    {"ehlo", RELAY_FOR_HELLO},
    {"client host", RELAY_FOR_CLIENT},
    {"client address", RELAY_FOR_CLIENT},
    {"blocked", RELAY_FOR_CLIENT},
    {"blacklist", RELAY_FOR_CLIENT},
    {"blocklist", RELAY_FOR_CLIENT},
    {"reverse", RELAY_FOR_CLIENT},
    {"sender", RELAY_FOR_SENDER},
    {"<>", RELAY_FOR_SENDER},
    {"bounce", RELAY_FOR_SENDER},
    {"null", RELAY_FOR_SENDER},
    {"mail from", RELAY_FOR_SENDER},
    {"unroutable", RELAY_FOR_RECIPIENT},
    {"unrouteable", RELAY_FOR_RECIPIENT},
    {"domain not found", RELAY_FOR_RECIPIENT},
};

/*
 * How an enhanced code goes on after its class [RFC 3463 3, RFC 7372, RFC 7505], and what that
 * means.
 */
static const struct {
    const char *detail;
    enum relay_reason reason;
} details[] = {
    {"1.7 ", RELAY_FOR_SENDER},
    {"1.8 ", RELAY_FOR_SENDER},
    {"7.27 ", RELAY_FOR_SENDER},
    {"7.23 ", RELAY_FOR_SENDER},
    {"7.25 ", RELAY_FOR_CLIENT},
    {"1.1 ", RELAY_FOR_RECIPIENT},
    {"1.2 ", RELAY_FOR_RECIPIENT},
    {"1.10 ", RELAY_FOR_RECIPIENT},
    {"4.", RELAY_FOR_RECIPIENT},
};

/*
 * Returns whether the text contains the words, compared without case. The recipient's domain is
 * skipped, because servers repeat it.
 */
static bool has_words(struct slice text, struct slice words, struct slice recipient)
{
    struct slice domain = slice_after(recipient, slice_find(recipient, '@') + 1);

    while (text.n > 0) {
        if (domain.n > 0 && slice_starts_nocase(text, domain)) {
            text = slice_after(text, domain.n);
        } else {
            if (slice_starts_nocase(text, words))
                return true;
            text = slice_after(text, 1);
        }
    }
    return false;
}

static enum relay_reason find_reason(
    const struct relay_test *test, const struct smtp_reply_text *reply)
{
    struct slice detail = slice_after(last_line(reply->text), sizeof("550 5.") - 1);

    if (login_wants_tls(reply->text))
        return RELAY_FOR_TLS;
    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        if (has_words(reply->text, slice_from(tokens[i].words), test->recipient))
            return tokens[i].reason;
    }
    for (size_t i = 0; i < sizeof(details) / sizeof(details[0]); i++) {
        if (slice_starts(detail, slice_from(details[i].detail)))
            return details[i].reason;
    }
    return RELAY_FOR_NOTHING;
}

enum {
    CODE_FAREWELL = 421,
    CODE_NO_RELAY_NOW = 454 /* Postfix: defer_unauth_destination */
};

/* Returns whether servers give this code to a recipient that they do not want at all. */
static bool is_about_recipient(unsigned code)
{
    return code == 550 || code == 551 || code == 553 || code == 554 || code == 513 || code == 571;
}

/*
 * Returns whether the server refuses to relay: it has refused the recipient, and the text speaks of
 * relaying or gives no other reason.
 */
static bool refuses_to_relay(
    const struct relay_test *test, const struct smtp_reply_text *reply, enum relay_reason reason)
{
    if (test->step != RELAY_AT_RECIPIENT)
        return false;
    if (reply->code == CODE_NO_RELAY_NOW || reply->code >= 500) {
        if (has_words(reply->text, SLICE("relay"), test->recipient))
            return true;
    }
    return reason == RELAY_FOR_NOTHING && is_about_recipient(reply->code);
}

/* Returns what a refusal at this step means if its text tells nothing. */
static enum relay_reason reason_of_step(enum relay_step step)
{
    switch (step) {
    case RELAY_AT_HELLO:
        return RELAY_FOR_HELLO;
    case RELAY_AT_SENDER:
        return RELAY_FOR_SENDER;
    case RELAY_AT_RECIPIENT:
    case RELAY_AT_RESET:
        break;
    }
    return RELAY_FOR_NOTHING;
}

static enum relay_reason reason_of(
    const struct relay_test *test, const struct smtp_reply_text *reply, enum relay_reason found)
{
    if (reply->code == SMTP_CODE_TLS_FOR_LOGIN)
        return RELAY_FOR_TLS;
    if (reply->code == SMTP_CODE_LOGIN_NEEDED)
        return found == RELAY_FOR_TLS ? RELAY_FOR_TLS : RELAY_FOR_LOGIN;
    if (reply->code >= 400 && reply->code < 500)
        return RELAY_FOR_NOW;
    return found != RELAY_FOR_NOTHING ? found : reason_of_step(test->step);
}

static void keep(struct relay_test *test, const struct smtp_reply_text *reply)
{
    struct relay_answer *answer = &test->answer;
    struct slice line = last_line(reply->text);
    enum relay_reason found = find_reason(test, reply);

    answer->reason = RELAY_FOR_NOTHING;
    if (reply->code / 100 == 2) {
        answer->judgement = RELAY_TAKEN;
    } else if (refuses_to_relay(test, reply, found)) {
        answer->judgement = RELAY_REFUSED;
    } else {
        answer->judgement = RELAY_UNDECIDED;
        answer->reason = reason_of(test, reply, found);
    }
    answer->sender = test->now;
    answer->n = line.n < RELAY_TEXT_MAX ? line.n : RELAY_TEXT_MAX;
    memcpy(answer->text, line.p, answer->n);
}

/* Returns whether the test may ask again with another sender, which might get another answer. */
static bool may_ask_again(const struct relay_test *test)
{
    if (test->now == RELAY_OWN_SENDER || test->sender.n == 0 ||
        test->answer.judgement != RELAY_UNDECIDED)
        return false;
    return test->answer.reason != RELAY_FOR_TLS && test->answer.reason != RELAY_FOR_LOGIN;
}

/* ---- The conversation ---- */

/* Judges a reply and finds the next step. Returns false if there is none. */
static bool take(
    struct relay_test *test, const struct smtp_reply_text *reply, enum relay_step *next)
{
    bool is_yes = reply->code / 100 == 2;

    if (test->step != RELAY_AT_RESET && (!is_yes || test->step == RELAY_AT_RECIPIENT))
        keep(test, reply);
    if (reply->code == CODE_FAREWELL)
        return false;
    switch (test->step) {
    case RELAY_AT_HELLO:
        *next = RELAY_AT_SENDER;
        return is_yes;
    case RELAY_AT_SENDER:
        *next = is_yes ? RELAY_AT_RECIPIENT : RELAY_AT_RESET;
        return true;
    case RELAY_AT_RECIPIENT:
        *next = RELAY_AT_RESET;
        return true;
    case RELAY_AT_RESET:
        if (!may_ask_again(test))
            return false;
        test->now = RELAY_OWN_SENDER;
        *next = RELAY_AT_SENDER;
        return true;
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
    switch (smtp_reply_cut(in, RELAY_REPLY_MAX, RELAY_REPLY_LINES, REPLY_LINE_MAX, &reply)) {
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
