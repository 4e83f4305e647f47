/*
 * One server as --check --probe sees it: a probe as the configuration says, and where that fails in
 * a way that a wrong setting explains, one with the opposite setting; for SMTP one more as a
 * stranger, who asks whether mail would be relayed. Where TLS is refused for its certificate it is
 * looked at once more without belief. Main thread.
 */
#ifndef MAILMUX_VISIT_H
#define MAILMUX_VISIT_H

#include "pool.h"
#include "probe.h"
#include "snapshot.h"

/* A mailbox that does not exist: no server owns the domain [RFC 2606 3]. */
#define VISIT_RECIPIENT_DOMAIN "relay-probe.example"
#define VISIT_RECIPIENT "probe@" VISIT_RECIPIENT_DOMAIN

/* A mailbox that every domain has [RFC 5321 4.5.1]. */
#define VISIT_SENDER "postmaster"
enum { VISIT_SENDER_MAX = 320 };

enum visit_try {
    VISIT_AS_CONFIGURED,
    VISIT_OTHER_HEADER,    /* with a PROXY header where none is configured, or without */
    VISIT_OTHER_TLS,       /* from the first byte, or not at all */
    VISIT_ANY_CERTIFICATE, /* to see the one that was refused */
    VISIT_STRANGER,
    VISIT_TRIES
};

struct visit;
typedef void visit_done(void *owner);

struct visit {
    const struct snapshot *snapshot;
    size_t backend;
    const struct config_server *server;
    bool has_address; /* false: its name has none, and there is nothing to visit */
    struct address address;
    bool is_over;
    enum visit_try now;
    bool was_tried[VISIT_TRIES];
    struct probe probes[VISIT_TRIES];
    struct opening_client stranger;
    char sender[VISIT_SENDER_MAX]; /* of a stranger that claims to be of the listener's domain */
    /* What is not the visit's: */
    struct engine *engine;
    struct tls_client *lax; /* takes every certificate */
    visit_done *on_done;
    void *owner;
};

/* Begins; the first five members are set. on_done comes once, later. */
void visit_start(struct visit *visit, struct engine *engine, struct tls_client *lax,
    visit_done *on_done, void *owner);

const struct config_backend *visit_backend(const struct visit *visit);

/* What that try found, or NULL. */
const struct probe_result *visit_result(const struct visit *visit, enum visit_try which);

/* That try found a server to talk with, which the configured one did not. */
bool visit_explains(const struct visit *visit, enum visit_try which);

/* A header is configured, whichever of the two. */
bool visit_sends_header(const struct visit *visit);

#endif
