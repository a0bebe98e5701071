/*
 * rights: the names of what may be done with a camera (the bits of media/kinds.h), and which sets
 * of them there can be.
 *
 * Seeing comes first: who may not see a camera may neither hear nor talk through it, nor move it,
 * nor look back. To export is to take along what one may look back at. To publish is to bring a
 * camera its pictures: it shows nothing, and stands for itself. Pure.
 */
#pragma once

#include "base/slice.h"
#include "media/kinds.h"

enum {
    CM_RIGHT_KINDS = 7, /* view, listen, talk, publish, move, history, export: bit 1 << i each */
    CM_RIGHTS_ALL = (1 << CM_RIGHT_KINDS) - 1,
};

/* The bit of the right with this index (below CM_RIGHT_KINDS), and its name. */
cm_rights cm_right_at(unsigned index);
const char *cm_right_name(unsigned index);
/* Adds the right of that name to *rights. CM_REFUSE: there is none. */
cm_status cm_right_add(cm_slice name, cm_rights *rights);
/* Those of them that may stand alone: without view none but publish, without history no export. */
cm_rights cm_rights_that_stand(cm_rights rights);
/* Known rights, not none, and each with those that it needs. */
bool cm_rights_are_whole(cm_rights rights);
/* "view,listen". CM_REFUSE: a name is none, or what they make is not whole. */
cm_status cm_rights_parse(cm_slice list, cm_rights *out);
