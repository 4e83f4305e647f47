/*
 * The keeper: the process that keeps what is privileged, and the main process of mailmux. It reads
 * the configuration, opens what that names, and starts the service, which does everything else
 * under the account of `user`. It starts the service again when that dies, replaces it when a
 * setting or the program has changed, and ends when the last service has ended.
 *
 * Nothing from the network is read here. What comes from a service is taken to be hostile: it gets
 * what the configuration names, and nothing else.
 */
#ifndef MAILMUX_KEEPER_H
#define MAILMUX_KEEPER_H

#include "generation.h"

/*
 * Runs until SIGTERM or SIGINT has ended all services, or until the first one could not start.
 * argv: the command line, with which the program is executed again for an upgrade. Returns the exit
 * status. Main thread, before there are others.
 */
int keeper_run(const char *file, char *const argv[], generation_run *run);

#endif
