/*
 * Texts about a server that takes no login because its connection with mailmux has no TLS (as
 * Dovecot does by default, except for local clients). They are for the log and --check --probe.
 */
#ifndef MAILMUX_LOGIN_ADVICE_H
#define MAILMUX_LOGIN_ADVICE_H

#include "mailmux/config.h"

/*
 * Return what the server does and why, and what to change. The texts are constants that fit into a
 * field of the log.
 */
const char *login_advice_why(enum config_protocol protocol);
const char *login_advice_remedy(enum config_protocol protocol);

/*
 * Returns whether servers of the backend hear which clients use TLS, and so may take their logins.
 */
bool login_advice_is_told(const struct config_backend *backend);

#endif
