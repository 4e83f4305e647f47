#include "login_words.h"

bool login_is_disabled(struct slice words)
{
    return slice_has_word(words, SLICE("LOGINDISABLED"));
}

bool login_has_plain(struct slice mechanisms)
{
    return slice_has_word(mechanisms, SLICE("PLAIN")) || slice_has_word(mechanisms, SLICE("LOGIN"));
}

unsigned login_offers(struct slice mechanisms)
{
    struct slice word;
    unsigned offers = 0;

    while (slice_word(&mechanisms, &word))
        offers |= login_has_plain(word) ? (unsigned)OPENING_OFFERS_PASSWORDS
                                        : (unsigned)OPENING_OFFERS_MECHANISM;
    return offers;
}

/*
 * Returns whether the text has the word, with no letter before or after it, which would make it a
 * part of another word.
 */
static bool has_whole(struct slice text, struct slice word)
{
    for (size_t i = 0; i + word.n <= text.n; i++) {
        if (slice_starts_nocase(slice_after(text, i), word) &&
            (i == 0 || !byte_is_letter(text.p[i - 1])) &&
            (i + word.n == text.n || !byte_is_letter(text.p[i + word.n])))
            return true;
    }
    return false;
}

bool login_wants_tls(struct slice text)
{
    return has_whole(text, SLICE("TLS")) || has_whole(text, SLICE("SSL")) ||
           has_whole(text, SLICE("STARTTLS")) || has_whole(text, SLICE("STLS")) ||
           slice_has_nocase(text, SLICE("PRIVACYREQUIRED")) ||
           slice_has_nocase(text, SLICE("encrypt"));
}

struct slice login_code(struct slice text)
{
    enum { CODE_MAX = 32 };
    size_t n = 1;
    char end;

    if (text.n == 0 || (*text.p != '[' && *text.p != '('))
        return SLICE("");
    end = *text.p == '[' ? ']' : ')';
    while (n < text.n && n < CODE_MAX &&
           (byte_is_letter_or_digit(text.p[n]) || text.p[n] == '-' || text.p[n] == '/'))
        n++;
    return n < text.n && n > 1 && text.p[n] == end ? slice_of(text.p, n + 1) : SLICE("");
}

bool login_code_is_passing(struct slice code)
{
    static const char *const codes[] = {"[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]",
        "[SYS/TEMP]", "[SYS/PERM]", "[IN-USE]", "[LOGIN-DELAY]", "(TRYLATER)", NULL};

    return slice_is_one_of(code, codes);
}
