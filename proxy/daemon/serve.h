/* Serving: from the configuration file to the last line at exit. Main thread. */
#ifndef MAILMUX_SERVE_H
#define MAILMUX_SERVE_H

/* Serves until SIGTERM or SIGINT; returns the exit status: 0, or 1 when it could not start. */
int serve(const char *file);

#endif
