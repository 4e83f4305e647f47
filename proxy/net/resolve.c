#include "resolve_parts.h"

#include <arpa/nameser.h>
#include <stdlib.h>

/* ---- What is told ---- */

/* Whether the host has answered that there is nothing, rather than not answered. */
static bool is_answer(int status)
{
    return status == ARES_SUCCESS || status == ARES_ENOTFOUND || status == ARES_ENODATA;
}

static const char *error_text(int status, const char *no_data)
{
    switch (status) {
    case ARES_SUCCESS:
    case ARES_ENODATA:
        return no_data;
    case ARES_ENOTFOUND:
        return "there is no such name";
    case ARES_ETIMEOUT:
        return "no DNS server answered in time";
    case ARES_ECONNREFUSED:
        /* c-ares says so, too, when every server has answered SERVFAIL or REFUSED. */
        return "no DNS server was there, or each refused or failed";
    default:
        return ares_strerror(status);
    }
}

static bool is_unspecified(const struct address *address)
{
    if (address_family(address) == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(&address->socket.v6.sin6_addr);
    return address->socket.v4.sin_addr.s_addr == htonl(INADDR_ANY);
}

static bool is_among(
    const struct resolve_address *list, size_t count, const struct address *address)
{
    for (size_t i = 0; i < count; i++) {
        if (address_equal(&list[i].address, address))
            return true;
    }
    return false;
}

/* Adds the addresses of one target; returns how many there are now. */
static size_t collect(
    const struct resolve_target *target, struct resolve_address out[RESOLVE_MAX], size_t count)
{
    const struct ares_addrinfo_node *node = target->found ? target->found->nodes : NULL;

    for (; node && count < RESOLVE_MAX; node = node->ai_next) {
        struct address address;

        if (!node->ai_addr || !address_from_socket(node->ai_addr, &address))
            continue;
        address_unmap(&address);
        if (address_family(&address) == AF_INET6)
            address.socket.v6.sin6_port = htons(target->port);
        else
            address.socket.v4.sin_port = htons(target->port);
        if (!is_unspecified(&address) && !is_among(out, count, &address))
            out[count++] = (struct resolve_address){address, target->priority, target->weight};
    }
    return count;
}

static struct resolve_result result_of(
    const struct resolve *resolve, struct resolve_address addresses[RESOLVE_MAX])
{
    struct resolve_result result = {.addresses = addresses};
    int failure = ARES_SUCCESS;

    if (resolve->status != ARES_SUCCESS) {
        result.error = error_text(resolve->status, "it has no SRV record");
        return result;
    }
    for (size_t i = 0; i < resolve->target_count; i++) {
        result.count = collect(&resolve->targets[i], addresses, result.count);
        if (!is_answer(resolve->targets[i].status))
            result.is_partial = true;
        if (resolve->targets[i].status != ARES_SUCCESS)
            failure = resolve->targets[i].status;
    }
    if (result.count > 0 || (resolve->target_count == 0 && resolve->is_declined))
        return result;
    result.is_partial = false;
    if (resolve->target_count == 0)
        result.error = "none of its SRV records can be used";
    else
        result.error = error_text(failure, "it has no address that can be used");
    return result;
}

void resolve_discard(struct resolve *resolve)
{
    for (size_t i = 0; i < resolve->target_count; i++)
        ares_freeaddrinfo(resolve->targets[i].found);
    free(resolve);
}

void resolve_tell(struct resolve *resolve)
{
    resolve_callback *on_done = resolve->on_done;
    void *owner = resolve->owner;
    struct resolve_address addresses[RESOLVE_MAX];
    struct resolve_result result;

    resolve->on_done = NULL;
    if (on_done)
        result = result_of(resolve, addresses);
    if (resolve->pending == 0)
        resolve_discard(resolve);
    if (on_done)
        on_done(owner, &result);
}

/* ---- What is asked ---- */

static void forget_one(struct resolve *resolve)
{
    if (--resolve->pending == 0)
        resolver_leave(resolve);
}

static void on_addresses(void *data, int status, int timeouts, struct ares_addrinfo *found)
{
    struct resolve_target *target = data;

    target->status = status;
    target->found = found;
    forget_one(target->resolve);
}

static void ask_target(
    struct resolve *resolve, const struct resolve_record *record, const char *host)
{
    static const struct ares_addrinfo_hints wanted = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct resolve_target *target = &resolve->targets[resolve->target_count++];

    *target = (struct resolve_target){.resolve = resolve,
        .port = record->port,
        .priority = record->priority,
        .weight = record->weight,
        .status = ARES_ETIMEOUT};
    resolve->pending++;
    ares_getaddrinfo(resolve->channel, host, NULL, &wanted, on_addresses, target);
}

static struct resolve *begin(struct resolver *resolver, resolve_callback *on_done, void *owner)
{
    struct resolve *resolve = calloc(1, sizeof(*resolve));

    if (!resolve)
        return NULL;
    resolve->on_done = on_done;
    resolve->owner = owner;
    if (resolver_enter(resolver, resolve))
        return resolve;
    free(resolve);
    return NULL;
}

struct resolve *resolve_host(struct resolver *resolver, const char *host, uint16_t port,
    resolve_callback *on_done, void *owner)
{
    struct resolve_record record = {.port = port, .weight = 1};
    struct resolve *resolve = begin(resolver, on_done, owner);

    if (!resolve)
        return NULL;
    ask_target(resolve, &record, host);
    resolver_wake(resolver);
    return resolve;
}

static void ask_targets(struct resolve *resolve, const unsigned char *answer, int answer_len)
{
    struct resolve_record records[RESOLVE_MAX];
    struct ares_srv_reply *reply = NULL;
    size_t count;

    resolve->status = ares_parse_srv_reply(answer, answer_len, &reply);
    if (resolve->status == ARES_SUCCESS && !reply)
        resolve->status = ARES_ENODATA;
    if (resolve->status != ARES_SUCCESS)
        return;
    count = resolve_records(reply, records, &resolve->is_declined);
    ares_free_data(reply);
    for (size_t i = 0; i < count; i++)
        ask_target(resolve, &records[i], records[i].host);
}

static void on_records(void *data, int status, int timeouts, unsigned char *answer, int answer_len)
{
    struct resolve *resolve = data;

    resolve->status = status;
    if (status == ARES_SUCCESS && resolve->on_done)
        ask_targets(resolve, answer, answer_len);
    forget_one(resolve);
}

struct resolve *resolve_service(
    struct resolver *resolver, const char *name, resolve_callback *on_done, void *owner)
{
    struct resolve *resolve = begin(resolver, on_done, owner);

    if (!resolve)
        return NULL;
    resolve->status = ARES_ETIMEOUT;
    resolve->pending++;
    ares_query(resolve->channel, name, ns_c_in, ns_t_srv, on_records, resolve);
    resolver_wake(resolver);
    return resolve;
}

void resolve_cancel(struct resolve **pointer)
{
    struct resolve *resolve = *pointer;

    *pointer = NULL;
    if (!resolve)
        return;
    resolve->on_done = NULL;
    resolver_wake(resolve->resolver);
}
