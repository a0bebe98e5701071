#include "grants/rights.h"

static const char *const NAMES[CM_RIGHT_KINDS] = {"view", "listen",  "talk",  "publish",
                                                  "move", "history", "export"};

cm_rights cm_right_at(unsigned index)
{
    return index < CM_RIGHT_KINDS ? (cm_rights)1 << index : 0;
}

const char *cm_right_name(unsigned index)
{
    return index < CM_RIGHT_KINDS ? NAMES[index] : "none";
}

cm_status cm_right_add(cm_slice name, cm_rights *rights)
{
    for (unsigned i = 0; i < CM_RIGHT_KINDS; i++) {
        if (cm_slice_equal(name, cm_slice_of(NAMES[i]))) {
            *rights |= cm_right_at(i);
            return CM_OK;
        }
    }
    return CM_REFUSE;
}

cm_rights cm_rights_that_stand(cm_rights rights)
{
    if ((rights & CM_RIGHT_VIEW) == 0)
        rights &= CM_RIGHT_PUBLISH;
    return (rights & CM_RIGHT_HISTORY) != 0 ? rights : rights & ~(cm_rights)CM_RIGHT_EXPORT;
}

bool cm_rights_are_whole(cm_rights rights)
{
    return rights != 0 && (rights & ~(cm_rights)CM_RIGHTS_ALL) == 0 &&
           cm_rights_that_stand(rights) == rights;
}

cm_status cm_rights_parse(cm_slice list, cm_rights *out)
{
    cm_rights rights = 0;
    while (list.size > 0)
        CM_TRY(cm_right_add(cm_slice_cut(&list, ','), &rights));
    CM_ENSURE(cm_rights_are_whole(rights), CM_REFUSE);
    *out = rights;
    return CM_OK;
}
