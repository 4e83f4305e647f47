/*
 * Cutting and writing lines. LF ends a line, and a CR before it belongs to the end. No backend
 * finds more ends than that, so no second command can hide inside a line (rule F). Pure; any
 * thread. Slices that are cut borrow the input.
 */
#ifndef MAILMUX_LINE_H
#define MAILMUX_LINE_H

#include "mailmux/buffer.h"

enum line_cut {
    LINE_MORE,  /* its end is not there yet, and it is still below the limit */
    LINE_WHOLE, /* the outputs are set */
    LINE_LONG   /* it has more octets than the limit, or as many without an end */
};

/*
 * Cuts the first line of `in`: *line is without its end, *used is how many octets it takes with it.
 * limit: octets, those of the end included. The outputs are written on LINE_WHOLE only.
 */
enum line_cut line_cut(struct slice in, size_t limit, struct slice *line, size_t *used);

/* What a server said, cut at the end of a line or of a whole reply. */
enum reply_cut {
    REPLY_MORE,      /* its end is not there yet */
    REPLY_WHOLE,     /* the outputs are set */
    REPLY_MALFORMED, /* it is no reply */
    REPLY_LARGE      /* it is longer than its limit */
};

enum { REPLY_LINE_MAX = 4096 }; /* octets of a server's line, its end included */

/* As line_cut, for a line of a server: all CRs before its LF belong to its end. Never MALFORMED. */
enum reply_cut line_cut_reply(struct slice in, size_t limit, struct slice *line, size_t *used);

/*
 * Cuts the next line of a server off *rest, without its end. False, and nothing is written: no line
 * is left that has an end.
 */
bool line_next(struct slice *rest, struct slice *line);

/* How many octets an empty line at the start of `in` takes; 0: there is none. */
size_t line_blank(struct slice in);

/* The line without the CRs at its end. */
struct slice line_trim_returns(struct slice line);

/* The line has neither NUL nor CR in it (attack A9). */
bool line_is_clean(struct slice line);

/* Appends the line and one CRLF. False: it does not fit, and nothing is appended. */
bool line_append(struct buffer *out, struct slice line);

/* As line_append, with a blank for each NUL and CR in the line. */
bool line_append_clean(struct buffer *out, struct slice line);

/* As line_append; a "%h" in the text stands for the host name. The text has no other '%'. */
bool line_append_named(struct buffer *out, const char *text, struct slice hostname);

#endif
