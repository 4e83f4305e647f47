#include "login_words.h"

bool login_is_disabled(struct slice words)
{
    struct slice word;

    while (slice_word(&words, &word)) {
        if (slice_equal_nocase(word, SLICE("LOGINDISABLED")))
            return true;
    }
    return false;
}

bool login_has_plain(struct slice mechanisms)
{
    struct slice word;

    while (slice_word(&mechanisms, &word)) {
        if (slice_equal_nocase(word, SLICE("PLAIN")) || slice_equal_nocase(word, SLICE("LOGIN")))
            return true;
    }
    return false;
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

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Letters before or behind it would make it a part of another word. */
static bool has_whole(struct slice text, struct slice word)
{
    for (size_t i = 0; i + word.n <= text.n; i++) {
        if (slice_starts_nocase(slice_after(text, i), word) &&
            (i == 0 || !is_letter(text.p[i - 1])) &&
            (i + word.n == text.n || !is_letter(text.p[i + word.n])))
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
