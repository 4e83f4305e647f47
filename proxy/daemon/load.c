#include "load.h"

#include "mailmux/directives.h"
#include "mailmux/log.h"

static void log_report(const struct config_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        log_message(report->problems[i].is_error ? LOG_ERROR : LOG_WARNING, "config", "%s",
            report->problems[i].text);
}

struct snapshot *load_first(const char *file)
{
    struct config_report report;
    struct config *config = NULL;
    struct snapshot *snapshot = NULL;

    if (config_load(file, &config, &report)) {
        log_setup(config->proxy.log_format, config->proxy.log_level);
        snapshot = snapshot_new(&config, NULL, true, &report);
    }
    log_report(&report);
    config_report_free(&report);
    return snapshot;
}

static void log_what_stays(const struct config *before, const struct config *now)
{
    for (size_t row = 0; row < directive_count; row++) {
        if (config_needs_restart(before, now, &directives[row]))
            log_message(LOG_WARNING, "config",
                "[%s] %s: the change needs a restart; until then the old value holds",
                section_infos[directives[row].section].word, directives[row].key);
    }
}

struct snapshot *load_again(const char *file, struct snapshot *before)
{
    struct config_report report;
    struct config *config = NULL;
    struct snapshot *snapshot = NULL;

    if (config_load(file, &config, &report)) {
        log_what_stays(snapshot_config(before), config);
        snapshot = snapshot_new(&config, before, true, &report);
    }
    log_report(&report);
    config_report_free(&report);
    return snapshot;
}
