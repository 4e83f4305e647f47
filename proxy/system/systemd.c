#include "systemd.h"

#include "listening.h"
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Returns the length of the address, or 0. A name that begins with @ is an abstract one. */
static socklen_t find_systemd(struct sockaddr_un *out)
{
    const char *name = getenv("NOTIFY_SOCKET");
    size_t n = name ? strlen(name) : 0;

    if (n < 2 || n > sizeof(out->sun_path) || (name[0] != '/' && name[0] != '@'))
        return 0;
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(out->sun_path, name, n);
    if (name[0] == '@')
        out->sun_path[0] = '\0';
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

void systemd_notify(const char *format, ...)
{
    struct sockaddr_un to;
    socklen_t n = find_systemd(&to);
    char text[SYSTEMD_MESSAGE_MAX];
    va_list arguments;
    int fd;

    if (n == 0)
        return;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    (void)sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&to, n);
    (void)close(fd);
}

void systemd_notify_reloading(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    systemd_notify("RELOADING=1\nMONOTONIC_USEC=%llu\n",
        (unsigned long long)now.tv_sec * 1000000ULL + (unsigned long long)now.tv_nsec / 1000ULL);
}

/* ---- Sockets ---- */

enum { SOCKETS_MAX = 256, LIST_MAX = 16384 };

struct text {
    size_t n;
    char bytes[LIST_MAX];
};

static long number_in(const char *variable)
{
    const char *text = getenv(variable);

    return text ? strtol(text, NULL, 10) : 0;
}

/* Adds "NAME=ADDRESS " of a descriptor to the list; what is no listening socket is left out. */
static void describe(int fd, const char *name, size_t n, struct text *list)
{
    char address[ADDRESS_TEXT_MAX];
    struct address at;
    int more;

    if (!listening_check(fd, &at))
        return;
    more = snprintf(list->bytes + list->n, sizeof(list->bytes) - list->n, "%s%.*s=%s",
        list->n ? " " : "", (int)n, name, address_text(&at, address));
    if (more > 0 && (size_t)more < sizeof(list->bytes) - list->n)
        list->n += (size_t)more;
    list->bytes[list->n] = '\0';
}

int systemd_take_sockets(const char *variable)
{
    long count = number_in("LISTEN_PID") == (long)getpid() ? number_in("LISTEN_FDS") : 0;
    const char *names = getenv("LISTEN_FDNAMES");
    struct text list = {.n = 0};

    if (count < 0 || count > SOCKETS_MAX)
        count = 0;
    for (int i = 0; i < count; i++) {
        size_t n = names ? strcspn(names, ":") : 0;

        describe(SYSTEMD_FIRST_SOCKET + i, names ? names : "", n, &list);
        if (names)
            names += n + (names[n] == ':');
    }
    if (count > 0)
        (void)setenv(variable, list.bytes, 1);
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    return (int)count;
}
