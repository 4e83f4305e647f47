/* Names of hosts and of mail domains. */
#include "config_value.h"

#include "mailmux/address.h"

enum { HOST_MAX = 253, LABEL_MAX = 63 };

static bool label_is_valid(struct slice label)
{
    if (label.n == 0 || label.n > LABEL_MAX || label.p[0] == '-' || label.p[label.n - 1] == '-')
        return false;
    for (size_t i = 0; i < label.n; i++) {
        if (!byte_is_letter_or_digit(label.p[i]) && label.p[i] != '-' && label.p[i] != '_')
            return false;
    }
    return true;
}

bool config_host_is_valid(struct slice host)
{
    struct slice rest = host;
    struct slice label = {NULL, 0};
    uint64_t ignored;

    if (host.n == 0 || host.n > HOST_MAX)
        return false;
    while (slice_split(&rest, '.', &label)) {
        if (!label_is_valid(label))
            return false;
    }
    return !slice_number(label, UINT64_MAX, &ignored);
}

static bool literal_is_valid(struct slice literal)
{
    struct slice inner = slice_of(literal.p + 1, literal.n - 2);
    bool is_tagged = slice_starts_nocase(inner, SLICE("IPv6:"));
    struct address address;

    if (is_tagged)
        inner = slice_after(inner, 5);
    return slice_find(inner, '[') == inner.n && address_parse_ip(inner, 0, &address) &&
           (address_family(&address) == AF_INET6) == is_tagged;
}

static bool mail_label_is_valid(struct slice label)
{
    for (size_t i = 0; i < label.n; i++) {
        if (!byte_is_letter_or_digit(label.p[i]) && label.p[i] != '-' && label.p[i] != '_' &&
            (unsigned char)label.p[i] < 0x80)
            return false;
    }
    return label.n > 0 && label.n <= LABEL_MAX;
}

bool config_domain_is_valid(struct slice domain)
{
    struct slice rest = domain;
    struct slice label;

    if (domain.n >= 2 && domain.p[0] == '[' && domain.p[domain.n - 1] == ']')
        return literal_is_valid(domain);
    if (slice_starts(rest, SLICE("*.")))
        rest = slice_after(rest, 2);
    if (rest.n == 0 || rest.n > HOST_MAX)
        return false;
    while (slice_split(&rest, '.', &label)) {
        if (!mail_label_is_valid(label))
            return false;
    }
    return true;
}
