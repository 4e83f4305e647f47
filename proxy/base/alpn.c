#include "mailmux/alpn.h"

const char *const alpn_smtp[] = {"smtp", "esmtp", "submission", "submissions", NULL};
const char *const alpn_pop3[] = {"pop3", "pop3s", NULL};
const char *const alpn_imap[] = {"imap", "imaps", NULL};

bool alpn_means(struct slice protocol, struct slice offered)
{
    static const char *const *const lists[] = {alpn_smtp, alpn_pop3, alpn_imap};

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (!slice_equal(slice_from(lists[i][0]), protocol))
            continue;
        for (const char *const *name = lists[i]; *name; name++) {
            if (slice_equal(slice_from(*name), offered))
                return true;
        }
        return false;
    }
    return slice_equal(protocol, offered);
}
