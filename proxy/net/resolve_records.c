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
static size_t insert(struct resolve_record *records, size_t count, const struct ares_srv_reply *at)
{
    size_t place = count;
    struct resolve_record record = {
        .priority = at->priority, .weight = at->weight > 0 ? at->weight : 1, .port = at->port};

    while (place > 0 && records[place - 1].priority > at->priority)
        place--;
    if (place == RESOLVE_MAX)
        return count;
    if (count == RESOLVE_MAX)
        count--;
    /*
     * The dot at the end makes it an absolute name: it is not taken for an address, and search
     * domains are not added.
     */
    (void)snprintf(record.host, sizeof(record.host), "%.253s.", at->host);
    memmove(&records[place + 1], &records[place], (count - place) * sizeof(*records));
    records[place] = record;
    return count + 1;
}

size_t resolve_records(
    const struct ares_srv_reply *reply, struct resolve_record *records, bool *is_declined)
{
    size_t count = 0;

    *is_declined = false;
    for (; reply; reply = reply->next) {
        if (is_root(reply->host))
            *is_declined = true;
        else if (reply->port != 0 && is_host_name(reply->host))
            count = insert(records, count, reply);
    }
    return count;
}
