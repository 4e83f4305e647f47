#include "certificate_warmup.h"

#include "mailmux/clock.h"

enum { AT_ONCE = 16 /* certificates, some milliseconds */ };

static void drop(struct certificate_warmup *warmup)
{
    tls_directory_unref(&warmup->directory);
    snapshot_unref(&warmup->snapshot);
}

/* Goes to a directory with certificates that are left. Returns false if there is none. */
static bool find_work(struct certificate_warmup *warmup)
{
    if (warmup->wanted) {
        drop(warmup);
        warmup->snapshot = warmup->wanted;
        warmup->wanted = NULL;
        warmup->set = 0;
    }
    if (warmup->directory && warmup->at >= tls_directory_count(warmup->directory))
        tls_directory_unref(&warmup->directory);
    while (warmup->snapshot && !warmup->directory &&
           warmup->set < snapshot_config(warmup->snapshot)->tls_count) {
        warmup->directory = snapshot_directory(warmup->snapshot, warmup->set++);
        warmup->at = 0;
    }
    return warmup->directory != NULL;
}

/* On a thread of libuv's. */
static void work(uv_work_t *request)
{
    struct certificate_warmup *warmup = request->data;
    uint64_t began_ms = clock_monotonic_ms();

    warmup->at = tls_directory_prepare(warmup->directory, warmup->at, AT_ONCE);
    warmup->took_ms = clock_monotonic_ms() - began_ms;
}

static void on_pause_over(uv_timer_t *timer);

static void on_done(uv_work_t *request, int status)
{
    struct certificate_warmup *warmup = request->data;

    (void)status;
    warmup->is_working = false;
    if (uv_is_closing((uv_handle_t *)&warmup->pause))
        drop(warmup);
    else
        (void)uv_timer_start(&warmup->pause, on_pause_over, warmup->took_ms, 0);
}

static void on_pause_over(uv_timer_t *timer)
{
    struct certificate_warmup *warmup = timer->data;

    if (warmup->is_working)
        return;
    if (!find_work(warmup))
        drop(warmup);
    else if (uv_queue_work(timer->loop, &warmup->work, work, on_done) == 0)
        warmup->is_working = true;
}

void certificate_warmup_init(struct certificate_warmup *warmup, uv_loop_t *loop)
{
    *warmup = (struct certificate_warmup){0};
    (void)uv_timer_init(loop, &warmup->pause);
    warmup->pause.data = warmup;
    warmup->work.data = warmup;
}

void certificate_warmup_follow(struct certificate_warmup *warmup, struct snapshot *snapshot)
{
    snapshot_unref(&warmup->wanted);
    warmup->wanted = snapshot_ref(snapshot);
    (void)uv_timer_start(&warmup->pause, on_pause_over, 0, 0);
}

void certificate_warmup_close(struct certificate_warmup *warmup)
{
    snapshot_unref(&warmup->wanted);
    if (!warmup->is_working)
        drop(warmup);
    if (!uv_is_closing((uv_handle_t *)&warmup->pause))
        uv_close((uv_handle_t *)&warmup->pause, NULL);
}
