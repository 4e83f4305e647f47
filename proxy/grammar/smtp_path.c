/*
 * The path of RCPT TO [RFC 5321 4.1.2], if relay_domains decides by its domain. A server behind
 * mailmux may find more in an address than the RFC does: routes by '%', '!' and a second '@',
 * comments, groups. So an address passes only if it can be read in one way. A few forms are not in
 * the RFC, but servers take them (no brackets, blanks after the colon, dots in a row); they are
 * read as servers read them.
 */
#include "smtp_path.h"

#include "smtp_parts.h"

/* Returns whether it is an octet of a character beyond ASCII, in UTF-8 [RFC 6531 3.3]. */
static bool is_eight_bit(char c)
{
    return (unsigned char)c >= 0x80;
}

/*
 * Returns whether it is a character of an atom [RFC 5321 4.1.2, RFC 5322 3.2.3], or the dot between
 * atoms.
 */
static bool is_local_octet(char c)
{
    static const char others[] = "!#$%&'*+-/=?^_`{|}~.";
    struct slice rest = slice_from(others);

    return byte_is_letter_or_digit(c) || is_eight_bit(c) || slice_find(rest, c) < rest.n;
}

/* Returns whether some servers take the character for a route to another machine, quoted or not. */
static bool is_route_octet(char c)
{
    return c == '%' || c == '!' || c == '@';
}

/*
 * Returns the length of a quoted string with its quotes, or 0 if it does not end or has an octet
 * that is not allowed in it.
 */
static size_t quoted_length(struct slice in, bool *has_route)
{
    for (size_t i = 1; i < in.n; i++) {
        if (in.p[i] == '"')
            return i + 1;
        if (in.p[i] == '\\' && ++i == in.n)
            return 0;
        if ((unsigned char)in.p[i] < ' ' || in.p[i] == 0x7f)
            return 0;
        *has_route = *has_route || is_route_octet(in.p[i]);
    }
    return 0;
}

static size_t local_length(struct slice in, bool *has_route)
{
    size_t n = 0;

    if (in.n > 0 && in.p[0] == '"')
        return quoted_length(in, has_route);
    while (n < in.n && is_local_octet(in.p[n])) {
        *has_route = *has_route || is_route_octet(in.p[n]);
        n++;
    }
    return n;
}

/*
 * Returns the length of an address literal, "[192.0.2.1]", or 0 if it does not end or has an octet
 * that is not allowed in it.
 */
static size_t literal_length(struct slice in)
{
    for (size_t i = 1; i < in.n; i++) {
        if (in.p[i] == ']')
            return i + 1;
        if (!byte_is_letter_or_digit(in.p[i]) && slice_find(SLICE(".:-"), in.p[i]) == 3)
            return 0;
    }
    return 0;
}

/*
 * Returns the length of a name: labels with dots between them, and perhaps a dot after the last
 * one. Returns 0 if there is no name.
 */
static size_t name_length(struct slice in)
{
    bool label = false;
    size_t n = 0;

    for (; n < in.n; n++) {
        bool is_dot = in.p[n] == '.';

        if (!is_dot && !byte_is_letter_or_digit(in.p[n]) && !is_eight_bit(in.p[n]) &&
            in.p[n] != '-' && in.p[n] != '_')
            break;
        if (is_dot && !label)
            return 0;
        label = !is_dot;
    }
    return n;
}

static size_t domain_length(struct slice in)
{
    return in.n > 0 && in.p[0] == '[' ? literal_length(in) : name_length(in);
}

/*
 * Returns whether the word is a parameter, "NOTIFY=NEVER" [RFC 5321 4.1.2]. It may have no bracket,
 * at which a server might begin to read a new address.
 */
static bool is_parameter(struct slice word)
{
    struct slice keyword = slice_of(word.p, slice_find(word, '='));

    if (keyword.n == 0 || !byte_is_letter_or_digit(keyword.p[0]))
        return false;
    for (size_t i = 0; i < keyword.n; i++) {
        if (!byte_is_letter_or_digit(keyword.p[i]) && keyword.p[i] != '-')
            return false;
    }
    return slice_find(word, '<') == word.n && slice_find(word, '>') == word.n;
}

static bool are_parameters(struct slice rest)
{
    struct slice word;

    if (rest.n > 0 && !byte_is_blank(rest.p[0]))
        return false;
    while (slice_word(&rest, &word)) {
        if (!is_parameter(word))
            return false;
    }
    return true;
}

/*
 * Returns whether the rest is what may follow an address: its closing bracket if it has an opening
 * one, then parameters.
 */
static bool ends_well(struct slice rest, bool is_bracketed)
{
    if (!is_bracketed)
        return are_parameters(rest);
    return rest.n > 0 && rest.p[0] == '>' && are_parameters(slice_after(rest, 1));
}

/* Reads what follows the local part and its "@". */
static enum smtp_path parse_domain(
    struct slice rest, bool is_bracketed, bool has_route, struct slice *domain)
{
    size_t n = domain_length(rest);
    struct slice found = slice_of(rest.p, n);

    if (n > 0 && n < rest.n && rest.p[n] == '@')
        return SMTP_PATH_ROUTE; /* most servers take the last "@" for the one before the domain */
    if (n == 0 || !ends_well(slice_after(rest, n), is_bracketed))
        return SMTP_PATH_MALFORMED;
    if (has_route)
        return SMTP_PATH_ROUTE;
    if (found.p[n - 1] == '.')
        found.n--;
    *domain = found;
    return SMTP_PATH_MAILBOX;
}

enum smtp_path smtp_path_parse(struct slice arguments, struct slice *domain)
{
    struct slice rest = slice_trim(slice_after(arguments, 3));
    bool is_bracketed = rest.n > 0 && rest.p[0] == '<';
    bool has_route = false;
    struct slice local;
    size_t n;

    if (!slice_starts_nocase(arguments, SLICE("TO:")))
        return SMTP_PATH_MALFORMED;
    if (is_bracketed)
        rest = slice_after(rest, 1);
    if (rest.n > 0 && rest.p[0] == '@')
        return SMTP_PATH_ROUTE; /* a source route [RFC 5321 appendix C] */
    n = local_length(rest, &has_route);
    local = slice_of(rest.p, n);
    rest = slice_after(rest, n);
    if (n == 0)
        return SMTP_PATH_MALFORMED;
    if (rest.n > 0 && rest.p[0] == '@')
        return parse_domain(slice_after(rest, 1), is_bracketed, has_route, domain);
    if (!ends_well(rest, is_bracketed))
        return SMTP_PATH_MALFORMED;
    if (has_route)
        return SMTP_PATH_ROUTE;
    return slice_equal_nocase(local, SLICE("postmaster")) ? SMTP_PATH_POSTMASTER
                                                          : SMTP_PATH_MALFORMED;
}

bool smtp_domain_matches(struct slice domain, struct slice pattern)
{
    if (!slice_starts(pattern, SLICE("*.")))
        return slice_equal_nocase(domain, pattern);
    pattern = slice_after(pattern, 1); /* "*" is cut off, and the dot stays */
    return domain.n > pattern.n && slice_ends_nocase(domain, pattern);
}

static bool is_relay_domain(const struct dialog_policy *policy, struct slice domain)
{
    for (size_t i = 0; i < policy->relay_domain_count; i++) {
        if (smtp_domain_matches(domain, slice_from(policy->relay_domains[i])))
            return true;
    }
    return false;
}

enum smtp_reply smtp_judge_recipient(const struct dialog_policy *policy, struct slice arguments)
{
    struct slice domain;

    switch (smtp_path_parse(arguments, &domain)) {
    case SMTP_PATH_MAILBOX:
        return is_relay_domain(policy, domain) ? SMTP_FROM_SERVER : SMTP_NO_RELAY;
    case SMTP_PATH_POSTMASTER:
        return SMTP_FROM_SERVER;
    case SMTP_PATH_ROUTE:
        return SMTP_NO_ROUTE;
    case SMTP_PATH_MALFORMED:
        return SMTP_BAD_PATH;
    }
    return SMTP_BAD_PATH;
}

struct slice smtp_path_text(struct slice arguments, struct slice keyword)
{
    struct slice path = arguments;
    size_t end;

    if (slice_starts_nocase(path, keyword))
        path = slice_trim_start(slice_after(path, keyword.n));
    end = slice_find(path, '>');
    if (path.n > 0 && *path.p == '<' && end < path.n)
        return slice_of(path.p, end + 1);
    return slice_of(path.p, slice_find(path, ' '));
}
