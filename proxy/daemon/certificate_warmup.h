/*
 * Parses the certificates of directories in the background, so that a client's first handshake for
 * a name costs no more than its second. It takes half of a processor at most, and no file is read.
 * Main thread; the work is done by one of libuv's.
 */
#ifndef MAILMUX_CERTIFICATE_WARMUP_H
#define MAILMUX_CERTIFICATE_WARMUP_H

#include "snapshot.h"
#include <uv.h>

/* In the caller's memory, which must outlive the loop; its members are private. */
struct certificate_warmup {
    uv_work_t work;
    uv_timer_t pause;
    struct snapshot *wanted;         /* to begin with next; NULL: none */
    struct snapshot *snapshot;       /* whose certificates are parsed; NULL: none */
    struct tls_directory *directory; /* that of one of its sets */
    size_t set;                      /* the one behind that */
    size_t at;                       /* in the directory */
    uint64_t took_ms;
    bool is_working;
};

/* Close it with certificate_warmup_close before the loop ends. */
void certificate_warmup_init(struct certificate_warmup *warmup, uv_loop_t *loop);

/* Parses what is not parsed yet, of this snapshot alone, to which it takes a reference. */
void certificate_warmup_follow(struct certificate_warmup *warmup, struct snapshot *snapshot);

/* Closes its handle, and gives the snapshot back when the work that goes on is done. */
void certificate_warmup_close(struct certificate_warmup *warmup);

#endif
