/* Runs the daemon: from reading the configuration to the last line of the log. Main thread. */
#ifndef MAILMUX_SERVE_H
#define MAILMUX_SERVE_H

/*
 * Serves until SIGTERM or SIGINT has ended all sessions. Returns the exit status: 0, or 1 when it
 * could not start or when a session is still counted as alive at the end, which is a fault.
 */
int serve(const char *file);

#endif
