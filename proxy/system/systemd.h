/*
 * What systemd gives a service, and what a service tells it, see sd_notify(3) and
 * sd_listen_fds(3). Where the environment names nothing, nothing happens. One thread.
 */
#ifndef MAILMUX_SYSTEMD_H
#define MAILMUX_SYSTEMD_H

enum { SYSTEMD_MESSAGE_MAX = 512 };

/* Sends a message: lines of KEY=VALUE, printf-like. What is too long is cut. Never waits. */
void systemd_notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A reload or an upgrade begins; `READY=1` ends it. */
void systemd_notify_reloading(void);

/*
 * Returns how many sockets systemd has opened for this process. They are the descriptors from
 * SYSTEMD_FIRST_SOCKET on, and the caller's. Puts "NAME=ADDRESS" of each, with blanks between them,
 * into the variable of the environment, where programs that take this one's place find it, too. A
 * second call returns 0.
 */
int systemd_take_sockets(const char *variable);

enum { SYSTEMD_FIRST_SOCKET = 3 };

#endif
