/*
 * config: AudioSpecificConfig (ISO/IEC 14496-3 1.6.2.1) of AAC: what SDP carries as config=, and
 * esds in an init segment.
 *
 * Pure. We serve AAC-LC, alone or under SBR and PS that are told explicitly: what browsers play.
 */
#pragma once

#include "base/slice.h"
#include "base/writer.h"

enum {
    CM_AAC_MAX_CONFIG_BYTES = 64,
    CM_AAC_CODECS_SIZE = 11, /* "mp4a.40.29" and its terminator */
};

/* audioObjectType, table 1.17: those with a name here. */
enum {
    CM_AAC_LC = 2,
    CM_AAC_SBR = 5,
    CM_AAC_PS = 29,
};

typedef struct cm_aac_config {
    uint8_t object_type;    /* CM_AAC_LC, or what stands above it: CM_AAC_SBR, CM_AAC_PS */
    uint8_t channels;       /* 1 to 6, or 8, before PS makes two of one */
    uint16_t frame_samples; /* per channel at sample_rate: 1024 or 960 */
    uint32_t sample_rate;   /* Hz, of the LC core: 7350 to 96000 */
    uint32_t output_rate;   /* Hz, with SBR applied; else sample_rate */
} cm_aac_config;

/* CM_CLOSE if it is cut short, CM_REFUSE if it is of another object type, has its channels in a
 * program config element, depends on a core coder, or has a reserved or senseless rate. */
cm_status cm_aac_config_parse(cm_slice bytes, cm_aac_config *out);

/* The shortest bytes that say the same. CM_REFUSE if no bytes do, CM_FULL. */
cm_status cm_aac_config_write(cm_writer *w, const cm_aac_config *config);

/* "mp4a.40.2" (RFC 6381 3.3). */
void cm_aac_codecs(const cm_aac_config *config, char out[CM_AAC_CODECS_SIZE]);
