#include "backend_tls.h"

#include <stdlib.h>

/* Where problems of this backend go. */
struct place {
    const struct config_backend *backend;
    struct config_report *report;
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

static void add(const struct place *place, bool is_error, enum tls_culprit culprit, size_t index,
    const char *text)
{
    /* Without client_key the key is in the file of the certificate. */
    bool is_one_file = culprit == TLS_CULPRIT_KEY && !place->backend->client_key;

    config_report_setting(place->report, is_error, SECTION_BACKEND, place->backend,
        fields[is_one_file ? TLS_CULPRIT_CERTIFICATE : culprit], index, text);
}

/* A group of tls_policy that this OpenSSL lacks is left out, and is no mistake of the operator. */
static void warn(void *owner, enum tls_culprit culprit, size_t index, const char *text)
{
    if (culprit != TLS_CULPRIT_GROUPS)
        add(owner, false, culprit, index, text);
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
        add(place, true, TLS_CULPRIT_PIN, i,
            "not a pin; write sha256: and 64 hexadecimal digits or 44 characters of base64, as "
            "openssl x509 -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 "
            "tells");
    }
    if (is_good)
        return pins;
    if (!pins)
        add(place, true, TLS_CULPRIT_NONE, 0, "out of memory");
    free(pins);
    return NULL;
}

struct tls_client *backend_tls_load(
    const struct config_backend *backend, struct config_report *report)
{
    struct place place = {backend, report};
    struct tls_client_parameters parameters = {
        .rules = {.policy = backend->tls_policy},
        .no_verify = !backend->verify,
        .ca = backend->ca,
        .certificate = backend->client_certificate,
        .key = backend->client_key,
        .warning = {warn, &place},
    };
    unsigned char(*pins)[TLS_PIN_SIZE] = NULL;
    struct tls_client *client;
    struct tls_fault fault;

    if (backend->tls == BACKEND_TLS_NONE)
        return NULL;
    if (backend->pins.count > 0) {
        pins = read_pins(&place);
        if (!pins)
            return NULL;
        parameters.pin_count = backend->pins.count;
        parameters.pins = (const unsigned char(*)[TLS_PIN_SIZE])pins;
    }
    client = tls_client_new(&parameters, &fault);
    free(pins);
    if (!client)
        add(&place, true, fault.culprit, fault.index, fault.error.text);
    return client;
}
