/*
 * What keeper and service say to each other, over two sockets that keep the bounds of messages
 * (SOCK_SEQPACKET). A word is one message: a letter, a text behind it, and at most one descriptor.
 *
 * Over `requests` the service asks and waits for the answer. Over `orders` the keeper gives orders,
 * and the service tells what became of them; neither waits there.
 *
 * Any thread; each socket belongs to one.
 */
#ifndef MAILMUX_WORDS_H
#define MAILMUX_WORDS_H

#include "mailmux/files.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Requests. The text is a name; the answer is WORD_ANSWER. */
enum word_request {
    WORD_CONFIG = 'c', /* the text of a configuration file */
    WORD_LIST = 'l',   /* the names that match a pattern of `include` */
    WORD_FILE = 'f',   /* a file that a setting names */
    WORD_TREE = 'd',   /* the names of the files below a directory that a setting names */
    WORD_BELOW = 'm',  /* such files */
    WORD_WATCH = 'w',  /* what tells of changes below such a directory */
    WORD_BIND = 'b',   /* the listening socket of "LISTENER ADDRESS" */
    WORD_COMMIT = 'k'  /* the configuration that was read last is in effect */
};

/* Returns the request for a file of this kind. */
enum word_request word_for_file(enum file_kind kind);

/*
 * The answer to a request: a descriptor comes with it, or the text is the number of an error, "0"
 * for none.
 */
enum { WORD_ANSWER = 'a' };

/* Orders of the keeper. */
enum word_order {
    WORD_RELOAD = 'r',    /* the configuration has been read again */
    WORD_TERMINATE = 't', /* drain; when it comes again, cut */
    WORD_INTERRUPT = 'i', /* the same, for SIGINT */
    WORD_STATE = 's',     /* log counters and state */
    WORD_RETIRE = 'u'     /* another service has taken over: serve the open sessions to their end */
};

/* What the service tells. */
enum word_news {
    WORD_SERVING = 'S', /* it is ready, or has reloaded; text: a summary */
    WORD_REFUSED = 'R', /* the reload was refused; text: why, in lines */
    WORD_STATUS = 'A'   /* it is alive; text: sessions and servers that are down */
};

enum { WORD_MAX = 4096 }; /* octets of a message */

struct word {
    char letter;
    char text[WORD_MAX]; /* ends with NUL, and has none before */
    int fd;              /* -1: none came. The receiver closes it */
};

/*
 * Sends a letter, at most WORD_MAX - 1 octets of the text, and a descriptor unless fd is -1; the
 * descriptor stays the caller's. Returns false if it could not be sent.
 */
bool word_send(int socket, char letter, const char *text, int fd);

enum word_received { WORD_OK, WORD_AGAIN, WORD_GONE };

/*
 * Receives one word. With wait, waits for it; else WORD_AGAIN means that none is there. WORD_GONE:
 * the other side is gone. Of several descriptors, the first is kept and the others are closed. What
 * is behind a NUL in the text is left out.
 */
enum word_received word_receive(int socket, bool wait, struct word *out);

/* Makes a pair of such sockets, close-on-exec. Returns false with errno set. */
bool word_pair(int sockets[2]);

#endif
