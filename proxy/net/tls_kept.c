#include "tls_kept.h"

#include "mailmux/clock.h"
#include "mailmux/list.h"
#include "tls_session.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BUCKETS = 256, DISTRUST_MS = 60 * 60 * 1000 };

struct kept_session {
    struct list at_place; /* the newest first */
    struct list by_age;   /* the oldest first */
    struct tls_place *place;
    SSL_SESSION *session;
};

/* It is freed when it has no user and no session, and is not distrusted. */
struct tls_place {
    struct tls_kept *kept;
    struct list in_bucket;
    struct list sessions;
    size_t count;
    size_t users;
    uint64_t distrusted_until_ms;
    char key[];
};

struct tls_kept {
    bool dates_count;
    pthread_mutex_t lock; /* guards what is below, and the places */
    size_t count;
    struct list by_age;
    struct list buckets[BUCKETS];
};

struct tls_kept *tls_kept_new(bool dates_count)
{
    struct tls_kept *kept = calloc(1, sizeof(*kept));

    if (!kept || pthread_mutex_init(&kept->lock, NULL) != 0) {
        free(kept);
        return NULL;
    }
    kept->dates_count = dates_count;
    list_init(&kept->by_age);
    for (size_t i = 0; i < BUCKETS; i++)
        list_init(&kept->buckets[i]);
    return kept;
}

static bool is_distrusted(const struct tls_place *place)
{
    return place->distrusted_until_ms > clock_monotonic_ms();
}

static void free_if_unused(struct tls_place *place)
{
    if (place->users > 0 || place->count > 0 || is_distrusted(place))
        return;
    list_remove(&place->in_bucket);
    free(place);
}

/* Takes it out. Returns its session. Its place may be gone afterwards. */
static SSL_SESSION *take_out(struct kept_session *one)
{
    struct tls_place *place = one->place;
    SSL_SESSION *session = one->session;

    list_remove(&one->at_place);
    list_remove(&one->by_age);
    place->count--;
    place->kept->count--;
    free(one);
    free_if_unused(place);
    return session;
}

/* Returns false if there is none. */
static bool drop_oldest_of(struct list *sessions_by_age)
{
    struct list *node = list_shift(sessions_by_age);

    if (node)
        SSL_SESSION_free(take_out(LIST_ENTRY(node, struct kept_session, by_age)));
    return node != NULL;
}

static void drop_all(struct tls_place *place)
{
    struct list *node;

    place->users++; /* so that it stays */
    while ((node = list_shift(&place->sessions)) != NULL)
        SSL_SESSION_free(take_out(LIST_ENTRY(node, struct kept_session, at_place)));
    place->users--;
}

void tls_kept_free(struct tls_kept **pointer)
{
    struct tls_kept *kept = *pointer;

    *pointer = NULL;
    if (!kept)
        return;
    while (drop_oldest_of(&kept->by_age))
        continue;
    for (size_t i = 0; i < BUCKETS; i++) {
        struct list *node;

        while ((node = list_shift(&kept->buckets[i])) != NULL)
            free(LIST_ENTRY(node, struct tls_place, in_bucket)); /* distrusted */
    }
    (void)pthread_mutex_destroy(&kept->lock);
    free(kept);
}

/* ---- Places ---- */

/* FNV-1a. Which bucket it is matters to nothing but speed. */
static struct list *bucket_of(struct tls_kept *kept, const char *key)
{
    uint32_t hash = 2166136261U;

    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * 16777619U;
    return &kept->buckets[(hash ^ hash >> 16) % BUCKETS];
}

/* Returns the place of this key, or NULL. Frees those that are not distrusted any more. */
static struct tls_place *find(const struct list *bucket, const char *key)
{
    struct tls_place *found = NULL;
    struct list *next;

    for (struct list *node = bucket->next; node != bucket; node = next) {
        struct tls_place *place = LIST_ENTRY(node, struct tls_place, in_bucket);

        next = node->next;
        if (strcmp(place->key, key) == 0)
            found = place;
        else
            free_if_unused(place);
    }
    return found;
}

static struct tls_place *make(struct tls_kept *kept, struct list *bucket, const char *key)
{
    size_t n = strlen(key) + 1;
    struct tls_place *place = calloc(1, sizeof(*place) + n);

    if (!place)
        return NULL;
    place->kept = kept;
    list_init(&place->sessions);
    list_init(&place->in_bucket);
    list_append(bucket, &place->in_bucket);
    memcpy(place->key, key, n);
    return place;
}

struct tls_place *tls_place_enter(
    struct tls_kept *kept, const struct address *address, const char *name)
{
    enum { NAME_MAX_IN_KEY = 1024 };
    char at[ADDRESS_TEXT_MAX];
    char key[ADDRESS_TEXT_MAX + NAME_MAX_IN_KEY];
    struct tls_place *place;
    struct list *bucket;

    /* An address has no space, so no two of them, with their names, make the same key. */
    if (snprintf(key, sizeof(key), "%s %s", address_text(address, at), name) >= (int)sizeof(key))
        return NULL;
    bucket = bucket_of(kept, key);
    (void)pthread_mutex_lock(&kept->lock);
    place = find(bucket, key);
    if (!place)
        place = make(kept, bucket, key);
    if (place)
        place->users++;
    (void)pthread_mutex_unlock(&kept->lock);
    return place;
}

void tls_place_leave(struct tls_place **pointer)
{
    struct tls_place *place = *pointer;
    struct tls_kept *kept;

    *pointer = NULL;
    if (!place)
        return;
    kept = place->kept;
    (void)pthread_mutex_lock(&kept->lock);
    place->users--;
    free_if_unused(place);
    (void)pthread_mutex_unlock(&kept->lock);
}

/* ---- Sessions ---- */

SSL_SESSION *tls_place_take(struct tls_place *place)
{
    SSL_SESSION *session = NULL;
    int64_t now_s = time(NULL);
    struct list *node;

    (void)pthread_mutex_lock(&place->kept->lock);
    while (!session && (node = list_shift(&place->sessions)) != NULL) {
        session = take_out(LIST_ENTRY(node, struct kept_session, at_place));
        if (tls_session_end(session, false) <= now_s) {
            SSL_SESSION_free(session);
            session = NULL;
        }
    }
    (void)pthread_mutex_unlock(&place->kept->lock);
    return session;
}

/* Puts it in front of the others of its place, and drops the oldest where there are too many. */
static void put(struct tls_place *place, struct kept_session *one)
{
    struct tls_kept *kept = place->kept;

    list_init(&one->at_place);
    list_init(&one->by_age);
    list_insert_before(place->sessions.next, &one->at_place);
    list_append(&kept->by_age, &one->by_age);
    place->count++;
    kept->count++;
    if (place->count > TLS_KEPT_AT_A_PLACE)
        SSL_SESSION_free(take_out(LIST_ENTRY(place->sessions.prev, struct kept_session, at_place)));
    if (kept->count > TLS_KEPT_MAX)
        (void)drop_oldest_of(&kept->by_age);
}

/* A copy, since the library spoils its own one where a connection ends without close_notify. */
static SSL_SESSION *copy_until(
    const struct tls_kept *kept, const SSL_SESSION *session, int64_t end_s)
{
    SSL_SESSION *copy = SSL_SESSION_is_resumable(session) ? SSL_SESSION_dup(session) : NULL;
    int64_t own_end_s;

    if (!copy)
        return NULL;
    own_end_s = tls_session_end(copy, kept->dates_count && end_s == 0);
    tls_session_set_end(copy, end_s != 0 && end_s < own_end_s ? end_s : own_end_s);
    return copy;
}

void tls_place_keep(struct tls_place *place, const SSL_SESSION *session, int64_t end_s)
{
    SSL_SESSION *copy = copy_until(place->kept, session, end_s);
    struct kept_session *one = copy ? malloc(sizeof(*one)) : NULL;

    (void)pthread_mutex_lock(&place->kept->lock);
    if (one && !is_distrusted(place)) {
        *one = (struct kept_session){.place = place, .session = copy};
        put(place, one);
        one = NULL;
        copy = NULL;
    }
    (void)pthread_mutex_unlock(&place->kept->lock);
    SSL_SESSION_free(copy);
    free(one);
}

void tls_place_distrust(struct tls_place *place, bool was_resuming)
{
    (void)pthread_mutex_lock(&place->kept->lock);
    drop_all(place);
    if (was_resuming)
        place->distrusted_until_ms = clock_monotonic_ms() + DISTRUST_MS;
    (void)pthread_mutex_unlock(&place->kept->lock);
}
