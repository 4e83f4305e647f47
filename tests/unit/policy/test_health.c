/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/health.h"

static const struct health_policy unchecked = {.rise = 2, .fall = 3};
static const struct health_policy checked = {.rise = 2, .fall = 3, .is_checked = true};

static enum health_change note(struct health *health, enum health_event event, uint64_t now_ms)
{
    return health_note(health, &unchecked, event, now_ms);
}

/* Down at that time, for the first time. */
static struct health down_at(uint64_t now_ms)
{
    struct health health = {0};

    for (int i = 0; i < 3; i++)
        (void)note(&health, HEALTH_SESSION_FAILED, now_ms);
    assert_true(health.is_down);
    return health;
}

static void bring_up(struct health *health, uint64_t now_ms)
{
    for (int i = 0; i < 2; i++) {
        assert_true(health_allows(health, &unchecked, now_ms));
        assert_true(health_begin_trial(health));
        (void)note(health, HEALTH_TRIAL_PASSED, now_ms);
    }
    assert_false(health->is_down);
}

static void test_a_new_server_is_up(void **state)
{
    struct health health = {0};

    assert_true(health_allows(&health, &unchecked, 0));
    assert_false(health_begin_trial(&health));
    assert_int_equal(note(&health, HEALTH_SESSION_PASSED, 0), HEALTH_UNCHANGED);
    assert_int_equal(note(&health, HEALTH_CHECK_PASSED, 0), HEALTH_UNCHANGED);
    assert_int_equal(health.up_since_ms, 0);
}

static void test_failures_in_a_row_take_it_down(void **state)
{
    struct health health = {0};

    assert_int_equal(note(&health, HEALTH_SESSION_FAILED, 1), HEALTH_UNCHANGED);
    assert_int_equal(note(&health, HEALTH_CHECK_FAILED, 2), HEALTH_UNCHANGED);
    assert_int_equal(health.failures, 2);
    assert_int_equal(note(&health, HEALTH_SESSION_FAILED, 3), HEALTH_WENT_DOWN);
    assert_true(health.is_down);
    assert_int_equal(health.held_until_ms, 3 + HEALTH_HOLD_FIRST_MS);
}

static void test_a_success_between_failures_begins_the_count_anew(void **state)
{
    static const enum health_event successes[] = {
        HEALTH_SESSION_PASSED, HEALTH_CHECK_PASSED, HEALTH_TRIAL_PASSED};

    for (size_t i = 0; i < sizeof(successes) / sizeof(successes[0]); i++) {
        struct health health = {0};

        for (int round = 0; round < 10; round++) {
            assert_int_equal(note(&health, HEALTH_SESSION_FAILED, 1), HEALTH_UNCHANGED);
            assert_int_equal(note(&health, HEALTH_CHECK_FAILED, 1), HEALTH_UNCHANGED);
            assert_int_equal(note(&health, successes[i], 1), HEALTH_UNCHANGED);
        }
        assert_false(health.is_down);
    }
}

static void test_a_trial_that_fails_after_its_return_counts_as_any_session(void **state)
{
    struct health health = {0};

    (void)note(&health, HEALTH_TRIAL_FAILED, 1);
    (void)note(&health, HEALTH_TRIAL_FAILED, 1);
    assert_int_equal(note(&health, HEALTH_TRIAL_FAILED, 1), HEALTH_WENT_DOWN);
}

static void test_nobody_goes_to_it_before_its_hold_back_is_over(void **state)
{
    struct health health = down_at(1000);

    assert_false(health_allows(&health, &unchecked, 1000));
    assert_false(health_allows(&health, &unchecked, 1000 + HEALTH_HOLD_FIRST_MS - 1));
    assert_true(health_allows(&health, &unchecked, 1000 + HEALTH_HOLD_FIRST_MS));
}

static void test_one_session_at_a_time_tries_it(void **state)
{
    struct health health = down_at(0);
    uint64_t now_ms = HEALTH_HOLD_FIRST_MS;

    assert_true(health_begin_trial(&health));
    assert_false(health_allows(&health, &unchecked, now_ms));
    health_end_trial(&health);
    assert_true(health.is_down);
    assert_int_equal(health.passes, 0);
    assert_true(health_allows(&health, &unchecked, now_ms));
}

static void test_trials_that_succeed_bring_it_up(void **state)
{
    struct health health = down_at(0);
    uint64_t now_ms = HEALTH_HOLD_FIRST_MS;

    assert_true(health_begin_trial(&health));
    assert_int_equal(note(&health, HEALTH_TRIAL_PASSED, now_ms), HEALTH_UNCHANGED);
    assert_true(health.is_down);
    assert_true(health_allows(&health, &unchecked, now_ms));
    assert_true(health_begin_trial(&health));
    assert_int_equal(note(&health, HEALTH_TRIAL_PASSED, now_ms + 1), HEALTH_CAME_UP);
    assert_false(health.is_down);
    assert_false(health.on_trial);
    assert_int_equal(health.up_since_ms, now_ms + 1);
    assert_int_equal(health.failures, 0);
}

static void test_a_trial_that_fails_keeps_it_down(void **state)
{
    struct health health = down_at(0);
    uint64_t now_ms = HEALTH_HOLD_FIRST_MS;

    assert_true(health_begin_trial(&health));
    (void)note(&health, HEALTH_TRIAL_PASSED, now_ms);
    assert_true(health_begin_trial(&health));
    assert_int_equal(note(&health, HEALTH_TRIAL_FAILED, now_ms), HEALTH_UNCHANGED);
    assert_true(health.is_down);
    assert_int_equal(health.passes, 0);
    assert_false(health_allows(&health, &unchecked, now_ms + HEALTH_HOLD_FIRST_MS - 1));
    assert_true(health_allows(&health, &unchecked, now_ms + HEALTH_HOLD_FIRST_MS));
}

static void test_sessions_begun_before_change_nothing_while_it_is_down(void **state)
{
    struct health health = down_at(0);
    const struct health before = health;

    for (int i = 0; i < 5; i++) {
        assert_int_equal(note(&health, HEALTH_SESSION_PASSED, 60000), HEALTH_UNCHANGED);
        assert_int_equal(note(&health, HEALTH_SESSION_FAILED, 60000), HEALTH_UNCHANGED);
    }
    health.failed_ms = before.failed_ms; /* when it failed is remembered all the same */
    assert_memory_equal(&health, &before, sizeof(health));
}

/* No other server is left: the hold-back steers nothing, and a session that is served counts. */
static void test_the_last_resort_needs_no_hold_back(void **state)
{
    struct health health = down_at(0);

    (void)state;
    assert_true(health_allows_last(&health, &unchecked));
    assert_int_equal(note(&health, HEALTH_LAST_FAILED, 100), HEALTH_UNCHANGED);
    assert_int_equal(health.failed_ms, 100);
    assert_int_equal(note(&health, HEALTH_LAST_PASSED, 200), HEALTH_UNCHANGED);
    assert_int_equal(note(&health, HEALTH_LAST_PASSED, 300), HEALTH_CAME_UP);
    assert_false(health_allows_last(&health, &unchecked));
}

/* Only a failed check says no, and only until one passes. */
static void test_a_failed_check_forbids_the_last_resort(void **state)
{
    struct health health = {0};

    (void)state;
    for (int i = 0; i < 3; i++)
        (void)health_note(&health, &checked, HEALTH_SESSION_FAILED, 10);
    assert_true(health.is_down);
    assert_true(health_allows_last(&health, &checked));
    (void)health_note(&health, &checked, HEALTH_CHECK_FAILED, 20);
    assert_false(health_allows_last(&health, &checked));
    assert_true(health_allows_last(&health, &unchecked)); /* the checks were taken away */
    assert_int_equal(health_note(&health, &checked, HEALTH_CHECK_PASSED, 30), HEALTH_UNCHANGED);
    assert_true(health_allows_last(&health, &checked));
}

static void test_a_flapping_server_is_held_back_longer_each_time(void **state)
{
    static const uint64_t expected_s[] = {10, 20, 40, 80, 160, 300, 300};
    struct health health = {0};
    uint64_t now_ms = 1;

    for (size_t i = 0; i < sizeof(expected_s) / sizeof(expected_s[0]); i++) {
        for (int failure = 0; failure < 3; failure++)
            (void)note(&health, HEALTH_SESSION_FAILED, now_ms);
        assert_int_equal(health.held_until_ms, now_ms + 1000 * expected_s[i]);
        now_ms = health.held_until_ms;
        bring_up(&health, now_ms);
        now_ms += HEALTH_FORGET_MS - 1;
    }
}

static void test_its_past_is_forgotten_when_it_was_up_for_long(void **state)
{
    struct health health = down_at(0);
    uint64_t now_ms = HEALTH_HOLD_FIRST_MS;

    bring_up(&health, now_ms);
    now_ms += HEALTH_FORGET_MS;
    for (int i = 0; i < 3; i++)
        (void)note(&health, HEALTH_SESSION_FAILED, now_ms);
    assert_int_equal(health.held_until_ms, now_ms + HEALTH_HOLD_FIRST_MS);
}

static void test_a_checked_server_is_brought_up_by_its_checks_alone(void **state)
{
    struct health health = down_at(0);
    uint64_t now_ms = HEALTH_HOLD_FIRST_MS;

    assert_false(health_allows(&health, &checked, now_ms));
    assert_int_equal(health_note(&health, &checked, HEALTH_CHECK_PASSED, now_ms), HEALTH_UNCHANGED);
    assert_int_equal(health_note(&health, &checked, HEALTH_CHECK_FAILED, now_ms), HEALTH_UNCHANGED);
    assert_int_equal(health_note(&health, &checked, HEALTH_CHECK_PASSED, now_ms), HEALTH_UNCHANGED);
    assert_int_equal(health_note(&health, &checked, HEALTH_CHECK_PASSED, now_ms), HEALTH_CAME_UP);
    assert_true(health_allows(&health, &checked, now_ms));
}

static void test_checks_that_pass_do_not_shorten_the_hold_back(void **state)
{
    struct health health = down_at(0);

    for (uint64_t now_ms = 1000; now_ms < HEALTH_HOLD_FIRST_MS; now_ms += 1000)
        assert_int_equal(
            health_note(&health, &checked, HEALTH_CHECK_PASSED, now_ms), HEALTH_UNCHANGED);
    assert_int_equal(
        health_note(&health, &checked, HEALTH_CHECK_PASSED, HEALTH_HOLD_FIRST_MS), HEALTH_CAME_UP);
}

static void test_checks_alone_take_it_down(void **state)
{
    struct health health = {0};

    (void)health_note(&health, &checked, HEALTH_CHECK_FAILED, 0);
    (void)health_note(&health, &checked, HEALTH_CHECK_FAILED, 0);
    assert_int_equal(health_note(&health, &checked, HEALTH_CHECK_FAILED, 0), HEALTH_WENT_DOWN);
}

/* Down by its checks at that time; comes up by its checks as soon as it may: when? */
static uint64_t flap(struct health *health, uint64_t now_ms)
{
    while (!health->is_down)
        (void)health_note(health, &checked, HEALTH_CHECK_FAILED, now_ms);
    for (int i = 0; health_note(health, &checked, HEALTH_CHECK_PASSED, now_ms) != HEALTH_CAME_UP;
         i++) {
        if (i > 0)
            now_ms = health->held_until_ms;
        assert_true(i < 5);
    }
    return now_ms;
}

static void test_a_checked_server_is_held_back_only_when_it_flaps(void **state)
{
    static const uint64_t expected_s[] = {0, 10, 20, 40};
    struct health health = {0};
    uint64_t now_ms = 1;

    for (size_t i = 0; i < sizeof(expected_s) / sizeof(expected_s[0]); i++) {
        uint64_t up_ms = flap(&health, now_ms);

        assert_int_equal(up_ms - now_ms, 1000 * expected_s[i]);
        now_ms = up_ms + HEALTH_FORGET_MS - 1;
    }
    assert_int_equal(flap(&health, now_ms + 1), now_ms + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_server_is_up),
        cmocka_unit_test(test_failures_in_a_row_take_it_down),
        cmocka_unit_test(test_a_success_between_failures_begins_the_count_anew),
        cmocka_unit_test(test_a_trial_that_fails_after_its_return_counts_as_any_session),
        cmocka_unit_test(test_nobody_goes_to_it_before_its_hold_back_is_over),
        cmocka_unit_test(test_one_session_at_a_time_tries_it),
        cmocka_unit_test(test_trials_that_succeed_bring_it_up),
        cmocka_unit_test(test_a_trial_that_fails_keeps_it_down),
        cmocka_unit_test(test_sessions_begun_before_change_nothing_while_it_is_down),
        cmocka_unit_test(test_the_last_resort_needs_no_hold_back),
        cmocka_unit_test(test_a_failed_check_forbids_the_last_resort),
        cmocka_unit_test(test_a_flapping_server_is_held_back_longer_each_time),
        cmocka_unit_test(test_its_past_is_forgotten_when_it_was_up_for_long),
        cmocka_unit_test(test_a_checked_server_is_brought_up_by_its_checks_alone),
        cmocka_unit_test(test_checks_that_pass_do_not_shorten_the_hold_back),
        cmocka_unit_test(test_checks_alone_take_it_down),
        cmocka_unit_test(test_a_checked_server_is_held_back_only_when_it_flaps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
