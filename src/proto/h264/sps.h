/*
 * sps: what we need of a sequence parameter set (ITU-T H.264 7.3.2.1.1, Annex E), the ids of a
 * picture parameter set (7.3.2.2), and the payloads of SEI messages (7.3.2.3, Annex D).
 *
 * Pure parsers: they take a NAL unit as it was sent (header byte first, emulation prevention in
 * place) and write *out only on success. CM_CLOSE: truncated or malformed. CM_REFUSE: well-formed,
 * but outside what we serve (size, reserved values).
 */
#pragma once

#include "base/reader.h"
#include "base/writer.h"

enum {
    CM_H264_MAX_PARAMETER_SET_BYTES = 512,
    CM_H264_MAX_DIMENSION = 8192, /* pixels, either way */
    CM_H264_CODECS_SIZE = 12,     /* "avc1.PPCCLL" and its terminator */
};

typedef struct cm_h264_sps {
    uint8_t profile_idc;
    uint8_t constraint_flags; /* the byte after profile_idc: constraint_set0_flag is bit 7 */
    uint8_t level_idc;
    uint8_t id;                /* seq_parameter_set_id, 0 to 31 */
    uint8_t chroma_format_idc; /* 1 unless a high profile says otherwise */
    uint8_t bit_depth_luma;
    uint8_t bit_depth_chroma;
    uint8_t max_num_ref_frames;
    uint16_t width; /* pixels, after cropping */
    uint16_t height;
    bool is_interlaced; /* frame_mbs_only_flag is 0 */
    /* VUI timing; a frame lasts 2 * num_units_in_tick / time_scale seconds. */
    bool has_fixed_rate;        /* timing is present and fixed_frame_rate_flag is set */
    uint32_t num_units_in_tick; /* 0 when there is no timing */
    uint32_t time_scale;
    /* Pictures that may precede one in decoding order and follow it in output order: 0 means that
     * decoding order is display order. Without has_reorder_bound the stream does not say: it is
     * then the most that its references allow (E.2.1), and commonly 0 in truth. */
    uint8_t max_num_reorder_frames;
    bool has_reorder_bound;
} cm_h264_sps;

cm_status cm_h264_sps_parse(cm_slice nal, cm_h264_sps *out);

/* Frames per second in thousandths, 0 when the stream does not say so, or says nonsense (> 1000).
 */
uint32_t cm_h264_sps_frame_rate_milli(const cm_h264_sps *sps);

/* "avc1.PPCCLL" (RFC 6381 3.3), upper case hex. */
void cm_h264_sps_codecs(const cm_h264_sps *sps, char out[CM_H264_CODECS_SIZE]);

typedef struct cm_h264_pps_ids {
    uint8_t pps_id; /* 0 to 255 */
    uint8_t sps_id; /* 0 to 31 */
} cm_h264_pps_ids;

cm_status cm_h264_pps_parse(cm_slice nal, cm_h264_pps_ids *out);

enum {
    CM_H264_SEI_USER_DATA_UNREGISTERED = 5,
    CM_H264_SEI_UUID_SIZE = 16,
};

typedef struct cm_h264_sei_message {
    uint32_t type;    /* payloadType */
    cm_slice payload; /* without emulation prevention; borrows from the iterator's input */
} cm_h264_sei_message;

/*
 * Takes the next message off an SEI RBSP: the NAL unit after cm_h264_unescape, without its header
 * byte. False, and *out untouched, at the trailing bits or at a size that lies;
 * *r is failed in the latter case.
 */
bool cm_h264_next_sei(cm_reader *r, cm_h264_sei_message *out);

/* Of a user_data_unregistered message (D.1.7): *uuid is 16 bytes. CM_ABSENT if it is another type,
 * CM_CLOSE if it is too short. */
cm_status cm_h264_sei_user_data(const cm_h264_sei_message *message, cm_slice *uuid, cm_slice *data);
/* Writes an SEI NAL unit with one user_data_unregistered message. */
cm_status cm_h264_sei_user_data_write(cm_writer *w, cm_slice uuid, cm_slice data);
