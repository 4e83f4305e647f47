/* Ticket keys: rotation, sharing, and files of other programs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "certificates.h"
#include "stream_bench.h"
#include "tls_context.h"
#include "tls_info.h"
#include "tls_tickets.h"
#include <openssl/evp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { PERIOD_MS = 10000000 };

/* The clock of the process (--wrap, tests/unit/CMakeLists.txt), ahead by what a test has let pass.
 */
uint64_t __real_clock_monotonic_ms(void);
uint64_t __wrap_clock_monotonic_ms(void);

static atomic_uint_fast64_t passed_ms;

uint64_t __wrap_clock_monotonic_ms(void)
{
    return __real_clock_monotonic_ms() + atomic_load(&passed_ms);
}

/* The library's clock, which its lifetimes are measured by: it calls this one. */
time_t time(time_t *out)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += (time_t)(atomic_load(&passed_ms) / 1000);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

static void pass(uint64_t ms)
{
    (void)atomic_fetch_add(&passed_ms, ms);
}

static char *directory;
static struct tls_set *set;

static int setup_group(void **state)
{
    const char *certificate;
    const char *key;
    struct tls_fault fault;

    (void)state;
    directory = certificates_directory_new();
    certificates_make(directory, &(struct certificate_request){.file = "a", .name = "a.example"});
    certificate = certificates_path(directory, "a", "pem");
    key = certificates_path(directory, "a", "key");
    set = tls_set_new(&(struct tls_set_parameters){.name = "default",
                          .certificate_count = 1,
                          .certificates = &certificate,
                          .keys = &key,
                          .tickets = 1,
                          .rules = {.policy = TLS_INTERMEDIATE}},
        &fault);
    return set ? 0 : -1;
}

static int teardown_group(void **state)
{
    (void)state;
    tls_set_free(&set);
    certificates_directory_free(&directory);
    return 0;
}

/* Visits with *session (taken), leaves the newest one there; whether it resumed. */
static bool visit(struct tls_tickets *tickets, SSL_SESSION **session, int version)
{
    const struct tls_service service = {
        .listener = "l", .protocol = "imap", .set_count = 1, .sets = &set, .tickets = tickets};
    struct stream_bench bench;
    struct memory_tls peer;
    struct tls_info info;

    stream_bench_open(&bench);
    memory_tls_init_client(&peer, &bench.wire, NULL);
    assert_int_equal(SSL_set_max_proto_version(peer.ssl, version), 1);
    if (*session) {
        /* A copy: the library marks one that was renewed as used up. */
        SSL_SESSION *copy = SSL_SESSION_dup(*session);

        assert_int_equal(SSL_set_session(peer.ssl, copy), 1);
        SSL_SESSION_free(copy);
    }
    assert_int_equal(stream_start_tls_server(&bench.stream, &service, NULL), IO_OK);
    assert_int_equal(stream_bench_shake(&bench, &peer), IO_OK);
    assert_int_equal(stream_bench_write(&bench, &peer, SLICE("* OK\r\n")), IO_OK);
    memory_tls_end(&peer);
    assert_true(stream_tls_info(&bench.stream, &info));
    /* A renewed ticket of TLS 1.2 is not announced, but the session has it. */
    SSL_SESSION_free(*session);
    *session =
        peer.session && version == TLS1_3_VERSION ? peer.session : SSL_get0_session(peer.ssl);
    assert_int_equal(SSL_SESSION_up_ref(*session), 1);
    memory_tls_deinit(&peer);
    assert_true(stream_bench_close(&bench));
    return info.resumed;
}

/* Writes once to a client of TLS 1.3. Its ticket comes with the octets and costs no other send. */
static void write_first(bool by_octets)
{
    struct error error;
    struct tls_tickets *tickets = tls_tickets_new(PERIOD_MS, &error);
    const struct tls_service service = {
        .listener = "l", .protocol = "imap", .set_count = 1, .sets = &set, .tickets = tickets};
    struct stream_bench bench;
    struct memory_tls peer;
    unsigned sends;

    assert_non_null(tickets);
    stream_bench_open(&bench);
    memory_tls_init_client(&peer, &bench.wire, NULL);
    assert_int_equal(stream_start_tls_server(&bench.stream, &service, NULL), IO_OK);
    assert_int_equal(stream_bench_shake(&bench, &peer), IO_OK);
    (void)memory_tls_step(&peer);
    assert_true(peer.is_up);
    assert_null(peer.session);
    if (by_octets)
        memory_wire_set_one_byte(&bench.wire);
    sends = bench.wire.send_calls;
    assert_int_equal(stream_bench_write(&bench, &peer, SLICE("* OK\r\n")), IO_OK);
    (void)memory_tls_step(&peer);
    assert_true(slice_equal(memory_tls_heard(&peer), SLICE("* OK\r\n")));
    assert_non_null(peer.session);
    if (!by_octets)
        assert_int_equal(bench.wire.send_calls, sends + 1);
    memory_tls_deinit(&peer);
    assert_true(stream_bench_close(&bench));
    tls_tickets_unref(&tickets);
}

/* C89. A client that goes before it has heard anything gets no ticket, which would cost us most. */
static void test_a_ticket_comes_with_the_first_octets(void **state)
{
    (void)state;
    write_first(false);
    write_first(true);
}

/* C89. The clock is put forward, nobody waits for it. */
static void test_rotation(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct error error;
        struct tls_tickets *tickets = tls_tickets_new(PERIOD_MS, &error);
        SSL_SESSION *session = NULL;
        SSL_SESSION *kept;

        assert_non_null(tickets);
        assert_false(visit(tickets, &session, versions[i]));
        kept = session;
        assert_int_equal(SSL_SESSION_up_ref(kept), 1);
        assert_true(visit(tickets, &session, versions[i]));
        SSL_SESSION_free(session);
        session = kept;
        assert_int_equal(SSL_SESSION_up_ref(kept), 1);
        pass(PERIOD_MS + 1000);
        assert_true(visit(tickets, &session, versions[i])); /* by the key before */
        assert_ptr_not_equal(session, kept);                /* and got a new one */
        SSL_SESSION_free(session);
        session = kept;
        assert_int_equal(SSL_SESSION_up_ref(kept), 1);
        pass(PERIOD_MS + 2000);
        assert_false(visit(tickets, &session, versions[i]));
        SSL_SESSION_free(session);
        SSL_SESSION_free(kept);
        tls_tickets_unref(&tickets);
    }
}

/* After a silence of two periods neither key is good any more. */
static void test_long_silence(void **state)
{
    struct error error;
    struct tls_tickets *tickets = tls_tickets_new(PERIOD_MS, &error);
    SSL_SESSION *session = NULL;

    (void)state;
    assert_non_null(tickets);
    (void)visit(tickets, &session, TLS1_3_VERSION);
    pass(5LL * PERIOD_MS);
    assert_false(visit(tickets, &session, TLS1_3_VERSION));
    SSL_SESSION_free(session);
    tls_tickets_unref(&tickets);
}

/*
 * A ticket of TLS 1.3 is renewed at each visit. The session ends all the same twelve hours after
 * its full handshake [RFC 8446 4.6.1].
 */
static void test_renewals_end(void **state)
{
    enum { HOUR_MS = 60 * 60 * 1000, PERIOD_OF_A_WEEK_MS = 7 * 24 * HOUR_MS };
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct error error;
        struct tls_tickets *tickets = tls_tickets_new(PERIOD_OF_A_WEEK_MS, &error);
        SSL_SESSION *session = NULL;

        assert_false(visit(tickets, &session, versions[i]));
        for (int hours = 0; hours < 10; hours += 5) {
            pass(5 * HOUR_MS);
            assert_true(visit(tickets, &session, versions[i]));
        }
        if (versions[i] == TLS1_3_VERSION)
            assert_in_range(SSL_SESSION_get_ticket_lifetime_hint(session), 1, 2 * 60 * 60);
        pass(3 * HOUR_MS);
        assert_false(visit(tickets, &session, versions[i]));
        assert_true(visit(tickets, &session, versions[i]));
        SSL_SESSION_free(session);
        tls_tickets_unref(&tickets);
    }
}

static const char *write_file(const char *name, const void *bytes, size_t n)
{
    const char *path = certificates_path(directory, name, "tickets");
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
    return path;
}

static void fill(unsigned char *key, size_t n, unsigned char with)
{
    for (size_t i = 0; i < n; i++)
        key[i] = (unsigned char)(with + i);
}

static struct tls_tickets *load(const char *const *files, size_t count)
{
    struct error error = {0};
    size_t failed;
    struct tls_tickets *tickets = tls_tickets_from_files(files, count, &failed, &error);

    if (!tickets)
        print_error("%s\n", error.text);
    assert_non_null(tickets);
    return tickets;
}

/* Whether a ticket of `from` is good at `to`. */
static bool passes(struct tls_tickets *from, struct tls_tickets *to)
{
    SSL_SESSION *session = NULL;
    bool resumed;

    assert_false(visit(from, &session, TLS1_3_VERSION));
    resumed = visit(to, &session, TLS1_3_VERSION);
    SSL_SESSION_free(session);
    return resumed;
}

/* Two machines with the same files; the first encrypts, all decrypt. */
static void test_raw_files(void **state)
{
    unsigned char small[48];
    unsigned char large[80];
    const char *files[2];
    const char *turned[2];
    struct tls_tickets *one;
    struct tls_tickets *two;
    struct tls_tickets *alone;

    (void)state;
    fill(small, sizeof(small), 1);
    fill(large, sizeof(large), 77);
    files[0] = turned[1] = write_file("small", small, sizeof(small));
    files[1] = turned[0] = write_file("large", large, sizeof(large));
    one = load(files, 2);
    two = load(turned, 2);
    alone = load(files + 1, 1);
    assert_true(passes(one, two));
    assert_true(passes(two, one));
    assert_true(passes(two, alone));
    assert_true(passes(alone, one));
    assert_false(passes(one, alone)); /* encrypted by `small` */
    tls_tickets_unref(&one);
    tls_tickets_unref(&two);
    tls_tickets_unref(&alone);
}

static size_t add_line(char *text, size_t at, const unsigned char *key, size_t n)
{
    at += (size_t)EVP_EncodeBlock((unsigned char *)text + at, key, (int)n);
    text[at++] = '\n';
    return at;
}

/* Base64: the last but one encrypts; 80 bytes have cipher and MAC the other way round than raw. */
static void test_base64_file(void **state)
{
    unsigned char key[3][80];
    unsigned char swapped[80];
    char text[1000];
    size_t n = 0;
    const char *file;
    const char *raw;
    struct tls_tickets *lines;
    struct tls_tickets *one;

    (void)state;
    for (unsigned char i = 0; i < 3; i++) {
        fill(key[i], sizeof(key[i]), (unsigned char)(i * 80));
        n = add_line(text, n, key[i], i == 0 ? 48 : 80);
    }
    file = write_file("lines", text, n);
    lines = load(&file, 1);
    memcpy(swapped, key[1], 16);
    memcpy(swapped + 16, key[1] + 48, 32);
    memcpy(swapped + 48, key[1] + 16, 32);
    raw = write_file("raw", swapped, sizeof(swapped));
    one = load(&raw, 1);
    assert_true(passes(lines, one));
    assert_true(passes(one, lines));
    tls_tickets_unref(&one);
    raw = write_file("raw", key[1], sizeof(key[1]));
    one = load(&raw, 1);
    assert_false(passes(lines, one));
    tls_tickets_unref(&one);
    raw = write_file("raw", key[0], 48);
    one = load(&raw, 1);
    assert_true(passes(one, lines));
    assert_false(passes(lines, one));
    tls_tickets_unref(&one);
    tls_tickets_unref(&lines);
}

static void test_bad_files(void **state)
{
    static const char *const texts[] = {"", "short", "not base64 at all!\n", "AAAA\n"};
    struct error error;
    size_t failed;
    const char *missing[] = {NULL, "/nonexistent"};
    unsigned char key[48] = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *file = write_file("bad", texts[i], strlen(texts[i]));

        assert_null(tls_tickets_from_files(&file, 1, &failed, &error));
        assert_non_null(strstr(error.text, "48 or 80"));
    }
    missing[0] = write_file("good", key, sizeof(key));
    assert_null(tls_tickets_from_files(missing, 2, &failed, &error));
    assert_int_equal(failed, 1);
    assert_non_null(strstr(error.text, "No such file"));
    assert_null(tls_tickets_from_files(NULL, 0, &failed, &error));
}

enum { THREADS = 4, VISITS = 20 };

struct worker {
    struct tls_tickets *tickets;
    unsigned resumed;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct tls_tickets *tickets = tls_tickets_ref(worker->tickets);
    SSL_SESSION *session = NULL;

    for (unsigned i = 0; i < VISITS; i++) {
        if (visit(tickets, &session, i % 2 == 0 ? TLS1_3_VERSION : TLS1_2_VERSION))
            worker->resumed++;
    }
    SSL_SESSION_free(session);
    tls_tickets_unref(&tickets);
    return NULL;
}

/* Workers share one set and one ring of keys, while they rotate. */
static void test_threads(void **state)
{
    struct error error;
    struct tls_tickets *tickets = tls_tickets_new(PERIOD_MS, &error);
    struct worker workers[THREADS];
    pthread_t threads[THREADS];

    (void)state;
    assert_non_null(tickets);
    for (size_t i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.tickets = tickets};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 10; i++)
        pass(2LL * PERIOD_MS);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    tls_tickets_unref(&tickets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_ticket_comes_with_the_first_octets),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_long_silence),
        cmocka_unit_test(test_renewals_end),
        cmocka_unit_test(test_raw_files),
        cmocka_unit_test(test_base64_file),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
