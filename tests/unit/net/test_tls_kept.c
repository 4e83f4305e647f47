/* Sessions with servers that are kept: which one is taken, how many, and until when. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/clock.h"
#include "tls_kept.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HOUR_MS = 60 * 60 * 1000, LIFETIME_S = 1000 };

/* The clock, ahead by what a test has let pass (--wrap, tests/unit/CMakeLists.txt). */
uint64_t __real_clock_monotonic_ms(void);
uint64_t __wrap_clock_monotonic_ms(void);

static uint64_t passed_ms;

uint64_t __wrap_clock_monotonic_ms(void)
{
    return __real_clock_monotonic_ms() + passed_ms;
}

static struct tls_place *enter(struct tls_kept *kept, const char *address, const char *name)
{
    struct address at;
    struct tls_place *place;

    assert_true(address_parse_ip(slice_from(address), 993, &at));
    place = tls_place_enter(kept, &at, name);
    assert_non_null(place);
    return place;
}

/* Makes one that can be resumed, and is told from others by its number. */
static SSL_SESSION *session_new(unsigned char number, int64_t begin_s)
{
    SSL_SESSION *session = SSL_SESSION_new();

    assert_non_null(session);
    assert_int_equal(SSL_SESSION_set1_id(session, &number, 1), 1);
    (void)SSL_SESSION_set_time(session, (long)begin_s);
    (void)SSL_SESSION_set_timeout(session, LIFETIME_S);
    return session;
}

static void keep(struct tls_place *place, unsigned char number, int64_t begin_s, int64_t end_s)
{
    SSL_SESSION *session = session_new(number, begin_s);

    tls_place_keep(place, session, end_s);
    SSL_SESSION_free(session);
}

/* Takes one. Returns its number, or -1 if there is none. */
static int take(struct tls_place *place)
{
    SSL_SESSION *session = tls_place_take(place);
    unsigned n = 0;
    int number = session ? *SSL_SESSION_get_id(session, &n) : -1;

    SSL_SESSION_free(session);
    return number;
}

static void test_the_newest_is_taken_once(void **state)
{
    struct tls_kept *kept = tls_kept_new(true);
    struct tls_place *place = enter(kept, "192.0.2.1", "mx.example");

    (void)state;
    assert_int_equal(take(place), -1);
    keep(place, 1, time(NULL), 0);
    keep(place, 2, time(NULL), 0);
    assert_int_equal(take(place), 2);
    assert_int_equal(take(place), 1);
    assert_int_equal(take(place), -1);
    tls_place_leave(&place);
    tls_kept_free(&kept);
}

/* A16: neither with another address nor under another name. */
static void test_it_stays_at_its_place(void **state)
{
    static const char *const others[][2] = {
        {"192.0.2.2", "mx.example"}, {"192.0.2.1", "mx"}, {"192.0.2.1", ""}, {"::1", "mx.example"}};
    struct tls_kept *kept = tls_kept_new(true);
    struct tls_place *place = enter(kept, "192.0.2.1", "mx.example");

    (void)state;
    keep(place, 1, time(NULL), 0);
    tls_place_leave(&place);
    assert_null(place);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        place = enter(kept, others[i][0], others[i][1]);
        assert_int_equal(take(place), -1);
        tls_place_leave(&place);
    }
    place = enter(kept, "192.0.2.1", "mx.example"); /* none was there in between */
    assert_int_equal(take(place), 1);
    tls_place_leave(&place);
    tls_kept_free(&kept);
}

static void test_a_place_keeps_some(void **state)
{
    struct tls_kept *kept = tls_kept_new(true);
    struct tls_place *place = enter(kept, "192.0.2.1", "mx.example");

    (void)state;
    for (unsigned char i = 0; i < 2 * TLS_KEPT_AT_A_PLACE; i++)
        keep(place, i, time(NULL), 0);
    for (int i = 2 * TLS_KEPT_AT_A_PLACE - 1; i >= TLS_KEPT_AT_A_PLACE; i--)
        assert_int_equal(take(place), i);
    assert_int_equal(take(place), -1);
    tls_place_leave(&place);
    tls_kept_free(&kept);
}

/* Of all places together, the oldest goes first. */
static void test_a_store_keeps_some(void **state)
{
    enum { MORE = 10 };
    struct tls_kept *kept = tls_kept_new(true);

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < TLS_KEPT_MAX + MORE; i++) {
            char address[32];
            struct tls_place *place;

            (void)snprintf(address, sizeof(address), "198.18.%d.%d", i / 256, i % 256);
            place = enter(kept, address, "mx.example");
            if (round == 0)
                keep(place, 1, time(NULL), 0);
            else
                assert_int_equal(take(place), i < MORE ? -1 : 1);
            tls_place_leave(&place);
        }
    }
    tls_kept_free(&kept);
}

static void test_none_is_taken_after_its_end(void **state)
{
    struct tls_kept *kept = tls_kept_new(true);
    struct tls_place *place = enter(kept, "192.0.2.1", "mx.example");
    int64_t now_s = time(NULL);

    (void)state;
    keep(place, 1, now_s - LIFETIME_S / 2, 0);
    keep(place, 2, now_s - LIFETIME_S, 0);
    assert_int_equal(take(place), 1);
    keep(place, 3, now_s, now_s - 1); /* it began anew, out of one that is over */
    assert_int_equal(take(place), -1);
    keep(place, 4, now_s, now_s + 100);
    assert_int_equal(take(place), 4);
    tls_place_leave(&place);
    tls_kept_free(&kept);
}

/* A server that fails at it once is left alone for an hour. */
static void test_a_server_that_cannot_resume(void **state)
{
    struct tls_kept *kept = tls_kept_new(true);
    struct tls_place *place = enter(kept, "192.0.2.1", "mx.example");

    (void)state;
    keep(place, 1, time(NULL), 0);
    tls_place_distrust(place, false); /* the certificate was refused: what came before is gone */
    assert_int_equal(take(place), -1);
    keep(place, 2, time(NULL), 0);
    keep(place, 3, time(NULL), 0);
    tls_place_distrust(place, true);
    assert_int_equal(take(place), -1);
    tls_place_leave(&place);
    place = enter(kept, "192.0.2.1", "mx.example");
    keep(place, 4, time(NULL), 0);
    assert_int_equal(take(place), -1);
    passed_ms += HOUR_MS + 1000;
    keep(place, 5, time(NULL), 0);
    assert_int_equal(take(place), 5);
    tls_place_distrust(place, true);
    tls_place_leave(&place);
    tls_kept_free(&kept); /* with the place in it */
}

enum { THREADS = 4, ROUNDS = 200 };

static void *work(void *argument)
{
    struct tls_kept *kept = argument;

    for (int i = 0; i < ROUNDS; i++) {
        struct tls_place *place = enter(kept, i % 2 == 0 ? "192.0.2.1" : "192.0.2.2", "mx");

        keep(place, (unsigned char)i, time(NULL), 0);
        (void)take(place);
        if (i % 50 == 0)
            tls_place_distrust(place, false);
        tls_place_leave(&place);
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct tls_kept *kept = tls_kept_new(true);
    pthread_t threads[THREADS];

    (void)state;
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, kept), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    tls_kept_free(&kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_newest_is_taken_once),
        cmocka_unit_test(test_it_stays_at_its_place),
        cmocka_unit_test(test_a_place_keeps_some),
        cmocka_unit_test(test_a_store_keeps_some),
        cmocka_unit_test(test_none_is_taken_after_its_end),
        cmocka_unit_test(test_a_server_that_cannot_resume),
        cmocka_unit_test(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
