#include "tls_visit.h"

#include <stdio.h>
#include <stdlib.h>

static void need(bool is_fine)
{
    if (!is_fine)
        abort();
}

static void set_up_client(struct memory_tls *peer, const struct tls_visit *visit)
{
    SSL *ssl = peer->ssl;

    need(!visit->sni || SSL_set_tlsext_host_name(ssl, visit->sni) == 1);
    need(!visit->minimum || SSL_set_min_proto_version(ssl, visit->minimum) == 1);
    need(!visit->maximum || SSL_set_max_proto_version(ssl, visit->maximum) == 1);
    if (visit->maximum && visit->maximum < TLS1_2_VERSION)
        need(SSL_set_cipher_list(ssl, "ALL:@SECLEVEL=0") == 1);
    need(!visit->ciphers || SSL_set_cipher_list(ssl, visit->ciphers) == 1);
    need(!visit->groups || SSL_set1_groups_list(ssl, visit->groups) == 1);
    need(!visit->certificate ||
         (SSL_use_certificate_file(ssl, visit->certificate, SSL_FILETYPE_PEM) == 1 &&
             SSL_use_PrivateKey_file(ssl, visit->key, SSL_FILETYPE_PEM) == 1));
    need(!visit->session || SSL_set_session(ssl, visit->session) == 1);
}

static void copy(char *out, size_t cap, const char *text)
{
    (void)snprintf(out, cap, "%s", text ? text : "");
}

static void note_result(
    struct tls_visit *visit, const struct stream_bench *bench, const struct memory_tls *peer)
{
    const X509 *shown = SSL_get0_peer_certificate(peer->ssl);
    struct tls_info info;

    visit->alert = peer->alert;
    visit->failure = bench->stream.failure;
    need(stream_tls_info(&bench->stream, &info));
    copy(visit->version, sizeof(visit->version), info.version);
    copy(visit->cipher, sizeof(visit->cipher), info.cipher);
    copy(visit->group, sizeof(visit->group), info.group);
    copy(visit->sni_seen, sizeof(visit->sni_seen), info.sni);
    visit->peer = info.peer;
    visit->resumed = info.resumed;
    if (shown)
        (void)X509_NAME_get_text_by_NID(X509_get_subject_name(shown), NID_commonName,
            visit->common_name, sizeof(visit->common_name));
    if (peer->session && SSL_SESSION_up_ref(peer->session) == 1)
        visit->given = peer->session;
}

void tls_visit_go(const struct tls_service *service, struct tls_visit *visit)
{
    struct stream_bench bench;
    struct memory_tls peer;
    char byte;
    size_t n;

    stream_bench_open(&bench);
    memory_tls_init_client(&peer, &bench.wire, NULL);
    set_up_client(&peer, visit);
    need(stream_start_tls_server(&bench.stream, service, NULL) == IO_OK);
    visit->status = stream_bench_shake(&bench, &peer);
    if (visit->status == IO_OK) {
        need(stream_bench_write(&bench, &peer, SLICE("* OK\r\n")) == IO_OK); /* and tickets */
        memory_tls_end(&peer); /* else OpenSSL would not resume the session */
        need(stream_bench_read(&bench, &byte, 1, &n) == IO_EOF);
    }
    note_result(visit, &bench, &peer);
    memory_tls_deinit(&peer);
    need(stream_bench_close(&bench));
}

struct tls_visit tls_visited(const struct tls_service *service, struct tls_visit visit)
{
    tls_visit_go(service, &visit);
    SSL_SESSION_free(visit.given);
    visit.given = NULL;
    return visit;
}

bool tls_visit_resumes(
    const struct tls_service *service, struct tls_visit first, struct tls_visit second)
{
    tls_visit_go(service, &first);
    need(first.status == IO_OK && !first.resumed);
    second.session = first.given;
    second = tls_visited(service, second);
    SSL_SESSION_free(first.given);
    return second.status == IO_OK && second.resumed;
}
