/*
 * A visit: all that --check --probe does with one server. It probes the server as configured. If
 * that fails in a way that a wrong setting may explain, it probes with the opposite setting. If the
 * certificate was refused, it probes once more and takes any, to see which one it is. An SMTP
 * server that is fine is probed as a stranger, to learn whether it would relay mail. Main thread.
 */
#ifndef MAILMUX_VISIT_H
#define MAILMUX_VISIT_H

#include "probe.h"
#include "snapshot.h"

/* A mailbox that does not exist: no server owns the domain [RFC 2606 3]. */
#define VISIT_RECIPIENT_DOMAIN "relay-probe.example"
#define VISIT_RECIPIENT "probe@" VISIT_RECIPIENT_DOMAIN

/* The local part of a mailbox that every domain has [RFC 5321 4.5.1]. */
#define VISIT_SENDER "postmaster"
enum { VISIT_SENDER_MAX = 320 };

enum visit_try {
    VISIT_AS_CONFIGURED,
    VISIT_OTHER_HEADER,    /* without the PROXY header; or with one where none is configured */
    VISIT_OTHER_TLS,       /* in clear instead of tls = implicit; else TLS from the first byte */
    VISIT_ANY_CERTIFICATE, /* any certificate is taken */
    VISIT_STRANGER,        /* as a client from far away that wants mail relayed */
    VISIT_TRIES
};

struct visit;
typedef void visit_done(void *owner);

struct visit {
    const struct snapshot *snapshot;
    size_t backend;
    const struct config_server *server;
    bool has_address; /* false: its name has none, and visit_start is not called */
    struct address address;
    bool is_over;
    enum visit_try now; /* the try that is under way */
    bool was_tried[VISIT_TRIES];
    struct probe probes[VISIT_TRIES];
    struct opening_client stranger;
    char sender[VISIT_SENDER_MAX]; /* the stranger's, where the null sender is refused */
    /* Borrowed: */
    struct engine *engine;
    struct tls_client *lax; /* takes every certificate */
    visit_done *on_done;
    void *owner;
};

/*
 * Begins. The caller has set the members up to `address`, and zeroed the others. engine, lax and
 * the snapshot must live until on_done, which is called once and never from inside this call.
 */
void visit_start(struct visit *visit, struct engine *engine, struct tls_client *lax,
    visit_done *on_done, void *owner);

const struct config_backend *visit_backend(const struct visit *visit);

/* What that try has found, or NULL if it was not made. Part of the visit. */
const struct probe_result *visit_result(const struct visit *visit, enum visit_try which);

/* Whether that try was made and the server understood it: then its setting is the right one. */
bool visit_explains(const struct visit *visit, enum visit_try which);

/* Whether a PROXY header of either version is configured. */
bool visit_sends_header(const struct visit *visit);

#endif
