#include "tls_set.h"

#include "tls.h"
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

static bool add(char ***names, size_t *count, const char *name)
{
    char **grown = realloc(*names, (*count + 1) * sizeof(*grown));

    if (!grown)
        return false;
    *names = grown;
    grown[*count] = strdup(name);
    if (!grown[*count])
        return false;
    ++*count;
    return true;
}

/*
 * Adds the DNS names of a certificate (subjectAltName). Other kinds, and names that are no host
 * names, are skipped. Returns false without memory.
 */
static bool add_certificate_names(struct tls_set *set, const X509 *certificate)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    char text[TLS_HOST_MAX + 3];
    bool is_fine = true;

    for (int i = 0; is_fine && i < sk_GENERAL_NAME_num(names); i++) {
        int type;
        const ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);

        if (type != GEN_DNS)
            continue;
        if (tls_names_normalise_pattern(slice_of((const char *)ASN1_STRING_get0_data(value),
                                            (size_t)ASN1_STRING_length(value)),
                text))
            is_fine = add(&set->names, &set->name_count, text);
    }
    GENERAL_NAMES_free(names);
    return is_fine;
}

static bool add_names_of_certificates(struct tls_set *set)
{
    for (long more = SSL_CTX_set_current_cert(set->context, SSL_CERT_SET_FIRST); more == 1;
         more = SSL_CTX_set_current_cert(set->context, SSL_CERT_SET_NEXT)) {
        if (!add_certificate_names(set, SSL_CTX_get0_certificate(set->context)))
            return false;
    }
    return true;
}

static bool add_claims(struct tls_set *set, const struct tls_set_parameters *parameters)
{
    char text[TLS_HOST_MAX + 3];

    for (size_t i = 0; i < parameters->claim_count; i++) {
        if (tls_names_normalise_pattern(slice_from(parameters->claims[i]), text) &&
            !add(&set->claims, &set->claim_count, text))
            return false;
    }
    return true;
}

static bool fill(struct table *table, char **names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!table_put(table, slice_from(names[i]), names[i]))
            return false;
    }
    return true;
}

bool tls_names_load(
    struct tls_set *set, const struct tls_set_parameters *parameters, struct tls_fault *fault)
{
    char text[TLS_HOST_MAX + 3];
    bool is_fine = add_claims(set, parameters);

    if (is_fine && parameters->name_count == 0)
        is_fine = add_names_of_certificates(set);
    for (size_t i = 0; is_fine && i < parameters->name_count; i++) {
        if (!tls_names_normalise_pattern(slice_from(parameters->names[i]), text)) {
            tls_fault_library(fault, TLS_CULPRIT_NAMES, i,
                "%s is no host name; expected mail.example.org or *.example.org",
                parameters->names[i]);
            return false;
        }
        is_fine = add(&set->names, &set->name_count, text);
    }
    is_fine = is_fine && fill(&set->by_name, set->names, set->name_count) &&
              fill(&set->by_claim, set->claims, set->claim_count);
    if (!is_fine)
        error_set(&fault->error, "no memory");
    return is_fine;
}
