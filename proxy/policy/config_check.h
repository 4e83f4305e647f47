/* The parts of config_check. Each adds what it finds to build->report. */
#ifndef MAILMUX_CONFIG_CHECK_H
#define MAILMUX_CONFIG_CHECK_H

#include "config_build.h"

/*
 * Compares routes with one another, and with the listeners that they lead to. Call it before
 * config_check_backends.
 */
void config_check_routes(struct build *build);

/* Compares backends with the listeners that name them; sets config_backend.protocol. */
void config_check_backends(struct build *build);

/*
 * Finds servers that may relay mail for anybody (open relays), and clients that mailmux trusts too
 * much. Call it last: it warns about servers only if there is no error.
 */
void config_check_relay(struct build *build);

/* Finds settings of the TLS toward a backend that contradict each other or have no effect. */
void config_check_backend_tls(struct build *build, const struct config_backend *backend);

/*
 * Takes the backends that no listener uses out of a configuration without errors: they were
 * reported, and it is not known which protocol their servers speak.
 */
void config_drop_unused(struct build *build);

/*
 * Warns where the TLS of a listener or a backend is not what is expected on its port, and where a
 * listener offers less TLS than its clients need. Call it behind config_check_backends, which
 * finds the protocols of backends.
 */
void config_check_ports(struct build *build);

/* Finds a `for` without effect, and host names of which two sets say that they are for them. */
void config_check_tls_users(struct build *build);

/* Returns whether the setting of a listener has a value that is known. */
bool listener_is_good(const struct config_listener *listener, const char *key);

/* Returns whether clients of this listener may begin in clear and go on with TLS. */
bool listener_begins_in_clear(const struct config_listener *listener);

bool listener_has_port(const struct config_listener *listener, uint16_t port);

/*
 * Returns the first port of the listener on which clients begin with TLS, although the listener
 * does not; or 0. A load balancer in front of it may have ended TLS.
 */
uint16_t listener_awaits_implicit(const struct config_listener *listener);

#endif
