#include "logins.h"

#include "mailmux/config_protocols.h"

static const unsigned any_login = OPENING_OFFERS_PASSWORDS | OPENING_OFFERS_MECHANISM;

static bool lacks_passwords(const struct config_backend *backend, const struct probe_result *result)
{
    switch (config_protocol_row(backend->protocol)->logins) {
    case PROTOCOL_LOGINS_OPTIONAL:
        return false;
    case PROTOCOL_LOGINS_BY_ANY:
        return result->knows_offers && (result->offers & any_login) == 0;
    case PROTOCOL_LOGINS_BY_PASSWORD:
        return result->knows_offers && !(result->offers & (unsigned)OPENING_OFFERS_PASSWORDS);
    case PROTOCOL_LOGINS_UNLESS_DISABLED: /* the greeting may tell, without knows_offers */
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
