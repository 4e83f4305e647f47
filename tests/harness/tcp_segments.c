/* A file of its own: <linux/tcp.h> cannot stand beside <netinet/tcp.h>, which does not have it. */
#include "tcp_segments.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

unsigned tcp_segments_in(int fd)
{
    struct tcp_info info = {0};
    socklen_t n = sizeof(info);

    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &n) != 0)
        abort();
    return info.tcpi_segs_in;
}
