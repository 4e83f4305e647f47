#include "tls_served.h"
#include "tls_set.h"
#include <stdio.h>
#include <string.h>

void tls_choice_end(struct tls_choice *choice)
{
    tls_directory_unref(&choice->directory);
    *choice = (struct tls_choice){0};
}

/* Fills *choice if the set serves the name itself, or with by_wildcard by a wildcard for it. */
static bool serves(
    const struct tls_set *set, const char *name, bool by_wildcard, struct tls_choice *choice)
{
    const char *parent = strchr(name, '.');
    char pattern[TLS_HOST_MAX + 3];

    if (by_wildcard && !parent)
        return false;
    (void)snprintf(
        pattern, sizeof(pattern), "%s%s", by_wildcard ? "*" : "", by_wildcard ? parent : name);
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

struct tls_choice tls_names_choose(const struct tls_service *service, const char *name)
{
    struct tls_choice choice = {0};

    for (int by_wildcard = 0; by_wildcard <= 1; by_wildcard++) {
        for (size_t i = 0; i < service->set_count; i++) {
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
