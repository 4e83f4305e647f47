/*
 * What TLS leaves in memory: a stream that waits has no buffer of records, and no password is in
 * memory that the library gives back. The library allocates by way of this file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "certificates.h"
#include "tls_bench.h"
#include "tls_client.h"
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD = 16384, TURNS = 8 };

static const char secret[] = "a LOGIN alice open-sesame";

/* In front of each block. */
struct head {
    size_t n;
    size_t is_noted;
};

static bool watches;      /* a stream is at work, and not its peer */
static size_t noted;      /* blocks that were large enough for a record, since it was set to 0 */
static size_t noted_live; /* those that were not given back */
static size_t leaks;      /* blocks that were given back with the secret inside */

static void *take(size_t n, const char *file, int line)
{
    struct head *head = malloc(sizeof(*head) + n);

    (void)file;
    (void)line;
    if (!head)
        return NULL;
    *head = (struct head){.n = n, .is_noted = watches && n >= RECORD};
    noted += head->is_noted;
    noted_live += head->is_noted;
    return head + 1;
}

static void give(void *block, const char *file, int line)
{
    struct head *head = block ? (struct head *)block - 1 : NULL;

    (void)file;
    (void)line;
    if (!head)
        return;
    noted_live -= head->is_noted;
    if (head->is_noted && memmem(block, head->n, secret, strlen(secret)))
        leaks++;
    free(head);
}

static void *take_again(void *block, size_t n, const char *file, int line)
{
    void *other = take(n, file, line);
    size_t before = block ? ((struct head *)block - 1)->n : 0;

    if (!other)
        return NULL;
    if (before > 0)
        memcpy(other, block, before < n ? before : n);
    give(block, file, line);
    return other;
}

/* Lets both shake hands. Behind it none of the stream's buffers is left. */
static void shake(struct stream_bench *bench, struct memory_tls *peer)
{
    enum io status = IO_AGAIN;

    for (int turn = 0; turn < TURNS; turn++) {
        (void)memory_tls_step(peer);
        memory_wire_refresh(&bench->wire);
        watches = true;
        status = stream_handshake(&bench->stream);
        watches = false;
    }
    assert_int_equal(status, IO_OK);
    assert_true(peer->is_up);
    assert_int_equal(noted_live, 0);
}

/* Reads n octets that the peer has said, and no more. */
static void read_all(struct stream_bench *bench, size_t n)
{
    char bytes[256];
    size_t got = 0;

    noted = 0;
    watches = true;
    assert_int_equal(stream_bench_read(bench, bytes, sizeof(bytes), &got), IO_AGAIN);
    watches = false;
    assert_int_equal(got, n);
    assert_true(noted > 0);
}

static void talk(struct stream_bench *bench, struct memory_tls *peer)
{
    shake(bench, peer);
    memory_tls_say(peer, SLICE("one\r\n"));
    read_all(bench, 5);
    assert_int_equal(noted_live, 0);
    noted = 0;
    watches = true;
    assert_int_equal(stream_bench_write(bench, NULL, SLICE("two\r\n")), IO_OK);
    watches = false;
    assert_true(noted > 0);
    assert_int_equal(noted_live, 0);
}

/* In both roles: an idle session would hold them as long as it lives. */
static void test_a_stream_that_waits_has_no_buffers(void **state)
{
    struct tls_bench *tls = *state;
    struct tls_fault fault;
    struct tls_client *client = tls_client_new(
        &(struct tls_client_parameters){.no_verify = true, .rules = {.policy = TLS_INTERMEDIATE}},
        &fault);
    struct stream_bench bench;
    struct memory_tls peer;

    assert_true(tls_bench_begin(tls, &bench, &peer));
    talk(&bench, &peer);
    assert_true(tls_bench_end(&bench, &peer));

    assert_non_null(client);
    stream_bench_open(&bench);
    memory_tls_init_server(&peer, &bench.wire, certificates_path(tls->directory, "a", "pem"),
        certificates_path(tls->directory, "a", "key"));
    assert_int_equal(stream_start_tls_client(&bench.stream, client, NULL, NULL), IO_OK);
    talk(&bench, &peer);
    assert_true(tls_bench_end(&bench, &peer));
    tls_client_unref(&client);
}

/* Returns in how many buffers the secret was left. */
static size_t leaks_of(const struct tls_bench *tls, bool is_secret)
{
    struct stream_bench bench;
    struct memory_tls peer;

    assert_true(tls_bench_begin(tls, &bench, &peer));
    shake(&bench, &peer);
    stream_set_secret(&bench.stream, is_secret);
    leaks = 0;
    memory_tls_say(&peer, slice_from(secret));
    read_all(&bench, strlen(secret));
    assert_int_equal(noted_live, 0);
    assert_true(tls_bench_end(&bench, &peer));
    return leaks;
}

/* C118 */
static void test_what_may_be_a_password_is_overwritten(void **state)
{
    assert_int_equal(leaks_of(*state, true), 0);
    assert_int_equal(leaks_of(*state, false), 1); /* so the test would see it */
}

/* A record that has come by half stays, and its other half is joined to it. */
static void test_half_a_record_stays(void **state)
{
    struct stream_bench bench;
    struct memory_tls peer;
    char bytes[64];
    size_t got = 0;

    assert_true(tls_bench_begin(*state, &bench, &peer));
    shake(&bench, &peer);
    memory_tls_say(&peer, slice_from(secret));
    memory_wire_set_one_byte(&bench.wire);
    for (int turn = 0; got == 0 && turn < 4 * RECORD; turn++) {
        memory_wire_refresh(&bench.wire);
        assert_int_not_equal(stream_read(&bench.stream, bytes, sizeof(bytes), &got), IO_ERR);
    }
    assert_true(slice_equal(slice_of(bytes, got), slice_from(secret)));
    assert_true(tls_bench_end(&bench, &peer));
}

static int setup_group(void **state)
{
    static struct tls_bench tls;

    *state = &tls;
    return tls_bench_init(&tls) ? 0 : -1;
}

static int teardown_group(void **state)
{
    tls_bench_deinit(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stream_that_waits_has_no_buffers),
        cmocka_unit_test(test_what_may_be_a_password_is_overwritten),
        cmocka_unit_test(test_half_a_record_stays),
    };

    if (CRYPTO_set_mem_functions(take, take_again, give) != 1)
        return 1;
    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
