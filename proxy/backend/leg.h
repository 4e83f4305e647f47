/*
 * The leg toward a server, for whoever opens one and speaks on it first: a session's upstream, and
 * a probe. What is said waits in *output (a buffer of the engine's lines, or NULL) and what is
 * heard in *input (of its replies). One thread, the engine's.
 */
#ifndef MAILMUX_LEG_H
#define MAILMUX_LEG_H

#include "engine.h"

enum { LEG_WHY_MAX = 256 };

/* The engine's hook where servers are reached by sockets. */
struct wire *leg_connect(
    struct engine *engine, const struct address *to, unsigned keepalive_s, int *failure);

/* This errno of connecting tells of a want of our own, and no server is worse for it. */
bool leg_lacks_means(int failure);

/* Takes a buffer for what is said next, where there is none. False without memory. */
bool leg_reserve_output(struct engine *engine, struct buffer **output);

/* IO_OK: nothing waits any more, and *output is given back. */
enum io leg_flush(struct engine *engine, struct stream *leg, struct buffer **output)
    __attribute__((warn_unused_result));

/* Reads once. IO_AGAIN: wait; IO_ERR: it is lost, or has ended. *input stays NULL without memory.
 */
enum io leg_read(struct engine *engine, struct stream *leg, struct buffer **input)
    __attribute__((warn_unused_result));

/* Watches for room, or for more to read and room for what is held; gives empty buffers back. */
void leg_wait(struct engine *engine, struct stream *leg, struct buffer **input,
    struct buffer **output, bool for_output);

/* Goes on with TLS. With IO_AGAIN the leg is watched. */
enum io leg_handshake(struct stream *leg) __attribute__((warn_unused_result));

/* What happened and why: the library's words where it has any. Returns out. */
const char *leg_why(const struct stream *leg, const char *what, char out[LEG_WHY_MAX]);

#endif
