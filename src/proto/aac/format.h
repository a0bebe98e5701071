/*
 * format: what SDP says of an AAC stream (RFC 3640, 4.1): mode AAC-hbr, its header lengths and its
 * AudioSpecificConfig.
 *
 * Pure. Whatever is not served is refused by a name that an operator can read.
 */
#pragma once

#include "proto/aac/config.h"

/* Why a stream, a payload or an access unit was not taken; index of counters. */
typedef enum cm_aac_fault {
    CM_AAC_FAULT_NONE,
    /* of a format */
    CM_AAC_FAULT_LATM,     /* MP4A-LATM (RFC 6416) */
    CM_AAC_FAULT_ENCODING, /* neither that nor mpeg4-generic */
    CM_AAC_FAULT_MODE,     /* another mode than AAC-hbr */
    CM_AAC_FAULT_HEADERS,  /* header fields that AAC-hbr does not have, or of other lengths */
    CM_AAC_FAULT_CONFIG,   /* config= is missing, not hex, or refused by cm_aac_config_parse */
    CM_AAC_FAULT_CLOCK,    /* a clock rate that does not measure whole frames */
    /* of a payload */
    CM_AAC_FAULT_LOSS,        /* packets are missing */
    CM_AAC_FAULT_TRUNCATED,   /* AU headers past the end, or no access unit */
    CM_AAC_FAULT_SIZES,       /* sizes of access units that do not add up to the payload */
    CM_AAC_FAULT_INTERLEAVED, /* access units out of their order, unsupported */
    CM_AAC_FAULT_UNFINISHED,  /* a fragmented access unit without its end */
    CM_AAC_FAULT_COUNT,
} cm_aac_fault;

/* "mp4a-latm", "interleaved", ... for logs, answers and counters. Static storage. */
const char *cm_aac_fault_name(cm_aac_fault fault);

typedef struct cm_aac_format {
    cm_aac_config config;
    uint8_t config_bytes[CM_AAC_MAX_CONFIG_BYTES]; /* as they came: for esds */
    uint8_t config_size;
    uint32_t clock_rate;  /* Hz, of RTP timestamps */
    uint32_t frame_ticks; /* of clock_rate: how long an access unit lasts */
} cm_aac_format;

/*
 * `encoding` and `clock_rate` are rtpmap's, `fmtp` the format parameters. CM_REFUSE with *fault
 * says why it is not served; *out is then untouched. Writes *fault in any case.
 */
cm_status cm_aac_format_parse(cm_slice encoding, uint32_t clock_rate, cm_slice fmtp,
                              cm_aac_format *out, cm_aac_fault *fault);

/* The fmtp of such a stream. CM_FULL. */
cm_status cm_aac_format_write(cm_writer *w, const cm_aac_format *format);
