/* Writes docs/operator/reference.md and docs/man/mailmux.ini.5 from the table. */
#include "mailmux/directives.h"

static const char *section_name_text(const struct section_info *info)
{
    return info->naming == SECTION_HAS_NO_NAME ? "" : " NAME";
}

/* ---- docs/operator/reference.md ---- */

static const char reference_intro[] =
    "# The settings of proxy.ini\n"
    "\n"
    "Made by `mailmux --reference` from the table that the program itself reads; a test compares "
    "the two.\n"
    "\n"
    "- A line is `key = value` under a section, `[kind]` or `[kind name]`. A section stands once.\n"
    "- `#` and `;` begin a comment at the start of a line or after white space. A value that holds "
    "one, or a comma, stands in double quotes.\n"
    "- A time has a unit: `500ms`, `30s`, `5m`, `1h30m`, `24h`; `5min` and `1d` are understood, "
    "too. "
    "A size is in bytes, or `64k`, `1m`; `64K` and `64KiB` are understood, too.\n"
    "- A list is separated by commas, and its key may be repeated. A line has at most 1024 bytes.\n"
    "- A path that does not begin with `/` starts at the directory of the file that names it.\n"
    "- `include = conf.d/*.ini` reads other files; it stands before the first section.\n"
    "- `mailmux --check` reports every problem of a file at once; `mailmux --dump` shows the value "
    "of every setting and where it comes from.\n";

/* Escapes '|', which would end the cell of a table. */
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
    (void)fprintf(out, " | %s | ", directive->needs_new_service ? "new service" : "reload");
    write_cell(out, directive->help);
    (void)fputs(" |\n", out);
}

void directives_write_reference(FILE *out)
{
    (void)fputs(reference_intro, out);
    for (size_t kind = 0; kind < SECTION_KINDS; kind++) {
        const struct section_info *info = &section_infos[kind];

        (void)fprintf(out,
            "\n## [%s%s]\n\n%s\n\n"
            "| Key | Value | Default | A change needs | Meaning |\n"
            "|---|---|---|---|---|\n",
            info->word, section_name_text(info), info->help);
        for (size_t row = 0; row < directive_count(); row++) {
            if (directive_at(row)->section == info->kind)
                write_row(out, directive_at(row));
        }
    }
}

/* ---- docs/man/mailmux.ini.5 ---- */

static const char manual_intro[] =
    ".\\\" Made by mailmux --man from the table that the program itself reads.\n"
    ".TH MAILMUX.INI 5 \"\" mailmux \"mailmux configuration\"\n"
    ".SH NAME\n"
    "mailmux.ini \\- the configuration of mailmux, /etc/mailmux/proxy.ini\n"
    ".SH DESCRIPTION\n"
    "A line is\n"
    ".IR key \" = \" value\n"
    "under a section, [kind] or [kind name]. A section stands once.\n"
    ".PP\n"
    "# and ; begin a comment at the start of a line or after white space.\n"
    "A value that holds one, or a comma, stands in double quotes.\n"
    "A time has a unit: 500ms, 30s, 5m, 1h30m, 24h.\n"
    "A size is in bytes, or 64k, 1m.\n"
    "A list is separated by commas, and its key may be repeated.\n"
    "A line has at most 1024 bytes.\n"
    "A path that does not begin with / starts at the directory of the file that names it.\n"
    ".PP\n"
    ".B include = conf.d/*.ini\n"
    "reads other files; it stands before the first section.\n"
    ".PP\n"
    "Unknown sections and keys are errors.\n"
    ".B mailmux \\-\\-check\n"
    "reports every problem of a file at once.\n";

static const char manual_outro[] = ".SH FILES\n"
                                   "/etc/mailmux/proxy.ini\n"
                                   ".SH SEE ALSO\n"
                                   ".BR mailmux (8)\n";

/* Escapes what has a meaning in roff: backslashes and hyphens; '.' and quotes that begin a line. */
static void write_roff(FILE *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        (void)fputs("\\&", out);
    for (; *text; text++) {
        if (*text == '\\')
            (void)fputs("\\e", out);
        else if (*text == '-')
            (void)fputs("\\-", out);
        else
            (void)fputc(*text, out);
    }
}

static void write_entry(FILE *out, const struct directive *directive)
{
    char allowed[DIRECTIVE_TEXT_MAX];

    (void)fprintf(out, ".TP\n.B %s\n", directive->key);
    write_roff(out, directive->help);
    (void)fprintf(out, "\n.br\nValue: %s, ", directive_type_name(directive));
    write_roff(out, directive_allowed(directive, allowed));
    (void)fputs(".\nDefault: ", out);
    write_roff(out, directive_default(directive));
    (void)fprintf(out, ".\nA change needs a %s.\n",
        directive->needs_new_service ? "reload, which starts a new service" : "reload");
}

void directives_write_manual(FILE *out)
{
    (void)fputs(manual_intro, out);
    for (size_t kind = 0; kind < SECTION_KINDS; kind++) {
        const struct section_info *info = &section_infos[kind];

        (void)fprintf(out, ".SH [%s%s]\n%s\n", info->word, section_name_text(info), info->help);
        for (size_t row = 0; row < directive_count(); row++) {
            if (directive_at(row)->section == info->kind)
                write_entry(out, directive_at(row));
        }
    }
    (void)fputs(manual_outro, out);
}
