/* POP3 when mailmux is the client [RFC 1939, 2449, 2595], and Dovecot's XCLIENT. */
#include "opening_parts.h"

#include "mailmux/line.h"
#include "pop3_parts.h"

/* Dovecot says [XCLIENT] only in its greeting, not in CAPA, and only to peers that it trusts. */
static void greeted(struct opening *opening, struct slice text)
{
    if (slice_has_nocase(text, SLICE("<")))
        opening->offers |= (unsigned)OPENING_OFFERS_MECHANISM; /* APOP [RFC 1939 7] */
    if (slice_has_nocase(text, SLICE("[XCLIENT]")))
        opening->offers |= OPENING_OFFERS_XCLIENT | OPENING_OFFERS_XCLIENT_ADDR;
}

static void learn(struct opening *opening, struct slice line)
{
    struct slice rest = line;
    struct slice word;

    opening_keep(opening, line);
    if (!slice_word(&rest, &word))
        return;
    if (slice_equal_nocase(word, SLICE("STLS")))
        opening->offers |= (unsigned)OPENING_OFFERS_STARTTLS;
    if (slice_equal_nocase(word, SLICE("USER")))
        opening->offers |= (unsigned)OPENING_OFFERS_PASSWORDS;
    if (slice_equal_nocase(word, SLICE("SASL")))
        opening_learn_mechanisms(opening, rest);
}

static enum opening_answer judge(struct opening *opening, struct slice line)
{
    switch (pop3_status_parse(line)) {
    case POP3_OK:
        opening->is_inside = opening->step == OPENING_AT_HELLO;
        return opening->is_inside ? ANSWER_PART : ANSWER_YES;
    case POP3_ERR:
        return ANSWER_NO;
    case POP3_CHALLENGE:
        return ANSWER_STRANGE;
    case POP3_WRONG:
        break;
    }
    return ANSWER_WRONG;
}

static enum opening_answer answer(struct opening *opening, struct slice in, size_t *used)
{
    struct slice line;
    enum opening_answer cut = opening_cut_line(opening, in, &line, used);

    if (cut != ANSWER_PART)
        return cut;
    if (!opening->is_inside)
        return judge(opening, line);
    if (slice_equal(line, SLICE(".")))
        return ANSWER_YES;
    learn(opening, slice_trim(line));
    return ANSWER_PART;
}

const struct opening_words opening_pop3 = {
    .greeting = "+OK %h ready",
    .hello = "CAPA",
    .starttls = "STLS",
    .quit = "QUIT",
    .greeted = greeted,
    .say_identity = opening_say_dovecot_xclient,
    .answer = answer,
};
