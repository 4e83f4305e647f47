#include "command.h"
#include "serve.h"

int main(int argc, char *argv[])
{
    struct options options;
    struct error error;

    if (!options_parse(argc, argv, &options, &error))
        return command_refuse(&error);
    if (options.command == COMMAND_RUN)
        return serve(options.file);
    return command_run(&options);
}
