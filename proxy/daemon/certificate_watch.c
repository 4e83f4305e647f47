#include "certificate_watch.h"

#include "mailmux/log.h"
#include <time.h>

/* The wall clock may be set, so it is looked at again after an hour at the latest. */
enum { HOUR_S = 60 * 60, DAY_S = 24 * HOUR_S, SECOND_MS = 1000 };

/* One look at all certificates. */
struct look {
    int64_t before_s; /* the time of the look before */
    int64_t now_s;
    int64_t next_s; /* when there will be news, found by this look */
};

/* Returns whether the file has one by now that ends later. */
static bool is_renewed(const struct own_certificate *certificate)
{
    struct certificate_dates dates;

    return certificate_dates_in(certificate->file, &dates) &&
           dates.end_s > certificate->dates.end_s;
}

static void tell(const struct own_certificate *certificate, int64_t now_s)
{
    bool is_over = certificate_age(&certificate->dates, now_s) == CERTIFICATE_OVER;
    char why[CERTIFICATE_AGE_TEXT_MAX];
    struct log_line line;

    log_open(&line, is_over ? LOG_ERROR : LOG_WARNING, "own-certificate");
    if (certificate->set)
        log_text(&line, "set", slice_from(certificate->set));
    else
        log_text(&line, "backend", slice_from(certificate->backend));
    log_text(&line, "certificate", slice_from(certificate->file));
    if (!is_over)
        log_number(&line, "days", (uint64_t)(certificate->dates.end_s - now_s) / DAY_S);
    log_text(&line, "why", slice_from(certificate_age_text(&certificate->dates, now_s, why)));
    log_text(&line, "remedy",
        certificate->is_in_directory
            ? SLICE("renew it; a new one in its directory is served at once")
        : is_renewed(certificate) ? SLICE("the file has a newer one already: let mailmux reload "
                                          "(SIGHUP), and see why the renewal did not")
                                  : SLICE("renew it, and let mailmux reload (SIGHUP)"));
    log_write(&line);
}

static void judge(void *owner, const struct own_certificate *certificate)
{
    struct look *look = owner;
    int64_t next_s = certificate_next_news_s(&certificate->dates, look->now_s);

    if (certificate_next_news_s(&certificate->dates, look->before_s) <= look->now_s)
        tell(certificate, look->now_s);
    if (next_s < look->next_s)
        look->next_s = next_s;
}

static void on_timer(uv_timer_t *timer)
{
    struct certificate_watch *watch = timer->data;
    int64_t now_s = time(NULL);
    struct look look = {watch->judged_s, now_s, now_s + HOUR_S};

    snapshot_each_certificate(watch->snapshot, judge, &look);
    watch->judged_s = now_s;
    (void)uv_timer_start(timer, on_timer, (uint64_t)(look.next_s - now_s) * SECOND_MS, 0);
}

void certificate_watch_init(struct certificate_watch *watch, uv_loop_t *loop)
{
    *watch = (struct certificate_watch){0};
    (void)uv_timer_init(loop, &watch->timer);
    watch->timer.data = watch;
}

void certificate_watch_follow(struct certificate_watch *watch, struct snapshot *snapshot)
{
    struct snapshot *before = watch->snapshot;

    watch->snapshot = snapshot_ref(snapshot);
    snapshot_unref(&before);
    watch->judged_s = snapshot_judged_s(snapshot);
    (void)uv_timer_start(&watch->timer, on_timer, 0, 0);
}

void certificate_watch_close(struct certificate_watch *watch)
{
    snapshot_unref(&watch->snapshot);
    if (!uv_is_closing((uv_handle_t *)&watch->timer))
        uv_close((uv_handle_t *)&watch->timer, NULL);
}
