/*
 * The leg toward a server, for its first words: helpers of the approach and of the probe. What is
 * to be said waits in *output, a buffer of engine->lines or NULL. What was heard is in *input, a
 * buffer of engine->replies or NULL. One thread, the engine's.
 */
#ifndef MAILMUX_LEG_H
#define MAILMUX_LEG_H

#include "engine.h"

enum { LEG_WHY_MAX = 256 };

/* The hook `connect` for an engine that reaches servers by sockets. */
struct wire *leg_connect(
    struct engine *engine, const struct address *to, unsigned keepalive_s, int *failure);

/*
 * Returns whether this errno of connecting means a lack of our own (memory, descriptors, ports),
 * which is not the server's fault.
 */
bool leg_lacks_means(int failure);

/* Makes sure that there is an output buffer. Returns false without memory. */
bool leg_reserve_output(struct engine *engine, struct buffer **output);

/*
 * Sends what is held and *output. IO_OK: nothing waits any more, and *output has been given back.
 */
enum io leg_flush(struct engine *engine, struct stream *leg, struct buffer **output)
    __attribute__((warn_unused_result));

/*
 * Reads once into *input, which is taken if it is NULL. IO_AGAIN: nothing was there. IO_ERR: the
 * leg has failed or ended, *input is full, or it is still NULL for lack of memory. Never returns
 * IO_EOF.
 */
enum io leg_read(struct engine *engine, struct stream *leg, struct buffer **input)
    __attribute__((warn_unused_result));

/*
 * Prepares a wait: gives empty buffers back and watches the leg. With for_output it waits for room
 * to write, else for bytes to read, and for room if something is held.
 */
void leg_wait(struct engine *engine, struct stream *leg, struct buffer **input,
    struct buffer **output, bool for_output);

/* Goes on with the handshake. After IO_AGAIN the leg is watched for what it needs. */
enum io leg_handshake(struct stream *leg) __attribute__((warn_unused_result));

/*
 * Writes what happened and, if it is known, why: the library's words or those of an errno. Returns
 * out.
 */
const char *leg_why(const struct stream *leg, const char *what, char out[LEG_WHY_MAX]);

#endif
