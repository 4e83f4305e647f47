/*
 * Judges whether a server lets users log in over a connection like those of sessions. It uses what
 * a probe has found.
 */
#ifndef MAILMUX_LOGINS_H
#define MAILMUX_LOGINS_H

#include "mailmux/config.h"
#include "probe.h"

enum logins {
    LOGINS_FINE, /* or not known */
    LOGINS_FEW,  /* only by mechanisms other than USER, PLAIN and LOGIN */
    LOGINS_NONE  /* not at all */
};

/* relay: the server's answer to mail from a stranger; NULL: it was not asked. */
enum logins logins_judge(const struct config_backend *backend, const struct probe_result *result,
    const struct relay_answer *relay);

#endif
