#include "tls_set.h"

bool tls_names_normalise(struct slice name, char out[TLS_HOST_MAX + 1])
{
    size_t n = name.n > 0 && name.p[name.n - 1] == '.' ? name.n - 1 : name.n;

    if (n == 0 || n > TLS_HOST_MAX || name.p[n - 1] == '.')
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = name.p[i];

        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_' &&
            (c != '.' || i == 0 || out[i - 1] == '.'))
            return false;
        out[i] = c;
    }
    out[n] = '\0';
    return true;
}

bool tls_names_normalise_pattern(struct slice name, char out[TLS_HOST_MAX + 3])
{
    bool is_wildcard = slice_starts(name, SLICE("*."));

    out[0] = '*';
    out[1] = '.';
    return tls_names_normalise(
        is_wildcard ? slice_after(name, 2) : name, is_wildcard ? out + 2 : out);
}
