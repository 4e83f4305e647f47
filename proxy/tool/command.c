#include "command.h"

#include "mailmux/config.h"
#include "mailmux/directives.h"
#include "order_command.h"
#include "probe_command.h"
#include "resolver.h"
#include "route_command.h"
#include "snapshot.h"
#include <openssl/crypto.h>
#include <uv.h>

static const char help[] =
    "usage: mailmux [-c FILE] [COMMAND]\n"
    "\n"
    "A protocol-aware TLS proxy for mail. Without a command it serves until SIGTERM or SIGINT.\n"
    "\n"
    "  -c, --config FILE   the configuration (default " OPTIONS_DEFAULT_FILE ")\n"
    "  -t, --check         report every problem of the configuration; exit 0 if it can be used\n"
    "  --probe             the same, and visit every server: does it match the file?\n"
    "  --reload            let the running mailmux read its file again; exit 0 when it has\n"
    "  --upgrade           let it execute the program that is installed now, and keep sessions\n"
    "  --status            its processes, sessions and servers that are down\n"
    "  --dump              the effective configuration, with the source of each value\n"
    "  --route SNI ALPN FIRSTBYTES LISTENER [ADDRESS]\n"
    "                      what would become of such a client; - stands for none\n"
    "  --reference         the settings, as Markdown\n"
    "  --man               the settings, as the manual page mailmux.ini(5)\n"
    "  -V, --version       versions of mailmux and of its libraries\n"
    "  -h, --help          this text\n";

/* Writes a line for each problem: "error: FILE:LINE: TEXT" or "warning: FILE:LINE: TEXT". */
static void write_report(const struct config_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        (void)fprintf(stderr, "%s: %s\n", report->problems[i].is_error ? "error" : "warning",
            report->problems[i].text);
    if (report->is_cut)
        (void)fprintf(stderr, "error: further problems are left out\n");
}

/* The last line of --check: whether the file can be used, and how many problems it has. */
static void write_summary(const char *file, const struct config_report *report)
{
    size_t warnings = 0;

    for (size_t i = 0; i < report->count; i++)
        warnings += report->problems[i].is_error ? 0 : 1;
    (void)printf("%s: %s: %zu error%s, %zu warning%s\n", file,
        report->error_count == 0 ? "good" : "not usable", report->error_count,
        report->error_count == 1 ? "" : "s", warnings, warnings == 1 ? "" : "s");
}

/*
 * Loads the configuration with its certificates and keys. It binds no socket, makes no certificate,
 * and connects to no server unless with --probe.
 */
static int check(const struct options *options)
{
    struct config_report report;
    struct config *config = NULL;
    struct snapshot *snapshot;
    int status;

    (void)config_load_unchecked(options->file, &config, &report);
    snapshot = snapshot_new(&config, NULL, false, &report);
    write_report(&report);
    write_summary(options->file, &report);
    status = report.error_count == 0 ? 0 : 1;
    config_report_free(&report);
    if (snapshot && options->probe && probe_command(snapshot) > 0)
        status = 1;
    snapshot_unref(&snapshot);
    return status;
}

static int dump(const struct options *options)
{
    struct config_report report;
    struct config *config = NULL;
    bool is_good = config_load(options->file, &config, &report);

    write_report(&report);
    if (is_good)
        config_dump(config, stdout);
    config_report_free(&report);
    config_free(&config);
    return is_good ? 0 : 1;
}

static int route(const struct options *options)
{
    struct config_report report;
    struct config *config = NULL;
    bool is_good = config_load(options->file, &config, &report);
    int status = 1;

    write_report(&report);
    if (is_good)
        status = route_command(config, &(struct route_question){.sni = options->route[OPTIONS_SNI],
                                           .alpn = options->route[OPTIONS_ALPN],
                                           .bytes = options->route[OPTIONS_FIRST_BYTES],
                                           .listener = options->route[OPTIONS_LISTENER],
                                           .address = options->route[OPTIONS_ADDRESS]});
    config_report_free(&report);
    config_free(&config);
    return status;
}

static void write_version(void)
{
    (void)printf("mailmux %s\nlibuv %s\n%s\nc-ares %s\ninih %s\n", MAILMUX_VERSION,
        uv_version_string(), OpenSSL_version(OPENSSL_VERSION), resolver_version(),
        MAILMUX_INIH_VERSION);
}

int command_run(const struct options *options)
{
    int status = 0;

    switch (options->command) {
    case COMMAND_RUN:
        break;
    case COMMAND_CHECK:
        status = check(options);
        break;
    case COMMAND_DUMP:
        status = dump(options);
        break;
    case COMMAND_ROUTE:
        status = route(options);
        break;
    case COMMAND_REFERENCE:
        directives_write_reference(stdout);
        break;
    case COMMAND_MANUAL:
        directives_write_manual(stdout);
        break;
    case COMMAND_RELOAD:
        status = order_command(options->file, CONTROL_RELOAD);
        break;
    case COMMAND_UPGRADE:
        status = order_command(options->file, CONTROL_UPGRADE);
        break;
    case COMMAND_STATUS:
        status = order_command(options->file, CONTROL_STATUS);
        break;
    case COMMAND_VERSION:
        write_version();
        break;
    case COMMAND_HELP:
        (void)fputs(help, stdout);
        break;
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        (void)fputs("mailmux: the answer could not be written\n", stderr);
        return 1;
    }
    return status;
}

int command_refuse(const struct error *error)
{
    (void)fprintf(stderr, "mailmux: %s; mailmux --help shows the options\n", error->text);
    return COMMAND_USAGE_STATUS;
}
