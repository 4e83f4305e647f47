#include "words.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* More than one descriptor is never sent; a peer that has been taken over may try. */
enum { DESCRIPTORS_MAX = 4 };

union control {
    struct cmsghdr header; /* for its alignment */
    char bytes[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))];
};

enum word_request word_for_file(enum file_kind kind)
{
    static const enum word_request requests[] = {[FILE_CONFIG] = WORD_CONFIG,
        [FILE_LIST] = WORD_LIST,
        [FILE_NAMED] = WORD_FILE,
        [FILE_TREE] = WORD_TREE,
        [FILE_BELOW] = WORD_BELOW,
        [FILE_WATCH] = WORD_WATCH};

    return requests[kind];
}

bool word_pair(int sockets[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) == 0;
}

static void attach(struct msghdr *message, union control *control, int fd)
{
    struct cmsghdr *header;

    message->msg_control = control->bytes;
    message->msg_controllen = CMSG_SPACE(sizeof(fd));
    header = CMSG_FIRSTHDR(message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(fd));
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
}

bool word_send(int socket, char letter, const char *text, int fd)
{
    union control control = {0};
    size_t n = strlen(text);
    struct iovec parts[] = {{&letter, 1}, {(void *)text, n < WORD_MAX ? n : WORD_MAX - 1}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    ssize_t sent;

    if (fd >= 0)
        attach(&message, &control, fd);
    do
        sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

/* Keeps the first descriptor of the message, and closes the others. */
static int take_descriptor(struct msghdr *message)
{
    int kept = -1;

    for (struct cmsghdr *at = CMSG_FIRSTHDR(message); at; at = CMSG_NXTHDR(message, at)) {
        size_t count = at->cmsg_level == SOL_SOCKET && at->cmsg_type == SCM_RIGHTS
                           ? (at->cmsg_len - CMSG_LEN(0)) / sizeof(int)
                           : 0;

        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(at) + i * sizeof(fd), sizeof(fd));
            if (kept < 0)
                kept = fd;
            else
                (void)close(fd);
        }
    }
    return kept;
}

enum word_received word_receive(int socket, bool wait, struct word *out)
{
    union control control = {0};
    struct iovec parts[] = {{&out->letter, 1}, {out->text, sizeof(out->text) - 1}};
    struct msghdr message = {.msg_iov = parts,
        .msg_iovlen = 2,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes)};
    ssize_t n;

    do
        n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return WORD_AGAIN;
    out->fd = n < 0 ? -1 : take_descriptor(&message);
    if (n <= 0) {
        if (out->fd >= 0)
            (void)close(out->fd);
        return WORD_GONE;
    }
    out->text[n - 1] = '\0';
    return WORD_OK;
}
