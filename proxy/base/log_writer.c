#include "log_writer.h"

#include "log_line.h"
#include "log_ring.h"
#include "log_sink.h"
#include "mailmux/clock.h"
#include <pthread.h>
#include <signal.h>
#include <time.h>

enum {
    /* SIGUSR1 tells of more than ten thousand sessions before a reader must have read a line. */
    RING_SIZE = 4 * 1024 * 1024,
    /* The writer looks so often whether it is to end although its reader stands still. */
    LOOK_MS = 100,
    /*
     * So long the writer lets lines gather that come right behind others: to wake it for each costs
     * more than the line.
     */
    GATHER_MS = 10,
    GATHER_MAX = RING_SIZE / 4,
    /* A process without a writer waits for its reader so long, in all of its life. */
    PATIENCE_MS = 1000
};

static char ring_bytes[RING_SIZE];

enum writer_state {
    WRITER_NONE,    /* there is no thread, or it is about to end and touches nothing any more */
    WRITER_RUNS,    /* lines wait for the thread in the ring */
    WRITER_ENDS,    /* the thread writes what waits, and then ends */
    WRITER_GIVES_UP /* the thread still hangs at its reader, and writes nothing more */
};

/* The lock guards all but sink and unsaid, which belong to the writer's thread while it runs. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    pthread_cond_t over;
    pthread_t thread;
    enum writer_state state;
    bool is_asleep; /* the next line is to wake it */
    struct log_ring ring;
    struct log_sink sink;
    uint64_t unsaid; /* lines that were lost, and log-lost has not told of them */
    int patience_ms;
} writer = {.lock = PTHREAD_MUTEX_INITIALIZER, .patience_ms = PATIENCE_MS};

static enum writer_state state_now(void)
{
    enum writer_state state;

    (void)pthread_mutex_lock(&writer.lock);
    state = writer.state;
    (void)pthread_mutex_unlock(&writer.lock);
    return state;
}

/* Waits for room. Returns false when this is no longer wanted. */
typedef bool wait_for_room(const struct log_sink *sink);

static bool write_out(const struct log_sink *sink, struct slice line, wait_for_room *wait)
{
    enum log_sink_result result;

    do {
        result = log_sink_write(sink, line);
    } while (result == LOG_SINK_FULL && wait(sink));
    return result == LOG_SINK_TOOK;
}

/*
 * Writes so many lines, if there is any, and before them how many were lost in their front.
 */
static void say(const struct log_sink *sink, struct slice text, unsigned lines, wait_for_room *wait)
{
    struct log_line gap;
    struct slice gap_text;

    if (writer.unsaid > 0) {
        log_open(&gap, LOG_WARNING, "log-lost");
        log_number(&gap, "lines", writer.unsaid);
        gap_text = log_line_end(&gap);
        if (gap_text.n == 0 || write_out(sink, gap_text, wait))
            writer.unsaid = 0;
    }
    if (text.n > 0 && (writer.unsaid > 0 || !write_out(sink, text, wait)))
        writer.unsaid += lines;
}

/* ---- Without a writer ---- */

static bool wait_a_little(const struct log_sink *sink)
{
    uint64_t began = clock_monotonic_ms();
    uint64_t took;

    if (writer.patience_ms == 0)
        return false;
    log_sink_wait(sink, writer.patience_ms);
    took = clock_monotonic_ms() - began;
    writer.patience_ms -= took < (uint64_t)writer.patience_ms ? (int)took : writer.patience_ms;
    return true;
}

static void write_directly(struct slice line)
{
    struct log_sink sink;

    log_sink_open(&sink);
    say(&sink, line, 1, wait_a_little);
    log_sink_close(&sink);
}

/* Returns whether the thread is to look at the ring now. It wakes once for all that then wait. */
static bool must_wake(void)
{
    bool is_asleep = writer.is_asleep;

    writer.is_asleep = false;
    return is_asleep || writer.ring.used >= GATHER_MAX;
}

/* The signal comes behind the lock, which the thread takes as soon as it wakes. */
void log_writer_take(struct slice line)
{
    bool wakes = false;

    (void)pthread_mutex_lock(&writer.lock);
    switch (writer.state) {
    case WRITER_NONE:
        write_directly(line);
        break;
    case WRITER_RUNS:
    case WRITER_ENDS:
        log_ring_put(&writer.ring, line);
        wakes = must_wake();
        break;
    case WRITER_GIVES_UP:
        break; /* the process ends */
    }
    (void)pthread_mutex_unlock(&writer.lock);
    if (wakes)
        (void)pthread_cond_signal(&writer.filled);
}

/* ---- The writer's thread ---- */

static bool wait_for_reader(const struct log_sink *sink)
{
    log_sink_wait(sink, LOOK_MS);
    return state_now() != WRITER_GIVES_UP;
}

static struct timespec moment_after(unsigned ms)
{
    struct timespec moment;

    (void)clock_gettime(CLOCK_MONOTONIC, &moment);
    moment.tv_sec += ms / 1000;
    moment.tv_nsec += (long)(ms % 1000) * 1000000;
    if (moment.tv_nsec >= 1000000000) {
        moment.tv_sec++;
        moment.tv_nsec -= 1000000000;
    }
    return moment;
}

/* Lets lines gather for GATHER_MS. */
static void rest(void)
{
    const struct timespec end = moment_after(GATHER_MS);
    int result = 0;

    while (writer.ring.used < GATHER_MAX && writer.state == WRITER_RUNS && result == 0)
        result = pthread_cond_timedwait(&writer.filled, &writer.lock, &end);
}

static void wait_for_line(void)
{
    while (writer.ring.used == 0 && writer.ring.lost == 0 && writer.state == WRITER_RUNS) {
        writer.is_asleep = true;
        (void)pthread_cond_wait(&writer.filled, &writer.lock);
    }
    writer.is_asleep = false;
}

/* What is written in one call. */
struct piece {
    char text[LOG_LINE_MAX];
    size_t n;
    unsigned lines;
};

/* Adds the lines that were lost before the piece to writer.unsaid. */
static void take_piece(struct piece *piece)
{
    size_t n = log_ring_take(&writer.ring, piece->text, &writer.unsaid);

    piece->n = n;
    piece->lines = n > 0 ? 1 : 0;
    while (n > 0 && !writer.sink.is_by_line) {
        n = log_ring_take_more(
            &writer.ring, piece->text + piece->n, sizeof(piece->text) - piece->n);
        piece->n += n;
        piece->lines += n > 0 ? 1 : 0;
    }
}

/* Waits for lines and takes some. Returns false when there is nothing left to do. */
static bool take_next(struct piece *piece)
{
    bool goes_on;

    (void)pthread_mutex_lock(&writer.lock);
    if (writer.ring.used == 0 && piece->lines > 0)
        rest();
    wait_for_line();
    goes_on = writer.state != WRITER_GIVES_UP && (writer.ring.used > 0 || writer.ring.lost > 0);
    if (goes_on) {
        take_piece(piece);
    } else {
        writer.state = WRITER_NONE;
        (void)pthread_cond_signal(&writer.over);
    }
    (void)pthread_mutex_unlock(&writer.lock);
    return goes_on;
}

static void *run(void *nothing)
{
    struct piece piece;

    piece.lines = 0;
    while (take_next(&piece))
        say(&writer.sink, slice_of(piece.text, piece.n), piece.lines, wait_for_reader);
    return NULL;
}

/* ---- Its start and its end ---- */

/* Signals are for the other threads. Returns whether the thread runs. */
static bool start_thread(void)
{
    sigset_t all;
    sigset_t before;
    bool runs;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    runs = pthread_create(&writer.thread, NULL, run, NULL) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return runs;
}

bool log_writer_start(void)
{
    pthread_condattr_t monotonic;

    if (state_now() != WRITER_NONE)
        return false;
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&writer.filled, &monotonic);
    (void)pthread_cond_init(&writer.over, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    log_ring_init(&writer.ring, ring_bytes, sizeof(ring_bytes));
    log_sink_open(&writer.sink);
    writer.state = WRITER_RUNS;
    if (start_thread())
        return true;
    writer.state = WRITER_NONE;
    log_sink_close(&writer.sink);
    return false;
}

/* Returns whether the thread has written all and ended. */
static bool wait_for_thread(unsigned patience_ms)
{
    const struct timespec end = moment_after(patience_ms);
    int result = 0;
    bool has_ended;

    (void)pthread_mutex_lock(&writer.lock);
    writer.state = WRITER_ENDS;
    (void)pthread_cond_signal(&writer.filled);
    while (writer.state != WRITER_NONE && result == 0)
        result = pthread_cond_timedwait(&writer.over, &writer.lock, &end);
    has_ended = writer.state == WRITER_NONE;
    if (!has_ended) {
        writer.state = WRITER_GIVES_UP;
        writer.patience_ms = 0;
    }
    (void)pthread_mutex_unlock(&writer.lock);
    return has_ended;
}

void log_writer_stop(unsigned patience_ms)
{
    if (state_now() != WRITER_RUNS)
        return;
    if (wait_for_thread(patience_ms)) {
        (void)pthread_join(writer.thread, NULL);
        log_sink_close(&writer.sink);
    } else {
        (void)pthread_detach(writer.thread);
    }
}
