/*
 * An input is a line of options, and then what the two sides say in turn, the server first; '~'
 * ends a turn. Options are letters: i implicit TLS; n no TLS; y TLS required; o TLS optional; s
 * smuggling = strict; p smuggling = pass; b TLS toward the server; v the same, verified; l small
 * limits; u no handshake can begin now; r relay_domains = example.org.
 *
 * The input is played with whole segments, with segments of one octet, and with random ones. Each
 * time both sides must get the same bytes, and the session must be asked for the same, in the same
 * order. One difference is meant (C17): octets behind STARTTLS in the same segment are an
 * injection. In a segment of their own they are the client's TLS, or commands if STARTTLS was
 * refused.
 */
#include "dialog_fuzz.h"

#include "dialog_run.h"

static struct dialog_run whole; /* large */
static struct dialog_run split;

static void play(
    struct dialog_run *run, const struct protocol *protocol, struct slice input, size_t segment)
{
    struct slice options = fuzz_options(&input);
    enum dialog_side side = DIALOG_SERVER;
    uint64_t seed = fuzz_seed(input);
    struct slice words;

    run_begin(run, protocol, options);
    while (slice_split(&input, '~', &words)) {
        run_speak(run, side, words, segment, &seed);
        side = side == DIALOG_SERVER ? DIALOG_CLIENT : DIALOG_SERVER;
    }
    run_end(run);
}

static bool is_same_event(const struct run_event *a, const struct run_event *b)
{
    return a->next == b->next && a->reason == b->reason && a->renew == b->renew &&
           a->leaves == b->leaves && a->sent[DIALOG_CLIENT] == b->sent[DIALOG_CLIENT] &&
           a->sent[DIALOG_SERVER] == b->sent[DIALOG_SERVER];
}

/* Whether the client was cut for an injection. That ends the run, so it is the last event. */
static bool was_injected(const struct dialog_run *run)
{
    return run->event_count > 0 && run->events[run->event_count - 1].next == DIALOG_CLOSE &&
           run->events[run->event_count - 1].reason == REASON_INJECTION;
}

static void compare(void)
{
    size_t count = whole.event_count < split.event_count ? whole.event_count : split.event_count;

    if (was_injected(&whole)) {
        FUZZ_REQUIRE(slice_starts(
            buffer_held(&split.out[DIALOG_SERVER]), buffer_held(&whole.out[DIALOG_SERVER])));
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct run_event *a = &whole.events[i];
        const struct run_event *b = &split.events[i];

        FUZZ_REQUIRE(is_same_event(a, b));
    }
    FUZZ_REQUIRE(whole.event_count == split.event_count);
    FUZZ_REQUIRE(whole.is_over == split.is_over && whole.relays == split.relays);
    for (int side = 0; side < 2; side++)
        FUZZ_REQUIRE(slice_equal(buffer_held(&whole.out[side]), buffer_held(&split.out[side])));
}

int dialog_fuzz(const struct protocol *protocol, const uint8_t *data, size_t n)
{
    struct slice input = fuzz_slice(data, n);

    if (n > RUN_INPUT_MAX)
        return 0;
    play(&whole, protocol, input, SIZE_MAX);
    play(&split, protocol, input, 1);
    compare();
    play(&split, protocol, input, 0);
    compare();
    return 0;
}
