/* Versions, ciphers and groups of a context: by a policy, and by what overrides it. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tls_policy.h"
#include <openssl/ssl.h>
#include <string.h>

static char warned[512]; /* all that was, a line each */

static void on_warning(void *owner, enum tls_culprit culprit, size_t index, const char *text)
{
    assert_int_equal(culprit, TLS_CULPRIT_GROUPS);
    (void)strcat(strcat(warned, text), "\n");
}

static const struct tls_warning warning = {on_warning, NULL};
static SSL_CTX *context;
static struct tls_applied applied;
static struct tls_fault fault;

static int set_up(void **state)
{
    warned[0] = '\0';
    context = SSL_CTX_new(TLS_method());
    return context ? 0 : -1;
}

static int tear_down(void **state)
{
    SSL_CTX_free(context);
    return 0;
}

static bool apply(struct tls_rules rules)
{
    return tls_policy_apply(context, &rules, &warning, &applied, &fault);
}

static bool has_cipher(const char *name)
{
    STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(context);

    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
        if (strcmp(SSL_CIPHER_get_name(sk_SSL_CIPHER_value(ciphers, i)), name) == 0)
            return true;
    }
    return false;
}

static void test_policies(void **state)
{
    assert_true(apply((struct tls_rules){.policy = TLS_MODERN}));
    assert_int_equal(SSL_CTX_get_min_proto_version(context), TLS1_3_VERSION);
    assert_true(apply((struct tls_rules){.policy = TLS_INTERMEDIATE}));
    assert_int_equal(SSL_CTX_get_min_proto_version(context), TLS1_2_VERSION);
    assert_int_equal(SSL_CTX_get_max_proto_version(context), 0);
    assert_true(has_cipher("ECDHE-RSA-AES128-GCM-SHA256"));
    assert_false(has_cipher("AES128-SHA"));
    assert_false(has_cipher("ECDHE-RSA-AES128-SHA"));
    assert_true(SSL_CTX_get_security_level(context) > 0);
    assert_true(apply((struct tls_rules){.policy = TLS_LEGACY}));
    assert_int_equal(SSL_CTX_get_min_proto_version(context), TLS1_VERSION);
    assert_true(has_cipher("AES128-SHA"));
    assert_false(has_cipher("NULL-SHA"));
    assert_int_equal(SSL_CTX_get_security_level(context), 0);
}

static void test_versions_by_name(void **state)
{
    assert_true(apply(
        (struct tls_rules){.policy = TLS_INTERMEDIATE, .minimum = TLS_1_3, .maximum = TLS_1_3}));
    assert_int_equal(applied.minimum, TLS1_3_VERSION);
    assert_int_equal(applied.maximum, TLS1_3_VERSION);
    assert_int_equal(SSL_CTX_get_max_proto_version(context), TLS1_3_VERSION);
    assert_false(apply((struct tls_rules){.policy = TLS_MODERN, .maximum = TLS_1_2}));
    assert_int_equal(fault.culprit, TLS_CULPRIT_VERSION);
    assert_false(
        apply((struct tls_rules){.policy = TLS_LEGACY, .minimum = TLS_1_2, .maximum = TLS_1_1}));
    assert_int_equal(fault.culprit, TLS_CULPRIT_VERSION);
}

static void test_ciphers_by_name(void **state)
{
    assert_true(apply((struct tls_rules){.policy = TLS_INTERMEDIATE, .ciphers = "AES128-SHA"}));
    assert_true(has_cipher("AES128-SHA"));
    assert_false(has_cipher("ECDHE-RSA-AES128-GCM-SHA256"));
    assert_false(apply((struct tls_rules){.policy = TLS_INTERMEDIATE, .ciphers = "NOTHING"}));
    assert_int_equal(fault.culprit, TLS_CULPRIT_CIPHERS);
    assert_false(
        apply((struct tls_rules){.policy = TLS_INTERMEDIATE, .ciphersuites = "AES128-SHA"}));
    assert_int_equal(fault.culprit, TLS_CULPRIT_CIPHERSUITES);
}

/* One that the library lacks is left out, and told; when none is left it is a failure. */
static void test_groups(void **state)
{
    assert_true(apply(
        (struct tls_rules){.policy = TLS_INTERMEDIATE, .groups = "nothing:X25519::prime256v1"}));
    assert_string_equal(applied.groups, "X25519:prime256v1");
    assert_memory_equal(warned, "the group nothing is unknown to ", 32);
    assert_int_equal(strcspn(warned, "\n"), strlen(warned) - 1);
    assert_false(apply((struct tls_rules){.policy = TLS_INTERMEDIATE, .groups = "nothing"}));
    assert_int_equal(fault.culprit, TLS_CULPRIT_GROUPS);
}

/* As a list is written for OpenSSL 3.3 and later, with names that may be unknown. */
static void test_groups_that_may_be_unknown(void **state)
{
    assert_true(apply(
        (struct tls_rules){.policy = TLS_INTERMEDIATE, .groups = "?nothing:?X25519:prime256v1:?"}));
    assert_string_equal(applied.groups, "X25519:prime256v1");
    assert_string_equal(warned, "");
    assert_false(apply((struct tls_rules){.policy = TLS_INTERMEDIATE, .groups = "?nothing"}));
    assert_int_equal(fault.culprit, TLS_CULPRIT_GROUPS);
}

/* Under another name it is the same group. */
static void test_groups_that_come_twice(void **state)
{
    assert_true(apply((struct tls_rules){
        .policy = TLS_INTERMEDIATE, .groups = "prime256v1:X25519:P-256:?X25519:secp384r1:P-384"}));
    assert_string_equal(applied.groups, "prime256v1:X25519:secp384r1");
    assert_string_equal(warned, "");
}

/* Post-quantum first, with a library that has it: of policies, and as a setting puts it. */
static void test_the_hybrid_group_is_first(void **state)
{
    SSL_CTX *other = SSL_CTX_new(TLS_server_method());
    bool has_it = SSL_CTX_set1_groups_list(other, "X25519MLKEM768") == 1;

    SSL_CTX_free(other);
    assert_true(apply((struct tls_rules){.policy = TLS_MODERN}));
    assert_string_equal(applied.groups,
        has_it ? "X25519MLKEM768:X25519:prime256v1:secp384r1" : "X25519:prime256v1:secp384r1");
    assert_true(apply(
        (struct tls_rules){.policy = TLS_MODERN, .groups = "X25519MLKEM768:secp384r1:X25519"}));
    assert_string_equal(
        applied.groups, has_it ? "X25519MLKEM768:secp384r1:X25519" : "secp384r1:X25519");
    assert_true(has_it == (strstr(warned, "the group X25519MLKEM768 is unknown to ") == NULL));
}

/* A group of our own list, which no setting names, is no news to an administrator. */
static void test_our_own_groups_are_left_out_without_a_word(void **state)
{
    assert_true(apply((struct tls_rules){.policy = TLS_INTERMEDIATE}));
    assert_string_equal(warned, "");
    assert_non_null(strstr(applied.groups, "X25519"));
}

static void test_manners(void **state)
{
    assert_true(apply((struct tls_rules){.policy = TLS_INTERMEDIATE}));
    assert_true(SSL_CTX_get_options(context) & SSL_OP_NO_RENEGOTIATION);
    assert_true(SSL_CTX_get_options(context) & SSL_OP_NO_COMPRESSION);
    assert_int_equal(SSL_CTX_get_session_cache_mode(context), SSL_SESS_CACHE_OFF);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_policies),
        TEST(test_versions_by_name),
        TEST(test_ciphers_by_name),
        TEST(test_groups),
        TEST(test_groups_that_may_be_unknown),
        TEST(test_groups_that_come_twice),
        TEST(test_the_hybrid_group_is_first),
        TEST(test_our_own_groups_are_left_out_without_a_word),
        TEST(test_manners),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
