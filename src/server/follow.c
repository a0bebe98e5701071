/* What follows a committed change: grants cut, fleets change, event streams look again. Also
 * changes by other processes (the command line). */
#include <stdlib.h>

#include "base/log.h"
#include "server/server_priv.h"

enum {
    OUTSIDE_EVERY_MS = 500,
    WATCHING_EVERY_MS = 1000,
    EXPIRE_EVERY_S = 3600,
    WATCHED_MAX = 4096,
    VIEWERS_MAX = 64
};

/* Who watched a camera when it was last told. */
typedef struct watched {
    cm_camera_key camera;
    uint64_t hash;
    bool is_seen;
} watched;

typedef struct cm_follow {
    cm_server *server;
    cm_timer outside_timer;
    cm_timer watching_timer;
    cm_timer expire_timer;
    cm_job expire_job;
    bool is_expiring;
    cm_job job; /* looking for changes of other processes */
    bool is_looking;
    int64_t seen_outside;
    bool has_outside;
    cm_change outside;
    cm_stored_cameras cameras; /* all there are, after an outside change */
    cm_status status;
    watched *watched;
    size_t watched_count;
} cm_follow;

/* ---- telling every loop's event streams ---- */

typedef struct tell {
    cm_task task;
    cm_api *api;
    enum { TELL_STATUS, TELL_HOME, TELL_GONE, TELL_VIEWERS } kind;
    cm_camera_status status;
    cm_camera_key camera;
    cm_home_id home;
    cm_watching viewers[VIEWERS_MAX];
    size_t viewer_count;
} tell;

static void run_tell(cm_task *task)
{
    tell *t = CM_HOLDER(task, tell, task);
    switch (t->kind) {
    case TELL_STATUS:
        cm_api_camera_changed(t->api, &t->status);
        break;
    case TELL_HOME:
    case TELL_GONE:
        cm_api_home_changed(t->api, &t->home);
        break;
    case TELL_VIEWERS:
        cm_api_viewers_changed(t->api, &t->camera, t->viewers, t->viewer_count);
        break;
    }
    free(t);
}

/* Before the doors are open there is nobody to tell. */
static void tell_all(cm_server *server, const tell *what)
{
    for (size_t i = 0; i < server->count; i++) {
        if (server->stations[i].api == NULL)
            continue;
        tell *t = malloc(sizeof *t);
        if (t == NULL)
            abort(); /* a fixed-size control object */
        *t = *what;
        t->task.run = run_tell;
        t->api = server->stations[i].api;
        cm_loop_post(server->loops[i], &t->task);
    }
}

static void tell_home(cm_server *server, const cm_home_id *home)
{
    tell_all(server, &(tell){.kind = TELL_HOME, .home = *home});
}

/* ---- changes of ours ---- */

/* Right behind the commit: what is taken away ends first. */
static void on_taken(void *owner, const cm_change *change)
{
    cm_server *server = owner;
    cm_grants_changed(server->grants, change, NULL);
    cm_witness_cut(server, change);
}

void cm_follow_store(cm_server *server, bool is_wanted)
{
    cm_store_follow(server->store, is_wanted ? on_taken : NULL, server);
}

/* A home that is held off is not connected to. What cannot be read is no reason to let go of a
 * camera: nobody gets a lease by it either. */
static bool is_held_off(const cm_server *server, const cm_home_id *id)
{
    cm_stored_home home;
    return cm_store_home_find(server->store, id, &home) == CM_OK && home.suspension.since.us != 0;
}

static void put_camera(cm_server *server, const cm_stored_camera *camera)
{
    if (is_held_off(server, &camera->key.home)) {
        cm_fleet_remove(server->fleet, &camera->key);
        return;
    }
    char password[CM_CAMERA_LOGIN_SIZE] = "";
    const cm_status status = cm_store_camera_password(server->store, &camera->key, password);
    if (status == CM_FOREIGN || status == CM_BROKEN)
        cm_log_camera(CM_LOG_ERROR, "server", &camera->key, "event=password-unreadable status=%s",
                      cm_status_name(status));
    if (cm_fleet_put(server->fleet, camera, password) != CM_OK)
        cm_log_camera(CM_LOG_ERROR, "server", &camera->key, "event=camera-not-started");
    cm_secret_wipe(password, sizeof password);
}

/* What a change of a home as a whole does to its cameras, on the control loop. */
typedef struct regard {
    cm_task task;
    cm_server *server;
    cm_change change;
} regard;

/* Held off or let go on, its cameras are taken from the fleet or given to it. */
static void regard_home(cm_server *server, const cm_home_id *home)
{
    CM_AUTO(cm_stored_cameras_clear) cm_stored_cameras cameras = {.count = 0};
    if (cm_store_cameras(server->store, home, &cameras) != CM_OK)
        return;
    for (size_t i = 0; i < cameras.count; i++)
        put_camera(server, &cameras.items[i]);
}

/* Gone with their home, unless one of the same name came since. */
static void regard_gone(cm_server *server, const cm_change *change)
{
    for (size_t i = 0; i < change->raised_count; i++) {
        const cm_epoch_raise *raise = &change->raised[i];
        cm_stored_camera camera;
        if (raise->min_epoch == UINT64_MAX &&
            cm_store_camera_find(server->store, &raise->camera, &camera) == CM_ABSENT)
            cm_fleet_remove(server->fleet, &raise->camera);
    }
}

static void run_regard(cm_task *task)
{
    regard *r = CM_HOLDER(task, regard, task);
    const cm_change *change = &r->change;
    if (change->home.text[0] != '\0' && change->account.text[0] == '\0' &&
        change->camera.text[0] == '\0')
        regard_home(r->server, &change->home);
    regard_gone(r->server, change);
    cm_change_clear(&r->change);
    free(r);
}

static void post_regard(cm_server *server, const cm_change *change)
{
    regard *r = calloc(1, sizeof *r);
    if (r == NULL || cm_change_copy(change, &r->change) != CM_OK)
        abort(); /* a fixed-size control object */
    r->task.run = run_regard;
    r->server = server;
    cm_loop_post(server->loops[0], &r->task);
}

void cm_follow_change(void *owner, const cm_change *change)
{
    cm_server *server = owner;
    if (server->grants == NULL)
        return; /* what the YAML takes away at the start: nobody has a lease yet */
    if (change->raised_count == 0)
        cm_grants_changed(server->grants, change, NULL);
    post_regard(server, change);
    tell_home(server, &change->home);
}

void cm_follow_camera_saved(void *owner, const cm_stored_camera *camera)
{
    cm_server *server = owner;
    put_camera(server, camera);
    tell_home(server, &camera->key.home);
}

void cm_follow_camera_deleted(void *owner, const cm_camera_key *camera)
{
    cm_server *server = owner;
    cm_fleet_remove(server->fleet, camera);
    tell_home(server, &camera->home);
}

void cm_follow_camera_status(void *owner, const cm_camera_status *status)
{
    tell_all(owner, &(tell){.kind = TELL_STATUS, .status = *status});
}

cm_status cm_follow_load_cameras(cm_server *server)
{
    cm_stored_cameras cameras = {0};
    CM_TRY(cm_store_cameras_all(server->store, &cameras));
    for (size_t i = 0; i < cameras.count; i++)
        put_camera(server, &cameras.items[i]);
    cm_stored_cameras_clear(&cameras);
    return CM_OK;
}

/* ---- changes of other processes ---- */

typedef struct missing {
    const cm_stored_cameras *stored;
    cm_camera_key gone[WATCHED_MAX];
    size_t count;
} missing;

static void note_missing(void *owner, const cm_camera_status *status)
{
    missing *m = owner;
    for (size_t i = 0; i < m->stored->count; i++)
        if (cm_camera_key_equal(&m->stored->items[i].key, &status->key))
            return;
    if (m->count < CM_COUNT(m->gone))
        m->gone[m->count++] = status->key;
}

/* The fleet becomes what the store says. */
static void follow_outside(cm_follow *follow)
{
    cm_server *server = follow->server;
    static const cm_home_id ANY;
    missing *m = calloc(1, sizeof *m);
    if (m == NULL)
        abort();
    m->stored = &follow->cameras;
    cm_fleet_each(server->fleet, note_missing, m);
    for (size_t i = 0; i < m->count; i++)
        cm_fleet_remove(server->fleet, &m->gone[i]);
    for (size_t i = 0; i < follow->cameras.count; i++)
        put_camera(server, &follow->cameras.items[i]);
    free(m);
    tell_home(server, &ANY); /* grants looks for itself */
}

static void look_outside(cm_job *job)
{
    cm_follow *follow = CM_HOLDER(job, cm_follow, job);
    follow->has_outside = false;
    follow->status = cm_store_outside_changes(follow->server->store, &follow->seen_outside,
                                              &follow->has_outside, &follow->outside);
    if (follow->status == CM_OK && follow->has_outside)
        follow->status = cm_store_cameras_all(follow->server->store, &follow->cameras);
}

static void looked_outside(cm_job *job)
{
    cm_follow *follow = CM_HOLDER(job, cm_follow, job);
    follow->is_looking = false;
    if (follow->status == CM_OK && follow->has_outside) {
        cm_witness_outside(follow->server);
        follow_outside(follow);
    }
    cm_stored_cameras_clear(&follow->cameras);
    cm_change_clear(&follow->outside);
}

static void on_outside_timer(cm_timer *timer)
{
    cm_follow *follow = CM_HOLDER(timer, cm_follow, outside_timer);
    cm_timer_start(timer, CM_MS(OUTSIDE_EVERY_MS));
    if (follow->is_looking)
        return;
    follow->job = (cm_job){.work = look_outside, .done = looked_outside};
    follow->is_looking = cm_loop_submit(follow->server->loops[0], &follow->job) == CM_OK;
}

/* ---- who watches ---- */

typedef struct audience {
    cm_camera_key camera;
    cm_watching viewers[VIEWERS_MAX];
    size_t count;
    uint64_t hash;
} audience;

static void note_viewer(void *owner, const cm_watching *watching)
{
    audience *a = owner;
    if (!cm_camera_key_equal(&watching->camera, &a->camera) || a->count == VIEWERS_MAX)
        return;
    a->viewers[a->count++] = *watching;
    for (size_t i = 0; i < CM_ID_SIZE; i++)
        a->hash = (a->hash ^ (uint8_t)watching->account.text[i]) * 0x100000001B3u;
    a->hash = (a->hash ^ watching->streams ^ (uint64_t)watching->since.us) * 0x100000001B3u;
}

static watched *find_watched(cm_follow *follow, const cm_camera_key *camera)
{
    for (size_t i = 0; i < follow->watched_count; i++)
        if (cm_camera_key_equal(&follow->watched[i].camera, camera))
            return &follow->watched[i];
    if (follow->watched_count == WATCHED_MAX)
        return NULL;
    watched *w = &follow->watched[follow->watched_count++];
    *w = (watched){.camera = *camera};
    return w;
}

static void look_at_camera(void *owner, const cm_camera_status *status)
{
    cm_follow *follow = owner;
    audience a = {.camera = status->key};
    cm_grants_each_viewer(follow->server->grants, &status->key.home, note_viewer, &a);
    watched *w = find_watched(follow, &status->key);
    if (w == NULL || w->hash == a.hash)
        return;
    w->hash = a.hash;
    tell what = {.kind = TELL_VIEWERS, .camera = a.camera, .viewer_count = a.count};
    for (size_t i = 0; i < a.count; i++)
        what.viewers[i] = a.viewers[i];
    tell_all(follow->server, &what);
}

static void on_watching_timer(cm_timer *timer)
{
    cm_follow *follow = CM_HOLDER(timer, cm_follow, watching_timer);
    cm_timer_start(timer, CM_MS(WATCHING_EVERY_MS));
    cm_fleet_each(follow->server->fleet, look_at_camera, follow);
}

/* ---- sessions and tokens that have expired ---- */

static void work_expire(cm_job *job)
{
    cm_follow *follow = CM_HOLDER(job, cm_follow, expire_job);
    size_t removed = 0;
    const cm_status status =
        cm_store_expire(follow->server->store, cm_loop_wall(follow->server->loops[0]), &removed);
    if (status == CM_OK && removed > 0)
        cm_log(CM_LOG_INFO, "server", "event=expired count=%zu", removed);
}

static void done_expire(cm_job *job)
{
    CM_HOLDER(job, cm_follow, expire_job)->is_expiring = false;
}

static void on_expire_timer(cm_timer *timer)
{
    cm_follow *follow = CM_HOLDER(timer, cm_follow, expire_timer);
    cm_timer_start(timer, CM_SECONDS(EXPIRE_EVERY_S));
    if (follow->is_expiring)
        return;
    follow->expire_job = (cm_job){.work = work_expire, .done = done_expire};
    follow->is_expiring =
        cm_loop_submit_lane(follow->server->loops[0], CM_STORE_LANE, &follow->expire_job) == CM_OK;
}

/* ---- life ---- */

cm_status cm_follow_start(cm_server *server)
{
    cm_follow *follow = calloc(1, sizeof *follow);
    CM_ENSURE(follow != NULL, CM_BROKEN);
    follow->watched = calloc(WATCHED_MAX, sizeof *follow->watched);
    if (follow->watched == NULL) {
        free(follow);
        return CM_BROKEN;
    }
    follow->server = server;
    server->follow = follow;
    cm_timer_init(&follow->outside_timer, server->loops[0], on_outside_timer);
    cm_timer_init(&follow->watching_timer, server->loops[0], on_watching_timer);
    cm_timer_start(&follow->outside_timer, CM_MS(OUTSIDE_EVERY_MS));
    cm_timer_start(&follow->watching_timer, CM_MS(WATCHING_EVERY_MS));
    cm_timer_init(&follow->expire_timer, server->loops[0], on_expire_timer);
    cm_timer_start(&follow->expire_timer, CM_SECONDS(60));
    return CM_OK;
}

void cm_follow_stop(cm_server *server)
{
    if (server->follow == NULL)
        return;
    cm_timer_stop(&server->follow->outside_timer);
    cm_timer_stop(&server->follow->watching_timer);
    cm_timer_stop(&server->follow->expire_timer);
}

void cm_follow_destroy(cm_follow *follow)
{
    if (follow == NULL)
        return;
    free(follow->watched);
    free(follow);
}
