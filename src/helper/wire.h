/*
 * wire: what the server and casement-helper say to each other over the helper's socket pair: jobs
 * one way, answers the other, one answer a job, in the order of the jobs.
 *
 * A message is a length of 4 bytes, big-endian, and that many bytes. Both sides judge the length
 * before they make room for it. A job: id 8, width (of a still) or lane (of sound) 2, delegation
 * record (media/delegate.h), sealed frame (cm_frame_write) to the end. An answer: id 8, status 1,
 * then the sealed still or sound to the end if the status is CM_OK, else nothing.
 *
 * Pure: no I/O, no allocation. Built into both sides.
 */
#pragma once

#include "base/reader.h"
#include "base/writer.h"
#include "media/delegate.h"

enum {
    CM_HELPER_LENGTH_SIZE = 4,
    CM_HELPER_JOB_HEAD = 8 + 2 + CM_DELEGATION_SIZE,
    CM_HELPER_ANSWER_HEAD = 8 + 1,
    CM_HELPER_JPEG_MAX = 8 * 1024 * 1024,
    /* A frame of CM_FRAME_GRANULES_MAX full granules, with tags, sizes and head, is below 9.1 MiB.
     */
    CM_HELPER_JOB_MAX = 10 * 1024 * 1024,
    CM_HELPER_ANSWER_MAX = CM_HELPER_JPEG_MAX + 256 * 1024,
    /* The answer to a record of another home than the process's first; the process then ends. */
    CM_HELPER_EXIT_FOREIGN = 3,
};

typedef struct cm_helper_job {
    uint64_t id;
    union {
        uint16_t width; /* of a still, wanted; 0: the picture's own */
        uint16_t lane;  /* of sound: which decoder and encoder go on with it */
    };
    cm_slice delegation; /* CM_DELEGATION_SIZE bytes: secret, to be wiped */
    cm_slice frame;      /* for cm_frame_read */
} cm_helper_job;

typedef struct cm_helper_answer {
    uint64_t id;
    cm_status status; /* CM_OK, CM_FOREIGN (it is not the frame of the record, or of another home),
                         CM_FULL (past a bound), CM_BROKEN (nothing came out) or, of sound,
                         CM_ABSENT (nothing is full yet: it comes with the next) */
    cm_slice still;   /* or sound; for cm_frame_read; empty unless CM_OK */
} cm_helper_answer;

/* The bytes of a whole message, length included. */
size_t cm_helper_job_size(const cm_frame *frame);
size_t cm_helper_answer_size(const cm_frame *still); /* NULL: without one */

/* The length of the message that follows, from its 4 bytes. CM_CLOSE: above `max`, or below `min`.
 */
cm_status cm_helper_length_parse(cm_slice bytes, size_t min, size_t max, size_t *out);

/* The message with its length. CM_FULL: beyond the bounds above, or of `w`. */
cm_status cm_helper_job_write(cm_writer *w, const cm_helper_job *job, const cm_frame *frame);
cm_status cm_helper_answer_write(cm_writer *w, uint64_t id, cm_status status,
                                 const cm_frame *still);

/* The message without its length; *out borrows. CM_CLOSE: not one. */
cm_status cm_helper_job_parse(cm_slice message, cm_helper_job *out);
cm_status cm_helper_answer_parse(cm_slice message, cm_helper_answer *out);
