#include "tls_policy.h"

#include "mailmux/slice.h"
#include "tls.h"
#include "tls_lean.h"
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>

enum { SESSION_LIFETIME_S = 12 * 60 * 60 };

/* Mozilla's guideline 6.0. The policy modern has no TLS 1.2, so it never uses this list. */
static const char AEAD_CIPHERS[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
static const char LEGACY_CIPHERS[] =
    "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:ECDHE+AES:DHE+AES:RSA+AESGCM:RSA+AES:"
    "!aNULL:!eNULL:!PSK:!SRP:!DSS:!MD5:@SECLEVEL=0";
static const char CIPHERSUITES[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
static const char GROUPS[] = "X25519MLKEM768:X25519:prime256v1:secp384r1";

void tls_fault_library(
    struct tls_fault *fault, enum tls_culprit culprit, size_t index, const char *format, ...)
{
    char ours[ERROR_TEXT_MAX];
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(ours, sizeof(ours), format, arguments);
    va_end(arguments);
    fault->culprit = culprit;
    fault->index = index;
    error_set(&fault->error, "%s%s%s", ours, reason ? ": " : "", reason ? reason : "");
    ERR_clear_error();
}

static const int protocols[] = {[TLS_VERSION_BY_POLICY] = 0,
    [TLS_1_0] = TLS1_VERSION,
    [TLS_1_1] = TLS1_1_VERSION,
    [TLS_1_2] = TLS1_2_VERSION,
    [TLS_1_3] = TLS1_3_VERSION};

static const int lowest[] = {[TLS_MODERN] = TLS1_3_VERSION,
    [TLS_INTERMEDIATE] = TLS1_2_VERSION,
    [TLS_LEGACY] = TLS1_VERSION};

static bool set_versions(SSL_CTX *context, const struct tls_rules *rules,
    struct tls_applied *applied, struct tls_fault *fault)
{
    applied->policy = rules->policy;
    applied->has_own_minimum = rules->minimum != TLS_VERSION_BY_POLICY;
    applied->maximum = protocols[rules->maximum];
    applied->minimum = protocols[rules->minimum];
    if (applied->minimum == 0)
        applied->minimum = lowest[rules->policy];
    if (applied->maximum != 0 && applied->maximum < applied->minimum) {
        tls_fault_library(fault, TLS_CULPRIT_VERSION, 0,
            "the highest TLS version is below the lowest; "
            "set both, or choose a policy that has the version");
        return false;
    }
    if (SSL_CTX_set_min_proto_version(context, applied->minimum) != 1 ||
        SSL_CTX_set_max_proto_version(context, applied->maximum) != 1) {
        tls_fault_library(fault, TLS_CULPRIT_VERSION, 0,
            "this OpenSSL does not have these TLS versions; use 1.2 or 1.3");
        return false;
    }
    /* TLS 1.0 and 1.1 sign with MD5 and SHA-1, which only level 0 allows. */
    if (applied->minimum < TLS1_2_VERSION)
        SSL_CTX_set_security_level(context, 0);
    return true;
}

static bool set_ciphers(SSL_CTX *context, const struct tls_rules *rules, struct tls_fault *fault)
{
    const char *ciphers = rules->ciphers;
    const char *suites = rules->ciphersuites ? rules->ciphersuites : CIPHERSUITES;

    if (!ciphers)
        ciphers = rules->policy == TLS_LEGACY ? LEGACY_CIPHERS : AEAD_CIPHERS;
    if (SSL_CTX_set_cipher_list(context, ciphers) != 1) {
        tls_fault_library(fault, TLS_CULPRIT_CIPHERS, 0,
            "no cipher of TLS 1.2 is known under these names; `openssl ciphers` lists them");
        return false;
    }
    if (SSL_CTX_set_ciphersuites(context, suites) != 1) {
        tls_fault_library(fault, TLS_CULPRIT_CIPHERSUITES, 0,
            "not the names of ciphers of TLS 1.3; known are %s", CIPHERSUITES);
        return false;
    }
    return true;
}

static void warn(const struct tls_warning *warning, enum tls_culprit culprit, const char *text)
{
    if (warning->warn)
        warning->warn(warning->owner, culprit, 0, text);
}

/*
 * Tries each group alone and keeps those that the library knows, because OpenSSL 3.0 refuses a
 * whole list for one unknown name. From 3.3 on a name may have a ? before it, with which it may be
 * unknown; 3.0 would not know such a name at all. It refuses a group that comes twice, too, which
 * it may do under two names. Returns whether any is left.
 */
static bool keep_known_groups(SSL_CTX *context, struct slice list,
    const struct tls_warning *warning, struct tls_applied *applied)
{
    struct slice name;
    size_t used = 0;

    applied->groups[0] = '\0';
    while (slice_split(&list, ':', &name)) {
        bool is_optional = slice_starts(name, SLICE("?"));
        char alone[64];
        char text[160];
        size_t added;

        name = slice_after(name, is_optional ? 1 : 0);
        if (name.n == 0 || used + name.n + 2 > sizeof(applied->groups))
            continue;
        (void)snprintf(alone, sizeof(alone), "%.*s", (int)(name.n < 63 ? name.n : 63), name.p);
        if (SSL_CTX_set1_groups_list(context, alone) != 1) {
            if (is_optional)
                continue;
            (void)snprintf(text, sizeof(text), "the group %s is unknown to %s and is left out",
                alone, OpenSSL_version(OPENSSL_VERSION_STRING));
            warn(warning, TLS_CULPRIT_GROUPS, text);
            continue;
        }
        added = (size_t)snprintf(applied->groups + used, sizeof(applied->groups) - used, "%s%s",
            used == 0 ? "" : ":", alone);
        if (SSL_CTX_set1_groups_list(context, applied->groups) == 1)
            used += added;
        else
            applied->groups[used] = '\0';
    }
    ERR_clear_error();
    return used > 0;
}

static bool set_groups(SSL_CTX *context, const struct tls_rules *rules,
    const struct tls_warning *warning, struct tls_applied *applied, struct tls_fault *fault)
{
    static const struct tls_warning silence = {0};
    struct slice list = slice_from(rules->groups ? rules->groups : GROUPS);

    if (keep_known_groups(context, list, rules->groups ? warning : &silence, applied) &&
        SSL_CTX_set1_groups_list(context, applied->groups) == 1)
        return true;
    tls_fault_library(fault, TLS_CULPRIT_GROUPS, 0,
        "none of these groups is known to OpenSSL %s; X25519:prime256v1:secp384r1 are",
        OpenSSL_version(OPENSSL_VERSION_STRING));
    return false;
}

static void set_manners(SSL_CTX *context)
{
    /*
     * The order of ciphers is ours. A client that puts ChaCha20 first gets it, because it knows
     * which is fast for it.
     */
    (void)SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                           SSL_OP_CIPHER_SERVER_PREFERENCE |
                                           SSL_OP_PRIORITIZE_CHACHA);
    /* Without DH parameters OpenSSL silently leaves all DHE ciphers out. */
    (void)SSL_CTX_set_dh_auto(context, 1);
    (void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_read_ahead(context, 1);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_timeout(context, SESSION_LIFETIME_S);
    SSL_CTX_set_msg_callback(context, tls_message_seen);
}

bool tls_policy_apply(SSL_CTX *context, const struct tls_rules *rules,
    const struct tls_warning *warning, struct tls_applied *applied, struct tls_fault *fault)
{
    ERR_clear_error();
    *applied = (struct tls_applied){0};
    set_manners(context);
    if (rules->own_records)
        tls_lean_prepare(context);
    return set_versions(context, rules, applied, fault) && set_ciphers(context, rules, fault) &&
           set_groups(context, rules, warning, applied, fault);
}
