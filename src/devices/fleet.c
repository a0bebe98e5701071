#include "devices/fleet_priv.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "base/log.h"
#include "base/secret.h"

enum { FLEET_BUCKETS = 1024 };

/*
 * One camera. The first part belongs to the control loop, the second to the camera's own loop; what
 * passes between them is a message. Freed by the control loop when the camera's loop has said that
 * its part is gone.
 */
typedef struct member {
    cm_list node;
    cm_fleet *fleet;
    cm_camera_key key;
    size_t loop;
    cm_camera_status status;
    bool is_leaving;
    uint64_t serial; /* another for each that was ever added */

    cm_camera *camera; /* the camera's loop only, with what follows */
    cm_transcode *transcode;
    cm_list here; /* in fleet->here, while there is a camera */
    size_t wants[CM_STREAMS];
} member;

struct cm_fleet {
    cm_fleet_config config;
    cm_connect_gate **gates; /* one a loop */
    cm_list *here;           /* one a loop, which alone touches it: the cameras at work there */
    cm_list buckets[FLEET_BUCKETS];
    size_t count; /* also those that are leaving */
    uint64_t last_serial;
    cm_list guests;
    bool is_stopping;
    cm_task *stopped;
};

/* ---- messages: a task with what it carries ---- */

typedef struct message {
    cm_task task;
    member *member;
    cm_fleet *fleet;
    cm_stream stream;
    bool flag;
    bool is_pushed;
    bool takes_talk;
    char *texts[CM_PICTURE_STREAMS + 2]; /* main, sub, user, password */
    cm_camera_status status;
} message;

static message *message_create(cm_fleet *fleet, member *m, void (*run)(cm_task *task))
{
    message *msg = calloc(1, sizeof *msg);
    if (msg == NULL)
        abort(); /* a fixed-size control object */
    msg->task.run = run;
    msg->fleet = fleet;
    msg->member = m;
    return msg;
}

static void message_free(message *msg)
{
    for (size_t i = 0; i < CM_COUNT(msg->texts); i++) {
        if (msg->texts[i] != NULL)
            cm_secret_wipe(msg->texts[i], strlen(msg->texts[i]));
        free(msg->texts[i]);
    }
    free(msg);
}

static void post(cm_fleet *fleet, size_t loop, message *msg)
{
    cm_loop_post(fleet->config.loops[loop], &msg->task);
}

/* ---- on the control loop: the table ---- */

static cm_list *bucket_of(cm_fleet *fleet, const cm_camera_key *key)
{
    return &fleet->buckets[cm_camera_key_hash(key) % FLEET_BUCKETS];
}

static member *find(const cm_fleet *fleet, const cm_camera_key *key)
{
    cm_list *bucket = bucket_of((cm_fleet *)(uintptr_t)fleet, key);
    CM_LIST_EACH(bucket, node, next)
    {
        member *m = CM_HOLDER(node, member, node);
        if (!m->is_leaving && cm_camera_key_equal(&m->key, key))
            return m;
    }
    return NULL;
}

const cm_camera_status *cm_fleet_status(const cm_fleet *fleet, const cm_camera_key *camera)
{
    const member *m = find(fleet, camera);
    return m != NULL ? &m->status : NULL;
}

void cm_fleet_each(const cm_fleet *fleet, void (*each)(void *owner, const cm_camera_status *status),
                   void *owner)
{
    for (size_t i = 0; i < FLEET_BUCKETS; i++)
        for (const cm_list *node = fleet->buckets[i].next; node != &fleet->buckets[i];
             node = node->next)
            if (!CM_HOLDER(node, const member, node)->is_leaving)
                each(owner, &CM_HOLDER(node, const member, node)->status);
}

const cm_fleet_config *cm_fleet_parts(const cm_fleet *fleet)
{
    return &fleet->config;
}

cm_connect_gate *cm_fleet_gate(const cm_fleet *fleet, size_t loop)
{
    return fleet->gates[loop];
}

size_t cm_fleet_count(const cm_fleet *fleet)
{
    return fleet->count;
}

static void on_status_message(cm_task *task)
{
    message *msg = CM_HOLDER(task, message, task);
    member *m = msg->member;
    if (!m->is_leaving) {
        m->status = msg->status;
        msg->fleet->config.on_status(msg->fleet->config.owner, &m->status);
    }
    message_free(msg);
}

static void tell_if_stopped(cm_fleet *fleet)
{
    if (fleet->count > 0 || !cm_list_is_empty(&fleet->guests) || fleet->stopped == NULL)
        return;
    cm_task *done = fleet->stopped;
    fleet->stopped = NULL;
    done->run(done);
}

cm_status cm_fleet_guest_enter(cm_fleet *fleet, cm_fleet_guest *guest)
{
    CM_ENSURE(!fleet->is_stopping, CM_FULL);
    cm_list_add_last(&fleet->guests, &guest->node);
    return CM_OK;
}

void cm_fleet_guest_left(cm_fleet *fleet)
{
    tell_if_stopped(fleet);
}

static void on_left(cm_task *task)
{
    message *msg = CM_HOLDER(task, message, task);
    cm_fleet *fleet = msg->fleet;
    cm_list_remove(&msg->member->node);
    free(msg->member);
    fleet->count--;
    message_free(msg);
    tell_if_stopped(fleet);
}

/* ---- on the camera's loop ---- */

static bool may_connect(void *owner, const cm_camera_key *camera, const cm_address *address)
{
    const member *m = owner;
    return m->fleet->config.may_connect(m->fleet->config.owner, &camera->home, address);
}

static void on_camera_status(void *owner, const cm_camera_status *status)
{
    member *m = owner;
    message *msg = message_create(m->fleet, m, on_status_message);
    msg->status = *status;
    post(m->fleet, 0, msg);
}

static void on_want_sealers(void *owner, const cm_camera_key *camera, uint64_t epoch)
{
    const member *m = owner;
    cm_grants_camera_want_sealers(m->fleet->config.grants, camera, epoch);
}

static void on_sound(void *owner, const cm_camera_key *camera)
{
    const member *m = owner;
    (void)camera;
    if (m->transcode != NULL)
        cm_transcode_feed(m->transcode, cm_camera_source(m->camera, CM_STREAM_SOUND));
}

static const cm_camera_events CAMERA_EVENTS = {.may_connect = may_connect,
                                               .on_status = on_camera_status,
                                               .on_want_sealers = on_want_sealers,
                                               .on_sound = on_sound};

static void want_sealers_to_make(void *owner, uint64_t epoch)
{
    const member *m = owner;
    on_want_sealers(owner, &m->key, epoch);
}

/* Without it the camera's sound is there as it comes. */
static void create_transcode(member *m)
{
    const cm_fleet_config *parts = &m->fleet->config;
    if (parts->transcodes == NULL)
        return;
    const cm_transcode_config config = {.service = parts->transcodes[m->loop],
                                        .hub = parts->hubs[m->loop],
                                        .camera = m->key,
                                        .on_want_sealers = want_sealers_to_make,
                                        .owner = m};
    if (cm_transcode_create(&config, &m->transcode) != CM_OK)
        cm_log_camera(CM_LOG_ERROR, "fleet", &m->key, "event=start-failed cause=transcode");
}

static void take_sealers(member *m, cm_stream stream, cm_sealer *frames, cm_sealer *stills)
{
    if (cm_stream_is_made(stream) && m->transcode != NULL)
        CM_IGNORE(cm_transcode_take_sealer(m->transcode, stream, frames), "as below");
    else
        CM_IGNORE(cm_camera_take_sealers(m->camera, stream, frames, stills),
                  "sealers of another camera are destroyed there, and the source goes on asking");
}

static void on_sealers(void *owner, const cm_camera_key *camera, cm_sealer_set *set)
{
    member *m = owner;
    for (unsigned stream = 0; stream < CM_STREAMS; stream++) {
        cm_sealer **sealers = set->sealers[stream];
        if (m->camera == NULL || !cm_camera_key_equal(camera, &m->key)) {
            cm_sealer_destroy(sealers[CM_OBJECT_FRAME]);
            cm_sealer_destroy(sealers[CM_OBJECT_STILL]);
        } else {
            take_sealers(m, (cm_stream)stream, sealers[CM_OBJECT_FRAME], sealers[CM_OBJECT_STILL]);
        }
        sealers[CM_OBJECT_FRAME] = sealers[CM_OBJECT_STILL] = NULL;
    }
}

static const cm_grants_camera_events GRANTS_EVENTS = {.on_sealers = on_sealers};

static cm_camera_login login_of(const message *msg)
{
    return (cm_camera_login){.is_pushed = msg->is_pushed,
                             .takes_talk = msg->takes_talk,
                             .addresses = {msg->texts[0], msg->texts[1]},
                             .user = msg->texts[2],
                             .password = msg->texts[3]};
}

/* Who watched before there was a camera (its address was no good) is told to it. */
static void tell_wants(const member *m)
{
    for (unsigned stream = 0; stream < CM_STREAMS; stream++)
        for (size_t i = 0; i < m->wants[stream]; i++)
            cm_camera_want(m->camera, (cm_stream)stream, true);
}

static void start_or_change(cm_task *task)
{
    message *msg = CM_HOLDER(task, message, task);
    member *m = msg->member;
    const cm_fleet_config *config = &m->fleet->config;
    const cm_camera_login login = login_of(msg);
    cm_status status;
    if (m->camera != NULL) {
        status = cm_camera_set_login(m->camera, &login, msg->flag);
    } else {
        const cm_camera_config camera = {.loop = config->loops[m->loop],
                                         .net = config->nets[m->loop],
                                         .hub = config->hubs[m->loop],
                                         .gate = m->fleet->gates[m->loop],
                                         .key = m->key,
                                         .login = login,
                                         .keep_always = msg->flag,
                                         .events = &CAMERA_EVENTS,
                                         .owner = m};
        status = cm_camera_create(&camera, &m->camera);
        if (status == CM_OK) {
            cm_list_add_last(&m->fleet->here[m->loop], &m->here);
            create_transcode(m);
            tell_wants(m);
        }
    }
    if (status != CM_OK)
        cm_log_camera(CM_LOG_ERROR, "fleet", &m->key, "event=start-failed status=%s",
                      cm_status_name(status));
    message_free(msg);
}

static const member *find_here(const cm_fleet *fleet, size_t loop, const cm_camera_key *key)
{
    const member *found = NULL;
    CM_LIST_EACH(&fleet->here[loop], node, next)
    {
        const member *m = CM_HOLDER(node, member, here);
        if (cm_camera_key_equal(&m->key, key))
            found = m;
        else if (CM_FAULT(FLEET_SWAP))
            return m;
    }
    return found;
}

cm_camera *cm_fleet_camera_here(const cm_fleet *fleet, size_t loop, const cm_camera_key *key)
{
    const member *m = find_here(fleet, loop, key);
    return m != NULL ? m->camera : NULL;
}

cm_transcode *cm_fleet_transcode_here(const cm_fleet *fleet, size_t loop, const cm_camera_key *key)
{
    const member *m = find_here(fleet, loop, key);
    return m != NULL ? m->transcode : NULL;
}

static void leave(cm_task *task)
{
    message *msg = CM_HOLDER(task, message, task);
    member *m = msg->member;
    cm_list_remove(&m->here);
    cm_transcode_destroy(m->transcode);
    m->transcode = NULL;
    cm_camera_destroy(m->camera);
    m->camera = NULL;
    cm_still_forget(m->fleet->config.stills[m->loop], &m->key);
    msg->task.run = on_left;
    post(m->fleet, 0, msg);
}

/* ---- adding and removing, on the control loop ---- */

/* CM_BROKEN without memory: the message is then freed. */
static cm_status fill_texts(message *msg, const cm_stored_camera *camera, const char *password)
{
    const char *const texts[] = {camera->main, camera->sub, camera->user,
                                 password != NULL ? password : ""};
    for (size_t i = 0; i < CM_COUNT(texts); i++) {
        msg->texts[i] = strdup(texts[i]);
        if (msg->texts[i] == NULL) {
            message_free(msg);
            return CM_BROKEN;
        }
    }
    msg->flag = camera->keep == CM_KEEP_ALWAYS;
    msg->is_pushed = cm_stored_camera_is_pushed(camera);
    msg->takes_talk = camera->takes_talk;
    return CM_OK;
}

/* What is true of a camera until its loop says more: streams that are received always are about to
 * be. */
static void describe_beginning(member *m, const cm_stored_camera *camera)
{
    const char *const addresses[CM_PICTURE_STREAMS] = {camera->main, camera->sub};
    for (size_t i = 0; i < CM_PICTURE_STREAMS; i++) {
        cm_stream_status *stream = &m->status.streams[i];
        stream->is_configured = addresses[i][0] != '\0';
        stream->since = cm_loop_wall(m->fleet->config.loops[0]);
        if (stream->is_configured && cm_stored_camera_is_pushed(camera))
            stream->state = CM_CAMERA_OFF;
        else if (stream->is_configured && camera->keep == CM_KEEP_ALWAYS)
            stream->state = CM_CAMERA_CONNECTING;
    }
    m->status.talk.is_configured = camera->takes_talk;
}

static cm_status add(cm_fleet *fleet, const cm_stored_camera *camera, member **out)
{
    member *m = calloc(1, sizeof *m);
    CM_ENSURE(m != NULL, CM_BROKEN);
    m->fleet = fleet;
    m->key = camera->key;
    m->loop = cm_hub_loop_of(&m->key, fleet->config.loop_count);
    m->status.key = m->key;
    cm_list_init(&m->here);
    describe_beginning(m, camera);
    m->serial = ++fleet->last_serial;
    cm_list_add_last(bucket_of(fleet, &m->key), &m->node);
    fleet->count++;
    *out = m;
    return CM_OK;
}

static void remove_member(member *m)
{
    m->is_leaving = true;
    cm_grants_camera_remove(m->fleet->config.grants, &m->key);
    post(m->fleet, m->loop, message_create(m->fleet, m, leave));
}

cm_status cm_fleet_put(cm_fleet *fleet, const cm_stored_camera *camera, const char *password)
{
    /* A row that was written while the server ends is started by the next run. */
    CM_ENSURE(!fleet->is_stopping, CM_FULL);
    message *msg = message_create(fleet, NULL, start_or_change);
    CM_TRY(fill_texts(msg, camera, password));
    member *m = find(fleet, &camera->key);
    const bool is_fresh = m == NULL;
    if (is_fresh && add(fleet, camera, &m) != CM_OK) {
        message_free(msg);
        return CM_BROKEN;
    }
    msg->member = m;
    post(fleet, m->loop, msg);
    if (!is_fresh)
        return CM_OK;
    /* After the message: its sealers must find the camera. */
    const cm_status status = cm_grants_camera_add(fleet->config.grants, &m->key, camera->min_epoch,
                                                  fleet->config.loops[m->loop], &GRANTS_EVENTS, m);
    if (status != CM_OK)
        remove_member(m); /* without keys it would connect and never show anything */
    return status;
}

void cm_fleet_remove(cm_fleet *fleet, const cm_camera_key *camera)
{
    member *m = find(fleet, camera);
    if (m != NULL)
        remove_member(m);
}

/* ---- wants: to the camera's loop by its key, because the asker holds no member ---- */

/* The asker's, who only posts it; what is in it is the control loop's. */
struct cm_fleet_wish {
    cm_task begin, end;
    cm_fleet *fleet;
    cm_camera_key key;
    cm_stream stream;
    uint64_t serial; /* of the member that heard it; 0: none did */
};

static void apply_want(cm_task *task)
{
    message *msg = CM_HOLDER(task, message, task);
    member *m = msg->member;
    assert(msg->flag || m->wants[msg->stream] > 0);
    m->wants[msg->stream] += msg->flag ? 1 : -(size_t)1;
    if (m->camera != NULL)
        cm_camera_want(m->camera, msg->stream, msg->flag);
    message_free(msg);
}

static void forward_want(const cm_fleet_wish *wish, member *m, bool is_wanted)
{
    message *msg = message_create(wish->fleet, m, apply_want);
    msg->stream = wish->stream;
    msg->flag = is_wanted;
    post(wish->fleet, m->loop, msg);
}

static void begin_wish(cm_task *task)
{
    cm_fleet_wish *wish = CM_HOLDER(task, cm_fleet_wish, begin);
    member *m = find(wish->fleet, &wish->key);
    if (m == NULL)
        return;
    wish->serial = m->serial;
    forward_want(wish, m, true);
}

static void end_wish(cm_task *task)
{
    cm_fleet_wish *wish = CM_HOLDER(task, cm_fleet_wish, end);
    member *m = find(wish->fleet, &wish->key);
    if (m != NULL && m->serial == wish->serial)
        forward_want(wish, m, false);
    free(wish);
}

cm_fleet_wish *cm_fleet_want(cm_fleet *fleet, const cm_camera_key *camera, cm_stream stream)
{
    cm_fleet_wish *wish = calloc(1, sizeof *wish);
    if (wish == NULL)
        abort(); /* a fixed-size control object */
    *wish = (cm_fleet_wish){.begin.run = begin_wish,
                            .end.run = end_wish,
                            .fleet = fleet,
                            .key = *camera,
                            .stream = stream};
    cm_loop_post(fleet->config.loops[0], &wish->begin);
    return wish;
}

void cm_fleet_unwant(cm_fleet_wish *wish)
{
    if (wish != NULL)
        cm_loop_post(wish->fleet->config.loops[0], &wish->end);
}

/* ---- stills: asker's loop -> control -> camera's loop -> asker's loop ---- */

typedef struct still_call {
    cm_task task;
    cm_fleet *fleet;
    cm_loop *asker;
    cm_camera_key key;
    cm_stream stream;
    unsigned width;
    size_t loop; /* the camera's */
    member *member;
    cm_still_request *request;
    cm_fleet_still_answer answer;
    cm_fleet_still_done *done;
    void *owner;
} still_call;

static void deliver_still(cm_task *task)
{
    still_call *call = CM_HOLDER(task, still_call, task);
    if (call->answer.still != NULL)
        cm_frame_receive(call->answer.still, cm_loop_index(call->asker));
    call->done(call->owner, &call->answer);
    free(call);
}

static void answer_still(still_call *call, cm_status status)
{
    call->answer.status = status;
    call->task.run = deliver_still;
    cm_loop_post(call->asker, &call->task);
}

static void on_still(void *owner, cm_status status, cm_frame *still, const cm_cursor *cursor)
{
    still_call *call = owner;
    if (status == CM_OK) {
        /* Our hold goes with the message. */
        const unsigned here = (unsigned)call->loop;
        cm_frame_send(still);
        cm_frame_release(still, here);
        call->answer.still = still;
        call->answer.cursor = *cursor;
    }
    answer_still(call, status);
}

static void ask_still(cm_task *task)
{
    still_call *call = CM_HOLDER(task, still_call, task);
    member *m = call->member;
    cm_source *source = m->camera != NULL ? cm_camera_source(m->camera, call->stream) : NULL;
    cm_status status = CM_ABSENT;
    if (source != NULL)
        status = cm_still_ask(m->fleet->config.stills[m->loop], source, call->stream,
                              call->answer.lease, call->width, on_still, call, &call->request);
    if (status != CM_OK)
        answer_still(call, status);
}

static void route_still(cm_task *task)
{
    still_call *call = CM_HOLDER(task, still_call, task);
    call->member = find(call->fleet, &call->key);
    if (call->member == NULL) {
        answer_still(call, CM_ABSENT);
        return;
    }
    call->loop = call->member->loop;
    call->task.run = ask_still;
    cm_loop_post(call->fleet->config.loops[call->member->loop], &call->task);
}

cm_status cm_fleet_still(cm_fleet *fleet, cm_loop *loop, const cm_camera_key *camera,
                         cm_stream stream, unsigned width, cm_lease *lease,
                         cm_fleet_still_done *done, void *owner)
{
    still_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        cm_lease_destroy(lease);
        return CM_BROKEN;
    }
    *call = (still_call){.task.run = route_still,
                         .fleet = fleet,
                         .asker = loop,
                         .key = *camera,
                         .stream = stream,
                         .width = width,
                         .answer.lease = lease,
                         .done = done,
                         .owner = owner};
    cm_loop_post(fleet->config.loops[0], &call->task);
    return CM_OK;
}

/* ---- life ---- */

cm_status cm_fleet_create(const cm_fleet_config *config, cm_fleet **out)
{
    cm_fleet *fleet = calloc(1, sizeof *fleet);
    CM_ENSURE(fleet != NULL, CM_BROKEN);
    fleet->config = *config;
    cm_list_init(&fleet->guests);
    for (size_t i = 0; i < FLEET_BUCKETS; i++)
        cm_list_init(&fleet->buckets[i]);
    fleet->gates = calloc(config->loop_count, sizeof *fleet->gates);
    fleet->here = calloc(config->loop_count, sizeof *fleet->here);
    cm_status status = fleet->gates != NULL && fleet->here != NULL ? CM_OK : CM_BROKEN;
    for (size_t i = 0; status == CM_OK && i < config->loop_count; i++)
        cm_list_init(&fleet->here[i]);
    for (size_t i = 0; status == CM_OK && i < config->loop_count; i++)
        status = cm_connect_gate_create(config->loops[i], 0, &fleet->gates[i]);
    if (status != CM_OK) {
        cm_fleet_destroy(fleet);
        return status;
    }
    *out = fleet;
    return CM_OK;
}

void cm_fleet_stop(cm_fleet *fleet, cm_task *done)
{
    fleet->stopped = done;
    fleet->is_stopping = true;
    for (size_t i = 0; i < FLEET_BUCKETS; i++)
        CM_LIST_EACH(&fleet->buckets[i], node, next)
    if (!CM_HOLDER(node, member, node)->is_leaving)
        remove_member(CM_HOLDER(node, member, node));
    CM_LIST_EACH(&fleet->guests, node, next)
    {
        cm_fleet_guest *guest = CM_HOLDER(node, cm_fleet_guest, node);
        guest->stop(guest);
    }
    tell_if_stopped(fleet);
}

void cm_fleet_destroy(cm_fleet *fleet)
{
    if (fleet == NULL)
        return;
    assert(fleet->count == 0 && cm_list_is_empty(&fleet->guests));
    for (size_t i = 0; fleet->gates != NULL && i < fleet->config.loop_count; i++)
        if (fleet->gates[i] != NULL)
            cm_connect_gate_destroy(fleet->gates[i]);
    free(fleet->gates);
    free(fleet->here);
    free(fleet);
}
