#include "talk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PROTOCOLS (TALK_SMTP + 1)

static unsigned ports[PROTOCOLS];

void talk_set_port(const struct talk_kind *kind, unsigned port)
{
    if (!kind->is_tls && kind->protocol < PROTOCOLS)
        ports[kind->protocol] = port;
}

void talk_greet(struct talk *talk)
{
    switch (talk->kind->protocol) {
    case TALK_IMAP:
        talk_say(talk, "* OK [CAPABILITY IMAP4rev1 SASL-IR IDLE AUTH=PLAIN] ready");
        break;
    case TALK_POP3:
        talk_say(talk, "+OK ready");
        break;
    case TALK_SMTP:
        talk_say(talk, "220 server.bench.test ESMTP ready");
        break;
    case TALK_HTTP:
        break;
    }
}

static bool begins(const char *text, const char *with)
{
    return strncasecmp(text, with, strlen(with)) == 0;
}

static bool ends_in_literal(const char *line)
{
    const size_t length = strlen(line);

    return length > 0 && line[length - 1] == '}';
}

/* GET N sends so many octets, PUT N takes them; both are answered behind the last. */
static void begin_bulk(struct talk *talk, const char *tag, const char *word)
{
    (void)snprintf(talk->tag, sizeof talk->tag, "%s", tag);
    talk->bulk = strtoull(word + 4, NULL, 10);
    talk->done = 0;
    talk->sends_bulk = begins(word, "GET ");
    talk->reading = talk->sends_bulk ? TALK_LINES : TALK_TAKING;
}

void talk_answer_imap(struct talk *talk, char *line)
{
    char tag[TALK_TAG_MAX];
    const char *word = strchr(line, ' ');

    if (talk->tag[0] != 0) { /* the rest of a command with literals */
        (void)snprintf(tag, sizeof tag, "%s", talk->tag);
        word = " LOGIN";
    } else {
        (void)snprintf(tag, sizeof tag, "%.*s", word ? (int)(word - line) : 0, line);
    }
    talk->tag[0] = 0;
    word = word ? word + 1 : "";
    if (ends_in_literal(line)) {
        (void)snprintf(talk->tag, sizeof talk->tag, "%s", tag);
        talk_say(talk, "+ go on");
    } else if (begins(word, "GET ") || begins(word, "PUT ")) {
        begin_bulk(talk, tag, word);
    } else if (begins(word, "CAPABILITY")) {
        talk_say(talk, "* CAPABILITY IMAP4rev1 SASL-IR IDLE AUTH=PLAIN\r\n%s OK done", tag);
    } else if (begins(word, "LOGOUT")) {
        talk_say(talk, "* BYE goodbye\r\n%s OK done", tag);
        talk->is_leaving = true;
    } else {
        talk_say(talk, "%s OK done", tag);
    }
}

void talk_answer_pop3(struct talk *talk, char *line)
{
    if (begins(line, "CAPA"))
        talk_say(talk, "+OK\r\nUSER\r\nPIPELINING\r\nUIDL\r\nTOP\r\n.");
    else
        talk_say(talk, "+OK done");
    if (begins(line, "QUIT"))
        talk->is_leaving = true;
}

void talk_answer_smtp(struct talk *talk, char *line)
{
    if (begins(line, "EHLO")) {
        talk_say(talk, "250-server.bench.test\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n"
                       "250-AUTH PLAIN LOGIN\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME");
    } else if (begins(line, "AUTH")) {
        talk_say(talk, "235 2.7.0 logged in");
    } else if (begins(line, "DATA")) {
        talk_say(talk, "354 go on");
        talk->reading = TALK_MESSAGE;
        talk->at_end = 2;
        talk->done = 0;
    } else if (begins(line, "QUIT")) {
        talk_say(talk, "221 2.0.0 goodbye");
        talk->is_leaving = true;
    } else {
        talk_say(talk, "250 2.0.0 done");
    }
}

/* The mail proxy of nginx asks for the server of each login; every name and password is good. */
void talk_answer_http(struct talk *talk, char *line)
{
    if (begins(line, "Auth-Protocol: imap"))
        talk->bulk = ports[TALK_IMAP];
    else if (begins(line, "Auth-Protocol: pop3"))
        talk->bulk = ports[TALK_POP3];
    else if (begins(line, "Auth-Protocol: smtp"))
        talk->bulk = ports[TALK_SMTP];
    if (line[0] != 0)
        return;
    talk_say(talk,
        "HTTP/1.0 200 OK\r\nAuth-Status: OK\r\nAuth-Server: 127.0.0.1\r\nAuth-Port: %llu\r\n",
        talk->bulk);
    talk->is_leaving = true;
}
