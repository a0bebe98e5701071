#include "proto/sdp/fmtp.h"

#include "base/text.h"

enum {
    NAL_SPS = 7,
    NAL_PPS = 8,
    NAL_SPS_EXTENSION = 13,
    PACKETIZATION_MODE_MAX = 2,
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

static bool is_parameter_set(cm_slice nal)
{
    const uint8_t type = nal.bytes[0] & 0x1F;
    const bool is_forbidden = nal.bytes[0] >> 7;
    return !is_forbidden && (type == NAL_SPS || type == NAL_PPS || type == NAL_SPS_EXTENSION);
}

static void add_set(cm_slice nal, cm_writer *storage, cm_sdp_h264 *out)
{
    /* A NAL unit ends with its stop bit: zeros behind it are Annex-B's or padding. */
    while (nal.size > 0 && nal.bytes[nal.size - 1] == 0)
        nal = cm_slice_part(nal, 0, nal.size - 1);
    if (nal.size < 2 || !is_parameter_set(nal) || out->set_count == CM_SDP_H264_SET_MAX ||
        storage->failed || nal.size > storage->capacity - storage->used)
        return;
    const size_t at = storage->used;
    cm_write_slice(storage, nal);
    out->sets[out->set_count++] = cm_slice_part(cm_writer_done(storage), at, nal.size);
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
static void add_sets(cm_slice bytes, cm_writer *storage, cm_sdp_h264 *out)
{
    while (bytes.size > 0) {
        const size_t end = find_start_code(bytes);
        add_set(cm_slice_part(bytes, 0, end), storage, out);
        bytes = cm_slice_from(bytes, end + 3);
    }
}

static void read_sets(cm_slice list, cm_writer *storage, cm_sdp_h264 *out)
{
    while (list.size > 0) {
        cm_slice text = cm_slice_trim(cm_slice_cut(&list, ','));
        while (text.size > 0 && text.bytes[text.size - 1] == '=') /* of any number, right or not */
            text = cm_slice_part(text, 0, text.size - 1);
        uint8_t decoded[CM_SDP_H264_SETS_SIZE];
        size_t size;
        if (cm_text_from_base64(text, decoded, sizeof decoded, &size) == CM_OK)
            add_sets(cm_slice_over(decoded, size), storage, out);
    }
}

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
    if (cm_sdp_fmtp_find(fmtp, CM_TEXT("sprop-parameter-sets"), &value))
        read_sets(value, storage, out);
}

void cm_sdp_h264_write(cm_writer *w, const cm_sdp_h264 *h264)
{
    cm_write_text(w, "packetization-mode=");
    cm_write_decimal(w, h264->packetization_mode);
    if (h264->has_profile_level_id)
        cm_write_format(w, ";profile-level-id=%06x", (unsigned)(h264->profile_level_id & 0xFFFFFF));
    for (size_t i = 0; i < h264->set_count; i++) {
        char text[CM_BASE64_SIZE(CM_SDP_H264_SETS_SIZE)];
        cm_write_text(w, i == 0 ? ";sprop-parameter-sets=" : ",");
        if (cm_text_to_base64(h264->sets[i], text, sizeof text) == CM_OK)
            cm_write_text(w, text);
        else
            w->failed = true;
    }
}
