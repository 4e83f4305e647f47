/*
 * Target: sasl_user, sasl_is_base64, sasl_is_mechanism, sasl_is_withheld (grammar/sasl.c).
 * Input: a mechanism, LF, a first response in base64.
 * Holds: a user name is not longer than the room for it, and less room still gives a part of it.
 * What passes for a mechanism, or for base64, has only characters of that.
 */
#include "fuzz.h"
#include "mailmux/sasl.h"

enum { USER_ROOM = 255 };

static void check_user(struct slice mechanism, struct slice response)
{
    char user[USER_ROOM];
    size_t n = 0;

    if (!sasl_user(mechanism, response, user, sizeof(user), &n)) {
        FUZZ_REQUIRE(n == 0);
        return;
    }
    FUZZ_REQUIRE(n > 0 && n <= sizeof(user));
    for (size_t room = 1; room < n; room += 1 + n / 8) {
        char *exact = malloc(room);
        size_t less = 0;

        FUZZ_REQUIRE(exact && sasl_user(mechanism, response, exact, room, &less));
        FUZZ_REQUIRE(less <= room && less > 0);
        free(exact);
    }
}

static void check_letters(struct slice mechanism, struct slice response)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    for (size_t i = 0; sasl_is_mechanism(mechanism) && i < mechanism.n; i++)
        FUZZ_REQUIRE(memchr(letters, mechanism.p[i], sizeof(letters) - 1) != NULL);
    for (size_t i = 0; sasl_is_base64(response) && i < response.n; i++)
        FUZZ_REQUIRE(response.p[i] > ' ' && response.p[i] <= 'z');
    if (slice_ends_nocase(mechanism, SLICE("-PLUS")))
        FUZZ_REQUIRE(sasl_is_withheld(mechanism));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice response = fuzz_slice(data, n);
    struct slice mechanism = fuzz_options(&response);

    if (!response.p)
        response = slice_of("", 0);
    check_user(mechanism, response);
    check_letters(mechanism, response);
    return 0;
}
