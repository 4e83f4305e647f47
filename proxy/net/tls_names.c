#include "tls_set.h"

#include "tls.h"
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

bool tls_names_normalise(struct slice name, char out[TLS_HOST_MAX + 1])
{
    size_t n = name.n > 0 && name.p[name.n - 1] == '.' ? name.n - 1 : name.n;

    if (n == 0 || n > TLS_HOST_MAX || name.p[n - 1] == '.')
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = name.p[i];

        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_' &&
            (c != '.' || i == 0 || out[i - 1] == '.'))
            return false;
        out[i] = c;
    }
    out[n] = '\0';
    return true;
}

/* Normalises a host name, or "*." and a host name. Returns false if it is neither. */
static bool normalise_pattern(struct slice name, char out[TLS_HOST_MAX + 3])
{
    bool is_wildcard = slice_starts(name, SLICE("*."));

    out[0] = '*';
    out[1] = '.';
    return tls_names_normalise(
        is_wildcard ? slice_after(name, 2) : name, is_wildcard ? out + 2 : out);
}

static bool add(struct tls_set *set, const char *name)
{
    char **grown = realloc(set->names, (set->name_count + 1) * sizeof(*grown));

    if (!grown)
        return false;
    set->names = grown;
    grown[set->name_count] = strdup(name);
    if (!grown[set->name_count])
        return false;
    set->name_count++;
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
        if (normalise_pattern(slice_of((const char *)ASN1_STRING_get0_data(value),
                                  (size_t)ASN1_STRING_length(value)),
                text))
            is_fine = add(set, text);
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

bool tls_names_load(
    struct tls_set *set, const struct tls_set_parameters *parameters, struct tls_fault *fault)
{
    char text[TLS_HOST_MAX + 3];
    bool is_fine = true;

    if (parameters->name_count == 0)
        is_fine = add_names_of_certificates(set);
    for (size_t i = 0; is_fine && i < parameters->name_count; i++) {
        if (!normalise_pattern(slice_from(parameters->names[i]), text)) {
            tls_fault_library(fault, TLS_CULPRIT_NAMES, i,
                "%s is no host name; expected mail.example.org or *.example.org",
                parameters->names[i]);
            return false;
        }
        is_fine = add(set, text);
    }
    if (!is_fine)
        error_set(&fault->error, "no memory");
    return is_fine;
}

/*
 * Returns whether the set has the name itself, or with by_wildcard a wildcard for its parent
 * domain.
 */
static bool serves(const struct tls_set *set, const char *name, bool by_wildcard)
{
    const char *parent = strchr(name, '.');

    for (size_t i = 0; i < set->name_count; i++) {
        const char *mine = set->names[i];

        if (by_wildcard ? mine[0] == '*' && parent && strcmp(mine + 1, parent) == 0
                        : strcmp(mine, name) == 0)
            return true;
    }
    return false;
}

const struct tls_set *tls_names_choose(const struct tls_service *service, const char *name)
{
    for (int by_wildcard = 0; by_wildcard <= 1; by_wildcard++) {
        for (size_t i = 0; i < service->set_count; i++) {
            if (serves(service->sets[i], name, by_wildcard == 1))
                return service->sets[i];
        }
    }
    return NULL;
}
