#include "leg.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BACKLOG = 4096, FIRST_SOURCE = 0x7f000001 };

static const char CIPHER[] = "TLS_AES_256_GCM_SHA384";
static const char GROUP[] = "X25519";

void leg_die(const char *what)
{
    (void)fprintf(stderr, "%s: %s\n", what, strerror(errno));
    ERR_print_errors_fp(stderr);
    exit(EXIT_FAILURE);
}

static ssize_t result_of_tls(struct leg *leg, int result)
{
    switch (SSL_get_error(leg->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return LEG_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return LEG_END;
    default:
        ERR_clear_error();
        return LEG_BROKEN;
    }
}

static ssize_t result_of_socket(ssize_t result)
{
    if (result >= 0)
        return result;
    return errno == EAGAIN || errno == EINTR || errno == ENOTCONN || errno == EINPROGRESS
               ? LEG_AGAIN
               : LEG_BROKEN;
}

ssize_t leg_read(struct leg *leg, void *to, size_t room)
{
    size_t count = 0;

    if (!leg->ssl)
        return result_of_socket(recv(leg->fd, to, room, 0));
    return SSL_read_ex(leg->ssl, to, room, &count) ? (ssize_t)count : result_of_tls(leg, 0);
}

ssize_t leg_write(struct leg *leg, const void *from, size_t length)
{
    size_t count = 0;

    if (!leg->ssl)
        return result_of_socket(send(leg->fd, from, length, MSG_NOSIGNAL));
    return SSL_write_ex(leg->ssl, from, length, &count) ? (ssize_t)count : result_of_tls(leg, 0);
}

bool leg_begin_tls(struct leg *leg, SSL_CTX *context, bool is_server, SSL_SESSION *session)
{
    leg->ssl = SSL_new(context);
    if (!leg->ssl || !SSL_set_fd(leg->ssl, leg->fd))
        return false;
    if (session)
        (void)SSL_set_session(leg->ssl, session);
    if (is_server)
        SSL_set_accept_state(leg->ssl);
    else
        SSL_set_connect_state(leg->ssl);
    return true;
}

int leg_handshake(struct leg *leg)
{
    const int result = SSL_do_handshake(leg->ssl);

    if (result == 1)
        return 1;
    return result_of_tls(leg, result) == LEG_AGAIN ? LEG_AGAIN : LEG_BROKEN;
}

void leg_close(struct leg *leg)
{
    if (leg->ssl) {
        if (SSL_is_init_finished(leg->ssl))
            (void)SSL_shutdown(leg->ssl);
        ERR_clear_error();
        SSL_free(leg->ssl);
    }
    if (leg->fd >= 0)
        (void)close(leg->fd);
    *leg = (struct leg){.fd = -1};
}

static SSL_CTX *context_of(const SSL_METHOD *method)
{
    SSL_CTX *context = SSL_CTX_new(method);

    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(context, CIPHER) || !SSL_CTX_set1_groups_list(context, GROUP))
        leg_die("TLS");
    (void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
    return context;
}

SSL_CTX *leg_client_context(const char *ca)
{
    SSL_CTX *context = context_of(TLS_client_method());

    (void)SSL_CTX_set_session_cache_mode(
        context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    if (ca && !SSL_CTX_load_verify_locations(context, ca, NULL))
        leg_die(ca);
    SSL_CTX_set_verify(context, ca ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    return context;
}

SSL_CTX *leg_server_context(const char *certificate, const char *key)
{
    static const unsigned char name[] = "mailmux-bench";
    SSL_CTX *context = context_of(TLS_server_method());

    if (!SSL_CTX_use_certificate_chain_file(context, certificate) ||
        !SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) ||
        !SSL_CTX_set_session_id_context(context, name, sizeof name - 1))
        leg_die(certificate);
    return context;
}

int leg_listen(unsigned *port)
{
    const int yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((in_port_t)*port)};
    socklen_t length = sizeof address;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0 ||
        bind(fd, (struct sockaddr *)&address, length) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &length) != 0)
        leg_die("listen");
    *port = ntohs(address.sin_port);
    return fd;
}

static bool bind_source(int fd, unsigned source)
{
    const int yes = 1;
    const struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(source)};

    return setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes) == 0 &&
           bind(fd, (const struct sockaddr *)&from, sizeof from) == 0;
}

int leg_connect(unsigned port, unsigned source)
{
    const int yes = 1;
    const struct sockaddr_in to = {.sin_family = AF_INET,
        .sin_port = htons((in_port_t)port),
        .sin_addr.s_addr = htonl(FIRST_SOURCE)};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if ((source != 0 && !bind_source(fd, source)) ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0 ||
        (connect(fd, (const struct sockaddr *)&to, sizeof to) != 0 && errno != EINPROGRESS)) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

int leg_accept(int listening)
{
    return accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

void leg_watch(int poll, int fd, void *holder)
{
    struct epoll_event event = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = holder};

    if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) != 0)
        leg_die("epoll_ctl");
}

unsigned long long leg_now(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (unsigned long long)now.tv_sec * 1000000000ULL + (unsigned long long)now.tv_nsec;
}
