/*
 * Target: config_parse_bytes, config_dump, config_dump_bare (policy/config*.c, and inih below
 * them). Input: a proxy.ini. Holds: either the configuration is good, or there is an error with its
 * place. The dump of a good one is a good configuration, whose dump is the same.
 */
#include "fuzz.h"
#include "mailmux/config.h"

/* Returns what config_dump or config_dump_bare writes, for free(). */
static char *dump(
    const struct config *config, void (*write)(const struct config *config, FILE *out))
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    FUZZ_REQUIRE(out != NULL);
    write(config, out);
    FUZZ_REQUIRE(fclose(out) == 0);
    return text;
}

static void check_report(const struct config_report *report, bool is_good)
{
    size_t errors = 0;

    FUZZ_REQUIRE(report->count <= CONFIG_PROBLEMS_MAX);
    for (size_t i = 0; i < report->count; i++) {
        FUZZ_REQUIRE(report->problems[i].text && report->problems[i].text[0] != '\0');
        FUZZ_REQUIRE(strncmp(report->problems[i].text, "x.ini", 5) == 0);
        errors += report->problems[i].is_error ? 1 : 0;
    }
    FUZZ_REQUIRE(errors <= report->error_count);
    FUZZ_REQUIRE(is_good == (report->error_count == 0));
}

static struct config *parse(struct slice text)
{
    struct config_report report;
    struct config *config = NULL;
    bool is_good = config_parse_bytes("x.ini", text, &config, &report);

    FUZZ_REQUIRE(is_good == (config != NULL));
    check_report(&report, is_good);
    config_report_free(&report);
    return config;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct config *first = parse(fuzz_slice(data, n));
    struct config *second;
    char *texts[3];

    if (!first)
        return 0;
    texts[0] = dump(first, config_dump);
    second = parse(slice_from(texts[0]));
    FUZZ_REQUIRE(second != NULL);
    texts[1] = dump(first, config_dump_bare); /* where a value was written differs between them */
    texts[2] = dump(second, config_dump_bare);
    FUZZ_REQUIRE(strcmp(texts[1], texts[2]) == 0);
    for (size_t i = 0; i < 3; i++)
        free(texts[i]);
    config_free(&first);
    config_free(&second);
    return 0;
}
