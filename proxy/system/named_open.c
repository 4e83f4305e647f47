#include "named_open.h"

#include "config_open.h"
#include "directory_watch.h"
#include "guarded_open.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

/* What may be opened, for the functions of mailmux/file_tree.h. */
struct allowed {
    const struct file_names *names;
    uid_t account;
};

static int open_one(void *owner, const char *path)
{
    const struct allowed *allowed = owner;

    return allowed->account != 0 ? guarded_open(path, allowed->account)
                                 : files_open_on_disk(FILE_NAMED, path);
}

/*
 * Returns whether each of the paths, of which one stands on a line, is below a named directory, or
 * with is_file a named file.
 */
static bool are_all_named(const struct file_names *names, bool is_file, const char *paths)
{
    char path[PATH_MAX];

    do {
        size_t n = strcspn(paths, "\n");

        (void)snprintf(path, sizeof(path), "%.*s", (int)n, paths);
        if (n >= sizeof(path) || !(is_file ? file_names_have(names, FILE_NAMED, path)
                                           : file_names_have_above(names, path)))
            return false;
        paths += n + (paths[n] ? 1 : 0);
    } while (*paths);
    return true;
}

static int open_watch(struct allowed *allowed, const char *name)
{
    if (file_names_have(allowed->names, FILE_TREE, name))
        return directory_watch_open(name, open_one, allowed);
    if (are_all_named(allowed->names, true, name))
        return directory_watch_open_files(name, open_one, allowed);
    return -EPERM;
}

int named_open(const struct file_names *names, uid_t account, enum file_kind kind, const char *name)
{
    struct allowed allowed = {names, account};

    if (kind == FILE_WATCH)
        return open_watch(&allowed, name);
    if (kind == FILE_BELOW ? !are_all_named(names, false, name)
                           : !file_names_have(names, kind, name))
        return -EPERM;
    switch (kind) {
    case FILE_TREE:
        return file_tree_list(name, open_one, &allowed);
    case FILE_BELOW:
        return file_tree_read(name, open_one, &allowed);
    case FILE_NAMED:
        return open_one(&allowed, name);
    case FILE_CONFIG:
        return config_open(name);
    case FILE_LIST:
    case FILE_WATCH:
        break;
    }
    return files_open_on_disk(kind, name);
}
