#include "mailmux/login_advice.h"

#include "mailmux/config_protocols.h"

const char *login_advice_why(enum config_protocol protocol)
{
    return config_protocol_row(protocol)->login_why;
}

const char *login_advice_remedy(enum config_protocol protocol)
{
    return config_protocol_row(protocol)->login_remedy;
}

bool login_advice_is_told(const struct config_backend *backend)
{
    return backend->send_client_address == SEND_ADDRESS_PROXY_V2 &&
           (backend->proxy_tlvs & (unsigned)PROXY_TLV_SSL) != 0;
}
