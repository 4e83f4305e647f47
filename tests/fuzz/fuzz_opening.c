/*
 * Target: opening_feed and what is below it (grammar/opening*.c).
 * Input: a line of options, then what the server says, in parts that \1 ends. A part is fed when
 * the one before it was used. Options: s, l, i, p or m for SMTP, LMTP, IMAP, POP3 or ManageSieve; t
 * STARTTLS; x an identity; 1, 2 or 3 the goal OPENING_GREETING, _CAPABILITIES or _TLS; q QUIT when
 * the goal is reached. Holds: a call uses no more than there is, and appends whole lines of at most
 * OPENING_TEXT_MAX. Before a TLS that is configured it asks only for capabilities and STARTTLS, and
 * says goodbye; no session begins without that TLS. Segments make no difference.
 */
#include "mailmux/opening.h"

#include "fuzz.h"
#include "mailmux/protocols.h"

enum { ROOM = 256 * 1024, INPUT_MAX = 16 * 1024, KEPT = 300 };

struct run {
    struct opening opening;
    struct buffer in;
    struct buffer out;
    struct buffer kept;
    char in_memory[INPUT_MAX + 1];
    char out_memory[ROOM];
    char kept_memory[KEPT];
    enum opening_next last;
    bool has_quit;
};

static struct run runs[2];

static struct opening_plan plan_of(struct slice options)
{
    struct opening_plan plan = {.protocol = &protocol_smtp,
        .goal = OPENING_SESSION,
        .starttls = fuzz_has(options, 't'),
        .hostname = SLICE("mux.example"),
        .reply = 4000,
        .reply_lines = 32};

    if (fuzz_has(options, 'i'))
        plan.protocol = &protocol_imap;
    else if (fuzz_has(options, 'l'))
        plan.protocol = &protocol_lmtp;
    else if (fuzz_has(options, 'p'))
        plan.protocol = &protocol_pop3;
    else if (fuzz_has(options, 'm'))
        plan.protocol = &protocol_managesieve;
    if (fuzz_has(options, 'x'))
        plan.identity = plan.protocol == &protocol_imap ? SEND_ADDRESS_ID : SEND_ADDRESS_XCLIENT;
    for (char digit = '1'; digit <= '3'; digit++) {
        if (fuzz_has(options, digit))
            plan.goal = (enum opening_goal)(OPENING_GREETING + digit - '1');
    }
    return plan;
}

static bool is_innocent(struct slice line)
{
    static const char *const said[] = {"EHLO mux.example\r\n", "LHLO mux.example\r\n",
        "STARTTLS\r\n", "QUIT\r\n", "CAPA\r\n", "STLS\r\n", "CAPABILITY\r\n", "LOGOUT\r\n"};

    for (size_t i = 0; i < sizeof(said) / sizeof(*said); i++) {
        if (slice_ends_nocase(line, slice_from(said[i])))
            return true;
    }
    return false;
}

static void check_said(const struct run *run, struct slice said)
{
    FUZZ_REQUIRE(said.n <= OPENING_TEXT_MAX);
    if (said.n == 0)
        return;
    FUZZ_REQUIRE(said.n > 2 && said.p[said.n - 2] == '\r' && slice_find(said, '\n') == said.n - 1);
    if (run->opening.plan->starttls && !run->opening.tls)
        FUZZ_REQUIRE(is_innocent(said));
}

static void step(struct run *run)
{
    struct slice in = buffer_held(&run->in);
    size_t before = buffer_held(&run->out).n;
    struct opening_turn turn = opening_feed(&run->opening, in, &run->out);

    check_said(run, slice_after(buffer_held(&run->out), before));
    FUZZ_REQUIRE(turn.used <= in.n && (turn.next != OPENING_MORE || turn.used == 0));
    FUZZ_REQUIRE((turn.next == OPENING_FAILED) == (run->opening.failure != OPENING_FINE));
    buffer_consume(&run->in, turn.used);
    run->last = turn.next;
}

/* Lets the opening use what it was fed. Returns whether it wants more. */
static bool go_on(struct run *run, bool quits)
{
    const struct opening_plan *plan = run->opening.plan;

    do
        step(run);
    while (run->last == OPENING_GO_ON);
    if (run->last == OPENING_READY && plan->starttls && plan->goal >= OPENING_TLS)
        FUZZ_REQUIRE(run->opening.tls);
    if (run->last != OPENING_READY || !quits || run->has_quit)
        return run->last == OPENING_MORE;
    run->has_quit = true;
    opening_quit(&run->opening, &run->out);
    return go_on(run, quits);
}

/*
 * Feeds a part in segments. Octets that come when TLS is to begin are no TLS, so it fails. Returns
 * whether the next part may be fed.
 */
static bool feed(struct run *run, struct slice part, uint64_t *seed, bool quits)
{
    while (part.n > 0) {
        size_t n = *seed == 0 ? part.n : 1 + *seed % 7;

        *seed = *seed * 6364136223846793005u;
        n = n < part.n ? n : part.n;
        FUZZ_REQUIRE(buffer_append(&run->in, slice_of(part.p, n)));
        part = slice_after(part, n);
        if (go_on(run, quits))
            continue;
        if (run->last != OPENING_START_TLS)
            return false;
        if (part.n > 0) {
            run->last = OPENING_FAILED;
            return false;
        }
        opening_tls_started(&run->opening, &run->out);
        run->last = OPENING_MORE;
    }
    return true;
}

static void play(
    struct run *run, const struct opening_plan *plan, struct slice text, uint64_t seed, bool quits)
{
    static const struct opening_client nobody;
    struct slice part;

    buffer_init(&run->in, run->in_memory, sizeof(run->in_memory));
    buffer_init(&run->out, run->out_memory, sizeof(run->out_memory));
    buffer_init(&run->kept, run->kept_memory, sizeof(run->kept_memory));
    run->last = OPENING_MORE;
    run->has_quit = false;
    opening_init(&run->opening, plan, &nobody, &run->kept);
    while (slice_split(&text, '\1', &part) && feed(run, part, &seed, quits))
        continue;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice text = fuzz_slice(data, n < INPUT_MAX ? n : INPUT_MAX);
    struct slice options = fuzz_options(&text);
    struct opening_plan plan = plan_of(options);

    if (!text.p)
        return 0;
    play(&runs[0], &plan, text, 0, fuzz_has(options, 'q'));
    play(&runs[1], &plan, text, fuzz_seed(text), fuzz_has(options, 'q'));
    FUZZ_REQUIRE(runs[0].last == runs[1].last);
    FUZZ_REQUIRE(slice_equal(buffer_held(&runs[0].out), buffer_held(&runs[1].out)));
    FUZZ_REQUIRE(slice_equal(buffer_held(&runs[0].kept), buffer_held(&runs[1].kept)));
    return 0;
}
