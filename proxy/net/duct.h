/*
 * A duct is a pipe of the kernel. Octets go from one socket into it and on to another by splice(2),
 * and are not copied to the process and back. A pool makes ducts when they are first needed, up to
 * a bound, and keeps them. One thread.
 */
#ifndef MAILMUX_DUCT_H
#define MAILMUX_DUCT_H

#include <stddef.h>

enum {
    DUCT_MAX = 16,         /* of one pool */
    DUCT_DESCRIPTORS = 2,  /* of one duct */
    DUCT_READ = 128 * 1024 /* octets that a duct takes in one read at most */
};

struct duct {
    int into; /* where octets are put in */
    int out;
    size_t held; /* octets that are in it; a stream counts them */
    struct duct *next_free;
};

struct duct_pool {
    struct duct *free;
    size_t taken;
    size_t made; /* how many are open */
};

void duct_pool_init(struct duct_pool *pool);

/* Closes the ducts. All must have been given back. */
void duct_pool_deinit(struct duct_pool *pool);

/* Returns an empty duct, or NULL: all are taken, or the system has no more. */
struct duct *duct_take(struct duct_pool *pool);

/* Gives the duct back and sets it to NULL. What it still holds is lost. It may be NULL. */
void duct_give(struct duct_pool *pool, struct duct **duct);

/* Returns how many octets are in the duct, which may be NULL. */
static inline size_t duct_held(const struct duct *duct)
{
    return duct ? duct->held : 0;
}

#endif
