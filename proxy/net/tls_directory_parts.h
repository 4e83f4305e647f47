/* Private to net: the parts of a directory of certificates. */
#ifndef MAILMUX_TLS_DIRECTORY_PARTS_H
#define MAILMUX_TLS_DIRECTORY_PARTS_H

#include "mailmux/refcount.h"
#include "mailmux/table.h"
#include "tls_known.h"
#include "tls_served.h"

struct tls_directory {
    struct refcount references;
    struct table names; /* of struct tls_served, which are the directory's */
    size_t all_count;
    struct tls_identity **all; /* references; in the order of tls_files_compare */
    size_t count;
    struct tls_identity **items; /* those of them that are served */
    struct tls_known known;
    const struct tls_served *fallback;
    size_t problem_count;
    char *problems[TLS_DIRECTORY_PROBLEMS_MAX + 1];
};

#endif
