/* Decides which records of a service can be used, and in which order. */
#include "resolve_parts.h"

#include <stdio.h>
#include <string.h>

enum { HOST_MAX = 253, LABEL_MAX = 63 };

static bool is_host_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

/*
 * Returns whether it is a host name. The DNS can carry other bytes, which c-ares escapes. A name
 * with such bytes is not that of a mail server.
 */
static bool is_host_name(const char *name)
{
    size_t label = 0;
    size_t n = strlen(name);

    if (n == 0 || n > HOST_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (name[i] == '.' ? label == 0 : !is_host_byte(name[i]))
            return false;
        label = name[i] == '.' ? 0 : label + 1;
        if (label > LABEL_MAX)
            return false;
    }
    return label > 0;
}

/* c-ares gives the root, ".", as an empty name. */
static bool is_root(const char *name)
{
    return name[0] == '\0' || strcmp(name, ".") == 0;
}

/*
 * Inserts a record in the order of priorities, and returns the new count. If there are too many,
 * the worst one is dropped.
 */
static size_t insert(const struct ares_srv_reply **sorted, size_t count,
    const struct ares_srv_reply *at, size_t *left_out)
{
    size_t place = count;

    while (place > 0 && sorted[place - 1]->priority > at->priority)
        place--;
    if (count == RESOLVE_HOSTS_MAX) {
        (*left_out)++;
        count--;
    }
    if (place > count)
        return count + 1;
    memmove(&sorted[place + 1], &sorted[place], (count - place) * sizeof(struct ares_srv_reply *));
    sorted[place] = at;
    return count + 1;
}

size_t resolve_records(const struct ares_srv_reply *reply,
    struct resolve_record records[RESOLVE_HOSTS_MAX], bool *is_declined, size_t *left_out)
{
    const struct ares_srv_reply *sorted[RESOLVE_HOSTS_MAX];
    size_t count = 0;

    *is_declined = false;
    *left_out = 0;
    for (; reply; reply = reply->next) {
        if (is_root(reply->host))
            *is_declined = true;
        else if (reply->port != 0 && is_host_name(reply->host))
            count = insert(sorted, count, reply, left_out);
    }
    for (size_t i = 0; i < count; i++) {
        records[i] = (struct resolve_record){.priority = sorted[i]->priority,
            .weight = sorted[i]->weight > 0 ? sorted[i]->weight : 1,
            .port = sorted[i]->port};
        /*
         * The dot at the end makes it an absolute name: it is not taken for an address, and search
         * domains are not added.
         */
        (void)snprintf(records[i].host, sizeof(records[i].host), "%.253s.", sorted[i]->host);
    }
    return count;
}
