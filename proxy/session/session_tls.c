/* What the session's line says of TLS: what was agreed on, or why nothing was. */
#include "session_parts.h"

#include "tls_advice.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Keeping it ---- */

static void copy_text(char *out, size_t cap, const char *text)
{
    (void)snprintf(out, cap, "%s", text ? text : "");
}

static void note_certificate(struct session_tls *tls, const struct tls_info *info)
{
    tls->wants_certificate = info->wants_peer;
    free(tls->client_name);
    tls->client_name = info->peer == TLS_PEER_UNKNOWN ? NULL : strdup(info->peer_name);
    tls->client_fault = info->peer_words;
}

static void note_failure(struct session *session)
{
    if (!session->tls.failed)
        session->tls.failed = calloc(1, sizeof(*session->tls.failed));
    if (session->tls.failed)
        stream_tls_advice(&session->leg[LEG_CLIENT], session->tls.failed);
}

/* The same name stays where it is: the way to a server borrows it. */
void session_keep_sni(struct session *session, struct slice name)
{
    struct session_tls *tls = &session->tls;

    if (name.n > SNI_MAX)
        name.n = SNI_MAX;
    if (name.n == 0 || (tls->sni && slice_equal(slice_from(tls->sni), name)))
        return;
    free(tls->sni);
    tls->sni = strndup(name.p, name.n);
}

/* Keeps what the log says of the client's TLS, because the stream forgets it when it is closed. */
void session_note_tls(struct session *session)
{
    struct session_tls *tls = &session->tls;
    struct tls_info info;

    if (!stream_tls_info(&session->leg[LEG_CLIENT], &info))
        return;
    tls->up = session->leg[LEG_CLIENT].handshaken;
    tls->lasted_ms = uv_now(session->engine->loop) - tls->began_ms;
    if (info.sni)
        session_keep_sni(session, slice_from(info.sni));
    if (!tls->up) {
        note_failure(session);
        return;
    }
    tls->version = info.version;
    tls->cipher = info.cipher;
    tls->group = info.group;
    tls->alpn = info.alpn;
    tls->resumed = info.resumed;
    note_certificate(tls, &info);
}

void session_note_server_tls(struct session *session)
{
    struct tls_info info;

    if (!stream_tls_info(&session->leg[LEG_SERVER], &info))
        return;
    session->server_tls = info.version;
    session->server_resumed = info.resumed;
}

void session_forget_tls(struct session *session)
{
    free(session->tls.sni);
    free(session->tls.client_name);
    free(session->tls.failed);
}

/* ---- Telling it ---- */

static void log_certificate(struct log_line *line, const struct session_tls *tls)
{
    char verify[128];

    if (!tls->wants_certificate)
        return;
    if (!tls->client_name) {
        log_text(line, "client_verify", SLICE("none"));
        return;
    }
    copy_text(verify, sizeof(verify), "ok");
    if (tls->client_fault)
        (void)snprintf(verify, sizeof(verify), "failed: %s", tls->client_fault);
    log_text(line, "client_name", slice_from(tls->client_name));
    log_text(line, "client_verify", slice_from(verify));
}

void session_log_tls(const struct session *session, struct log_line *line)
{
    const struct session_tls *tls = &session->tls;

    log_text(line, "tls", tls->up ? slice_from(tls->version) : SLICE("none"));
    if (tls->cipher)
        log_text(line, "cipher", slice_from(tls->cipher));
    if (tls->group)
        log_text(line, "group", slice_from(tls->group));
    if (tls->sni)
        log_text(line, "sni", slice_from(tls->sni));
    if (!tls->up)
        return;
    if (tls->alpn)
        log_text(line, "alpn", slice_from(tls->alpn));
    log_text(line, "resumed", tls->resumed ? SLICE("yes") : SLICE("no"));
    log_certificate(line, tls);
}

static const char *hint_of_tls_in_text(const struct config_listener *listener)
{
    switch (listener->tls) {
    case LISTENER_TLS_NONE:
        return "the client speaks TLS, and this listener has tls = none";
    case LISTENER_TLS_AUTO:
        return "the client begins with TLS, but later than sniff allows, and had got the greeting "
               "in "
               "clear; write a longer sniff";
    case LISTENER_TLS_STARTTLS:
    case LISTENER_TLS_IMPLICIT:
        break;
    }
    return "the client begins with TLS, and on this port STARTTLS comes first; set its encryption "
           "to STARTTLS, or write tls = auto in the listener";
}

/* Returns what a reason that is about TLS means, or NULL. */
static const char *hint_of_reason(const struct session *session)
{
    bool is_silent = stream_is_open(&session->leg[LEG_CLIENT]) &&
                     stream_received(&session->leg[LEG_CLIENT]) <= session->tls_from;

    switch ((int)session->reason) {
    case REASON_PLAINTEXT_ON_TLS_PORT:
        return "the client speaks without TLS, and on this port TLS comes first; set its "
               "encryption to SSL/TLS, or write tls = auto in the listener";
    case REASON_TLS_ON_PLAINTEXT_PORT:
        return hint_of_tls_in_text(session->service->listener);
    case REASON_TIMEOUT_HANDSHAKE:
        return is_silent && !session->dialog
                   ? "the client waited for a greeting, and on this port TLS comes first; set its "
                     "encryption to SSL/TLS, or write tls = auto in the listener"
                   : NULL;
    default:
        return NULL;
    }
}

static void log_field(struct log_line *line, const char *key, struct slice value)
{
    if (value.n > 0)
        log_text(line, key, value);
}

/* An alert that comes when TLS is up already is looked at here: its stream is still open. */
static void log_advice(const struct session *session, struct log_line *line, bool has_hint)
{
    const struct tls_advice *failed = session->tls.failed;
    struct tls_advice late = {0};

    if (!failed && session->reason == REASON_CLIENT_TLS_ERROR) {
        stream_tls_advice(&session->leg[LEG_CLIENT], &late);
        failed = &late;
    }
    if (!failed)
        return;
    if (!has_hint)
        log_field(line, "hint", slice_from(failed->hint));
    log_field(line, "offered_versions", slice_from(failed->versions));
    log_field(line, "offered_alpn", slice_of(failed->alpn, failed->alpn_n));
    log_field(line, "offered_ciphers", slice_from(failed->ciphers));
    log_field(line, "offered_groups", slice_from(failed->groups));
}

void session_log_tls_failure(const struct session *session, struct log_line *line)
{
    const char *hint = hint_of_reason(session);

    if (hint)
        log_text(line, "hint", slice_from(hint));
    log_advice(session, line, hint != NULL);
}
