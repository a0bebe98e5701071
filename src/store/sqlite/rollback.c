/*
 * Going back to the copy of the database that was made before an upgrade, with the version that was
 * there before it.
 *
 * The copy is made ready in a folder of its own: opened, its rows checked, and taken over like any
 * older database if something was taken away since. Only then does it take the database's name, in
 * one step; the database of the later version is kept as one copy more.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "store/files.h"
#include "store/sqlite/copies.h"
#include "store/sqlite/migrations.h"
#include "store/sqlite/store_priv.h"

typedef struct going_back {
    const char *directory;
    char *message;
    int hold;
    char stage[PATH_MAX]; /* "" until it is made */
    cm_rolled_back *out;
} going_back;

static cm_status say(const going_back *g, const char *sentence)
{
    snprintf(g->message, CM_STORE_MESSAGE_SIZE, "%s: %s", g->directory, sentence);
    return CM_REFUSE;
}

static const char *const STAGED[] = {"casement.db", "casement.db-wal", "casement.db-shm",
                                     "generation"};

static void clear_stage(const char *stage)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < CM_COUNT(STAGED); i++)
        if (cm_files_join(stage, STAGED[i], path) == CM_OK)
            unlink(path);
    rmdir(stage);
}

static void end(going_back *g)
{
    if (g->stage[0] != '\0')
        clear_stage(g->stage);
    cm_file_close(&g->hold);
}

/* Where both databases are asked for it, nobody else is at work. */
static cm_status read_step(const char *path, int64_t *step)
{
    cm_db db;
    CM_TRY(cm_db_open(path, &db));
    int64_t application = 0;
    cm_status status = cm_db_ask_integer(&db, "PRAGMA application_id", &application);
    if (status == CM_OK)
        status = cm_db_ask_integer(&db, "PRAGMA user_version", step);
    /* What stands in the write-ahead log belongs to this file, and comes into it. */
    if (status == CM_OK)
        status = cm_db_run(&db, "PRAGMA wal_checkpoint(TRUNCATE)");
    cm_db_close(&db);
    return status == CM_OK && application != CM_APPLICATION_ID ? CM_REFUSE : status;
}

static cm_status choose(going_back *g)
{
    char path[PATH_MAX];
    CM_TRY(cm_files_join(g->directory, "casement.db", path));
    if (access(path, F_OK) != 0 || read_step(path, &g->out->step) != CM_OK)
        return say(g, "there is no database of casement that can be read");
    if (g->out->step <= cm_migrations_steps())
        return say(g, "the database is not of a later version than this one, which can start with "
                      "it; to go back, install the earlier version first, and run this with it");
    if (cm_copies_find(g->directory, cm_migrations_steps(), g->out->copy) != CM_OK)
        return say(g, "there is no copy from before the upgrade that this version could use; "
                      "restore a backup that was made with it");
    return CM_OK;
}

static cm_status copy_file(const char *from, const char *to, const char *directory)
{
    CM_AUTO(cm_file_close) int in = open(from, O_RDONLY | O_CLOEXEC);
    CM_AUTO(cm_file_close) int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    CM_ENSURE(in >= 0 && out >= 0, CM_BROKEN);
    CM_TRY(cm_files_copy(in, out));
    CM_TRY(cm_files_give(out, directory));
    return fsync(out) == 0 ? CM_OK : CM_BROKEN;
}

static cm_status copy_to_stage(const going_back *g, const char *name, const char *as)
{
    char from[PATH_MAX];
    char to[PATH_MAX];
    CM_TRY(cm_files_join(g->directory, name, from));
    CM_TRY(cm_files_join(g->stage, as, to));
    return copy_file(from, to, g->directory);
}

static cm_status make_stage(going_back *g)
{
    char stage[PATH_MAX];
    CM_TRY(cm_files_join(g->directory, "rollback", stage));
    clear_stage(stage); /* of one that was ended in the middle */
    CM_ENSURE(mkdir(stage, 0700) == 0, CM_BROKEN);
    cm_store_copy(g->stage, sizeof g->stage, cm_slice_over(stage, sizeof stage));
    CM_TRY(copy_to_stage(g, g->out->copy, "casement.db"));
    return copy_to_stage(g, "generation", "generation");
}

/* CM_REFUSE with the sentence of the store. */
static cm_status open_stage(going_back *g)
{
    const cm_store_config config = {.directory = g->stage,
                                    .key_directory = g->directory,
                                    .must_exist = true,
                                    .accepts_older = true};
    cm_store *store = NULL;
    CM_TRY(cm_store_open(&config, g->message, &store));
    const cm_status status = cm_store_check(store);
    g->out->is_taken_over = store->is_taken_over;
    cm_store_close(store);
    return status == CM_OK ? CM_OK
                           : say(g, "the copy is damaged; restore a backup made with this version");
}

/* The later version's database keeps a name before its own is given to the copy. */
static cm_status exchange(const going_back *g)
{
    char present[PATH_MAX];
    char aside[PATH_MAX];
    char staged[PATH_MAX];
    cm_copies_name(g->directory, g->out->step, g->out->aside);
    CM_TRY(cm_files_join(g->directory, "casement.db", present));
    CM_TRY(cm_files_join(g->directory, g->out->aside, aside));
    CM_TRY(cm_files_join(g->stage, "casement.db", staged));
    CM_ENSURE(link(present, aside) == 0 && rename(staged, present) == 0, CM_BROKEN);
    return cm_files_sync_directory(g->directory);
}

cm_status cm_store_rollback(const char *directory, char message[CM_STORE_MESSAGE_SIZE],
                            cm_rolled_back *out)
{
    message[0] = '\0';
    CM_AUTO(end) going_back g = {.directory = directory, .message = message, .hold = -1};
    *out = (cm_rolled_back){.step = 0};
    g.out = out;
    const cm_status hold = cm_files_hold(directory, CM_HOLD_ALONE, &g.hold);
    if (hold != CM_OK)
        return say(&g, hold == CM_ABSENT ? "there is no such data directory"
                                         : "a server or a command works on it; stop it first");
    CM_TRY(choose(&g));
    if (make_stage(&g) != CM_OK)
        return say(&g, "the copy can't be made ready: is the disk full?");
    CM_TRY(open_stage(&g));
    if (exchange(&g) != CM_OK)
        return say(&g, "the database can't be replaced; nothing was changed");
    /* Of its own kind alone: however often one goes back, the way back stays. */
    cm_copies_prune(directory, out->step, out->step);
    cm_log(CM_LOG_WARN, "store", "event=rolled-back copy=%s", out->copy);
    return CM_OK;
}
