#include "media/source.h"

#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "media/seal_priv.h"

enum { WANT_INTERVAL_MS = 100, LOOK_INTERVAL_MS = 100 };

/* The sealers of one epoch. */
typedef struct pair {
    cm_sealer *frames;
    cm_sealer *stills;
} pair;

struct cm_source {
    cm_source_config config;
    cm_publisher *publisher;
    pair present;
    pair next;
    uint64_t given;      /* pictures so far: the number of the next */
    bool lost_something; /* the next frame is a discontinuity */
    bool has_asked;
    cm_instant asked;
    cm_timer look_timer; /* from the first picture until the camera is gone */
    cm_source_counters counters;
};

static void pair_clear(pair *p)
{
    cm_sealer_destroy(p->frames);
    cm_sealer_destroy(p->stills);
    *p = (pair){0};
}

static void look(cm_timer *timer);

cm_status cm_source_create(const cm_source_config *config, cm_source **out)
{
    cm_source *source = calloc(1, sizeof *source);
    CM_ENSURE(source != NULL, CM_BROKEN);
    source->config = *config;
    cm_timer_init(&source->look_timer, config->loop, look);
    const cm_status status =
        cm_hub_publish(config->hub, &config->camera, config->stream, &source->publisher);
    if (status != CM_OK) {
        free(source);
        return status;
    }
    *out = source;
    return CM_OK;
}

void cm_source_destroy(cm_source *source)
{
    if (source == NULL)
        return;
    cm_timer_stop(&source->look_timer);
    cm_publisher_close(source->publisher);
    pair_clear(&source->present);
    pair_clear(&source->next);
    free(source);
}

static void ask(cm_source *source)
{
    const cm_instant now = cm_loop_now(source->config.loop);
    if (source->has_asked && cm_instant_since(now, source->asked) < CM_MS(WANT_INTERVAL_MS))
        return;
    source->has_asked = true;
    source->asked = now;
    const cm_sealer *present = source->present.frames;
    const bool has_begun = present != NULL && !cm_sealer_is_early(present);
    source->config.on_want_sealers(source->config.owner, has_begun ? cm_sealer_epoch(present) : 0);
}

static bool is_current(const pair *p)
{
    return p->frames != NULL && cm_sealer_is_current(p->frames);
}

static bool is_early(const pair *p)
{
    return p->frames != NULL && cm_sealer_is_early(p->frames);
}

/* Makes the next sealers the present ones if the page says that the present ones are over. Never
 * ahead of it: between the two a set may have been lost. */
static bool turn(cm_source *source)
{
    if (is_current(&source->present) || source->next.frames == NULL || is_early(&source->next))
        return false;
    pair_clear(&source->present);
    source->present = source->next;
    source->next = (pair){0};
    source->counters.turns++;
    return true;
}

/* CM_OK: the present sealers may be used. */
static cm_status turn_if_over(cm_source *source)
{
    const bool has_turned = turn(source);
    const bool is_usable = is_current(&source->present) && !is_early(&source->present);
    /* Without a next set it is better to ask in peace than in the next turn. */
    if (has_turned || !is_usable || source->next.frames == NULL)
        ask(source);
    return is_usable ? CM_OK : CM_RETRY;
}

/* The keys may turn, and messages be lost, while the camera sends nothing. */
static void look(cm_timer *timer)
{
    cm_source *source = CM_HOLDER(timer, cm_source, look_timer);
    cm_timer_start(timer, CM_MS(LOOK_INTERVAL_MS));
    CM_IGNORE(turn_if_over(source), "what is missing was asked for");
}

/* ---- sealers ---- */

static bool is_ours(const cm_source *source, const cm_sealer *sealer, cm_object kind)
{
    return sealer != NULL && cm_camera_key_equal(&sealer->key.camera, &source->config.camera) &&
           sealer->key.stream == source->config.stream && sealer->key.kind == kind;
}

static bool is_ours_for_stills(const cm_source *source, const cm_sealer *stills,
                               const cm_sealer *frames)
{
    if (!cm_stream_has(source->config.stream, CM_OBJECT_STILL))
        return stills == NULL;
    return is_ours(source, stills, CM_OBJECT_STILL) &&
           cm_sealer_epoch(frames) == cm_sealer_epoch(stills);
}

static bool is_before(uint64_t epoch, const pair *p)
{
    return p->frames != NULL && epoch < cm_sealer_epoch(p->frames);
}

/* Where a set of `epoch` belongs; NULL: nowhere. */
static pair *place_for(cm_source *source, uint64_t epoch)
{
    pair *present = &source->present;
    pair *next = &source->next;
    if (present->frames == NULL)
        return present;
    if (is_before(epoch, present)) {
        /* The one that was lost, after the one that follows it. */
        if (!is_early(present))
            return NULL;
        pair_clear(next);
        *next = *present;
        *present = (pair){0};
        return present;
    }
    if (epoch == cm_sealer_epoch(present->frames))
        return NULL;
    if (!is_current(present) && is_before(epoch, next))
        return present;
    return is_current(next) ? NULL : next;
}

cm_status cm_source_take_sealers(cm_source *source, cm_sealer *frames, cm_sealer *stills)
{
    pair given = {frames, stills};
    if (!is_ours(source, frames, CM_OBJECT_FRAME) || !is_ours_for_stills(source, stills, frames)) {
        pair_clear(&given);
        return CM_REFUSE;
    }
    const uint64_t epoch = cm_sealer_epoch(frames);
    /* What is over makes room: with two turns between two pictures the second set counts too. */
    turn(source);
    pair *place = place_for(source, epoch);
    /* A set that is sent again is of another instance: what is sealed so far stays readable by its
     * own key, and nothing is won by changing. */
    if (place == NULL) {
        pair_clear(&given);
        return CM_OK;
    }
    pair_clear(place);
    *place = given;
    return CM_OK;
}

/* ---- pictures ---- */

static cm_status seal(cm_source *source, const cm_plain_frame *plain, uint64_t number,
                      cm_frame **out)
{
    cm_sealer_skip_to(source->present.frames, number);
    return cm_seal_frame(source->present.frames, plain, cm_loop_index(source->config.loop), out);
}

static cm_status seal_and_publish(cm_source *source, const cm_plain_frame *plain, uint64_t number)
{
    cm_frame *frame = NULL;
    cm_status status = seal(source, plain, number, &frame);
    if (status == CM_FOREIGN) {
        /* The page moved between the two looks at it. */
        CM_TRY(turn_if_over(source));
        status = seal(source, plain, number, &frame);
    }
    CM_TRY(status);
    source->counters.bytes += frame->size_bytes;
    cm_publisher_put(source->publisher, frame);
    return CM_OK;
}

cm_status cm_source_put(cm_source *source, const cm_plain_frame *plain)
{
    cm_plain_frame marked = *plain;
    const uint64_t number = source->given++;
    const bool is_keyframe = (plain->flags & CM_FRAME_KEYFRAME) != 0;
    if (source->lost_something)
        marked.flags |= CM_FRAME_DISCONTINUITY;
    if (!cm_timer_is_running(&source->look_timer))
        cm_timer_start(&source->look_timer, CM_MS(LOOK_INTERVAL_MS));
    cm_status status = turn_if_over(source);
    /* After a loss nothing can be decoded until the next keyframe. */
    if (status == CM_OK && source->lost_something && !is_keyframe)
        status = CM_RETRY;
    if (status == CM_OK)
        status = seal_and_publish(source, &marked, number);
    if (status != CM_OK || is_keyframe)
        source->lost_something = status != CM_OK;
    if (status == CM_OK)
        source->counters.frames++;
    else
        source->counters.dropped++;
    return status == CM_FOREIGN ? CM_RETRY : status;
}

void cm_source_leave_out(cm_source *source)
{
    source->given++;
    source->lost_something = true;
}

void cm_source_stop(cm_source *source)
{
    cm_timer_stop(&source->look_timer);
    cm_publisher_clear(source->publisher);
    source->lost_something = true;
}

cm_frame *cm_source_keyframe(const cm_source *source)
{
    return cm_publisher_keyframe(source->publisher);
}

cm_sealer *cm_source_still_sealer(cm_source *source)
{
    return turn_if_over(source) == CM_OK ? source->present.stills : NULL;
}

cm_sealer *cm_source_frame_sealer(cm_source *source)
{
    if (turn_if_over(source) != CM_OK)
        return NULL;
    cm_sealer_skip_to(source->present.frames, source->given);
    return source->present.frames;
}

/* Its seal is looked at by each who opens it; this is about its place in the stream. */
static cm_status judge_made(const cm_source *source, const cm_frame *frame)
{
    const cm_sealer *sealer = source->present.frames;
    if (CM_FAULT(SEALING_OFF))
        return CM_OK;
    CM_ENSURE(cm_camera_key_equal(&frame->camera, &source->config.camera) &&
                  frame->stream == source->config.stream && frame->kind == CM_OBJECT_FRAME,
              CM_FOREIGN);
    CM_ENSURE(sealer != NULL && is_current(&source->present) &&
                  memcmp(frame->instance, sealer->key.instance, CM_INSTANCE_SIZE) == 0,
              CM_RETRY);
    CM_ENSURE(frame->epoch == cm_sealer_epoch(sealer) && frame->number >= source->given &&
                  frame->number < sealer->next_number && (frame->flags & CM_FRAME_KEYFRAME) != 0,
              CM_FOREIGN);
    return CM_OK;
}

cm_status cm_source_put_made(cm_source *source, cm_frame *frame)
{
    const cm_status status = judge_made(source, frame);
    if (status != CM_OK) {
        source->counters.dropped++;
        cm_frame_release(frame, cm_loop_index(source->config.loop));
        return status;
    }
    source->given = frame->number + 1;
    source->counters.frames++;
    source->counters.bytes += frame->size_bytes;
    cm_publisher_put(source->publisher, frame);
    return CM_OK;
}

const cm_camera_key *cm_source_camera(const cm_source *source)
{
    return &source->config.camera;
}

void cm_source_read_counters(const cm_source *source, cm_source_counters *out)
{
    *out = source->counters;
}
