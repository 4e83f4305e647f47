#include "mailmux/sasl.h"

/* Decodes base64 one octet at a time, so that nothing after the user's name is ever decoded. */
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

/*
 * Writes what comes before `end`, cut to cap octets, and returns its length. Returns 0 if `end`
 * never comes.
 */
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

static bool octets_end(const struct octets *octets)
{
    struct octets copy = *octets;

    return octets_next(&copy) == OCTETS_END;
}

/*
 * authzid NUL authcid NUL password [RFC 4616 2]. What follows the first NUL is not a name if the
 * second NUL is missing, or if nothing follows the second NUL: in "user NUL password NUL" it is the
 * password.
 */
static size_t read_plain(struct octets *octets, char *user, size_t cap)
{
    int first = octets_next(octets);
    size_t n;

    if (first != '\0' && !octets_skip_past(octets, '\0'))
        return 0;
    n = octets_collect(octets, '\0', user, cap);
    return first != '\0' && octets_end(octets) ? 0 : n;
}

static size_t read_login(struct octets *octets, char *user, size_t cap)
{
    return octets_collect(octets, OCTETS_END, user, cap);
}

static bool is_hex(int octet)
{
    return (octet >= '0' && octet <= '9') || (octet >= 'a' && octet <= 'f') ||
           (octet >= 'A' && octet <= 'F');
}

/* Returns whether a blank and 32 hexadecimal digits are all that is left. */
static bool is_digest(struct octets octets)
{
    enum { DIGITS = 32 };

    if (octets_next(&octets) != ' ')
        return false;
    for (int i = 0; i < DIGITS; i++) {
        if (!is_hex(octets_next(&octets)))
            return false;
    }
    return octets_next(&octets) == OCTETS_END;
}

/* user SP digest [RFC 2195]. The name may have blanks in it. */
static size_t read_cram_md5(struct octets *octets, char *user, size_t cap)
{
    size_t n = 0;

    while (!is_digest(*octets)) {
        int octet = octets_next(octets);

        if (octet == OCTETS_END)
            return 0;
        if (n < cap)
            user[n++] = (char)octet;
    }
    return n;
}

/* ---- DIGEST-MD5 [RFC 2831 2.1.2]: name=value pairs with commas between them ---- */

static int skip_blanks(struct octets *octets, int octet)
{
    while (octet == ' ' || octet == '\t' || octet == '\r' || octet == '\n' || octet == ',')
        octet = octets_next(octets);
    return octet;
}

/* Reads a quoted string after its opening quote. Returns 0 if it does not end. */
static size_t read_quoted(struct octets *octets, char *text, size_t cap)
{
    size_t n = 0;
    int octet;

    while ((octet = octets_next(octets)) != '"') {
        if (octet == '\\')
            octet = octets_next(octets);
        if (octet == OCTETS_END)
            return 0;
        if (n < cap)
            text[n++] = (char)octet;
    }
    return n;
}

/* Reads the name of a pair, cut to cap octets, and the first octet of its value. */
static size_t read_key(struct octets *octets, char *key, size_t cap, int *value)
{
    int octet = skip_blanks(octets, octets_next(octets));
    size_t n = 0;

    while (octet != '=' && octet != ' ' && octet != OCTETS_END) {
        if (n < cap)
            key[n++] = (char)octet;
        octet = octets_next(octets);
    }
    octet = skip_blanks(octets, octet);
    *value = octet == '=' ? skip_blanks(octets, octets_next(octets)) : OCTETS_END;
    return n;
}

static size_t read_digest_md5(struct octets *octets, char *user, size_t cap)
{
    char key[sizeof("username")];
    int value;

    for (;;) {
        size_t n = read_key(octets, key, sizeof(key), &value);
        bool is_name = slice_equal_nocase(slice_of(key, n), SLICE("username"));

        if (value == OCTETS_END || (is_name && value != '"'))
            return 0;
        if (is_name)
            return read_quoted(octets, user, cap);
        if (value == '"' && read_quoted(octets, NULL, 0) > 0)
            continue;
        if (!octets_skip_past(octets, ','))
            return 0;
    }
}

/* ---- SCRAM and OAUTHBEARER ---- */

/* Skips the first part of a GS2 header: n, or y, or p=name, and a comma [RFC 5801 section 4]. */
static bool skip_binding(struct octets *octets)
{
    switch (octets_next(octets)) {
    case 'n':
    case 'y':
        return octets_next(octets) == ',';
    case 'p':
        return octets_next(octets) == '=' && octets_skip_past(octets, ',');
    default:
        return false;
    }
}

/*
 * Unescapes a saslname, in which =2C and =3D stand for comma and equals sign [RFC 5801 section 4].
 */
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
    int octet;

    if (!skip_binding(octets))
        return 0;
    octet = octets_next(octets);
    if (octet != ',' &&
        (octet != 'a' || !octets_expect(octets, "=") || !octets_skip_past(octets, ',')))
        return 0;
    if (!octets_expect(octets, "n="))
        return 0;
    return unescape(user, octets_collect(octets, ',', user, cap));
}

/* n,a=user,^Ahost=...^Aauth=Bearer ... [RFC 7628 section 3.1] */
static size_t read_oauthbearer(struct octets *octets, char *user, size_t cap)
{
    if (!skip_binding(octets) || !octets_expect(octets, "a="))
        return 0;
    return unescape(user, octets_collect(octets, ',', user, cap));
}

/*
 * user=alice^Aauth=Bearer ... If a blank stands in the place of ^A, the token would become a part
 * of the name.
 */
static size_t read_xoauth2(struct octets *octets, char *user, size_t cap)
{
    size_t n = octets_expect(octets, "user=") ? octets_collect(octets, 1, user, cap) : 0;

    return slice_find(slice_of(user, n), ' ') == n ? n : 0;
}

typedef size_t user_reader(struct octets *octets, char *user, size_t cap);

static const struct {
    const char *mechanism;
    user_reader *read;
} readers[] = {
    {"PLAIN", read_plain},
    {"LOGIN", read_login},
    {"CRAM-MD5", read_cram_md5},
    {"DIGEST-MD5", read_digest_md5},
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

/*
 * The characters and the length are limited, so that it is a name. The limit is longer than that of
 * the RFC.
 */
bool sasl_is_mechanism(struct slice word)
{
    enum { NAME_MAX_OCTETS = 32 };

    for (size_t i = 0; i < word.n; i++) {
        if (!byte_is_letter_or_digit(word.p[i]) && word.p[i] != '-' && word.p[i] != '_')
            return false;
    }
    return word.n > 0 && word.n <= NAME_MAX_OCTETS;
}

const char *sasl_name(struct slice mechanism)
{
    static const char *const names[] = {"PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1",
        "SCRAM-SHA-1-PLUS", "SCRAM-SHA-224", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-384",
        "SCRAM-SHA-512", "SCRAM-SHA-512-PLUS", "SCRAM-SHA3-512", "SCRAM-SHA3-512-PLUS",
        "OAUTHBEARER", "XOAUTH2", "XOAUTH", "GSSAPI", "GSS-SPNEGO", "GS2-KRB5", "GS2-KRB5-PLUS",
        "NTLM", "EXTERNAL", "ANONYMOUS", "KERBEROS_V4", "OTP", "SKEY", "RPA", "APOP", "SRP",
        "SECURID", "EAP-AES128", "ECDSA-NIST256P-CHALLENGE", "X-OAUTH2", "CLIENTID", NULL};

    const char *name = slice_one_of(mechanism, names);

    return name ? name : "other";
}

bool sasl_is_withheld(struct slice mechanism)
{
    return slice_ends_nocase(mechanism, SLICE("-PLUS")) ||
           slice_equal_nocase(mechanism, SLICE("EXTERNAL"));
}

static bool has(struct slice mechanisms, bool withheld)
{
    struct slice mechanism;

    while (slice_word(&mechanisms, &mechanism)) {
        if (sasl_is_withheld(mechanism) == withheld)
            return true;
    }
    return false;
}

bool sasl_has_withheld(struct slice mechanisms)
{
    return has(mechanisms, true);
}

bool sasl_has_others(struct slice mechanisms)
{
    return has(mechanisms, false);
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

/*
 * Returns how many octets follow such a first octet of UTF-8, or a negative number if it is no
 * first octet.
 */
static int tail_of(unsigned char lead)
{
    if (lead < 0x80)
        return 0;
    if (lead >= 0xc2 && lead <= 0xdf)
        return 1;
    if (lead >= 0xe0 && lead <= 0xef)
        return 2;
    return lead >= 0xf0 && lead <= 0xf4 ? 3 : -1;
}

/*
 * Returns whether the text is UTF-8, as a name must be [RFC 4422 4]; is_cut: its end may be
 * missing. It finds most texts that were sent without base64: a password in clear decodes to octets
 * that are hardly ever UTF-8, and they must not be logged.
 */
static bool is_utf8(struct slice text, bool is_cut)
{
    int tail = 0;

    for (size_t i = 0; i < text.n; i++) {
        unsigned char octet = (unsigned char)text.p[i];
        bool continues = octet >= 0x80 && octet <= 0xbf;

        if (continues != (tail > 0))
            return false;
        tail = continues ? tail - 1 : tail_of(octet);
        if (tail < 0)
            return false;
    }
    return tail == 0 || is_cut;
}

/*
 * Returns whether the text is complete base64, in groups of four. A text that was cut, or that was
 * never encoded, would put letters of a secret into the log.
 */
static bool is_whole_base64(struct slice text)
{
    return text.n % 4 == 0 && sasl_is_base64(text);
}

bool sasl_user(
    struct slice mechanism, struct slice response, char *user, size_t cap, size_t *user_len)
{
    struct octets octets = {.in = response};
    user_reader *reader = is_whole_base64(response) ? find_reader(mechanism) : NULL;
    size_t n = reader ? reader(&octets, user, cap) : 0;
    bool may_be_cut = response.n / 4 * 3 > cap;

    if (n == 0 || !is_utf8(slice_of(user, n), may_be_cut))
        return false;
    *user_len = n;
    return true;
}
