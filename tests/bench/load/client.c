#include "client.h"

#include "pattern.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_SOURCE = 0x7f000002 };

static const char end_of_message[] = "\r\n.\r\n";

/* How a step ended: the next one follows, it waits for its connection, or nothing follows. */
enum outcome { STEP_IS_DONE, STEP_WAITS, STEP_FAILS, STEP_HOLDS };

static enum outcome fail(struct client *client, const char *why)
{
    const struct step *step = &client->load->script.steps[client->at];

    figures_fail(&client->load->figures, "step %zu (%s): %s", client->at + 1, step->text, why);
    return STEP_FAILS;
}

struct client *client_new(struct load *load, unsigned long long due)
{
    struct client *client = calloc(1, sizeof *client);
    const unsigned long long number = load->figures.begun++;
    const unsigned source =
        load->sources == 0 ? 0 : FIRST_SOURCE + (unsigned)(number % load->sources);

    if (!client)
        leg_die("calloc");
    client->load = load;
    client->number = number;
    client->started = due;
    client->leg.fd = leg_connect(load->port, source);
    if (client->leg.fd < 0) {
        figures_fail(&load->figures, "connect: %s", strerror(errno));
        free(client);
        return NULL;
    }
    leg_watch(load->poll, client->leg.fd, client);
    return client;
}

void client_close(struct client *client)
{
    leg_close(&client->leg);
    free(client->output);
    free(client->input);
    client->output = client->input = NULL;
    client->is_over = true;
}

static enum outcome flush(struct client *client)
{
    while (client->output) {
        const ssize_t count = leg_write(&client->leg, client->output + client->output_taken,
            client->output_length - client->output_taken);

        if (count == LEG_AGAIN)
            return STEP_WAITS;
        if (count < 0)
            return fail(client, "cannot be written");
        client->load->figures.went += (unsigned long long)count;
        client->output_taken += (size_t)count;
        if (client->output_taken == client->output_length) {
            free(client->output);
            client->output = NULL;
            client->output_length = client->output_taken = 0;
        }
    }
    return STEP_IS_DONE;
}

/* All of it goes behind what waits; the caller leaves room. */
static void add(struct client *client, const char *from, size_t length)
{
    if (!client->output && !(client->output = malloc(CLIENT_OUTPUT_MAX)))
        leg_die("malloc");
    memcpy(client->output + client->output_length, from, length);
    client->output_length += length;
}

static enum outcome run_send(struct client *client, const struct step *step)
{
    if (client->output_length + step->length + 2 > CLIENT_OUTPUT_MAX) {
        const enum outcome outcome = flush(client);

        if (outcome != STEP_IS_DONE)
            return outcome;
    }
    add(client, step->text, step->length);
    add(client, "\r\n", 2);
    return STEP_IS_DONE;
}

static SSL_SESSION *take_ticket(struct load *load)
{
    return load->resumes && load->tickets_count > 0 ? load->tickets[--load->tickets_count] : NULL;
}

/* Asks for the name that is this client's. */
static void set_name(struct client *client)
{
    const struct load *load = client->load;
    char name[64];

    if (load->names == 0)
        return;
    (void)snprintf(
        name, sizeof name, "n%llu.example.test", client->number % load->names * load->stride);
    (void)SSL_set_tlsext_host_name(client->leg.ssl, name);
}

static void note_handshake(struct client *client)
{
    struct figures *figures = &client->load->figures;
    SSL *ssl = client->leg.ssl;

    figures->resumed += SSL_session_reused(ssl) ? 1 : 0;
    if (figures->handshakes++ > 0)
        return;
    (void)snprintf(figures->cipher, sizeof figures->cipher, "%s %s %s", SSL_get_version(ssl),
        SSL_get_cipher_name(ssl), OBJ_nid2sn((int)(SSL_get_negotiated_group(ssl) & 0xffffU)));
}

static enum outcome run_tls(struct client *client)
{
    int result;

    if (!client->is_begun) {
        SSL_SESSION *ticket;

        if (client->input_length > 0)
            return fail(client, "text before TLS");
        ticket = take_ticket(client->load);
        if (!leg_begin_tls(&client->leg, client->load->context, false, ticket))
            leg_die("SSL_new");
        SSL_SESSION_free(ticket);
        set_name(client);
        client->is_begun = true;
    }
    result = leg_handshake(&client->leg);
    if (result == LEG_AGAIN)
        return STEP_WAITS;
    if (result != 1)
        return fail(client, "the handshake failed");
    note_handshake(client);
    return STEP_IS_DONE;
}

/* More input into the empty buffer. STEP_FAILS at the end: the caller knows whether it is one. */
static enum outcome fill(struct client *client, ssize_t *count)
{
    if (!client->input && !(client->input = malloc(CLIENT_INPUT_MAX)))
        leg_die("malloc");
    *count = leg_read(&client->leg, client->input, CLIENT_INPUT_MAX);
    if (*count == LEG_AGAIN) {
        free(client->input);
        client->input = NULL;
        return STEP_WAITS;
    }
    if (*count <= 0)
        return STEP_FAILS;
    client->load->figures.came += (unsigned long long)*count;
    client->input_length = (size_t)*count;
    return STEP_IS_DONE;
}

static void drop_input(struct client *client, size_t count)
{
    client->input_length -= count;
    memmove(client->input, client->input + count, client->input_length);
}

/* Whether a line has come; it is in `line`, with its end, which may be cut off. */
static bool next_line(struct client *client)
{
    const char *end =
        client->input_length > 0 ? memchr(client->input, '\n', client->input_length) : NULL;
    const size_t taken = end ? (size_t)(end - client->input) + 1 : client->input_length;
    size_t length = taken;

    if (taken == 0)
        return false;
    if (length > sizeof client->line - client->line_length - 1)
        length = sizeof client->line - client->line_length - 1;
    memcpy(client->line + client->line_length, client->input, length);
    client->line_length += length;
    client->line[client->line_length] = 0;
    drop_input(client, taken);
    return end != NULL;
}

static enum outcome run_expect(struct client *client, const struct step *step)
{
    enum outcome outcome = flush(client);
    ssize_t count = 0;

    if (outcome != STEP_IS_DONE)
        return outcome;
    for (;;) {
        while (next_line(client)) {
            client->line_length = 0;
            if (strncmp(client->line, step->text, step->length) == 0)
                return STEP_IS_DONE;
        }
        outcome = fill(client, &count);
        if (outcome == STEP_WAITS)
            return STEP_WAITS;
        if (outcome == STEP_FAILS)
            return fail(client, client->line[0] ? client->line : "ended");
    }
}

static enum outcome run_get(struct client *client, const struct step *step)
{
    enum outcome outcome = flush(client);
    ssize_t read = 0;

    if (outcome != STEP_IS_DONE)
        return outcome;
    for (;;) {
        size_t count = client->input_length;

        if (count > step->number - client->moved)
            count = (size_t)(step->number - client->moved);
        if (!pattern_is(client->moved, client->input, count))
            return fail(client, "other octets came than were sent");
        client->moved += count;
        if (count > 0)
            drop_input(client, count);
        if (client->moved == step->number)
            return STEP_IS_DONE;
        outcome = fill(client, &read);
        if (outcome == STEP_WAITS)
            return STEP_WAITS;
        if (outcome == STEP_FAILS)
            return fail(client, "ended within a bulk");
    }
}

/* `put` and `message` differ in what goes; behind the last octet of a message stands a dot. */
static enum outcome run_put(struct client *client, const struct step *step)
{
    const bool is_text = step->kind == STEP_MESSAGE;

    while (client->moved < step->number) {
        size_t length = CLIENT_OUTPUT_MAX / 2 - sizeof end_of_message;
        const char *piece;

        if (client->output_length >= CLIENT_OUTPUT_MAX / 2) {
            const enum outcome outcome = flush(client);

            if (outcome != STEP_IS_DONE)
                return outcome;
        }
        if (length > step->number - client->moved)
            length = (size_t)(step->number - client->moved);
        piece =
            is_text ? pattern_text_at(client->moved, &length) : pattern_at(client->moved, &length);
        add(client, piece, length);
        client->moved += length;
    }
    if (is_text)
        add(client, end_of_message, sizeof end_of_message - 1);
    return STEP_IS_DONE;
}

static enum outcome run_end(struct client *client)
{
    ssize_t count = 0;
    enum outcome outcome = flush(client);

    if (outcome != STEP_IS_DONE)
        return outcome;
    if (client->input_length == 0)
        outcome = fill(client, &count);
    if (outcome == STEP_IS_DONE)
        return fail(client, "more came than the end");
    if (outcome == STEP_WAITS)
        return STEP_WAITS;
    return count == LEG_END ? STEP_IS_DONE : fail(client, "reset");
}

/* What came meanwhile is read by the next step. */
static enum outcome run_hold(struct client *client)
{
    const enum outcome outcome = flush(client);

    return outcome == STEP_IS_DONE ? STEP_HOLDS : outcome;
}

void client_go(struct client *client)
{
    client->may_go = true;
}

/* The loop goes back to the step behind `begin`, until it was done often enough. */
static enum outcome run_again(struct client *client, const struct step *step)
{
    client->times++;
    if (client->times >= step->number) {
        client->times = 0;
        return STEP_IS_DONE;
    }
    while (client->load->script.steps[client->at].kind != STEP_BEGIN && client->at > 0)
        client->at--;
    return STEP_IS_DONE;
}

static enum outcome run_step(struct client *client, const struct step *step)
{
    switch (step->kind) {
    case STEP_TLS:
        return run_tls(client);
    case STEP_EXPECT:
        return run_expect(client, step);
    case STEP_SEND:
        return run_send(client, step);
    case STEP_GET:
        return run_get(client, step);
    case STEP_PUT:
    case STEP_MESSAGE:
        return run_put(client, step);
    case STEP_START:
        client->started = leg_now();
        return STEP_IS_DONE;
    case STEP_STOP:
        figures_add_trip(&client->load->figures, leg_now() - client->started);
        return STEP_IS_DONE;
    case STEP_HOLD:
        return client->may_go ? STEP_IS_DONE : run_hold(client);
    case STEP_BEGIN:
        return STEP_IS_DONE;
    case STEP_AGAIN:
        return run_again(client, step);
    case STEP_END:
        return run_end(client);
    }
    return STEP_FAILS;
}

enum client_state client_step(struct client *client)
{
    const struct script *script = &client->load->script;

    while (client->at < script->count) {
        switch (run_step(client, &script->steps[client->at])) {
        case STEP_IS_DONE:
            client->at++;
            client->is_begun = client->may_go = false;
            client->moved = 0;
            break;
        case STEP_WAITS:
            return CLIENT_WAITS;
        case STEP_HOLDS:
            return CLIENT_HOLDS;
        case STEP_FAILS:
            return CLIENT_FAILED;
        }
    }
    client->load->figures.done++;
    return CLIENT_DONE;
}
