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

/* Takes a problem whose text, and the name of whose file, are in the report's store. */
static void insert(struct config_report *report, struct config_problem problem)
{
    size_t place = find_place(report, problem.origin);

    report->problems =
        config_store_grow(report->problems, report->count + 1, sizeof(*report->problems));
    memmove(report->problems + place + 1, report->problems + place,
        (report->count - place) * sizeof(*report->problems));
    report->problems[place] = problem;
    report->count++;
}

/* Returns whether there is room for a problem more. */
static bool has_room(struct config_report *report)
{
    report->is_cut = report->is_cut || report->count >= CONFIG_PROBLEMS_MAX;
    if (!report->store)
        report->store = config_store_new();
    return report->count < CONFIG_PROBLEMS_MAX;
}

void config_report_add(struct config_report *report, bool is_error, struct config_origin origin,
    const char *format, ...)
{
    struct config_problem problem = {.is_error = is_error, .origin = origin};
    va_list arguments;

    report->error_count += is_error ? 1 : 0;
    if (!has_room(report))
        return;
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
    insert(report, problem);
}

void config_report_move(struct config_report *report, struct config_report *from)
{
    report->error_count += from->error_count;
    report->is_cut = report->is_cut || from->is_cut;
    for (size_t i = 0; i < from->count && has_room(report); i++) {
        struct config_problem problem = from->problems[i];

        problem.text = config_store_text(report->store, slice_from(problem.text));
        if (problem.origin.file)
            problem.origin.file = config_store_text(report->store, slice_from(problem.origin.file));
        insert(report, problem);
    }
    config_report_free(from);
}

void config_report_log(const struct config_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        log_message(report->problems[i].is_error ? LOG_ERROR : LOG_WARNING, "config", "%s",
            report->problems[i].text);
}

void config_report_free(struct config_report *report)
{
    free(report->problems);
    config_store_free(&report->store);
    *report = (struct config_report){0};
}
