#include "mailmux/config.h"

#include "config_build.h"
#include "config_reader.h"
#include "config_store.h"
#include <stdlib.h>

static void build_begin(struct build *build, struct config_report *report)
{
    struct config_store *store = config_store_new();

    *report = (struct config_report){0};
    *build = (struct build){
        .config = config_store_take(store, 1, sizeof(struct config)),
        .store = store,
        .report = report,
    };
    build->config->store = store;
    build->document.sections_end = &build->document.sections;
}

/* Everything but the reading; the document is in the build already. */
static bool build_end(struct build *build, struct config **out)
{
    *out = NULL;
    config_build(build);
    config_defaults(build);
    config_check(build);
    if (build->report->error_count > 0) {
        config_free(&build->config);
        return false;
    }
    *out = build->config;
    return true;
}

bool config_load(const char *path, struct config **out, struct config_report *report)
{
    struct build build;

    build_begin(&build, report);
    build.looks_at_files = true;
    config_reader_file(path, build.store, &build.document, report);
    return build_end(&build, out);
}

bool config_parse_bytes(
    const char *name, struct slice bytes, struct config **out, struct config_report *report)
{
    struct build build;

    build_begin(&build, report);
    config_reader_bytes(name, bytes, build.store, &build.document, report);
    return build_end(&build, out);
}

void config_free(struct config **config)
{
    struct config_store *store;

    if (!*config)
        return;
    store = (*config)->store;
    *config = NULL;
    config_store_free(&store); /* the configuration itself lives in it */
}

const char *config_protocol_name(enum config_protocol protocol)
{
    switch (protocol) {
    case CONFIG_PROTOCOL_SMTP:
        return "smtp";
    case CONFIG_PROTOCOL_SUBMISSION:
        return "submission";
    case CONFIG_PROTOCOL_POP3:
        return "pop3";
    case CONFIG_PROTOCOL_IMAP:
        return "imap";
    }
    return "unknown";
}

bool config_protocol_is_smtp(enum config_protocol protocol)
{
    return protocol == CONFIG_PROTOCOL_SMTP || protocol == CONFIG_PROTOCOL_SUBMISSION;
}
