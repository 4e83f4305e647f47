#include "command.h"
#include "keeper.h"
#include "serve.h"
#include <fcntl.h>
#include <unistd.h>

/* A socket in the place of one that is closed would get what is meant for the log or the terminal.
 */
static void fill_standard_descriptors(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= STDIN_FILENO && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        (void)close(fd);
}

int main(int argc, char *argv[])
{
    struct options options;
    struct error error;

    fill_standard_descriptors();
    if (!options_parse(argc, argv, &options, &error))
        return command_refuse(&error);
    if (options.command == COMMAND_RUN)
        return serve_has_descriptors(options.file) ? keeper_run(options.file, argv, serve) : 1;
    return command_run(&options);
}
