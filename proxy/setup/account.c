#include "account.h"

#include "rights.h"
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void add(
    const struct config *config, struct config_report *report, bool is_error, const char *text)
{
    config_report_setting(report, is_error, SECTION_PROXY, &config->proxy,
        offsetof(struct config_proxy, user), 0, text);
}

static void report_root(const struct config *config, struct config_report *report)
{
    struct config_origin origin = config->proxy.section;

    if (origin.line == 0) /* there is no such section */
        origin = (struct config_origin){0};
    config_report_add(report, false, origin,
        "[proxy] user: it is not given, and mailmux keeps all rights of root; name an account that "
        "has no other use, e.g. user = mailmux");
}

static void report_port(
    const struct config_listener *listener, size_t i, uint16_t port, struct config_report *report)
{
    config_report_add(report, false, listener->bind_origin[i],
        "[listener %s] bind: this account cannot listen on port %u; let root start mailmux, give "
        "it the capability CAP_NET_BIND_SERVICE, or lower net.ipv4.ip_unprivileged_port_start",
        listener->name, port);
}

/* One warning for each listener is enough. */
static void check_ports(const struct config *config, struct config_report *report)
{
    for (size_t i = 0; i < config->listener_count; i++) {
        const struct config_listener *listener = &config->listeners[i];

        for (size_t j = 0; j < listener->bind_count; j++) {
            uint16_t port = address_port(&listener->bind[j]);

            if (rights_allow_port(port))
                continue;
            report_port(listener, j, port, report);
            break;
        }
    }
}

void account_check(const struct config *config, bool serving, struct config_report *report)
{
    const char *user = config->proxy.user;
    const struct passwd *account = NULL;
    char text[ERROR_TEXT_MAX];

    if (!config_is_good(SECTION_PROXY, &config->proxy, offsetof(struct config_proxy, user)))
        return;
    errno = 0;
    if (user)
        account = getpwnam(user);
    if (user && !account) {
        (void)snprintf(text, sizeof(text),
            "there is no account %s%s%s; make one (useradd --system --shell /usr/sbin/nologin %s), "
            "or name another",
            user, errno ? ": " : "", errno ? strerror(errno) : "", user);
        add(config, report, true, text);
    } else if (!user && geteuid() == 0 && report->error_count == 0) { /* else it may be lost */
        report_root(config, report);
    } else if (account && !serving && geteuid() != 0 && geteuid() != account->pw_uid) {
        (void)snprintf(text, sizeof(text), "only root can become %s; let root start mailmux", user);
        add(config, report, false, text);
    } else if (!serving && report->error_count == 0) { /* a start says it of the socket itself */
        check_ports(config, report);
    }
}
