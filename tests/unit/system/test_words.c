/* Words over real sockets, those of a peer that was taken over among them. */
/* The order is cmocka's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "descriptors.h"
#include "words.h"
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int pair[2];

static int set_up(void **state)
{
    return word_pair(pair) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)close(pair[0]);
    if (pair[1] >= 0)
        (void)close(pair[1]);
    return 0;
}

static void test_a_letter_and_a_text(void **state)
{
    struct word word;

    assert_int_equal(word_receive(pair[1], false, &word), WORD_AGAIN);
    assert_true(word_send(pair[0], 'x', "text", -1));
    assert_true(word_send(pair[0], 'y', "", -1));
    assert_int_equal(word_receive(pair[1], false, &word), WORD_OK);
    assert_int_equal(word.letter, 'x');
    assert_string_equal(word.text, "text");
    assert_int_equal(word.fd, -1);
    assert_int_equal(word_receive(pair[1], true, &word), WORD_OK);
    assert_int_equal(word.letter, 'y');
    assert_string_equal(word.text, "");
    (void)close(pair[1]);
    pair[1] = -1;
    assert_int_equal(word_receive(pair[0], true, &word), WORD_GONE);
    assert_false(word_send(pair[0], 'z', "", -1));
}

static void test_a_descriptor_comes_along(void **state)
{
    struct word word;
    int ends[2];
    char byte;

    assert_int_equal(pipe(ends), 0);
    assert_true(word_send(pair[0], 'x', "", ends[0]));
    assert_int_equal(word_receive(pair[1], true, &word), WORD_OK);
    assert_true(word.fd >= 0 && word.fd != ends[0]);
    assert_true(fcntl(word.fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(write(ends[1], "b", 1), 1);
    assert_int_equal(read(word.fd, &byte, 1), 1);
    (void)close(word.fd);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void test_a_long_text_is_cut(void **state)
{
    static char text[2 * WORD_MAX];
    struct word word;

    memset(text, 'a', sizeof(text) - 1);
    assert_true(word_send(pair[0], 'x', text, -1));
    assert_int_equal(word_receive(pair[1], true, &word), WORD_OK);
    assert_int_equal(strlen(word.text), WORD_MAX - 1);
    assert_int_equal(send(pair[0], text, sizeof(text), 0), sizeof(text));
    assert_int_equal(word_receive(pair[1], true, &word), WORD_OK);
    assert_int_equal(strlen(word.text), WORD_MAX - 1);
}

/* As many as one message may carry: none is kept but the first. */
static void test_many_descriptors_leave_nothing_behind(void **state)
{
    enum { MANY = 200 };
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(MANY * sizeof(int))];
    } control = {0};
    char letter = 'x';
    struct iovec part = {&letter, 1};
    struct msghdr message = {.msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    struct word word;
    int before = count_descriptors();

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(MANY * sizeof(int));
    for (size_t i = 0; i < MANY; i++) {
        const int fd = STDIN_FILENO;

        memcpy(CMSG_DATA(header) + i * sizeof(fd), &fd, sizeof(fd));
    }
    assert_true(sendmsg(pair[0], &message, 0) >= 0);
    assert_int_equal(word_receive(pair[1], true, &word), WORD_OK);
    assert_true(word.fd >= 0);
    (void)close(word.fd);
    assert_int_equal(count_descriptors(), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_letter_and_a_text),
        TEST(test_a_descriptor_comes_along),
        TEST(test_a_long_text_is_cut),
        TEST(test_many_descriptors_leave_nothing_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
