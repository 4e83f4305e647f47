/*
 * IMAP when mailmux is the client [RFC 9051], and the fields of ID [RFC 2971] that Dovecot takes
 * from a proxy.
 */
#include "opening_parts.h"

#include "imap_parts.h"
#include "login_words.h"
#include "mailmux/line.h"

/*
 * Learns from the capabilities in the greeting, if it has any. What the answer to CAPABILITY offers
 * is added later.
 */
static void greeted(struct opening *opening, struct slice text)
{
    const struct slice code = SLICE("[CAPABILITY ");
    struct slice words;

    while (text.n > 0 && !slice_starts_nocase(text, code))
        text = slice_after(text, 1);
    words = slice_of(text.p, slice_find(text, ']'));
    if (login_is_disabled(words))
        opening->offers |= (unsigned)OPENING_SHOWS_LOGINDISABLED;
}

static void put_pair(struct buffer *out, struct slice field, struct slice value)
{
    (void)(buffer_append(out, SLICE(" \"")) && buffer_append(out, field) &&
           buffer_append(out, SLICE("\" \"")) && buffer_append(out, value) &&
           buffer_append(out, SLICE("\"")));
}

static void put_number_pair(struct buffer *out, struct slice field, unsigned number)
{
    char digits[SLICE_DECIMAL_MAX];

    put_pair(out, field, slice_decimal(number, digits));
}

static void put_end_of_connection(
    struct buffer *out, struct slice ip, struct slice port, const struct address *address)
{
    char text[ADDRESS_TEXT_MAX];

    if (address_family(address) == 0)
        return; /* in Dovecot's ID no value means "unknown" */
    put_pair(out, ip, slice_from(address_ip_text(address, text)));
    put_number_pair(out, port, address_port(address));
}

static void say_identity(const struct opening *opening, struct buffer *out)
{
    const struct opening_client *client = opening->client;

    (void)buffer_append(out, SLICE("ID (\"name\" \"mailmux\""));
    put_end_of_connection(
        out, SLICE("x-originating-ip"), SLICE("x-originating-port"), &client->source);
    put_end_of_connection(
        out, SLICE("x-connected-ip"), SLICE("x-connected-port"), &client->destination);
    if (client->session_id.n > 0 && client->session_id.n <= OPENING_SESSION_ID_MAX)
        put_pair(out, SLICE("x-session-id"), client->session_id);
    put_number_pair(out, SLICE("x-proxy-ttl"), OPENING_PROXY_TTL);
    put_pair(out, SLICE("x-client-transport"), client->tls ? SLICE("TLS") : SLICE("insecure"));
    (void)buffer_append(out, SLICE(")\r\n"));
}

static void learn(struct opening *opening, struct slice words)
{
    struct slice word;

    if (login_is_disabled(words))
        opening->offers |= (unsigned)OPENING_SHOWS_LOGINDISABLED;
    while (slice_word(&words, &word)) {
        opening_keep(opening, word);
        if (slice_equal_nocase(word, SLICE("STARTTLS")))
            opening->offers |= (unsigned)OPENING_OFFERS_STARTTLS;
        else if (slice_starts_nocase(word, SLICE("AUTH=")))
            opening_learn_mechanisms(opening, slice_after(word, sizeof("AUTH=") - 1));
    }
}

/* If a line of data ends with a literal, the response goes on after the octets of the literal. */
static enum opening_answer go_on(struct opening *opening, struct slice line)
{
    uint64_t octets;

    opening->is_inside = literal_find(line, &octets) == LITERAL_WAITS;
    opening->skipped = opening->is_inside ? octets : 0;
    return opening->skipped > opening->plan->reply ? ANSWER_LARGE : ANSWER_PART;
}

/*
 * Drops data that was not asked for (attack A8). Its literals are skipped as octets, not read as
 * lines.
 */
static enum opening_answer take_untagged(struct opening *opening, struct slice line)
{
    struct slice rest = slice_after(line, 2);
    struct imap_status status;
    struct slice word;

    if (!slice_word(&rest, &word))
        return ANSWER_WRONG;
    if (imap_status_parse(line, &status)) {
        if (status.word == IMAP_BYE)
            return opening->step == OPENING_AT_QUIT ? ANSWER_PART : ANSWER_FAREWELL;
        return status.word == IMAP_PREAUTH ? ANSWER_WRONG : ANSWER_PART;
    }
    if (slice_equal_nocase(word, SLICE("CAPABILITY"))) {
        if (opening->step == OPENING_AT_HELLO)
            learn(opening, rest);
        return ANSWER_PART;
    }
    return go_on(opening, line);
}

static enum opening_answer take_tagged(const struct opening *opening, struct slice line)
{
    char memory[OPENING_TAG_MAX];
    struct imap_status status;
    struct slice tag;
    struct slice rest;

    if (!imap_tag_cut(line, &tag, &rest) ||
        !slice_equal_nocase(tag, opening_tag(opening, memory)) || !imap_status_parse(line, &status))
        return ANSWER_WRONG;
    if (status.word == IMAP_OK)
        return ANSWER_YES;
    return status.word == IMAP_NO || status.word == IMAP_BAD ? ANSWER_NO : ANSWER_WRONG;
}

static enum opening_answer skip(struct opening *opening, struct slice in, size_t *used)
{
    *used = in.n < opening->skipped ? in.n : (size_t)opening->skipped;
    opening->skipped -= *used;
    opening->octets += *used;
    return opening->octets > opening->plan->reply ? ANSWER_LARGE : ANSWER_PART;
}

static enum opening_answer answer(struct opening *opening, struct slice in, size_t *used)
{
    struct slice line;
    enum opening_answer cut;

    if (opening->skipped > 0)
        return skip(opening, in, used);
    cut = opening_cut_line(opening, in, &line, used);
    if (cut != ANSWER_PART)
        return cut;
    if (opening->is_inside)
        return go_on(opening, line);
    if (slice_starts(line, SLICE("* ")))
        return take_untagged(opening, line);
    if (slice_starts(line, SLICE("+")))
        return ANSWER_STRANGE;
    return take_tagged(opening, line);
}

const struct opening_words opening_imap = {
    .greeting = "* OK %h ready",
    .hello = "CAPABILITY",
    .starttls = "STARTTLS",
    .quit = "LOGOUT",
    .has_tags = true,
    .greeted = greeted,
    .say_identity = say_identity,
    .answer = answer,
};
