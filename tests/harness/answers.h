/*
 * Answers of an authority about certificates (OCSP), for tests. One thread; abort() on any failure.
 */
#ifndef MAILMUX_HARNESS_ANSWERS_H
#define MAILMUX_HARNESS_ANSWERS_H

#include <stdint.h>

struct answer_request {
    const char *certificate; /* PEM files */
    const char *issuer;
    const char *issuer_key;
    const char *out; /* the file that is written, in DER */
    int status;      /* V_OCSP_CERTSTATUS_GOOD, _REVOKED or _UNKNOWN */
    int64_t from_s;  /* thisUpdate, since 1970 */
    int64_t until_s; /* nextUpdate; 0: there is none */
};

void answer_make(const struct answer_request *request);

#endif
