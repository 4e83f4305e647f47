/* Twins that get the same flight of records again and again, cut at every place. */
#include "record_twins_parts.h"

enum { FLIGHTS = 30 /* of one handshake, which a limit on KeyUpdates allows */, SMALL_READ = 7 };

/* Seals records of every kind, and returns how many octets they are on the wire. */
static size_t seal_short(struct twins *twins)
{
    twins->batch.n = 0;
    twins_seal_data(twins, 1);
    twins_seal_data(twins, 0);
    twins_seal_padded(twins, 3, 9);
    if (twins->is_client)
        twins_seal_ticket(twins, 4, 0);
    twins_seal_data(twins, 20);
    twins_seal_key_update(twins, SSL_KEY_UPDATE_REQUESTED, 0);
    twins_seal_data(twins, 2);
    return twins->batch.n;
}

/* As seal_short: the most that a record can have, and the most that a sealed one may be. */
static size_t seal_large(struct twins *twins)
{
    twins->batch.n = 0;
    twins_seal_data(twins, RECORD_CONTENT_MAX);
    twins_seal_padded(twins, 5, RECORD_CONTENT_MAX - 6);
    twins_seal_data(twins, 1);
    return twins->batch.n;
}

/* Gives them the batch, cut at both places. */
static const char *fly(struct twins *twins, size_t first, size_t second)
{
    size_t cap = (first + second) % 2 == 0 ? SMALL_READ : TWINS_READ;
    const char *difference;

    twins_feed(twins, 0, first, cap);
    twins_feed(twins, first, second - first, cap);
    twins_feed(twins, second, twins->batch.n - second, cap);
    twins->answer = DUE;
    twins_write(twins, 1 + first % 50);
    difference = twins_compare_all(twins);
    return difference;
}

/* Begins anew after some flights. */
static void refresh(struct twins *twins, const struct tls_bench *bench, bool is_client,
    enum traffic_suite suite, size_t flight)
{
    if (flight % FLIGHTS != 0)
        return;
    if (flight > 0)
        (void)twins_end(twins);
    twins_begin(twins, bench, is_client, suite);
}

const char *record_twins_cut_short(const struct tls_bench *bench, bool is_client,
    enum traffic_suite suite, size_t step, struct record_count *count)
{
    struct twins twins = {.count = count};
    const char *difference = NULL;
    size_t flight = 0;
    size_t n = 1;

    for (size_t first = 0; first < n && !difference; first++) {
        for (size_t second = first; second <= n && !difference; second += step) {
            refresh(&twins, bench, is_client, suite, flight++);
            n = seal_short(&twins);
            difference = fly(&twins, first, second);
        }
    }
    return twins_end(&twins) ? difference : "a buffer that was not given back";
}

const char *record_twins_cut_large(const struct tls_bench *bench, bool is_client,
    enum traffic_suite suite, size_t step, struct record_count *count)
{
    struct twins twins = {.count = count};
    const char *difference = NULL;
    size_t flight = 0;
    size_t n = 1;

    for (size_t cut = 0; cut < n && !difference; cut += step) {
        refresh(&twins, bench, is_client, suite, flight++);
        n = seal_large(&twins);
        difference = fly(&twins, cut, n);
    }
    return twins_end(&twins) ? difference : "a buffer that was not given back";
}
