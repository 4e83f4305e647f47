/*
 * Target: routing_decide (grammar/routing.c), and with it client_hello_parse.
 * Input: a line for each rule, an empty line, and what the client says. A line is a letter and what
 * follows it: a NAME (ALPN), s NAME (SNI), t (TLS), f DIGIT (first words), n NETWORK, d (default).
 * Holds: each beginning of what the client says asks for more or has the choice of the whole, also
 * when nothing more comes. The choice is the first rule that is for the client by itself.
 */
#include "fuzz.h"
#include "mailmux/routing.h"

enum { RULES_MAX = 16, TEXT_MAX = 64, STEPS_MAX = 400, LIMIT = 1500 };

static struct {
    size_t count;
    struct routing_rule rules[RULES_MAX];
    char texts[RULES_MAX][TEXT_MAX];
} table;

static bool add(struct slice line)
{
    struct routing_rule *rule = &table.rules[table.count];
    char *text = table.texts[table.count];
    struct slice rest = slice_trim(slice_after(line, 1));
    struct error error;

    if (table.count == RULES_MAX || rest.n >= TEXT_MAX)
        return false;
    memcpy(text, rest.p, rest.n);
    text[rest.n] = '\0';
    *rule = (struct routing_rule){.text = text};
    switch (line.p[0]) {
    case 'a':
        rule->key = ROUTING_ALPN;
        return true;
    case 's':
        rule->key = ROUTING_SNI;
        return rest.n > 0;
    case 't':
        rule->key = ROUTING_TLS;
        return true;
    case 'f':
        rule->key = ROUTING_FIRST;
        rule->first = (enum routing_first)(rest.n > 0 ? (unsigned char)*rest.p % 7 : 0);
        return true;
    case 'n':
        rule->key = ROUTING_FROM;
        return cidr_parse(rest, &rule->from, &error);
    default:
        rule->key = ROUTING_DEFAULT;
        return line.p[0] == 'd';
    }
}

/* Fills the table, and leaves what the client says. */
static void read_rules(struct slice *in)
{
    struct slice line;

    table.count = 0;
    while (slice_split(in, '\n', &line) && line.n > 0)
        table.count += add(line) ? 1 : 0;
    if (!in->p)
        *in = slice_of("", 0);
}

static bool decide(struct routing_input input, struct slice bytes, bool is_over, size_t first,
    size_t count, struct routing_choice *choice)
{
    input.bytes = bytes;
    input.is_over = is_over;
    return routing_decide(table.rules + first, count, &input, choice) == ROUTING_DECIDED;
}

/* The first rule that is for the client if it stands alone. */
static size_t find_alone(struct routing_input input, struct slice bytes)
{
    struct routing_choice choice;

    for (size_t i = 0; i < table.count; i++) {
        FUZZ_REQUIRE(decide(input, bytes, true, i, 1, &choice));
        if (choice.rule == 0)
            return i;
    }
    return ROUTING_NONE;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice bytes = fuzz_slice(data, n);
    struct routing_input input = {.limit = LIMIT};
    struct routing_choice whole;
    struct routing_choice over;
    struct routing_choice early;
    struct address client;
    bool is_decided;

    read_rules(&bytes);
    FUZZ_REQUIRE(address_parse_ip(SLICE("192.0.2.7"), 4711, &client));
    input.client = &client;
    is_decided = decide(input, bytes, false, 0, table.count, &whole);
    FUZZ_REQUIRE(decide(input, bytes, true, 0, table.count, &over));
    FUZZ_REQUIRE(!is_decided || over.rule == whole.rule);
    FUZZ_REQUIRE(over.rule == find_alone(input, bytes));
    FUZZ_REQUIRE(over.is_tls == (bytes.n > 0 && bytes.p[0] == CLIENT_HELLO_FIRST));
    for (size_t at = 0; at < bytes.n; at += 1 + bytes.n / STEPS_MAX) {
        if (decide(input, slice_of(bytes.p, at), false, 0, table.count, &early))
            FUZZ_REQUIRE(is_decided && early.rule == whole.rule);
    }
    return 0;
}
