/*
 * What systemd is told about a service of Type=notify, see sd_notify(3). Where NOTIFY_SOCKET does
 * not name a socket, nothing is sent. One thread.
 */
#ifndef MAILMUX_NOTIFY_H
#define MAILMUX_NOTIFY_H

/* Sends one message: lines of KEY=VALUE, printf-like, at most NOTIFY_MAX octets. Never waits. */
void notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

enum { NOTIFY_MAX = 512 };

/* A reload or an upgrade begins; `READY=1` ends it. */
void notify_reloading(void);

#endif
