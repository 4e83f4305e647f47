/*
 * One probe of one server. The probe connects, speaks as a session would, and says goodbye, so that
 * the server's log has nothing to complain about. It is for periodic checks and for --check
 * --probe. One deadline is for all of it; a server that does not answer the goodbye only costs that
 * time.
 *
 * A probe is a part of its owner and runs on the thread of its engine. It uses the engine's loop,
 * deadlines, buffers and hook to connect. It ends by calling on_done once, never from inside
 * probe_start. The result is valid until the probe's memory is used again.
 */
#ifndef MAILMUX_PROBE_H
#define MAILMUX_PROBE_H

#include "approach.h"
#include "mailmux/relay_test.h"
#include "tls_advice.h"
#include "tls_info.h"

struct tls_client;

enum {
    PROBE_LINE_MAX = 160,          /* octets of a line that are kept */
    PROBE_CAPABILITIES_MAX = 4096, /* octets of all words */
    PROBE_EXPIRY_DAYS = 14 /* a warning every day begins so long before a certificate expires */
};

/* What the owner wants. The plan is copied; what it points to must outlive the probe. */
struct probe_plan {
    struct opening_plan opening; /* its goal says how far the probe goes */
    bool implicit_tls;
    struct tls_client *tls; /* for implicit_tls or opening.starttls */
    const char *tls_name;   /* see stream_start_tls_client */
    unsigned header;        /* version of the PROXY header; 0: no header */
    /*
     * The client that PROXY header and identity tell of. NULL: there is no client, the connection
     * is our own.
     */
    const struct opening_client *client;
    const char *recipient; /* SMTP: see mailmux/relay_test.h; NULL: no relay test */
    const char *sender;    /* tried if the null sender is refused */
    uint64_t timeout_ms;
};

/* The phases. The table in probe.c says what each one does. */
enum probe_phase {
    PROBE_APPROACHING,
    PROBE_ASKING,   /* the relay test */
    PROBE_QUITTING, /* the goodbye */
    PROBE_LEAVING,  /* our direction has ended; the server may still send */
    PROBE_OVER,
    PROBE_PHASES
};

/* What has been found out so far. Text from the server is as it came: any byte is possible. */
struct probe_result {
    enum opening_failure failure;
    enum opening_step step;  /* the step of the opening in which it failed */
    char why[LEG_WHY_MAX];   /* the failure in words */
    char hint[TLS_HINT_MAX]; /* what failed TLS means, or what would be right; may be empty */
    struct slice greeting;   /* its first line; may be empty */
    struct slice first_word; /* the first line that came, whatever it is */
    bool knows_offers;       /* words and offers are known */
    struct slice words;      /* capabilities, as opening_init says; set at the end */
    unsigned offers;         /* bits of enum opening_offer */
    bool has_tls;
    bool has_certificate; /* the server showed one, and the handshake succeeded */
    char tls_version[16];
    char tls_peer[TLS_INFO_NAME_MAX];
    enum tls_peer_fault tls_fault;
    int64_t tls_seconds; /* until the certificate expires; negative: since */
    struct relay_answer relay;
};

struct probe;

/* Called once, at the end. Another probe may be started in the same memory. */
typedef void probe_done(void *owner, struct probe *probe);

/* All members except result are private. */
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

/* Begins a probe of the server at the address. plan and address are copied. */
void probe_start(struct probe *probe, struct engine *engine, const struct probe_plan *plan,
    const struct address *address, probe_done *on_done, void *owner);

/*
 * Stops the probe and closes its connection; on_done is not called. It is harmless after the end,
 * and on zeroed memory.
 */
void probe_stop(struct probe *probe);

#endif
