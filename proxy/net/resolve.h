/*
 * Looking a host name up without blocking the loop (getaddrinfo on libuv's thread pool). The
 * request owns itself: it is freed after its callback, or, when cancelled, when the loop has heard
 * of its end, which keeps the loop alive until then. One thread: that of the loop.
 */
#ifndef MAILMUX_RESOLVE_H
#define MAILMUX_RESOLVE_H

#include "mailmux/address.h"
#include <uv.h>

enum { RESOLVE_MAX = 16 };

struct resolve;

/*
 * status 0: count (1 to RESOLVE_MAX) addresses in the resolver's order, without repetitions, valid
 * during the call. Otherwise a negative code for resolve_error_text, and no address.
 */
typedef void resolve_callback(
    void *owner, int status, const struct address *addresses, size_t count);

/* Never calls back before it returns. NULL when it cannot be started; then there is no callback. */
struct resolve *resolve_start(
    uv_loop_t *loop, const char *host, uint16_t port, resolve_callback *on_done, void *owner);

/* There will be no callback; the pointer is dead afterwards. */
void resolve_cancel(struct resolve **resolve);

const char *resolve_error_text(int status);

#endif
