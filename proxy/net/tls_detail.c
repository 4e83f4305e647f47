#include "tls.h"

#include <stdio.h>
#include <string.h>

enum { DETAIL_MAX = 160 };

void tls_set_detail(struct stream *stream, const char *text, const char *more)
{
    char detail[DETAIL_MAX];

    if (stream->detail)
        return;
    (void)snprintf(detail, sizeof(detail), "%s%s", text, more);
    stream->detail = strdup(detail);
}
