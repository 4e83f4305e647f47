#include "logins.h"

static const unsigned any_login = OPENING_OFFERS_PASSWORDS | OPENING_OFFERS_MECHANISM;

static bool lacks_passwords(const struct config_backend *backend, const struct probe_result *result)
{
    switch (backend->protocol) {
    case CONFIG_PROTOCOL_SMTP: /* mail is accepted without a login */
        return false;
    case CONFIG_PROTOCOL_SUBMISSION:
        return result->knows_offers && (result->offers & any_login) == 0;
    case CONFIG_PROTOCOL_POP3:
        return result->knows_offers && !(result->offers & (unsigned)OPENING_OFFERS_PASSWORDS);
    case CONFIG_PROTOCOL_IMAP: /* the greeting may tell, without knows_offers */
        return (result->offers & (unsigned)OPENING_SHOWS_LOGINDISABLED) != 0;
    }
    return false;
}

/*
 * Returns whether it refuses even mail, because TLS is missing or because it wants a login that it
 * does not offer.
 */
static bool refuses_mail(const struct probe_result *result, const struct relay_answer *relay)
{
    if (!relay || relay->judgement != RELAY_UNDECIDED)
        return false;
    return relay->reason == RELAY_FOR_TLS ||
           (relay->reason == RELAY_FOR_LOGIN && result->knows_offers &&
               (result->offers & any_login) == 0);
}

enum logins logins_judge(const struct config_backend *backend, const struct probe_result *result,
    const struct relay_answer *relay)
{
    if (backend->tls != BACKEND_TLS_NONE)
        return LOGINS_FINE;
    if (refuses_mail(result, relay))
        return LOGINS_NONE;
    if (!lacks_passwords(backend, result))
        return LOGINS_FINE;
    return (result->offers & any_login) != 0 ? LOGINS_FEW : LOGINS_NONE;
}
