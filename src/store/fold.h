/*
 * fold: names of accounts without the case of their letters, so that "Anna" and "anna" are one
 * person. Pure.
 */
#pragma once

#include "base/slice.h"

/* Lower case by Unicode's simple mapping; written with a terminator. CM_REFUSE: not valid UTF-8;
 * CM_FULL. */
cm_status cm_fold_name(cm_slice name, char *out, size_t capacity);
