/* The sockets of systemd that a listener names. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config_test.h"
#include <stdlib.h>
#include <string.h>

#define BACKEND "[backend b]\nserver = 10.0.0.5:143\n"
#define LISTENER(bind) BACKEND "[listener in]\nbackend = b\nbind = " bind "\n"

#define REFUSAL(bind)                                                                              \
    "x.ini:5: [listener in] bind = " bind ": systemd has handed over no socket of this name; a "   \
    ".socket unit names its sockets with FileDescriptorName=, and is bound to this service with "  \
    "Service="

static void hand_over(const char *sockets)
{
    assert_int_equal(setenv(CONFIG_SOCKETS_VARIABLE, sockets, 1), 0);
}

static int forget(void **state)
{
    return unsetenv(CONFIG_SOCKETS_VARIABLE);
}

static void assert_bind(size_t i, const char *expected)
{
    char text[ADDRESS_TEXT_MAX];

    assert_true(i < config->listeners[0].bind_count);
    assert_string_equal(address_text(&config->listeners[0].bind[i], text), expected);
}

static void test_all_of_a_name(void **state)
{
    hand_over("imaps=0.0.0.0:993 other=127.0.0.1:25 imaps=[::]:993");
    assert_parsed(LISTENER("systemd:imaps, 127.0.0.1:9993\nprotocol = imap\ntls = implicit"));
    assert_int_equal(config->listeners[0].bind_count, 3);
    assert_bind(0, "0.0.0.0:993");
    assert_bind(1, "[::]:993");
    assert_bind(2, "127.0.0.1:9993");
}

/* What the keeper says is its own, but it is read with care all the same. */
static void test_odd_lists(void **state)
{
    static const char *const odd[] = {
        "", " ", "=", "imap", "imap=", "imap=x", "imaps=1.2.3.4:25", "imap=1.2.3.4 imap", "=imap"};

    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        hand_over(odd[i]);
        assert_error(LISTENER("systemd:imap"), REFUSAL("systemd:imap"));
    }
}

static void test_a_name_is_needed(void **state)
{
    hand_over("=127.0.0.1:25 x=127.0.0.1:26");
    assert_error(LISTENER("systemd:y"), REFUSAL("systemd:y"));
    (void)forget(NULL);
    assert_error(
        LISTENER("systemd:y"), REFUSAL("systemd:y")); /* a configuration in memory has no sockets */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_all_of_a_name, forget),
        cmocka_unit_test_teardown(test_odd_lists, forget),
        cmocka_unit_test_teardown(test_a_name_is_needed, forget),
    };

    return cmocka_run_group_tests(tests, NULL, clean_up);
}
