/*
 * The service's end of what connects it with the keeper (keeper/words). What the service may not
 * open itself it asks for here and waits; orders come to the loop. Main thread.
 */
#ifndef MAILMUX_KEEPER_LINK_H
#define MAILMUX_KEEPER_LINK_H

#include "generation.h"
#include <uv.h>

/* `order` is one of enum word_order; 0: the keeper is gone. */
typedef void keeper_link_order(void *owner, char order);

/* In the caller's memory; its members are private. */
struct keeper_link {
    int requests;
    int orders;
    uv_poll_t poll;
    keeper_link_order *on_order;
    void *owner;
};

/* From now on files come from the keeper (mailmux/files.h). The link must outlive that. */
void keeper_link_init(struct keeper_link *link, const struct service_start *start);

/* Begins to hear orders on the loop. End it with keeper_link_close before the loop ends. */
void keeper_link_hear(
    struct keeper_link *link, uv_loop_t *loop, keeper_link_order *on_order, void *owner);
void keeper_link_close(struct keeper_link *link);

/*
 * Returns a descriptor of the listening socket at one of the listener's addresses, which the caller
 * closes, or a negative errno.
 */
int keeper_link_bind(void *link, const char *listener, const struct address *at);

/*
 * Says that the configuration that was read last comes into effect now: the keeper closes the
 * sockets that it does not name. Returns false if the keeper refuses.
 */
bool keeper_link_commit(struct keeper_link *link);

/* Tells the keeper; does not wait. */
void keeper_link_tell(struct keeper_link *link, enum word_news news, const char *text);

#endif
