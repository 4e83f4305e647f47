/* One client of the load: its connection, and where it stands in the script. */
#ifndef MAILMUX_BENCH_CLIENT_H
#define MAILMUX_BENCH_CLIENT_H

#include "figures.h"
#include "leg.h"
#include "script.h"

enum { CLIENT_INPUT_MAX = 65536, CLIENT_LINE_MAX = 1024, CLIENT_OUTPUT_MAX = 65536 };

/* What all clients share. */
struct load {
    struct script script;
    struct figures figures;
    SSL_CTX *context;
    int poll;
    unsigned port;
    unsigned sources; /* addresses of clients, from 127.0.0.2 on; 0: the kernel chooses */
    unsigned names;   /* n0.example.test and so on are asked for, each `stride`-th; 0: none is */
    unsigned stride;
    bool resumes;
    SSL_SESSION **tickets; /* those that were not used yet, at most one for each client at once */
    size_t tickets_count;
    size_t tickets_room;
    unsigned long long holding;
};

enum client_state { CLIENT_WAITS, CLIENT_HOLDS, CLIENT_DONE, CLIENT_FAILED };

struct client {
    struct leg leg;
    struct load *load;
    struct client *next; /* of those that hold, or that are over */
    bool is_over;
    unsigned long long number;
    size_t at;     /* the step */
    bool is_begun; /* of the step: what it does once is done */
    bool may_go;   /* it need not hold any more */
    bool is_holding;
    unsigned long long moved; /* octets of the step */
    unsigned long long times; /* of the loop */
    unsigned long long started;
    char *output; /* NULL: nothing waits */
    size_t output_length;
    size_t output_taken;
    size_t input_length;
    size_t line_length;
    char line[CLIENT_LINE_MAX];
    char *input; /* what came and was not read yet; NULL: nothing */
};

/* Connects; what it takes is counted from `due` on. NULL: it cannot, which is counted. */
struct client *client_new(struct load *load, unsigned long long due);

/* Goes on until it has to wait, holds or is over. */
enum client_state client_step(struct client *client);

/* Goes on behind `hold`. */
void client_go(struct client *client);

/* Closes its connection; the caller frees it. */
void client_close(struct client *client);

#endif
