/* Checks whether the process can have the rights that the configuration wants. Main thread. */
#ifndef MAILMUX_ACCOUNT_H
#define MAILMUX_ACCOUNT_H

#include "mailmux/config.h"

/*
 * Reports an account that does not exist, and root that stays root. serving: see snapshot_new; with
 * --check it also warns if a start by this user would fail: for want of the account, or of ports.
 * Blocks on the account database.
 */
void account_check(const struct config *config, bool serving, struct config_report *report);

#endif
