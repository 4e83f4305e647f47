#include "tls_set.h"

struct tls_directory *tls_set_directory(const struct tls_set *set)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)&set->lock; /* the rest of it never changes */
    struct tls_directory *directory;

    if (!set->has_directory)
        return NULL;
    (void)pthread_mutex_lock(lock);
    directory = tls_directory_ref(set->directory);
    (void)pthread_mutex_unlock(lock);
    return directory;
}

void tls_set_replace_directory(struct tls_set *set, struct tls_directory *directory)
{
    struct tls_directory *before;

    (void)pthread_mutex_lock(&set->lock);
    before = set->directory;
    set->directory = tls_directory_ref(directory);
    (void)pthread_mutex_unlock(&set->lock);
    tls_directory_unref(&before);
}
