#include "tls_bench.h"

#include "certificates.h"

bool tls_bench_init(struct tls_bench *bench)
{
    static const char *const alpn[] = {"imap"};
    struct tls_fault fault;
    const char *certificate;
    const char *key;

    bench->directory = certificates_directory_new();
    certificates_make(
        bench->directory, &(struct certificate_request){.file = "a", .name = "mail.example"});
    certificate = certificates_path(bench->directory, "a", "pem");
    key = certificates_path(bench->directory, "a", "key");
    bench->set = tls_set_new(
        &(struct tls_set_parameters){
            .name = "default",
            .certificate_count = 1,
            .certificates = &certificate,
            .keys = &key,
            .rules = {.policy = TLS_INTERMEDIATE},
        },
        &fault);
    bench->service = (struct tls_service){
        .listener = "imaps",
        .protocol = "imap",
        .alpn_count = 1,
        .alpn = alpn,
        .set_count = 1,
        .sets = &bench->set,
    };
    return bench->set != NULL;
}

void tls_bench_deinit(struct tls_bench *bench)
{
    tls_set_free(&bench->set);
    certificates_directory_free(&bench->directory);
}

bool tls_bench_begin(
    const struct tls_bench *bench, struct stream_bench *stream, struct memory_tls *peer)
{
    stream_bench_open(stream);
    memory_tls_init_client(peer, &stream->wire, NULL);
    return stream_start_tls_server(&stream->stream, &bench->service, NULL) == IO_OK;
}

bool tls_bench_shake(
    const struct tls_bench *bench, struct stream_bench *stream, struct memory_tls *peer)
{
    return tls_bench_begin(bench, stream, peer) && stream_bench_shake(stream, peer) == IO_OK &&
           peer->is_up && stream->stream.handshaken;
}

bool tls_bench_end(struct stream_bench *stream, struct memory_tls *peer)
{
    memory_tls_deinit(peer);
    return stream_bench_close(stream);
}
