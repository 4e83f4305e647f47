/* Which sections two configurations differ in, by their dumps without the sources. */
#include "mailmux/config.h"

#include <stdlib.h>
#include <string.h>

/* A section of a dump: its heading, and all of it. Both point into the dump. */
struct part {
    struct slice heading; /* without the brackets */
    struct slice whole;
};

/* Returns the dump, for free(), or NULL without memory. */
static char *dump(const struct config *config)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    if (!out)
        return NULL;
    config_dump_bare(config, out);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* Takes the next section off the text. Returns false at its end. */
static bool next_part(const char **text, struct part *out)
{
    const char *begin = strchr(*text, '[');
    const char *end = begin ? strstr(begin + 1, "\n[") : NULL;

    if (!begin)
        return false;
    out->whole = slice_of(begin, end ? (size_t)(end - begin) : strlen(begin));
    out->heading = slice_of(begin + 1, strcspn(begin + 1, "]\n"));
    *text = begin + out->whole.n + (end ? 1 : 0);
    return true;
}

static bool find_part(const char *text, struct slice heading, struct part *out)
{
    while (next_part(&text, out)) {
        if (slice_equal(out->heading, heading))
            return true;
    }
    return false;
}

struct listing {
    char *out;
    size_t cap;
    size_t n;
};

/* Adds a heading; one that does not fit is left out. */
static void add(struct listing *list, const char *sign, struct slice heading)
{
    int more = snprintf(list->out + list->n, list->cap - list->n, "%s%s%.*s", list->n ? ", " : "",
        sign, (int)heading.n, heading.p);

    if (more > 0 && (size_t)more < list->cap - list->n)
        list->n += (size_t)more;
    else
        list->out[list->n] = '\0';
}

static void compare(struct listing *list, const char *before, const char *now)
{
    const char *rest = now;
    struct part one;
    struct part other;

    while (next_part(&rest, &one)) {
        if (!find_part(before, one.heading, &other))
            add(list, "+", one.heading);
        else if (!slice_equal(one.whole, other.whole))
            add(list, "", one.heading);
    }
    for (rest = before; next_part(&rest, &one);) {
        if (!find_part(now, one.heading, &other))
            add(list, "-", one.heading);
    }
}

void config_list_changes(
    const struct config *before, const struct config *now, char *out, size_t cap)
{
    char *texts[2] = {dump(before), dump(now)};

    out[0] = '\0';
    if (texts[0] && texts[1])
        compare(&(struct listing){out, cap, 0}, texts[0], texts[1]);
    free(texts[0]);
    free(texts[1]);
}
