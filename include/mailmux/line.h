/*
 * Finds where lines and replies end, and writes lines. LF ends a line, and a CR before it belongs
 * to the end. No backend finds more ends than that, so no second command can hide inside a line
 * (rule F). Pure; any thread. The slices that are returned point into the input.
 */
#ifndef MAILMUX_LINE_H
#define MAILMUX_LINE_H

#include "mailmux/buffer.h"

enum line_cut {
    LINE_MORE,  /* its end is not there yet, and it is still below the limit */
    LINE_WHOLE, /* the outputs are set */
    LINE_LONG   /* it is longer than the limit, or reaches it without an end */
};

/*
 * Finds the end of the first line in `in`. *line is the line without its end; *used is how many
 * octets it takes with its end. limit: the most octets that a line may have, with its end. *line
 * and *used are written only if LINE_WHOLE is returned.
 */
enum line_cut line_cut(struct slice in, size_t limit, struct slice *line, size_t *used);

/* Whether the end of a line or of a reply of a server was found. */
enum reply_cut {
    REPLY_MORE,      /* its end is not there yet */
    REPLY_WHOLE,     /* the outputs are set */
    REPLY_MALFORMED, /* it is no reply */
    REPLY_LARGE      /* it is longer than its limit */
};

enum { REPLY_LINE_MAX = 4096 }; /* octets of a server's line, its end included */

/*
 * As line_cut, for a line of a server: all CRs before its LF belong to its end. Never returns
 * REPLY_MALFORMED.
 */
enum reply_cut line_cut_reply(struct slice in, size_t limit, struct slice *line, size_t *used);

/*
 * Takes the next line of a server off *rest, and writes it to *line without its end. Returns false
 * if *rest has no line with an end; nothing is written then.
 */
bool line_next(struct slice *rest, struct slice *line);

/* Returns how many octets an empty line at the start of `in` takes, or 0 if there is none. */
size_t line_blank(struct slice in);

/* Returns the line without the CRs at its end. */
struct slice line_trim_returns(struct slice line);

/* Returns whether the line has neither NUL nor CR in it (attack A9). */
bool line_is_clean(struct slice line);

/* Appends the line and one CRLF. Returns false if they do not fit; nothing is appended then. */
bool line_append(struct buffer *out, struct slice line);

/* As line_append, but each NUL and CR in the line becomes a blank. */
bool line_append_clean(struct buffer *out, struct slice line);

/* As line_append; a "%h" in the text stands for the host name. The text has no other '%'. */
bool line_append_named(struct buffer *out, const char *text, struct slice hostname);

#endif
