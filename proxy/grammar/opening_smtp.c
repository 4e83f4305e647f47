/* SMTP and LMTP when mailmux is the client [RFC 5321, 2033, 3207], and Postfix's XCLIENT. */
#include "opening_parts.h"

#include "mailmux/line.h"
#include "smtp_parts.h"

/*
 * The attributes of XCLIENT that mailmux can send. NAME and ADDR come last: once a server has taken
 * them, it may no longer trust this connection.
 */
static const struct {
    const char *name;
    enum opening_offer offer;
} attributes[] = {
    {"DESTADDR", OPENING_OFFERS_XCLIENT_DESTADDR},
    {"DESTPORT", OPENING_OFFERS_XCLIENT_DESTPORT},
    {"PORT", OPENING_OFFERS_XCLIENT_PORT},
    {"NAME", OPENING_OFFERS_XCLIENT_NAME},
    {"ADDR", OPENING_OFFERS_XCLIENT_ADDR},
};
enum { ATTRIBUTES = sizeof(attributes) / sizeof(attributes[0]) };

static void put_attribute(const struct opening_client *client, enum opening_offer attribute,
    struct slice name, struct buffer *out)
{
    bool is_ours = attribute == OPENING_OFFERS_XCLIENT_DESTADDR ||
                   attribute == OPENING_OFFERS_XCLIENT_DESTPORT;
    const struct address *address = is_ours ? &client->destination : &client->source;

    if (attribute == OPENING_OFFERS_XCLIENT_NAME)
        /*
         * The client's name was not looked up. Without the attribute the server would keep the name
         * of this proxy.
         */
        (void)buffer_append(out, SLICE(" NAME=[UNAVAILABLE]"));
    else if (attribute == OPENING_OFFERS_XCLIENT_PORT ||
             attribute == OPENING_OFFERS_XCLIENT_DESTPORT)
        opening_put_port(out, name, address);
    else
        opening_put_address(out, name, address, SLICE("IPV6:"));
}

/*
 * All attributes with their longest values are far shorter than OPENING_XCLIENT_MAX, so one command
 * is enough.
 */
static void say_identity(const struct opening *opening, struct buffer *out)
{
    (void)buffer_append(out, SLICE("XCLIENT"));
    for (size_t i = 0; i < ATTRIBUTES; i++) {
        if (opening->offers & (unsigned)attributes[i].offer)
            put_attribute(
                opening->client, attributes[i].offer, slice_from(attributes[i].name), out);
    }
    (void)buffer_append(out, SLICE("\r\n"));
}

static void learn_xclient(struct opening *opening, struct slice names)
{
    struct slice name;

    opening->offers |= (unsigned)OPENING_OFFERS_XCLIENT;
    while (slice_word(&names, &name)) {
        for (size_t i = 0; i < ATTRIBUTES; i++) {
            if (slice_equal_nocase(name, slice_from(attributes[i].name)))
                opening->offers |= (unsigned)attributes[i].offer;
        }
    }
}

static void learn(struct opening *opening, struct slice text)
{
    struct slice rest = text;
    struct slice keyword;

    opening_keep(opening, text);
    if (!slice_word(&rest, &keyword))
        return;
    if (slice_equal_nocase(keyword, SLICE("STARTTLS"))) {
        opening->offers |= (unsigned)OPENING_OFFERS_STARTTLS;
    } else if (slice_equal_nocase(keyword, SLICE("XCLIENT"))) {
        learn_xclient(opening, rest);
    } else if (slice_equal_nocase(keyword, SLICE("AUTH"))) {
        opening_learn_mechanisms(opening, rest);
    }
}

/* Learns from all lines but the first, which is the domain and never a keyword. */
static void learn_all(struct opening *opening, const struct smtp_reply_text *reply)
{
    struct slice rest = reply->text;
    struct slice line;

    (void)line_next(&rest, &line);
    while (line_next(&rest, &line))
        learn(opening, slice_trim(smtp_reply_line_text(line)));
}

static enum opening_answer judge(enum opening_step step, unsigned code)
{
    unsigned wanted = step == OPENING_AT_HELLO ? 250 : step == OPENING_AT_QUIT ? 221 : 220;

    if (code == 421)
        return ANSWER_FAREWELL;
    /*
     * Postfix answers XCLIENT with 220, other servers with 250. No RFC says which is right, so both
     * are a yes.
     */
    if (code == wanted || (step == OPENING_AT_IDENTITY && code / 100 == 2))
        return ANSWER_YES;
    return code >= 400 ? ANSWER_NO : ANSWER_STRANGE;
}

static enum opening_answer answer(struct opening *opening, struct slice in, size_t *used)
{
    const struct opening_plan *plan = opening->plan;
    struct smtp_reply_text reply;
    enum opening_answer found;
    enum reply_cut cut;

    cut = smtp_reply_cut(in, plan->reply, plan->reply_lines, REPLY_LINE_MAX, &reply);
    if (cut != REPLY_WHOLE)
        return opening_answer_of(cut);
    *used = reply.used;
    found = judge(opening->step, reply.code);
    if (found == ANSWER_YES && opening->step == OPENING_AT_HELLO)
        learn_all(opening, &reply);
    return found;
}

const struct opening_words opening_smtp = {
    .greeting = "220 %h ESMTP",
    .hello = "EHLO %h",
    .starttls = "STARTTLS",
    .quit = "QUIT",
    .asks_for_xclient = true,
    .say_identity = say_identity,
    .answer = answer,
};

const struct opening_words opening_lmtp = {
    .greeting = "220 %h LMTP",
    .hello = "LHLO %h",
    .starttls = "STARTTLS",
    .quit = "QUIT",
    .asks_for_xclient = true,
    .say_identity = say_identity,
    .answer = answer,
};
