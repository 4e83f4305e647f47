/* Private to the harness: what the files of the twins share (record_twins.h). */
#ifndef MAILMUX_RECORD_TWINS_PARTS_H
#define MAILMUX_RECORD_TWINS_PARTS_H

#include "record_twins.h"
#include "tls_lean_parts.h"

enum { LIBRARY, OWN, TWINS };

enum { TWINS_BATCH = 200000, TWINS_READ = 40000 };

struct twin {
    struct stream_bench bench;
    enum io status;  /* of its last read */
    uint64_t heard;  /* a hash of all plaintext */
    uint64_t octets; /* of plaintext */
};

struct twins {
    struct twin twin[TWINS];
    bool is_client; /* their role */
    struct record_tools tools;
    struct traffic peer; /* seals what both get */
    struct traffic sent; /* opens what each of them has sent */
    struct memory_bytes batch;
    enum { ANSWERED, ASKED, DUE } answer; /* to a KeyUpdate; DUE when they have it */
    bool is_loose;                        /* what they send has no fixed order any more */
    bool has_waited;                      /* the library once wrote nothing, and ours did */
    size_t compared;                      /* octets of what was sent */
    struct record_count *count;
};

/* Shakes hands and gives both the keys; abort() if that fails. */
void twins_begin(
    struct twins *twins, const struct tls_bench *bench, bool is_client, enum traffic_suite suite);
/* Returns false if a buffer was not given back. */
bool twins_end(struct twins *twins);

/* Seals a record for both, at the end of the batch. Nothing, if there is no room. */
void twins_seal(struct twins *twins, enum record_type type, struct slice content);
/* Seals n octets in as few records as will do. */
void twins_seal_data(struct twins *twins, size_t n);
/* Seals data with padding [RFC 8446 5.4]. All of it must fit into a record. */
void twins_seal_padded(struct twins *twins, size_t n, size_t zeros);
/* Seals a KeyUpdate, cut after `first` octets (0: not). What follows has the next key. */
void twins_seal_key_update(struct twins *twins, char request, size_t first);
/* Seals a ticket of a server with `n` octets in it (not 0), cut after `first` octets (0: not). */
void twins_seal_ticket(struct twins *twins, unsigned char n, size_t first);

/* Gives both some of the batch, and lets them read `cap` octets at a time. */
void twins_feed(struct twins *twins, size_t at, size_t n, size_t cap);
/* Lets both write. */
void twins_write(struct twins *twins, size_t n);

/* What one of them has sent. */
struct twins_sent {
    bool is_good;    /* all of it could be opened */
    uint64_t data;   /* a hash */
    uint64_t octets; /* of data */
    uint64_t alerts; /* a hash */
    int alert;       /* the last one, but close_notify; 0: none */
    bool is_closed;  /* close_notify was sent */
    unsigned updates;
};

/* Opens all that one has sent, with the keys that its KeyUpdates have made. */
struct twins_sent twins_open_sent(struct twins *twins, int which);

/* Returns what differs, or NULL. */
const char *twins_compare(struct twins *twins);
/* As twins_compare, of what was sent in any order too: data and alerts must be the same. */
const char *twins_compare_all(struct twins *twins);
/* Returns whether the library's reads no more. */
bool twins_are_over(const struct twins *twins);

#endif
