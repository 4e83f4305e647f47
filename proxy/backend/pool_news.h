/*
 * What the log says when the servers of a backend change: a mark, the last server that is lost and
 * the first that is back, and how many sessions a server still has that gets no new ones. What is
 * to be told is found under the pool's lock and told without it, so that no session waits for the
 * log.
 */
#ifndef MAILMUX_POOL_NEWS_H
#define MAILMUX_POOL_NEWS_H

#include "pool_parts.h"

enum pool_outage { OUTAGE_SAME, OUTAGE_BEGAN, OUTAGE_OVER };

struct pool_outage_news {
    enum pool_outage what;
    const char *why;    /* of OUTAGE_BEGAN */
    uint64_t lasted_ms; /* of OUTAGE_OVER */
};

/* A server leaves while it gets no new session: by drain or maintenance, or since it is gone. */
enum pool_leaving { LEAVING_QUIETLY, LEAVING_BEGAN, LEAVING_GOES_ON, LEAVING_OVER };

struct pool_leaving_news {
    enum pool_leaving what;
    bool is_listed;
    uint64_t lasted_ms;
    struct pool_server server;
};

/* Why no server could serve a session now, or NULL if one could. A constant. The lock is held. */
const char *pool_why_out(const struct pool *pool);

/* Notes whether a server is left that could serve. The lock is held. */
void pool_judge_outage(struct pool *pool, uint64_t now_ms, struct pool_outage_news *news);

/*
 * Notes how far a slot is with leaving. There is news at the beginning, when half of the sessions
 * that were told of are over, at a change ten minutes after the last line, and at the end. The lock
 * is held.
 */
void pool_judge_leaving(
    struct pool *pool, size_t slot, uint64_t now_ms, struct pool_leaving_news *news);

/* Write the lines, if there are any. The lock is not held. */
void pool_tell_mark(const struct pool *pool, enum health_change change,
    const struct pool_server *server, const char *why, uint64_t now_ms);
void pool_tell_outage(const struct pool *pool, const struct pool_outage_news *news);
void pool_tell_leaving(const struct pool *pool, const struct pool_leaving_news *news);

/*
 * After a change of servers or addresses: judges all of it and tells. is_whole: no other addresses
 * are still to come, so that an outage may have begun. The lock is not held.
 */
void pool_tell_changes(struct pool *pool, bool is_whole, uint64_t now_ms);

#endif
