/* One run of a transcript: the dialog between two in-memory sides, and a session that obeys it. */
#include "play.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_CAP = 256 * 1024, OUTPUT_CAP = 8 * 1024 * 1024, EVENTS_CAP = 256 };

struct run {
    const struct script *script;
    struct dialog dialog;
    struct buffer in[2];     /* what a side sent and the dialog has not used */
    struct buffer out[2];    /* what has reached a side and was not yet expected */
    char events[EVENTS_CAP]; /* joined by commas */
    bool started;
    bool renew;
    bool starting_tls;
    bool relaying;
    bool left; /* the backend's connection has ended, or was ended */
    bool closed;
    bool broken; /* the dialog broke its contract: said on stderr */
};

static enum dialog_side other(enum dialog_side side)
{
    return side == DIALOG_CLIENT ? DIALOG_SERVER : DIALOG_CLIENT;
}

/* ---- Saying what went wrong ---- */

static void print_escaped(const char *title, struct slice text)
{
    (void)fprintf(stderr, "    %s", title);
    for (size_t i = 0; i < text.n && i < 2000; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if (c == '\r' || c == '\n')
            (void)fputs(c == '\r' ? "\\r" : "\\n", stderr);
        else if (c < ' ' || c > '~')
            (void)fprintf(stderr, "\\x%02x", c);
        else
            (void)fputc(c, stderr);
    }
    (void)fputc('\n', stderr);
}

static bool differs(const struct step *step, const char *what, struct slice want, struct slice got)
{
    (void)fprintf(stderr, "  line %u: %s\n", step ? step->line : 0, what);
    print_escaped("expected: ", want);
    print_escaped("     got: ", got);
    return false;
}

/* ---- The session's part ---- */

static void add_event(struct run *run, const char *event)
{
    size_t n = strlen(run->events);

    (void)snprintf(run->events + n, sizeof(run->events) - n, "%s%s", n > 0 ? "," : "", event);
}

static void do_next(struct run *run, const struct actions *actions);

/* The fresh connection is there at once, and its greeting is nobody's business. */
static void renew(struct run *run)
{
    struct actions actions = actions_of(&run->out[DIALOG_CLIENT], &run->out[DIALOG_SERVER]);

    dialog_server_renewed(&run->dialog, &actions);
    do_next(run, &actions);
}

static void do_next(struct run *run, const struct actions *actions)
{
    char event[80];

    if (actions->leave_server) {
        add_event(run, "LEAVE");
        run->left = true;
        buffer_clear(&run->in[DIALOG_SERVER]);
    }
    switch (actions->next) {
    case DIALOG_NOTHING:
        break;
    case DIALOG_START_TLS:
        add_event(run, actions->renew_server ? "TLS RENEW" : "TLS");
        run->starting_tls = true;
        run->renew = actions->renew_server;
        buffer_clear(&run->in[DIALOG_CLIENT]); /* it belongs to TLS */
        break;
    case DIALOG_RENEW_SERVER:
        add_event(run, "RENEW");
        buffer_clear(&run->in[DIALOG_SERVER]);
        renew(run);
        break;
    case DIALOG_RELAY:
        add_event(run, "RELAY");
        run->relaying = true;
        break;
    case DIALOG_CLOSE:
        (void)snprintf(event, sizeof(event), "CLOSE %s", reason_text(actions->reason));
        add_event(run, event);
        run->closed = true;
        break;
    }
}

static void move(struct run *run, enum dialog_side from, size_t n)
{
    struct slice held = buffer_held(&run->in[from]);

    (void)buffer_append(&run->out[other(from)], slice_of(held.p, n));
}

/* What one call may append, and what it may use, is part of the contract. */
static bool feed(struct run *run, enum dialog_side side)
{
    struct actions actions = actions_of(&run->out[DIALOG_CLIENT], &run->out[DIALOG_SERVER]);
    struct slice in = buffer_held(&run->in[side]);
    size_t before[2] = {buffer_held(&run->out[0]).n, buffer_held(&run->out[1]).n};
    bool more = dialog_feed(&run->dialog, side, in, &actions);

    for (int i = 0; i < 2; i++) {
        if (buffer_held(&run->out[i]).n > before[i] + in.n + DIALOG_EXTRA || actions.used > in.n) {
            (void)fputs("  one call appended or used too much\n", stderr);
            run->broken = true;
            return false;
        }
    }
    if (!more)
        return false;
    if (actions.pass && !(run->left && side == DIALOG_CLIENT))
        move(run, side, actions.used);
    if (actions.used > 0)
        buffer_consume(&run->in[side], actions.used);
    do_next(run, &actions);
    return true;
}

static bool start(struct run *run)
{
    struct actions actions = actions_of(&run->out[DIALOG_CLIENT], &run->out[DIALOG_SERVER]);
    struct slice in = buffer_held(&run->in[DIALOG_SERVER]);
    size_t used = 0;
    enum greeting greeting = run->script->protocol->greeting(in, run->script->policy.reply, &used);

    if (greeting == GREETING_MORE)
        return false;
    run->started = true;
    if (greeting == GREETING_WRONG || greeting == GREETING_LARGE) {
        add_event(run, "WRONG GREETING");
        run->closed = true;
        return false;
    }
    dialog_start(&run->dialog, greeting, slice_of(in.p, used), &actions);
    buffer_consume(&run->in[DIALOG_SERVER], used);
    do_next(run, &actions);
    return true;
}

static bool is_over(const struct run *run)
{
    return run->closed || run->broken || run->starting_tls;
}

static void relay(struct run *run)
{
    for (int side = 0; side < 2; side++) {
        move(run, (enum dialog_side)side, buffer_held(&run->in[side]).n);
        buffer_clear(&run->in[side]);
    }
}

static void pump(struct run *run)
{
    bool progress = run->started || start(run);

    while (progress && !is_over(run) && !run->relaying) {
        progress = dialog_wants_client(&run->dialog) && feed(run, DIALOG_CLIENT);
        if (!progress && !is_over(run) && !run->left)
            progress = feed(run, DIALOG_SERVER);
    }
    if (run->relaying && !is_over(run))
        relay(run);
}

/* ---- Steps ---- */

static void send_bytes(struct run *run, const struct step *step, size_t segment, size_t split)
{
    struct slice rest = slice_of(step->text, step->len);

    while (rest.n > 0 && !run->closed && !run->broken) {
        size_t n = segment < rest.n ? segment : rest.n;

        if (split > 0 && split < step->len)
            n = rest.n == step->len ? split : rest.n;
        if (!(run->starting_tls && step->side == DIALOG_CLIENT) &&
            !(run->left && step->side == DIALOG_SERVER) &&
            !buffer_append(&run->in[step->side], slice_of(rest.p, n))) {
            (void)fprintf(stderr, "  line %u: the dialog does not take its input\n", step->line);
            run->broken = true;
        }
        rest = slice_after(rest, n);
        pump(run);
    }
}

static bool expect_bytes(struct run *run, const struct step *step)
{
    struct buffer *out = &run->out[step->side];
    struct slice want = slice_of(step->text, step->len);
    struct slice got = buffer_held(out);

    if (!slice_starts(got, want))
        return differs(step,
            step->side == DIALOG_CLIENT ? "the client received" : "the backend received", want,
            got);
    buffer_consume(out, want.n);
    return true;
}

static bool expect_event(struct run *run, const struct step *step)
{
    struct slice rest = slice_from(run->events);
    struct slice first = slice_of("", 0);

    (void)slice_split(&rest, ',', &first);
    if (!slice_equal(first, slice_of(step->text, step->len)))
        return differs(step, "the session was asked to", slice_of(step->text, step->len), first);
    if (rest.p)
        memmove(run->events, rest.p, rest.n + 1);
    else
        run->events[0] = '\0';
    return true;
}

static bool tls_up(struct run *run, const struct step *step)
{
    if (!run->starting_tls) {
        (void)fprintf(stderr, "  line %u: nobody asked for TLS\n", step->line);
        return false;
    }
    run->starting_tls = false;
    if (run->renew)
        buffer_clear(&run->in[DIALOG_SERVER]);
    dialog_tls_started(&run->dialog);
    pump(run); /* it may have something to say now */
    return true;
}

/* Before anything new is sent, all that came out must have been expected. */
static bool nothing_left(const struct run *run, const struct step *step)
{
    static const char *const names[] = {"the client also received", "the backend also received"};

    for (int i = 0; i < 2; i++) {
        if (buffer_held(&run->out[i]).n > 0)
            return differs(step, names[i], slice_of("", 0), buffer_held(&run->out[i]));
    }
    if (run->events[0] != '\0')
        return differs(
            step, "the session was also asked to", slice_of("", 0), slice_from(run->events));
    return true;
}

/* As the session does it: what is not foreseen is the end. */
static void end_server(struct run *run)
{
    struct actions actions = actions_of(&run->out[DIALOG_CLIENT], &run->out[DIALOG_SERVER]);

    if (!dialog_server_ended(&run->dialog, &actions)) {
        dialog_farewell(&run->dialog, FAREWELL_SERVER_LOST, &run->out[DIALOG_CLIENT]);
        dialog_close(&run->dialog, &actions, REASON_SERVER_CLOSED);
    }
    run->left = true;
    do_next(run, &actions);
}

static void expire(struct run *run, enum reason reason)
{
    struct actions actions = actions_of(&run->out[DIALOG_CLIENT], &run->out[DIALOG_SERVER]);

    dialog_expire(&run->dialog, reason, &actions);
    do_next(run, &actions);
}

static bool do_step(struct run *run, const struct step *step, size_t segment, size_t split)
{
    struct slice text = slice_of(step->text, step->len);
    struct slice got;

    switch (step->kind) {
    case STEP_SEND:
        send_bytes(run, step, segment, split);
        return !run->broken;
    case STEP_EXPECT:
        return expect_bytes(run, step);
    case STEP_EVENT:
        return expect_event(run, step);
    case STEP_USER:
        got = slice_of(run->dialog.user.text, run->dialog.user.n);
        return slice_equal(text, got) || differs(step, "the user known is", text, got);
    case STEP_BOUNDARY:
        got = slice_from(dialog_at_boundary(&run->dialog) ? "yes" : "no");
        return slice_equal(text, got) || differs(step, "at a boundary", text, got);
    case STEP_TLS_UP:
        return nothing_left(run, step) && tls_up(run, step);
    case STEP_TLS_BUSY:
        run->dialog.tls_unavailable = true;
        return true;
    case STEP_FAREWELL:
        dialog_farewell(&run->dialog, step->farewell, &run->out[DIALOG_CLIENT]);
        return true;
    case STEP_SERVER_END:
        end_server(run);
        return true;
    case STEP_EXPIRE:
        expire(run, step->reason);
        return true;
    }
    return false;
}

static bool run_steps(struct run *run, size_t segment, size_t split)
{
    const struct script *script = run->script;

    for (size_t i = 0; i < script->len; i++) {
        const struct step *step = &script->steps[i];
        bool begins_input =
            step->kind == STEP_SEND && i > 0 && script->steps[i - 1].kind != STEP_SEND;

        if ((begins_input && !nothing_left(run, step)) || !do_step(run, step, segment, split))
            return false;
    }
    return nothing_left(run, NULL);
}

/* ---- The whole ---- */

static struct buffer memory[4]; /* two inputs, two outputs; kept for all runs */

static void reset(struct run *run, const struct script *script)
{
    *run = (struct run){.script = script};
    for (int i = 0; i < 2; i++) {
        buffer_clear(&memory[i]);
        buffer_clear(&memory[i + 2]);
        run->in[i] = memory[i];
        run->out[i] = memory[i + 2];
    }
    dialog_init(&run->dialog, script->protocol, &script->policy, script->legs);
}

bool play_run(const struct script *script, size_t segment, size_t split)
{
    static struct run run; /* large */
    bool good;

    reset(&run, script);
    good = run_steps(&run, segment, split);
    if (!good && split > 0)
        (void)fprintf(stderr, "  (every write split at offset %zu)\n", split);
    else if (!good)
        (void)fprintf(stderr, "  (segments of at most %zu)\n", segment);
    dialog_deinit(&run.dialog);
    return good;
}

bool play_init(void)
{
    for (int i = 0; i < 4; i++) {
        size_t cap = i < 2 ? INPUT_CAP : OUTPUT_CAP;
        char *data = malloc(cap);

        if (!data)
            return false;
        buffer_init(&memory[i], data, cap);
    }
    return true;
}

void play_deinit(void)
{
    for (int i = 0; i < 4; i++)
        free(memory[i].data);
}
