/*
 * Private to net: the files of directories of certificates, one directory after the other, and
 * which of them must be read: what the directory from before knows need not. One thread.
 */
#ifndef MAILMUX_TLS_GATHERING_H
#define MAILMUX_TLS_GATHERING_H

#include "tls_directory_parts.h"

/* Begin it with the source alone, and end it with tls_gathering_end. */
struct tls_gathering {
    const struct tls_directory_source *source;
    size_t count;
    struct tls_file **files; /* each once, in the order of tls_files_compare */
    size_t at;               /* those of this directory, to `end` */
    size_t end;
    size_t before_at; /* and its identities from before, to `before_end` */
    size_t before_end;
    struct table before; /* identities of the one before, by their paths */
};

/* Sorts the files. Returns false without memory. */
bool tls_gathering_begin(struct tls_gathering *all);
void tls_gathering_end(struct tls_gathering *all);

/* Goes to the first directory after the one it is at; *all begins before the first. */
bool tls_gathering_next(struct tls_gathering *all);
/* Goes back before the first. */
void tls_gathering_rewind(struct tls_gathering *all);

/* Returns the file of this directory with that path; or what lies beside it for stapling; or NULL.
 */
struct tls_file *tls_gathering_find(const struct tls_gathering *all, const char *path);
struct tls_file *tls_gathering_answer(const struct tls_gathering *all, const char *path);

/* Marks what is needed of this directory. */
void tls_gathering_need(struct tls_gathering *all);
/* Marks all that was not read of it. Returns false if there is none. */
bool tls_gathering_need_rest(struct tls_gathering *all);

/* Returns whether all that an identity from before is made of is as it was. */
bool tls_gathering_keeps(const struct tls_gathering *all, const struct tls_identity *identity);

#endif
