/* What has to do with names and who resolves them: services (SRV), and DNS servers of one's own. */
#include "config_build.h"

#include "config_value.h"

enum { DNS_PORT = 53 };

#define SERVICE_PREFIX "srv:"
#define SERVICE_EXAMPLE "srv:_imap._tcp.example.org"

bool config_is_service(struct slice word)
{
    struct slice name = slice_after(word, sizeof(SERVICE_PREFIX) - 1);
    uint64_t ignored;

    /* srv:143 is a host that is called srv. */
    return slice_starts_nocase(word, SLICE(SERVICE_PREFIX)) &&
           !slice_number(name, UINT64_MAX, &ignored);
}

/* _service._tcp and a host name behind it [2782]. */
static bool service_is_valid(struct slice name)
{
    struct slice rest = name;
    struct slice service = {NULL, 0};
    struct slice transport = {NULL, 0};

    (void)slice_split(&rest, '.', &service);
    (void)slice_split(&rest, '.', &transport);
    return service.n > 1 && service.p[0] == '_' && slice_equal_nocase(transport, SLICE("_tcp")) &&
           config_host_is_valid(rest) && config_host_is_valid(name);
}

bool setting_parse_service(struct setting *setting, const struct config_value *value,
    struct slice word, struct config_server *server)
{
    struct slice name = slice_after(word, sizeof(SERVICE_PREFIX) - 1);
    size_t colon = slice_find(name, ':');

    if (colon < name.n && service_is_valid(slice_of(name.p, colon))) {
        setting_refuse(setting, value,
            "the port comes from the SRV records; write srv:%.*s without \"%.*s\"", (int)colon,
            name.p, (int)(name.n - colon), name.p + colon);
        return false;
    }
    if (!service_is_valid(name)) {
        setting_refuse(setting, value,
            "\"%.*s\" is not the name of SRV records, which begins with _SERVICE._tcp; write "
            "e.g. " SERVICE_EXAMPLE,
            (int)name.n, name.p);
        return false;
    }
    server->is_service = true;
    server->host = config_store_text(setting->build->store, name);
    return true;
}

static bool parse_resolver(struct slice text, struct address *address)
{
    struct slice host;
    uint16_t port;

    if (address_parse_ip(text, DNS_PORT, address))
        return true;
    return address_split_port(text, &host, &port) && address_parse_ip(host, port, address);
}

void setting_parse_resolvers(
    struct setting *setting, const struct config_value *values, size_t count)
{
    struct config_proxy *proxy = setting->section;
    struct config_addresses *resolvers = &proxy->resolvers;
    struct config_store *store = setting->build->store;

    resolvers->address = config_store_take(store, count, sizeof(*resolvers->address));
    resolvers->origin = config_store_take(store, count, sizeof(*resolvers->origin));
    for (size_t i = 0; i < count; i++) {
        if (parse_resolver(values[i].text, &resolvers->address[resolvers->count]))
            resolvers->origin[resolvers->count++] = values[i].origin;
        else
            setting_refuse(setting, &values[i],
                "not the IP address of a DNS server; write e.g. 192.0.2.53, 192.0.2.53:5353 or "
                "[2001:db8::53]:53");
    }
}
