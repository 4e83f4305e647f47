/*
 * The capabilities of an IMAP server, as a client may see them, in all three places: the code of
 * the greeting, the untagged reply, and the code of a tagged reply. Whole words are compared,
 * without case. A word that is kept keeps its bytes (C40).
 */
#include "imap_parts.h"

#include "login_words.h"
#include "mailmux/sasl.h"

/*
 * These are taken out. STARTTLS is ours to offer; referrals lead clients past mailmux;
 * UNAUTHENTICATE returns to a state that the dialog no longer follows; XCLIENT and XFORWARD are for
 * proxies (C15, C44, C48).
 */
static const char *const stripped[] = {"STARTTLS", "LOGIN-REFERRALS", "MAILBOX-REFERRALS",
    "UNAUTHENTICATE", "XCLIENT", "XFORWARD", NULL};

static bool is_shown(struct slice word, bool hides_login)
{
    if (slice_is_one_of(word, stripped))
        return false;
    if (slice_starts_nocase(word, SLICE("AUTH=")))
        return !hides_login && !sasl_is_withheld(slice_after(word, 5));
    /* Our own LOGINDISABLED is shown instead, once. */
    return !hides_login || !slice_equal_nocase(word, SLICE("LOGINDISABLED"));
}

void imap_capability_write(
    struct dialog *dialog, struct slice words, bool login, struct actions *actions)
{
    bool hides_login = dialog_hides_login(dialog) && !login;
    struct slice word;

    dialog->logins = login_is_disabled(words) ? DIALOG_LOGINS_REFUSED : DIALOG_LOGINS_OFFERED;
    while (slice_word(&words, &word)) {
        if (!is_shown(word, hides_login))
            continue;
        dialog_say(actions, SLICE(" "));
        dialog_say(actions, word);
    }
    if (dialog_offers_tls(dialog) && !login)
        dialog_say(actions, SLICE(" STARTTLS"));
    if (hides_login)
        dialog_say(actions, SLICE(" LOGINDISABLED"));
}
