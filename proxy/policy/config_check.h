/* The parts of config_check. Each adds what it finds to build->report. */
#ifndef MAILMUX_CONFIG_CHECK_H
#define MAILMUX_CONFIG_CHECK_H

#include "config_build.h"

/* Compares backends with the listeners that name them; sets config_backend.protocol. */
void config_check_backends(struct build *build);

/*
 * Finds servers that may relay mail for anybody (open relays), and clients that mailmux trusts too
 * much. Call it last: it warns about servers only if there is no error.
 */
void config_check_relay(struct build *build);

/* Finds settings of the TLS toward a backend that contradict each other or have no effect. */
void config_check_backend_tls(struct build *build, const struct config_backend *backend);

#endif
