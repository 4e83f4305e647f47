#include "tls_tickets.h"

#include "mailmux/clock.h"
#include "mailmux/refcount.h"
#include "tls_ticket_keys.h"
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { IV_SIZE = 16, NOT_OURS = 0, USED = 1, USED_RENEW = 2, FAILED = -1 };

struct tls_tickets {
    struct refcount references;
    pthread_mutex_t lock; /* guards the members below */
    uint64_t period_ms;   /* 0: keys from files, which never change */
    uint64_t since_ms;    /* when the encrypting key was made */
    struct tls_ticket_keys keys;
    EVP_CIPHER *aes_128; /* they never change; finding one takes long */
    EVP_CIPHER *aes_256;
};

static bool make_key(struct tls_ticket_key *key)
{
    key->secret_size = 32;
    return RAND_bytes(key->name, sizeof(key->name)) == 1 &&
           RAND_priv_bytes(key->cipher, sizeof(key->cipher)) == 1 &&
           RAND_priv_bytes(key->mac, sizeof(key->mac)) == 1;
}

static struct tls_tickets *make(struct error *error)
{
    struct tls_tickets *tickets = calloc(1, sizeof(*tickets));

    if (!tickets || pthread_mutex_init(&tickets->lock, NULL) != 0) {
        error_set(error, "no memory for the keys of session tickets");
        free(tickets);
        return NULL;
    }
    refcount_init(&tickets->references);
    tickets->aes_128 = EVP_CIPHER_fetch(NULL, "AES-128-CBC", NULL);
    tickets->aes_256 = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    if (!tickets->aes_128 || !tickets->aes_256) {
        error_set(error, "no cipher for session tickets");
        tls_tickets_unref(&tickets);
    }
    return tickets;
}

struct tls_tickets *tls_tickets_new(uint64_t period_ms, struct error *error)
{
    struct tls_tickets *tickets = make(error);

    if (!tickets)
        return NULL;
    tickets->period_ms = period_ms > 0 ? period_ms : 1;
    tickets->since_ms = clock_monotonic_ms();
    tickets->keys.count = 1;
    if (!make_key(&tickets->keys.key[0])) {
        error_set(error, "no randomness for the keys of session tickets");
        tls_tickets_unref(&tickets);
    }
    return tickets;
}

struct tls_tickets *tls_tickets_from_files(
    const char *const *files, size_t count, size_t *failed, struct error *error)
{
    struct tls_tickets *tickets = make(error);

    if (tickets && !tls_ticket_keys_load(&tickets->keys, files, count, failed, error))
        tls_tickets_unref(&tickets);
    return tickets;
}

struct tls_tickets *tls_tickets_ref(struct tls_tickets *tickets)
{
    refcount_take(&tickets->references);
    return tickets;
}

void tls_tickets_unref(struct tls_tickets **pointer)
{
    struct tls_tickets *tickets = *pointer;

    *pointer = NULL;
    if (!tickets || !refcount_drop(&tickets->references))
        return;
    (void)pthread_mutex_destroy(&tickets->lock);
    EVP_CIPHER_free(tickets->aes_128);
    EVP_CIPHER_free(tickets->aes_256);
    OPENSSL_cleanse(&tickets->keys, sizeof(tickets->keys));
    free(tickets);
}

/*
 * Makes a new key when the period is over. The lock is held. Of random keys, key 0 encrypts and key
 * 1 is its predecessor.
 */
static void advance(struct tls_tickets *tickets, uint64_t now_ms)
{
    struct tls_ticket_keys *keys = &tickets->keys;
    struct tls_ticket_key fresh;
    uint64_t age_ms = now_ms > tickets->since_ms ? now_ms - tickets->since_ms : 0;

    if (tickets->period_ms == 0 || age_ms < tickets->period_ms || !make_key(&fresh))
        return;
    keys->key[1] = keys->key[0];
    keys->key[0] = fresh;
    /* If no ticket was used for two periods, the predecessor is too old as well. */
    keys->count = age_ms / tickets->period_ms < 2 ? 2 : 1;
    tickets->since_ms = now_ms;
    OPENSSL_cleanse(&fresh, sizeof(fresh));
}

/* Copies the key to use. Returns false if no key has this name: the ticket is not ours. */
static bool find_key(struct tls_tickets *tickets, const unsigned char *name, bool encrypt,
    struct tls_ticket_key *key, bool *is_current)
{
    bool is_found = false;

    (void)pthread_mutex_lock(&tickets->lock);
    advance(tickets, clock_monotonic_ms());
    for (size_t i = 0; i < tickets->keys.count && !is_found; i++) {
        bool encrypts = i == tickets->keys.encrypting;

        is_found =
            encrypt ? encrypts : memcmp(tickets->keys.key[i].name, name, TLS_TICKET_NAME_SIZE) == 0;
        if (is_found) {
            *key = tickets->keys.key[i];
            *is_current = encrypts;
        }
    }
    (void)pthread_mutex_unlock(&tickets->lock);
    return is_found;
}

static bool set_mac(EVP_MAC_CTX *mac, struct tls_ticket_key *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, key->secret_size),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };

    return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

int tls_tickets_use(struct tls_tickets *tickets, unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, bool encrypt)
{
    struct tls_ticket_key key;
    const EVP_CIPHER *kind;
    bool is_current = false;
    bool is_fine;

    if (!find_key(tickets, name, encrypt, &key, &is_current))
        return NOT_OURS;
    kind = key.secret_size == 16 ? tickets->aes_128 : tickets->aes_256;
    if (encrypt) {
        memcpy(name, key.name, sizeof(key.name));
        is_fine = RAND_bytes(iv, IV_SIZE) == 1 &&
                  EVP_EncryptInit_ex(cipher, kind, NULL, key.cipher, iv) == 1;
    } else {
        is_fine = EVP_DecryptInit_ex(cipher, kind, NULL, key.cipher, iv) == 1;
    }
    is_fine = is_fine && set_mac(mac, &key);
    OPENSSL_cleanse(&key, sizeof(key));
    if (!is_fine)
        return FAILED;
    /* A ticket of an older key is accepted, and the client gets a new one. */
    return is_current ? USED : USED_RENEW;
}
