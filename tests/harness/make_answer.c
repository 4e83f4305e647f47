/*
 * Makes an answer of an authority about a certificate (OCSP), for tests/e2e:
 *
 *   make_answer CERTIFICATE ISSUER ISSUER_KEY OUT good|revoked|unknown FROM UNTIL
 *
 * FROM and UNTIL are seconds from now on, and may be negative; UNTIL "never": it does not say.
 */
#include "answers.h"
#include <openssl/ocsp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int main(int count, char **arguments)
{
    static const struct {
        const char *name;
        int status;
    } words[] = {{"good", V_OCSP_CERTSTATUS_GOOD}, {"revoked", V_OCSP_CERTSTATUS_REVOKED},
        {"unknown", V_OCSP_CERTSTATUS_UNKNOWN}};
    int64_t now_s = (int64_t)time(NULL);
    struct answer_request request = {0};

    if (count != 8) {
        (void)fprintf(stderr, "seven arguments: see make_answer.c\n");
        return 2;
    }
    request.certificate = arguments[1];
    request.issuer = arguments[2];
    request.issuer_key = arguments[3];
    request.out = arguments[4];
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(arguments[5], words[i].name) == 0)
            request.status = words[i].status;
    }
    request.from_s = now_s + strtol(arguments[6], NULL, 10);
    if (strcmp(arguments[7], "never") != 0)
        request.until_s = now_s + strtol(arguments[7], NULL, 10);
    answer_make(&request);
    return 0;
}
