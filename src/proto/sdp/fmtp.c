#include "proto/sdp/fmtp.h"

#include "base/text.h"

enum {
    NAL_SPS = 7,
    NAL_PPS = 8,
    NAL_SPS_EXTENSION = 13,
    PACKETIZATION_MODE_MAX = 2,
    NAL_H265_VPS = 32,
    NAL_H265_PPS = 34,
    DON_DIFF_MAX = 32767, /* RFC 7798 7.1 */
};

bool cm_sdp_fmtp_find(cm_slice fmtp, cm_slice name, cm_slice *value)
{
    while (fmtp.size > 0) {
        cm_slice parameter = cm_slice_cut(&fmtp, ';');
        const cm_slice key = cm_slice_trim(cm_slice_cut(&parameter, '='));
        if (!cm_slice_equal_nocase(key, name))
            continue;
        *value = cm_slice_trim(parameter);
        return true;
    }
    return false;
}

/* Where the parameter sets of a value go: into the codec's list, their bytes into `storage`. */
typedef struct set_list {
    bool (*is_set)(cm_slice nal);
    cm_writer *storage;
    cm_slice *sets; // CM_SDP_SET_MAX
    size_t *count;
} set_list;

static bool is_h264_set(cm_slice nal)
{
    const uint8_t type = nal.bytes[0] & 0x1F;
    const bool is_forbidden = nal.bytes[0] >> 7;
    return !is_forbidden && (type == NAL_SPS || type == NAL_PPS || type == NAL_SPS_EXTENSION);
}

/* The first byte: forbidden bit, six bits of type, the highest one of the layer (RFC 7798 1.1.4).
 */
static bool is_h265_set(cm_slice nal)
{
    const unsigned type = nal.bytes[0] >> 1;
    const bool is_base_layer = (nal.bytes[0] & 1) == 0;
    return is_base_layer && type >= NAL_H265_VPS && type <= NAL_H265_PPS;
}

static void add_set(cm_slice nal, const set_list *list)
{
    cm_writer *storage = list->storage;
    /* A NAL unit ends with its stop bit: zeros behind it are Annex-B's or padding. */
    while (nal.size > 0 && nal.bytes[nal.size - 1] == 0)
        nal = cm_slice_part(nal, 0, nal.size - 1);
    if (nal.size < 2 || !list->is_set(nal) || *list->count == CM_SDP_SET_MAX || storage->failed ||
        nal.size > storage->capacity - storage->used)
        return;
    const size_t at = storage->used;
    cm_write_slice(storage, nal);
    list->sets[(*list->count)++] = cm_slice_part(cm_writer_done(storage), at, nal.size);
}

/* Offset of the next 00 00 01, or the size. */
static size_t find_start_code(cm_slice bytes)
{
    for (size_t i = 0; i + 2 < bytes.size; i++)
        if (bytes.bytes[i] == 0 && bytes.bytes[i + 1] == 0 && bytes.bytes[i + 2] == 1)
            return i;
    return bytes.size;
}

/* One value of the list: a NAL unit, or several behind Annex-B start codes. */
static void add_sets(cm_slice bytes, const set_list *list)
{
    while (bytes.size > 0) {
        const size_t end = find_start_code(bytes);
        add_set(cm_slice_part(bytes, 0, end), list);
        bytes = cm_slice_from(bytes, end + 3);
    }
}

/* Those of parameter `name`, if it is there. */
static void read_sets(cm_slice fmtp, const char *name, const set_list *list)
{
    cm_slice values;
    if (!cm_sdp_fmtp_find(fmtp, cm_slice_of(name), &values))
        return;
    while (values.size > 0) {
        cm_slice text = cm_slice_trim(cm_slice_cut(&values, ','));
        while (text.size > 0 && text.bytes[text.size - 1] == '=') /* of any number, right or not */
            text = cm_slice_part(text, 0, text.size - 1);
        uint8_t decoded[CM_SDP_SETS_SIZE];
        size_t size;
        if (cm_text_from_base64(text, decoded, sizeof decoded, &size) == CM_OK)
            add_sets(cm_slice_over(decoded, size), list);
    }
}

static void write_set(cm_writer *w, cm_slice set)
{
    char text[CM_BASE64_SIZE(CM_SDP_SETS_SIZE)];
    if (cm_text_to_base64(set, text, sizeof text) == CM_OK)
        cm_write_text(w, text);
    else
        w->failed = true;
}

/* ---- H.264 ---- */

void cm_sdp_h264_parse(cm_slice fmtp, cm_writer *storage, cm_sdp_h264 *out)
{
    *out = (cm_sdp_h264){0};
    cm_slice value;
    uint64_t mode;
    if (cm_sdp_fmtp_find(fmtp, CM_TEXT("packetization-mode"), &value) &&
        cm_slice_to_u64(value, PACKETIZATION_MODE_MAX, &mode) == CM_OK)
        out->packetization_mode = (uint8_t)mode;
    uint8_t id[3];
    if (cm_sdp_fmtp_find(fmtp, CM_TEXT("profile-level-id"), &value) &&
        cm_text_from_hex(value, id, sizeof id) == CM_OK) {
        out->has_profile_level_id = true;
        out->profile_level_id = (uint32_t)id[0] << 16 | (uint32_t)id[1] << 8 | id[2];
    }
    const set_list list = {
        .is_set = is_h264_set, .storage = storage, .sets = out->sets, .count = &out->set_count};
    read_sets(fmtp, "sprop-parameter-sets", &list);
}

void cm_sdp_h264_write(cm_writer *w, const cm_sdp_h264 *h264)
{
    cm_write_text(w, "packetization-mode=");
    cm_write_decimal(w, h264->packetization_mode);
    if (h264->has_profile_level_id)
        cm_write_format(w, ";profile-level-id=%06x", (unsigned)(h264->profile_level_id & 0xFFFFFF));
    for (size_t i = 0; i < h264->set_count; i++) {
        cm_write_text(w, i == 0 ? ";sprop-parameter-sets=" : ",");
        write_set(w, h264->sets[i]);
    }
}

/* ---- H.265 ---- */

static const char *const H265_SETS[] = {"sprop-vps", "sprop-sps", "sprop-pps"};

void cm_sdp_h265_parse(cm_slice fmtp, cm_writer *storage, cm_sdp_h265 *out)
{
    *out = (cm_sdp_h265){0};
    cm_slice value;
    uint64_t diff = 0;
    if (cm_sdp_fmtp_find(fmtp, CM_TEXT("sprop-max-don-diff"), &value) &&
        cm_slice_to_u64(value, DON_DIFF_MAX, &diff) != CM_OK)
        diff = UINT32_MAX;
    out->max_don_diff = (uint32_t)diff;
    const set_list list = {
        .is_set = is_h265_set, .storage = storage, .sets = out->sets, .count = &out->set_count};
    for (size_t i = 0; i < CM_COUNT(H265_SETS); i++)
        read_sets(fmtp, H265_SETS[i], &list);
}

void cm_sdp_h265_write(cm_writer *w, const cm_sdp_h265 *h265)
{
    const char *between = "";
    for (unsigned type = NAL_H265_VPS; type <= NAL_H265_PPS; type++) {
        bool is_first = true;
        for (size_t i = 0; i < h265->set_count; i++) {
            if (h265->sets[i].bytes[0] >> 1 != type)
                continue;
            if (is_first)
                cm_write_format(w, "%s%s=", between, H265_SETS[type - NAL_H265_VPS]);
            else
                cm_write_text(w, ",");
            write_set(w, h265->sets[i]);
            is_first = false;
            between = ";";
        }
    }
}
