#include "memory_wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct memory_wire *memory_of(struct wire *wire)
{
    return (struct memory_wire *)(void *)wire; /* its first member */
}

static void append(struct memory_bytes *bytes, struct slice more)
{
    if (more.n == 0)
        return;
    if (bytes->n + more.n > bytes->cap) {
        size_t cap = (bytes->n + more.n) * 2;
        char *grown = realloc(bytes->data, cap);

        if (!grown)
            abort(); /* without memory a test proves nothing */
        bytes->data = grown;
        bytes->cap = cap;
    }
    memcpy(bytes->data + bytes->n, more.p, more.n);
    bytes->n += more.n;
}

static void drop(struct memory_bytes *bytes, size_t n)
{
    if (n == 0)
        return;
    memmove(bytes->data, bytes->data + n, bytes->n - n);
    bytes->n -= n;
}

uint64_t memory_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* How many of n bytes this call may move. */
static size_t allowed(struct memory_script *script, size_t n)
{
    size_t most = n;

    if (script->count > 0) {
        most = script->sizes[script->next];
        if (script->next + 1 < script->count)
            script->next++;
        else if (script->is_cycle)
            script->next = 0;
    } else if (script->random != 0) {
        most = (size_t)(memory_random(&script->random) % (script->most + 1));
    }
    return most < n ? most : n;
}

/* How many octets a receive gives, at most *n: IO_OK, and *n says it. */
static enum io may_receive(struct memory_wire *memory, size_t *n)
{
    memory->receive_calls++;
    if (memory->inbox.n < *n)
        *n = memory->inbox.n;
    if (*n == 0 && memory->failure != 0) {
        errno = memory->failure;
        return IO_ERR;
    }
    if (*n == 0)
        return memory->inbox_ended ? IO_EOF : IO_AGAIN;
    *n = allowed(&memory->receives, *n);
    return *n > 0 ? IO_OK : IO_AGAIN;
}

static enum io receive(struct wire *wire, char *into, size_t cap, size_t *got)
{
    struct memory_wire *memory = memory_of(wire);
    enum io status = may_receive(memory, &cap);

    if (status != IO_OK)
        return status;
    memcpy(into, memory->inbox.data, cap);
    drop(&memory->inbox, cap);
    *got = cap;
    return IO_OK;
}

static enum io receive_into(struct wire *wire, struct duct *duct, size_t cap, size_t *got)
{
    struct memory_wire *memory = memory_of(wire);
    enum io status = may_receive(memory, &cap);
    ssize_t put;

    memory->duct_calls++;
    if (status != IO_OK || memory->lacks_splice)
        return status;
    put = write(duct->into, memory->inbox.data, cap);
    if (put <= 0)
        abort(); /* an empty duct takes something */
    drop(&memory->inbox, (size_t)put);
    *got = (size_t)put;
    return IO_OK;
}

/* How many more bytes the peer's kernel would take. */
static size_t window_of(const struct memory_wire *memory)
{
    const struct memory_bytes *way = memory->peer ? &memory->peer->inbox : &memory->outbox;

    if (memory->window == 0)
        return SIZE_MAX;
    return memory->window > way->n ? memory->window - way->n : 0;
}

/* How many octets a send takes, at most *n: IO_OK, and *n says it. */
static enum io may_send(struct memory_wire *memory, size_t *n)
{
    size_t window = window_of(memory);

    memory->send_calls++;
    if (memory->failure != 0 || memory->finished) {
        errno = memory->failure != 0 ? memory->failure : EPIPE;
        return IO_ERR;
    }
    if (window < *n)
        *n = window;
    *n = *n > 0 ? allowed(&memory->sends, *n) : 0;
    return *n > 0 ? IO_OK : IO_AGAIN;
}

static void deliver(struct memory_wire *memory, struct slice bytes)
{
    append(memory->peer ? &memory->peer->inbox : &memory->outbox, bytes);
}

static enum io transmit(struct wire *wire, struct slice bytes, size_t *sent)
{
    struct memory_wire *memory = memory_of(wire);
    enum io status = may_send(memory, &bytes.n);

    if (status != IO_OK)
        return status;
    deliver(memory, bytes);
    *sent = bytes.n;
    return IO_OK;
}

static enum io send_from(struct wire *wire, struct duct *duct, size_t *sent)
{
    static char bytes[DUCT_READ];
    struct memory_wire *memory = memory_of(wire);
    size_t n = duct->held;
    enum io status = may_send(memory, &n);

    if (status != IO_OK)
        return status;
    if (n > sizeof(bytes) || read(duct->out, bytes, n) != (ssize_t)n)
        abort(); /* it holds what is counted */
    deliver(memory, slice_of(bytes, n));
    *sent = n;
    return IO_OK;
}

static void finish(struct wire *wire)
{
    struct memory_wire *memory = memory_of(wire);

    memory->finished = true;
    if (memory->peer)
        memory_wire_feed_end(memory->peer);
}

static int connect_result(const struct wire *wire)
{
    return ((const struct memory_wire *)(const void *)wire)->refusal;
}

static bool local_address(const struct wire *wire, struct address *out)
{
    (void)wire;
    (void)out;
    return false;
}

static size_t waiting(const struct wire *wire)
{
    return ((const struct memory_wire *)(const void *)wire)->inbox.n;
}

static size_t unacknowledged(const struct wire *wire)
{
    const struct memory_wire *memory = (const struct memory_wire *)(const void *)wire;

    return memory->failure == 0 && !memory->peer ? memory->outbox.n : 0;
}

static void set_patience(struct wire *wire, uint64_t ms)
{
    memory_of(wire)->patience_ms = ms;
}

static void watch(struct wire *wire, unsigned events)
{
    (void)events;
    memory_of(wire)->watch_calls++;
}

static void close_memory(struct wire *wire, bool reset)
{
    struct memory_wire *memory = memory_of(wire);

    memory->closed = true;
    memory->closed_with_reset = reset;
    if (memory->peer && reset)
        memory->peer->failure = ECONNRESET;
    else if (memory->peer)
        memory_wire_feed_end(memory->peer);
}

static const struct wire_ops memory_ops = {
    .receive = receive,
    .send = transmit,
    .receive_into = receive_into,
    .send_from = send_from,
    .finish = finish,
    .connect_result = connect_result,
    .local_address = local_address,
    .waiting = waiting,
    .unacknowledged = unacknowledged,
    .set_patience = set_patience,
    .watch = watch,
    .close = close_memory,
};

void memory_wire_init(struct memory_wire *wire)
{
    *wire = (struct memory_wire){0};
    wire_init(&wire->wire, &memory_ops, WIRE_READABLE | WIRE_WRITABLE);
}

void memory_wire_init_connecting(struct memory_wire *wire, int refusal)
{
    *wire = (struct memory_wire){.refusal = refusal};
    wire_init(&wire->wire, &memory_ops, 0);
}

void memory_wire_init_pair(struct memory_wire *a, struct memory_wire *b)
{
    memory_wire_init(a);
    memory_wire_init(b);
    a->peer = b;
    b->peer = a;
}

void memory_wire_deinit(struct memory_wire *wire)
{
    if (wire->peer)
        wire->peer->peer = NULL;
    free(wire->inbox.data);
    free(wire->outbox.data);
    *wire = (struct memory_wire){0};
}

void memory_wire_feed(struct memory_wire *wire, struct slice bytes)
{
    append(&wire->inbox, bytes);
}

void memory_wire_feed_end(struct memory_wire *wire)
{
    wire->inbox_ended = true;
    wire->wire.is_last = true;
}

void memory_wire_fail(struct memory_wire *wire, int failure)
{
    wire->failure = failure;
}

struct slice memory_wire_sent(const struct memory_wire *wire)
{
    return wire->outbox.n > 0 ? slice_of(wire->outbox.data, wire->outbox.n) : slice_of("", 0);
}

void memory_wire_drop(struct memory_wire *wire, size_t n)
{
    drop(&wire->outbox, n);
}

void memory_wire_set_one_byte(struct memory_wire *wire)
{
    static const size_t one[] = {1};

    wire->receives = (struct memory_script){.sizes = one, .count = 1};
    wire->sends = wire->receives;
}

void memory_wire_set_random(struct memory_wire *wire, uint64_t seed, size_t most)
{
    wire->receives = (struct memory_script){.random = seed, .most = most};
    wire->sends = (struct memory_script){.random = ~seed, .most = most};
}

unsigned memory_wire_state(const struct memory_wire *wire)
{
    unsigned state = 0;

    if (wire->inbox.n > 0 || wire->inbox_ended || wire->failure != 0)
        state |= WIRE_READABLE;
    if (window_of(wire) > 0 || wire->failure != 0)
        state |= WIRE_WRITABLE;
    if (wire->failure != 0)
        state |= WIRE_HANGUP;
    return state;
}

unsigned memory_wire_poll(struct memory_wire *wire)
{
    unsigned events;

    if (wire->closed)
        return 0;
    events = memory_wire_state(wire) & wire->wire.watched;
    if (events & WIRE_HANGUP)
        wire->wire.watched &= ~(unsigned)WIRE_HANGUP; /* reported once, as by a socket */
    if (events != 0)
        wire_report(&wire->wire, events);
    return events;
}

void memory_wire_refresh(struct memory_wire *wire)
{
    wire->wire.ready |= memory_wire_state(wire) & (WIRE_READABLE | WIRE_WRITABLE);
}
