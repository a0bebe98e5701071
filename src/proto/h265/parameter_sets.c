#include "proto/h265/parameter_sets.h"

#include "proto/h265/nal.h"

void cm_h265_parameter_sets_init(cm_h265_parameter_sets *sets)
{
    *sets = (cm_h265_parameter_sets){0};
}

static cm_slice bytes_of(const cm_h265_parameter_set *set)
{
    return cm_slice_over(set->bytes, set->size);
}

static void keep(cm_h265_parameter_sets *sets, cm_h265_parameter_set *set, cm_slice nal)
{
    cm_slice_copy(nal, set->bytes, sizeof set->bytes);
    set->size = (uint16_t)nal.size;
    sets->generation++;
}

static cm_status put_vps(cm_h265_parameter_sets *sets, cm_slice nal)
{
    CM_TRY(cm_h265_vps_parse(nal, &sets->parsed_vps));
    sets->vps.id = sets->parsed_vps.id;
    keep(sets, &sets->vps, nal);
    return CM_OK;
}

static cm_status put_sps(cm_h265_parameter_sets *sets, cm_slice nal)
{
    cm_h265_sps parsed;
    CM_TRY(cm_h265_sps_parse(nal, &parsed));
    const bool is_other = sets->sps.size > 0 && parsed.id != sets->sps.id;
    for (size_t i = 0; is_other && i < CM_H265_MAX_PPS; i++)
        sets->pps[i].size = 0;
    sets->parsed = parsed;
    sets->sps.id = parsed.id;
    sets->sps.refers_to = parsed.vps_id;
    keep(sets, &sets->sps, nal);
    return CM_OK;
}

/* The place of the PPS with this id, else a free one, else NULL. */
static cm_h265_parameter_set *find_pps(cm_h265_parameter_sets *sets, uint8_t id)
{
    for (size_t i = 0; i < CM_H265_MAX_PPS; i++)
        if (sets->pps[i].size == 0 || sets->pps[i].id == id)
            return &sets->pps[i];
    return NULL;
}

static cm_status put_pps(cm_h265_parameter_sets *sets, cm_slice nal)
{
    cm_h265_pps_ids ids;
    CM_TRY(cm_h265_pps_parse(nal, &ids));
    cm_h265_parameter_set *set = find_pps(sets, ids.pps_id);
    CM_ENSURE(set != NULL, CM_FULL);
    if (cm_slice_equal(bytes_of(set), nal))
        return CM_OK;
    set->id = ids.pps_id;
    set->refers_to = ids.sps_id;
    keep(sets, set, nal);
    return CM_OK;
}

cm_status cm_h265_parameter_sets_put(cm_h265_parameter_sets *sets, cm_slice nal)
{
    const cm_h265_nal_type type = cm_h265_nal_type_of(nal);
    if (type < CM_H265_NAL_VPS || type > CM_H265_NAL_PPS)
        return CM_OK;
    cm_h265_nal_header header;
    CM_TRY(cm_h265_nal_header_parse(nal, &header));
    if (header.layer_id > 0)
        return CM_OK;
    CM_ENSURE(nal.size <= CM_H265_MAX_PARAMETER_SET_BYTES, CM_FULL);
    if (cm_slice_equal(bytes_of(&sets->vps), nal) || cm_slice_equal(bytes_of(&sets->sps), nal))
        return CM_OK;
    switch (type) {
    case CM_H265_NAL_VPS:
        return put_vps(sets, nal);
    case CM_H265_NAL_SPS:
        return put_sps(sets, nal);
    default:
        return put_pps(sets, nal);
    }
}

size_t cm_h265_parameter_sets_list(const cm_h265_parameter_sets *sets,
                                   cm_slice out[CM_H265_MAX_PARAMETER_SETS])
{
    if (sets->vps.size == 0 || sets->sps.size == 0 || sets->sps.refers_to != sets->vps.id)
        return 0;
    size_t count = 0;
    out[count++] = bytes_of(&sets->vps);
    out[count++] = bytes_of(&sets->sps);
    const size_t before_pps = count;
    for (size_t i = 0; i < CM_H265_MAX_PPS; i++)
        if (sets->pps[i].size > 0 && sets->pps[i].refers_to == sets->sps.id)
            out[count++] = bytes_of(&sets->pps[i]);
    return count > before_pps ? count : 0;
}

bool cm_h265_parameter_sets_is_complete(const cm_h265_parameter_sets *sets)
{
    cm_slice list[CM_H265_MAX_PARAMETER_SETS];
    return cm_h265_parameter_sets_list(sets, list) > 0;
}

uint32_t cm_h265_parameter_sets_frame_rate_milli(const cm_h265_parameter_sets *sets)
{
    if (sets->sps.size == 0)
        return 0;
    if (sets->parsed.timing.num_units_in_tick > 0)
        return cm_h265_frame_rate_milli(&sets->parsed.timing);
    const bool has_vps = sets->vps.size > 0 && sets->vps.id == sets->sps.refers_to;
    return has_vps ? cm_h265_frame_rate_milli(&sets->parsed_vps.timing) : 0;
}
