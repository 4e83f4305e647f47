/*
 * The way out of the library: what a stream must know of its TLS session to go on without it, and
 * the moment when it may.
 */
#include "mailmux/check.h"
#include "tls.h"
#include "tls_lean_parts.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tls_secrets_free(struct tls_secrets **pointer)
{
    struct tls_secrets *secrets = *pointer;

    *pointer = NULL;
    if (!secrets)
        return;
    explicit_bzero(secrets, sizeof(*secrets));
    free(secrets);
}

/* Reads the last word of the line, which is in hexadecimal. */
static bool read_secret(const char *line, unsigned char out[TRAFFIC_SECRET_MAX])
{
    const char *word = strrchr(line, ' ');
    size_t n = word ? strlen(++word) / 2 : 0;

    if (n == 0 || n > TRAFFIC_SECRET_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = OPENSSL_hexchar2int((unsigned char)word[2 * i]);
        int low = OPENSSL_hexchar2int((unsigned char)word[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        out[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

/*
 * Called with each secret that the library has made, in the format of a key log: its name, the
 * client's random, the secret. The line is the library's own and is overwritten afterwards.
 */
static void on_secret(const SSL *ssl, const char *line)
{
    static const char of_client[] = "CLIENT_TRAFFIC_SECRET_0 ";
    static const char of_server[] = "SERVER_TRAFFIC_SECRET_0 ";
    struct stream *stream = tls_stream(ssl);
    bool is_client = strncmp(line, of_client, sizeof(of_client) - 1) == 0;
    struct tls_secrets *secrets;

    if (!stream || (!is_client && strncmp(line, of_server, sizeof(of_server) - 1) != 0))
        return;
    if (!stream->secrets)
        stream->secrets = calloc(1, sizeof(*stream->secrets));
    secrets = stream->secrets;
    if (secrets && is_client)
        secrets->has_client = read_secret(line, secrets->client);
    else if (secrets)
        secrets->has_server = read_secret(line, secrets->server);
}

void tls_lean_prepare(SSL_CTX *context)
{
    SSL_CTX_set_keylog_callback(context, on_secret);
}

void tls_secrets_note(
    struct tls_secrets *secrets, bool is_written, int content_type, int type, bool has_more)
{
    uint64_t *count = is_written ? &secrets->written : &secrets->read;
    bool is_message = content_type == SSL3_RT_HANDSHAKE;

    if (content_type == SSL3_RT_HEADER)
        ++*count;
    else if (is_message && is_written)
        secrets->sent++;
    if (is_message && type == SSL3_MT_FINISHED) {
        *count = 0; /* the secrets of the session begin behind it [RFC 8446 7.2] */
        secrets->sent = is_written ? 0 : secrets->sent;
    }
    secrets->is_updated = secrets->is_updated || (is_message && type == SSL3_MT_KEY_UPDATE);
    /*
     * A message may be cut at any octet [RFC 8446 5.1]. A record of messages is over when the one
     * that was read last ends all that is there, or when a record of another type comes.
     */
    if (!is_written && is_message)
        secrets->is_within = has_more;
    else if (!is_written && content_type == SSL3_RT_INNER_CONTENT_TYPE)
        secrets->is_within = type == SSL3_RT_HANDSHAKE;
}

/*
 * Returns whether the library has read a part of a record. While it waits for a body, the header is
 * not "pending".
 */
static bool is_within_record(const SSL *ssl)
{
    return SSL_has_pending(ssl) || strcmp(SSL_rstate_string(ssl), "RH") != 0;
}

/* Returns whether the client has asked for smaller records [RFC 6066 4]. */
static bool has_small_records(const SSL *ssl)
{
    return SSL_SESSION_get_max_fragment_length(SSL_get0_session(ssl)) !=
           TLSEXT_max_fragment_length_DISABLED;
}

/* Returns whether the library holds nothing of the connection that a stream would miss. */
static bool may_leave(const struct stream *stream)
{
    const struct tls_secrets *secrets = stream->secrets;

    return stream->ssl && stream->handshaken && stream->context->lean && secrets &&
           secrets->has_client && secrets->has_server && !secrets->is_updated &&
           !secrets->is_within && stream->failure == STREAM_FINE && !stream->end_due &&
           !stream->prefix && SSL_version(stream->ssl) == TLS1_3_VERSION &&
           !has_small_records(stream->ssl) && !is_within_record(stream->ssl) &&
           !SSL_want_write(stream->ssl) && SSL_get_shutdown(stream->ssl) == 0;
}

/* Copies what is known of the session. The name of the group may belong to the library's context.
 */
static void keep_info(struct tls_lean *lean, const struct stream *stream)
{
    (void)stream_tls_info(stream, &lean->info);
    if (!lean->info.group)
        return;
    (void)snprintf(lean->group, sizeof(lean->group), "%s", lean->info.group);
    lean->info.group = lean->group;
}

static struct tls_lean *lean_new(const struct stream *stream)
{
    const struct tls_secrets *secrets = stream->secrets;
    struct record_tools *tools = &stream->context->lean->records;
    unsigned id = SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(stream->ssl));
    bool is_server = !stream->client;
    struct tls_lean *lean = calloc(1, sizeof(*lean));
    enum traffic_suite suite;

    if (!lean)
        return NULL;
    if (traffic_suite_of(id, &suite) &&
        traffic_begin(&lean->in, tools, suite, is_server ? secrets->client : secrets->server,
            secrets->read) &&
        traffic_begin(&lean->out, tools, suite, is_server ? secrets->server : secrets->client,
            secrets->written)) {
        lean->is_client = !is_server;
        keep_info(lean, stream);
        return lean;
    }
    explicit_bzero(lean, sizeof(*lean));
    free(lean);
    return NULL;
}

void tls_take_over(struct stream *stream)
{
    if (!may_leave(stream))
        return;
    stream->leaves = false; /* one try: a failure would only come again */
    /*
     * Each thing that was sent has been a record at least. A number that is too low would be a
     * nonce that is used twice, so the library's word for it is not enough.
     */
    if (check_holds(stream->secrets->written >= stream->secrets->sent))
        stream->lean = lean_new(stream);
    tls_secrets_free(&stream->secrets);
    if (!stream->lean)
        return;
    /* An end that looks clean to the library: its session may be resumed. */
    SSL_set_shutdown(stream->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(stream->ssl);
    stream->ssl = NULL;
}
