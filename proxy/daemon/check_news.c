#include "check_news.h"

#include "logins.h"
#include "mailmux/capabilities.h"
#include "mailmux/clock.h"
#include "mailmux/log.h"
#include "mailmux/login_advice.h"
#include <stdio.h>
#include <string.h>

enum { DAY_S = 24 * 60 * 60, DAY_MS = 1000 * DAY_S };

static void open_line(struct log_line *line, const struct check_subject *subject,
    enum log_level level, const char *event)
{
    char address[ADDRESS_TEXT_MAX];

    log_open(line, level, event);
    log_text(line, "backend", slice_from(subject->backend->name));
    log_text(line, "server", slice_from(subject->server->name));
    log_text(line, "address", slice_from(address_text(&subject->server->address, address)));
}

/* ---- Passed and failed ---- */

static void tell_outcome(
    struct check_news *news, const struct check_subject *subject, const struct probe_result *result)
{
    struct log_line line;

    if (news->failure == result->failure)
        return;
    if (result->failure == OPENING_FINE) {
        open_line(&line, subject, LOG_INFO, "check-passed");
    } else {
        open_line(&line, subject, LOG_WARNING, "check-failed");
        log_text(&line, "why", slice_from(result->why));
        if (result->first_word.n > 0)
            log_text(&line, "said", result->first_word);
        if (result->hint[0] != '\0')
            log_text(&line, "hint", slice_from(result->hint));
    }
    log_write(&line);
    news->failure = result->failure;
}

void check_news_trace(
    const struct check_subject *subject, const struct probe_result *result, uint64_t duration_ms)
{
    struct log_line line;

    open_line(&line, subject, LOG_DEBUG, "check");
    if (result->has_tls)
        log_text(&line, "tls", slice_from(result->tls_version));
    log_number(&line, "duration_ms", duration_ms);
    log_text(&line, "result", result->failure == OPENING_FINE ? SLICE("passed") : SLICE("failed"));
    if (result->failure != OPENING_FINE)
        log_text(&line, "why", slice_from(result->why));
    log_write(&line);
}

/* ---- What is offered ---- */

void check_reference_forget(struct check_reference *reference, size_t slot)
{
    if (reference->slot == slot)
        reference->is_known = false;
}

static void set_reference(struct check_reference *reference, const struct check_subject *subject,
    const struct probe_result *result)
{
    reference->is_known = true;
    reference->slot = subject->slot;
    (void)snprintf(reference->name, sizeof(reference->name), "%s", subject->server->name);
    reference->n = result->words.n;
    memcpy(reference->words, result->words.p, result->words.n);
}

static void compare(struct check_news *news, const struct check_reference *reference,
    const struct check_subject *subject, const struct probe_result *result)
{
    struct slice other = slice_of(reference->words, reference->n);
    char memory[2][LOG_FIELD_MAX];
    struct buffer only[2];
    struct log_line line;
    bool differs;

    for (int i = 0; i < 2; i++)
        buffer_init(&only[i], memory[i], sizeof(memory[i]));
    differs = capabilities_missing(result->words, other, &only[0]);
    differs = capabilities_missing(other, result->words, &only[1]) || differs;
    if (differs && !news->differs) {
        open_line(&line, subject, LOG_WARNING, "capabilities-differ");
        log_text(&line, "other", slice_from(reference->name));
        log_text(&line, "only_here", buffer_held(&only[0]));
        log_text(&line, "only_there", buffer_held(&only[1]));
        log_write(&line);
    }
    news->differs = differs;
}

static void tell_offers(struct check_news *news, struct check_reference *reference,
    const struct check_subject *subject, const struct probe_result *result)
{
    bool binds = (result->offers & (unsigned)OPENING_OFFERS_PLUS) != 0 &&
                 subject->backend->tls != BACKEND_TLS_NONE;
    struct log_line line;

    if (!result->knows_offers)
        return;
    if (!reference->is_known || reference->slot == subject->slot)
        set_reference(reference, subject, result);
    else
        compare(news, reference, subject, result);
    if (binds && !news->binds) {
        open_line(&line, subject, LOG_WARNING, "channel-binding");
        log_text(&line, "why",
            SLICE("it offers a mechanism with -PLUS, which binds a login to its own TLS and not to "
                  "the client's; mailmux hides it, turn channel binding off there"));
        log_write(&line);
    }
    news->binds = binds;
}

/*
 * With proxy_tlvs = ssl the server hears which clients use TLS, and may take their logins. A check
 * is no such client, so what it was refused proves nothing, and nothing is logged.
 */
static void tell_logins(
    struct check_news *news, const struct check_subject *subject, const struct probe_result *result)
{
    enum config_protocol protocol = subject->backend->protocol;
    bool refuses = logins_judge(subject->backend, result, NULL) != LOGINS_FINE &&
                   !login_advice_is_told(subject->backend);
    struct log_line line;

    if (result->failure != OPENING_FINE)
        return;
    if (refuses && !news->refuses_logins) {
        (void)pool_note_logins_refused(subject->pool); /* no session needs to say it again */
        open_line(&line, subject, LOG_WARNING, "logins-refused");
        log_text(&line, "why", slice_from(login_advice_why(protocol)));
        log_text(&line, "remedy", slice_from(login_advice_remedy(protocol)));
        log_write(&line);
    }
    news->refuses_logins = refuses;
}

/* ---- Certificates ---- */

/* Once a day. A renewed certificate begins anew; one that was not shown changes nothing. */
static void tell_expiry(
    struct check_news *news, const struct check_subject *subject, const struct probe_result *result)
{
    uint64_t now_ms = clock_monotonic_ms();
    struct log_line line;

    if (!result->has_certificate || result->tls_seconds >= (int64_t)PROBE_EXPIRY_DAYS * DAY_S) {
        if (result->has_certificate)
            news->expiry_told_ms = 0;
        return;
    }
    if (news->expiry_told_ms > 0 && now_ms - news->expiry_told_ms < DAY_MS)
        return;
    news->expiry_told_ms = now_ms > 0 ? now_ms : 1;
    open_line(&line, subject, LOG_WARNING, "certificate-expires");
    log_text(&line, "name", slice_from(result->tls_peer));
    if (result->tls_seconds < 0)
        log_text(&line, "why", SLICE("it has expired"));
    else
        log_number(&line, "days", (uint64_t)result->tls_seconds / DAY_S);
    log_write(&line);
}

void check_news_tell(struct check_news *news, struct check_reference *reference,
    const struct check_subject *subject, const struct probe_result *result)
{
    tell_outcome(news, subject, result);
    tell_offers(news, reference, subject, result);
    tell_logins(news, subject, result);
    tell_expiry(news, subject, result);
}
