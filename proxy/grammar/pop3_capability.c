/*
 * The capabilities of a POP3 server, as a client may see them: the lines of the replies to CAPA
 * [RFC 2449 5] and to AUTH [RFC 5034 4].
 */
#include "pop3_parts.h"

#include "login_words.h"
#include "mailmux/sasl.h"

/*
 * Relays the line as it came if no mechanism in it is withheld. Otherwise it relays the line with
 * the other mechanisms, or nothing if there is none.
 */
static void relay_sasl(struct slice line, struct slice mechanisms, struct actions *actions)
{
    if (!sasl_has_withheld(mechanisms)) {
        dialog_reply(actions, line);
    } else if (sasl_has_others(mechanisms)) {
        dialog_say(actions, slice_of(line.p, line.n - mechanisms.n));
        dialog_say_mechanisms(mechanisms, actions);
        dialog_reply(actions, SLICE(""));
    }
}

void pop3_capability_relay(struct dialog *dialog, struct slice line, struct actions *actions)
{
    struct slice rest = line;
    struct slice word = SLICE("");
    bool hides_login = dialog_hides_login(dialog);

    (void)slice_word(&rest, &word);
    if (slice_equal_nocase(word, SLICE("USER")) ||
        (slice_equal_nocase(word, SLICE("SASL")) && login_has_plain(rest)))
        dialog->logins = DIALOG_LOGINS_OFFERED;
    if (slice_equal_nocase(word, SLICE("STLS")) || slice_equal_nocase(word, SLICE("XCLIENT")))
        return;
    if (slice_equal_nocase(word, SLICE("SASL"))) {
        if (!hides_login)
            relay_sasl(line, rest, actions);
    } else if (!hides_login || !slice_equal_nocase(word, SLICE("USER"))) {
        dialog_reply(actions, line);
    }
}

void pop3_mechanism_relay(struct slice line, struct actions *actions)
{
    if (!sasl_is_withheld(slice_trim(line)))
        dialog_reply(actions, line);
}

void pop3_capability_add(const struct dialog *dialog, struct actions *actions)
{
    if (dialog_offers_tls(dialog))
        dialog_reply(actions, SLICE("STLS"));
}
