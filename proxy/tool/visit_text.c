#include "visit_text.h"

#include <stdarg.h>

void visit_print_text(FILE *out, struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char byte = (unsigned char)text.p[i];

        if (byte >= 0x20 && byte < 0x7f)
            (void)fputc(byte, out);
        else
            (void)fprintf(out, "\\x%02x", byte);
    }
}

void visit_find(FILE *out, size_t *count, const char *kind, const char *format, ...)
{
    va_list arguments;

    if (count)
        (*count)++;
    (void)fprintf(out, "  %s: ", kind);
    va_start(arguments, format);
    (void)vfprintf(out, format, arguments);
    va_end(arguments);
    (void)fputc('\n', out);
}
