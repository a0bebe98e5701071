/* What challenge.c and auth.c share. */
#pragma once

#include "proto/rtsp/auth.h"

/* The scheme of an algorithm's name; the empty name is MD5. CM_REFUSE: one we do not speak. */
cm_status cm_rtsp_auth_algorithm(cm_slice name, cm_rtsp_auth_scheme *out);

/* name="value". Fails the writer when the value could end its string. */
void cm_rtsp_auth_write_quoted(cm_writer *w, const char *name, cm_slice value);
