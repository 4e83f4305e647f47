#include "tls_session.h"

#include "tls_certificate.h"

int64_t tls_session_end(const SSL_SESSION *session, bool certificate_counts)
{
    int64_t begin_s = SSL_SESSION_get_time(session);
    int64_t end_s = begin_s + SSL_SESSION_get_timeout(session);
    int64_t hint_s = (int64_t)SSL_SESSION_get_ticket_lifetime_hint(session);
    const X509 *peer = certificate_counts ? SSL_SESSION_get0_peer((SSL_SESSION *)session) : NULL;

    if (hint_s > 0 && begin_s + hint_s < end_s)
        end_s = begin_s + hint_s;
    if (peer) {
        int64_t expires_s = certificate_end_of(peer);

        end_s = expires_s < end_s ? expires_s : end_s;
    }
    return end_s;
}

void tls_session_set_end(SSL_SESSION *session, int64_t end_s)
{
    int64_t begin_s = SSL_SESSION_get_time(session);

    (void)SSL_SESSION_set_timeout(session, end_s > begin_s ? (long)(end_s - begin_s) : 0);
}
