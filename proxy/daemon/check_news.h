/*
 * Logs what checks find, each change once: a check fails, and why; it passes again; the servers of
 * a backend offer different capabilities; a server offers logins that are bound to its own TLS
 * (channel binding), or takes no login without TLS. A certificate that expires soon is logged once
 * a day. Changes of marks are logged by the pool. Main thread only.
 */
#ifndef MAILMUX_CHECK_NEWS_H
#define MAILMUX_CHECK_NEWS_H

#include "pool.h"
#include "probe.h"

/* The server that was checked. Borrowed by each call. */
struct check_subject {
    const struct config_backend *backend;
    struct pool *pool;
    const struct pool_server *server;
    size_t slot;
};

/* What has been logged about one server. If it is zeroed, nothing has been logged. */
struct check_news {
    enum opening_failure failure; /* of its last check */
    bool differs;                 /* its capabilities are not those of the reference */
    bool binds;                   /* it offers logins that are bound to its own TLS */
    bool refuses_logins;          /* it takes no login without TLS */
    uint64_t expiry_told_ms;      /* 0: never, or the certificate has been renewed since */
};

/*
 * The capabilities of one server of the backend, with which those of the others are compared. If it
 * is zeroed, they are not known yet.
 */
struct check_reference {
    bool is_known;
    size_t slot;              /* of the server that has these capabilities */
    char name[POOL_NAME_MAX]; /* the server's name */
    size_t n;                 /* octets of words */
    char words[PROBE_CAPABILITIES_MAX];
};

/*
 * Call it when the server in the slot is gone. If that server was the reference, there is no
 * reference until the next check.
 */
void check_reference_forget(struct check_reference *reference, size_t slot);

/* Logs at level debug that a check is over. Call it only if log_is_on(LOG_DEBUG). */
void check_news_trace(
    const struct check_subject *subject, const struct probe_result *result, uint64_t duration_ms);

/* Logs what is new in the result of a check, and keeps in *news and *reference what it found. */
void check_news_tell(struct check_news *news, struct check_reference *reference,
    const struct check_subject *subject, const struct probe_result *result);

#endif
