/* A backup of a data directory and its way back: what is in it, what it gives and what it must not
 * give again, and that a directory is the old one or the new one whatever happens. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <sys/wait.h>

#include "base/buffer.h"
#include "server/backup.h"
#include "server/restore.h"
#include "store/files.h"
#include "store/keyfile.h"
#include "store_world.h"

enum { FILE_MAX = 8 << 20 };

static const char PASSPHRASE[] = "a long enough passphrase";

static cm_status keep(void *owner, cm_slice bytes)
{
    return cm_buffer_add(owner, bytes);
}

static cm_status take(void *owner, uint8_t *out, size_t capacity, size_t *size_out)
{
    cm_slice *rest = owner;
    const cm_slice now = cm_slice_part(*rest, 0, capacity);
    cm_slice_copy(now, out, capacity);
    *rest = cm_slice_from(*rest, now.size);
    *size_out = now.size;
    return CM_OK;
}

static void write_text(const char *directory, const char *name, const char *text)
{
    char path[PATH_MAX];
    assert_int_equal(cm_files_join(directory, name, path), CM_OK);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void assert_text_of(const char *directory, const char *name, const char *text, int mode)
{
    char path[PATH_MAX];
    char bytes[256] = "";
    assert_int_equal(cm_files_join(directory, name, path), CM_OK);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fread(bytes, 1, sizeof bytes - 1, file), strlen(text));
    fclose(file);
    assert_string_equal(bytes, text);
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, mode);
}

static bool is_there(const char *directory, const char *name)
{
    char path[PATH_MAX];
    assert_int_equal(cm_files_join(directory, name, path), CM_OK);
    return access(path, F_OK) == 0;
}

static void back_up(const char *directory, const char *passphrase, cm_buffer *out)
{
    char message[CM_STORE_MESSAGE_SIZE];
    cm_buffer_init(out, FILE_MAX);
    const cm_backup_config config = {.directory = directory,
                                     .passphrase = cm_slice_of(passphrase),
                                     .passes = 1,
                                     .memory_mib = 8,
                                     .now = NOW,
                                     .sink = {keep, out}};
    if (cm_backup_write(&config, message) != CM_OK)
        fail_msg("%s", message);
}

typedef struct way_back {
    char message[CM_STORE_MESSAGE_SIZE];
    cm_restored restored;
    cm_status status;
} way_back;

static way_back restore(cm_slice file, const char *directory, const cm_secret *master,
                        const char *passphrase, bool replaces)
{
    way_back w = {.status = CM_OK};
    cm_archive_reader *reader = NULL;
    cm_archive_head head;
    cm_secret key;
    assert_int_equal(cm_archive_open((cm_archive_source){take, &file}, &reader), CM_OK);
    assert_int_equal(cm_archive_read_head(reader, &head), CM_OK);
    assert_int_equal(
        cm_archive_key(
            &head, passphrase != NULL ? cm_slice_of(passphrase) : cm_secret_borrow(master), &key),
        CM_OK);
    assert_int_equal(cm_archive_unlock(reader, &key), CM_OK);
    const cm_restore_config config = {.reader = reader,
                                      .directory = directory,
                                      .replaces = replaces,
                                      .master = passphrase != NULL ? NULL : master,
                                      .now = NOW};
    w.status = cm_restore_run(&config, w.message, &w.restored);
    cm_archive_reader_destroy(reader);
    return w;
}

static cm_secret master_of(const char *directory)
{
    char text[256];
    cm_secret master;
    assert_int_equal(cm_keyfile_read(directory, (cm_keyfile_fault){text, sizeof text}, &master),
                     CM_OK);
    return master;
}

static bool may_see(store_world *w, size_t who, const char *home, const char *camera)
{
    const cm_camera_key key = camera_key(home, camera);
    cm_evidence evidence;
    const char *cause = NULL;
    return cm_store_evidence(w->store, &w->sessions[who], &key, NOW, &evidence, &cause) == CM_OK &&
           evidence.session_is_live && evidence.account_is_active &&
           (evidence.role == CM_ROLE_OWNER ||
            (evidence.granted.count > 0 && (evidence.granted.items[0].rights & VIEW) != 0));
}

static uint64_t epoch_of(store_world *w, const char *home, const char *camera)
{
    const cm_camera_key key = camera_key(home, camera);
    cm_stored_camera out;
    assert_int_equal(cm_store_camera_find(w->store, &key, &out), CM_OK);
    return out.min_epoch;
}

/* The directory and all that restores leave beside it. */
static void remove_all(store_world *w)
{
    cm_store_close(w->store);
    char command[256];
    DIR *tmp = opendir("/tmp");
    const char *base = strrchr(w->directory, '/') + 1;
    for (const struct dirent *e; (e = readdir(tmp)) != NULL;) {
        if (strncmp(e->d_name, base, strlen(base)) != 0)
            continue;
        snprintf(command, sizeof command, "/tmp/%.100s/audit", e->d_name);
        remove_directory(command);
        snprintf(command, sizeof command, "/tmp/%.100s", e->d_name);
        remove_directory(command);
    }
    closedir(tmp);
}

static void move_away(store_world *w, char moved[80])
{
    cm_store_close(w->store);
    w->store = NULL;
    snprintf(moved, 80, "%s-moved", w->directory);
    assert_int_equal(rename(w->directory, moved), 0);
}

static size_t leftovers(const store_world *w, const char *suffix)
{
    size_t count = 0;
    DIR *tmp = opendir("/tmp");
    const char *base = strrchr(w->directory, '/') + 1;
    for (const struct dirent *e; (e = readdir(tmp)) != NULL;)
        count += strncmp(e->d_name, base, strlen(base)) == 0 && strstr(e->d_name, suffix) != NULL;
    closedir(tmp);
    return count;
}

/* ---- what is in it ---- */

static void everything_comes_back_into_an_empty_place(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    char audit[128];
    snprintf(audit, sizeof audit, "%s/audit", w.directory);
    assert_int_equal(mkdir(audit, 0700), 0);
    write_text(audit, "0001", "who saw what");
    write_text(audit, ".0002.new", "half");
    write_text(w.directory, "ca.crt", "a certificate");
    write_text(w.directory, "ca.key", "its key");
    assert_int_equal(cm_store_setting_write(w.store, "colour", CM_TEXT("blue")), CM_OK);
    const cm_secret master = master_of(w.directory);
    cm_buffer file;
    back_up(w.directory, "", &file); /* while the store is open */
    char moved[80];
    move_away(&w, moved);
    way_back back = restore(cm_buffer_data(&file), w.directory, &master, NULL, false);
    if (back.status != CM_OK)
        fail_msg("%s", back.message);
    assert_string_equal(back.restored.aside, "");
    assert_false(back.restored.has_replaced);
    assert_true(cm_given_has(&back.restored.given, "home verdi: camera door: bruno may view"));
    assert_true(cm_given_has(&back.restored.given, "home rossi: carla is owner"));
    cm_restored_clear(&back.restored);
    assert_text_of(w.directory, "ca.crt", "a certificate", 0644);
    assert_text_of(w.directory, "ca.key", "its key", 0600);
    assert_text_of(w.directory, "audit/0001", "who saw what", 0600);
    assert_false(is_there(w.directory, "audit/.0002.new"));
    struct stat info;
    assert_int_equal(stat(w.directory, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(world_try_open(&w, NULL), CM_OK); /* it starts: nothing is to be accepted */
    assert_int_equal(cm_store_check(w.store), CM_OK);
    char colour[16];
    assert_int_equal(cm_store_setting_read(w.store, "colour", colour, sizeof colour), CM_OK);
    assert_string_equal(colour, "blue");
    cm_buffer_deinit(&file);
    remove_all(&w);
}

static void the_key_is_in_it_only_under_a_passphrase(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_secret master = master_of(w.directory);
    cm_buffer plain;
    cm_buffer sealed;
    back_up(w.directory, "", &plain);
    back_up(w.directory, PASSPHRASE, &sealed);
    char moved[80];
    move_away(&w, moved);
    way_back back = restore(cm_buffer_data(&sealed), w.directory, NULL, PASSPHRASE, false);
    assert_int_equal(back.status, CM_OK);
    cm_restored_clear(&back.restored);
    const cm_secret again = master_of(w.directory);
    assert_true(cm_secret_equal(cm_secret_borrow(&again), cm_secret_borrow(&master)));
    assert_int_equal(world_try_open(&w, NULL), CM_OK);
    cm_store_close(w.store);
    w.store = NULL;
    /* The other one has no such part: where its key is not given, there is none. */
    char elsewhere[80];
    snprintf(elsewhere, sizeof elsewhere, "%s-else", w.directory);
    cm_archive_reader *reader = NULL;
    cm_slice rest = cm_buffer_data(&plain);
    cm_archive_head head;
    cm_secret key;
    assert_int_equal(cm_archive_open((cm_archive_source){take, &rest}, &reader), CM_OK);
    assert_int_equal(cm_archive_read_head(reader, &head), CM_OK);
    assert_int_equal(cm_archive_key(&head, cm_secret_borrow(&master), &key), CM_OK);
    assert_int_equal(cm_archive_unlock(reader, &key), CM_OK);
    const cm_restore_config config = {.reader = reader, .directory = elsewhere, .now = NOW};
    char message[CM_STORE_MESSAGE_SIZE];
    cm_restored restored;
    assert_int_equal(cm_restore_run(&config, message, &restored), CM_REFUSE);
    assert_non_null(strstr(message, "master key"));
    assert_int_not_equal(access(elsewhere, F_OK), 0);
    cm_archive_reader_destroy(reader);
    cm_buffer_deinit(&plain);
    cm_buffer_deinit(&sealed);
    remove_all(&w);
}

/* ---- what it must not give again ---- */

static void what_was_taken_away_since_is_listed_and_nobody_is_signed_in(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_secret master = master_of(w.directory);
    const cm_camera_key door = camera_key("verdi", "door");
    const cm_asker api = asker_of(CM_ASKER_API_TOKEN, "api");
    cm_stored_token token;
    const cm_new_token fresh = {.camera = door,
                                .account = w.people[ANNA].id,
                                .rights = VIEW,
                                .expires = {NOW.us + DAY_US},
                                .token_hash = api.token_hash};
    assert_int_equal(cm_store_token_create(w.store, &fresh, NOW, &token), CM_OK);
    cm_buffer file;
    back_up(w.directory, "", &file);
    cm_change change;
    assert_int_equal(cm_store_grant_remove(w.store, &door, &w.people[BRUNO].id, &change), CM_OK);
    const uint64_t epoch = change.raised[0].min_epoch;
    cm_change_clear(&change);
    assert_int_equal(cm_store_account_set_active(w.store, &w.people[DARIO].id, false, &change),
                     CM_OK);
    cm_change_clear(&change);
    cm_store_close(w.store);
    w.store = NULL;
    way_back back = restore(cm_buffer_data(&file), w.directory, &master, NULL, true);
    assert_int_equal(back.status, CM_OK);
    const cm_restored *r = &back.restored;
    assert_true(r->has_replaced);
    const char *grant = "home verdi: camera door: bruno may view";
    assert_true(cm_given_has(&r->given, grant) && !cm_given_has(&r->replaced, grant));
    assert_true(cm_given_has(&r->given, "dario may sign in"));
    assert_false(cm_given_has(&r->replaced, "dario may sign in"));
    assert_true(cm_given_has(&r->replaced, "home verdi: anna is owner"));
    assert_int_equal(access(r->aside, F_OK), 0);
    cm_restored_clear(&back.restored);
    assert_int_equal(world_try_open(&w, NULL), CM_OK);
    for (size_t who = 0; who < PEOPLE; who++)
        assert_false(may_see(&w, who, "verdi", "door") || may_see(&w, who, "rossi", "door"));
    cm_stored_tokens tokens;
    assert_int_equal(cm_store_tokens(w.store, &w.verdi, &tokens), CM_OK);
    assert_int_equal(tokens.count, 0);
    cm_stored_tokens_clear(&tokens);
    assert_true(epoch_of(&w, "verdi", "door") >= epoch);
    cm_buffer_deinit(&file);
    remove_all(&w);
}

/* Another hour, another end, another group: each is another line, so that it is marked. */
static void the_list_says_hours_ends_and_groups(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_camera_key yard = camera_key("verdi", "yard");
    const cm_grant_terms terms = {.rights = VIEW | 2,
                                  .hours = {.days = 3, .from = 8 * 60, .to = 18 * 60 + 30},
                                  .not_after = {.us = NOW.us + DAY_US}};
    cm_change change;
    assert_int_equal(
        cm_store_grant_put(w.store, &yard, &w.people[BRUNO].id, &terms, false, NOW, &change),
        CM_OK);
    cm_change_clear(&change);
    cm_group_key group = {.home = w.verdi};
    const cm_group_cameras cameras = {.items = &yard.camera, .count = 1};
    assert_int_equal(cm_store_group_create(w.store, &group, CM_TEXT("Outside"), &cameras, NOW),
                     CM_OK);
    const cm_grant_terms view = {.rights = VIEW};
    assert_int_equal(
        cm_store_group_grant_put(w.store, &group, &w.people[BRUNO].id, &view, NOW, &change), CM_OK);
    cm_change_clear(&change);
    CM_AUTO(cm_given_clear) cm_given given = {.count = 0};
    assert_int_equal(cm_given_read(w.store, NOW, &given), CM_OK);
    assert_true(cm_given_has(&given, "home verdi: camera yard: bruno may view, listen, on mon tue "
                                     "08:00 to 18:30, until 2026-11-19T11:06:40Z"));
    assert_true(cm_given_has(&given, "home verdi: group Outside: camera yard is in it"));
    assert_true(cm_given_has(&given, "home verdi: group Outside: bruno may view"));
    remove_all(&w);
}

/* Also when nothing was taken away since: a person who restores cannot know it. */
static void sessions_end_and_epochs_rise_in_every_case(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_secret master = master_of(w.directory);
    assert_true(may_see(&w, ANNA, "verdi", "yard"));
    const uint64_t epoch = epoch_of(&w, "verdi", "yard");
    cm_buffer file;
    back_up(w.directory, "", &file);
    cm_store_close(w.store);
    w.store = NULL;
    way_back back = restore(cm_buffer_data(&file), w.directory, &master, NULL, true);
    assert_int_equal(back.status, CM_OK);
    for (size_t i = 0; i < back.restored.given.count; i++)
        assert_true(cm_given_has(&back.restored.replaced, back.restored.given.lines[i]));
    cm_restored_clear(&back.restored);
    assert_int_equal(world_try_open(&w, NULL), CM_OK);
    assert_false(may_see(&w, ANNA, "verdi", "yard"));
    assert_true(epoch_of(&w, "verdi", "yard") > epoch);
    cm_buffer_deinit(&file);
    remove_all(&w);
}

/* A row from after the backup, or the whole replaced database, does not fit any more. */
static void the_replaced_database_put_back_is_refused(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_secret master = master_of(w.directory);
    cm_buffer file;
    back_up(w.directory, "", &file);
    const cm_camera_key door = camera_key("verdi", "door");
    cm_change change;
    assert_int_equal(cm_store_grant_remove(w.store, &door, &w.people[BRUNO].id, &change), CM_OK);
    cm_change_clear(&change);
    cm_store_close(w.store);
    w.store = NULL;
    way_back back = restore(cm_buffer_data(&file), w.directory, &master, NULL, true);
    assert_int_equal(back.status, CM_OK);
    char former[PATH_MAX];
    char present[PATH_MAX];
    assert_int_equal(cm_files_join(back.restored.aside, "casement.db", former), CM_OK);
    assert_int_equal(cm_files_join(w.directory, "casement.db", present), CM_OK);
    cm_restored_clear(&back.restored);
    assert_int_equal(rename(former, present), 0);
    assert_int_equal(world_try_open(&w, NULL), CM_REFUSE);
    assert_non_null(strstr(w.message, "accept-restore"));
    cm_buffer_deinit(&file);
    remove_all(&w);
}

/* ---- when it is refused ---- */

static void refused(cm_slice file, const store_world *w, const cm_secret *master, bool replaces,
                    const char *words)
{
    way_back back = restore(file, w->directory, master, NULL, replaces);
    assert_int_equal(back.status, CM_REFUSE);
    if (strstr(back.message, words) == NULL)
        fail_msg("'%s' does not say '%s'", back.message, words);
    assert_int_equal(leftovers(w, ".restoring-"), 0);
    assert_int_equal(leftovers(w, ".replaced-"), 0);
}

static void a_directory_in_use_or_not_empty_is_left_alone(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_secret master = master_of(w.directory);
    cm_buffer file;
    back_up(w.directory, "", &file);
    refused(cm_buffer_data(&file), &w, &master, false, "--replace");
    refused(cm_buffer_data(&file), &w, &master, true, "stop it first");
    assert_true(may_see(&w, ANNA, "verdi", "door"));
    cm_store_close(w.store);
    w.store = NULL;
    refused(cm_buffer_data(&file), &w, &master, false, "--replace");
    assert_int_equal(world_try_open(&w, NULL), CM_OK);
    assert_true(may_see(&w, ANNA, "verdi", "door"));
    cm_buffer_deinit(&file);
    remove_all(&w);
}

static void a_damaged_or_short_one_changes_nothing(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_secret master = master_of(w.directory);
    cm_buffer file;
    back_up(w.directory, "", &file);
    cm_store_close(w.store);
    w.store = NULL;
    const cm_slice all = cm_buffer_data(&file);
    refused(cm_slice_part(all, 0, all.size - 1), &w, &master, true, "cut off");
    refused(cm_slice_part(all, 0, all.size / 2), &w, &master, true, "casement.db");
    uint8_t *copy = malloc(all.size);
    cm_slice_copy(all, copy, all.size);
    copy[all.size / 2] ^= 1;
    refused(cm_slice_over(copy, all.size), &w, &master, true, "damaged");
    free(copy);
    assert_int_equal(world_try_open(&w, NULL), CM_OK);
    assert_true(may_see(&w, BRUNO, "verdi", "door"));
    cm_buffer_deinit(&file);
    remove_all(&w);
}

/* Vouched for by the key, but with a name that leaves the directory, twice the same, or no
 * database. */
static void refused_with_part(const store_world *w, const char *name, bool is_twice,
                              const char *words)
{
    const cm_secret master = master_of(w->directory);
    const cm_archive_head head = {.lock = CM_ARCHIVE_BY_KEY, .version = "0.1.0"};
    cm_buffer file;
    cm_buffer_init(&file, FILE_MAX);
    cm_secret key;
    cm_archive_writer *writer = NULL;
    assert_int_equal(cm_archive_key(&head, cm_secret_borrow(&master), &key), CM_OK);
    assert_int_equal(cm_archive_begin(&head, &key, (cm_archive_sink){keep, &file}, &writer), CM_OK);
    for (int i = 0; i < (is_twice ? 2 : 1); i++) {
        assert_int_equal(cm_archive_begin_part(writer, name, 1), CM_OK);
        assert_int_equal(cm_archive_add(writer, CM_TEXT("x")), CM_OK);
    }
    assert_int_equal(cm_archive_end(writer), CM_OK);
    cm_archive_writer_destroy(writer);
    refused(cm_buffer_data(&file), w, &master, true, words);
    cm_buffer_deinit(&file);
}

static void parts_that_are_none_are_refused(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    cm_store_close(w.store);
    w.store = NULL;
    static const char *const NAMES[] = {"../evil",    "/etc/passwd", "audit/../x",    "audit/.x",
                                        "audit",      "audit/a/b",   "casement.db/x", "generation",
                                        "casement.d", "audit/",      "audit/a b"};
    for (size_t i = 0; i < CM_COUNT(NAMES); i++)
        refused_with_part(&w, NAMES[i], false, "does not know");
    refused_with_part(&w, "ca.crt", false, "no database");
    refused_with_part(&w, "ca.crt", true, "File exists");
    refused_with_part(&w, "casement.db", false, "nothing in it");
    remove_all(&w);
}

/* A sink that fails, as a full disk does: told, and whatever was written is no backup. */
typedef struct small_disk {
    size_t left;
} small_disk;

static cm_status keep_little(void *owner, cm_slice bytes)
{
    small_disk *d = owner;
    CM_ENSURE(bytes.size <= d->left, CM_BROKEN);
    d->left -= bytes.size;
    return CM_OK;
}

static void a_full_disk_fails_the_backup(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    for (size_t room = 0; room < 60000; room += 7000) {
        small_disk disk = {.left = room};
        char message[CM_STORE_MESSAGE_SIZE] = "";
        const cm_backup_config config = {
            .directory = w.directory, .now = NOW, .sink = {keep_little, &disk}};
        assert_int_equal(cm_backup_write(&config, message), CM_BROKEN);
        assert_string_not_equal(message, "");
    }
    assert_true(may_see(&w, ANNA, "verdi", "door"));
    remove_all(&w);
}

/* ---- while others write ---- */

static void a_backup_while_others_write_is_of_one_moment(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_secret master = master_of(w.directory);
    const pid_t child = fork();
    if (child == 0) {
        store_world mine = {.directory = {0}};
        snprintf(mine.directory, sizeof mine.directory, "%s", w.directory);
        if (world_try_open(&mine, NULL) != CM_OK)
            _exit(3);
        for (int i = 0;; i++) {
            char number[16];
            cm_change change;
            const cm_camera_key door = camera_key("verdi", "door");
            const cm_grant_terms terms = {.rights = VIEW | (i % 2 ? 2 : 0)};
            snprintf(number, sizeof number, "%d", i);
            if (cm_store_setting_write(mine.store, "count", cm_slice_of(number)) != CM_OK ||
                cm_store_grant_put(mine.store, &door, &w.people[BRUNO].id, &terms, false, NOW,
                                   &change) != CM_OK)
                _exit(4);
            cm_change_clear(&change);
        }
    }
    char elsewhere[80];
    snprintf(elsewhere, sizeof elsewhere, "%s-else", w.directory);
    for (int i = 0; i < 5; i++) {
        cm_buffer file;
        back_up(w.directory, "", &file);
        way_back back = restore(cm_buffer_data(&file), elsewhere, &master, NULL, i > 0);
        if (back.status != CM_OK)
            fail_msg("%s", back.message);
        cm_restored_clear(&back.restored);
        cm_buffer_deinit(&file);
    }
    kill(child, SIGKILL);
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFSIGNALED(how));
    remove_all(&w);
}

/* ---- killed in the middle ---- */

/* Whatever moment it is killed at: the directory opens, and holds the old state or the new one. */
static void killed_in_the_middle_of_a_restore(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_secret master = master_of(w.directory);
    assert_int_equal(cm_store_setting_write(w.store, "state", CM_TEXT("backup")), CM_OK);
    cm_buffer file;
    back_up(w.directory, "", &file);
    assert_int_equal(cm_store_setting_write(w.store, "state", CM_TEXT("old")), CM_OK);
    cm_store_close(w.store);
    w.store = NULL;
    cm_random random = cm_random_seeded(7);
    int news = 0;
    for (int round = 0; round < 30; round++) {
        const pid_t child = fork();
        if (child == 0) {
            way_back back = restore(cm_buffer_data(&file), w.directory, &master, NULL, true);
            _exit(back.status == CM_OK ? 0 : 3);
        }
        /* The last one runs to its end, however slow this machine is. */
        int how;
        if (round < 29) {
            usleep((useconds_t)cm_random_below(&random, 60000));
            kill(child, SIGKILL);
        }
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_true(WIFSIGNALED(how) || WEXITSTATUS(how) == 0);
        if (world_try_open(&w, NULL) != CM_OK)
            fail_msg("round %d: %s", round, w.message);
        assert_int_equal(cm_store_check(w.store), CM_OK);
        char text[16];
        assert_int_equal(cm_store_setting_read(w.store, "state", text, sizeof text), CM_OK);
        const bool is_new = strcmp(text, "backup") == 0;
        assert_true(is_new || strcmp(text, "old") == 0);
        news += is_new;
        assert_int_equal(cm_store_setting_write(w.store, "state", CM_TEXT("old")), CM_OK);
        cm_store_close(w.store);
        w.store = NULL;
    }
    assert_true(news >= 1);
    cm_buffer_deinit(&file);
    remove_all(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_comes_back_into_an_empty_place),
        cmocka_unit_test(the_key_is_in_it_only_under_a_passphrase),
        cmocka_unit_test(what_was_taken_away_since_is_listed_and_nobody_is_signed_in),
        cmocka_unit_test(the_list_says_hours_ends_and_groups),
        cmocka_unit_test(sessions_end_and_epochs_rise_in_every_case),
        cmocka_unit_test(the_replaced_database_put_back_is_refused),
        cmocka_unit_test(a_directory_in_use_or_not_empty_is_left_alone),
        cmocka_unit_test(a_damaged_or_short_one_changes_nothing),
        cmocka_unit_test(parts_that_are_none_are_refused),
        cmocka_unit_test(a_full_disk_fails_the_backup),
        cmocka_unit_test(a_backup_while_others_write_is_of_one_moment),
        cmocka_unit_test(killed_in_the_middle_of_a_restore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
