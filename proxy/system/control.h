/*
 * The clients of the control socket (system/control_socket): each gives one order and waits for its
 * outcome. One thread.
 */
#ifndef MAILMUX_CONTROL_H
#define MAILMUX_CONTROL_H

#include "control_socket.h"

enum { CONTROL_CLIENTS_MAX = 8 };

struct control_client {
    int fd;          /* -1: none */
    char order;      /* 0: it has given none yet */
    bool is_running; /* its order is being carried out */
};

/* Set it up with control_init. Its members are private, but for reading. */
struct control {
    int listener; /* -1: none */
    struct sockaddr_un at;
    struct control_client clients[CONTROL_CLIENTS_MAX];
};

void control_init(struct control *control);

/*
 * Listens in the directory, unless it listens there already; clients of another directory stay.
 * Says in the log why not; then it listens where it did before.
 */
void control_open(struct control *control, const char *directory);

/* Closes all, and removes the socket. */
void control_close(struct control *control);

/* Takes the next client, or one whose descriptor and order came from another program. */
void control_accept(struct control *control);
void control_take(struct control *control, int fd, char order);

/*
 * Reads what the client orders: one of enum control_order, or 0. It waits for its answer. A client
 * that means another configuration than `file` is refused here.
 */
char control_read(struct control_client *client, const char *file);

/* Those that have given the order so far get the next outcome. */
void control_run(struct control *control, enum control_order order);

/* Answers those whose order has been carried out; control_reply answers one. */
void control_answer(struct control *control, enum control_outcome outcome, const char *text);
void control_reply(struct control_client *client, enum control_outcome outcome, const char *text);

/* Refuses all that wait for an outcome, as mailmux is ending. */
void control_refuse(struct control *control);

#endif
