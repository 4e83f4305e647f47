#include "exchanger.h"

#include "mailmux/config_protocols.h"

enum { EXCHANGER_PORT = 25 };

static bool is_exchanger(const struct config_listener *listener)
{
    for (size_t i = 0; i < listener->bind_count; i++) {
        if (address_port(&listener->bind[i]) == EXCHANGER_PORT)
            return config_protocol_row(listener->protocol)->is_exchange &&
                   listener->tls != LISTENER_TLS_NONE;
    }
    return false;
}

static const struct config_listener *find_exchanger(const struct config *config, size_t set)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];

        for (size_t j = 0; j < listener->tls_set_count; j++) {
            if (listener->tls_sets[j] == set && is_exchanger(listener))
                return listener;
        }
    }
    return NULL;
}

/*
 * The policy's ciphers of TLS 1.2 are ECDHE with AES-GCM or ChaCha20. Some servers know these with
 * an ECDSA certificate alone, and with RSA only DHE or CBC. STARTTLS fails, and they send in clear.
 */
void exchanger_check(
    const struct config *config, struct tls_set *const *sets, struct config_report *report)
{
    for (size_t i = 0; i < config->tls_count; i++) {
        const struct config_tls *tls = &config->tls[i];

        if (!sets[i] || tls->policy != TLS_INTERMEDIATE || tls->ciphers ||
            tls->minimum_version == TLS_1_3 || !tls_set_is_rsa_alone(sets[i]) ||
            !find_exchanger(config, i))
            continue;
        config_report_setting(report, false, SECTION_TLS, tls,
            offsetof(struct config_tls, certificates), 0,
            "it has an RSA key, and stands alone on port 25: mail servers that know RSA only with "
            "DHE or CBC (Exchange on Windows Server 2012 R2) find no cipher and send in clear; add "
            "an ECDSA certificate and its key, or write ciphers = "
            "ECDHE+AESGCM:ECDHE+CHACHA20:DHE-RSA-AES256-GCM-SHA384");
    }
}
