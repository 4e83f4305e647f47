/* Parts of config_check that several files share. */
#ifndef MAILMUX_CONFIG_CHECK_H
#define MAILMUX_CONFIG_CHECK_H

#include "config_build.h"

/* Backends against the listeners that name them; sets config_backend.protocol. */
void config_check_backends(struct build *build);

/* Whom the servers trust, and whom mailmux trusts; after config_check_backends. */
void config_check_relay(struct build *build);

/* TLS toward backends: settings that contradict each other, or promise what is not there. */
void config_check_backend_tls(struct build *build, const struct config_backend *backend);

#endif
