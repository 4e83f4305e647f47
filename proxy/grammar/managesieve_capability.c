/*
 * The capabilities of a ManageSieve server, as a client may see them: in the greeting, after TLS,
 * and in the reply to CAPABILITY [RFC 5804 1.7]. A line that is shown keeps its bytes.
 */
#include "managesieve_parts.h"

#include "login_words.h"
#include "mailmux/sasl.h"

/*
 * These are taken out. STARTTLS is ours to offer; XCLIENT is for proxies (C44); UNAUTHENTICATE
 * returns to a state that the dialog no longer follows (C48).
 */
static const char *const stripped[] = {"STARTTLS", "XCLIENT", "UNAUTHENTICATE", NULL};

static void relay_mechanisms(struct slice mechanisms, struct actions *actions)
{
    struct slice mechanism;
    bool any = false;

    dialog_say(actions, SLICE("\"SASL\" \""));
    while (slice_word(&mechanisms, &mechanism)) {
        if (sasl_is_withheld(mechanism))
            continue;
        dialog_say(actions, any ? SLICE(" ") : SLICE(""));
        dialog_say(actions, mechanism);
        any = true;
    }
    dialog_reply(actions, SLICE("\""));
}

/* Before a TLS that must come first the list is empty [RFC 5804 1.7]. */
static void relay_sasl(struct dialog *dialog, const struct managesieve_part *part,
    struct slice mechanisms, struct actions *actions)
{
    dialog->logins = login_has_plain(mechanisms) ? DIALOG_LOGINS_OFFERED : DIALOG_LOGINS_REFUSED;
    if (dialog_hides_login(dialog))
        relay_mechanisms(SLICE(""), actions);
    else if (sasl_has_withheld(mechanisms))
        relay_mechanisms(mechanisms, actions);
    else
        managesieve_part_relay(part, actions);
}

bool managesieve_capability_relay(
    struct dialog *dialog, const struct managesieve_part *part, struct actions *actions)
{
    struct managesieve_capability capability;

    if (!managesieve_capability_parse(part, &capability))
        return false;
    if (!part->is_clean)
        return true; /* no capability has a NUL or a CR in it */
    if (slice_equal_nocase(capability.name, SLICE("SASL")))
        relay_sasl(dialog, part, capability.value, actions);
    else if (!slice_is_one_of(capability.name, stripped))
        managesieve_part_relay(part, actions);
    return true;
}

void managesieve_capability_end(
    const struct dialog *dialog, const struct managesieve_part *part, struct actions *actions)
{
    if (part->word == MANAGESIEVE_OK && dialog_offers_tls(dialog))
        dialog_reply(actions, SLICE("\"STARTTLS\""));
    managesieve_part_relay(part, actions);
}
