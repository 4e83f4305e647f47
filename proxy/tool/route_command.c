#include "route_command.h"

#include "config_value.h"
#include "mailmux/config_protocols.h"
#include "mailmux/routing.h"
#include "route.h"
#include "route_client.h"
#include "suggest.h"
#include <inttypes.h>
#include <string.h>

enum { STATUS_WRONG_QUESTION = 2 };

/* What is asked, and what follows from it. */
struct answer {
    const struct config *config;
    const struct config_listener *listener; /* to which the client connects */
    struct slice bytes;                     /* that the client says */
    struct address address;
    const struct address *client; /* is the address; NULL: not known */
    struct routing_choice choice;
};

static int refuse(const char *text)
{
    (void)fprintf(stderr, "mailmux: --route: %s\n", text);
    return STATUS_WRONG_QUESTION;
}

static const struct config_listener *find_listener(const struct config *config, const char *name)
{
    struct suggestion near;

    suggest_begin(&near, slice_from(name));
    for (size_t i = 0; i < config->listener_count; i++) {
        if (strcmp(config->listeners[i].name, name) == 0)
            return &config->listeners[i];
        (void)suggest_offer(&near, config->listeners[i].name);
    }
    (void)fprintf(stderr, "mailmux: --route: there is no section [listener %s]", name);
    if (near.best)
        (void)fprintf(stderr, "; did you mean %s?", near.best);
    (void)fputc('\n', stderr);
    return NULL;
}

/* ---- Where the client goes ---- */

static void print_protocols(const struct protocol *protocol)
{
    for (const char *const *name = protocol->alpn; *name; name++)
        (void)printf("%s%s", name == protocol->alpn ? "" : ", ", *name);
}

static bool offers_one_of(const struct client_hello *hello, const char *const *names)
{
    struct client_hello_part list = hello->alpn;
    char name[CLIENT_HELLO_NAME_MAX];
    size_t n;

    if (list.n == 0)
        return true; /* it asks for nothing */
    while (client_hello_next_protocol(&list, name, &n)) {
        for (const char *const *one = names; *one; one++) {
            if (slice_equal(slice_from(*one), slice_of(name, n)))
                return true;
        }
    }
    return false;
}

static const char *tls_text(enum config_listener_tls tls, bool is_tls)
{
    switch (tls) {
    case LISTENER_TLS_IMPLICIT:
        return is_tls ? "TLS from the first byte" : "it waits for TLS, and there is none";
    case LISTENER_TLS_AUTO:
        return is_tls ? "TLS from the first byte" : "in clear, with STARTTLS";
    case LISTENER_TLS_STARTTLS:
        return is_tls ? "in clear, and the client's TLS is not understood"
                      : "in clear, with STARTTLS";
    case LISTENER_TLS_NONE:
        break;
    }
    return is_tls ? "in clear, and the client's TLS is not understood" : "in clear";
}

static void print_sets(const struct answer *answer, const struct config_listener *listener)
{
    const struct client_hello *hello = &answer->choice.client_hello;
    size_t count = listener->tls_set_count;
    const struct config_tls *set = NULL;
    const char *pattern;

    if (listener->tls == LISTENER_TLS_NONE)
        return;
    if (answer->choice.hello == CLIENT_HELLO_COMPLETE) {
        set = config_tls_of_name(
            answer->config, listener, slice_of(hello->sni, hello->sni_n), &pattern);
        count -= listener->tls_host_sets; /* the name is none of theirs */
    }
    if (set) {
        (void)printf("tls set: %s, which is for %s\n", set->name, pattern);
        return;
    }
    (void)printf("tls set: ");
    for (size_t i = 0; i < count; i++)
        (void)printf("%s%s", i == 0 ? "" : ", ", answer->config->tls[listener->tls_sets[i]].name);
    (void)printf("%s\n", count > 1 ? ", chosen by the name" : "");
}

static void print_backend(const char *word, const struct config_backend *backend)
{
    const struct directive *how = directive_find(SECTION_BACKEND, SLICE("send_client_address"));

    (void)printf("%s: %s", word, backend->name);
    for (size_t i = 0; i < backend->server_count && !backend->is_inline; i++)
        (void)printf("%s%s", i == 0 ? ", of " : " and ", backend->servers[i].name);
    if (backend->send_client_address != SEND_ADDRESS_NONE)
        (void)printf(", send_client_address = %s",
            config_choice_text(how, (unsigned)backend->send_client_address));
    (void)putchar('\n');
}

static void print_listener(const struct answer *answer, const struct config_listener *listener)
{
    const struct protocol *protocol = route_protocol(listener->protocol);
    bool is_tls = answer->choice.is_tls;

    (void)printf("listener: %s, protocol %s, %s\n", listener->name,
        config_protocol_name(listener->protocol), tls_text(listener->tls, is_tls));
    if (answer->choice.hello == CLIENT_HELLO_COMPLETE && listener->tls != LISTENER_TLS_NONE &&
        !offers_one_of(&answer->choice.client_hello, protocol->alpn)) {
        (void)printf("refused: by its TLS, since it offers none of ");
        print_protocols(protocol);
        (void)putchar('\n');
        return;
    }
    print_sets(answer, listener);
    print_backend("backend", &answer->config->backends[listener->backend]);
}

static void print_target(const struct answer *answer, const struct config_route *route)
{
    switch (route->target) {
    case ROUTE_LISTENER:
        print_listener(answer, &answer->config->listeners[route->index]);
        break;
    case ROUTE_PASS:
        print_backend("passed unread to", &answer->config->backends[route->index]);
        break;
    case ROUTE_REFUSE:
        (void)printf("refused: by the route\n");
        break;
    }
}

/* ---- Which route, and when ---- */

/* A route may need no octet, and the listener that it leads to one, for tls = auto. */
static bool must_hear_first(const struct answer *answer)
{
    size_t rule = answer->choice.rule;
    const struct config_route *route =
        rule == ROUTING_NONE ? NULL : &answer->listener->routes[rule];

    return route && route->target == ROUTE_LISTENER &&
           answer->config->listeners[route->index].tls == LISTENER_TLS_AUTO;
}

/* Returns how many octets decide, or SIZE_MAX: that no more come. */
static size_t count_needed(const struct answer *answer)
{
    const struct config_listener *listener = answer->listener;
    struct routing_input input = {
        .client = answer->client, .limit = (size_t)answer->config->limits.client_hello};
    struct routing_choice ignored;

    for (size_t n = must_hear_first(answer) ? 1 : 0; n <= answer->bytes.n; n++) {
        input.bytes = slice_of(answer->bytes.p, n);
        if (routing_decide(listener->rules, listener->route_count, &input, &ignored) ==
            ROUTING_DECIDED)
            return n;
    }
    return SIZE_MAX;
}

static void print_when(const struct answer *answer)
{
    size_t needed = count_needed(answer);
    const struct directive *sniff = directive_find(SECTION_LISTENER, SLICE("sniff"));
    char text[NUMBER_TEXT_MAX];

    if (needed == 0)
        (void)printf("decided: at once\n");
    else if (needed == SIZE_MAX && answer->bytes.n == 0)
        (void)printf("decided: after %s of silence\n",
            config_number_text(sniff, answer->listener->sniff, text));
    else if (needed == SIZE_MAX)
        (void)printf("decided: when no more comes\n");
    else if (answer->choice.hello == CLIENT_HELLO_COMPLETE && needed > 1)
        (void)printf("decided: by the ClientHello\n");
    else
        (void)printf("decided: by the first %zu octet%s\n", needed, needed == 1 ? "" : "s");
}

/* A route by network cannot be judged without an address. */
static void print_passed_over(const struct answer *answer)
{
    for (size_t i = 0; i < answer->listener->route_count && i < answer->choice.rule; i++) {
        if (!answer->client && answer->listener->rules[i].key == ROUTING_FROM)
            (void)printf(
                "not for it: %s, as no ADDRESS is given\n", answer->listener->routes[i].text);
    }
}

static void print_answer(const struct answer *answer)
{
    const struct config_listener *listener = answer->listener;
    const struct config_route *route;

    if (listener->protocol != CONFIG_PROTOCOL_AUTO) {
        (void)printf("route: none; [listener %s] serves every client itself\n", listener->name);
        print_listener(answer, listener);
        return;
    }
    print_passed_over(answer);
    if (answer->choice.rule == ROUTING_NONE) {
        (void)printf("route: none is for it\n");
        print_when(answer);
        (void)printf("refused: as no route is for it\n");
        return;
    }
    route = &listener->routes[answer->choice.rule];
    (void)printf("route: %s, at %s:%u\n", route->text, route->origin.file, route->origin.line);
    print_when(answer);
    print_target(answer, route);
}

int route_command(const struct config *config, const struct route_question *question)
{
    char memory[ROUTE_CLIENT_MAX];
    struct buffer said;
    struct answer answer = {.config = config};
    struct routing_input input = {.is_over = true, .limit = (size_t)config->limits.client_hello};
    struct error error;

    answer.listener = find_listener(config, question->listener);
    if (!answer.listener)
        return STATUS_WRONG_QUESTION;
    buffer_init(&said, memory, sizeof(memory));
    if (!route_client_write(question, &said, &error))
        return refuse(error.text);
    if (question->address && route_client_has(question->address)) {
        if (!address_parse_ip(slice_from(question->address), 0, &answer.address))
            return refuse("ADDRESS is not an IP address");
        answer.client = &answer.address;
    }
    answer.bytes = buffer_held(&said);
    input.bytes = answer.bytes;
    input.client = answer.client;
    (void)routing_decide(
        answer.listener->rules, answer.listener->route_count, &input, &answer.choice);
    print_answer(&answer);
    return 0;
}
