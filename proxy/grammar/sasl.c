#include "mailmux/sasl.h"

/* Decodes base64 one octet at a time, so that what follows the user's name is never decoded. */
struct octets {
    struct slice in;
    uint32_t bits;
    unsigned held; /* how many of the bits are valid */
};

enum { OCTETS_END = -1 };

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

static int octets_next(struct octets *octets)
{
    while (octets->held < 8) {
        int value = octets->in.n > 0 ? base64_value(*octets->in.p) : -1;

        if (value < 0)
            return OCTETS_END;
        octets->in = slice_after(octets->in, 1);
        octets->bits = (octets->bits << 6 | (uint32_t)value) & 0xffff;
        octets->held += 6;
    }
    octets->held -= 8;
    return (int)(octets->bits >> octets->held & 0xff);
}

static bool octets_skip_past(struct octets *octets, int end)
{
    int octet;

    do {
        octet = octets_next(octets);
    } while (octet != end && octet != OCTETS_END);
    return octet == end;
}

static bool octets_expect(struct octets *octets, const char *text)
{
    for (; *text; text++) {
        if (octets_next(octets) != *text)
            return false;
    }
    return true;
}

/* What stands before `end`, cut to cap; 0 when the end never comes. */
static size_t octets_collect(struct octets *octets, int end, char *text, size_t cap)
{
    size_t n = 0;
    int octet;

    while ((octet = octets_next(octets)) != end) {
        if (octet == OCTETS_END)
            return 0;
        if (n < cap)
            text[n++] = (char)octet;
    }
    return n;
}

/* authzid NUL authcid NUL password [RFC 4616]. Without the second NUL it may be the password. */
static size_t read_plain(struct octets *octets, char *user, size_t cap)
{
    return octets_skip_past(octets, '\0') ? octets_collect(octets, '\0', user, cap) : 0;
}

static size_t read_login(struct octets *octets, char *user, size_t cap)
{
    return octets_collect(octets, OCTETS_END, user, cap);
}

/* saslname: =2C and =3D stand for comma and equals sign [RFC 5801 section 4]. */
static size_t unescape(char *text, size_t n)
{
    size_t out = 0;

    for (size_t i = 0; i < n; i++) {
        struct slice rest = slice_of(text + i, n - i);

        text[out] = text[i];
        if (slice_starts_nocase(rest, SLICE("=2C")) || slice_starts_nocase(rest, SLICE("=3D"))) {
            text[out] = text[i + 1] == '2' ? ',' : '=';
            i += 2;
        }
        out++;
    }
    return out;
}

/* n,[a=authzid],n=user,r=nonce [RFC 5802 section 7] */
static size_t read_scram(struct octets *octets, char *user, size_t cap)
{
    for (int commas = 0; commas < 2; commas++) {
        if (!octets_skip_past(octets, ','))
            return 0;
    }
    if (!octets_expect(octets, "n="))
        return 0;
    return unescape(user, octets_collect(octets, ',', user, cap));
}

/* n,a=user,^Ahost=...^Aauth=Bearer ... [RFC 7628 section 3.1] */
static size_t read_oauthbearer(struct octets *octets, char *user, size_t cap)
{
    if (!octets_skip_past(octets, ',') || !octets_expect(octets, "a="))
        return 0;
    return unescape(user, octets_collect(octets, ',', user, cap));
}

/* user=somebody^Aauth=Bearer ... */
static size_t read_xoauth2(struct octets *octets, char *user, size_t cap)
{
    return octets_expect(octets, "user=") ? octets_collect(octets, 1, user, cap) : 0;
}

typedef size_t user_reader(struct octets *octets, char *user, size_t cap);

static const struct {
    const char *mechanism;
    user_reader *read;
} readers[] = {
    {"PLAIN", read_plain},
    {"LOGIN", read_login},
    {"OAUTHBEARER", read_oauthbearer},
    {"XOAUTH2", read_xoauth2},
};

static user_reader *find_reader(struct slice mechanism)
{
    for (size_t i = 0; i < sizeof(readers) / sizeof(*readers); i++) {
        if (slice_equal_nocase(mechanism, slice_from(readers[i].mechanism)))
            return readers[i].read;
    }
    return slice_starts_nocase(mechanism, SLICE("SCRAM-")) ? read_scram : NULL;
}

/* The RFC ends a name at 20; ours leaves room, and ends what could be anything. */
bool sasl_is_mechanism(struct slice word)
{
    enum { NAME_MAX_OCTETS = 32 };

    for (size_t i = 0; i < word.n; i++) {
        char c = word.p[i];

        if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') &&
            c != '-' && c != '_')
            return false;
    }
    return word.n > 0 && word.n <= NAME_MAX_OCTETS;
}

bool sasl_is_withheld(struct slice mechanism)
{
    return slice_ends_nocase(mechanism, SLICE("-PLUS")) ||
           slice_equal_nocase(mechanism, SLICE("EXTERNAL"));
}

bool sasl_is_base64(struct slice line)
{
    for (int pads = 0; pads < 2 && line.n > 0 && line.p[line.n - 1] == '='; pads++)
        line.n--;
    for (size_t i = 0; i < line.n; i++) {
        if (base64_value(line.p[i]) < 0)
            return false;
    }
    return true;
}

bool sasl_user(
    struct slice mechanism, struct slice response, char *user, size_t cap, size_t *user_len)
{
    struct octets octets = {.in = response};
    user_reader *reader = find_reader(mechanism);
    size_t n = reader ? reader(&octets, user, cap) : 0;

    if (n > 0)
        *user_len = n;
    return n > 0;
}
