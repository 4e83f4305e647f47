#include "mailmux/refcount.h"
#include "tls_certificate_check.h"
#include "tls_collection.h"
#include "tls_directory_parts.h"
#include "tls_roots.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- What is wrong ---- */

static void note(void *owner, const char *path, const char *text)
{
    struct tls_directory *directory = owner;
    bool is_full = directory->problem_count == TLS_DIRECTORY_PROBLEMS_MAX;
    char *problem = NULL;

    if (directory->problem_count > TLS_DIRECTORY_PROBLEMS_MAX)
        return;
    if (is_full)
        problem = strdup("and more, which are not told one by one");
    else if (asprintf(&problem, "%s: %s", path, text) < 0)
        problem = NULL;
    if (problem)
        directory->problems[directory->problem_count++] = problem;
}

/* ---- Which certificate a name gets ---- */

/* The table of names while it is made. */
struct choice {
    struct table *names;
    int64_t now_s;
    bool is_fine;
};

static bool is_valid(const struct tls_identity *identity, int64_t now_s)
{
    enum certificate_age age = certificate_age(tls_identity_dates(identity), now_s);

    return age != CERTIFICATE_OVER && age != CERTIFICATE_NOT_BEGUN;
}

/* Returns whether it is served rather than the one that comes first by its path. */
static bool is_better(
    const struct tls_identity *identity, const struct tls_identity *than, int64_t now_s)
{
    int64_t begin_s = tls_identity_dates(identity)->begin_s;
    int64_t other_s = tls_identity_dates(than)->begin_s;

    if (is_valid(identity, now_s) != is_valid(than, now_s))
        return is_valid(identity, now_s);
    if (begin_s != other_s)
        return begin_s > other_s;
    return tls_identity_chain_count(identity) > tls_identity_chain_count(than);
}

static void choose(struct choice *choice, struct tls_identity *identity, const char *name)
{
    struct tls_served *served = table_get(choice->names, slice_from(name));
    struct tls_identity **place;
    size_t n = strlen(name) + 1;

    if (!served) {
        served = calloc(1, sizeof(*served) + n);
        if (!served) {
            choice->is_fine = false;
            return;
        }
        memcpy(served->name, name, n);
        if (!table_put(choice->names, slice_of(served->name, n - 1), served)) {
            free(served);
            choice->is_fine = false;
            return;
        }
    }
    place = &served->by_kind[tls_identity_public(identity)->kind];
    if (!*place || is_better(identity, *place, choice->now_s))
        *place = identity;
}

static void choose_for_names(struct choice *choice, struct tls_identity *identity)
{
    const char *name = tls_identity_name(identity, 0);

    for (size_t i = 0; i < tls_identity_name_count(identity); i++) {
        choose(choice, identity, name);
        name += strlen(name) + 1;
    }
}

/* Returns whether any of its names is served by it. */
static bool is_served(const struct table *names, const struct tls_identity *identity)
{
    const char *name = tls_identity_name(identity, 0);

    for (size_t i = 0; i < tls_identity_name_count(identity); i++) {
        const struct tls_served *served = table_get(names, slice_from(name));

        if (served && served->by_kind[tls_identity_public(identity)->kind] == identity)
            return true;
        name += strlen(name) + 1;
    }
    return false;
}

/* Keeps all certificates, since one that is not served may be one day, and notes which are. */
static bool keep(struct tls_directory *directory, struct tls_collection *collection)
{
    directory->all = calloc(collection->count + 1, sizeof(struct tls_identity *));
    directory->items = calloc(collection->count + 1, sizeof(struct tls_identity *));
    if (!directory->all || !directory->items)
        return false;
    for (size_t i = 0; i < collection->count; i++) {
        struct tls_identity *identity = collection->items[i].identity;

        directory->all[directory->all_count++] = tls_identity_ref(identity);
        if (is_served(&directory->names, identity))
            directory->items[directory->count++] = identity;
    }
    return true;
}

static void find_fallback(struct tls_directory *directory, const char *hostname)
{
    if (hostname)
        directory->fallback = tls_directory_find(directory, hostname);
    for (size_t i = 0; i < directory->count && !directory->fallback; i++)
        directory->fallback =
            tls_directory_find(directory, tls_identity_name(directory->items[i], 0));
}

/* ---- Making and freeing ---- */

/* What a warning is about. */
struct judged {
    struct tls_directory *directory;
    const char *path;
};

/* What certificate_check says begins with the path. */
static void warn(void *owner, enum tls_culprit culprit, size_t index, const char *text)
{
    const struct judged *judged = owner;
    size_t head = sizeof("the certificate ") + strlen(judged->path);

    (void)culprit;
    (void)index;
    note(judged->directory, judged->path, strlen(text) > head ? text + head : text);
}

static void judge(struct tls_directory *directory, struct tls_identity *identity, int64_t now_s)
{
    struct judged judged = {directory, tls_identity_path(identity)};
    const struct tls_warning warning = {warn, &judged};
    const struct certificate_subject subject = {.file = judged.path,
        .leaf = tls_identity_leaf(identity),
        .chain = tls_identity_chain(identity),
        .use = CERTIFICATE_TO_CLIENTS,
        .is_under_root = tls_roots_issued,
        .now_s = now_s};

    certificate_check(&subject, &warning);
}

/* Of those alone that are served. */
static void judge_all(struct tls_directory *directory, const struct tls_directory_source *source,
    const struct tls_collection *collection)
{
    char age[CERTIFICATE_AGE_TEXT_MAX];

    tls_roots_open();
    for (size_t i = 0; i < collection->count; i++) {
        const struct tls_collected *one = &collection->items[i];

        if (!is_served(&directory->names, one->identity))
            continue;
        if ((one->is_new || !source->only_news) &&
            *certificate_age_text(tls_identity_dates(one->identity), source->now_s, age))
            note(directory, tls_identity_path(one->identity), age);
        if (one->is_parsed)
            judge(directory, one->identity, source->now_s);
    }
    tls_roots_close();
}

static bool build(struct tls_directory *directory, const struct tls_directory_source *source,
    struct tls_collection *collection)
{
    struct choice choice = {&directory->names, source->now_s, true};

    if (!tls_collection_fill(collection, &directory->known, source, note, directory))
        return false;
    for (size_t i = 0; i < collection->count; i++)
        choose_for_names(&choice, collection->items[i].identity);
    if (!choice.is_fine || !keep(directory, collection))
        return false;
    find_fallback(directory, source->hostname);
    judge_all(directory, source, collection);
    return true;
}

struct tls_directory *tls_directory_new(const struct tls_directory_source *source)
{
    struct tls_directory *directory = calloc(1, sizeof(*directory));
    struct tls_collection collection = {0};

    if (!directory)
        return NULL;
    refcount_init(&directory->references);
    if (!build(directory, source, &collection))
        tls_directory_unref(&directory);
    tls_collection_free(&collection);
    return directory;
}
