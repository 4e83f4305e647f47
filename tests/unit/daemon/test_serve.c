/* Serving, in a process of its own: its log, its signals and how it exits. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "certificates.h"
#include "daemon_test.h"
#include "keeper.h"
#include "serve.h"
#include <signal.h>
#include <sys/wait.h>

#define LISTENER "[listener a]\nbind = %s:%d\nprotocol = imap\ntls = none\nbackend = b\n"
#define BACKEND "[backend b]\nserver = %s:1143\n"

static char *directory;
static const char *file;
static pid_t child;
static FILE *its_log;

static int set_up(void **state)
{
    directory = certificates_directory_new();
    file = certificates_path(directory, "proxy", "ini");
    return 0;
}

static int tear_down(void **state)
{
    if (child > 0) { /* the test has failed */
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
    }
    child = 0;
    if (its_log)
        (void)fclose(its_log);
    its_log = NULL;
    certificates_directory_free(&directory);
    return 0;
}

static void write_file(int port)
{
    FILE *out = fopen(file, "w");

    assert_non_null(out);
    assert_true(fprintf(out,
                    "[proxy]\nworkers = 1\ncore_dumps = yes\nstate_directory = "
                    ".\n[timeouts]\ndrain = 1m\n" LISTENER BACKEND,
                    own_ip(), port, own_ip()) > 0);
    assert_int_equal(fclose(out), 0);
}

static void start(void)
{
    int log[2];

    (void)fflush(NULL);
    assert_int_equal(pipe(log), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)close(log[0]);
        (void)dup2(log[1], STDERR_FILENO);
        (void)close(log[1]);
        _exit(keeper_run(file, (char *const[]){(char *)"mailmux", NULL}, serve));
    }
    (void)close(log[1]);
    its_log = fdopen(log[0], "r");
    assert_non_null(its_log);
}

/* The next line of that event; the others are passed over. */
static const char *await(const char *event)
{
    static char line[LOG_LINE_MAX];
    char word[64];

    (void)snprintf(word, sizeof(word), " %s ", event);
    while (fgets(line, sizeof(line), its_log)) {
        if (strstr(line, word))
            return line;
    }
    fail_msg("no event %s", event);
    return NULL;
}

static void tell(int number)
{
    assert_int_equal(kill(child, number), 0);
}

static void assert_exit(int expected)
{
    int status;

    assert_int_equal(waitpid(child, &status, 0), child);
    child = 0;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), expected);
}

static void test_serves_until_it_is_told(void **state)
{
    int client;

    write_file(LISTENER_PORT);
    start();
    assert_non_null(strstr(await("ready"), "listeners=1 workers=1"));
    client = connect_to(LISTENER_PORT);
    assert_memory_equal(hear(client), "* BYE ", 6); /* its server is not there */
    assert_ends(client);
    tell(SIGTERM);
    assert_non_null(strstr(await("drain"), "why=SIGTERM"));
    assert_non_null(strstr(await("exit"), "served=1 alive=0 faults=0"));
    assert_exit(0);
    assert_false(is_listening(LISTENER_PORT));
}

static void test_a_configuration_with_errors(void **state)
{
    write_file(0);
    start();
    (void)await("config");
    assert_exit(1);
}

static void test_a_port_that_is_taken(void **state)
{
    int taken = listen_at(LISTENER_PORT);

    write_file(LISTENER_PORT);
    start();
    (void)await("bind-failed");
    assert_non_null(strstr(await("drain"), "why=failure"));
    (void)await("exit");
    assert_exit(1);
    (void)close(taken);
}

static void test_reloads(void **state)
{
    write_file(LISTENER_PORT);
    start();
    (void)await("ready");
    write_file(LISTENER_PORT + 1);
    tell(SIGHUP);
    (void)await("reloaded");
    assert_true(is_listening(LISTENER_PORT + 1));
    write_file(0);
    tell(SIGHUP);
    (void)await("reload-failed");
    assert_true(is_listening(LISTENER_PORT + 1));
    tell(SIGUSR1);
    (void)await("counters");
    tell(SIGINT);
    assert_non_null(strstr(await("drain"), "why=SIGINT"));
    assert_exit(0);
}

/* A session that does not end is waited for; the second signal insists. */
static void test_the_second_signal_insists(void **state)
{
    int server = listen_at(SERVER_PORT);
    int client;
    int leg;

    write_file(LISTENER_PORT);
    start();
    (void)await("ready");
    client = connect_to(LISTENER_PORT);
    leg = accept_from(server);
    say(leg, "* OK hi\r\n");
    assert_hears(client, "* OK hi\r\n");
    say(client, "a NOOP\r\n");
    assert_hears(leg, "a NOOP\r\n"); /* and does not answer */
    tell(SIGTERM);
    assert_non_null(strstr(await("drain"), "alive=1"));
    tell(SIGTERM);
    assert_non_null(strstr(await("session"), "reason=shutdown"));
    (void)await("exit");
    assert_exit(0);
    (void)close(client);
    (void)close(leg);
    (void)close(server);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_serves_until_it_is_told),
        TEST(test_a_configuration_with_errors),
        TEST(test_a_port_that_is_taken),
        TEST(test_reloads),
        TEST(test_the_second_signal_insists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
