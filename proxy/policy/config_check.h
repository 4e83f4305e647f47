/* Parts of config_check that several files share. */
#ifndef MAILMUX_CONFIG_CHECK_H
#define MAILMUX_CONFIG_CHECK_H

#include "config_build.h"

/* Backends against the listeners that name them; sets config_backend.protocol. */
void config_check_backends(struct build *build);

/* Whom the servers trust, and whom mailmux trusts; after config_check_backends. */
void config_check_relay(struct build *build);

bool config_is_loopback(const struct address *address);

/* TLS toward backends: settings that contradict each other, or promise what is not there. */
void config_check_backend_tls(struct build *build, const struct config_backend *backend);

/* The words by which it is told who the client is; `protocol` is what it speaks. */
void config_check_backend_address(
    struct build *build, const struct config_backend *backend, enum config_protocol protocol);

/* Whether the kernel would refuse to listen on both. */
bool config_binds_collide(const struct address *a, const struct address *b);

#endif
