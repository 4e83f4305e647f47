/* Two configurations beside each other. */
#include "mailmux/config.h"

#include "config_build.h"
#include <string.h>

static bool is_text(enum value_type type)
{
    return type == VALUE_WORD || type == VALUE_HOST || type == VALUE_DIRECTORY ||
           type == VALUE_FILE;
}

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_same_text_at(const void *a, const void *b)
{
    const char *text[2];

    memcpy(&text[0], a, sizeof(text[0]));
    memcpy(&text[1], b, sizeof(text[1]));
    return is_same_text(text[0], text[1]);
}

static bool are_same_strings(const struct config_strings *a, const struct config_strings *b)
{
    bool is_same = a->count == b->count;

    for (size_t i = 0; is_same && i < a->count; i++)
        is_same = strcmp(a->text[i], b->text[i]) == 0;
    return is_same;
}

bool config_speaks_alike(const struct config_backend *a, const struct config_backend *b)
{
    return a->tls == b->tls && a->tls_policy == b->tls_policy && a->verify == b->verify &&
           is_same_text(a->ca, b->ca) && is_same_text(a->tls_name, b->tls_name) &&
           are_same_strings(&a->pins, &b->pins) &&
           is_same_text(a->client_certificate, b->client_certificate) &&
           is_same_text(a->client_key, b->client_key) &&
           a->send_client_address == b->send_client_address;
}

/* Of one section without a name: numbers, choices and texts. */
bool config_needs_restart(
    const struct config *before, const struct config *now, const struct directive *directive)
{
    const struct section_info *info = &section_infos[directive->section];
    const char *fields[2];

    if (!directive->needs_restart)
        return false;
    fields[0] = (const char *)before + info->offset + directive->offset;
    fields[1] = (const char *)now + info->offset + directive->offset;
    if (is_text(directive->type))
        return !is_same_text_at(fields[0], fields[1]);
    return memcmp(fields[0], fields[1], directive->size) != 0;
}
