#include "mailmux/check.h"

#include "mailmux/log.h"
#include <pthread.h>
#include <stdatomic.h>

/* Places whose failure has been logged. When all are taken, further places are counted alone. */
enum { PLACES_MAX = 32 };

static struct place {
    const char *file;
    int line;
} places[PLACES_MAX];
static size_t place_count;
static pthread_mutex_t places_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_uint_fast64_t failures;

static bool take_place(const char *file, int line)
{
    bool is_new;

    (void)pthread_mutex_lock(&places_lock);
    is_new = place_count < PLACES_MAX;
    for (size_t i = 0; i < place_count; i++)
        is_new = is_new && (places[i].file != file || places[i].line != line);
    if (is_new)
        places[place_count++] = (struct place){file, line};
    (void)pthread_mutex_unlock(&places_lock);
    return is_new;
}

bool check_failed(const char *file, int line, const char *condition)
{
    (void)atomic_fetch_add(&failures, 1);
    if (take_place(file, line))
        log_message(LOG_ERROR, "fault", "%s:%d: this does not hold: %s", file, line, condition);
    return false;
}

uint64_t check_failures(void)
{
    return atomic_load(&failures);
}
