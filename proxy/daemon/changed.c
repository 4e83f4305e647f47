#include "mailmux/log.h"
#include "server.h"
#include <stdio.h>
#include <string.h>

/* One look at all certificates of the snapshot from before, for one of those that are new. */
struct look {
    const struct own_certificate *wanted;
    bool is_other; /* it was there, and the file had another certificate then */
};

struct listing {
    const struct snapshot *before;
    char *out;
    size_t cap;
};

static bool is_same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static void compare(void *owner, const struct own_certificate *before)
{
    struct look *look = owner;

    if (is_same(before->set, look->wanted->set) &&
        is_same(before->backend, look->wanted->backend) &&
        is_same(before->file, look->wanted->file))
        look->is_other = before->dates.print != look->wanted->dates.print;
}

/* One that does not fit is left out. */
static void add(struct listing *list, const struct own_certificate *certificate)
{
    size_t n = strlen(list->out);
    char end[CERTIFICATE_END_TEXT_MAX];
    int more = snprintf(list->out + n, list->cap - n, "%scertificate %s until %s", n ? ", " : "",
        certificate->file, certificate_end_text(&certificate->dates, end));

    if (more < 0 || (size_t)more >= list->cap - n)
        list->out[n] = '\0';
}

static void visit(void *owner, const struct own_certificate *certificate)
{
    struct listing *list = owner;
    struct look look = {certificate, false};

    if (certificate->is_in_directory) /* its change was logged when it came */
        return;
    snapshot_each_certificate(list->before, compare, &look);
    if (look.is_other)
        add(list, certificate);
}

void changed_list(const struct snapshot *before, const struct snapshot *now, char *out, size_t cap)
{
    struct listing list = {before, out, cap};
    size_t n;

    out[0] = '\0';
    snapshot_each_certificate(now, visit, &list);
    n = strlen(out);
    if (cap - n > 2) {
        memcpy(out + n, ", ", 3);
        config_list_changes(
            snapshot_config(before), snapshot_config(now), out + n + 2, cap - n - 2);
        if (!out[n + 2])
            out[n] = '\0';
        else if (n == 0)
            memmove(out, out + 2, strlen(out + 2) + 1);
    }
    if (!out[0])
        (void)snprintf(out, cap, "nothing");
}
