#include "mailmux/file_names.h"

#include "mailmux/file_tree.h"
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 16384 }; /* a bound against a file that was never meant to be a configuration */

bool file_names_have(const struct file_names *names, enum file_kind kind, const char *text)
{
    for (size_t i = 0; i < names->count; i++) {
        if (names->items[i].kind == kind && strcmp(names->items[i].text, text) == 0)
            return true;
    }
    return false;
}

bool file_names_have_above(const struct file_names *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++) {
        if (names->items[i].kind == FILE_TREE && file_tree_is_below(path, names->items[i].text))
            return true;
    }
    return false;
}

static void append(struct file_names *names, enum file_kind kind, const char *text)
{
    struct file_name *grown = reallocarray(names->items, names->count + 1, sizeof(*grown));
    char *copy = strdup(text);

    if (grown)
        names->items = grown;
    if (grown && copy)
        names->items[names->count++] = (struct file_name){kind, copy};
    else
        free(copy);
}

void file_names_add(struct file_names *names, enum file_kind kind, const char *text)
{
    if (names->count < NAMES_MAX && !file_names_have(names, kind, text))
        append(names, kind, text);
}

void file_names_free(struct file_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i].text);
    free(names->items);
    *names = (struct file_names){0};
}
