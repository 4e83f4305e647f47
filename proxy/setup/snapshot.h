/*
 * A snapshot: one configuration and everything that is built from it: certificate sets, ticket
 * keys, pools, TLS toward backends, and a service for each listener. The main thread builds it,
 * whole or not at all. Then it is immutable, and any thread may hold references; it is freed with
 * the last one.
 */
#ifndef MAILMUX_SNAPSHOT_H
#define MAILMUX_SNAPSHOT_H

#include "mailmux/config.h"
#include "mailmux/error.h"
#include "service.h"
#include "tls_certificate_age.h"
#include "tls_directory.h"

struct snapshot;

/*
 * Returns a reference to a new snapshot. Takes the configuration, also on failure, and sets *config
 * to NULL. Reads certificates and keys; what is wrong with them goes to the report with file and
 * line. before: the snapshot in effect; NULL at the start. Its ticket keys are kept if both
 * configurations want random keys and have the same ticket_period. make_certificate: see
 * certificates_load; false for --check. Returns NULL on any error, also one that the report had
 * before: then it only looks for further ones.
 */
struct snapshot *snapshot_new(struct config **config, struct snapshot *before,
    bool make_certificate, struct config_report *report);

/*
 * Gives the backends of a new snapshot the pools that backends of the same name have in `before`,
 * so that marks and the counts of sessions are kept over a reload. If the TLS toward the servers or
 * send_client_address has changed (config_speaks_alike), the backend keeps its new pool. Pools that
 * are left over are retired: sessions that wait there are answered at once, and those that have a
 * server keep it. Call it before another thread knows the snapshot.
 */
void snapshot_take_pools(struct snapshot *snapshot, const struct snapshot *before);

/* Takes one more reference and returns it. Any thread. */
struct snapshot *snapshot_ref(struct snapshot *snapshot);
/* Gives a reference back. Any thread. Sets the pointer to NULL; NULL is allowed. */
void snapshot_unref(struct snapshot **snapshot);

/* What the functions below return belongs to the snapshot and lives as long as it. Any thread. */
const struct config *snapshot_config(const struct snapshot *snapshot);

/* Both take the index of the listener or backend in the configuration. */
const struct service *snapshot_service(const struct snapshot *snapshot, size_t listener);
struct pool *snapshot_pool(const struct snapshot *snapshot, size_t backend);

/* A certificate of our own. What it points to belongs to the snapshot. */
struct own_certificate {
    const char *set;     /* in which it is shown to clients; or NULL */
    const char *backend; /* to whose servers it is shown; or NULL */
    const char *file;
    bool is_in_directory; /* a new one is served without a reload */
    struct certificate_dates dates;
};

typedef void snapshot_certificate(void *owner, const struct own_certificate *certificate);

/*
 * Returns when the certificates were judged for the report of snapshot_new, in seconds since 1970.
 */
int64_t snapshot_judged_s(const struct snapshot *snapshot);

/* Calls `visit` for every certificate that was configured, or is in a directory of certificates. */
void snapshot_each_certificate(
    const struct snapshot *snapshot, snapshot_certificate *visit, void *owner);

/* Returns a reference to what that set has from its directories, or NULL: tls_set_directory. */
struct tls_directory *snapshot_directory(const struct snapshot *snapshot, size_t set);

/*
 * Reads the directories of the set at that index of the configuration again: certificates_refresh.
 * True for a set that no listener uses. Main thread.
 */
bool snapshot_refresh(const struct snapshot *snapshot, size_t set, struct error *error);

/* certificates_refresh_answers, for all sets. Main thread. */
void snapshot_refresh_answers(const struct snapshot *snapshot);

/*
 * Returns a plan for probes of the backend's servers: as a session would approach them, but in our
 * own name (route_probe_plan). If the plan's tls_name is NULL, the caller sets it to the host in
 * the line of the server. What the plan points to belongs to the snapshot.
 */
struct probe_plan snapshot_probe_plan(const struct snapshot *snapshot, size_t backend);

#endif
