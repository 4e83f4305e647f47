/* Parts of config_check that two files share. */
#ifndef POLICY_CONFIG_CHECK_H
#define POLICY_CONFIG_CHECK_H

#include "config_build.h"

/* Backends against the listeners that name them; sets config_backend.protocol. */
void config_check_backends(struct build *build);

/* Whom the servers trust, and whom mailmux trusts; after config_check_backends. */
void config_check_relay(struct build *build);

bool config_is_loopback(const struct address *address);

/* Whether the kernel would refuse to listen on both. */
bool config_binds_collide(const struct address *a, const struct address *b);

#endif
