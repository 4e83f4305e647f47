/*
 * Puts what has changed on the disk into service, without a reload: the directories of a
 * certificate set, and the answers of authorities beside its certificates. Main thread; blocks on
 * the disk.
 */
#ifndef MAILMUX_CERTIFICATE_REFRESH_H
#define MAILMUX_CERTIFICATE_REFRESH_H

#include "mailmux/config.h"
#include "mailmux/error.h"
#include "tls_context.h"

/*
 * Reads the directories of the set at that index of config->tls again, and logs what is new.
 * Returns false, with the reason in *error, if they cannot be read or have no certificate any more
 * that the set needs: then it keeps what it has. True for a set without directories.
 */
bool certificates_refresh(
    const struct config *config, size_t index, struct tls_set *set, struct error *error);

/*
 * Staples what lies beside the certificates now that its settings name, and logs what is new. The
 * set was made from these settings.
 */
void certificates_refresh_answers(const struct config_tls *tls, struct tls_set *set);

#endif
