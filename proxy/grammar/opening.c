/*
 * What is the same in every protocol when mailmux is the client: the order of the commands, and
 * what follows from each answer.
 */
#include "opening_parts.h"

#include "login_words.h"
#include "mailmux/check.h"
#include "mailmux/line.h"

static const struct opening_words *words_of(const struct opening *opening)
{
    return opening->plan->protocol->opening;
}

void opening_init(struct opening *opening, const struct opening_plan *plan,
    const struct opening_client *client, struct buffer *capabilities)
{
    *opening = (struct opening){.plan = plan, .client = client, .capabilities = capabilities};
}

/* ---- For the protocols ---- */

enum opening_answer opening_answer_of(enum reply_cut cut)
{
    static const enum opening_answer answers[] = {
        [REPLY_MORE] = ANSWER_MORE,
        [REPLY_WHOLE] = ANSWER_PART,
        [REPLY_MALFORMED] = ANSWER_WRONG,
        [REPLY_LARGE] = ANSWER_LARGE,
    };

    return answers[cut];
}

bool opening_count_line(struct opening *opening, size_t octets)
{
    opening->octets += octets;
    opening->lines++;
    return opening->octets <= opening->plan->reply && opening->lines <= opening->plan->reply_lines;
}

enum opening_answer opening_cut_line(
    struct opening *opening, struct slice in, struct slice *line, size_t *used)
{
    enum reply_cut cut = line_cut_reply(in, REPLY_LINE_MAX, line, used);

    if (cut == REPLY_WHOLE && !opening_count_line(opening, *used))
        cut = REPLY_LARGE;
    return opening_answer_of(cut);
}

void opening_keep(struct opening *opening, struct slice words)
{
    struct buffer *kept = opening->capabilities;

    if (kept && words.n > 0 && buffer_room(kept) > words.n)
        (void)(buffer_append(kept, words) && buffer_append(kept, SLICE("\n")));
}

void opening_keep_pair(struct opening *opening, struct slice name, struct slice value)
{
    struct buffer *kept = opening->capabilities;
    const size_t blanks = 2;

    if (value.n == 0)
        opening_keep(opening, name);
    else if (kept && buffer_room(kept) >= name.n + value.n + blanks)
        (void)(buffer_append(kept, name) && buffer_append(kept, SLICE(" ")) &&
               buffer_append(kept, value) && buffer_append(kept, SLICE("\n")));
}

void opening_learn_mechanisms(struct opening *opening, struct slice names)
{
    struct slice name;

    opening->offers |= login_offers(names);
    while (slice_word(&names, &name)) {
        if (slice_ends_nocase(name, SLICE("-PLUS")))
            opening->offers |= (unsigned)OPENING_OFFERS_PLUS;
    }
}

/* ---- What is next ---- */

static struct opening_turn turn_of(enum opening_next next, size_t used)
{
    return (struct opening_turn){.next = next, .used = used};
}

static struct opening_turn fail(struct opening *opening, enum opening_failure failure, size_t used)
{
    opening->step = OPENING_AT_END;
    opening->failure = failure;
    return turn_of(OPENING_FAILED, used);
}

static struct opening_turn end(struct opening *opening, size_t used)
{
    opening->step = OPENING_AT_END;
    return turn_of(OPENING_READY, used);
}

static void forget_reply(struct opening *opening)
{
    opening->octets = 0;
    opening->lines = 0;
    opening->is_inside = false;
    opening->skipped = 0;
}

/*
 * Appends the command of the step. What the protocols append is shorter than OPENING_TEXT_MAX, so
 * it always fits.
 */
static void put_command(const struct opening *opening, struct buffer *out)
{
    const struct opening_words *words = words_of(opening);
    char memory[OPENING_TAG_MAX];

    if (words->has_tags)
        (void)(buffer_append(out, opening_tag(opening, memory)) && buffer_append(out, SLICE(" ")));
    switch (opening->step) {
    case OPENING_AT_HELLO:
        (void)line_append_named(out, words->hello, opening->plan->hostname);
        break;
    case OPENING_AT_STARTTLS:
        (void)line_append(out, slice_from(words->starttls));
        break;
    case OPENING_AT_IDENTITY:
        words->say_identity(opening, out);
        break;
    case OPENING_AT_QUIT:
        (void)line_append(out, slice_from(words->quit));
        break;
    case OPENING_AT_GREETING:
    case OPENING_AT_HANDSHAKE:
    case OPENING_AT_END:
        break;
    }
}

static struct opening_turn say(
    struct opening *opening, enum opening_step step, size_t used, struct buffer *out)
{
    if (!check_holds(buffer_room(out) >= OPENING_TEXT_MAX))
        return fail(opening, OPENING_NO_MEANS, used);
    forget_reply(opening);
    if (step == OPENING_AT_HELLO && opening->capabilities)
        buffer_clear(opening->capabilities);
    opening->step = step;
    opening->commands++;
    put_command(opening, out);
    return turn_of(OPENING_GO_ON, used);
}

static bool has_identity(const struct opening *opening)
{
    enum send_address identity = opening->plan->identity;

    return opening->plan->goal == OPENING_SESSION && opening->client &&
           (identity == SEND_ADDRESS_XCLIENT || identity == SEND_ADDRESS_ID);
}

/*
 * Tells the server about the client. If that is impossible the opening fails, because the server
 * would take the client for mailmux.
 */
static struct opening_turn tell_identity(struct opening *opening, size_t used, struct buffer *out)
{
    const unsigned needed = OPENING_OFFERS_XCLIENT | OPENING_OFFERS_XCLIENT_ADDR;

    if (opening->plan->identity == SEND_ADDRESS_XCLIENT && (opening->offers & needed) != needed)
        return fail(opening, OPENING_NO_XCLIENT, used);
    opening->client_known = true;
    return say(opening, OPENING_AT_IDENTITY, used, out);
}

static struct opening_turn after_hello(struct opening *opening, size_t used, struct buffer *out)
{
    const struct opening_plan *plan = opening->plan;

    if (plan->goal == OPENING_CAPABILITIES)
        return end(opening, used);
    if (plan->starttls && !opening->tls) {
        if (!(opening->offers & (unsigned)OPENING_OFFERS_STARTTLS))
            return fail(opening, OPENING_NO_STARTTLS, used);
        return say(opening, OPENING_AT_STARTTLS, used, out);
    }
    return has_identity(opening) ? tell_identity(opening, used, out) : end(opening, used);
}

static struct opening_turn after_greeting(struct opening *opening, size_t used, struct buffer *out)
{
    const struct opening_plan *plan = opening->plan;
    bool asks_first = words_of(opening)->asks_for_xclient && plan->identity == SEND_ADDRESS_XCLIENT;

    if (plan->goal == OPENING_GREETING)
        return end(opening, used);
    if (opening->tls) /* this greeting is the answer to TLS */
        return after_hello(opening, used, out);
    if (opening->greeting == GREETING_PREAUTH) /* no command may be sent any more */
        return end(opening, used);
    if (plan->starttls || plan->goal != OPENING_SESSION || (has_identity(opening) && asks_first))
        return say(opening, OPENING_AT_HELLO, used, out);
    return has_identity(opening) ? tell_identity(opening, used, out) : end(opening, used);
}

/*
 * TLS may start, unless bytes in clear follow the answer: they may come from another sender than
 * the server (C73, attack A5).
 */
static struct opening_turn after_starttls(struct opening *opening, struct slice in, size_t used)
{
    if (in.n > used)
        return fail(opening, OPENING_INJECTED, used);
    opening->step = OPENING_AT_HANDSHAKE;
    return turn_of(OPENING_START_TLS, used);
}

/* The server says again inside TLS what its greeting has said. */
static void await_greeting(struct opening *opening)
{
    forget_reply(opening);
    if (opening->capabilities)
        buffer_clear(opening->capabilities);
    opening->step = OPENING_AT_GREETING;
}

void opening_tls_started(struct opening *opening, struct buffer *out)
{
    const unsigned by_greeting = OPENING_OFFERS_XCLIENT | OPENING_OFFERS_XCLIENT_ADDR;

    /*
     * A POP3 server says only in its greeting whether it takes XCLIENT, and the greeting comes
     * once.
     */
    opening->offers &= words_of(opening)->asks_for_xclient ? 0 : by_greeting;
    opening->tls = true;
    if (words_of(opening)->greets_again) {
        await_greeting(opening);
        return;
    }
    if (opening->leaves_hello && !has_identity(opening)) {
        (void)end(opening, 0);
        return;
    }
    opening->said_hello = true;
    (void)say(opening, OPENING_AT_HELLO, 0, out);
}

void opening_quit(struct opening *opening, struct buffer *out)
{
    (void)say(opening, OPENING_AT_QUIT, 0, out);
}

/* ---- The server's words ---- */

/*
 * Returns whether the greeting has too many lines: it may have as many as a reply (C52).
 * protocol->greeting checks only the octets.
 */
static bool has_many_lines(const struct opening *opening, struct slice text)
{
    size_t lines = 0;

    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    return lines > opening->plan->reply_lines;
}

static struct opening_turn take_greeting(
    struct opening *opening, struct slice in, struct buffer *out)
{
    const struct opening_plan *plan = opening->plan;
    struct opening_turn turn;
    size_t used = 0;

    opening->greeting = plan->protocol->greeting(in, plan->reply, &used);
    if (opening->greeting != GREETING_WRONG && opening->greeting != GREETING_LARGE &&
        has_many_lines(opening, slice_of(in.p, used)))
        return fail(opening, OPENING_TOO_LARGE, used);
    switch (opening->greeting) {
    case GREETING_MORE:
        return turn_of(OPENING_MORE, 0);
    case GREETING_READY:
        if (words_of(opening)->greeted)
            words_of(opening)->greeted(opening, slice_of(in.p, used));
        break;
    case GREETING_PREAUTH:
        if (plan->starttls)
            return fail(opening, OPENING_PREAUTHENTICATED, used);
        break;
    case GREETING_REFUSED:
        turn = fail(opening, OPENING_GREETING_REFUSED, used);
        turn.is_greeting = true;
        return turn;
    case GREETING_LARGE:
        return fail(opening, OPENING_TOO_LARGE, used);
    case GREETING_WRONG:
        return fail(opening, OPENING_WRONG_PROTOCOL, used);
    }
    turn = after_greeting(opening, used, out);
    turn.is_greeting = true;
    return turn;
}

/* A yes to the last command ends the opening. */
static struct opening_turn take_yes(
    struct opening *opening, struct slice in, size_t used, struct buffer *out)
{
    if (opening->step == OPENING_AT_HELLO)
        return after_hello(opening, used, out);
    if (opening->step == OPENING_AT_STARTTLS)
        return after_starttls(opening, in, used);
    return end(opening, used);
}

/* The failure for each command that is refused. After a goodbye any answer is fine. */
static const enum opening_failure refusals[] = {
    [OPENING_AT_HELLO] = OPENING_HELLO_REFUSED,
    [OPENING_AT_STARTTLS] = OPENING_STARTTLS_REFUSED,
    [OPENING_AT_IDENTITY] = OPENING_IDENTITY_REFUSED,
    [OPENING_AT_QUIT] = OPENING_FINE,
};

static struct opening_turn take_answer(struct opening *opening, struct slice in, struct buffer *out)
{
    size_t used = 0;
    bool quitting = opening->step == OPENING_AT_QUIT;

    switch (words_of(opening)->answer(opening, in, &used)) {
    case ANSWER_MORE:
        return turn_of(OPENING_MORE, 0);
    case ANSWER_PART:
        return turn_of(OPENING_GO_ON, used);
    case ANSWER_YES:
        return take_yes(opening, in, used, out);
    case ANSWER_NO:
        return quitting ? end(opening, used) : fail(opening, refusals[opening->step], used);
    case ANSWER_FAREWELL:
        return quitting ? end(opening, used) : fail(opening, OPENING_FAREWELL, used);
    case ANSWER_STRANGE:
        return quitting ? end(opening, used) : fail(opening, OPENING_STRANGE_ANSWER, used);
    case ANSWER_WRONG:
        return fail(opening, OPENING_WRONG_PROTOCOL, used);
    case ANSWER_LARGE:
        return fail(opening, OPENING_TOO_LARGE, used);
    }
    return fail(opening, OPENING_WRONG_PROTOCOL, used);
}

/*
 * Some servers send an empty line between their replies. It means nothing, but it counts as a line.
 */
static struct opening_turn skip_blank_line(struct opening *opening, size_t used)
{
    return opening_count_line(opening, used) ? turn_of(OPENING_GO_ON, used)
                                             : fail(opening, OPENING_TOO_LARGE, used);
}

/* Returns whether an empty line may come now. Inside a reply it would be a part of the reply. */
static bool is_between_replies(const struct opening *opening)
{
    return opening->step != OPENING_AT_HANDSHAKE && opening->step != OPENING_AT_END &&
           !opening->is_inside && opening->skipped == 0;
}

struct opening_turn opening_feed(struct opening *opening, struct slice in, struct buffer *out)
{
    size_t blank = is_between_replies(opening) ? line_blank(in) : 0;

    if (blank > 0)
        return skip_blank_line(opening, blank);
    switch (opening->step) {
    case OPENING_AT_GREETING:
        return take_greeting(opening, in, out);
    case OPENING_AT_HELLO:
    case OPENING_AT_STARTTLS:
    case OPENING_AT_IDENTITY:
    case OPENING_AT_QUIT:
        return in.n > 0 ? take_answer(opening, in, out) : turn_of(OPENING_MORE, 0);
    case OPENING_AT_HANDSHAKE:
        return turn_of(OPENING_MORE, 0);
    case OPENING_AT_END:
        break;
    }
    return turn_of(opening->failure == OPENING_FINE ? OPENING_READY : OPENING_FAILED, 0);
}

bool opening_write_greeting(
    const struct protocol *protocol, struct slice hostname, struct buffer *out)
{
    return line_append_named(out, protocol->opening->greeting, hostname);
}
