/* --check --probe with real sockets: each server in the order of the file, and what is counted. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "log_catch.h"
#include "probe_command.h"
#include "snapshots.h"
#include "stdout_catch.h"
#include <signal.h>
#include <sys/wait.h>

enum { SERVER_PORT = 1143, DNS_PORT = 18154 };

#define LISTENER "[listener a]\nbind = @:1001\nprotocol = imap\ntls = none\nbackend = b\n"

static char out[LOG_CATCH_MAX];
static pid_t server;

static int set_up(void **state)
{
    server = 0;
    log_catch(LOG_INFO);
    return 0;
}

static int tear_down(void **state)
{
    log_release();
    if (server > 0) {
        (void)kill(server, SIGKILL);
        (void)waitpid(server, NULL, 0);
    }
    return 0;
}

static void expect(FILE *io, const char *text)
{
    char line[256];

    if (!fgets(line, sizeof(line), io) || strcmp(line, text) != 0)
        _exit(1);
}

/* One connection as an IMAP server has it, to its end. */
static void serve_one(int fd)
{
    FILE *in = fdopen(fd, "r");
    FILE *io = fdopen(dup(fd), "w");

    if (!in || !io)
        _exit(1);
    (void)fputs("* OK hi\r\n", io);
    (void)fflush(io);
    expect(in, "m1 CAPABILITY\r\n");
    (void)fputs("* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\nm1 OK\r\n", io);
    (void)fflush(io);
    expect(in, "m2 LOGOUT\r\n");
    (void)fputs("* BYE\r\nm2 OK\r\n", io);
    (void)fclose(io);
    (void)shutdown(fd, SHUT_WR);
    (void)fgetc(in); /* the end */
    (void)fclose(in);
}

/* It listens when this returns, and serves until it is ended. */
static void start_server(void)
{
    struct address at = own_address(SERVER_PORT);
    const int yes = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
    assert_int_equal(bind(fd, &at.socket.any, address_len(&at)), 0);
    assert_int_equal(listen(fd, 8), 0);
    (void)fflush(NULL);
    server = fork();
    assert_true(server >= 0);
    while (server == 0)
        serve_one(accept(fd, NULL, NULL));
    (void)close(fd);
}

/* To every question it says that there is no such name. */
static void start_dns(void)
{
    struct address at = own_address(DNS_PORT);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    assert_int_equal(bind(fd, &at.socket.any, address_len(&at)), 0);
    (void)fflush(NULL);
    server = fork();
    assert_true(server >= 0);
    while (server == 0) {
        unsigned char packet[512];
        struct sockaddr_storage from;
        socklen_t len = sizeof(from);
        ssize_t n = recvfrom(fd, packet, sizeof(packet), 0, (struct sockaddr *)&from, &len);

        packet[2] |= 0x80; /* an answer */
        packet[3] = 0x83;
        (void)sendto(fd, packet, n > 0 ? (size_t)n : 0, 0, (struct sockaddr *)&from, len);
    }
    (void)close(fd);
}

static size_t probe(const char *text)
{
    struct snapshot *snapshot = snapshot_of(text);
    int fd = stdout_file();
    int before = stdout_take(fd);
    size_t errors = probe_command(snapshot);

    stdout_give_back(before);
    stdout_read(fd, out, sizeof(out));
    snapshot_unref(&snapshot);
    return errors;
}

static void assert_last_line(const char *text)
{
    size_t n = strlen(text);

    if (strlen(out) < n || strcmp(out + strlen(out) - n, text) != 0)
        fail_msg("%s", out);
}

static void test_a_server_that_is_well(void **state)
{
    start_server();
    assert_int_equal(probe(LISTENER "[backend b]\nserver = one @:1143\n"), 0);
    assert_non_null(strstr(out, "  greeting      * OK hi\n"));
    assert_non_null(strstr(out, "  capabilities  IMAP4rev1, AUTH=PLAIN\n"));
    assert_last_line("\n1 server probed: 0 errors, 0 warnings\n");
}

/* The blocks are in the order of the file, whatever is over first. */
static void test_several_servers(void **state)
{
    const char *one;
    const char *two;
    const char *three;

    start_server();
    assert_int_equal(probe(LISTENER "[backend b]\nserver = one @:1143\nserver = two @:1144\n"
                                    "server = three @:1143\n"),
        1);
    one = strstr(out, "[backend b] server one at ");
    two = strstr(out, "[backend b] server two at ");
    three = strstr(out, "[backend b] server three at ");
    assert_true(one && two && three && one < two && two < three);
    assert_non_null(strstr(two, "  error: it cannot be reached: "));
    assert_last_line("\n3 servers probed: 1 error, 0 warnings\n");
}

/* More than are visited at once, so that each that ends makes room. */
static void test_many_servers(void **state)
{
    char text[SNAPSHOTS_TEXT_MAX];
    size_t n = (size_t)snprintf(text, sizeof(text), "%s", LISTENER "[backend b]\n");

    for (int i = 0; i < 40; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "server = @:%d\n", 1200 + i);
    assert_int_equal(probe(text), 40);
    assert_last_line("\n40 servers probed: 40 errors, 0 warnings\n");
}

/* That is an error of the server, and the log says why. */
static void test_a_name_that_is_not_known(void **state)
{
    start_dns();
    assert_int_equal(
        probe("[proxy]\nresolver = @:18154\n" LISTENER "[backend b]\nserver = one mx.test:143\n"),
        1);
    assert_non_null(strstr(out, "[backend b] server one\n  error: its name could not be resolved"));
    assert_int_equal(log_count(log_caught(), "warning name-failed "), 1);
    assert_last_line("\n1 server probed: 1 error, 0 warnings\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_server_that_is_well),
        TEST(test_several_servers),
        TEST(test_many_servers),
        TEST(test_a_name_that_is_not_known),
    };

    (void)setenv("SSL_CERT_FILE", "/dev/null", 1); /* the system's store is large */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
