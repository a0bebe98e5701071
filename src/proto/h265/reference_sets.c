/*
 * Short-term reference picture sets (ITU-T H.265 7.3.7, 7.4.8). Their values are of no use to us,
 * but a set may be predicted from the one before it, and then its length depends on that one's
 * pictures.
 */
#include "proto/h265/sps_priv.h"

enum { MAX_SETS = 64, MAX_DELTA = 1 << 15 };

typedef struct reference_set {
    int32_t delta_poc[CM_H265_MAX_DPB]; /* those before in output order, nearest first, then those
                                           after */
    uint32_t before;
    uint32_t count;
} reference_set;

/* `count` pictures, each a step further in the direction of `sign` (7-67 to 7-70). */
static cm_status read_deltas(cm_bits *b, uint32_t count, int32_t sign, reference_set *set)
{
    int32_t delta = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t minus1 = cm_bits_read_ue(b);
        CM_ENSURE(minus1 < MAX_DELTA, CM_REFUSE);
        (void)cm_bits_read_flag(b); /* used_by_curr_pic_flag */
        delta += sign * (int32_t)(minus1 + 1);
        set->delta_poc[set->count++] = delta;
    }
    return CM_OK;
}

static cm_status read_explicit(cm_bits *b, reference_set *set)
{
    const uint32_t before = cm_bits_read_ue(b);
    const uint32_t after = cm_bits_read_ue(b);
    CM_ENSURE(before <= CM_H265_MAX_DPB && after <= CM_H265_MAX_DPB - before, CM_REFUSE);
    CM_TRY(read_deltas(b, before, -1, set));
    CM_TRY(read_deltas(b, after, 1, set));
    set->before = before;
    return CM_OK;
}

/* What a predicted set takes over: candidate `from->count` is the picture predicted from. */
typedef struct prediction {
    const reference_set *from;
    int32_t delta_rps;
    bool is_used[CM_H265_MAX_DPB + 1];
} prediction;

static cm_status take_over(const prediction *p, uint32_t candidate, bool wants_before,
                           reference_set *set)
{
    const int32_t old = candidate < p->from->count ? p->from->delta_poc[candidate] : 0;
    const int32_t delta = old + p->delta_rps;
    if (!p->is_used[candidate] || (wants_before ? delta >= 0 : delta <= 0))
        return CM_OK;
    CM_ENSURE(set->count < CM_H265_MAX_DPB, CM_REFUSE);
    set->delta_poc[set->count++] = delta;
    return CM_OK;
}

/* 7-61 and 7-62: either side begins at the far end of the other side of the set predicted from. */
static cm_status apply_prediction(const prediction *p, reference_set *set)
{
    const uint32_t before = p->from->before;
    const uint32_t count = p->from->count;
    for (uint32_t i = count; i > before; i--)
        CM_TRY(take_over(p, i - 1, true, set));
    CM_TRY(take_over(p, count, true, set));
    for (uint32_t i = 0; i < before; i++)
        CM_TRY(take_over(p, i, true, set));
    set->before = set->count;
    for (uint32_t i = before; i > 0; i--)
        CM_TRY(take_over(p, i - 1, false, set));
    CM_TRY(take_over(p, count, false, set));
    for (uint32_t i = before; i < count; i++)
        CM_TRY(take_over(p, i, false, set));
    return CM_OK;
}

static cm_status read_predicted(cm_bits *b, const reference_set *from, reference_set *set)
{
    prediction p = {.from = from};
    const int32_t sign = cm_bits_read_flag(b) ? -1 : 1; /* delta_rps_sign */
    const uint32_t minus1 = cm_bits_read_ue(b);         /* abs_delta_rps_minus1 */
    CM_ENSURE(minus1 < MAX_DELTA, CM_REFUSE);
    p.delta_rps = sign * (int32_t)(minus1 + 1);
    for (uint32_t i = 0; i <= from->count; i++) {
        const bool is_used_now = cm_bits_read_flag(b);      /* used_by_curr_pic_flag */
        p.is_used[i] = is_used_now || cm_bits_read_flag(b); /* use_delta_flag */
    }
    return apply_prediction(&p, set);
}

cm_status cm_h265_skip_reference_sets(cm_bits *b)
{
    const uint32_t count = cm_bits_read_ue(b);
    CM_ENSURE(count <= MAX_SETS, CM_REFUSE);
    reference_set last = {0};
    for (uint32_t i = 0; i < count && !b->failed; i++) {
        reference_set set = {0};
        if (i > 0 && cm_bits_read_flag(b)) /* inter_ref_pic_set_prediction_flag */
            CM_TRY(read_predicted(b, &last, &set));
        else
            CM_TRY(read_explicit(b, &set));
        last = set;
    }
    return CM_OK;
}
