#include "backend_tls.h"

#include <stdlib.h>

/* Where problems of this backend go. */
struct place {
    const struct config_backend *backend;
    struct config_report *report;
    struct config_report warnings; /* of the last try; an earlier one has found some of them, too */
};

/* The setting to blame for each parameter of net/tls_client. */
static const size_t fields[] = {
    [TLS_CULPRIT_NONE] = offsetof(struct config_backend, tls),
    [TLS_CULPRIT_CERTIFICATE] = offsetof(struct config_backend, client_certificate),
    [TLS_CULPRIT_KEY] = offsetof(struct config_backend, client_key),
    [TLS_CULPRIT_CLIENT_CERTIFICATE] = offsetof(struct config_backend, tls), /* never blamed */
    [TLS_CULPRIT_CA] = offsetof(struct config_backend, ca),
    [TLS_CULPRIT_VERSION] = offsetof(struct config_backend, tls_policy),
    [TLS_CULPRIT_CIPHERS] = offsetof(struct config_backend, tls_policy),
    [TLS_CULPRIT_CIPHERSUITES] = offsetof(struct config_backend, tls_policy),
    [TLS_CULPRIT_GROUPS] = offsetof(struct config_backend, tls_policy),
    [TLS_CULPRIT_NAMES] = offsetof(struct config_backend, tls_name),
    [TLS_CULPRIT_PIN] = offsetof(struct config_backend, pins),
};

static void add(const struct place *place, struct config_report *report, bool is_error,
    enum tls_culprit culprit, size_t index, const char *text)
{
    /* Without client_key the key is in the file of the certificate. */
    bool is_one_file = culprit == TLS_CULPRIT_KEY && !place->backend->client_key;

    config_report_setting(report, is_error, SECTION_BACKEND, place->backend,
        fields[is_one_file ? TLS_CULPRIT_CERTIFICATE : culprit], index, text);
}

/* A group of tls_policy that this OpenSSL lacks is left out, and is no mistake of the operator. */
static void warn(void *owner, enum tls_culprit culprit, size_t index, const char *text)
{
    struct place *place = owner;

    if (culprit != TLS_CULPRIT_GROUPS)
        add(place, &place->warnings, false, culprit, index, text);
}

/*
 * Returns the pins, which the caller frees. Reports each one that is wrong, and then returns NULL,
 * as without memory.
 */
static unsigned char (*read_pins(const struct place *place))[TLS_PIN_SIZE]
{
    const struct config_strings *texts = &place->backend->pins;
    unsigned char(*pins)[TLS_PIN_SIZE] = calloc(texts->count, sizeof(*pins));
    bool is_good = pins != NULL;

    for (size_t i = 0; pins && i < texts->count; i++) {
        if (tls_pin_parse(texts->text[i], pins[i]))
            continue;
        is_good = false;
        add(place, place->report, true, TLS_CULPRIT_PIN, i,
            "not a pin; write sha256: and 64 hexadecimal digits or 44 characters of base64, as "
            "openssl x509 -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 "
            "tells");
    }
    if (is_good)
        return pins;
    if (!pins)
        add(place, place->report, true, TLS_CULPRIT_NONE, 0, "out of memory");
    free(pins);
    return NULL;
}

static bool is_good(const struct config_backend *backend, size_t field)
{
    return config_is_good(SECTION_BACKEND, backend, field);
}

/* Leaves out what is reported already, such as a file that cannot be read. */
static void leave_out_bad(
    struct tls_client_parameters *parameters, const struct config_backend *backend)
{
    if (!is_good(backend, offsetof(struct config_backend, ca)))
        parameters->ca = NULL;
    if (!is_good(backend, offsetof(struct config_backend, client_certificate)) ||
        !is_good(backend, offsetof(struct config_backend, client_key)) ||
        !parameters->certificate) {
        parameters->certificate = NULL;
        parameters->key = NULL;
    }
}

/*
 * Takes the setting that is at fault out, so that the rest can be tried. Returns false if there is
 * none to take out.
 */
static bool take_out(struct tls_client_parameters *parameters, const struct tls_fault *fault)
{
    switch (fault->culprit) {
    case TLS_CULPRIT_CERTIFICATE:
    case TLS_CULPRIT_KEY:
        parameters->certificate = NULL;
        parameters->key = NULL;
        return true;
    case TLS_CULPRIT_CA:
        parameters->ca = NULL;
        parameters->no_verify = true; /* else the system's store would be read */
        return true;
    case TLS_CULPRIT_NONE:
    case TLS_CULPRIT_CLIENT_CERTIFICATE:
    case TLS_CULPRIT_VERSION:
    case TLS_CULPRIT_CIPHERS:
    case TLS_CULPRIT_CIPHERSUITES:
    case TLS_CULPRIT_GROUPS:
    case TLS_CULPRIT_NAMES:
    case TLS_CULPRIT_PIN:
        break;
    }
    return false;
}

/* Returns a reference, or NULL after all faults have been reported. */
static struct tls_client *try_all(struct tls_client_parameters parameters, struct place *place)
{
    enum { MOST = 3 };
    struct tls_client *client = NULL;
    struct tls_fault fault;
    size_t faults = 0;

    while (!client && faults < MOST) {
        config_report_free(&place->warnings);
        client = tls_client_new(&parameters, &fault);
        if (client)
            break;
        faults++;
        add(place, place->report, true, fault.culprit, fault.index, fault.error.text);
        if (!take_out(&parameters, &fault))
            break;
    }
    config_report_move(place->report, &place->warnings);
    if (faults > 0)
        tls_client_unref(&client);
    return client;
}

struct tls_client *backend_tls_load(
    const struct config_backend *backend, enum config_tls_relay relay, struct config_report *report)
{
    struct place place = {.backend = backend, .report = report};
    struct tls_client_parameters parameters = {
        .rules = {.policy = backend->tls_policy, .own_records = relay == TLS_RELAY_OWN},
        .no_verify = !backend->verify,
        .ca = backend->ca,
        .certificate = backend->client_certificate,
        .key = backend->client_key,
        .warning = {warn, &place},
    };
    unsigned char(*pins)[TLS_PIN_SIZE] = NULL;
    struct tls_client *client;

    if (backend->tls == BACKEND_TLS_NONE)
        return NULL;
    leave_out_bad(&parameters, backend);
    if (backend->pins.count > 0)
        pins = read_pins(&place);
    if (pins) {
        parameters.pin_count = backend->pins.count;
        parameters.pins = (const unsigned char(*)[TLS_PIN_SIZE])pins;
    }
    client = try_all(parameters, &place);
    free(pins);
    if (backend->pins.count > 0 && !pins)
        tls_client_unref(&client); /* it would take any certificate */
    return client;
}
