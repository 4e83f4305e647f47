/* What the keeper may do. Main thread, before there are others. */
#ifndef MAILMUX_RIGHTS_H
#define MAILMUX_RIGHTS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Gives up all capabilities but those that a keeper needs: CAP_NET_BIND_SERVICE for ports below
 * 1024, CAP_DAC_READ_SEARCH for files that others may not read, CAP_SETUID and CAP_SETGID for the
 * account of the service, CAP_CHOWN for its state directory, and CAP_KILL for a program that shows
 * no sign of life. Processes that it starts can never have more. Without rights, does nothing.
 */
void rights_reduce(void);

/*
 * Returns whether this process, as it is now, may listen on the port. Where it cannot find out, it
 * returns true.
 */
bool rights_allow_port(uint16_t port);

#endif
