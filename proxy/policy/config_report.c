#include "mailmux/config.h"

#include "config_store.h"
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/*
 * Returns the line by which problems of a file are sorted. A problem of the file as a whole comes
 * after those of its lines.
 */
static unsigned place_of(struct config_origin origin)
{
    return origin.line == 0 ? UINT_MAX : origin.line;
}

static bool is_same_file(struct config_origin a, struct config_origin b)
{
    return a.file == b.file || (a.file && b.file && strcmp(a.file, b.file) == 0);
}

/*
 * Returns the index at which to put a problem: after the problems of the same file whose lines come
 * before its own. The first problem of a file is put at the end.
 */
static size_t find_place(const struct config_report *report, struct config_origin origin)
{
    size_t place = report->count;

    while (place > 0 && !is_same_file(report->problems[place - 1].origin, origin))
        place--;
    if (place == 0)
        return report->count;
    while (place > 0 && is_same_file(report->problems[place - 1].origin, origin) &&
           place_of(report->problems[place - 1].origin) > place_of(origin))
        place--;
    return place;
}

void config_report_add(struct config_report *report, bool is_error, struct config_origin origin,
    const char *format, ...)
{
    struct config_problem problem = {.is_error = is_error, .origin = origin};
    size_t place;
    va_list arguments;

    if (is_error)
        report->error_count++;
    if (report->count >= CONFIG_PROBLEMS_MAX) {
        report->is_cut = true;
        return;
    }
    if (!report->store)
        report->store = config_store_new();
    va_start(arguments, format);
    problem.text = config_store_vprint(report->store, format, arguments);
    va_end(arguments);
    if (origin.file && origin.line > 0)
        problem.text =
            config_store_print(report->store, "%s:%u: %s", origin.file, origin.line, problem.text);
    else if (origin.file)
        problem.text = config_store_print(report->store, "%s: %s", origin.file, problem.text);
    if (origin.file)
        problem.origin.file = config_store_text(report->store, slice_from(origin.file));

    place = find_place(report, origin);
    report->problems =
        config_store_grow(report->problems, report->count + 1, sizeof(*report->problems));
    memmove(report->problems + place + 1, report->problems + place,
        (report->count - place) * sizeof(*report->problems));
    report->problems[place] = problem;
    report->count++;
}

void config_report_free(struct config_report *report)
{
    free(report->problems);
    config_store_free(&report->store);
    *report = (struct config_report){0};
}
