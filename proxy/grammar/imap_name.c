/*
 * The name in a LOGIN, for the log [RFC 9051 6.2.3]. It is the first of two strings. If there is
 * only one string it may be the password. If a string has a character that an atom cannot have, its
 * beginning may be a part of the password, too.
 */
#include "imap_parts.h"

/* Returns whether the text announces one literal and is nothing else. */
static bool is_literal(struct slice text)
{
    uint64_t octets;

    if (text.n == 0 || *text.p != '{' || slice_find(slice_after(text, 1), '{') + 1 < text.n)
        return false;
    return literal_follows(text, &octets);
}

/* Returns whether something follows after a blank: the password. */
static bool goes_on(struct slice rest)
{
    return rest.n > 0 && *rest.p == ' ' && slice_trim(rest).n > 0;
}

void imap_name_begin(struct dialog *dialog, struct slice arguments)
{
    struct slice rest = arguments;
    struct slice string;
    char user[DIALOG_USER_MAX];

    dialog->of.imap.names_user = is_literal(arguments);
    if (imap_string_cut(&rest, &string) && goes_on(rest))
        dialog_set_user(dialog, slice_of(user, imap_string_text(string, user, sizeof(user))));
}

void imap_name_passes(struct dialog *dialog, struct slice octets)
{
    if (dialog->of.imap.names_user)
        dialog_gather_user(dialog, octets);
}

void imap_name_end(struct dialog *dialog, struct slice line)
{
    if (dialog->of.imap.names_user && goes_on(line))
        dialog_confirm_user(dialog);
    else if (dialog->of.imap.names_user)
        dialog_forget_attempt(dialog);
    dialog->of.imap.names_user = false;
}
