/*
 * What is said of a server that takes no login, since it takes its connection with mailmux for
 * one in clear [Dovecot's default for all but local clients]: to the log and by --check --probe.
 */
#ifndef MAILMUX_LOGIN_ADVICE_H
#define MAILMUX_LOGIN_ADVICE_H

#include "mailmux/config.h"

/* Each is less than a log field: what it does, and what to write. Constants. */
const char *login_advice_why(enum config_protocol protocol);
const char *login_advice_remedy(enum config_protocol protocol);

/* Servers of the backend hear which clients use TLS, and may judge by that. */
bool login_advice_is_told(const struct config_backend *backend);

#endif
