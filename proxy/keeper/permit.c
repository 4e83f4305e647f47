#include "permit.h"

#include "guarded_open.h"
#include "named_open.h"
#include "privileges.h"
#include <stdlib.h>

struct permit {
    struct config *config; /* NULL: it had errors */
    struct file_names names;
    uid_t account; /* whose links are suspected: that of the service. 0: none, nothing is handed
                      over */
};

/* The source of files while the configuration is read: what it asks for is what it names. */
static int get(void *owner, enum file_kind kind, const char *text)
{
    struct permit *permit = owner;

    file_names_add(&permit->names, kind, text);
    return permit_open(permit, kind, text);
}

struct permit *permit_read(const char *file, struct config_report *report)
{
    struct permit *permit = calloc(1, sizeof(*permit));

    *report = (struct config_report){0};
    if (!permit)
        return NULL;
    files_set_source(get, permit);
    (void)config_load(file, &permit->config, report);
    files_set_source(NULL, NULL);
    permit->account = permit->config ? privileges_account(permit->config->proxy.user) : GUARDED_ANY;
    return permit;
}

struct config *permit_config(const struct permit *permit)
{
    return permit->config;
}

int permit_open(const struct permit *permit, enum file_kind kind, const char *name)
{
    return named_open(&permit->names, permit->account, kind, name);
}

void permit_free(struct permit **pointer)
{
    struct permit *permit = *pointer;

    *pointer = NULL;
    if (!permit)
        return;
    config_free(&permit->config);
    file_names_free(&permit->names);
    free(permit);
}
