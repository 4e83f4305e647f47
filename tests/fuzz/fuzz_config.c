/*
 * Target: config_parse_bytes, config_dump (policy/config*.c, and inih below them).
 * Input: a proxy.ini.
 * Holds: either the configuration is good, or there is an error with its place. The dump of a good
 * one is a good configuration, whose dump is the same.
 */
#include "fuzz.h"
#include "mailmux/config.h"

static char *dump(const struct config *config, size_t *n)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, n);

    FUZZ_REQUIRE(out != NULL);
    config_dump(config, out);
    FUZZ_REQUIRE(fclose(out) == 0);
    return text;
}

/* Cuts the comments off, which say from where a value is: that differs between the two dumps. */
static void cut_comments(char *text)
{
    char *to = text;

    for (const char *at = text; *at;) {
        size_t n = strcspn(at, "\n");
        const char *comment = strstr(at, "  # ");
        size_t kept = comment && comment < at + n ? (size_t)(comment - at) : n;

        memmove(to, at, kept);
        to += kept;
        *to++ = '\n';
        at += n + (at[n] == '\n' ? 1 : 0);
    }
    *to = '\0';
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
    char *texts[2];
    size_t sizes[2];

    if (!first)
        return 0;
    texts[0] = dump(first, &sizes[0]);
    second = parse(slice_of(texts[0], sizes[0]));
    FUZZ_REQUIRE(second != NULL);
    texts[1] = dump(second, &sizes[1]);
    cut_comments(texts[0]);
    cut_comments(texts[1]);
    FUZZ_REQUIRE(strcmp(texts[0], texts[1]) == 0);
    free(texts[0]);
    free(texts[1]);
    config_free(&first);
    config_free(&second);
    return 0;
}
