/* Private to net: the certificates of a directory and those below it that have a key. One thread.
 */
#ifndef MAILMUX_TLS_COLLECTION_H
#define MAILMUX_TLS_COLLECTION_H

#include "tls_directory.h"
#include "tls_identity.h"
#include "tls_known.h"

struct tls_collected {
    struct tls_identity *identity; /* a reference */
    bool is_new;
    bool is_parsed; /* it is new, and can be judged */
};

/* {0} is empty. In the order of tls_files_compare. */
struct tls_collection {
    size_t count;
    struct tls_collected *items;
};

/* Called for what is wrong. `path` and `text` are valid during the call. */
typedef void tls_collection_problem(void *owner, const char *path, const char *text);

/*
 * Finds them, tells of those that are wrong, and fills *known. Returns false without memory, or if
 * files cannot be read.
 */
bool tls_collection_fill(struct tls_collection *collection, struct tls_known *known,
    const struct tls_directory_source *source, tls_collection_problem *problem, void *owner);

void tls_collection_free(struct tls_collection *collection);

#endif
