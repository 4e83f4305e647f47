/* What the log says of a try that failed: the server's own words, and what would be right. */
#include "upstream_parts.h"

#include "tls_advice.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAID_MAX = 200 };

/* ---- The server's own words ---- */

/* Keeps a copy without the line end. What is longer than SAID_MAX is cut and ends in dots. */
static void keep_said(struct upstream *upstream, struct slice words)
{
    size_t dots;

    while (words.n > 0 && (words.p[words.n - 1] == '\r' || words.p[words.n - 1] == '\n'))
        words.n--;
    dots = words.n > SAID_MAX ? 3 : 0;
    if (dots > 0)
        words.n = SAID_MAX;
    free(upstream->search->said);
    upstream->search->said_n = 0;
    upstream->search->said = words.n > 0 ? malloc(words.n + dots) : NULL;
    if (!upstream->search->said)
        return;
    memcpy(upstream->search->said, words.p, words.n);
    memcpy(upstream->search->said + words.n, "...", dots);
    upstream->search->said_n = words.n + dots;
}

void upstream_hear(
    void *owner, enum opening_step step, struct slice in, const struct opening_turn *turn)
{
    struct upstream *upstream = owner;

    (void)step;
    if (turn->next != OPENING_FAILED)
        return;
    keep_said(upstream, turn->used > 0 ? slice_of(in.p, turn->used) : in);
}

/* What was heard of a server that ended or fell silent before its line was complete. */
static void hear_rest(struct upstream *upstream)
{
    struct slice rest = buffer_held(*upstream->search->input);
    const char *clear;

    if (upstream->search->said)
        return;
    if (upstream->search->approach.failure == OPENING_TLS_IN_CLEAR) {
        clear = stream_said_in_clear(upstream->search->leg);
        rest = slice_from(clear ? clear : "");
    }
    if (rest.n > 0 && upstream->search->approach.failure != OPENING_FINE)
        keep_said(upstream, rest);
}

/* ---- What would be right ---- */

/* Returns whether a visit by --probe tells more than the line does. */
static bool probe_tells_more(enum opening_failure failure)
{
    const struct opening_verdict *verdict = opening_verdict(failure);

    switch (verdict->trouble) {
    case TROUBLE_NO_WORD:
        return failure != OPENING_SLOW_GREETING;
    case TROUBLE_TLS:
    case TROUBLE_CERTIFICATE:
    case TROUBLE_MISUNDERSTANDING:
        return true;
    case TROUBLE_WORDS:
        return !verdict->client_may_hear;
    case TROUBLE_NONE:
    case TROUBLE_OURS:
    case TROUBLE_NO_CONNECTION:
        break;
    }
    return false;
}

/* Returns what the settings of the backend may have to do with it, or NULL. */
static const char *hint_of_settings(const struct upstream *upstream)
{
    const struct config_backend *backend = upstream->route->backend;

    switch ((int)upstream->search->approach.failure) {
    case OPENING_TLS_IN_CLEAR:
        return backend->tls == BACKEND_TLS_IMPLICIT
                   ? "the server speaks in clear, and tls = implicit expects TLS first; write tls "
                     "= "
                     "starttls or tls = none, or name its port for TLS"
                   : NULL;
    case OPENING_GREETING_TIMEOUT:
        return backend->tls != BACKEND_TLS_IMPLICIT
                   ? "a server is silent where it expects TLS first (tls = implicit) or a PROXY "
                     "header (send_client_address)"
                   : NULL;
    case OPENING_NO_STARTTLS:
        return "tls = starttls, and the server offers none; turn TLS on there";
    default:
        return NULL;
    }
}

static void log_hint(const struct upstream *upstream, struct log_line *line)
{
    const char *hint = hint_of_settings(upstream);
    struct tls_advice advice;

    stream_tls_advice(upstream->search->leg, &advice);
    if (!hint && advice.hint[0] != '\0')
        hint = advice.hint;
    if (hint)
        log_text(line, "hint", slice_from(hint));
    if (probe_tells_more(upstream->search->approach.failure))
        log_text(line, "see", SLICE("mailmux --check --probe"));
}

/* ---- The line ---- */

void upstream_log_server(const struct upstream *upstream, struct log_line *line)
{
    char address[ADDRESS_TEXT_MAX];

    log_text(line, "backend", slice_from(upstream->route->backend->name));
    log_text(line, "server", slice_from(upstream->choice.name));
    log_text(line, "address", slice_from(address_text(&upstream->choice.address, address)));
}

void upstream_log_failure(struct upstream *upstream, const char *why)
{
    struct log_line line;

    hear_rest(upstream);
    log_open(&line, LOG_WARNING, "try-failed");
    log_text(&line, "id", upstream->search->client.id);
    upstream_log_server(upstream, &line);
    log_number(
        &line, "duration_ms", uv_now(upstream->engine->loop) - upstream->search->try_began_ms);
    log_text(&line, "why", slice_from(why));
    if (upstream->search->said)
        log_text(&line, "said", slice_of(upstream->search->said, upstream->search->said_n));
    log_hint(upstream, &line);
    log_write(&line);
    free(upstream->search->said);
    upstream->search->said = NULL;
}
