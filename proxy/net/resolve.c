#include "resolve_parts.h"

#include "mailmux/table.h"
#include <arpa/nameser.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* What is reported, and what it is made in. */
struct report {
    struct resolve_result result;
    size_t size; /* of addresses */
    struct resolve_address *addresses;
    struct resolve_gap *gaps;
    struct table known; /* the addresses */
};

/* ---- What is reported ---- */

/* Returns whether there was an answer. "There is nothing" is an answer, too. */
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

/* Adds an address, unless it is there already. Without room or memory it is left out. */
static void add_address(
    struct report *report, const struct resolve_target *target, const struct address *address)
{
    struct resolve_address *place = &report->addresses[report->result.count];

    if (table_get(&report->known, address_key(address)))
        return;
    if (report->result.count == report->size) {
        report->result.left_out++;
        return;
    }
    *place = (struct resolve_address){*address, target->origin, target->priority, target->weight};
    if (table_put(&report->known, address_key(&place->address), place))
        report->result.count++;
    else
        report->result.left_out++;
}

/* Adds the addresses of one answer. */
static void collect(struct report *report, const struct resolve_target *target,
    const struct resolve_question *question)
{
    const struct ares_addrinfo_node *node = question->found ? question->found->nodes : NULL;

    for (; node; node = node->ai_next) {
        struct address address;

        if (!node->ai_addr || !address_from_socket(node->ai_addr, &address))
            continue;
        address_unmap(&address);
        if (address_family(&address) == AF_INET6)
            address.socket.v6.sin6_port = htons(target->port);
        else
            address.socket.v4.sin_port = htons(target->port);
        if (!address_is_wildcard(&address))
            add_address(report, target, &address);
    }
}

/* Returns whether this machine has a route to it. Connecting a UDP socket sends nothing. */
static bool has_way(const struct resolve_question *question)
{
    const struct ares_addrinfo_node *node = question->found ? question->found->nodes : NULL;
    bool has;
    int fd;

    if (!node)
        return false;
    fd = socket(node->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    has = connect(fd, node->ai_addr, node->ai_addrlen) == 0;
    (void)close(fd);
    return has;
}

static size_t name_length(const struct resolve_question *question)
{
    return question->found && question->found->name ? strlen(question->found->name) : 0;
}

/*
 * Returns whether the answer counts. With search domains, the answers for A and AAAA may be about
 * two different names. Then only the answer for the name that c-ares tries first counts: a wildcard
 * of a search domain must not add addresses to a name that exists as it is.
 */
static bool is_meant(const struct resolve_target *target, const struct resolve_question *question,
    const struct resolve_question *other)
{
    size_t length = name_length(question);
    size_t other_length = name_length(other);

    if (length == 0 || other_length == 0 ||
        strcasecmp(question->found->name, other->found->name) == 0)
        return true;
    if (length == other_length) /* both are from search domains */
        return question < other;
    return (length < other_length) == target->is_whole;
}

static void collect_meant(struct report *report, const struct resolve_target *target, size_t index)
{
    const struct resolve_question *question = &target->questions[index];

    if (is_meant(target, question, &target->questions[1 - index]))
        collect(report, target, question);
}

/*
 * Adds the addresses of a target. IPv6 comes first if there is a route. questions[0] is IPv4, or
 * both families in the hosts file.
 */
static void collect_target(struct report *report, const struct resolve_target *target)
{
    size_t first;

    if (target->question_count < RESOLVE_FAMILIES) {
        collect(report, target, &target->questions[0]);
        return;
    }
    first = has_way(&target->questions[1]) ? 1 : 0;
    collect_meant(report, target, first);
    collect_meant(report, target, 1 - first);
}

/* Adds the gaps. Returns the first failure, or else why there was nothing, or ARES_SUCCESS. */
static int take_gaps(struct report *report, const struct resolve_target *target)
{
    int failure = ARES_SUCCESS;

    for (size_t i = 0; i < target->question_count; i++) {
        const struct resolve_question *question = &target->questions[i];

        if (!is_answer(question->status))
            report->gaps[report->result.gap_count++] =
                (struct resolve_gap){target->origin, question->family};
        if (is_answer(failure) && question->status != ARES_SUCCESS)
            failure = question->status;
    }
    return failure;
}

/* Returns how many addresses there are at most. */
static size_t count_addresses(const struct resolve *resolve)
{
    size_t count = 0;

    for (size_t i = 0; i < resolve->target_count; i++) {
        const struct resolve_target *target = &resolve->targets[i];

        for (size_t j = 0; j < target->question_count; j++) {
            const struct ares_addrinfo *found = target->questions[j].found;

            for (const struct ares_addrinfo_node *node = found ? found->nodes : NULL; node;
                 node = node->ai_next)
                count++;
        }
    }
    return count < RESOLVE_MAX ? count : RESOLVE_MAX;
}

static bool begin_report(struct report *report, const struct resolve *resolve)
{
    *report = (struct report){.size = count_addresses(resolve)};
    report->addresses = calloc(report->size + 1, sizeof(*report->addresses));
    report->gaps = calloc(RESOLVE_FAMILIES * resolve->target_count + 1, sizeof(*report->gaps));
    report->result.left_out = resolve->left_out;
    report->result.addresses = report->addresses;
    report->result.gaps = report->gaps;
    return report->addresses && report->gaps;
}

static void end_report(struct report *report)
{
    table_free(&report->known);
    free(report->addresses);
    free(report->gaps);
}

/* Writes what is to be reported, which ends with end_report. */
static void make_report(const struct resolve *resolve, struct report *report)
{
    struct resolve_result *result = &report->result;
    int failure = ARES_SUCCESS;

    if (!begin_report(report, resolve)) {
        result->error = "out of memory";
        return;
    }
    if (resolve->status != ARES_SUCCESS) {
        result->error = error_text(resolve->status, "it has no SRV record");
        return;
    }
    for (size_t i = 0; i < resolve->target_count; i++) {
        int status = take_gaps(report, &resolve->targets[i]);

        collect_target(report, &resolve->targets[i]);
        if (status != ARES_SUCCESS)
            failure = status;
    }
    if (result->count > 0 || (resolve->target_count == 0 && resolve->is_declined))
        return;
    if (resolve->target_count == 0)
        result->error = "none of its SRV records can be used";
    else
        result->error = error_text(failure, "it has no address that can be used");
}

void resolve_discard(struct resolve *resolve)
{
    for (size_t i = 0; i < resolve->target_count; i++) {
        for (size_t j = 0; j < resolve->targets[i].question_count; j++)
            ares_freeaddrinfo(resolve->targets[i].questions[j].found);
    }
    free(resolve->targets);
    free(resolve);
}

void resolve_tell(struct resolve *resolve)
{
    resolve_callback *on_done = resolve->on_done;
    void *owner = resolve->owner;
    struct report report = {.size = 0};

    resolve->on_done = NULL;
    if (on_done)
        make_report(resolve, &report);
    /* Freed before the callback, in which the owner may free the resolver. */
    if (resolve->pending == 0)
        resolve_discard(resolve);
    if (on_done)
        on_done(owner, &report.result);
    end_report(&report);
}

/* The lookup goes on afterwards. */
bool resolve_tell_early(struct resolve *resolve)
{
    struct report report;
    bool is_any;

    make_report(resolve, &report);
    is_any = report.result.count > 0;
    if (is_any) {
        resolve->told_early = true;
        report.result.is_early = true;
        resolve->on_done(resolve->owner, &report.result);
    }
    end_report(&report);
    return is_any;
}

/* ---- What is asked ---- */

/* Counts one answer that c-ares no longer owes. The lookup is over with the last. */
static void forget_one(struct resolve *resolve)
{
    if (--resolve->pending == 0)
        resolver_leave(resolve);
}

static void on_addresses(void *data, int status, int timeouts, struct ares_addrinfo *found)
{
    struct resolve_question *question = data;

    question->status = status;
    question->found = found;
    forget_one(question->resolve);
}

/* Returns whether the system's hosts file has it. Then that is the answer, not the DNS. */
static bool is_in_file(struct resolve *resolve, const char *host)
{
    static const int families[RESOLVE_FAMILIES] = {AF_INET, AF_INET6};

    for (size_t i = 0; i < RESOLVE_FAMILIES && resolver_asks_system(resolve->resolver); i++) {
        struct hostent *found = NULL;

        if (ares_gethostbyname_file(resolve->channel, host, families[i], &found) == ARES_SUCCESS) {
            ares_free_hostent(found);
            return true;
        }
    }
    return false;
}

/*
 * Returns whether c-ares tries the name as it is before the search domains. It does if the name has
 * enough dots: one, unless the system says otherwise.
 */
static bool is_whole(struct resolve *resolve, const char *host)
{
    struct ares_options options;
    int given;
    int dots = 0;
    int enough = 1;

    for (; *host; host++)
        dots += *host == '.';
    if (ares_save_options(resolve->channel, &options, &given) == ARES_SUCCESS) {
        enough = options.ndots;
        ares_destroy_options(&options);
    }
    return dots >= enough;
}

/*
 * Returns a number for a host and port, by which their addresses are known again in the next answer
 * [FNV-1a].
 */
static uint32_t origin_of(const char *host, uint16_t port)
{
    uint32_t sum = 2166136261U;

    for (; *host; host++) {
        bool is_capital = *host >= 'A' && *host <= 'Z';

        sum = (sum ^ (unsigned char)(is_capital ? *host + ('a' - 'A') : *host)) * 16777619U;
    }
    return (sum ^ port) * 16777619U;
}

static void ask(
    struct resolve *resolve, struct resolve_target *target, const char *host, int family)
{
    const struct ares_addrinfo_hints wanted = {.ai_family = family, .ai_socktype = SOCK_STREAM};
    struct resolve_question *question = &target->questions[target->question_count++];

    *question =
        (struct resolve_question){.resolve = resolve, .family = family, .status = ARES_ETIMEOUT};
    resolve->pending++;
    ares_getaddrinfo(resolve->channel, host, NULL, &wanted, on_addresses, question);
}

static void ask_target(
    struct resolve *resolve, const struct resolve_record *record, const char *host)
{
    struct resolve_target *target = &resolve->targets[resolve->target_count++];

    *target = (struct resolve_target){.origin = origin_of(host, record->port),
        .port = record->port,
        .priority = record->priority,
        .weight = record->weight,
        .is_whole = is_whole(resolve, host)};
    resolve->pending++; /* an answer may come at once, and must not end the lookup between the
                           questions */
    if (is_in_file(resolve, host)) {
        ask(resolve, target, host, AF_UNSPEC);
    } else {
        ask(resolve, target, host, AF_INET);
        ask(resolve, target, host, AF_INET6);
    }
    forget_one(resolve);
}

static struct resolve *begin(struct resolver *resolver, resolve_callback *on_done, void *owner)
{
    struct resolve *resolve = calloc(1, sizeof(*resolve));

    if (!resolve)
        return NULL;
    resolve->on_done = on_done;
    resolve->owner = owner;
    resolve->targets = calloc(1, sizeof(*resolve->targets));
    if (resolve->targets && resolver_enter(resolver, resolve))
        return resolve;
    free(resolve->targets);
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

/* Asks for the hosts of the records. Returns a status of c-ares. */
static int ask_targets(struct resolve *resolve, const struct ares_srv_reply *reply)
{
    struct resolve_record *records = calloc(RESOLVE_HOSTS_MAX, sizeof(*records));
    size_t count;

    if (!records)
        return ARES_ENOMEM;
    count = resolve_records(reply, records, &resolve->is_declined, &resolve->left_out);
    free(resolve->targets);
    resolve->targets = calloc(count + 1, sizeof(*resolve->targets));
    for (size_t i = 0; resolve->targets && i < count; i++)
        ask_target(resolve, &records[i], records[i].host);
    free(records);
    return resolve->targets ? ARES_SUCCESS : ARES_ENOMEM;
}

static void take_answer(struct resolve *resolve, const unsigned char *answer, int answer_len)
{
    struct ares_srv_reply *reply = NULL;

    resolve->status = ares_parse_srv_reply(answer, answer_len, &reply);
    if (resolve->status == ARES_SUCCESS)
        resolve->status = reply ? ask_targets(resolve, reply) : ARES_ENODATA;
    ares_free_data(reply);
}

static void on_records(void *data, int status, int timeouts, unsigned char *answer, int answer_len)
{
    struct resolve *resolve = data;

    resolve->status = status;
    if (status == ARES_SUCCESS && resolve->on_done)
        take_answer(resolve, answer, answer_len);
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
