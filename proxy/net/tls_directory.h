/*
 * The certificates of a directory, each with its key, found by the names in them. Immutable once it
 * is built; any thread; counted references. Opens no file: it gets what is in those that it needs.
 */
#ifndef MAILMUX_TLS_DIRECTORY_H
#define MAILMUX_TLS_DIRECTORY_H

#include "mailmux/file_tree.h"
#include "mailmux/slice.h"
#include "tls_certificate_age.h"
#include "tls_policy.h"

struct tls_directory;

/* A file that may have a certificate, a key, or both, or an answer of an authority (.ocsp). */
struct tls_file {
    const char *path;
    struct file_tree_stamp stamp;
    struct slice bytes;
    int failure; /* an errno: it could not be read; 0: it was */
    /* For the reader of the directory: */
    bool is_known;  /* the directory from before has what is in it */
    bool is_needed; /* it is to be read */
    bool is_read;
    bool is_wrong; /* something was told of it */
    bool has_key;  /* of a certificate */
};

/* Reads the files that are needed and not read yet. Returns false if that is not possible. */
typedef bool tls_directory_read(void *owner);

struct tls_directory_source {
    struct tls_file *files; /* zeroed, but for path and stamp; `read` fills bytes and failure */
    size_t count;
    tls_directory_read *read;
    void *owner;
    int64_t listed_s;     /* when the files were listed; since 1970 */
    bool reads_all;       /* no stamp is trusted */
    const char *hostname; /* whose certificate a client gets that asks for no name */
    /*
     * The one that this will replace, or NULL. What has not changed is taken from it; and so is a
     * certificate whose file is there but is wrong now.
     */
    const struct tls_directory *before;
    size_t check_max;       /* so many that are new are judged in full; of the others, the dates */
    struct tls_rules rules; /* under which they are served; those that are judged must fit them */
    bool only_news;         /* of those that have not changed nothing is said */
    int64_t now_s;
};

enum { TLS_DIRECTORY_PROBLEMS_MAX = 50 /* more than so many are not told one by one */ };

/*
 * tls_directory_make.c. Pairs each certificate with the key of the same public key in the same
 * directory. Of several for one name and one kind of key that is served which is valid; then which
 * was made last; then which has the longer chain; then which is first by its path. Returns the
 * first reference, or NULL without memory, or if `read` has failed. It may have no certificate at
 * all. Of files that have not changed since `before` was made, no more than its certificates is
 * needed: then they are not read.
 */
struct tls_directory *tls_directory_new(const struct tls_directory_source *source);

struct tls_directory *tls_directory_ref(struct tls_directory *directory);
/* Sets the pointer to NULL; NULL is allowed. */
void tls_directory_unref(struct tls_directory **directory);

/*
 * Returns the n-th thing that was found wrong when it was made, as the path
 * of a file, a colon and the words; NULL behind the last. It belongs to the directory.
 */
const char *tls_directory_problem(const struct tls_directory *directory, size_t n);

/* Returns whether both show the same. */
bool tls_directory_is_same(const struct tls_directory *a, const struct tls_directory *b);

/* How many certificates it has, and for how many names. */
size_t tls_directory_count(const struct tls_directory *directory);
size_t tls_directory_name_count(const struct tls_directory *directory);

/* Returns the file of the n-th certificate, its first name and its dates. They are the directory's.
 */
const char *tls_directory_path(const struct tls_directory *directory, size_t n);
const char *tls_directory_first_name(const struct tls_directory *directory, size_t n);
const struct certificate_dates *tls_directory_dates(
    const struct tls_directory *directory, size_t n);

/*
 * Parses certificates from the n-th on, so many that are not parsed yet. Returns where to go on;
 * the count at the end. What cannot be used is logged.
 */
size_t tls_directory_prepare(const struct tls_directory *directory, size_t n, size_t most);

/* Returns whether a certificate is for this name, itself or by a wildcard. */
bool tls_directory_covers(const struct tls_directory *directory, const char *name);

#endif
