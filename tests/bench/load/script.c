#include "script.h"

#include "leg.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
    [STEP_TLS] = "tls",
    [STEP_EXPECT] = "expect",
    [STEP_SEND] = "send",
    [STEP_GET] = "get",
    [STEP_PUT] = "put",
    [STEP_MESSAGE] = "message",
    [STEP_START] = "start",
    [STEP_STOP] = "stop",
    [STEP_HOLD] = "hold",
    [STEP_BEGIN] = "begin",
    [STEP_AGAIN] = "again",
    [STEP_END] = "end",
};

static void read_step(const char *line, struct step *step)
{
    const size_t length = strcspn(line, " \n");

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strncmp(line, names[i], length) != 0 || names[i][length] != 0)
            continue;
        step->kind = (enum step_kind)i;
        if (line[length] == ' ')
            (void)snprintf(step->text, sizeof step->text, "%.*s",
                (int)strcspn(line + length + 1, "\n"), line + length + 1);
        step->length = strlen(step->text);
        step->number = strtoull(step->text, NULL, 10);
        return;
    }
    leg_die(line);
}

void script_read(const char *path, struct script *out)
{
    char line[512];
    FILE *file = fopen(path, "re");

    if (!file)
        leg_die(path);
    *out = (struct script){0};
    while (fgets(line, sizeof line, file)) {
        if (out->count == SCRIPT_STEPS_MAX)
            leg_die("too many steps");
        read_step(line, &out->steps[out->count]);
        out->count++;
    }
    (void)fclose(file);
}
