/* docs/reference.md from the table. */
#include "mailmux/directives.h"

static const char intro[] =
    "# The settings of proxy.ini\n"
    "\n"
    "Made by `mailmux --reference` from the table that the program itself reads; a test compares "
    "the two.\n"
    "\n"
    "- A line is `key = value` under a section, `[kind]` or `[kind name]`. A section stands once.\n"
    "- `#` and `;` begin a comment at the start of a line or after white space. A value that holds "
    "one, or a comma, stands in double quotes.\n"
    "- A time has a unit: `500ms`, `30s`, `5m`, `24h`. A size is in bytes, or `64k`, `1m`.\n"
    "- A list is separated by commas, and its key may be repeated. A line has at most 1024 bytes.\n"
    "- A path that does not begin with `/` starts at the directory of the file that names it.\n"
    "- `include = conf.d/*.ini` reads other files; it stands before the first section.\n"
    "- `mailmux --check` reports every problem of a file at once; `mailmux --dump` shows the value "
    "of every setting and where it comes from.\n";

/* '|' would end the cell of a table. */
static void write_cell(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|')
            (void)fputc('\\', out);
        (void)fputc(*text, out);
    }
}

static void write_row(FILE *out, const struct directive *directive)
{
    char allowed[DIRECTIVE_TEXT_MAX];

    (void)fprintf(out, "| `%s` | %s: ", directive->key, directive_type_name(directive));
    write_cell(out, directive_allowed(directive, allowed));
    (void)fputs(" | ", out);
    write_cell(out, directive_default(directive));
    (void)fprintf(out, " | %s | ", directive->needs_restart ? "restart" : "reload");
    write_cell(out, directive->help);
    (void)fputs(" |\n", out);
}

void directives_write_reference(FILE *out)
{
    (void)fputs(intro, out);
    for (size_t kind = 0; kind < SECTION_KINDS; kind++) {
        const struct section_info *info = &section_infos[kind];

        (void)fprintf(out,
            "\n## [%s%s]\n\n%s\n\n"
            "| Key | Value | Default | A change needs | Meaning |\n"
            "|---|---|---|---|---|\n",
            info->word, section_name_text(info), info->help);
        for (size_t row = 0; row < directive_count; row++) {
            if (directives[row].section == info->kind)
                write_row(out, &directives[row]);
        }
    }
}
