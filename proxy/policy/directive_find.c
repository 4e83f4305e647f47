/* Finding rows of the table. */
#include "mailmux/directives.h"

const struct section_info *section_find(struct slice word)
{
    for (size_t i = 0; i < SECTION_KINDS; i++) {
        if (slice_equal(slice_from(section_infos[i].word), word))
            return &section_infos[i];
    }
    return NULL;
}

const struct directive *directive_find(enum section_kind section, struct slice key)
{
    for (size_t i = 0; i < directive_count; i++) {
        if (directives[i].section == section && slice_equal(slice_from(directives[i].key), key))
            return &directives[i];
    }
    return NULL;
}

const struct directive *directive_of_field(enum section_kind section, size_t offset)
{
    for (size_t i = 0; i < directive_count; i++) {
        if (directives[i].section == section && directives[i].offset == offset)
            return &directives[i];
    }
    return NULL;
}

size_t directive_index(const struct directive *directive)
{
    return (size_t)(directive - directives);
}
