/* Parses bind: the addresses of a listener. */
#include "config_build.h"

#include <stdlib.h>
#include <string.h>

#define SYSTEMD_PREFIX "systemd:"

static void add_bind(
    struct config_listener *listener, struct slice ip, uint16_t port, struct config_origin origin)
{
    struct address address;

    if (!address_parse_ip(ip, port, &address))
        return;
    listener->bind[listener->bind_count] = address;
    listener->bind_origin[listener->bind_count] = origin;
    listener->bind_count++;
}

/* ---- Sockets that systemd has opened ---- */

/*
 * The keeper says here which sockets it was started with: "NAME=ADDRESS" for each, with blanks
 * between them. A name may stand several times.
 */
static const char *handed_over(void)
{
    const char *sockets = getenv(CONFIG_SOCKETS_VARIABLE);

    return sockets ? sockets : "";
}

static size_t count_handed_over(void)
{
    size_t count = 0;

    for (const char *at = handed_over(); *at; at++)
        count += *at == '=' ? 1 : 0;
    return count;
}

/* Adds the addresses of all sockets of that name. Returns whether there are any. */
static bool add_handed_over(
    struct config_listener *listener, struct slice name, struct config_origin origin)
{
    struct slice rest = slice_from(handed_over());
    bool any = false;

    while (rest.n > 0) {
        struct slice one = slice_of(rest.p, slice_find(rest, ' '));
        struct slice key = slice_of(one.p, slice_find(one, '='));
        struct slice host;
        uint16_t port;

        rest = slice_after(rest, one.n < rest.n ? one.n + 1 : one.n);
        if (slice_equal(key, name) && key.n < one.n &&
            address_split_port(slice_after(one, key.n + 1), &host, &port)) {
            add_bind(listener, host, port, origin);
            any = true;
        }
    }
    return any;
}

/* Where systemd has not started this process, as with --check, the sockets are not known. */
static void parse_handed_over(struct setting *setting, const struct config_value *value)
{
    struct slice name = slice_after(value->text, strlen(SYSTEMD_PREFIX));
    bool is_known = getenv(CONFIG_SOCKETS_VARIABLE) != NULL;

    if (add_handed_over(setting->section, name, value->origin))
        return;
    if (is_known || !setting->build->looks_at_files || name.n == 0)
        setting_refuse(setting, value,
            "systemd has handed over no socket of this name; a .socket unit names its sockets with "
            "FileDescriptorName=, and is bound to this service with Service=");
    else
        config_report_add(setting->build->report, false, value->origin,
            "[%s] bind = %.*s: only a start by systemd tells the addresses, so this listener "
            "is not checked",
            setting->heading, (int)value->text.n, value->text.p);
}

/* ---- Addresses ---- */

/* Of "993" and ":993" the port is known. */
static void refuse_address(struct setting *setting, const struct config_value *value)
{
    size_t colon = slice_starts(value->text, SLICE(":")) ? 1 : 0;
    uint64_t port = 0;

    if (!slice_number(slice_after(value->text, colon), UINT16_MAX, &port) || port == 0)
        port = 25;
    setting_refuse(setting, value,
        "not an address with a port of 1 to 65535; write e.g. 0.0.0.0:%u, [::]:%u or *:%u",
        (unsigned)port, (unsigned)port, (unsigned)port);
}

static void parse_bind(struct setting *setting, const struct config_value *value)
{
    struct config_listener *listener = setting->section;
    struct slice host;
    struct address ignored;
    uint16_t port;

    if (slice_starts(value->text, SLICE(SYSTEMD_PREFIX))) {
        parse_handed_over(setting, value);
    } else if (slice_starts_nocase(value->text, SLICE("unix:")) ||
               slice_starts(value->text, SLICE("/"))) {
        setting_refuse(setting, value,
            "clients come by TCP alone; write e.g. 127.0.0.1:143. A unix socket may be a server");
    } else if (!address_split_port(value->text, &host, &port)) {
        if (!setting_refuse_with_remedy(setting, value, value->text))
            refuse_address(setting, value);
    } else if (setting_refuse_with_remedy(setting, value, host)) {
        return;
    } else if (slice_equal(host, SLICE("*"))) {
        add_bind(listener, SLICE("0.0.0.0"), port, value->origin);
        add_bind(listener, SLICE("::"), port, value->origin);
    } else if (address_parse_ip(host, port, &ignored)) {
        add_bind(listener, host, port, value->origin);
    } else {
        setting_refuse(setting, value,
            "\"%.*s\" is not an IP address; write e.g. 0.0.0.0:%u, [::]:%u or *:%u", (int)host.n,
            host.p, port, port, port);
    }
}

void setting_parse_binds(struct setting *setting, const struct config_value *values, size_t count)
{
    struct config_listener *listener = setting->section;
    struct config_store *store = setting->build->store;
    size_t most = 2 * count + count * count_handed_over();

    listener->bind = config_store_take(store, most, sizeof(*listener->bind));
    listener->bind_origin = config_store_take(store, most, sizeof(*listener->bind_origin));
    for (size_t i = 0; i < count; i++)
        parse_bind(setting, &values[i]);
}
