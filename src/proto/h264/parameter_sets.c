#include "proto/h264/parameter_sets.h"

#include "proto/h264/nal.h"

void cm_h264_parameter_sets_init(cm_h264_parameter_sets *sets)
{
    *sets = (cm_h264_parameter_sets){0};
}

static cm_slice set_bytes(const cm_h264_parameter_set *set)
{
    return cm_slice_over(set->bytes, set->size);
}

static void store(cm_h264_parameter_set *set, cm_slice nal)
{
    cm_writer w = cm_writer_over(set->bytes, sizeof set->bytes);
    cm_write_slice(&w, nal);
    set->size = (uint16_t)cm_writer_done(&w).size;
}

static void forget_pps(cm_h264_parameter_sets *sets)
{
    for (size_t i = 0; i < CM_H264_MAX_PPS; i++)
        sets->pps[i].size = 0;
}

static cm_status put_sps(cm_h264_parameter_sets *sets, cm_slice nal)
{
    if (cm_slice_equal(set_bytes(&sets->sps), nal))
        return CM_OK;
    cm_h264_sps parsed;
    CM_TRY(cm_h264_sps_parse(nal, &parsed));
    if (sets->sps.size > 0 && parsed.id != sets->sps.id)
        forget_pps(sets);
    store(&sets->sps, nal);
    sets->sps.id = sets->sps.sps_id = parsed.id;
    sets->parsed = parsed;
    sets->generation++;
    return CM_OK;
}

/* The place of the PPS with this id, else a free one, else NULL. */
static cm_h264_parameter_set *find_pps(cm_h264_parameter_sets *sets, uint8_t id)
{
    for (size_t i = 0; i < CM_H264_MAX_PPS; i++) {
        if (sets->pps[i].size == 0 || sets->pps[i].id == id)
            return &sets->pps[i];
    }
    return NULL;
}

static cm_status put_pps(cm_h264_parameter_sets *sets, cm_slice nal)
{
    cm_h264_pps_ids ids;
    CM_TRY(cm_h264_pps_parse(nal, &ids));
    cm_h264_parameter_set *set = find_pps(sets, ids.pps_id);
    CM_ENSURE(set != NULL, CM_FULL);
    if (cm_slice_equal(set_bytes(set), nal))
        return CM_OK;
    store(set, nal);
    set->id = ids.pps_id;
    set->sps_id = ids.sps_id;
    sets->generation++;
    return CM_OK;
}

cm_status cm_h264_parameter_sets_put(cm_h264_parameter_sets *sets, cm_slice nal)
{
    const cm_h264_nal_type type = cm_h264_nal_type_of(nal);
    if (type != CM_H264_NAL_SPS && type != CM_H264_NAL_PPS)
        return CM_OK;
    CM_ENSURE(nal.size <= CM_H264_MAX_PARAMETER_SET_BYTES, CM_FULL);
    return type == CM_H264_NAL_SPS ? put_sps(sets, nal) : put_pps(sets, nal);
}

size_t cm_h264_parameter_sets_list(const cm_h264_parameter_sets *sets,
                                   cm_slice out[CM_H264_MAX_PARAMETER_SETS])
{
    if (!cm_h264_parameter_sets_is_complete(sets))
        return 0;
    size_t count = 0;
    out[count++] = set_bytes(&sets->sps);
    for (size_t i = 0; i < CM_H264_MAX_PPS; i++) {
        if (sets->pps[i].size > 0 && sets->pps[i].sps_id == sets->sps.id)
            out[count++] = set_bytes(&sets->pps[i]);
    }
    return count;
}

bool cm_h264_parameter_sets_is_complete(const cm_h264_parameter_sets *sets)
{
    if (sets->sps.size == 0)
        return false;
    for (size_t i = 0; i < CM_H264_MAX_PPS; i++) {
        if (sets->pps[i].size > 0 && sets->pps[i].sps_id == sets->sps.id)
            return true;
    }
    return false;
}
