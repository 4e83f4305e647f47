/*
 * The name of the user, for the log. It is the name of the login, or else of the last attempt. A
 * text in the place of a name that does not look like one is not kept, because it may be a
 * password.
 */
#include "dialog_parts.h"

#include "login_words.h"
#include "mailmux/sasl.h"
#include <string.h>

static void forget(struct dialog_name *name)
{
    explicit_bzero(name->text, sizeof(name->text));
    name->n = 0;
}

void dialog_forget_attempt(struct dialog *dialog)
{
    forget(&dialog->attempt);
    dialog->attempt_named = false;
    dialog->mechanism_len = 0;
    if (!dialog->logged_in)
        forget(&dialog->user);
}

void dialog_forget_user(struct dialog *dialog)
{
    dialog_forget_attempt(dialog);
    forget(&dialog->user);
    dialog->login_under_way = false;
}

void dialog_begin_login(struct dialog *dialog)
{
    dialog_forget_attempt(dialog);
    dialog->login_under_way = false;
    dialog->method = NULL;
}

void dialog_try_login(struct dialog *dialog, const char *method)
{
    dialog->login_under_way = true;
    dialog->method = method;
}

void dialog_drop_login(struct dialog *dialog)
{
    dialog->login_under_way = false;
}

struct slice dialog_attempted_user(const struct dialog *dialog)
{
    return slice_of(dialog->attempt.text, dialog->attempt_named ? dialog->attempt.n : 0);
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
    dialog->attempt_named = is_text(slice_of(dialog->attempt.text, dialog->attempt.n));
    if (!dialog->attempt_named)
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

void dialog_accept_login(struct dialog *dialog, struct actions *actions)
{
    dialog->logged_in = true;
    dialog->login_under_way = false;
    dialog->user = dialog->attempt;
    actions->news.login = LOGIN_ACCEPTED;
}

/* A part that does not fit is left out as a whole. */
static void add_to_answer(struct dialog *dialog, struct slice text)
{
    size_t blank = dialog->answer_len > 0 ? 1 : 0;

    if (text.n == 0 || text.n + blank > sizeof(dialog->answer) - dialog->answer_len)
        return;
    dialog->answer[dialog->answer_len] = ' ';
    memcpy(dialog->answer + dialog->answer_len + blank, text.p, text.n);
    dialog->answer_len += blank + text.n;
}

void dialog_fail_login(struct dialog *dialog, enum login_end end, struct slice word,
    struct slice code, struct actions *actions)
{
    if (!dialog->login_under_way)
        return;
    dialog->login_under_way = false;
    dialog->failures++;
    dialog->answer_len = 0;
    add_to_answer(dialog, word);
    add_to_answer(dialog, code);
    actions->news.login = dialog->is_cancelled ? LOGIN_CANCELLED : end;
}

void dialog_refuse_login(
    struct dialog *dialog, struct slice word, struct slice text, struct actions *actions)
{
    struct slice code = login_code(text);
    enum login_end end = login_code_is_passing(code) ? LOGIN_UNAVAILABLE : LOGIN_REFUSED;

    if (!dialog->login_under_way)
        return;
    if (login_wants_tls(text)) {
        dialog->logins = DIALOG_LOGINS_REFUSED;
        end = dialog->legs.server_tls ? end : LOGIN_WANTS_TLS;
    }
    dialog_fail_login(dialog, end, word, code, actions);
}

void dialog_begin_exchange(struct dialog *dialog, struct slice mechanism, struct slice response)
{
    dialog_begin_login(dialog);
    /* A longer name is not one of the mechanisms whose responses show a user. */
    dialog->mechanism_len = mechanism.n <= sizeof(dialog->mechanism) ? mechanism.n : 0;
    memcpy(dialog->mechanism, mechanism.p, dialog->mechanism_len);
    if (mechanism.n > 0)
        dialog_try_login(dialog, sasl_name(mechanism));
    /* "=" is a response of no octets [RFC 4954 4]: the name is still to come. */
    if (response.n > 0 && !slice_equal(response, SLICE("=")))
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
