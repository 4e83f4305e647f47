/* How many segments of TCP a socket has got, of octets and of ends. */
#ifndef MAILMUX_TCP_SEGMENTS_H
#define MAILMUX_TCP_SEGMENTS_H

/* Aborts if the kernel does not say it. */
unsigned tcp_segments_in(int fd);

#endif
