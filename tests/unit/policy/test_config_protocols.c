/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailmux/config_protocols.h"

static void test_each_protocol_has_a_whole_row(void **state)
{
    (void)state;
    for (enum config_protocol protocol = 0; protocol < CONFIG_PROTOCOL_COUNT; protocol++) {
        const struct config_protocol_row *row = config_protocol_row(protocol);

        assert_non_null(config_protocol_name(protocol));
        assert_non_null(row->speech);
        assert_non_null(row->greeting);
        assert_true(row->greeting_ms > 0);
        assert_non_null(row->login_why);
        assert_non_null(row->login_remedy);
        assert_int_equal(config_protocol_spoken(row->spoken), row->spoken);
        assert_string_equal(row->speech, config_protocol_row(row->spoken)->speech);
    }
}

static void test_each_port_leads_back_to_its_protocol(void **state)
{
    (void)state;
    for (enum config_protocol protocol = 0; protocol < CONFIG_PROTOCOL_COUNT; protocol++) {
        for (size_t i = 0; i < STANDARD_PORTS_MAX; i++) {
            const struct standard_port *port = &config_protocol_row(protocol)->ports[i];

            if (port->port != 0)
                assert_ptr_equal(standard_port_find(port->port), port);
            if (port->port != 0)
                assert_int_equal(port->protocol, protocol);
        }
    }
    assert_null(standard_port_find(0));
    assert_null(standard_port_find(80));
}

static void test_the_port_for_tls_from_the_first_byte(void **state)
{
    (void)state;
    assert_int_equal(standard_port_implicit(CONFIG_PROTOCOL_IMAP)->port, 993);
    assert_int_equal(standard_port_implicit(CONFIG_PROTOCOL_POP3)->port, 995);
    assert_int_equal(standard_port_implicit(CONFIG_PROTOCOL_SUBMISSION)->port, 465);
    assert_int_equal(standard_port_implicit(CONFIG_PROTOCOL_SMTP)->port, 465);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_protocol_has_a_whole_row),
        cmocka_unit_test(test_each_port_leads_back_to_its_protocol),
        cmocka_unit_test(test_the_port_for_tls_from_the_first_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
