/*
 * rights: the names of what may be done with a camera (the bits of media/kinds.h), and which sets
 * of them there can be.
 *
 * Seeing comes first: who may not see a camera may neither hear nor talk through it. To publish is
 * to bring a camera its pictures: it shows nothing, and stands for itself. Pure.
 */
#pragma once

#include "base/slice.h"
#include "media/kinds.h"

enum {
    CM_RIGHT_KINDS = 4, /* view, listen, talk, publish: bit 1 << i for each */
    CM_RIGHTS_ALL = (1 << CM_RIGHT_KINDS) - 1,
};

/* The bit of the right with this index (below CM_RIGHT_KINDS), and its name. */
cm_rights cm_right_at(unsigned index);
const char *cm_right_name(unsigned index);
/* Adds the right of that name to *rights. CM_REFUSE: there is none. */
cm_status cm_right_add(cm_slice name, cm_rights *rights);
/* Known rights, not none, and view among them if one needs it. */
bool cm_rights_are_whole(cm_rights rights);
/* "view,listen". CM_REFUSE: a name is none, or what they make is not whole. */
cm_status cm_rights_parse(cm_slice list, cm_rights *out);
