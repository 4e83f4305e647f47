/* Serving: from the configuration file to the last line at exit. Main thread. */
#ifndef MAILMUX_SERVE_H
#define MAILMUX_SERVE_H

/*
 * Serves until SIGTERM or SIGINT has ended all sessions. Returns the exit status: 0, or 1 when it
 * could not start or when a session is still counted as alive at the end, which is a fault.
 */
int serve(const char *file);

#endif
