#include "answers.h"

#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static void need(bool is_fine, const char *what)
{
    if (is_fine)
        return;
    (void)fprintf(stderr, "answers: %s failed\n", what);
    abort();
}

static X509 *read_certificate(const char *path)
{
    FILE *file = fopen(path, "re");
    X509 *certificate = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;

    need(certificate != NULL, path);
    (void)fclose(file);
    return certificate;
}

static EVP_PKEY *read_key(const char *path)
{
    FILE *file = fopen(path, "re");
    EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;

    need(key != NULL, path);
    (void)fclose(file);
    return key;
}

static ASN1_TIME *time_of(int64_t at_s)
{
    ASN1_TIME *at = ASN1_GENERALIZEDTIME_set(NULL, (time_t)at_s);

    need(at != NULL, "time");
    return at;
}

static void add_status(
    OCSP_BASICRESP *basic, const struct answer_request *request, const X509 *leaf, X509 *issuer)
{
    OCSP_CERTID *id = OCSP_cert_to_id(NULL, leaf, issuer);
    ASN1_TIME *from = time_of(request->from_s);
    ASN1_TIME *until = request->until_s ? time_of(request->until_s) : NULL;
    ASN1_TIME *revoked =
        request->status == V_OCSP_CERTSTATUS_REVOKED ? time_of(request->from_s) : NULL;

    need(OCSP_basic_add1_status(basic, id, request->status, 0, revoked, from, until) != NULL,
        "status");
    OCSP_CERTID_free(id);
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    ASN1_TIME_free(revoked);
}

void answer_make(const struct answer_request *request)
{
    X509 *leaf = read_certificate(request->certificate);
    X509 *issuer = read_certificate(request->issuer);
    EVP_PKEY *key = read_key(request->issuer_key);
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_RESPONSE *response;
    BIO *out = BIO_new_file(request->out, "wb");

    need(basic && out, request->out);
    add_status(basic, request, leaf, issuer);
    need(OCSP_basic_sign(basic, issuer, key, EVP_sha256(), NULL, 0) == 1, "signature");
    response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    need(response && i2d_OCSP_RESPONSE_bio(out, response) == 1, "writing");
    BIO_free_all(out);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    EVP_PKEY_free(key);
    X509_free(issuer);
    X509_free(leaf);
}
