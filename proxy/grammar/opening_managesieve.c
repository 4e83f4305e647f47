/* ManageSieve when mailmux is the client [RFC 5804], and Dovecot's XCLIENT. */
#include "opening_parts.h"

#include "managesieve_parts.h"

static void learn(struct opening *opening, const struct managesieve_capability *capability)
{
    opening_keep_pair(opening, capability->name, capability->value);
    if (slice_equal_nocase(capability->name, SLICE("STARTTLS")))
        opening->offers |= (unsigned)OPENING_OFFERS_STARTTLS;
    if (slice_equal_nocase(capability->name, SLICE("SASL")))
        opening_learn_mechanisms(opening, capability->value);
    if (slice_equal_nocase(capability->name, SLICE("XCLIENT")))
        opening->offers |= OPENING_OFFERS_XCLIENT | OPENING_OFFERS_XCLIENT_ADDR;
}

/* Learns from the capabilities in the greeting, and from those that come again inside TLS. */
static void greeted(struct opening *opening, struct slice text)
{
    struct managesieve_capability capability;
    struct managesieve_part part;

    while (managesieve_part_cut(text, REPLY_LINE_MAX, text.n + 1, &part) == REPLY_WHOLE &&
           managesieve_capability_parse(&part, &capability)) {
        learn(opening, &capability);
        text = slice_after(text, part.all.n);
    }
}

static enum opening_answer take_data(struct opening *opening, const struct managesieve_part *part)
{
    struct managesieve_capability capability;

    if (!managesieve_capability_parse(part, &capability))
        return ANSWER_WRONG;
    if (opening->step != OPENING_AT_HELLO)
        return ANSWER_STRANGE;
    learn(opening, &capability);
    return ANSWER_PART;
}

static enum opening_answer answer(struct opening *opening, struct slice in, size_t *used)
{
    struct managesieve_part part;
    enum reply_cut cut = managesieve_part_cut(in, REPLY_LINE_MAX, opening->plan->reply, &part);

    if (cut != REPLY_WHOLE)
        return opening_answer_of(cut);
    *used = part.all.n;
    if (!opening_count_line(opening, *used))
        return ANSWER_LARGE;
    switch (part.word) {
    case MANAGESIEVE_OK:
        return ANSWER_YES;
    case MANAGESIEVE_NO:
        return ANSWER_NO;
    case MANAGESIEVE_BYE:
        return ANSWER_FAREWELL;
    case MANAGESIEVE_NO_WORD:
        break;
    }
    return take_data(opening, &part);
}

const struct opening_words opening_managesieve = {
    .greeting = "OK \"%h ready\"",
    .hello = "CAPABILITY",
    .starttls = "STARTTLS",
    .quit = "LOGOUT",
    .greets_again = true,
    .asks_for_xclient = true,
    .greeted = greeted,
    .say_identity = opening_say_dovecot_xclient,
    .answer = answer,
};
