#include "certificates.h"

#include "certificate_directory.h"
#include "mailmux/files.h"
#include "self_signed.h"
#include "state_directory.h"
#include <stdlib.h>

/* Items of a list that are in use, and the place of each in its setting. */
struct items {
    size_t count;
    const char **text;
    size_t *index;
};

/*
 * One set while it is loaded. After a fault the setting that is at fault is left out, and the rest
 * is tried again, so that all faults are found at once.
 */
struct place {
    const struct config_tls *tls;
    struct tls_directory *directory; /* a reference, or NULL */
    struct config_report *report;
    struct config_report warnings; /* of the last try; an earlier one has found some of them, too */
    bool serving;                  /* false: for --check, which has no log */
    struct items certificates;
    struct items keys;
    struct items names;
    bool is_ours; /* we make the certificate, and will renew it */
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

static const struct items *items_of(const struct place *place, enum tls_culprit culprit)
{
    if (culprit == TLS_CULPRIT_CERTIFICATE)
        return &place->certificates;
    if (culprit == TLS_CULPRIT_KEY)
        return &place->keys;
    return culprit == TLS_CULPRIT_NAMES ? &place->names : NULL;
}

static void add(const struct place *place, struct config_report *report, bool is_error,
    enum tls_culprit culprit, size_t index, const char *text)
{
    const struct items *items = items_of(place, culprit);

    config_report_setting(report, is_error, SECTION_TLS, place->tls, fields[culprit],
        items && index < items->count ? items->index[index] : index, text);
}

/* A group that this OpenSSL lacks is left out, and only the log says so: it is no mistake. */
static void warn(void *owner, enum tls_culprit culprit, size_t index, const char *text)
{
    struct place *place = owner;

    if (culprit != TLS_CULPRIT_GROUPS && !place->is_ours)
        add(place, &place->warnings, false, culprit, index, text);
    else if (culprit == TLS_CULPRIT_GROUPS && place->serving)
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

    if (!config_is_good(SECTION_TLS, tls, offsetof(struct config_tls, ticket_keys)) ||
        !config_is_good(SECTION_TLS, tls, offsetof(struct config_tls, ticket_period)))
        return NULL;
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

/* ---- What is tried ---- */

/* Returns false without memory. */
static bool items_take(struct items *items, const struct config_strings *strings)
{
    *items = (struct items){.text = calloc(strings->count + 1, sizeof(const char *)),
        .index = calloc(strings->count + 1, sizeof(size_t))};
    if (!items->text || !items->index)
        return false;
    for (size_t i = 0; i < strings->count; i++) {
        items->text[i] = strings->text[i];
        items->index[i] = i;
    }
    items->count = strings->count;
    return true;
}

static void items_free(struct items *items)
{
    free((void *)items->text);
    free(items->index);
}

static void items_drop(struct items *items, size_t index)
{
    items->count--;
    for (size_t i = index; i < items->count; i++) {
        items->text[i] = items->text[i + 1];
        items->index[i] = items->index[i + 1];
    }
}

static void drop_pair(struct place *place, size_t index)
{
    items_drop(&place->certificates, index);
    items_drop(&place->keys, index);
}

static bool is_good(const struct place *place, enum tls_culprit culprit)
{
    return config_is_good(SECTION_TLS, place->tls, fields[culprit]);
}

static bool is_readable(const char *path)
{
    struct stat status;

    return files_look(path, &status) == 0 && !S_ISDIR(status.st_mode);
}

/*
 * Leaves out the files that cannot be read, for they are reported already. If a certificate or a
 * key is missing, which of them belong together is not known.
 */
static void drop_bad_pairs(struct place *place)
{
    if (place->certificates.count != place->keys.count) {
        place->certificates.count = 0;
        place->keys.count = 0;
    }
    if (is_good(place, TLS_CULPRIT_CERTIFICATE) && is_good(place, TLS_CULPRIT_KEY))
        return;
    for (size_t i = place->certificates.count; i > 0; i--) {
        if (!is_readable(place->certificates.text[i - 1]) || !is_readable(place->keys.text[i - 1]))
            drop_pair(place, i - 1);
    }
}

static struct tls_rules rules_of(const struct place *place, const struct config *config)
{
    const struct config_tls *tls = place->tls;
    struct tls_rules rules = {.policy = tls->policy,
        .minimum = tls->minimum_version,
        .maximum = tls->maximum_version,
        .ciphers = tls->ciphers,
        .ciphersuites = tls->ciphersuites,
        .groups = tls->groups,
        .own_records = config->proxy.tls_relay == TLS_RELAY_OWN};

    if (config_is_good(SECTION_TLS, tls, offsetof(struct config_tls, policy)) &&
        config_is_good(SECTION_TLS, tls, offsetof(struct config_tls, minimum_version)) &&
        config_is_good(SECTION_TLS, tls, offsetof(struct config_tls, maximum_version)))
        return rules;
    rules.policy = TLS_INTERMEDIATE; /* what cannot be read may have fitted the rest */
    rules.minimum = TLS_VERSION_BY_POLICY;
    rules.maximum = TLS_VERSION_BY_POLICY;
    return rules;
}

/* Takes the setting that is at fault out. Returns false if there is none to take out. */
static bool take_out(
    struct tls_set_parameters *parameters, struct place *place, const struct tls_fault *fault)
{
    switch (fault->culprit) {
    case TLS_CULPRIT_CERTIFICATE:
    case TLS_CULPRIT_KEY:
        if (fault->index >= place->certificates.count)
            return false;
        drop_pair(place, fault->index);
        parameters->is_bare = true;
        return true;
    case TLS_CULPRIT_CLIENT_CERTIFICATE:
    case TLS_CULPRIT_CA:
        parameters->client_certificate = TLS_CLIENT_CERTIFICATE_NONE;
        return true;
    case TLS_CULPRIT_VERSION:
        parameters->rules.minimum = TLS_VERSION_BY_POLICY;
        parameters->rules.maximum = TLS_VERSION_BY_POLICY;
        return true;
    case TLS_CULPRIT_CIPHERS:
        parameters->rules.ciphers = NULL;
        return true;
    case TLS_CULPRIT_CIPHERSUITES:
        parameters->rules.ciphersuites = NULL;
        return true;
    case TLS_CULPRIT_GROUPS:
        parameters->rules.groups = NULL;
        return true;
    case TLS_CULPRIT_NAMES:
        items_drop(&place->names, fault->index);
        return true;
    case TLS_CULPRIT_NONE:
    case TLS_CULPRIT_PIN:
        break;
    }
    return false;
}

/* Returns the set, or NULL after all faults have been reported. */
static struct tls_set *try_all(struct tls_set_parameters parameters, struct place *place)
{
    struct tls_set *set = NULL;
    size_t faults = 0;
    size_t most = place->certificates.count + place->names.count + TLS_CULPRIT_PIN;
    struct tls_fault fault;

    while (!set && faults < most) {
        parameters.certificate_count = place->certificates.count;
        parameters.name_count = place->names.count;
        config_report_free(&place->warnings);
        set = tls_set_new(&parameters, &fault);
        if (set)
            break;
        faults++;
        add(place, place->report, true, fault.culprit, fault.index, fault.error.text);
        if (!take_out(&parameters, place, &fault))
            break;
    }
    config_report_move(place->report, &place->warnings);
    if (faults > 0)
        tls_set_free(&set);
    return set;
}

/* Not where a certificate is missing by an error. */
static bool needs_self_signed(const struct place *place)
{
    return place->tls->certificates.count == 0 && place->tls->keys.count == 0 &&
           place->tls->directories.count == 0 && is_good(place, TLS_CULPRIT_CERTIFICATE) &&
           is_good(place, TLS_CULPRIT_KEY);
}

static struct tls_set *load(const struct config *config, struct place *place)
{
    const struct config_tls *tls = place->tls;
    struct tls_set_parameters parameters = {
        .name = tls->name,
        .certificates = place->certificates.text,
        .keys = place->keys.text,
        .directory = place->directory,
        .rules = rules_of(place, config),
        .tickets = tls->tickets,
        .names = place->names.text,
        .claim_count = tls->hosts.count,
        .claims = tls->hosts.text,
        .client_certificate = tls->client_certificate,
        .client_ca = tls->client_ca,
        .hostname = config->proxy.hostname,
        .warning = {warn, place},
    };
    char path[SELF_SIGNED_PATH_MAX];

    if (!is_good(place, TLS_CULPRIT_CLIENT_CERTIFICATE) || !is_good(place, TLS_CULPRIT_CA))
        parameters.client_certificate = TLS_CLIENT_CERTIFICATE_NONE;
    if (needs_self_signed(place) && !place->serving) {
        state_directory_check(config, true, place->report);
    } else if (needs_self_signed(place)) {
        if (!make_self_signed(config, path, place->report))
            return NULL;
        place->certificates.text[0] = path; /* there is room for one more */
        place->certificates.count = 1;
        place->keys.text[0] = path;
        place->keys.count = 1;
    }
    drop_bad_pairs(place);
    parameters.is_bare = place->certificates.count == 0 && !place->directory;
    return try_all(parameters, place);
}

/* Returns which of the directories a problem, which begins with a path, is in. */
static size_t directory_of(const struct config_strings *directories, const char *problem)
{
    for (size_t i = 0; i < directories->count; i++) {
        size_t n = strlen(directories->text[i]);

        if (strncmp(problem, directories->text[i], n) == 0 && problem[n] == '/')
            return i;
    }
    return 0;
}

/*
 * Reads the directories of the set. Returns false, having reported why, if they cannot be read or
 * leave the set without a certificate.
 */
static bool read_directories(
    const struct config *config, struct place *place, const struct tls_directory *before)
{
    const struct config_tls *tls = place->tls;
    const size_t field = offsetof(struct config_tls, directories);
    const char *problem;
    struct error error;
    size_t failed;

    if (tls->directories.count == 0 || !config_is_good(SECTION_TLS, tls, field))
        return true;
    place->directory = certificate_directory_read(config, tls, before,
        place->serving ? CERTIFICATE_DIRECTORY_LOAD : CERTIFICATE_DIRECTORY_CHECK, &failed, &error);
    if (!place->directory) {
        config_report_setting(place->report, true, SECTION_TLS, tls, field, failed, error.text);
        return false;
    }
    for (size_t i = 0; (problem = tls_directory_problem(place->directory, i)) != NULL; i++)
        config_report_setting(place->report, false, SECTION_TLS, tls, field,
            directory_of(&tls->directories, problem), problem);
    if (tls->certificates.count > 0 || tls_directory_count(place->directory) > 0)
        return true;
    config_report_setting(place->report, true, SECTION_TLS, tls, field, 0,
        "no certificate with its private key is in it or below it, and the set has no other; put "
        "both there, in one file or in two of the same directory, or write certificate and key");
    return false;
}

struct tls_set *certificates_load(const struct config *config, size_t index,
    const struct tls_directory *before, bool make_certificate, struct config_report *report)
{
    const struct config_tls *tls = &config->tls[index];
    struct place place = {.tls = tls,
        .report = report,
        .serving = make_certificate,
        .is_ours = tls->certificates.count == 0 && tls->directories.count == 0};
    struct tls_set *set = NULL;

    if (!read_directories(config, &place, before))
        tls_directory_unref(&place.directory);
    if (items_take(&place.certificates, &tls->certificates) &&
        items_take(&place.keys, &tls->keys) && items_take(&place.names, &tls->names))
        set = load(config, &place);
    else
        add(&place, report, true, TLS_CULPRIT_NONE, 0, "out of memory");
    items_free(&place.certificates);
    items_free(&place.keys);
    items_free(&place.names);
    tls_directory_unref(&place.directory);
    if (set && place.is_ours && !make_certificate)
        tls_set_free(&set); /* it has no certificate, and was made to find faults */
    return set;
}

/* Returns the first set of the first listener with TLS, or NULL. */
static const struct config_tls *find_used(const struct config *config)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];

        if (listener->tls != LISTENER_TLS_NONE)
            return &config->tls[listener->tls_sets[0]];
    }
    return NULL;
}

/* Warns of a host name in `for`; a pattern may be wider than the names that clients ask for. */
static void check_hosts(
    const struct config_tls *tls, const struct tls_set *set, struct config_report *report)
{
    for (size_t i = 0, host = 0; i < tls->users.count && host < tls->hosts.count; i++) {
        const char *text = tls->users.text[i];

        if (text != tls->hosts.text[host])
            continue;
        host++;
        if (!slice_starts(slice_from(text), SLICE("*.")) && !tls_set_covers(set, text))
            config_report_setting(report, false, SECTION_TLS, tls,
                offsetof(struct config_tls, users), i,
                "its certificate is not for this name, and clients that ask for it will refuse it");
    }
}

void certificates_check_hosts(
    const struct config *config, struct tls_set *const *sets, struct config_report *report)
{
    for (size_t i = 0; i < config->tls_count; i++) {
        if (sets[i])
            check_hosts(&config->tls[i], sets[i], report);
    }
}

void certificates_check_hostname(
    const struct config *config, struct tls_set *const *sets, struct config_report *report)
{
    const struct config_tls *used = find_used(config);
    char names[ERROR_TEXT_MAX / 2];
    char text[ERROR_TEXT_MAX];

    for (size_t i = 0; used && i < config->tls_count; i++) {
        /* One that we make is for the hostname. */
        if (sets[i] ? tls_set_covers_hostname(sets[i], config->proxy.hostname)
                    : &config->tls[i] == used)
            return;
    }
    if (!used)
        return;
    (void)tls_set_names_text(sets[used - config->tls], names, sizeof(names));
    (void)snprintf(text, sizeof(text),
        "no certificate is for %s, which is hostname in [proxy], and clients that use this name "
        "will refuse it; have one made for it, or write hostname = and the name that clients use "
        "(the certificate here is for %s)",
        config->proxy.hostname, names[0] ? names : "no name at all");
    config_report_setting(report, false, SECTION_TLS, used,
        used->certificates.count > 0 || used->directories.count == 0
            ? offsetof(struct config_tls, certificates)
            : offsetof(struct config_tls, directories),
        0, text);
}
