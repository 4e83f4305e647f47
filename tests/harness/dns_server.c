#include "dns_server.h"

#include <stdlib.h>
#include <string.h>

enum { HEADER = 12 };

static void need(bool is_fine)
{
    if (!is_fine)
        abort();
}

static void put_16(unsigned char *at, unsigned value)
{
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
}

static size_t put_name(unsigned char *at, const char *name)
{
    size_t n = 0;

    while (*name) {
        size_t label = strcspn(name, ".");

        at[n++] = (unsigned char)label;
        memcpy(at + n, name, label);
        n += label;
        name += label + (name[label] == '.' ? 1 : 0);
    }
    at[n++] = 0;
    return n;
}

static size_t get_name(const unsigned char *at, char *name)
{
    size_t n = 0;

    while (at[n] != 0) {
        memcpy(name + n, at + n + 1, at[n]);
        name[n + at[n]] = '.';
        n += 1U + at[n];
    }
    name[n > 0 ? n - 1 : 0] = '\0';
    return n + 1;
}

static size_t put_record(unsigned char *at, const struct dns_row *row)
{
    unsigned char *data = at + 12;
    size_t n;

    put_16(at, 0xc000 + HEADER); /* the name of the question */
    put_16(at + 2, (unsigned)row->type);
    put_16(at + 4, 1);
    memset(at + 6, 0, 4);
    if (row->type == DNS_TYPE_SRV) {
        put_16(data, row->priority);
        put_16(data + 2, row->weight);
        put_16(data + 4, row->port);
        n = 6 + put_name(data + 6, row->target);
    } else {
        struct address address;

        need(address_parse_ip(slice_from(row->address), 1, &address));
        n = row->type == DNS_TYPE_A ? 4 : 16;
        memcpy(data,
            row->type == DNS_TYPE_A ? (const void *)&address.socket.v4.sin_addr
                                    : (const void *)&address.socket.v6.sin6_addr,
            n);
    }
    put_16(at + 10, (unsigned)n);
    return 12 + n;
}

/* Turns the question in the packet into its answer. Returns its size; 0: there is no answer. */
static size_t answer(struct dns_server *server)
{
    unsigned char *packet = server->packet;
    char name[DNS_PACKET_MAX];
    size_t end = HEADER + get_name(packet + HEADER, name);
    int type = packet[end] << 8 | packet[end + 1];
    size_t n = end + 4;
    bool is_known = false;
    unsigned count = 0;
    int rcode = 0;

    for (size_t i = 0; i < server->count; i++) {
        const struct dns_row *row = &server->rows[i];

        if (strcmp(row->name, name) != 0)
            continue;
        is_known = true;
        if (row->type != type)
            continue;
        if (row->rcode == DNS_NO_ANSWER)
            return 0;
        rcode = row->rcode;
        if (rcode == 0) {
            n += put_record(packet + n, row);
            count++;
        }
    }
    put_16(packet + 2, 0x8180U + (unsigned)(is_known ? rcode : DNS_NXDOMAIN));
    put_16(packet + 6, count);
    return n;
}

static void give_packet(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    struct dns_server *server = handle->data;

    (void)wanted;
    *buffer = uv_buf_init((char *)server->packet, DNS_PACKET_MAX);
}

static void on_question(
    uv_udp_t *udp, ssize_t n, const uv_buf_t *buffer, const struct sockaddr *from, unsigned flags)
{
    struct dns_server *server = udp->data;
    uv_buf_t out;

    (void)buffer;
    (void)flags;
    if (n <= 0)
        return;
    server->questions++;
    out = uv_buf_init((char *)server->packet, (unsigned)answer(server));
    if (out.len > 0)
        need(uv_udp_try_send(udp, &out, 1, from) == (int)out.len);
}

void dns_server_open(struct dns_server *server, uv_loop_t *loop, const struct address *at)
{
    struct sockaddr_storage bound;
    int len = sizeof(bound);

    *server = (struct dns_server){0};
    need(uv_udp_init(loop, &server->udp) == 0);
    server->udp.data = server;
    need(uv_udp_bind(&server->udp, &at->socket.any, 0) == 0);
    need(uv_udp_getsockname(&server->udp, (struct sockaddr *)(void *)&bound, &len) == 0);
    need(address_from_socket((struct sockaddr *)(void *)&bound, &server->address));
    need(uv_udp_recv_start(&server->udp, give_packet, on_question) == 0);
    uv_unref((uv_handle_t *)&server->udp);
}

void dns_server_close(struct dns_server *server)
{
    uv_close((uv_handle_t *)&server->udp, NULL);
}
