#include "tls_served.h"
#include "tls_set.h"
#include <string.h>

void tls_choice_end(struct tls_choice *choice)
{
    tls_directory_unref(&choice->directory);
    *choice = (struct tls_choice){0};
}

enum { PATTERN_MAX = TLS_HOST_MAX + 3 };

/* Returns the name, or the wildcard for it, which is written to `room`. NULL: there is none. */
static const char *pattern_of(const char *name, bool by_wildcard, char room[PATTERN_MAX])
{
    const char *parent = by_wildcard ? strchr(name, '.') : NULL;
    size_t n = parent ? strlen(parent) : 0;

    if (!by_wildcard)
        return name;
    if (!parent || n + 2 > PATTERN_MAX)
        return NULL;
    room[0] = '*';
    memcpy(room + 1, parent, n + 1);
    return room;
}

/* Fills *choice if the set serves the name itself, or with by_wildcard by a wildcard for it. */
static bool serves(
    const struct tls_set *set, const char *name, bool by_wildcard, struct tls_choice *choice)
{
    char room[PATTERN_MAX];
    const char *pattern = pattern_of(name, by_wildcard, room);

    if (!pattern)
        return false;
    *choice = (struct tls_choice){.set = set};
    if (table_get(&set->by_name, slice_from(pattern)))
        return true;
    choice->directory = tls_set_directory(set);
    if (choice->directory)
        choice->served = tls_directory_find(choice->directory, pattern);
    if (choice->served)
        return true;
    tls_choice_end(choice);
    return false;
}

/* Returns the set that claims the name, or NULL. */
static const struct tls_set *find_claim(const struct tls_service *service, const char *name)
{
    char room[PATTERN_MAX];

    for (int by_wildcard = 0; by_wildcard <= 1; by_wildcard++) {
        const char *pattern = pattern_of(name, by_wildcard == 1, room);

        if (!pattern)
            break;
        for (size_t i = 0; i < service->set_count; i++) {
            if (table_get(&service->sets[i]->by_claim, slice_from(pattern)))
                return service->sets[i];
        }
    }
    return NULL;
}

struct tls_choice tls_names_choose(const struct tls_service *service, const char *name)
{
    const struct tls_set *claimer = find_claim(service, name);
    struct tls_choice choice = {0};

    if (claimer) {
        return serves(claimer, name, false, &choice) || serves(claimer, name, true, &choice)
                   ? choice
                   : tls_names_fallback(claimer);
    }
    for (int by_wildcard = 0; by_wildcard <= 1; by_wildcard++) {
        for (size_t i = 0; i < service->set_count - service->claim_only; i++) {
            if (serves(service->sets[i], name, by_wildcard == 1, &choice))
                return choice;
        }
    }
    return choice;
}

struct tls_choice tls_names_fallback(const struct tls_set *set)
{
    struct tls_choice choice = {.set = set};

    if (set->certificate_count > 0)
        return choice;
    choice.directory = tls_set_directory(set);
    if (choice.directory)
        choice.served = tls_directory_fallback(choice.directory);
    return choice;
}
