/* Which certificates a ClientHello gets, with every parameter that goes with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "certificates.h"
#include "tls_tickets.h"
#include "tls_visit.h"
#include <stdio.h>
#include <string.h>

enum { SETS = 9 };

static char *directory;
static struct tls_set *sets[SETS];
static size_t set_count;
static struct tls_tickets *tickets;
static struct tls_service service;

static const char *pem(const char *file)
{
    return certificates_path(directory, file, "pem");
}

static const char *key(const char *file)
{
    return certificates_path(directory, file, "key");
}

static struct tls_set *make_set(const char *name, struct tls_set_parameters parameters)
{
    const char *certificate_file = pem(name);
    const char *key_file = key(name);
    struct tls_fault fault;
    struct tls_set *set;

    parameters.name = name;
    parameters.certificate_count = 1;
    parameters.certificates = &certificate_file;
    parameters.keys = &key_file;
    set = tls_set_new(&parameters, &fault);
    if (!set)
        print_error("%s\n", fault.error.text);
    assert_non_null(set);
    return set;
}

static void add(const char *name, struct tls_set_parameters parameters)
{
    sets[set_count++] = make_set(name, parameters);
}

/* The default, and sets that differ from it in one thing each. */
static void add_sets(void)
{
    static const char *const names[] = {"Mail.B.example", "*.c.example"};
    const struct tls_rules usual = {.policy = TLS_INTERMEDIATE};
    const char *ca = pem("ca");

    add("default", (struct tls_set_parameters){.rules = usual, .tickets = 2});
    add("named",
        (struct tls_set_parameters){.rules = usual, .tickets = 2, .names = names, .name_count = 2});
    add("modern", (struct tls_set_parameters){.rules = {.policy = TLS_MODERN}});
    add("old", (struct tls_set_parameters){.rules = {.policy = TLS_LEGACY}});
    add("groups",
        (struct tls_set_parameters){.rules = {.groups = "secp384r1", .policy = TLS_INTERMEDIATE}});
    add("require", (struct tls_set_parameters){.rules = usual,
                       .tickets = 2,
                       .client_certificate = TLS_CLIENT_CERTIFICATE_REQUIRE,
                       .client_ca = ca});
    add("request",
        (struct tls_set_parameters){
            .rules = usual, .client_certificate = TLS_CLIENT_CERTIFICATE_REQUEST, .client_ca = ca});
    add("capped",
        (struct tls_set_parameters){.rules = {.policy = TLS_INTERMEDIATE, .maximum = TLS_1_2}});
    add("ciphers",
        (struct tls_set_parameters){.rules = {.policy = TLS_INTERMEDIATE,
                                        .ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305",
                                        .ciphersuites = "TLS_CHACHA20_POLY1305_SHA256"}});
}

static int setup_group(void **state)
{
    static const char *const files[] = {
        "default", "named", "modern", "old", "groups", "require", "request", "ciphers", "capped"};
    struct error error;

    (void)state;
    directory = certificates_directory_new();
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), "%s.example", files[i]);
        certificates_make(directory, &(struct certificate_request){.file = files[i], .name = name});
    }
    certificates_make(directory,
        &(struct certificate_request){.file = "ca", .name = "An authority", .is_authority = true});
    certificates_make(directory,
        &(struct certificate_request){.file = "client", .name = "client", .issuer = "ca"});
    add_sets();
    tickets = tls_tickets_new(60000, &error);
    return tickets ? 0 : -1;
}

static int teardown_group(void **state)
{
    (void)state;
    while (set_count > 0)
        tls_set_free(&sets[--set_count]);
    tls_tickets_unref(&tickets);
    certificates_directory_free(&directory);
    return 0;
}

static int setup(void **state)
{
    static const char *const alpn[] = {"smtp", "esmtp"};

    (void)state;
    service = (struct tls_service){
        .listener = "one",
        .protocol = "smtp",
        .alpn_count = 2,
        .alpn = alpn,
        .set_count = set_count,
        .sets = sets,
        .tickets = tickets,
    };
    return 0;
}

static struct tls_visit visited(struct tls_visit visit)
{
    return tls_visited(&service, visit);
}

static void test_names(void **state)
{
    static const struct {
        const char *sni;
        const char *certificate;
    } cases[] = {
        {NULL, "default.example"},
        {"default.example", "default.example"},
        {"unknown.example", "default.example"},
        {"MAIL.b.Example", "named.example"},
        {"mail.b.example.", "named.example"},
        {"x.c.example", "named.example"},
        {"x.y.c.example", "default.example"},
        {"c.example", "default.example"},
        {"modern.example", "modern.example"},
        {"../../etc/passwd", "default.example"},
        {"a\r\nINJECTED: 1", "default.example"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct tls_visit visit = visited((struct tls_visit){.sni = cases[i].sni});

        assert_int_equal(visit.status, IO_OK);
        assert_string_equal(visit.common_name, cases[i].certificate);
    }
    assert_string_equal(
        visited((struct tls_visit){.sni = "MAIL.b.Example"}).sni_seen, "mail.b.example");
}

/* C87 and A13. */
static void test_strict_sni(void **state)
{
    struct tls_visit visit;

    (void)state;
    service.strict_sni = true;
    visit = visited((struct tls_visit){.sni = "unknown.example"});
    assert_int_equal(visit.status, IO_ERR);
    assert_int_equal(visit.failure, STREAM_SNI);
    assert_int_equal(visit.alert, 112);
    assert_string_equal(visit.sni_seen, "unknown.example");
    assert_int_equal(visited((struct tls_visit){.sni = "a b"}).failure, STREAM_SNI);
    assert_int_equal(visited((struct tls_visit){.sni = NULL}).status, IO_OK);
    assert_int_equal(visited((struct tls_visit){.sni = "named.example"}).failure, STREAM_SNI);
    assert_int_equal(visited((struct tls_visit){.sni = "default.example"}).status, IO_OK);
    service.smtp_fallback = true;
    visit = visited((struct tls_visit){.sni = "unknown.example"});
    assert_int_equal(visit.status, IO_OK);
    assert_string_equal(visit.common_name, "default.example");
}

/* C82: each set has its own versions, wherever the connection began. */
static void test_versions(void **state)
{
    (void)state;
    assert_string_equal(visited((struct tls_visit){.maximum = TLS1_2_VERSION}).version, "TLSv1.2");
    assert_int_equal(visited((struct tls_visit){.maximum = TLS1_1_VERSION}).status, IO_ERR);
    assert_int_equal(
        visited((struct tls_visit){.maximum = TLS1_1_VERSION, .sni = "default.example"}).alert, 70);
    assert_int_equal(
        visited((struct tls_visit){.maximum = TLS1_2_VERSION, .sni = "modern.example"}).alert, 70);
    assert_string_equal(visited((struct tls_visit){.sni = "modern.example"}).version, "TLSv1.3");
    assert_string_equal(
        visited((struct tls_visit){.maximum = TLS1_VERSION, .sni = "old.example"}).version,
        "TLSv1");
    assert_string_equal(visited((struct tls_visit){.sni = "capped.example"}).version, "TLSv1.2");
    /* The other way round: begun as a modern set, and chosen to be an older one. */
    service.sets = sets + 2;
    service.set_count = set_count - 2;
    assert_int_equal(visited((struct tls_visit){.maximum = TLS1_2_VERSION}).status, IO_ERR);
    assert_string_equal(
        visited((struct tls_visit){.maximum = TLS1_VERSION, .sni = "old.example"}).version,
        "TLSv1");
}

static void test_groups(void **state)
{
    struct tls_visit visit;

    (void)state;
    assert_string_equal(visited((struct tls_visit){.sni = "default.example"}).group, "x25519");
    visit = visited((struct tls_visit){.sni = "groups.example"}); /* by HelloRetryRequest */
    assert_int_equal(visit.status, IO_OK);
    assert_string_equal(visit.group, "secp384r1");
    assert_int_equal(
        visited((struct tls_visit){.sni = "groups.example", .groups = "X25519"}).status, IO_ERR);
    visit = visited((struct tls_visit){.sni = "groups.example", .maximum = TLS1_2_VERSION});
    assert_string_equal(visit.group, "secp384r1");
}

/* C83, and a set with ciphers of its own. */
static void test_ciphers(void **state)
{
    struct tls_visit visit = {.maximum = TLS1_2_VERSION,
        .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384"};

    (void)state;
    assert_string_equal(visited((struct tls_visit){.sni = "ciphers.example"}).cipher,
        "TLS_CHACHA20_POLY1305_SHA256");
    assert_string_equal(
        visited((struct tls_visit){.sni = "ciphers.example", .maximum = TLS1_2_VERSION}).cipher,
        "ECDHE-ECDSA-CHACHA20-POLY1305");
    assert_non_null(strstr(visited((struct tls_visit){.maximum = TLS1_2_VERSION}).cipher, "GCM"));
    /* Whose order counts. */
    assert_string_equal(visited(visit).cipher, "ECDHE-ECDSA-AES128-GCM-SHA256");
    visit.sni = "old.example";
    assert_string_equal(visited(visit).cipher, "ECDHE-ECDSA-AES256-GCM-SHA384");
}

/* C103, and the set that demands a certificate although the connection began as another. */
static void test_client_certificates(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct tls_visit with = {.sni = "require.example",
            .certificate = pem("client"),
            .key = key("client"),
            .maximum = versions[i]};
        struct tls_visit without = {.sni = "require.example", .maximum = versions[i]};
        struct tls_visit wrong = with;
        struct tls_visit asked = {.sni = "request.example", .maximum = versions[i]};

        assert_int_equal(visited(with).status, IO_OK);
        assert_int_equal(visited(with).peer, TLS_PEER_VERIFIED);
        assert_int_equal(visited(without).status, IO_ERR);
        wrong.certificate = pem("old");
        wrong.key = key("old");
        assert_int_equal(visited(wrong).status, IO_ERR);
        wrong.sni = "request.example";
        assert_int_equal(visited(wrong).status, IO_OK);
        assert_int_equal(visited(wrong).peer, TLS_PEER_UNVERIFIED);
        assert_int_equal(visited(asked).status, IO_OK);
        assert_int_equal(visited(asked).peer, TLS_PEER_UNKNOWN);
        with.sni = "default.example"; /* is not asked */
        assert_int_equal(visited(with).peer, TLS_PEER_UNKNOWN);
    }
}

/* C88, A15: a session is good at the set that gave it, and nowhere else. */
static void test_sessions_of_sets(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const struct tls_visit home = {.sni = "default.example", .maximum = versions[i]};
        const struct tls_visit named = {.sni = "mail.b.example", .maximum = versions[i]};
        const struct tls_visit guarded = {.sni = "require.example", .maximum = versions[i]};
        struct tls_visit known = guarded;

        known.certificate = pem("client");
        known.key = key("client");
        assert_true(tls_visit_resumes(&service, home, home));
        assert_true(tls_visit_resumes(&service, named, named));
        assert_false(tls_visit_resumes(&service, home, named));
        assert_false(tls_visit_resumes(&service, named, home));
        assert_false(tls_visit_resumes(&service, home, guarded));
        assert_true(tls_visit_resumes(&service, known, known));
        assert_true(tls_visit_resumes(&service, known, guarded)); /* it carries the certificate */
    }
}

/* A session of `service`, shown to `other`: whether it resumes there. */
static bool crosses(const struct tls_service *other, int version)
{
    struct tls_visit first = {.sni = "default.example", .maximum = version};
    struct tls_visit second = first;

    tls_visit_go(&service, &first);
    assert_non_null(first.given);
    second.session = first.given;
    second = tls_visited(other, second);
    SSL_SESSION_free(first.given);
    return second.resumed;
}

/* Nor at another listener or protocol; nor where a certificate is demanded since a reload. */
static void test_sessions_of_services(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct tls_set *guarded =
        make_set("default", (struct tls_set_parameters){.rules = {.policy = TLS_INTERMEDIATE},
                                .tickets = 2,
                                .client_certificate = TLS_CLIENT_CERTIFICATE_REQUIRE,
                                .client_ca = pem("ca")});

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct tls_service other = service;

        assert_true(crosses(&other, versions[i]));
        other.listener = "two";
        assert_false(crosses(&other, versions[i]));
        other.listener = service.listener;
        other.protocol = "submission";
        assert_false(crosses(&other, versions[i]));
        other.protocol = service.protocol;
        other.sets = &guarded;
        other.set_count = 1;
        assert_false(crosses(&other, versions[i]));
    }
    tls_set_free(&guarded);
}

/* Nothing of that changes where the contexts are made beforehand, for each set its own. */
static void test_contexts_that_are_made_beforehand(void **state)
{
    struct tls_service same = service;
    struct tls_service other = service;

    (void)state;
    other.listener = "two";
    assert_true(tls_scopes_make(&same));
    assert_true(tls_scopes_make(&other));
    assert_true(crosses(&same, TLS1_3_VERSION));
    assert_false(crosses(&other, TLS1_3_VERSION));
    for (size_t i = 0; i < 2; i++) {
        const struct tls_visit home = {.sni = i == 0 ? "default.example" : "mail.b.example"};
        const struct tls_visit there = {.sni = i == 1 ? "default.example" : "mail.b.example"};

        assert_true(tls_visit_resumes(&same, home, home));
        assert_false(tls_visit_resumes(&same, home, there));
    }
    tls_scopes_free(&same);
    tls_scopes_free(&other);
}

/* A set without tickets beside one with; a listener without keys. */
static void test_no_tickets(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct tls_visit visit = {.sni = "groups.example", .maximum = versions[i]};

        tls_visit_go(&service, &visit);
        assert_int_equal(visit.status, IO_OK);
        assert_true(!visit.given || !SSL_SESSION_has_ticket(visit.given));
        SSL_SESSION_free(visit.given);
        service.tickets = NULL;
        visit = (struct tls_visit){.sni = "default.example", .maximum = versions[i]};
        tls_visit_go(&service, &visit);
        assert_int_equal(visit.status, IO_OK);
        assert_true(!visit.given || !SSL_SESSION_has_ticket(visit.given));
        SSL_SESSION_free(visit.given);
        service.tickets = tickets;
        /* Begun as a set without tickets, chosen to be one with. */
        service.sets = sets + 4;
        service.set_count = set_count - 4;
        visit = (struct tls_visit){.sni = "require.example",
            .maximum = versions[i],
            .certificate = pem("client"),
            .key = key("client")};
        tls_visit_go(&service, &visit);
        assert_non_null(visit.given);
        assert_true(SSL_SESSION_has_ticket(visit.given));
        SSL_SESSION_free(visit.given);
        service.sets = sets;
        service.set_count = set_count;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_names, setup),
        cmocka_unit_test_setup(test_strict_sni, setup),
        cmocka_unit_test_setup(test_versions, setup),
        cmocka_unit_test_setup(test_groups, setup),
        cmocka_unit_test_setup(test_ciphers, setup),
        cmocka_unit_test_setup(test_client_certificates, setup),
        cmocka_unit_test_setup(test_sessions_of_sets, setup),
        cmocka_unit_test_setup(test_sessions_of_services, setup),
        cmocka_unit_test_setup(test_contexts_that_are_made_beforehand, setup),
        cmocka_unit_test_setup(test_no_tickets, setup),
    };

    return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
