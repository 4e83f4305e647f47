/* How a backend is told who the client is: which words fit which protocol. */
#include "config_check.h"

static struct config_setting *setting_of(const struct config_backend *backend, const char *key)
{
    return config_setting_find(backend->settings, SECTION_BACKEND, key);
}

/* What has no place to stand in would be missed by nobody but the reader of the file. */
static void check_tlvs(struct build *build, const struct config_backend *backend)
{
    const struct config_setting *tlvs = setting_of(backend, "proxy_tlvs");

    if (tlvs->state != SETTING_GIVEN || backend->send_client_address == SEND_ADDRESS_PROXY_V2 ||
        backend->proxy_tlvs == PROXY_TLV_SSL)
        return;
    config_report_add(build->report, true, tlvs->origin,
        "[backend %s] proxy_tlvs: only send_client_address = proxy-v2 has a place for them; write "
        "that, or remove the line",
        backend->name);
}

static void check_protocol(
    struct build *build, const struct config_backend *backend, enum config_protocol protocol)
{
    struct config_origin origin = setting_of(backend, "send_client_address")->origin;
    bool is_imap = protocol == CONFIG_PROTOCOL_IMAP;

    if (backend->send_client_address == SEND_ADDRESS_XCLIENT && is_imap)
        config_report_add(build->report, true, origin,
            "[backend %s] send_client_address = xclient: IMAP has no XCLIENT; write id or proxy-v2",
            backend->name);
    else if (backend->send_client_address == SEND_ADDRESS_ID && !is_imap)
        config_report_add(build->report, true, origin,
            "[backend %s] send_client_address = id: only IMAP has ID; write xclient or proxy-v2",
            backend->name);
}

void config_check_backend_address(
    struct build *build, const struct config_backend *backend, enum config_protocol protocol)
{
    if (setting_of(backend, "send_client_address")->state == SETTING_BAD)
        return;
    check_protocol(build, backend, protocol);
    check_tlvs(build, backend);
}
