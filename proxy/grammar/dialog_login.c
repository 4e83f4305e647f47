/*
 * The name of the user, for the log. It is the name of the login, or else of the last attempt. A
 * text in the place of a name that does not look like one is not kept, because it may be a
 * password.
 */
#include "dialog_parts.h"

#include "mailmux/sasl.h"
#include <string.h>

static void forget(struct dialog_name *name)
{
    explicit_bzero(name->text, sizeof(name->text));
    name->n = 0;
}

void dialog_forget_user(struct dialog *dialog)
{
    forget(&dialog->user);
    forget(&dialog->attempt);
    dialog->mechanism_len = 0;
}

void dialog_begin_login(struct dialog *dialog)
{
    forget(&dialog->attempt);
    dialog->mechanism_len = 0;
    if (!dialog->logged_in)
        forget(&dialog->user);
}

/*
 * Returns whether it is text, as a name must be. Some clients send the response of PLAIN where
 * LOGIN has the name: then a NUL and the password follow in it.
 */
static bool is_text(struct slice text)
{
    for (size_t i = 0; i < text.n; i++) {
        if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
            return false;
    }
    return text.n > 0;
}

void dialog_gather_user(struct dialog *dialog, struct slice octets)
{
    struct dialog_name *attempt = &dialog->attempt;
    size_t room = sizeof(attempt->text) - attempt->n;
    size_t n = octets.n < room ? octets.n : room;

    if (n > 0)
        memcpy(attempt->text + attempt->n, octets.p, n);
    attempt->n += n;
}

void dialog_confirm_user(struct dialog *dialog)
{
    if (!is_text(slice_of(dialog->attempt.text, dialog->attempt.n)))
        forget(&dialog->attempt);
    if (!dialog->logged_in)
        dialog->user = dialog->attempt;
}

void dialog_set_user(struct dialog *dialog, struct slice user)
{
    forget(&dialog->attempt);
    dialog_gather_user(dialog, user);
    dialog_confirm_user(dialog);
}

void dialog_accept_login(struct dialog *dialog)
{
    dialog->logged_in = true;
    dialog->user = dialog->attempt;
}

void dialog_begin_exchange(struct dialog *dialog, struct slice mechanism, struct slice response)
{
    dialog_begin_login(dialog);
    /* A longer name is not one of the mechanisms whose responses show a user. */
    dialog->mechanism_len = mechanism.n <= sizeof(dialog->mechanism) ? mechanism.n : 0;
    memcpy(dialog->mechanism, mechanism.p, dialog->mechanism_len);
    if (response.n > 0)
        dialog_take_response(dialog, response);
}

void dialog_take_response(struct dialog *dialog, struct slice response)
{
    struct slice mechanism = slice_of(dialog->mechanism, dialog->mechanism_len);
    char user[DIALOG_USER_MAX];
    size_t n;

    dialog->mechanism_len = 0;
    if (mechanism.n > 0 && sasl_user(mechanism, response, user, sizeof(user), &n))
        dialog_set_user(dialog, slice_of(user, n));
}
