/*
 * What the log says of checks, each thing once: that they fail and why, that they pass again, that
 * the servers of a backend offer different things, that one binds logins to its own TLS or takes
 * no login without it, that a certificate comes to its end. The pool logs the marks. Main thread
 * only.
 */
#ifndef MAILMUX_CHECK_NEWS_H
#define MAILMUX_CHECK_NEWS_H

#include "pool.h"
#include "probe.h"

/* Which server. */
struct check_subject {
    const struct config_backend *backend;
    struct pool *pool;
    const struct pool_server *server;
    size_t slot;
};

/* What has been said about one server. Zeroed: nothing. */
struct check_news {
    enum opening_failure failure; /* of its last check */
    bool differs;
    bool binds;
    bool refuses_logins;
    uint64_t expiry_told_ms; /* 0: never */
};

/* What one server of the backend offers: the others are measured by it. Zeroed: not known yet. */
struct check_reference {
    bool is_known;
    size_t slot;
    char name[POOL_NAME_MAX];
    size_t n;
    char words[PROBE_CAPABILITIES_MAX];
};

/* The server that was in the slot is gone. */
void check_reference_forget(struct check_reference *reference, size_t slot);

/* Logs at level debug that a check is over. The caller asks log_is_on first. */
void check_news_trace(
    const struct check_subject *subject, const struct probe_result *result, uint64_t duration_ms);

/* Takes note of a check that is over, and tells what is new. */
void check_news_tell(struct check_news *news, struct check_reference *reference,
    const struct check_subject *subject, const struct probe_result *result);

#endif
