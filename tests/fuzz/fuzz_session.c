/*
 * Target: a whole session (session/, backend/, engine/, net/, grammar/) on memory wires.
 * Input: a line of options, then what the two sides say in turn, the server first; '~' ends a turn.
 * Options: the letter of a listener in the configuration below; h: a wire takes 64 octets at most
 * while they are not read. '^' and a letter is an event: S the client's handshake; F, T, R the
 * client ends in order, without close_notify, by RST; f, t, r the server likewise; D, d the client
 * or the server stops reading or goes on; P a minute passes; Q mailmux drains.
 *
 * The input is played as it is, and with reads and writes of random sizes with IO_AGAIN between
 * them. What must hold:
 * - the session does not spin;
 * - it never holds more than HELD_MAX octets of buffers;
 * - at the end, after days, it is over, and each buffer is given back and each wire closed;
 * - in a relay bytes pass unchanged and in order;
 * - both sides get the same bytes each time, unless one vanishes or stops reading meanwhile.
 */
#include "fuzz.h"
#include "session_bench.h"

#include <stdlib.h>

enum {
    INPUT_MAX = 8192,
    A_MINUTE_MS = 60 * 1000,
    A_DAY_MS = 24 * 60 * A_MINUTE_MS,
    SMALL_WINDOW = 64,
    HELD_MAX = ENGINE_LINE_BUFFER + 4 * ENGINE_REPLY_BUFFER
};

static const char configuration[] =
    "[listener s]\nbind = 127.0.0.1:25\nbackend = mta\n"
    "[listener t]\nbind = 127.0.0.1:465\nprotocol = smtp\nbackend = mta\n"
    "[listener x]\nbind = 127.0.0.1:26\nprotocol = smtp\ntls = none\nbackend = mta\n"
    "[listener r]\nbind = 127.0.0.1:27\nprotocol = smtp\nrequire_tls = yes\nbackend = mta\n"
    "[listener l]\nbind = 127.0.0.1:24\nbackend = boxes\n"
    "[listener o]\nbind = 127.0.0.1:28\nprotocol = lmtp\ntls = implicit\nbackend = boxes\n"
    "[listener e]\nbind = 127.0.0.1:29\nprotocol = lmtp\ntls = none\nbackend = boxes\n"
    "[listener m]\nbind = 127.0.0.1:143\nbackend = mailboxes\n"
    "[listener k]\nbind = 127.0.0.1:993\nbackend = mailboxes\n"
    "[listener n]\nbind = 127.0.0.1:144\nprotocol = imap\ntls = none\nbackend = mailboxes\n"
    "[listener p]\nbind = 127.0.0.1:110\nbackend = drops\n"
    "[listener q]\nbind = 127.0.0.1:995\nbackend = drops\n"
    "[listener z]\nbind = 127.0.0.1:111\nprotocol = pop3\ntls = none\nbackend = drops\n"
    "[listener v]\nbind = 127.0.0.1:4190\nbackend = scripts\n"
    "[listener w]\nbind = 127.0.0.1:4191\nprotocol = managesieve\ntls = implicit\n"
    "backend = scripts\n"
    "[listener y]\nbind = 127.0.0.1:4192\nprotocol = managesieve\ntls = none\nbackend = scripts\n"
    "[listener a]\nbind = 127.0.0.1:30\nprotocol = smtp\ntls = auto\nbackend = mta\n"
    "[listener f]\nbind = 127.0.0.1:443\nprotocol = auto\nroute = alpn imap -> k\n"
    "route = sni *.example -> q\nroute = first smtp -> s\nroute = first imap -> m\n"
    "route = first pop3 -> a\nroute = first http -> refuse\nroute = tls -> k\n"
    "route = default -> pass backend web\n"
    "[backend web]\nserver = 127.0.0.1:8443\nsend_client_address = proxy-v2\n"
    "[backend mta]\nserver = 127.0.0.1:2525\n"
    "[backend boxes]\nserver = 127.0.0.1:1024\n"
    "[backend mailboxes]\nserver = a 127.0.0.1:1143\nserver = b 127.0.0.1:1144\n"
    "[backend drops]\nserver = 127.0.0.1:1110\n"
    "[backend scripts]\nserver = 127.0.0.1:4199\n";
static const char letters[] = "stxrloemknpqzvwyaf";

struct play {
    struct memory_bytes heard[2];
    enum reason reason;
    bool is_comparable; /* both ways of playing must give the same */
    bool is_torn;       /* the client has ended its TLS without close_notify */
};

static struct session_bench bench; /* large */

static void end(void)
{
    session_bench_deinit(&bench);
}

static void begin(void)
{
    static bool has_begun;

    if (has_begun)
        return;
    has_begun = true;
    FUZZ_REQUIRE(session_bench_init(&bench, configuration));
    (void)atexit(end);
}

static void run(void)
{
    FUZZ_REQUIRE(session_bench_run(&bench));
    FUZZ_REQUIRE(session_bench_held(&bench) <= HELD_MAX);
}

static bool relays(void)
{
    return bench.session && bench.session->phase == SESSION_RELAY &&
           bench.session->reason == REASON_NONE && !bench.session->is_guess && !bench.is_deaf[0] &&
           !bench.is_deaf[1];
}

/* A side sends bytes. In a relay they must arrive unchanged. */
static void say(enum bench_leg leg, struct slice bytes)
{
    enum bench_leg other = leg == BENCH_CLIENT ? BENCH_SERVER : BENCH_CLIENT;
    size_t before = bench.heard[other].n;
    bool relayed = relays() && !(leg == BENCH_CLIENT && bench.has_tls && !bench.tls.is_up);

    session_bench_say(&bench, leg, bytes);
    run();
    if (relayed && relays())
        FUZZ_REQUIRE(slice_equal(slice_after(session_bench_heard(&bench, other), before), bytes));
}

/* A server sends one line at a time, since several at once would answer what was not asked yet. */
static void speak(enum bench_leg leg, struct slice text)
{
    while (text.n > 0) {
        size_t n = leg == BENCH_SERVER ? slice_find(text, '\n') + 1 : text.n;

        n = n < text.n ? n : text.n;
        say(leg, slice_of(text.p, n));
        text = slice_after(text, n);
    }
}

/* A client that has said something in clear cannot begin TLS where its first byte decides. */
static bool is_tls_awaited(void)
{
    if (!bench.session || bench.has_tls)
        return false;
    switch ((int)bench.session->phase) {
    case SESSION_SNIFF:
        return bench.session->pipe[LEG_CLIENT].bytes == 0;
    case SESSION_HANDSHAKE:
    case SESSION_UPGRADE:
        return true;
    default:
        return false;
    }
}

static void start_tls(void)
{
    if (is_tls_awaited())
        session_bench_start_tls(&bench);
}

static void happen(struct play *play, char event)
{
    play->is_comparable = play->is_comparable && memchr("RrDdQ", event, 5) == NULL;
    play->is_torn = play->is_torn || (event == 'T' && bench.has_tls);
    switch (event) {
    case 'S':
        start_tls();
        break;
    case 'F':
    case 'f':
        session_bench_finish(&bench, event == 'F' ? BENCH_CLIENT : BENCH_SERVER);
        break;
    case 'T':
    case 't':
        session_bench_truncate(&bench, event == 'T' ? BENCH_CLIENT : BENCH_SERVER);
        break;
    case 'R':
    case 'r':
        session_bench_reset(&bench, event == 'R' ? BENCH_CLIENT : BENCH_SERVER);
        break;
    case 'D':
    case 'd':
        bench.is_deaf[event == 'd'] = !bench.is_deaf[event == 'd'];
        break;
    case 'P':
        FUZZ_REQUIRE(session_bench_pass(&bench, A_MINUTE_MS));
        break;
    case 'Q':
        sessions_drain(&bench.sessions);
        break;
    default:
        return;
    }
    run();
}

static void act(struct play *play, struct slice script)
{
    enum bench_leg leg = BENCH_SERVER;

    while (script.n > 0) {
        size_t tilde = slice_find(script, '~');
        size_t caret = slice_find(script, '^');
        size_t n = tilde < caret ? tilde : caret;

        speak(leg, slice_of(script.p, n));
        if (n == script.n)
            return;
        if (n == tilde) {
            leg = leg == BENCH_SERVER ? BENCH_CLIENT : BENCH_SERVER;
            script = slice_after(script, n + 1);
        } else {
            happen(play, n + 1 < script.n ? script.p[n + 1] : '\0');
            script = slice_after(script, n + 2);
        }
    }
}

static void finish(struct play *play)
{
    const char *left;

    for (int day = 0; bench.session && day < 4; day++)
        FUZZ_REQUIRE(session_bench_pass(&bench, A_DAY_MS));
    FUZZ_REQUIRE(bench.session == NULL);
    play->reason = bench.reason;
    for (int leg = 0; leg < 2; leg++) {
        play->heard[leg] = bench.heard[leg]; /* taken */
        bench.heard[leg] = (struct memory_bytes){0};
    }
    left = session_bench_end(&bench);
    if (left)
        (void)fprintf(stderr, "%s\n", left);
    FUZZ_REQUIRE(left == NULL);
}

static struct play perform(struct slice input, enum bench_pace pace)
{
    struct play play = {.is_comparable = true};
    struct slice options = fuzz_options(&input);
    size_t listener = 0;

    while (letters[listener] && !fuzz_has(options, letters[listener]))
        listener++;
    bench.pace = pace;
    bench.seed = fuzz_seed(input);
    bench.most = 1 + bench.seed % 50;
    bench.window = fuzz_has(options, 'h') ? SMALL_WINDOW : 0;
    bench.is_deaf[0] = bench.is_deaf[1] = false;
    session_bench_begin(&bench, letters[listener] ? listener : 0);
    run();
    act(&play, input);
    finish(&play);
    bench.sessions.is_draining = false;
    return play;
}

static struct slice heard_by(const struct play *play, enum bench_leg leg)
{
    return play->heard[leg].n > 0 ? slice_of(play->heard[leg].data, play->heard[leg].n)
                                  : slice_of("", 0);
}

/* Whether the client was cut because its TLS was broken (C33). All others get their last bytes. */
static bool is_client_cut(enum reason reason)
{
    return reason == REASON_CLIENT_TRUNCATED || reason == REASON_CLIENT_TLS_ERROR ||
           reason == REASON_HANDSHAKE_FAILED;
}

/* When we end the session, a server that did not take its bytes at once loses the last of them. */
static void compare(const struct play *a, const struct play *b)
{
    struct slice more = heard_by(a, BENCH_SERVER);
    struct slice less = heard_by(b, BENCH_SERVER);
    struct slice client_more = heard_by(a, BENCH_CLIENT);
    struct slice client_less = heard_by(b, BENCH_CLIENT);

    if (!a->is_comparable || a->reason == REASON_INJECTION || b->reason == REASON_INJECTION)
        return; /* C17: the same octets in a segment of their own are the client's TLS */
    FUZZ_REQUIRE(a->reason == b->reason);
    FUZZ_REQUIRE(slice_starts(client_more, client_less));
    FUZZ_REQUIRE(a->is_torn || is_client_cut(a->reason) || client_more.n == client_less.n);
    FUZZ_REQUIRE(slice_starts(more, less));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice input = fuzz_slice(data, n);
    struct play plays[2];

    if (n > INPUT_MAX)
        return 0;
    begin();
    plays[0] = perform(input, PACE_WHOLE);
    plays[1] = perform(input, PACE_RANDOM);
    compare(&plays[0], &plays[1]);
    for (int i = 0; i < 2; i++) {
        free(plays[i].heard[0].data);
        free(plays[i].heard[1].data);
    }
    return 0;
}
