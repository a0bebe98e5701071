#include "store/sqlite/copies.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "store/files.h"
#include "store/sqlite/store_priv.h"

#define PREFIX "casement.db."
enum { COPY_PAGES = 256, TIME_SIZE = 16 /* 20261121T201500Z */, STEPS_MOST = 100000 };

/* ---- copying ---- */

static void tell(const cm_store_progress *progress, sqlite3_backup *backup)
{
    if (progress == NULL)
        return;
    const uint64_t all = (uint64_t)sqlite3_backup_pagecount(backup);
    progress->on_part(progress->owner, all - (uint64_t)sqlite3_backup_remaining(backup), all);
}

static int copy_pages(sqlite3 *from, sqlite3 *to, const cm_store_progress *progress)
{
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (backup == NULL)
        return sqlite3_extended_errcode(to);
    int code = SQLITE_OK;
    while (code == SQLITE_OK) {
        code = sqlite3_backup_step(backup, COPY_PAGES);
        tell(progress, backup);
    }
    const int finished = sqlite3_backup_finish(backup);
    return code == SQLITE_DONE ? finished : code;
}

/* What is half there after a crash is no copy: it needs no journal, and its maker syncs it. */
static int copy_into(cm_db *from, const cm_db_copying *copying, sqlite3 **to)
{
    int code =
        sqlite3_open_v2(copying->path, to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (copying->is_unnamed)
        unlink(copying->path);
    if (code == SQLITE_OK)
        code =
            sqlite3_exec(*to, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;", NULL, NULL, NULL);
    return code == SQLITE_OK ? copy_pages(from->handle, *to, copying->progress) : code;
}

cm_status cm_db_copy(cm_db *from, const cm_db_copying *copying)
{
    sqlite3 *to = NULL;
    int code = copy_into(from, copying, &to);
    const int closed = sqlite3_close(to);
    code = code == SQLITE_OK ? closed : code;
    if (code == SQLITE_OK)
        return CM_OK;
    cm_log(CM_LOG_ERROR, "store", "event=not-copied code=%d cause=\"%s\"", code,
           sqlite3_errstr(code));
    return CM_BROKEN;
}

cm_status cm_store_snapshot(cm_store *store, const cm_store_progress *progress, int *fd_out)
{
    char path[PATH_MAX];
    CM_TRY(cm_files_join(store->directory, "snapshot.XXXXXX", path));
    CM_AUTO(cm_file_close) int fd = mkostemp(path, O_CLOEXEC);
    CM_ENSURE(fd >= 0, CM_BROKEN);
    CM_AUTO(cm_tx_end) cm_tx tx;
    cm_status status = cm_tx_begin(store, CM_TX_READ, &tx);
    if (status == CM_OK)
        status = cm_db_copy(tx.db, &(cm_db_copying){path, true, progress});
    else
        unlink(path);
    CM_TRY(status);
    *fd_out = fd;
    fd = -1;
    return CM_OK;
}

/* ---- kept copies ---- */

static void write_name(time_t when, int64_t step, char out[CM_COPY_NAME_SIZE])
{
    struct tm utc;
    char text[TIME_SIZE + 1] = "";
    gmtime_r(&when, &utc);
    strftime(text, sizeof text, "%Y%m%dT%H%M%SZ", &utc);
    snprintf(out, CM_COPY_NAME_SIZE, PREFIX "%s.step%" PRId64, text, step);
}

static bool is_time(cm_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t c = text.bytes[i];
        if (i == 8 ? c != 'T' : i == TIME_SIZE - 1 ? c != 'Z' : c < '0' || c > '9')
            return false;
    }
    return text.size == TIME_SIZE;
}

static bool read_name(const char *name, uint64_t *step)
{
    const cm_slice text = cm_slice_of(name);
    const size_t before = sizeof PREFIX - 1 + TIME_SIZE;
    const cm_slice middle = CM_TEXT(".step");
    return cm_slice_starts(text, CM_TEXT(PREFIX)) &&
           is_time(cm_slice_part(text, sizeof PREFIX - 1, TIME_SIZE)) &&
           cm_slice_equal(cm_slice_part(text, before, middle.size), middle) &&
           cm_slice_to_u64(cm_slice_from(text, before + middle.size), STEPS_MOST, step) == CM_OK;
}

/* The newest copy with so many steps that is older than the name `before` (""). */
static cm_status find_before(const char *directory, uint64_t step_least, uint64_t step_most,
                             const char *before, char out[CM_COPY_NAME_SIZE])
{
    CM_AUTO(cm_file_close_directory) DIR *entries = opendir(directory);
    CM_ENSURE(entries != NULL, CM_BROKEN);
    char best[CM_COPY_NAME_SIZE] = "";
    for (const struct dirent *e; (e = readdir(entries)) != NULL;) {
        uint64_t step;
        if (read_name(e->d_name, &step) && step >= step_least && step <= step_most &&
            strcmp(e->d_name, best) > 0 && (before[0] == '\0' || strcmp(e->d_name, before) < 0))
            CM_TRY(cm_slice_to_cstr(cm_slice_of(e->d_name), best, sizeof best));
    }
    CM_ENSURE(best[0] != '\0', CM_ABSENT);
    cm_store_copy(out, CM_COPY_NAME_SIZE, cm_slice_over(best, sizeof best));
    return CM_OK;
}

cm_status cm_copies_find(const char *directory, int64_t step_most, char out[CM_COPY_NAME_SIZE])
{
    return find_before(directory, 0, (uint64_t)step_most, "", out);
}

/* The clock may stand before that of the copies there are; what is made now is the newest all the
 * same, or it would be the first to be taken for an old one. */
void cm_copies_name(const char *directory, int64_t step, char out[CM_COPY_NAME_SIZE])
{
    char newest[CM_COPY_NAME_SIZE] = "";
    struct tm utc = {0};
    time_t when = time(NULL);
    if (find_before(directory, 0, STEPS_MOST, "", newest) == CM_OK &&
        strptime(newest + sizeof PREFIX - 1, "%Y%m%dT%H%M%SZ", &utc) != NULL &&
        timegm(&utc) >= when)
        when = timegm(&utc) + 1;
    write_name(when, step, out);
}

void cm_copies_prune(const char *directory, int64_t step_least, int64_t step_most)
{
    char name[CM_COPY_NAME_SIZE] = "";
    char path[PATH_MAX];
    size_t seen = 0;
    while (find_before(directory, (uint64_t)step_least, (uint64_t)step_most, name, name) == CM_OK)
        if (++seen > CM_COPIES_KEPT && cm_files_join(directory, name, path) == CM_OK)
            unlink(path);
}

/* Complete under its own name, or not there. */
static cm_status keep(cm_db *db, const char *directory, const char *draft, const char *path)
{
    unlink(draft);
    CM_AUTO(cm_file_close)
    int fd = open(draft, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    CM_ENSURE(fd >= 0, CM_BROKEN);
    cm_status status = cm_files_give(fd, directory);
    if (status == CM_OK)
        status = cm_db_copy(db, &(cm_db_copying){.path = draft});
    if (status == CM_OK && (fsync(fd) != 0 || rename(draft, path) != 0))
        status = CM_BROKEN;
    if (status != CM_OK)
        unlink(draft);
    return status;
}

cm_status cm_copies_keep(cm_db *db, const char *directory, int64_t step)
{
    char name[CM_COPY_NAME_SIZE];
    char draft[PATH_MAX];
    char path[PATH_MAX];
    cm_copies_name(directory, step, name);
    CM_TRY(cm_files_join(directory, PREFIX "draft", draft));
    CM_TRY(cm_files_join(directory, name, path));
    CM_TRY(keep(db, directory, draft, path));
    CM_TRY(cm_files_sync_directory(directory));
    cm_copies_prune(directory, 0, step);
    cm_log(CM_LOG_INFO, "store", "event=copied-before-upgrade copy=%s", name);
    return CM_OK;
}
