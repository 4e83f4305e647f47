#include "mailmux/directives.h"

#include "config_value.h"

static void write_choices(const struct directive *directive, char out[DIRECTIVE_TEXT_MAX])
{
    size_t n = 0;

    for (const struct choice *choice = directive->choices; choice->word; choice++) {
        int added =
            snprintf(out + n, DIRECTIVE_TEXT_MAX - n, "%s%s", n == 0 ? "" : ", ", choice->word);

        if (added < 0 || (size_t)added >= DIRECTIVE_TEXT_MAX - n)
            return;
        n += (size_t)added;
    }
}

static void write_range(const struct directive *directive, char out[DIRECTIVE_TEXT_MAX])
{
    char low[NUMBER_TEXT_MAX];
    char high[NUMBER_TEXT_MAX];

    (void)snprintf(out, DIRECTIVE_TEXT_MAX, "%s to %s%s%s",
        config_number_text(directive, directive->min, low),
        config_number_text(directive, directive->max, high), directive->zero ? ", or " : "",
        directive->zero ? directive->zero : "");
}

const char *directive_allowed(const struct directive *directive, char out[DIRECTIVE_TEXT_MAX])
{
    const char *text = "";

    switch (directive->type) {
    case VALUE_NUMBER:
    case VALUE_DURATION:
    case VALUE_SIZE:
        write_range(directive, out);
        return out;
    case VALUE_CHOICE:
    case VALUE_CHOICES:
        write_choices(directive, out);
        return out;
    case VALUE_WORD:
        text = "a word without blanks";
        break;
    case VALUE_WORDS:
        text = "words without blanks";
        break;
    case VALUE_HOST:
        text = "a host name";
        break;
    case VALUE_DIRECTORY:
        text = "a path";
        break;
    case VALUE_FILE:
        text = "the path of a readable file";
        break;
    case VALUE_FILES:
        text = "paths of readable files";
        break;
    case VALUE_DOMAINS:
        text = "example.org, *.example.org (what is below it) or [192.0.2.1]";
        break;
    case VALUE_CIDRS:
        text = "IP/BITS or IP";
        break;
    case VALUE_BIND:
        text = "IP:PORT, [IPV6]:PORT or *:PORT";
        break;
    case VALUE_RESOLVERS:
        text = "IP or IP:PORT";
        break;
    case VALUE_SERVERS:
        text = "[NAME] HOST:PORT [OPTIONS]";
        break;
    case VALUE_TLS_SETS:
        text = "the NAMEs of [tls NAME] sections, or default";
        break;
    case VALUE_BACKEND:
        text = "the NAME of a [backend NAME]";
        break;
    }
    (void)snprintf(out, DIRECTIVE_TEXT_MAX, "%s", text);
    return out;
}

const char *directive_type_name(const struct directive *directive)
{
    switch (directive->type) {
    case VALUE_NUMBER:
        return "number";
    case VALUE_DURATION:
        return "time";
    case VALUE_SIZE:
        return "size";
    case VALUE_CHOICE:
        return "choice";
    case VALUE_CHOICES:
        return "list of choices";
    case VALUE_WORD:
        return "word";
    case VALUE_WORDS:
        return "list of words";
    case VALUE_HOST:
        return "host name";
    case VALUE_DIRECTORY:
        return "directory";
    case VALUE_FILE:
        return "file";
    case VALUE_FILES:
        return "list of files";
    case VALUE_DOMAINS:
        return "list of domains";
    case VALUE_CIDRS:
        return "list of networks";
    case VALUE_BIND:
        return "list of addresses";
    case VALUE_RESOLVERS:
        return "list of addresses";
    case VALUE_SERVERS:
        return "list of servers";
    case VALUE_TLS_SETS:
        return "list of names";
    case VALUE_BACKEND:
        return "name";
    }
    return "";
}

const char *directive_default(const struct directive *directive)
{
    if (directive->is_required)
        return "none; it must be given";
    if (directive->default_text)
        return directive->default_text;
    return directive->fallback ? directive->fallback : "none";
}
