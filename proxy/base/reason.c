#include "mailmux/reason.h"

static const struct {
    const char *text;
    enum party party;
    enum attack attack;
} reasons[] = {
#define X(name, text, party, attack) [REASON_##name] = {text, PARTY_##party, ATTACK_##attack},
    REASONS(X)
#undef X
};

static const char *const parties[] = {
    [PARTY_CLIENT] = "client", [PARTY_SERVER] = "server", [PARTY_PROXY] = "proxy"};

static const char *const attacks[ATTACK_KINDS] = {[ATTACK_NONE] = "none",
    [ATTACK_INJECTION] = "injection",
    [ATTACK_SMUGGLING] = "smuggling",
    [ATTACK_ALPN] = "alpn",
    [ATTACK_SNI] = "sni",
    [ATTACK_PROXY] = "proxy",
    [ATTACK_FLOOD] = "flood"};

const char *reason_text(enum reason reason)
{
    return reasons[reason].text;
}

enum party reason_party(enum reason reason)
{
    return reasons[reason].party;
}

const char *party_text(enum party party)
{
    return parties[party];
}

enum attack reason_attack(enum reason reason)
{
    return reasons[reason].attack;
}

const char *attack_text(enum attack attack)
{
    return attacks[attack];
}
