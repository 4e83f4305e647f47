/*
 * One probe of one server: it is connected, spoken to as a session would, and taken leave of, so
 * that its log has nothing to complain about. For periodic checks and for --check --probe. The
 * whole of it is one deadline; a server that does not answer our goodbye only costs that time.
 *
 * A part of its owner, on the thread of its engine, of which it uses the loop, the deadlines, the
 * buffers and the way to connect. It ends by calling on_done once, never from inside probe_start;
 * then its memory may be used again. What the result says stays until then.
 */
#ifndef MAILMUX_PROBE_H
#define MAILMUX_PROBE_H

#include "approach.h"
#include "mailmux/relay_test.h"
#include "tls_info.h"

struct tls_client;

enum {
    PROBE_LINE_MAX = 160,          /* octets of a line that are kept */
    PROBE_CAPABILITIES_MAX = 4096, /* of all words */
    PROBE_EXPIRY_DAYS = 14         /* before a certificate expires there is a warning every day */
};

/* What is asked for. What it points to outlives the probe; the plan itself is copied. */
struct probe_plan {
    struct opening_plan opening; /* its goal is how far the probe goes */
    bool implicit_tls;
    struct tls_client *tls; /* with implicit_tls or opening.starttls */
    const char *tls_name;
    unsigned header; /* version of the PROXY header; 0: none */
    /* The client of the header and the identity; NULL: none, the connection is our own. */
    const struct opening_client *client;
    const char *recipient; /* SMTP: see mailmux/relay_test.h; NULL: the question is not asked */
    const char *sender;    /* where the null sender is refused */
    uint64_t timeout_ms;
};

/* What each phase does is its row in probe.c. */
enum probe_phase {
    PROBE_APPROACHING,
    PROBE_ASKING, /* whether it relays */
    PROBE_QUITTING,
    PROBE_LEAVING, /* our end is said; it may have more to say */
    PROBE_OVER,
    PROBE_PHASES
};

/* What has been found out so far. Text from the server is as it came. */
struct probe_result {
    enum opening_failure failure;
    enum opening_step step;  /* in which it failed, while it was talked to */
    char why[LEG_WHY_MAX];   /* it failed */
    struct slice greeting;   /* its first line; may be empty */
    struct slice first_word; /* the first octets that it sent, whatever they are */
    bool knows_offers;       /* the two below are known */
    struct slice words;      /* as opening_init leaves them */
    unsigned offers;         /* enum opening_offer */
    bool has_tls;
    bool has_certificate; /* it was shown, and the handshake went on */
    char tls_version[16];
    char tls_peer[TLS_INFO_NAME_MAX];
    enum tls_peer tls_state;
    enum tls_peer_fault tls_fault;
    int64_t tls_seconds; /* until the certificate expires */
    struct relay_answer relay;
};

struct probe;
typedef void probe_done(void *owner, struct probe *probe);

/* All but result is private. */
struct probe {
    struct probe_result result;
    struct engine *engine;
    struct probe_plan plan;
    struct address address;
    probe_done *on_done;
    void *owner;
    enum probe_phase phase;
    struct stream leg;
    struct buffer *input;
    struct buffer *output;
    struct approach approach;
    struct relay_test relay;
    struct deadline deadline;
    struct buffer capabilities;
    char capabilities_memory[PROBE_CAPABILITIES_MAX];
    char greeting_memory[PROBE_LINE_MAX];
    char first_memory[PROBE_LINE_MAX];
};

void probe_start(struct probe *probe, struct engine *engine, const struct probe_plan *plan,
    const struct address *address, probe_done *on_done, void *owner);

/* Cuts it; on_done is not called. Harmless after its end, and on zeroed memory. */
void probe_stop(struct probe *probe);

#endif
