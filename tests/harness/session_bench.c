#include "session_bench.h"

#include "certificates.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    SPIN_TURNS = 2000 /* so many turns with events and without progress are a spin */
};

static void need(bool is_fine)
{
    if (!is_fine)
        abort(); /* without memory a test proves nothing */
}

static void add(struct memory_bytes *bytes, struct slice more)
{
    if (more.n == 0)
        return;
    if (bytes->n + more.n > bytes->cap) {
        bytes->cap = (bytes->n + more.n) * 2;
        bytes->data = realloc(bytes->data, bytes->cap);
        need(bytes->data != NULL);
    }
    memcpy(bytes->data + bytes->n, more.p, more.n);
    bytes->n += more.n;
}

/* ---- The engine's hooks ---- */

static struct session_bench *bench_of(struct engine *engine)
{
    return LIST_ENTRY(engine, struct session_bench, engine);
}

static void set_pace(const struct session_bench *bench, struct memory_wire *wire)
{
    static const size_t one[] = {1};
    static const size_t stutter[] = {0, 1};
    static const size_t few[] = {3, 0};

    wire->window = bench->window;
    switch (bench->pace) {
    case PACE_WHOLE:
        break;
    case PACE_BYTES:
        wire->receives = wire->sends = (struct memory_script){.sizes = one, .count = 1};
        break;
    case PACE_STUTTER:
        wire->receives = wire->sends =
            (struct memory_script){.sizes = stutter, .count = 2, .is_cycle = true};
        break;
    case PACE_SHORT_WRITES:
        wire->sends = (struct memory_script){.sizes = few, .count = 2, .is_cycle = true};
        break;
    case PACE_RANDOM:
        memory_wire_set_random(wire, bench->seed + bench->dials + 1, bench->most);
        break;
    }
}

static struct wire *hook_connect(
    struct engine *engine, const struct address *to, unsigned keepalive_s, int *failure)
{
    struct session_bench *bench = bench_of(engine);

    (void)to;
    (void)keepalive_s;
    if (bench->connect_errno != 0 || bench->dials == SESSION_BENCH_DIALS) {
        *failure = bench->connect_errno != 0 ? bench->connect_errno : EMFILE;
        return NULL;
    }
    bench->server = &bench->servers[bench->dials++];
    memory_wire_init_connecting(bench->server, bench->refusal_errno);
    set_pace(bench, bench->server);
    return &bench->server->wire;
}

static void on_ended(struct sessions *sessions, struct session *session)
{
    struct session_bench *bench = LIST_ENTRY(sessions, struct session_bench, sessions);

    bench->reason = session->reason;
    bench->session = NULL;
}

/* There is one thread: no other could have put a message into the engine's post. */
static void hook_wake(struct engine *engine)
{
    (void)engine;
}

static const struct engine_hooks hooks = {.connect = hook_connect, .wake = hook_wake};

/* ---- The bench itself ---- */

static struct snapshot *build(const char *directory, const char *text)
{
    struct config_report report;
    struct memory_bytes ini = {0};
    struct config *config;
    struct snapshot *snapshot = NULL;

    add(&ini, SLICE("[proxy]\nhostname = proxy.example\nstate_directory = "));
    add(&ini, slice_from(directory));
    add(&ini, SLICE("\n"));
    add(&ini, slice_from(text));
    if (config_parse_bytes("bench.ini", slice_of(ini.data, ini.n), &config, &report))
        snapshot = snapshot_new(&config, NULL, true, &report);
    for (size_t i = 0; !snapshot && i < report.count; i++)
        (void)fprintf(stderr, "%s\n", report.problems[i].text);
    config_report_free(&report);
    free(ini.data);
    return snapshot;
}

bool session_bench_init(struct session_bench *bench, const char *text)
{
    memset(bench, 0, sizeof(*bench));
    bench->seed = 1;
    bench->most = 1;
    log_setup(LOG_FORMAT_TEXT, LOG_ERROR);
    bench->directory = certificates_directory_new();
    bench->snapshot = build(bench->directory, text);
    if (!bench->snapshot) {
        certificates_directory_free(&bench->directory);
        return false;
    }
    bench->tls_context = memory_tls_client_context();
    need(uv_loop_init(&bench->loop) == 0);
    engine_init(&bench->engine, &bench->loop, &hooks, &bench->totals.stalls);
    sessions_init(&bench->sessions, &bench->engine, &bench->totals, on_ended);
    return true;
}

void session_bench_deinit(struct session_bench *bench)
{
    engine_deinit(&bench->engine);
    while (uv_run(&bench->loop, UV_RUN_DEFAULT) != 0)
        continue;
    need(uv_loop_close(&bench->loop) == 0);
    snapshot_unref(&bench->snapshot);
    SSL_CTX_free(bench->tls_context);
    certificates_directory_free(&bench->directory);
}

/* ---- Sessions ---- */

/*
 * Forgets the marks of all servers, so that sessions do not depend on the ones before. A server
 * loses its mark by maintenance, so the pool is configured with that for a moment.
 */
static void forget_marks(struct session_bench *bench, size_t index)
{
    const struct config_backend *backend = &snapshot_config(bench->snapshot)->backends[index];
    struct pool *pool = snapshot_pool(bench->snapshot, index);
    struct config_backend pause = *backend;

    pause.servers = calloc(backend->server_count, sizeof(*pause.servers));
    need(pause.servers != NULL);
    for (size_t i = 0; i < backend->server_count; i++) {
        pause.servers[i] = backend->servers[i];
        pause.servers[i].state = SERVER_MAINTENANCE;
    }
    need(pool_configure(pool, &pause, 1) && pool_configure(pool, backend, 1));
    free(pause.servers);
}

void session_bench_begin(struct session_bench *bench, size_t listener)
{
    const struct service *service = snapshot_service(bench->snapshot, listener);
    struct address client = {0};
    struct address local = {0};

    (void)address_parse_ip(SLICE("192.0.2.1"), 40000, &client);
    (void)address_parse_ip(SLICE("198.51.100.1"), 25, &local);
    for (size_t i = 0; i < snapshot_config(bench->snapshot)->backend_count; i++)
        forget_marks(bench, i);
    bench->has_begun = true;
    bench->dials = 0;
    bench->server = NULL;
    bench->reason = REASON_NONE;
    bench->spins = false;
    bench->most_held = 0;
    memory_wire_init(&bench->client);
    set_pace(bench, &bench->client);
    if (service->listener->tls == LISTENER_TLS_IMPLICIT)
        session_bench_start_tls(bench);
    bench->session = session_start(
        &bench->sessions, service, &bench->client.wire, &client, &local, bench->snapshot);
    need(bench->session != NULL);
}

/* NULL: nothing is left of the session. */
static const char *what_is_left(const struct session_bench *bench)
{
    if (bench->engine.lines.taken != 0)
        return "a line buffer was not given back";
    if (bench->engine.replies.taken != 0)
        return "a reply buffer was not given back";
    if (bench->engine.ducts.taken != 0)
        return "a duct was not given back";
    if (bench->sessions.count != 0 || !list_is_empty(&bench->sessions.live))
        return "a session is in the list";
    if (bench->engine.deadlines.count != 0)
        return "a deadline is still set";
    if (bench->engine.cork.n != 0)
        return "something is in the cork";
    if (atomic_load(&bench->totals.alive) != 0 || atomic_load(&bench->totals.handshakes) != 0)
        return "a session or a handshake is still counted";
    if (!bench->client.closed)
        return "the client's wire was not closed";
    for (size_t i = 0; i < bench->dials; i++) {
        if (!bench->servers[i].closed)
            return "a backend's wire was not closed";
    }
    return bench->spins ? "an event was reported that nobody had a use for" : NULL;
}

const char *session_bench_end(struct session_bench *bench)
{
    const char *left;

    bench->has_begun = false;
    sessions_cut(&bench->sessions);
    tallies_deinit(&bench->sessions.tallies);
    left = what_is_left(bench);
    memory_wire_deinit(&bench->client);
    for (size_t i = 0; i < bench->dials; i++)
        memory_wire_deinit(&bench->servers[i]);
    if (bench->has_tls)
        memory_tls_deinit(&bench->tls);
    bench->has_tls = false;
    for (int leg = BENCH_CLIENT; leg <= BENCH_SERVER; leg++) {
        free(bench->heard[leg].data);
        bench->heard[leg] = (struct memory_bytes){0};
    }
    return left;
}

/* ---- The peers ---- */

void session_bench_start_tls(struct session_bench *bench)
{
    memory_tls_init_client(&bench->tls, &bench->client, bench->tls_context);
    bench->has_tls = true;
}

/* Whether the peer cannot send: it has ended or lost its connection, or its TLS is not up. */
static bool is_silent(struct session_bench *bench, enum bench_leg leg)
{
    const struct memory_wire *wire = session_bench_wire(bench, leg);

    if (!wire || wire->inbox_ended || wire->failure != 0)
        return true;
    return leg == BENCH_CLIENT && bench->has_tls &&
           (!bench->tls.is_up || bench->tls.is_broken || SSL_get_shutdown(bench->tls.ssl) != 0);
}

void session_bench_say(struct session_bench *bench, enum bench_leg leg, struct slice bytes)
{
    if (is_silent(bench, leg))
        return;
    if (leg == BENCH_CLIENT && bench->has_tls)
        memory_tls_say(&bench->tls, bytes);
    else
        memory_wire_feed(session_bench_wire(bench, leg), bytes);
}

void session_bench_truncate(struct session_bench *bench, enum bench_leg leg)
{
    struct memory_wire *wire = session_bench_wire(bench, leg);

    if (wire)
        memory_wire_feed_end(wire);
}

void session_bench_finish(struct session_bench *bench, enum bench_leg leg)
{
    if (leg == BENCH_CLIENT && bench->has_tls && bench->tls.is_up && !bench->tls.is_broken)
        memory_tls_end(&bench->tls);
    session_bench_truncate(bench, leg);
}

void session_bench_reset(struct session_bench *bench, enum bench_leg leg)
{
    struct memory_wire *wire = session_bench_wire(bench, leg);

    if (wire)
        memory_wire_fail(wire, ECONNRESET);
}

struct slice session_bench_heard(const struct session_bench *bench, enum bench_leg leg)
{
    const struct memory_bytes *heard = &bench->heard[leg];

    return heard->n > 0 ? slice_of(heard->data, heard->n) : slice_of("", 0);
}

void session_bench_forget(struct session_bench *bench)
{
    bench->heard[BENCH_CLIENT].n = 0;
    bench->heard[BENCH_SERVER].n = 0;
}

struct memory_wire *session_bench_wire(struct session_bench *bench, enum bench_leg leg)
{
    return leg == BENCH_CLIENT ? &bench->client : bench->server;
}

static bool hear(struct session_bench *bench, struct memory_wire *wire, enum bench_leg leg)
{
    struct slice sent = memory_wire_sent(wire);

    if (sent.n == 0)
        return false;
    add(&bench->heard[leg], sent);
    memory_wire_drop(wire, sent.n);
    return true;
}

static bool hear_tls(struct session_bench *bench)
{
    bool has_moved = memory_tls_step(&bench->tls);

    add(&bench->heard[BENCH_CLIENT], memory_tls_heard(&bench->tls));
    bench->tls.plaintext.n = 0;
    return has_moved;
}

static bool run_peers(struct session_bench *bench)
{
    bool has_moved = false;

    if (!bench->is_deaf[BENCH_CLIENT])
        has_moved = bench->has_tls ? hear_tls(bench) : hear(bench, &bench->client, BENCH_CLIENT);
    for (size_t i = 0; i < bench->dials && !bench->is_deaf[BENCH_SERVER]; i++)
        has_moved = hear(bench, &bench->servers[i], BENCH_SERVER) || has_moved;
    return has_moved;
}

/* ---- The loop ---- */

size_t session_bench_held(const struct session_bench *bench)
{
    const struct engine *engine = &bench->engine;

    return engine->lines.taken * engine->lines.cap + engine->lines.extra +
           engine->replies.taken * engine->replies.cap + engine->ducts.taken * DUCT_READ;
}

/*
 * Runs the engine's idle handle and timer in the place of uv_run, which would set the loop's clock
 * to the real time. The callbacks are private fields of libuv's public structs.
 */
static bool run_handles(struct session_bench *bench)
{
    struct engine *engine = &bench->engine;
    bool has_moved = false;

    if (uv_is_active((uv_handle_t *)&engine->idle)) {
        engine->idle.idle_cb(&engine->idle);
        has_moved = true;
    }
    if (uv_is_active((uv_handle_t *)&engine->deadlines.timer) &&
        uv_timer_get_due_in(&engine->deadlines.timer) == 0) {
        uv_timer_t *timer = &engine->deadlines.timer;
        uv_timer_cb callback = timer->timer_cb;

        (void)uv_timer_stop(timer);
        callback(timer);
        has_moved = true;
    }
    return has_moved;
}

/* One turn of the loop. Returns whether anything has happened. */
static bool turn(struct session_bench *bench)
{
    bool has_moved = run_peers(bench);

    has_moved = memory_wire_poll(&bench->client) != 0 || has_moved;
    for (size_t i = 0; i < bench->dials; i++) {
        bool is_undecided = bench->has_no_answer && bench->servers[i].receive_calls == 0;

        has_moved = (!is_undecided && memory_wire_poll(&bench->servers[i]) != 0) || has_moved;
    }
    has_moved = run_handles(bench) || has_moved;
    engine_end_turn(&bench->engine);
    if (session_bench_held(bench) > bench->most_held)
        bench->most_held = session_bench_held(bench);
    return has_moved;
}

/* A number that changes when a turn has made progress: bytes moved, or the phase changed. */
static uint64_t progress(const struct session_bench *bench)
{
    uint64_t sum = bench->client.wire.received + bench->client.wire.sent;

    sum += bench->dials + (bench->session ? (uint64_t)bench->session->phase * 16 : 4096);
    for (size_t i = 0; i < bench->dials; i++)
        sum += bench->servers[i].wire.received + bench->servers[i].wire.sent;
    return sum;
}

static void explain_wire(const char *leg, const struct memory_wire *wire)
{
    (void)fprintf(stderr, "  %s: watched %x, true %x, ready %x, ended %d\n", leg,
        wire->wire.watched, memory_wire_state(wire), wire->wire.ready, wire->wire.ended);
}

static void explain_spinning(const struct session_bench *bench)
{
    if (!bench->session)
        return;
    (void)fprintf(stderr, "spins in phase %d\n", (int)bench->session->phase);
    explain_wire("client", &bench->client);
    if (bench->server)
        explain_wire("server", bench->server);
}

bool session_bench_run(struct session_bench *bench)
{
    uint64_t before = progress(bench);
    unsigned idle_turns = 0;

    while (turn(bench)) {
        uint64_t now = progress(bench);

        idle_turns = now == before ? idle_turns + 1 : 0;
        before = now;
        if (idle_turns > SPIN_TURNS) {
            bench->spins = true;
            explain_spinning(bench);
            sessions_cut(&bench->sessions);
            return false;
        }
    }
    return true;
}

bool session_bench_pass(struct session_bench *bench, uint64_t ms)
{
    const struct deadline_queue *deadlines = &bench->engine.deadlines;

    /* From one deadline to the next: a jump over several would be a pause of the process. */
    while (ms > 0 || deadlines->has_looked) {
        uint64_t now_ms = bench->loop.time;
        uint64_t step_ms = deadlines->armed_ms > now_ms ? deadlines->armed_ms - now_ms : ms;

        if (deadlines->armed_ms == 0 || (step_ms > ms && !deadlines->has_looked))
            step_ms = ms;
        ms = step_ms < ms ? ms - step_ms : 0;
        bench->loop.time += step_ms; /* a private field as well */
        if (!session_bench_run(bench))
            return false;
    }
    return true;
}
