#include "visit.h"

#include "mailmux/config_protocols.h"
#include <stdio.h>
#include <string.h>

/* A client with addresses that no network has [RFC 5737]; nothing makes a server trust it. */
static struct opening_client make_stranger(void)
{
    const uint16_t client_port = 40000;
    const uint16_t smtp_port = 25;
    struct opening_client stranger = {.tls = false};

    (void)address_parse_ip(SLICE("192.0.2.1"), client_port, &stranger.source);
    (void)address_parse_ip(SLICE("198.51.100.1"), smtp_port, &stranger.destination);
    return stranger;
}

/* The first domain that a listener of the backend takes mail for, or NULL. */
static const char *find_relay_domain(const struct visit *visit)
{
    const struct config *config = snapshot_config(visit->snapshot);

    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];

        if (listener->backend == visit->backend && listener->relay_domains.count > 0)
            return listener->relay_domains.text[0];
    }
    return NULL;
}

/* "mail.example.org" is of example.org; a name of fewer parts is a domain by itself. */
static const char *domain_of_host(const char *hostname)
{
    const char *dot = strchr(hostname, '.');

    return dot && strchr(dot + 1, '.') && hostname[0] != '[' ? dot + 1 : hostname;
}

/* A sender of a domain that the server should know: of relay_domains, or of our own host name. */
static void write_sender(struct visit *visit)
{
    const char *domain = find_relay_domain(visit);

    if (!domain)
        domain = domain_of_host(snapshot_config(visit->snapshot)->proxy.hostname);
    else if (strncmp(domain, "*.", 2) == 0)
        domain += 2;
    (void)snprintf(visit->sender, sizeof(visit->sender), VISIT_SENDER "@%s", domain);
}

const struct config_backend *visit_backend(const struct visit *visit)
{
    return &snapshot_config(visit->snapshot)->backends[visit->backend];
}

const struct probe_result *visit_result(const struct visit *visit, enum visit_try which)
{
    return visit->was_tried[which] ? &visit->probes[which].result : NULL;
}

bool visit_sends_header(const struct visit *visit)
{
    return snapshot_probe_plan(visit->snapshot, visit->backend).header != 0;
}

/* ---- What a failure leaves open ---- */

/* The server has greeted in its protocol and answered, even if a session could not begin. */
static bool is_understood(const struct probe_result *result)
{
    return result->failure == OPENING_FINE || result->failure == OPENING_CERTIFICATE ||
           result->failure == OPENING_NO_STARTTLS;
}

/* The server greets in another protocol: header and TLS are right, and no other try helps. */
static bool greets_otherwise(const struct probe_result *result)
{
    return slice_starts(result->first_word, SLICE("220")) ||
           slice_starts(result->first_word, SLICE("+OK")) ||
           slice_starts(result->first_word, SLICE("* "));
}

/* Whether a wrong setting of PROXY header or TLS may be the cause of the failure. */
static bool is_open_question(const struct probe_result *result)
{
    switch (opening_verdict(result->failure)->trouble) {
    case TROUBLE_NO_WORD:
    case TROUBLE_TLS:
        return true;
    case TROUBLE_MISUNDERSTANDING:
        return result->step != OPENING_AT_GREETING || !greets_otherwise(result);
    case TROUBLE_NONE:
    case TROUBLE_OURS:
    case TROUBLE_NO_CONNECTION:
    case TROUBLE_CERTIFICATE:
    case TROUBLE_WORDS:
        break;
    }
    return false;
}

bool visit_explains(const struct visit *visit, enum visit_try which)
{
    const struct probe_result *result = visit_result(visit, which);

    return result && is_understood(result);
}

/* ---- One try after the other ---- */

static bool knows_xclient(const struct visit *visit)
{
    const unsigned needed = OPENING_OFFERS_XCLIENT | OPENING_OFFERS_XCLIENT_ADDR;

    return (visit->probes[VISIT_AS_CONFIGURED].result.offers & needed) == needed;
}

/* Whether to test a server for relaying. With XCLIENT it must take the stranger's address. */
static bool may_relay(const struct visit *visit)
{
    const struct config_backend *backend = visit_backend(visit);

    return config_protocol_row(backend->protocol)->is_relayed &&
           (backend->send_client_address != SEND_ADDRESS_XCLIENT || knows_xclient(visit));
}

/* Nothing is known of what such a server says, so it can be connected, and no more. */
static bool is_passed_to(const struct visit *visit)
{
    return visit_backend(visit)->protocol == CONFIG_PROTOCOL_NONE;
}

/* The try that follows the one that is over. VISIT_TRIES: there is nothing more to learn. */
static enum visit_try next_try(const struct visit *visit)
{
    const struct probe_result *first = &visit->probes[VISIT_AS_CONFIGURED].result;

    if (is_passed_to(visit))
        return VISIT_TRIES;
    switch (visit->now) {
    case VISIT_AS_CONFIGURED:
        if (first->failure == OPENING_FINE)
            return may_relay(visit) ? VISIT_STRANGER : VISIT_TRIES;
        if (first->failure == OPENING_CERTIFICATE)
            return VISIT_ANY_CERTIFICATE;
        if (!is_open_question(first))
            return VISIT_TRIES;
        return first->failure == OPENING_TLS_IN_CLEAR ? VISIT_OTHER_TLS : VISIT_OTHER_HEADER;
    case VISIT_OTHER_HEADER:
        return visit_explains(visit, VISIT_OTHER_HEADER) ? VISIT_TRIES : VISIT_OTHER_TLS;
    case VISIT_OTHER_TLS:
    case VISIT_ANY_CERTIFICATE:
    case VISIT_STRANGER:
    case VISIT_TRIES:
        break;
    }
    return VISIT_TRIES;
}

static void use_other_tls(const struct visit *visit, struct probe_plan *plan)
{
    plan->implicit_tls = !plan->implicit_tls;
    plan->opening.starttls = false;
    plan->opening.goal = OPENING_CAPABILITIES;
    plan->tls = visit->lax;
}

static struct probe_plan plan_of(const struct visit *visit, enum visit_try which)
{
    struct probe_plan plan = snapshot_probe_plan(visit->snapshot, visit->backend);

    if (!is_passed_to(visit))
        plan.opening.goal = OPENING_TLS;
    if (!plan.tls_name)
        plan.tls_name = visit->server->host;
    switch (which) {
    case VISIT_AS_CONFIGURED:
    case VISIT_TRIES:
        break;
    case VISIT_OTHER_HEADER:
        plan.header = plan.header == 0 ? 2 : 0;
        break;
    case VISIT_OTHER_TLS:
        use_other_tls(visit, &plan);
        break;
    case VISIT_ANY_CERTIFICATE:
        plan.tls = visit->lax;
        break;
    case VISIT_STRANGER:
        plan.opening.goal = OPENING_SESSION;
        plan.client = &visit->stranger;
        plan.recipient = VISIT_RECIPIENT;
        plan.sender = visit->sender;
        break;
    }
    return plan;
}

static void on_probed(void *owner, struct probe *probe);

static void try_next(struct visit *visit, enum visit_try which)
{
    struct probe_plan plan;

    visit->now = which;
    visit->was_tried[which] = true;
    visit->stranger = make_stranger();
    plan = plan_of(visit, which);
    probe_start(&visit->probes[which], visit->engine, &plan, &visit->address, on_probed, visit);
}

static void on_probed(void *owner, struct probe *probe)
{
    struct visit *visit = owner;
    enum visit_try next = next_try(visit);

    (void)probe;
    if (next != VISIT_TRIES) {
        try_next(visit, next);
        return;
    }
    visit->is_over = true;
    visit->on_done(visit->owner);
}

void visit_start(struct visit *visit, struct engine *engine, struct tls_client *lax,
    visit_done *on_done, void *owner)
{
    visit->engine = engine;
    visit->lax = lax;
    visit->on_done = on_done;
    visit->owner = owner;
    write_sender(visit);
    try_next(visit, VISIT_AS_CONFIGURED);
}
