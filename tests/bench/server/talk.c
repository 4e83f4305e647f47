#include "talk.h"

#include "pattern.h"
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { ADDRESSES = 65536 };

static struct {
    unsigned long long sessions;
    unsigned long long handshakes;
    unsigned long long resumed;
    unsigned long long came;
    unsigned long long went;
    bool addresses[ADDRESSES];
} counts;

static void note_address(int fd)
{
    struct sockaddr_in address = {0};
    socklen_t length = sizeof address;

    if (getsockname(fd, (struct sockaddr *)&address, &length) == 0)
        counts.addresses[ntohl(address.sin_addr.s_addr) % ADDRESSES] = true;
}

struct talk *talk_new(int fd, const struct talk_kind *kind, SSL_CTX *context)
{
    struct talk *talk = calloc(1, sizeof *talk);

    if (!talk)
        leg_die("calloc");
    talk->leg.fd = fd;
    talk->kind = kind;
    if (kind->is_tls && !leg_begin_tls(&talk->leg, context, true, NULL))
        leg_die("SSL_new");
    note_address(fd);
    return talk;
}

void talk_close(struct talk *talk)
{
    leg_close(&talk->leg);
    free(talk->output);
    talk->output = NULL;
    talk->is_over = true;
}

void talk_say(struct talk *talk, const char *format, ...)
{
    va_list values;
    int length;

    if (!talk->output && !(talk->output = malloc(TALK_OUTPUT_MAX)))
        leg_die("malloc");
    va_start(values, format);
    length = vsnprintf(talk->output + talk->output_length,
        TALK_OUTPUT_MAX - talk->output_length - 2, format, values);
    va_end(values);
    talk->output_length += (size_t)length;
    if (length < 0 || talk->output_length > TALK_OUTPUT_MAX - 3)
        leg_die("a client that reads no answers");
    memcpy(talk->output + talk->output_length, "\r\n", 2);
    talk->output_length += 2;
}

/* False: the client is gone. What is left waits. */
static bool flush(struct talk *talk)
{
    while (talk->output) {
        const ssize_t count = leg_write(&talk->leg, talk->output + talk->output_taken,
            talk->output_length - talk->output_taken);

        if (count == LEG_AGAIN)
            return true;
        if (count < 0)
            return false;
        counts.went += (unsigned long long)count;
        talk->output_taken += (size_t)count;
        if (talk->output_taken == talk->output_length) {
            free(talk->output);
            talk->output = NULL;
            talk->output_length = talk->output_taken = 0;
        }
    }
    return true;
}

/* False: the client is gone. Behind the last octet stands the answer to its command. */
static bool send_bulk(struct talk *talk)
{
    while (talk->sends_bulk && !talk->output) {
        size_t length = PATTERN_PIECE;
        const char *piece = pattern_at(talk->done, &length);
        ssize_t count;

        if (length > talk->bulk)
            length = (size_t)talk->bulk;
        count = leg_write(&talk->leg, piece, length);
        if (count == LEG_AGAIN)
            return true;
        if (count < 0)
            return false;
        counts.went += (unsigned long long)count;
        talk->done += (unsigned long long)count;
        talk->bulk -= (unsigned long long)count;
        if (talk->bulk == 0) {
            talk->sends_bulk = false;
            talk_say(talk, "%s OK %llu went", talk->tag, talk->done);
            talk->tag[0] = 0;
        }
    }
    return true;
}

static void answer(struct talk *talk)
{
    talk->line[talk->line_length] = 0;
    talk->line_length = 0;
    switch (talk->kind->protocol) {
    case TALK_IMAP:
        talk_answer_imap(talk, talk->line);
        break;
    case TALK_POP3:
        talk_answer_pop3(talk, talk->line);
        break;
    case TALK_SMTP:
        talk_answer_smtp(talk, talk->line);
        break;
    case TALK_HTTP:
        talk_answer_http(talk, talk->line);
        break;
    }
}

static size_t take_line(struct talk *talk, const char *from, size_t length)
{
    const char *end = memchr(from, '\n', length);
    const size_t count = end ? (size_t)(end - from) + 1 : length;

    if (talk->line_length + count >= TALK_LINE_MAX)
        leg_die("a line that is too long");
    memcpy(talk->line + talk->line_length, from, count);
    talk->line_length += count;
    if (end) {
        talk->line_length -= talk->line_length > 1 && end > from && end[-1] == '\r' ? 2 : 1;
        answer(talk);
    }
    return count;
}

/* Up to CRLF . CRLF; the line end before the message is that of the command. */
static size_t take_message(struct talk *talk, const char *from, size_t length)
{
    static const char end[] = "\r\n.\r\n";
    size_t i = 0;

    while (i < length && talk->at_end < sizeof end - 1) {
        if (talk->at_end == 0 && from[i] != '\r') {
            const char *next = memchr(from + i, '\r', length - i);

            i = next ? (size_t)(next - from) : length;
            continue;
        }
        if (from[i] == end[talk->at_end])
            talk->at_end++;
        else
            talk->at_end = from[i] == '\r' ? 1 : 0;
        i++;
    }
    talk->done += i;
    if (talk->at_end == sizeof end - 1) {
        talk->reading = TALK_LINES;
        talk_say(talk, "250 2.0.0 %llu octets", talk->done);
    }
    return i;
}

static size_t take_bulk(struct talk *talk, const char *from, size_t length)
{
    if (length > talk->bulk)
        length = (size_t)talk->bulk;
    if (!pattern_is(talk->done, from, length))
        leg_die("other octets than the client sent");
    talk->done += length;
    talk->bulk -= length;
    if (talk->bulk == 0) {
        talk->reading = TALK_LINES;
        talk_say(talk, "%s OK %llu came", talk->tag, talk->done);
        talk->tag[0] = 0;
    }
    return length;
}

static void take(struct talk *talk, const char *from, size_t length)
{
    counts.came += length;
    while (length > 0 && !talk->is_leaving) {
        size_t count = 0;

        switch (talk->reading) {
        case TALK_LINES:
            count = take_line(talk, from, length);
            break;
        case TALK_MESSAGE:
            count = take_message(talk, from, length);
            break;
        case TALK_TAKING:
            count = take_bulk(talk, from, length);
            break;
        }
        from += count;
        length -= count;
    }
}

/* 1: TLS is there, or none is wanted. */
static int prepare(struct talk *talk)
{
    int result;

    if (!talk->leg.ssl || SSL_is_init_finished(talk->leg.ssl))
        return 1;
    result = leg_handshake(&talk->leg);
    if (result == 1) {
        counts.handshakes++;
        counts.resumed += SSL_session_reused(talk->leg.ssl) ? 1 : 0;
    }
    return result;
}

bool talk_step(struct talk *talk)
{
    static char input[TALK_INPUT_MAX];
    const int ready = prepare(talk);

    if (ready != 1)
        return ready == LEG_AGAIN;
    if (!talk->is_greeted) {
        talk->is_greeted = true;
        counts.sessions += talk->kind->protocol == TALK_HTTP ? 0 : 1;
        talk_greet(talk);
    }
    for (;;) {
        ssize_t count;

        if (!flush(talk))
            return false;
        if (talk->output)
            return true;
        if (!send_bulk(talk))
            return false;
        if (talk->output)
            continue;
        if (talk->sends_bulk)
            return true;
        if (talk->is_leaving)
            return false;
        count = leg_read(&talk->leg, input, sizeof input);
        if (count == LEG_AGAIN)
            return true;
        if (count <= 0)
            return false;
        take(talk, input, (size_t)count);
    }
}

void talk_print_counts(void)
{
    unsigned used = 0;

    for (size_t i = 0; i < ADDRESSES; i++)
        used += counts.addresses[i] ? 1 : 0;
    (void)printf("{\"sessions\": %llu, \"handshakes\": %llu, \"resumed\": %llu, \"came\": %llu, "
                 "\"went\": %llu, \"addresses\": %u}\n",
        counts.sessions, counts.handshakes, counts.resumed, counts.came, counts.went, used);
}
