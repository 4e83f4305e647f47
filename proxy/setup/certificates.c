#include "certificates.h"

#include "self_signed.h"

/* Where problems of this set go. */
struct place {
    const struct config_tls *tls;
    struct config_report *report;
    bool serving; /* false: for --check, which has no log */
};

/* The setting to blame for each parameter of net/tls_context. */
static const size_t fields[] = {
    [TLS_CULPRIT_NONE] = offsetof(struct config_tls, policy),
    [TLS_CULPRIT_CERTIFICATE] = offsetof(struct config_tls, certificates),
    [TLS_CULPRIT_KEY] = offsetof(struct config_tls, keys),
    [TLS_CULPRIT_CLIENT_CERTIFICATE] = offsetof(struct config_tls, client_certificate),
    [TLS_CULPRIT_CA] = offsetof(struct config_tls, client_ca),
    [TLS_CULPRIT_VERSION] = offsetof(struct config_tls, minimum_version),
    [TLS_CULPRIT_CIPHERS] = offsetof(struct config_tls, ciphers),
    [TLS_CULPRIT_CIPHERSUITES] = offsetof(struct config_tls, ciphersuites),
    [TLS_CULPRIT_GROUPS] = offsetof(struct config_tls, groups),
    [TLS_CULPRIT_NAMES] = offsetof(struct config_tls, names),
    [TLS_CULPRIT_PIN] = offsetof(struct config_tls, policy), /* never blamed */
};

static void add(const struct place *place, bool is_error, enum tls_culprit culprit, size_t index,
    const char *text)
{
    config_report_setting(
        place->report, is_error, SECTION_TLS, place->tls, fields[culprit], index, text);
}

/* A group that this OpenSSL lacks is left out, and only the log says so: it is no mistake. */
static void warn(void *owner, enum tls_culprit culprit, size_t index, const char *text)
{
    const struct place *place = owner;

    if (culprit != TLS_CULPRIT_GROUPS)
        add(place, false, culprit, index, text);
    else if (place->serving)
        log_message(LOG_INFO, "tls", "%s", text);
}

/*
 * Writes the path of the self-signed certificate, whose file also has its key. Returns false, with
 * the reason in the report, when there is none.
 */
static bool make_self_signed(
    const struct config *config, char path[SELF_SIGNED_PATH_MAX], struct config_report *report)
{
    struct error error;

    switch (
        self_signed_ensure(config->proxy.state_directory, config->proxy.hostname, path, &error)) {
    case SELF_SIGNED_MADE:
    case SELF_SIGNED_REUSED:
        log_message(LOG_WARNING, "self-signed",
            "no certificate is configured: serving a self-signed one for %s from %s, which no "
            "client trusts; set certificate and key in [tls]",
            config->proxy.hostname, path);
        return true;
    case SELF_SIGNED_FAILED:
        break;
    }
    config_report_add(report, true, config->tls[0].section,
        "[tls] certificate: none is configured, and a self-signed one cannot be made: %s",
        error.text);
    return false;
}

struct tls_tickets *tickets_load(const struct config *config, struct config_report *report)
{
    const struct config_tls *tls = &config->tls[0];
    const struct config_strings *files = &tls->ticket_keys;
    struct tls_tickets *tickets;
    struct error error;
    size_t failed = 0;

    if (files->count == 0) {
        tickets = tls_tickets_new(tls->ticket_period, &error);
        if (!tickets)
            config_report_add(report, true, (struct config_origin){0}, "%s", error.text);
        return tickets;
    }
    tickets = tls_tickets_from_files(files->text, files->count, &failed, &error);
    if (!tickets)
        config_report_setting(report, true, SECTION_TLS, tls,
            offsetof(struct config_tls, ticket_keys), failed, error.text);
    return tickets;
}

struct tls_set *certificates_load(
    const struct config *config, size_t index, bool make_certificate, struct config_report *report)
{
    const struct config_tls *tls = &config->tls[index];
    struct place place = {tls, report, make_certificate};
    struct tls_set_parameters parameters = {
        .name = tls->name,
        .certificate_count = tls->certificates.count,
        .certificates = tls->certificates.text,
        .keys = tls->keys.text,
        .rules = {.policy = tls->policy,
            .minimum = tls->minimum_version,
            .maximum = tls->maximum_version,
            .ciphers = tls->ciphers,
            .ciphersuites = tls->ciphersuites,
            .groups = tls->groups},
        .tickets = tls->tickets,
        .name_count = tls->names.count,
        .names = tls->names.text,
        .client_certificate = tls->client_certificate,
        .client_ca = tls->client_ca,
        .warning = {warn, &place},
    };
    char path[SELF_SIGNED_PATH_MAX];
    const char *self_signed = path;
    struct tls_fault fault;
    struct tls_set *set;

    if (tls->certificates.count == 0 && !make_certificate) {
        if (!tls_policy_check(&parameters.rules, &parameters.warning, &fault))
            add(&place, true, fault.culprit, fault.index, fault.error.text);
        return NULL;
    }
    if (tls->certificates.count == 0) {
        if (!make_self_signed(config, path, report))
            return NULL;
        parameters.certificate_count = 1;
        parameters.certificates = &self_signed;
        parameters.keys = &self_signed;
    }
    set = tls_set_new(&parameters, &fault);
    if (!set)
        add(&place, true, fault.culprit, fault.index, fault.error.text);
    return set;
}
