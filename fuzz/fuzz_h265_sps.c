/* Parameter sets of one byte string, whole and as a byte stream; and what is made of them. */
#include "fuzz.h"

#include <string.h>

#include "proto/h265/nal.h"
#include "proto/h265/parameter_sets.h"

enum { MAX_INPUT = 4096 };

static void check_codecs(const cm_h265_profile *profile)
{
    char codecs[CM_H265_CODECS_SIZE];
    cm_h265_codecs(profile, codecs);
    CHECK(strlen(codecs) < CM_H265_CODECS_SIZE && strncmp(codecs, "hvc1.", 5) == 0);
    CHECK(profile->constraint_flags >> 48 == 0);
}

static void parse_sets(cm_slice nal, cm_h265_parameter_sets *sets)
{
    cm_h265_sps sps;
    if (cm_h265_sps_parse(nal, &sps) == CM_OK) {
        CHECK(sps.width > 0 && sps.width <= CM_H265_MAX_DIMENSION);
        CHECK(sps.height > 0 && sps.height <= CM_H265_MAX_DIMENSION);
        CHECK(sps.max_num_reorder < 16 && sps.bit_depth_luma <= 15);
        CHECK(sps.max_sub_layers >= 1 && sps.max_sub_layers <= 7);
        CHECK(cm_h265_frame_rate_milli(&sps.timing) <= 1000 * 1000);
        check_codecs(&sps.profile);
    }
    cm_h265_vps vps;
    if (cm_h265_vps_parse(nal, &vps) == CM_OK) {
        CHECK(vps.id <= 15 && vps.max_sub_layers >= 1 && vps.max_sub_layers <= 7);
        check_codecs(&vps.profile);
    }
    cm_h265_pps_ids ids;
    if (cm_h265_pps_parse(nal, &ids) == CM_OK)
        CHECK(ids.sps_id <= 15 && ids.pps_id <= 63);
    const uint32_t generation = sets->generation;
    const cm_status status = cm_h265_parameter_sets_put(sets, nal);
    CHECK(sets->generation - generation <= (status == CM_OK));
    cm_slice list[CM_H265_MAX_PARAMETER_SETS];
    const size_t count = cm_h265_parameter_sets_list(sets, list);
    CHECK((count >= 3) == cm_h265_parameter_sets_is_complete(sets));
    CHECK(cm_h265_parameter_sets_frame_rate_milli(sets) <= 1000 * 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > MAX_INPUT)
        return 0;
    cm_h265_parameter_sets *sets = malloc(sizeof *sets);
    if (sets == NULL)
        return 0;
    cm_h265_parameter_sets_init(sets);
    parse_sets(cm_slice_over(data, size), sets);
    cm_slice rest = cm_slice_over(data, size);
    cm_slice nal;
    while (cm_h264_next_annex_b(&rest, &nal)) {
        parse_sets(nal, sets);
        CHECK(cm_h265_nal_type_name(cm_h265_nal_type_of(nal)) != NULL);
        CHECK(!cm_h265_nal_begins_picture(nal) || cm_h265_nal_is_slice(nal));
    }
    free(sets);
    return 0;
}
