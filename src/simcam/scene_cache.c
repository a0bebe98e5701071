#include "simcam/scene_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "simcam/scene_file.h"

enum {
    READ_SIZE = 1 << 16,
    NUMBER_SIZE = 16,
    WRONG_USAGE = 2, /* the helper's exit status */
};

static cm_status read_all(int descriptor, cm_buffer *out)
{
    for (;;) {
        uint8_t *room;
        CM_TRY(cm_buffer_room(out, READ_SIZE, &room));
        const ssize_t got = read(descriptor, room, READ_SIZE);
        CM_ENSURE(got >= 0, CM_BROKEN);
        if (got == 0)
            return CM_OK;
        cm_buffer_commit(out, (size_t)got);
    }
}

/* Something that the helper makes, and how it is read. */
typedef struct product {
    const char *const *arguments; // of the helper
    size_t size_max;
    cm_status (*parse)(cm_slice bytes, void *out);
    void *out;
} product;

static cm_status parse_scene(cm_slice bytes, void *out)
{
    return cm_scene_parse(bytes, out);
}

static cm_status parse_sound(cm_slice bytes, void *out)
{
    return cm_sound_set_parse(bytes, out);
}

/* From a file's start. */
static cm_status parse_file(int descriptor, const product *p)
{
    CM_ENSURE(lseek(descriptor, 0, SEEK_SET) == 0, CM_BROKEN);
    CM_AUTO(cm_buffer_deinit) cm_buffer bytes;
    cm_buffer_init(&bytes, p->size_max);
    CM_TRY(read_all(descriptor, &bytes));
    return p->parse(cm_buffer_data(&bytes), p->out);
}

static cm_status wait_for(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        CM_ENSURE(errno == EINTR, CM_BROKEN);
    CM_ENSURE(WIFEXITED(status), CM_BROKEN);
    if (WEXITSTATUS(status) == WRONG_USAGE)
        return CM_REFUSE;
    return WEXITSTATUS(status) == 0 ? CM_OK : CM_BROKEN;
}

/* Runs the helper with `descriptor` as its standard output. */
static cm_status encode(const char *helper, const product *p, int descriptor)
{
    static char *const EMPTY[] = {NULL};
    posix_spawn_file_actions_t actions;
    CM_ENSURE(posix_spawn_file_actions_init(&actions) == 0, CM_BROKEN);
    pid_t child;
    const bool is_started =
        posix_spawn_file_actions_adddup2(&actions, descriptor, STDOUT_FILENO) == 0 &&
        posix_spawn(&child, helper, &actions, NULL, (char *const *)(uintptr_t)p->arguments,
                    EMPTY) == 0;
    posix_spawn_file_actions_destroy(&actions);
    return is_started ? wait_for(child) : CM_BROKEN;
}

static cm_status make(const char *helper, const product *p, int descriptor)
{
    CM_TRY(encode(helper, p, descriptor));
    return parse_file(descriptor, p) == CM_OK ? CM_OK : CM_BROKEN;
}

/* Under another name first, so that no half file is ever found. */
static cm_status make_in_folder(const char *helper, const char *path, const product *p)
{
    char part[PATH_MAX];
    const int size = snprintf(part, sizeof part, "%s.XXXXXX", path);
    CM_ENSURE(size > 0 && (size_t)size < sizeof part, CM_BROKEN);
    CM_AUTO(cm_file_close) int file = mkostemp(part, O_CLOEXEC);
    CM_ENSURE(file >= 0, CM_BROKEN);
    cm_status status = make(helper, p, file);
    if (status == CM_OK && rename(part, path) == 0)
        return CM_OK;
    unlink(part);
    return status; /* what could not be kept is there all the same */
}

/* From `folder` under `name`, or made anew. */
static cm_status get(const char *helper, const char *folder, const char *name, const product *p)
{
    if (folder == NULL) {
        CM_AUTO(cm_file_close) int file = memfd_create("scene", MFD_CLOEXEC);
        CM_ENSURE(file >= 0, CM_BROKEN);
        return make(helper, p, file);
    }
    char path[PATH_MAX];
    const int size = snprintf(path, sizeof path, "%s/%s", folder, name);
    CM_ENSURE(size > 0 && (size_t)size < sizeof path, CM_REFUSE);
    CM_AUTO(cm_file_close) int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0 && parse_file(file, p) == CM_OK)
        return CM_OK;
    return make_in_folder(helper, path, p);
}

cm_status cm_scene_cache_get(const char *helper, const char *folder, const cm_scene_wish *wish,
                             cm_scene **out)
{
    const bool is_h265 = wish->codec == CM_VIDEO_H265;
    char name[8 * NUMBER_SIZE];
    char size[2 * NUMBER_SIZE];
    char numbers[5][NUMBER_SIZE];
    const unsigned values[5] = {wish->variant, wish->fps, wish->gop, wish->kbps, wish->pictures};
    snprintf(size, sizeof size, "%ux%u", wish->width, wish->height);
    for (size_t i = 0; i < CM_COUNT(values); i++)
        snprintf(numbers[i], sizeof numbers[i], "%u", values[i]);
    snprintf(name, sizeof name, "%s-%s-%s-%s-%s-%s%s.scene", size, numbers[0], numbers[1],
             numbers[2], numbers[3], numbers[4], is_h265 ? "-h265" : "");
    const char *const arguments[] = {"casement-helper",
                                     "scene",
                                     "--size",
                                     size,
                                     "--variant",
                                     numbers[0],
                                     "--fps",
                                     numbers[1],
                                     "--gop",
                                     numbers[2],
                                     "--kbps",
                                     numbers[3],
                                     "--frames",
                                     numbers[4],
                                     "--codec",
                                     is_h265 ? "h265" : "h264",
                                     NULL};
    return get(helper, folder, name,
               &(product){arguments, CM_SCENE_FILE_SIZE_MAX, parse_scene, out});
}

cm_status cm_sound_cache_get(const char *helper, const char *folder, const char *codec,
                             cm_sound_set **out)
{
    char name[2 * NUMBER_SIZE];
    snprintf(name, sizeof name, "%s.sound", codec);
    const char *const arguments[] = {"casement-helper", "sound", "--codec", codec, NULL};
    return get(helper, folder, name,
               &(product){arguments, CM_SOUND_FILE_SIZE_MAX, parse_sound, out});
}
