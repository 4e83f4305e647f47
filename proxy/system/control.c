#include "control.h"

#include "mailmux/log.h"
#include "words.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

void control_init(struct control *control)
{
    *control = (struct control){.listener = -1};
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        control->clients[i].fd = -1;
}

static void stop_listening(struct control *control)
{
    if (control->listener < 0)
        return;
    (void)unlink(control->at.sun_path);
    (void)close(control->listener);
    control->listener = -1;
}

static bool listens_at(const struct control *control, const struct sockaddr_un *at)
{
    return control->listener >= 0 && strcmp(control->at.sun_path, at->sun_path) == 0;
}

void control_open(struct control *control, const char *directory)
{
    struct sockaddr_un at;
    bool is_path = control_socket_path(directory, &at);
    int fd = -1;

    if (is_path && listens_at(control, &at))
        return;
    errno = ENAMETOOLONG;
    if (is_path)
        fd = control_socket_listen(&at);
    if (fd < 0) {
        log_message(LOG_WARNING, "control",
            "cannot listen at %s/control: %s; mailmux --reload cannot reach this process",
            directory, strerror(errno));
        return;
    }
    stop_listening(control);
    control->listener = fd;
    control->at = at;
}

static void drop(struct control_client *client)
{
    if (client->fd >= 0)
        (void)close(client->fd);
    *client = (struct control_client){.fd = -1};
}

void control_close(struct control *control)
{
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
        drop(&control->clients[i]);
    stop_listening(control);
    control_init(control);
}

void control_take(struct control *control, int fd, char order)
{
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        if (control->clients[i].fd < 0) {
            control->clients[i] = (struct control_client){fd, order, false};
            return;
        }
    }
    (void)close(fd);
}

void control_accept(struct control *control)
{
    int fd = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0 && control_socket_is_trusted(fd, NULL))
        control_take(control, fd, '\0');
    else if (fd >= 0)
        (void)close(fd);
}

void control_reply(struct control_client *client, enum control_outcome outcome, const char *text)
{
    (void)word_send(client->fd, (char)outcome, text, -1);
    drop(client);
}

/* Returns whether it is known that the two are different files. */
static bool is_another(const char *own, const char *meant)
{
    struct stat a;
    struct stat b;

    return stat(own, &a) == 0 && stat(meant, &b) == 0 &&
           (a.st_dev != b.st_dev || a.st_ino != b.st_ino);
}

/* Two of them may have the same state directory, at which the first one takes the orders. */
static void refuse_another(struct control_client *client, const char *file)
{
    char text[WORD_MAX];

    (void)snprintf(text, sizeof(text),
        "the mailmux that takes orders here runs with %s; give each its own state_directory", file);
    control_reply(client, CONTROL_FAILED, text);
}

char control_read(struct control_client *client, const char *file)
{
    struct word word;
    enum word_received received = word_receive(client->fd, false, &word);

    if (received == WORD_AGAIN)
        return 0;
    if (received == WORD_OK && word.fd >= 0)
        (void)close(word.fd);
    if (received == WORD_GONE || client->order) {
        drop(client);
        return 0;
    }
    if (is_another(file, word.text)) {
        refuse_another(client, file);
        return 0;
    }
    client->order = word.letter;
    return word.letter;
}

void control_run(struct control *control, enum control_order order)
{
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        if (control->clients[i].order == (char)order)
            control->clients[i].is_running = true;
    }
}

void control_answer(struct control *control, enum control_outcome outcome, const char *text)
{
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        if (control->clients[i].is_running)
            control_reply(&control->clients[i], outcome, text);
    }
}

void control_refuse(struct control *control)
{
    for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        if (control->clients[i].order)
            control_reply(&control->clients[i], CONTROL_FAILED, "mailmux is ending");
    }
}
