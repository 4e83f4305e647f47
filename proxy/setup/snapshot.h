/*
 * One configuration with everything built from it: certificate sets, tickets, pools, and a service
 * per listener. Built whole or not at all by the main thread, then immutable; sessions and the
 * acceptor hold references from any thread, and the last one frees it.
 */
#ifndef MAILMUX_SNAPSHOT_H
#define MAILMUX_SNAPSHOT_H

#include "mailmux/config.h"
#include "service.h"

struct snapshot;

/*
 * Takes the configuration in every case. Reads certificates and keys; what is wrong with them goes
 * to the report with its file and line. before: what is in effect now, whose tickets stay good;
 * NULL at the start. make_certificate: where none is configured, a self-signed one is made in the
 * state directory; else (for --check) that is left out. NULL on any error.
 */
struct snapshot *snapshot_new(struct config **config, struct snapshot *before,
    bool make_certificate, struct config_report *report);

/*
 * Before it is given to any other thread: its backends go on with the pools that those of the same
 * name have now, so that sessions are counted and marks kept over a reload. Where the TLS toward
 * the servers or send_client_address has changed, the backend begins anew instead, and sessions of
 * before keep the servers of before; those that wait for a place there are answered at once.
 */
void snapshot_take_pools(struct snapshot *snapshot, const struct snapshot *before);

struct snapshot *snapshot_ref(struct snapshot *snapshot);
/* Sets the pointer to NULL; NULL is allowed. */
void snapshot_unref(struct snapshot **snapshot);

const struct config *snapshot_config(const struct snapshot *snapshot);

/* By the listener's index in the configuration; and the pool of a backend by its index. */
const struct service *snapshot_service(const struct snapshot *snapshot, size_t listener);
struct pool *snapshot_pool(const struct snapshot *snapshot, size_t backend);

/*
 * How the servers of a backend are probed: as a session would come to them, but for a client, and
 * so by name of nobody. The goal is that of a session, and where tls_name is NULL it is the host of
 * the server's line. What it points to is the snapshot's.
 */
struct probe_plan snapshot_probe_plan(const struct snapshot *snapshot, size_t backend);

#endif
