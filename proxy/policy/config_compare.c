/* Two configurations beside each other. */
#include "mailmux/config.h"

#include "config_build.h"
#include <string.h>

/* Of one section without a name: numbers, choices and texts. */
static bool is_text(enum value_type type)
{
    return type == VALUE_WORD || type == VALUE_HOST || type == VALUE_DIRECTORY ||
           type == VALUE_FILE;
}

static bool is_same_text(const void *a, const void *b)
{
    const char *text[2];

    memcpy(&text[0], a, sizeof(text[0]));
    memcpy(&text[1], b, sizeof(text[1]));
    if (!text[0] || !text[1])
        return text[0] == text[1];
    return strcmp(text[0], text[1]) == 0;
}

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
        return !is_same_text(fields[0], fields[1]);
    return memcmp(fields[0], fields[1], directive->size) != 0;
}
