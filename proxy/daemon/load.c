#include "load.h"

#include "mailmux/log.h"

void load_log_form(const char *file)
{
    struct config_report report;
    struct config *config = NULL;

    (void)config_load(file, &config, &report);
    log_setup(report.log_format, report.log_level);
    config_report_free(&report);
    config_free(&config);
}

struct snapshot *load_first(struct config **config)
{
    struct config_report report = {0};
    struct snapshot *snapshot;

    log_setup((*config)->proxy.log_format, (*config)->proxy.log_level);
    snapshot = snapshot_new(config, NULL, true, &report);
    config_report_log(&report);
    config_report_free(&report);
    return snapshot;
}

struct snapshot *load_again(const char *file, struct snapshot *before)
{
    struct config_report report;
    struct config *config = NULL;
    struct snapshot *snapshot = NULL;

    if (config_load(file, &config, &report))
        snapshot = snapshot_new(&config, before, true, &report);
    config_report_log(&report);
    config_report_free(&report);
    return snapshot;
}
