/*
 * Drives a dialog in memory for the unit tests of the grammars, and holds it to its contract: any
 * split of the input gives the same output. For one test program: everything is static.
 */
#ifndef TEST_FEEDER_H
#define TEST_FEEDER_H

#include "mailmux/line.h"
#include "mailmux/protocols.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FEEDER_IN = 64 * 1024, FEEDER_OUT = 512 * 1024, FEEDER_TOKENS = 24 };

struct feeder {
    struct dialog dialog;
    char memory_in[2][FEEDER_IN];
    char memory_out[2][FEEDER_OUT];
    struct buffer in[2];
    struct buffer out[2];
    enum dialog_next next; /* what ended it: nothing is fed any more */
    enum reason reason;
};

static const struct dialog_policy feeder_policy = {.hostname = {"proxy.example", 13},
    .offers_tls = true,
    .require_tls = REQUIRE_TLS_NO,
    .line = 200,
    .sasl_line = 300,
    .literal = 64,
    .reply = 1000,
    .reply_lines = 16,
    .bad_commands = 20};

static inline void feeder_init(struct feeder *feeder, const struct protocol *protocol,
    const struct dialog_policy *policy, struct dialog_legs legs)
{
    for (int side = 0; side < 2; side++) {
        buffer_init(&feeder->in[side], feeder->memory_in[side], FEEDER_IN);
        buffer_init(&feeder->out[side], feeder->memory_out[side], FEEDER_OUT);
    }
    feeder->next = DIALOG_NOTHING;
    feeder->reason = REASON_NONE;
    dialog_init(&feeder->dialog, protocol, policy, legs);
}

static inline bool feeder_feed(struct feeder *feeder, enum dialog_side side)
{
    struct actions actions = actions_of(&feeder->out[DIALOG_CLIENT], &feeder->out[DIALOG_SERVER]);
    struct slice in = buffer_held(&feeder->in[side]);
    size_t before = buffer_held(&feeder->out[0]).n + buffer_held(&feeder->out[1]).n;
    bool more = dialog_feed(&feeder->dialog, side, in, &actions);
    size_t after = buffer_held(&feeder->out[0]).n + buffer_held(&feeder->out[1]).n;

    assert_true(actions.used <= in.n);
    assert_true(after - before <= in.n + DIALOG_EXTRA);
    if (!more) {
        assert_int_equal(after, before);
        return false;
    }
    if (actions.pass)
        assert_true(buffer_append(&feeder->out[!side], slice_of(in.p, actions.used)));
    buffer_consume(&feeder->in[side], actions.used);
    feeder->next = actions.next;
    feeder->reason = actions.reason;
    return true;
}

static inline bool feeder_try(struct feeder *feeder, enum dialog_side side)
{
    return (side == DIALOG_SERVER || dialog_wants_client(&feeder->dialog)) &&
           feeder_feed(feeder, side);
}

/* What the other side said before goes first: so the order does not hang on the segments. */
static inline void feeder_pump(struct feeder *feeder, enum dialog_side sender)
{
    bool progress = true;

    while (progress && feeder->next == DIALOG_NOTHING)
        progress = feeder_try(feeder, !sender) || feeder_try(feeder, sender);
}

static inline void feeder_send(
    struct feeder *feeder, enum dialog_side side, struct slice bytes, size_t segment)
{
    while (bytes.n > 0 && feeder->next == DIALOG_NOTHING) {
        size_t n = segment < bytes.n ? segment : bytes.n;

        assert_true(buffer_append(&feeder->in[side], slice_of(bytes.p, n)));
        bytes = slice_after(bytes, n);
        feeder_pump(feeder, side);
    }
}

/* A small generator of its own: the same numbers everywhere. */
static inline uint32_t feeder_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static inline void feeder_random_text(
    uint32_t *state, const char *const *tokens, size_t n_tokens, struct buffer *out)
{
    unsigned n = feeder_random(state) % FEEDER_TOKENS;

    while (n-- > 0)
        (void)buffer_append(out, slice_from(tokens[feeder_random(state) % n_tokens]));
}

/* Random texts of both sides by turns, whole and in segments of one: the output must be the same.
 */
static inline void feeder_check_splits(const struct protocol *protocol, bool client_tls,
    const char *const *client, size_t n_client, const char *const *server, size_t n_server)
{
    static struct feeder whole;
    static struct feeder split;
    static char text[FEEDER_IN];
    struct dialog_legs legs = {.client_tls = client_tls};
    uint32_t state = 1;

    for (int round = 0; round < 4000; round++) {
        feeder_init(&whole, protocol, &feeder_policy, legs);
        feeder_init(&split, protocol, &feeder_policy, legs);
        for (int turn = 0; turn < 6; turn++) {
            enum dialog_side side = turn % 2 == 0 ? DIALOG_CLIENT : DIALOG_SERVER;
            struct buffer bytes;

            buffer_init(&bytes, text, sizeof(text));
            if (side == DIALOG_CLIENT)
                feeder_random_text(&state, client, n_client, &bytes);
            else
                feeder_random_text(&state, server, n_server, &bytes);
            feeder_send(&whole, side, buffer_held(&bytes), SIZE_MAX);
            feeder_send(&split, side, buffer_held(&bytes), 1 + feeder_random(&state) % 3);
        }
        assert_int_equal(whole.next, split.next);
        assert_int_equal(whole.reason, split.reason);
        for (int side = 0; side < 2; side++)
            assert_true(slice_equal(buffer_held(&whole.out[side]), buffer_held(&split.out[side])));
    }
}

#define FEEDER_CHECK_SPLITS(protocol, client_tls, client, server)                                  \
    feeder_check_splits(protocol, client_tls, client, sizeof(client) / sizeof(*(client)), server,  \
        sizeof(server) / sizeof(*(server)))

#endif
