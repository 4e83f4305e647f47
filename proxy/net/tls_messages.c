/* What is noticed of the messages that a connection of the library reads and writes. */
#include "mailmux/clock.h"
#include "tls.h"
#include "tls_lean_parts.h"

enum {
    KEY_UPDATES_MAX =
        32, /* per minute; each one makes us answer, and costs us twice what it costs the peer */
    KEY_UPDATE_WINDOW_MS = 60000
};

void tls_message_seen(int is_written, int version, int content_type, const void *bytes, size_t n,
    SSL *ssl, void *unused)
{
    enum { SERVER_HELLO_VERSION = 4 }; /* behind the type and the length of the message */
    struct stream *stream = tls_stream(ssl);
    const unsigned char *p = bytes;

    (void)version;
    (void)unused;
    if (n == 0 || !stream)
        return;
    if (stream->secrets)
        tls_secrets_note(
            stream->secrets, is_written != 0, content_type, *p, SSL_has_pending(ssl) == 1);
    if (is_written || content_type != SSL3_RT_HANDSHAKE)
        return;
    if (*p == SSL3_MT_SERVER_HELLO && n >= SERVER_HELLO_VERSION + 2)
        stream->peer_version = (unsigned)p[SERVER_HELLO_VERSION] << 8 | p[SERVER_HELLO_VERSION + 1];
    if (*p == SSL3_MT_KEY_UPDATE)
        tls_count_key_update(stream);
}

void tls_count_key_update(struct stream *stream)
{
    uint64_t now_ms = clock_monotonic_ms();

    if (stream->key_updates == 0 || now_ms - stream->key_update_window_ms >= KEY_UPDATE_WINDOW_MS) {
        stream->key_update_window_ms = now_ms;
        stream->key_updates = 0;
    }
    if (++stream->key_updates > KEY_UPDATES_MAX && stream->failure == STREAM_FINE)
        stream->failure = STREAM_KEY_UPDATES;
}
