/*
 * log: one line per event to standard error, as key=value text that a person and a machine can
 * read: 2026-11-20T14:32:07.123Z warn rtsp home=verdi camera=door event=refused cause=password
 *
 * What is logged is decided where a failure is decided upon, once. Never tokens, passwords, stream
 * addresses with their query or user info, or pictures. Values are quoted and control characters
 * escaped, so that a camera's or stranger's text can't forge a line. Any thread; a line is one
 * write.
 */
#pragma once

#include "base/id.h"
#include "base/slice.h"

typedef enum cm_log_level {
    CM_LOG_DEBUG,
    CM_LOG_INFO,
    CM_LOG_WARN,
    CM_LOG_ERROR,
} cm_log_level;

void cm_log_set_level(cm_log_level least);

/* `area` is the module ("rtsp", "http"). `format` gives further key=value pairs; text from outside
 * only through cm_log_quote. */
void cm_log(cm_log_level level, const char *area, const char *format, ...) CM_PRINTF(3, 4);
/* The same with home= and camera= in front; either pointer may be NULL. */
void cm_log_camera(cm_log_level level, const char *area, const cm_camera_key *camera,
                   const char *format, ...) CM_PRINTF(4, 5);
void cm_log_home(cm_log_level level, const char *area, const cm_home_id *home, const char *format,
                 ...) CM_PRINTF(4, 5);

/* `text` in quotes, escaped, cut at about 120 characters; valid until the end of the full
 * expression's scope: `storage` is the caller's. */
enum { CM_LOG_QUOTE_SIZE = 256 };
const char *cm_log_quote(cm_slice text, char storage[CM_LOG_QUOTE_SIZE]);
