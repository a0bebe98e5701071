/*
 * casement-helper: the only executable of ours that links a codec. What it does is its first
 * argument; each job is a file of its own.
 */
#include <stdio.h>
#include <string.h>

#include "helper/scene.h"
#include "helper/sound.h"
#include "helper/still.h"
#include "helper/transcode.h"

static const struct {
    const char *name;
    cm_status (*run)(int count, char **arguments);
} JOBS[] = {
    {"scene", scene_run},
    {"sound", sound_run},
    {"still", still_run},
    {"transcode", transcode_run},
};

int main(int count, char **arguments)
{
    if (count == 2 && strcmp(arguments[1], "--version") == 0) { /* `casement doctor` compares */
        printf("casement-helper " CM_VERSION "\n");
        return fflush(stdout) == 0 ? 0 : 1;
    }
    for (size_t i = 0; count >= 2 && i < CM_COUNT(JOBS); i++) {
        if (strcmp(arguments[1], JOBS[i].name) != 0)
            continue;
        const cm_status status = JOBS[i].run(count - 2, arguments + 2);
        if (status != CM_OK)
            fprintf(stderr, "casement-helper %s: %s\n", arguments[1], cm_status_name(status));
        return status == CM_OK ? 0 : status == CM_REFUSE ? 2 : 1;
    }
    fprintf(stderr, "casement-helper: which job?\n");
    return 2;
}
