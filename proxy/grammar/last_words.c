#include "last_words.h"

#include "imap_parts.h"
#include "pop3_parts.h"

/*
 * Cuts the last whole line off *text, without its line end. Returns false if the text does not end
 * with a line end. The line is incomplete if the text begins in the middle of it.
 */
static bool cut_last_line(struct slice *text, struct slice *line)
{
    size_t end = text->n;
    size_t start;

    if (end == 0 || text->p[end - 1] != '\n')
        return false;
    start = --end;
    while (start > 0 && text->p[start - 1] != '\n')
        start--;
    if (end > start && text->p[end - 1] == '\r')
        end--;
    *line = slice_of(text->p + start, end - start);
    *text = slice_of(text->p, start);
    return true;
}

/* Returns whether the line says "TAG LOGOUT"; then *tag is its tag. */
static bool is_logout(struct slice line, struct slice *tag)
{
    struct slice rest;

    return imap_tag_cut(line, tag, &rest) && slice_equal_nocase(slice_trim(rest), SLICE("LOGOUT"));
}

/* Returns whether the server's last line is the tagged answer to that command. */
static bool is_answer_to(struct slice tag, struct slice line)
{
    return line.n > tag.n && slice_starts_nocase(line, tag) && line.p[tag.n] == ' ';
}

/* A server that answers LOGOUT says BYE, and then the tagged line. Some leave out one of the two.
 */
enum last_words last_words_imap(struct slice client, struct slice server)
{
    struct slice said = SLICE("");
    struct slice heard = SLICE("");
    struct slice tag;
    bool is_bye;

    (void)cut_last_line(&client, &said);
    (void)cut_last_line(&server, &heard);
    is_bye = slice_starts_nocase(heard, SLICE("* BYE"));
    if (is_logout(said, &tag))
        return is_bye || is_answer_to(tag, heard) ? LAST_WORDS_ANSWERED : LAST_WORDS_QUIT;
    return is_bye ? LAST_WORDS_SERVER : LAST_WORDS_NONE;
}

/*
 * A reply to QUIT is +OK, or -ERR if not all messages could be removed. Unasked, a server can say
 * -ERR alone; behind a command it is the answer to that, after which the server may end as well.
 */
enum last_words last_words_pop3(struct slice client, struct slice server)
{
    struct slice said = SLICE("");
    struct slice heard = SLICE("");
    enum pop3_status status;

    (void)cut_last_line(&client, &said);
    (void)cut_last_line(&server, &heard);
    status = pop3_status_parse(heard);
    if (slice_equal_nocase(slice_trim(said), SLICE("QUIT")))
        return status == POP3_OK || status == POP3_ERR ? LAST_WORDS_ANSWERED : LAST_WORDS_QUIT;
    return status == POP3_ERR ? LAST_WORDS_SERVER : LAST_WORDS_NONE;
}

/* A reply to LOGOUT is OK, or BYE; a BYE may also come unasked [RFC 5804 1.2]. */
enum last_words last_words_managesieve(struct slice client, struct slice server)
{
    struct slice said = SLICE("");
    struct slice heard = SLICE("");
    bool is_bye;

    (void)cut_last_line(&client, &said);
    (void)cut_last_line(&server, &heard);
    is_bye = slice_starts_word(heard, SLICE("BYE"));
    if (slice_equal_nocase(slice_trim(said), SLICE("LOGOUT")))
        return is_bye || slice_starts_word(heard, SLICE("OK")) ? LAST_WORDS_ANSWERED
                                                               : LAST_WORDS_QUIT;
    return is_bye ? LAST_WORDS_SERVER : LAST_WORDS_NONE;
}
