/* What the server has to tell the audit, and the audit's life: the one place where hubs, grants and
 * changes of the store become entries. */
#include "server/witness.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "server/server_priv.h"
#include "store/told.h"

/* The newest head goes into the store, so that a log that is cut back is found out. */
#define HEAD_SETTING "audit-head"

enum { TICK_MS = 1000, HEAD_EVERY_TICKS = 60, JUMP_MS = 2000 };

struct cm_witness {
    cm_server *server;
    cm_timer timer;
    unsigned ticks;
    int64_t wall_ahead_us; /* of the clock since boot, when it was looked at last */
    cm_job head_job;
    bool is_writing_head;
    cm_job told_job; /* takes what commands left */
    bool is_asking, asks_again;
    size_t told_count;
};

static const cm_slice NOTHING = {.size = 0};

static void put(const cm_server *server, const cm_audit_entry *entry)
{
    CM_IGNORE(cm_audit_put(server->audit, entry, NOTHING), "counted, and told by the log");
}

/* ---- from grants: who saw what ---- */

static void copy_frames(const cm_view *view, cm_audit_entry *out)
{
    for (unsigned i = 0; i < CM_STREAMS && out->frame_count < CM_AUDIT_STREAMS_MAX; i++) {
        cm_viewed seen;
        if (!cm_viewing_read(view->seen, (cm_stream)i, &seen))
            continue;
        out->frames[out->frame_count++] = (cm_audit_frames){.stream = (uint8_t)i,
                                                            .first = seen.first,
                                                            .last = seen.last,
                                                            .frames = seen.frames,
                                                            .bytes = seen.bytes,
                                                            .first_epoch = seen.first_epoch,
                                                            .last_epoch = seen.last_epoch};
    }
}

void cm_witness_view(void *owner, const cm_view *view)
{
    const cm_server *server = owner;
    const cm_watching *what = &view->what;
    const cm_audit_cause cause = cm_audit_cause_of(cm_grant_reason_name(view->reason));
    cm_audit_entry entry = {.when = view->now,
                            .home = what->camera.home,
                            .camera = what->camera.camera,
                            .account = what->account,
                            .viewing = what->session,
                            .path = (cm_audit_path)what->path,
                            .streams = what->streams,
                            .since = what->since};
    if (what->link[0] != '\0') /* it stands where an account would */
        cm_slice_copy(cm_slice_over(what->link, CM_ID_SIZE), entry.account.text, CM_ID_SIZE);
    switch (view->event) {
    case CM_VIEW_BEGAN:
        entry.kind = CM_AUDIT_VIEW_BEGIN;
        entry.value = view->rights;
        put(server, &entry);
        break;
    case CM_VIEW_ENDED:
        entry.kind = CM_AUDIT_VIEW_END;
        entry.cause = view->is_cut ? cause : CM_AUDIT_CAUSE_LEFT;
        copy_frames(view, &entry);
        put(server, &entry);
        break;
    case CM_VIEW_REFUSED:
        entry.kind = CM_AUDIT_VIEW_REFUSED;
        entry.cause = cause;
        cm_audit_repeat(server->audit, &entry, NOTHING);
        break;
    }
}

/* ---- alarms ---- */

void cm_witness_refusal(const cm_server *server, cm_wall now, const cm_camera_key *camera,
                        cm_refusal refusal)
{
    const cm_audit_entry entry = {.kind = CM_AUDIT_OPENING_REFUSED,
                                  .when = now,
                                  .home = camera->home,
                                  .camera = camera->camera,
                                  .cause = cm_audit_cause_of(cm_refusal_name(refusal))};
    cm_audit_repeat(server->audit, &entry, NOTHING);
}

void cm_witness_alarm(const cm_server *server, const cm_camera_key *asked)
{
    const cm_audit_entry entry = {.kind = CM_AUDIT_EVIDENCE_ALARM,
                                  .when = cm_loop_wall(server->loops[0]),
                                  .home = asked->home,
                                  .camera = asked->camera};
    cm_audit_repeat(server->audit, &entry, NOTHING);
}

/* ---- cuts ---- */

/* An entry for each home that it reaches into: an account may be a member of several. */
void cm_witness_cut(const cm_server *server, const cm_change *change)
{
    for (size_t i = 0; i < change->raised_count; i++) {
        const cm_camera_key *first = &change->raised[i].camera;
        bool is_told = false;
        cm_audit_entry entry = {.kind = CM_AUDIT_CUT,
                                .when = cm_loop_wall(server->loops[0]),
                                .home = first->home,
                                .camera = change->camera};
        cm_slice_copy(cm_slice_over(change->account.text, CM_ID_SIZE), entry.other,
                      sizeof entry.other);
        for (size_t j = 0; j < change->raised_count; j++) {
            const bool is_same = cm_home_id_equal(&change->raised[j].camera.home, &first->home);
            is_told = is_told || (is_same && j < i);
            entry.count += is_same ? 1 : 0;
        }
        if (!is_told)
            put(server, &entry);
    }
}

/* ---- commands ---- */

/* Whatever a command says: it was a command that did it, and no account. */
static cm_status put_told(const cm_server *server, const cm_told *told)
{
    cm_audit_entry entry;
    if (cm_audit_entry_parse(cm_slice_over(told->bytes, told->size), &entry) != CM_OK) {
        entry = (cm_audit_entry){.kind = CM_AUDIT_OUTSIDE, .when = cm_loop_wall(server->loops[0])};
    }
    entry.is_command = true;
    entry.account = (cm_account_id){.text = ""};
    cm_status status = cm_audit_put(server->audit, &entry, NOTHING);
    if (status != CM_FULL)
        return status;
    CM_TRY(cm_audit_flush(server->audit));
    return cm_audit_put(server->audit, &entry, NOTHING);
}

/* Takes what commands left into the log. It is forgotten only when it is durable there: what
 * failed is taken with what comes next, or at the next start. */
static cm_status take_told(const cm_server *server, size_t *count)
{
    CM_AUTO(cm_told_list_clear) cm_told_list list = {.count = 0};
    CM_TRY(cm_store_told(server->store, &list));
    *count = list.count;
    if (list.count == 0)
        return CM_OK;
    for (size_t i = 0; i < list.count; i++)
        CM_TRY(put_told(server, &list.items[i]));
    CM_TRY(cm_audit_flush(server->audit));
    return cm_store_told_forget(server->store, &list);
}

static void work_told(cm_job *job)
{
    struct cm_witness *witness = CM_HOLDER(job, struct cm_witness, told_job);
    witness->told_count = 0;
    if (take_told(witness->server, &witness->told_count) != CM_OK)
        cm_log(CM_LOG_ERROR, "audit", "event=command-not-told effect=\"tried again later\"");
}

static void done_told(cm_job *job)
{
    struct cm_witness *witness = CM_HOLDER(job, struct cm_witness, told_job);
    const cm_server *server = witness->server;
    witness->is_asking = false;
    if (witness->told_count == 0)
        put(server,
            &(cm_audit_entry){.kind = CM_AUDIT_OUTSIDE, .when = cm_loop_wall(server->loops[0])});
    if (witness->asks_again)
        cm_witness_outside(witness->server);
}

void cm_witness_outside(cm_server *server)
{
    struct cm_witness *witness = server->witness;
    witness->asks_again = witness->is_asking;
    if (witness->is_asking)
        return;
    witness->told_job = (cm_job){.work = work_told, .done = done_told};
    witness->is_asking =
        cm_loop_submit_lane(server->loops[0], CM_STORE_LANE, &witness->told_job) == CM_OK;
}

/* ---- time ---- */

static int64_t wall_ahead_us(const cm_server *server)
{
    return cm_loop_wall(server->loops[0]).us - cm_loop_read_now(server->loops[0]).us;
}

static void look_at_clock(struct cm_witness *witness)
{
    const int64_t ahead = wall_ahead_us(witness->server);
    const int64_t jump_ms = (ahead - witness->wall_ahead_us) / 1000;
    witness->wall_ahead_us = ahead;
    if (jump_ms < JUMP_MS && jump_ms > -JUMP_MS)
        return;
    put(witness->server,
        &(cm_audit_entry){.kind = CM_AUDIT_CLOCK_JUMPED,
                          .when = cm_loop_wall(witness->server->loops[0]),
                          .cause = jump_ms > 0 ? CM_AUDIT_CAUSE_FORWARD : CM_AUDIT_CAUSE_BACK,
                          .count = (uint64_t)(jump_ms > 0 ? jump_ms : -jump_ms)});
}

/* ---- the head, written down elsewhere ---- */

static void write_head(const cm_server *server)
{
    cm_audit_head head;
    char text[CM_AUDIT_HEAD_TEXT_SIZE];
    cm_audit_read_head(server->audit, &head);
    if (head.count == 0)
        return;
    cm_audit_head_format(&head, text);
    if (cm_store_setting_write(server->store, HEAD_SETTING, cm_slice_of(text)) != CM_OK)
        cm_log(CM_LOG_ERROR, "audit", "event=head-not-written-down");
}

static void work_head(cm_job *job)
{
    write_head(CM_HOLDER(job, struct cm_witness, head_job)->server);
}

static void done_head(cm_job *job)
{
    CM_HOLDER(job, struct cm_witness, head_job)->is_writing_head = false;
}

static void on_tick(cm_timer *timer)
{
    struct cm_witness *witness = CM_HOLDER(timer, struct cm_witness, timer);
    cm_loop *control = witness->server->loops[0];
    cm_timer_start(timer, CM_MS(TICK_MS));
    look_at_clock(witness);
    cm_audit_tick(witness->server->audit, cm_loop_wall(control));
    if (++witness->ticks % HEAD_EVERY_TICKS != 1 || witness->is_writing_head)
        return;
    witness->head_job = (cm_job){.work = work_head, .done = done_head};
    witness->is_writing_head =
        cm_loop_submit_lane(control, CM_STORE_LANE, &witness->head_job) == CM_OK;
}

cm_status cm_witness_read_head(cm_store *store, cm_audit_head *out)
{
    char text[CM_AUDIT_HEAD_TEXT_SIZE];
    *out = (cm_audit_head){.count = 0};
    const cm_status status = cm_store_setting_read(store, HEAD_SETTING, text, sizeof text);
    CM_ENSURE(status != CM_ABSENT, CM_OK);
    CM_TRY(status);
    return cm_audit_head_parse(cm_slice_of(text), out);
}

/* ---- life ---- */

cm_status cm_witness_directory(const char *data_directory, char out[CM_WITNESS_PATH_SIZE])
{
    cm_writer w = cm_writer_over(out, CM_WITNESS_PATH_SIZE);
    cm_slice all;
    cm_write_text(&w, data_directory);
    cm_write_text(&w, "/audit");
    cm_write_u8(&w, '\0');
    return cm_writer_finish(&w, &all);
}

void cm_witness_key(const cm_store *store, cm_secret *out)
{
    cm_store_derive(store, "audit", out);
}

static cm_status open_audit(cm_server *server, cm_wall now)
{
    char path[CM_WITNESS_PATH_SIZE];
    char message[CM_AUDIT_MESSAGE_SIZE] = "its folder audit/ cannot be used";
    CM_AUTO(cm_secret_clear) cm_secret key;
    cm_audit_head before;
    CM_TRY(cm_witness_directory(server->options.data_directory, path));
    CM_TRY(cm_witness_read_head(server->store, &before));
    cm_witness_key(server->store, &key);
    const cm_audit_config config = {
        .directory = path, .key = &key, .count_before = before.count, .now = now};
    const cm_status status = cm_audit_open(&config, message, &server->audit);
    if (status != CM_OK)
        fprintf(stderr, "casement: the audit: %s\n", message);
    return status;
}

cm_status cm_witness_open(cm_server *server)
{
    const cm_wall now = cm_loop_wall(server->loops[0]);
    struct cm_witness *witness = calloc(1, sizeof *witness);
    CM_ENSURE(witness != NULL, CM_BROKEN);
    witness->server = server;
    server->witness = witness;
    cm_timer_init(&witness->timer, server->loops[0], on_tick);
    CM_TRY(open_audit(server, now));
    cm_identity_use_audit(server->identity, server->audit);
    put(server, &(cm_audit_entry){.kind = CM_AUDIT_SERVER_START, .when = now});
    size_t told;
    CM_TRY(take_told(server, &told));
    witness->wall_ahead_us = wall_ahead_us(server);
    cm_timer_start(&witness->timer, CM_MS(TICK_MS));
    return CM_OK;
}

void cm_witness_stop(cm_server *server)
{
    if (server->witness != NULL)
        cm_timer_stop(&server->witness->timer);
}

void cm_witness_close(cm_server *server, cm_wall now)
{
    if (server->audit != NULL) {
        CM_IGNORE(cm_audit_keep(server->audit,
                                &(cm_audit_entry){.kind = CM_AUDIT_SERVER_STOP, .when = now},
                                NOTHING),
                  "the next start says that the last one did not end in order");
        write_head(server);
    }
    cm_audit_close(server->audit);
    free(server->witness);
}
