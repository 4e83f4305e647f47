#include "tls_collection.h"

#include "mailmux/files.h"
#include "tls_found.h"
#include "tls_gathering.h"
#include <errno.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What is under way. */
struct collecting {
    struct tls_gathering in;
    struct tls_collection *out;
    tls_collection_problem *problem;
    void *owner;
    struct tls_authorities authorities;
    SSL_CTX *judge; /* with the rules under which they are served; NULL: those are wrong */
    size_t checks;  /* so many were parsed */
    size_t open_keys;
    const char *open_key; /* the first of the files with keys that all users can read */
    bool is_fine;
};

static bool ends(const char *path, struct slice ending)
{
    return slice_ends_nocase(slice_from(path), ending);
}

/* ---- What is wrong ---- */

static void tell(const struct collecting *all, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void tell(const struct collecting *all, const char *path, const char *format, ...)
{
    struct tls_file *file = tls_gathering_find(&all->in, path);
    char text[ERROR_TEXT_MAX];
    va_list arguments;

    if (file)
        file->is_wrong = true;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    all->problem(all->owner, path, text);
}

static void append(
    struct collecting *all, struct tls_identity *identity, bool is_new, bool is_parsed)
{
    struct tls_collected *grown =
        identity ? reallocarray(all->out->items, all->out->count + 1, sizeof(*grown)) : NULL;

    if (!grown) {
        tls_identity_unref(&identity);
        all->is_fine = false;
        return;
    }
    all->out->items = grown;
    grown[all->out->count++] = (struct tls_collected){identity, is_new, is_parsed};
}

/* Tells of a file that is wrong. Its certificate from before, if there is one, stays in service. */
static void refuse(struct collecting *all, const char *path, const char *why)
{
    struct tls_identity *before = table_get(&all->in.before, slice_from(path));

    tell(all, path, "%s%s", why, before ? "; the one from before stays in service" : "");
    if (before)
        append(all, tls_identity_ref(before), false, false);
}

/* ---- Certificates that have a key ---- */

static struct tls_staple *find_staple(
    const struct collecting *all, const struct tls_found_certificate *certificate)
{
    const unsigned char *at = certificate->block.der;
    const struct tls_file *file = tls_gathering_answer(&all->in, certificate->file->path);
    struct tls_staple *staple = NULL;
    struct error error = {0};
    X509 *leaf;

    if (!file)
        return NULL;
    leaf = d2i_X509(NULL, &at, certificate->block.n);
    if (leaf)
        staple =
            tls_staple_new(file->bytes, leaf, certificate->chain, all->in.source->now_s, &error);
    X509_free(leaf);
    if (!staple && error.text[0])
        tell(all, file->path, "it is not stapled: %s", error.text);
    return staple;
}

/* Returns whether the library can use it, and takes it under the rules. */
static bool is_usable(
    const struct collecting *all, struct tls_identity *identity, struct error *error)
{
    return tls_identity_prepare(identity, error) &&
           (!all->judge || tls_identity_fits(identity, all->judge, error));
}

/* One that is new. Of the first ones it is seen whether clients can be served with them. */
static void add_new(struct collecting *all, const struct tls_identity_parts *parts)
{
    struct tls_identity *identity = tls_identity_new(parts);
    bool is_checked = identity && all->checks < all->in.source->check_max;
    struct error error;

    all->checks += is_checked ? 1 : 0;
    if (!is_checked || is_usable(all, identity, &error)) {
        append(all, identity, true, is_checked);
        return;
    }
    tls_identity_unref(&identity);
    refuse(all, parts->path, error.text);
}

static void add_pair(struct collecting *all, const struct tls_found_certificate *certificate,
    const struct tls_found_key *key)
{
    const char *path = certificate->file->path;
    struct tls_identity *before = table_get(&all->in.before, slice_from(path));
    struct tls_staple *staple = find_staple(all, certificate);
    const struct tls_identity_parts parts = {.path = path,
        .key_path = key->file->path,
        .leaf = slice_of((const char *)certificate->block.der, (size_t)certificate->block.n),
        .key = slice_of((const char *)key->block.der, (size_t)key->block.n),
        .key_name = key->block.name,
        .chain = certificate->chain,
        .staple = staple,
        .read = &certificate->read};
    struct slice names = certificate->read.names;
    char name[TLS_HOST_MAX + 3];

    if (!tls_leaf_name(&names, name))
        refuse(all, path, "it has no DNS name (subjectAltName), and clients look for no other");
    else if (before && tls_identity_is_same(before, &parts))
        append(all, tls_identity_ref(before), false, false);
    else
        add_new(all, &parts);
    tls_staple_unref(&staple);
}

/* ---- One directory ---- */

static bool is_named_for_tls(const char *path)
{
    return ends(path, SLICE(".pem")) || ends(path, SLICE(".crt")) || ends(path, SLICE(".cer")) ||
           ends(path, SLICE(".key"));
}

static void take(struct collecting *all, struct tls_found *found, const struct tls_file *file)
{
    if (ends(file->path, SLICE(FILES_STAPLE)))
        return;
    if (file->failure) {
        if (file->failure != EFBIG || is_named_for_tls(file->path))
            refuse(all, file->path,
                file->failure == EFBIG    ? "it is too large for a certificate or a key"
                : file->failure == EINVAL ? "it is no regular file"
                                          : strerror(file->failure));
        return;
    }
    switch (tls_found_take(found, &all->authorities, file)) {
    case TLS_FILE_TAKEN:
        break;
    case TLS_FILE_FOREIGN:
        if (is_named_for_tls(file->path))
            refuse(all, file->path, "it has neither a certificate nor a private key");
        break;
    case TLS_FILE_DAMAGED:
        refuse(all, file->path, "it is damaged, or was not written to its end");
        break;
    case TLS_FILE_ENCRYPTED:
        refuse(all, file->path,
            "its key is encrypted; `openssl pkey -in FILE -out PLAIN.pem` removes the password");
        break;
    case TLS_FILE_NO_MEMORY:
        all->is_fine = false;
        break;
    }
}

/*
 * A chain alone is no mistake, and needs no key. A self-signed certificate may sign others, too;
 * but it is for a host name, which those of a chain are not.
 */
static bool is_of_chain(const struct tls_found_certificate *one)
{
    struct slice names = one->read.names;
    char name[TLS_HOST_MAX + 3];

    return one->read.is_authority && !tls_leaf_name(&names, name);
}

static void pair(struct collecting *all, const struct tls_found *found)
{
    for (size_t i = 0; i < found->certificate_count && all->is_fine; i++) {
        const struct tls_found_certificate *one = &found->certificates[i];
        const struct tls_found_key *key = tls_found_key_of(found, &one->read.key);

        if (key)
            add_pair(all, one, key);
        else if (!is_of_chain(one))
            refuse(all, one->file->path, "no private key in its directory belongs to it");
    }
}

static void take_needed(struct collecting *all, struct tls_found *found)
{
    for (size_t i = all->in.at; i < all->in.end && all->is_fine; i++) {
        if (all->in.files[i]->is_needed)
            take(all, found, all->in.files[i]);
        all->in.files[i]->is_needed = false;
    }
    tls_found_sort(found);
}

static bool lacks_keys(const struct tls_found *found)
{
    for (size_t i = 0; i < found->certificate_count; i++) {
        const struct tls_found_certificate *one = &found->certificates[i];

        if (!tls_found_key_of(found, &one->read.key) && !is_of_chain(one))
            return true;
    }
    return false;
}

/* Notes files with keys that all users can read: there may be thousands. */
static void note_open_keys(struct collecting *all, size_t first)
{
    for (size_t i = first; i < all->out->count; i++) {
        const char *path = tls_identity_key_path(all->out->items[i].identity);
        struct tls_file *file = tls_gathering_find(&all->in, path);

        if (!file || file->has_key)
            continue;
        file->has_key = true;
        if ((file->stamp.mode & S_IRWXO) == 0)
            continue;
        if (all->open_keys++ == 0)
            all->open_key = file->path;
    }
}

static void tell_open_keys(const struct collecting *all)
{
    char text[ERROR_TEXT_MAX];

    if (all->open_keys == 0)
        return;
    if (all->open_keys == 1)
        (void)snprintf(
            text, sizeof(text), "its key can be read by everybody; chmod o= %s", all->open_key);
    else
        (void)snprintf(text, sizeof(text),
            "its key can be read by everybody, as can %zu more; chmod o= these files",
            all->open_keys - 1);
    all->problem(all->owner, all->open_key, text);
}

static int compare_collected(const void *a, const void *b)
{
    return strcmp(tls_identity_path(((const struct tls_collected *)a)->identity),
        tls_identity_path(((const struct tls_collected *)b)->identity));
}

/* Returns whether its file was read all the same, for a key that is in it, too. */
static bool is_read(const struct collecting *all, const struct tls_identity *identity)
{
    return tls_gathering_find(&all->in, tls_identity_path(identity))->is_read;
}

/* A key that is missing may be in a file that was not read. */
static void take_directory(struct collecting *all)
{
    struct tls_found found = {0};
    size_t first = all->out->count;

    take_needed(all, &found);
    if (lacks_keys(&found) && tls_gathering_need_rest(&all->in)) {
        all->is_fine = all->is_fine && all->in.source->read(all->in.source->owner);
        take_needed(all, &found);
    }
    pair(all, &found);
    for (size_t i = all->in.before_at; i < all->in.before_end; i++) {
        struct tls_identity *identity = all->in.source->before->all[i];

        if (tls_gathering_keeps(&all->in, identity) && !is_read(all, identity))
            append(all, tls_identity_ref(identity), false, false);
    }
    if (all->out->count > first)
        qsort(all->out->items + first, all->out->count - first, sizeof(*all->out->items),
            compare_collected);
    note_open_keys(all, first);
    tls_found_free(&found);
}

/* ---- All of them ---- */

/* Returns false without memory, or if files cannot be read. */
static bool collect(struct collecting *all, struct tls_known *known)
{
    const struct tls_directory_source *source = all->in.source;

    if (!tls_gathering_begin(&all->in))
        return false;
    while (tls_gathering_next(&all->in))
        tls_gathering_need(&all->in);
    all->is_fine = source->read(source->owner);
    tls_gathering_rewind(&all->in);
    while (all->is_fine && tls_gathering_next(&all->in))
        take_directory(all);
    tell_open_keys(all);
    return all->is_fine && tls_known_take(known, all->in.files, all->in.count, source->listed_s);
}

static SSL_CTX *judge_of(const struct tls_rules *rules)
{
    static const struct tls_warning silence = {0};
    SSL_CTX *judge = SSL_CTX_new(TLS_server_method());
    struct tls_applied applied;
    struct tls_fault fault;

    if (judge && tls_policy_apply(judge, rules, &silence, &applied, &fault))
        return judge;
    SSL_CTX_free(judge);
    return NULL;
}

bool tls_collection_fill(struct tls_collection *collection, struct tls_known *known,
    const struct tls_directory_source *source, tls_collection_problem *problem, void *owner)
{
    struct collecting all = {.in = {.source = source},
        .out = collection,
        .problem = problem,
        .owner = owner,
        .judge = judge_of(&source->rules)};
    bool is_fine = collect(&all, known);

    SSL_CTX_free(all.judge);
    tls_gathering_end(&all.in);
    tls_authorities_free(&all.authorities);
    ERR_clear_error();
    return is_fine;
}

void tls_collection_free(struct tls_collection *collection)
{
    for (size_t i = 0; i < collection->count; i++)
        tls_identity_unref(&collection->items[i].identity);
    free(collection->items);
    *collection = (struct tls_collection){0};
}
