/*
 * The probe walks: asker's loop -> control (keys) -> source's loop (connects) -> control (lease) ->
 * source's loop (still, and the camera goes) -> asker's loop (answer) -> control (keys turn) ->
 * source's loop (freed). One object, touched by one loop at a time.
 */
#include "devices/probe.h"

#include <stdlib.h>

#include "base/secret.h"
#include "devices/fleet_priv.h"

enum { PENDING_MAX = 2, TEXTS = 4, TEXT_MAX = CM_CAMERA_URL_SIZE, STILL_WIDTH = 640 };

typedef struct probe {
    cm_task task;
    cm_fleet *fleet;
    const cm_fleet_config *parts;
    cm_loop *asker;
    size_t loop; /* the source's */
    cm_camera_key key;
    char texts[TEXTS][TEXT_MAX]; /* main, sub, user, password */
    cm_camera *camera;
    cm_still_request *request;
    cm_sealer_set pending[PENDING_MAX]; /* sealers that came before the camera was made */
    size_t pending_count;
    bool is_begun; /* grants knows of it */
    cm_fleet_guest guest;
    /* The source's loop: what the probe waits for there, and that it shall not. */
    cm_task stop_task;
    bool is_connecting, is_stopping;
    cm_probe_answer answer;
    cm_probe_done *done;
    void *owner;
} probe;

static void go_to(probe *p, cm_loop *loop, void (*run)(cm_task *task))
{
    p->task.run = run;
    cm_loop_post(loop, &p->task);
}

static cm_loop *control_of(const probe *p)
{
    return p->parts->loops[0];
}

static cm_loop *source_loop_of(const probe *p)
{
    return p->parts->loops[p->loop];
}

/* ---- 6: the source's: sealers that were on their way to it have arrived ---- */

static void free_probe(cm_task *task)
{
    probe *p = CM_HOLDER(task, probe, task);
    for (size_t i = 0; i < p->pending_count; i++)
        cm_sealer_set_clear(&p->pending[i]);
    cm_secret_wipe(p->texts, sizeof p->texts);
    free(p);
}

/* ---- 5: control: the keys turn, nothing of it opens any more ---- */

static void end_probe(cm_task *task)
{
    probe *p = CM_HOLDER(task, probe, task);
    cm_fleet *fleet = p->fleet;
    if (p->is_begun)
        cm_grants_probe_end(p->parts->grants, &p->key.home);
    cm_list_remove(&p->guest.node);
    go_to(p, source_loop_of(p), free_probe);
    cm_fleet_guest_left(fleet);
}

/* Without a still nothing waits to be opened: the next try may begin before this one is told. */
static void end_untold(cm_task *task);

/* ---- 4: at the asker's, who opens the still at once ---- */

static void deliver(cm_task *task)
{
    probe *p = CM_HOLDER(task, probe, task);
    if (p->answer.still != NULL)
        cm_frame_receive(p->answer.still, cm_loop_index(p->asker));
    p->done(p->owner, &p->answer);
    go_to(p, control_of(p), end_probe);
}

/* ---- 3: at the source's: a still, then the camera goes ---- */

static void destroy_camera(cm_task *task)
{
    probe *p = CM_HOLDER(task, probe, task);
    cm_camera_destroy(p->camera);
    p->camera = NULL;
    cm_still_forget(p->parts->stills[p->loop], &p->key);
    if (p->answer.still != NULL)
        go_to(p, p->asker, deliver);
    else
        go_to(p, control_of(p), end_untold);
}

static void end_untold(cm_task *task)
{
    probe *p = CM_HOLDER(task, probe, task);
    cm_grants_probe_end(p->parts->grants, &p->key.home);
    p->is_begun = false;
    go_to(p, p->asker, deliver);
}

static void on_still(void *owner, cm_status status, cm_frame *still, const cm_cursor *cursor)
{
    probe *p = owner;
    p->request = NULL;
    if (status == CM_OK) {
        cm_frame_send(still);
        cm_frame_release(still, (unsigned)p->loop);
        p->answer.still = still;
        p->answer.cursor = *cursor;
    }
    go_to(p, source_loop_of(p), destroy_camera);
}

static void make_still(cm_task *task)
{
    probe *p = CM_HOLDER(task, probe, task);
    cm_source *source = cm_camera_source(p->camera, CM_STREAM_MAIN);
    cm_status status = CM_ABSENT;
    if (source != NULL && p->answer.lease != NULL && !p->is_stopping)
        status = cm_still_ask(p->parts->stills[p->loop], source, CM_STREAM_MAIN, p->answer.lease,
                              STILL_WIDTH, on_still, p, &p->request);
    if (status != CM_OK)
        go_to(p, source_loop_of(p), destroy_camera);
}

/* ---- 2: control: a lease for what was received ---- */

static void mint(cm_task *task)
{
    probe *p = CM_HOLDER(task, probe, task);
    if (cm_grants_probe_lease(p->parts->grants, &p->key.home, &p->answer.lease) != CM_OK)
        p->answer.lease = NULL;
    go_to(p, source_loop_of(p), make_still);
}

static void on_probed(void *owner, const cm_camera_status *status)
{
    probe *p = owner;
    /* Stopped in the turn before this one, whose descriptors come before the task that destroys the
     * camera: the probe's message is under way. */
    if (!p->is_connecting)
        return;
    p->is_connecting = false;
    p->answer.status = CM_OK;
    p->answer.camera = *status;
    if (status->streams[CM_STREAM_MAIN].state == CM_CAMERA_LIVE)
        go_to(p, control_of(p), mint);
    else
        go_to(p, source_loop_of(p), destroy_camera);
}

/* ---- 1: at the source's: connecting ---- */

static bool may_connect(void *owner, const cm_camera_key *camera, const cm_address *address)
{
    const probe *p = owner;
    return p->parts->may_connect(p->parts->owner, &camera->home, address);
}

static void on_status(void *owner, const cm_camera_status *status)
{
    (void)owner;
    (void)status; /* on_probed says it once */
}

static void on_want_sealers(void *owner, const cm_camera_key *camera, uint64_t epoch)
{
    const probe *p = owner;
    cm_grants_camera_want_sealers(p->parts->grants, camera, epoch);
}

static const cm_camera_events CAMERA_EVENTS = {
    .may_connect = may_connect, .on_status = on_status, .on_want_sealers = on_want_sealers};

static void use_sealers(probe *p, cm_sealer_set *set)
{
    for (unsigned stream = 0; stream < CM_STREAMS; stream++) {
        cm_sealer **sealers = set->sealers[stream];
        CM_IGNORE(cm_camera_take_sealers(p->camera, (cm_stream)stream, sealers[CM_OBJECT_FRAME],
                                         sealers[CM_OBJECT_STILL]),
                  "sealers of another camera are destroyed there, and the probe fails");
        sealers[CM_OBJECT_FRAME] = sealers[CM_OBJECT_STILL] = NULL;
    }
}

/* They come before the camera is made, and are kept until it is. */
static void on_sealers(void *owner, const cm_camera_key *camera, cm_sealer_set *set)
{
    probe *p = owner;
    (void)camera;
    if (p->camera != NULL) {
        use_sealers(p, set);
    } else if (p->pending_count < PENDING_MAX) {
        p->pending[p->pending_count++] = *set;
        *set = (cm_sealer_set){0};
    }
}

static const cm_grants_camera_events GRANTS_EVENTS = {.on_sealers = on_sealers};

static void connect(cm_task *task)
{
    probe *p = CM_HOLDER(task, probe, task);
    const cm_camera_config config = {.loop = source_loop_of(p),
                                     .net = p->parts->nets[p->loop],
                                     .hub = p->parts->hubs[p->loop],
                                     .gate = cm_fleet_gate(p->fleet, p->loop),
                                     .key = p->key,
                                     .login = {.addresses = {p->texts[0], p->texts[1]},
                                               .user = p->texts[2],
                                               .password = p->texts[3]},
                                     .keep_always = true,
                                     .events = &CAMERA_EVENTS,
                                     .owner = p};
    p->answer.status =
        p->is_stopping ? CM_FULL : cm_camera_create_probe(&config, on_probed, &p->camera);
    if (p->answer.status != CM_OK) {
        go_to(p, p->asker, deliver);
        return;
    }
    p->is_connecting = true;
    for (size_t i = 0; i < p->pending_count; i++)
        use_sealers(p, &p->pending[i]);
    p->pending_count = 0;
}

/* ---- ended early, with the server ---- */

static void stop_here(cm_task *task)
{
    probe *p = CM_HOLDER(task, probe, stop_task);
    p->is_stopping = true;
    if (!p->is_connecting && p->request == NULL)
        return; /* a message is under way that finds the flag */
    if (p->is_connecting)
        p->answer.status = CM_FULL;
    p->is_connecting = false;
    cm_still_cancel(p->request);
    p->request = NULL;
    go_to(p, source_loop_of(p), destroy_camera);
}

/* Before the last message to the source's loop, which frees the probe. */
static void stop(cm_fleet_guest *guest)
{
    probe *p = CM_HOLDER(guest, probe, guest);
    p->stop_task.run = stop_here;
    cm_loop_post(source_loop_of(p), &p->stop_task);
}

/* ---- 0: control ---- */

static void begin(cm_task *task)
{
    probe *p = CM_HOLDER(task, probe, task);
    p->answer.status = cm_fleet_guest_enter(p->fleet, &p->guest);
    if (p->answer.status == CM_OK)
        p->answer.status = cm_grants_probe_begin(p->parts->grants, &p->key.home, source_loop_of(p),
                                                 &GRANTS_EVENTS, p);
    p->is_begun = p->answer.status == CM_OK;
    if (p->is_begun)
        go_to(p, source_loop_of(p), connect);
    else
        go_to(p, p->asker, deliver);
}

cm_status cm_probe_start(cm_fleet *fleet, cm_loop *loop, const cm_probe_ask *ask,
                         cm_probe_done *done, void *owner)
{
    const cm_slice texts[TEXTS] = {ask->main, ask->sub, ask->user, ask->password};
    probe *p = calloc(1, sizeof *p);
    CM_ENSURE(p != NULL, CM_FULL);
    *p = (probe){.fleet = fleet,
                 .parts = cm_fleet_parts(fleet),
                 .asker = loop,
                 .key = cm_probe_key(&ask->home),
                 .guest.stop = stop,
                 .done = done,
                 .owner = owner};
    cm_list_init(&p->guest.node);
    p->loop = cm_hub_loop_of(&p->key, p->parts->loop_count);
    for (size_t i = 0; i < TEXTS; i++)
        if (cm_slice_to_cstr(texts[i], p->texts[i], TEXT_MAX) != CM_OK) {
            free(p);
            return CM_REFUSE;
        }
    go_to(p, control_of(p), begin);
    return CM_OK;
}
