/*
 * Puts what has changed in the directories of a certificate set into service, without a reload.
 * Main thread; blocks on the disk.
 */
#ifndef MAILMUX_CERTIFICATE_REFRESH_H
#define MAILMUX_CERTIFICATE_REFRESH_H

#include "mailmux/config.h"
#include "mailmux/error.h"
#include "tls_context.h"

/*
 * Reads the directories of the set at that index of config->tls again, and logs what is new.
 * Returns false, with the reason in *error, if they cannot be read or have no certificate any more
 * that the set needs: then it keeps what it has.
 */
bool certificates_refresh(
    const struct config *config, size_t index, struct tls_set *set, struct error *error);

#endif
