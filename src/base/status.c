#include "base/status.h"

#include <stddef.h>

const char *cm_status_name(cm_status status)
{
    switch (status) {
    case CM_OK:
        return "ok";
    case CM_RETRY:
        return "retry";
    case CM_REFUSE:
        return "refuse";
    case CM_ABSENT:
        return "absent";
    case CM_CLOSE:
        return "close";
    case CM_FULL:
        return "full";
    case CM_FOREIGN:
        return "foreign";
    case CM_BROKEN:
        return "broken";
    }
    return "unknown";
}

void *cm_take_pointer(void **variable)
{
    void *value = *variable;
    *variable = NULL;
    return value;
}
