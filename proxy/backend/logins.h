/* Whether a server that was probed lets users log in over the connection that sessions will have.
 */
#ifndef MAILMUX_LOGINS_H
#define MAILMUX_LOGINS_H

#include "mailmux/config.h"
#include "probe.h"

enum logins {
    LOGINS_FINE, /* or nothing is known of it */
    LOGINS_FEW,  /* not by a password as it is, but by another mechanism */
    LOGINS_NONE
};

/* relay: what it said to a stranger's mail, or NULL. */
enum logins logins_judge(const struct config_backend *backend, const struct probe_result *result,
    const struct relay_answer *relay);

#endif
