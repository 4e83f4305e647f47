#include "duct.h"

#include "mailmux/check.h"
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * A segment that has come alone takes a page of the pipe, so that the usual 16 pages hold 23 KB.
 * The kernel grants more up to pipe-user-pages-soft. With fewer a duct works, too.
 */
enum { PIPE_SIZE = 256 * 1024 };

void duct_pool_init(struct duct_pool *pool)
{
    *pool = (struct duct_pool){0};
}

static struct duct *open_duct(void)
{
    struct duct *duct = calloc(1, sizeof(*duct));
    int ends[2];

    if (!duct || pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) {
        free(duct);
        return NULL;
    }
    duct->out = ends[0];
    duct->into = ends[1];
    (void)fcntl(duct->into, F_SETPIPE_SZ, PIPE_SIZE);
    return duct;
}

static void close_duct(struct duct_pool *pool, struct duct *duct)
{
    (void)close(duct->into);
    (void)close(duct->out);
    free(duct);
    pool->made--;
}

void duct_pool_deinit(struct duct_pool *pool)
{
    (void)check_holds(pool->taken == 0); /* what is still out is lost */
    while (pool->free) {
        struct duct *duct = pool->free;

        pool->free = duct->next_free;
        close_duct(pool, duct);
    }
}

struct duct *duct_take(struct duct_pool *pool)
{
    struct duct *duct = pool->free;

    if (duct) {
        pool->free = duct->next_free;
    } else {
        duct = pool->made < DUCT_MAX ? open_duct() : NULL;
        if (!duct)
            return NULL;
        pool->made++;
    }
    pool->taken++;
    return duct;
}

void duct_give(struct duct_pool *pool, struct duct **duct)
{
    struct duct *given = *duct;

    if (!given)
        return;
    *duct = NULL;
    pool->taken--;
    if (given->held > 0) {
        close_duct(pool, given); /* the next session must not get these octets */
        return;
    }
    given->next_free = pool->free;
    pool->free = given;
}
