/* An upgrade keeps a copy of the database, and there is a way back to it: what an earlier version
 * is told, what a rollback gives again and what it must not, and that a crash leaves one database
 * or the other. The later version is a program of its own (later_version.c). */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "store/files.h"
#include "store/keyfile.h"
#include "store_world.h"

static bool may_see(store_world *w, size_t who)
{
    const cm_camera_key key = camera_key("verdi", "door");
    cm_evidence e;
    const char *cause = NULL;
    return cm_store_evidence(w->store, &w->sessions[who], &key, NOW, &e, &cause) == CM_OK &&
           e.session_is_live &&
           (e.role == CM_ROLE_OWNER ||
            (e.granted.count > 0 && (e.granted.items[0].rights & VIEW) != 0));
}

static void close_store(store_world *w)
{
    cm_store_close(w->store);
    w->store = NULL;
}

static pid_t start_later(const store_world *w, const char *act)
{
    const char *program = getenv("CASEMENT_LATER");
    assert_non_null(program);
    const pid_t child = fork();
    if (child == 0) {
        const int null = open("/dev/null", O_WRONLY);
        dup2(null, 1);
        execl(program, program, w->directory, act, (char *)NULL);
        _exit(9);
    }
    return child;
}

static void run_later(const store_world *w, const char *act, int wanted)
{
    int how;
    const pid_t child = start_later(w, act);
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how));
    assert_int_equal(WEXITSTATUS(how), wanted);
}

/* How many copies there are; the newest one's name. */
static size_t copies(const store_world *w, char newest[128])
{
    size_t count = 0;
    newest[0] = '\0';
    DIR *d = opendir(w->directory);
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        if (strstr(e->d_name, "Z.step") != NULL) {
            count++;
            if (strcmp(e->d_name, newest) > 0)
                snprintf(newest, 128, "%.120s", e->d_name);
        }
    closedir(d);
    return count;
}

static void assert_refused(store_world *w, const char *words)
{
    assert_int_equal(world_try_open(w, NULL), CM_REFUSE);
    if (strstr(w->message, words) == NULL)
        fail_msg("'%s' does not say '%s'", w->message, words);
}

static void assert_no_stage(const store_world *w)
{
    char path[PATH_MAX];
    assert_int_equal(cm_files_join(w->directory, "rollback", path), CM_OK);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void an_upgrade_keeps_a_copy_and_the_earlier_version_is_told_of_it(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    close_store(&w);
    char copy[128];
    assert_int_equal(copies(&w, copy), 0);
    run_later(&w, "look", 0);
    assert_int_equal(copies(&w, copy), 1);
    struct stat info;
    char path[PATH_MAX];
    assert_int_equal(cm_files_join(w.directory, copy, path), CM_OK);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    run_later(&w, "look", 0); /* nothing is due: no further copy */
    assert_int_equal(copies(&w, copy), 1);
    assert_refused(&w, "later version");
    assert_non_null(strstr(w.message, "casement store rollback --data"));
    assert_non_null(strstr(w.message, copy));
    remove(path);
    assert_refused(&w, "restore a backup");
    store_world_close(&w);
}

static void without_anything_taken_away_going_back_ends_nothing(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    close_store(&w);
    run_later(&w, "add", 0);
    cm_rolled_back done;
    if (cm_store_rollback(w.directory, w.message, &done) != CM_OK)
        fail_msg("%s", w.message);
    assert_false(done.is_taken_over);
    assert_no_stage(&w);
    assert_int_equal(world_try_open(&w, NULL), CM_OK);
    assert_int_equal(cm_store_check(w.store), CM_OK);
    assert_true(may_see(&w, ANNA) && may_see(&w, BRUNO));
    char text[16];
    assert_int_equal(cm_store_setting_read(w.store, "since", text, sizeof text), CM_ABSENT);
    store_world_close(&w);
}

/* The generation of the later version's database has risen: what was taken away since is given
 * again to somebody, but to nobody who is signed in, and under no epoch that was. */
static void with_something_taken_away_going_back_is_a_restore(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    const cm_camera_key door = camera_key("verdi", "door");
    close_store(&w);
    run_later(&w, "take", 0);
    cm_rolled_back done;
    assert_int_equal(cm_store_rollback(w.directory, w.message, &done), CM_OK);
    assert_true(done.is_taken_over);
    assert_int_equal(world_try_open(&w, NULL), CM_OK); /* nothing is to be accepted any more */
    assert_false(may_see(&w, ANNA) || may_see(&w, BRUNO));
    cm_stored_camera camera;
    assert_int_equal(cm_store_camera_find(w.store, &door, &camera), CM_OK);
    assert_true(camera.min_epoch >= 2);
    close_store(&w);
    /* The later version's database, put back in turn, is the older one then. */
    char path[PATH_MAX];
    char aside[PATH_MAX];
    assert_int_equal(cm_files_join(w.directory, "casement.db", path), CM_OK);
    assert_int_equal(cm_files_join(w.directory, done.aside, aside), CM_OK);
    assert_int_equal(rename(aside, path), 0);
    run_later(&w, "look", 1);
    store_world_close(&w);
}

static void forth_and_back_and_forth(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    close_store(&w);
    char newest[128];
    for (int i = 0; i < 5; i++) {
        cm_rolled_back done;
        run_later(&w, "add", 0);
        assert_int_equal(cm_store_rollback(w.directory, w.message, &done), CM_OK);
        assert_int_equal(world_try_open(&w, NULL), CM_OK);
        assert_int_equal(cm_store_check(w.store), CM_OK);
        close_store(&w);
        assert_in_range(copies(&w, newest), 1, 6); /* the last three of either version are kept */
    }
    store_world_close(&w);
}

/* Made by a clock that stood ahead: the copy of now must not pass for the oldest. */
static void copies_from_the_future_do_not_push_out_the_one_of_now(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    close_store(&w);
    static const char *const AHEAD[] = {"casement.db.20991231T000000Z.step1",
                                        "casement.db.20991231T000001Z.step1",
                                        "casement.db.20991231T000002Z.step1"};
    for (size_t i = 0; i < CM_COUNT(AHEAD); i++)
        world_copy_file(&w, "casement.db", AHEAD[i]);
    run_later(&w, "add", 0);
    cm_rolled_back done;
    assert_int_equal(cm_store_rollback(w.directory, w.message, &done), CM_OK);
    assert_int_equal(strncmp(done.copy, "casement.db.20991231T000003Z", 28), 0);
    assert_int_equal(world_try_open(&w, NULL), CM_OK);
    assert_int_equal(cm_store_check(w.store), CM_OK);
    store_world_close(&w);
}

static void going_back_is_refused_where_there_is_no_way(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    cm_rolled_back done;
    assert_int_equal(cm_store_rollback(w.directory, w.message, &done), CM_REFUSE);
    assert_non_null(strstr(w.message, "stop it first"));
    close_store(&w);
    assert_int_equal(cm_store_rollback(w.directory, w.message, &done), CM_REFUSE);
    assert_non_null(strstr(w.message, "not of a later version"));
    run_later(&w, "look", 0);
    char copy[128];
    char path[PATH_MAX];
    assert_int_equal(copies(&w, copy), 1);
    assert_int_equal(cm_files_join(w.directory, copy, path), CM_OK);
    /* A damaged copy is found out before anything is changed. */
    assert_int_equal(truncate(path, 9000), 0);
    assert_int_equal(cm_store_rollback(w.directory, w.message, &done), CM_REFUSE);
    run_later(&w, "look", 0);
    assert_int_equal(remove(path), 0);
    assert_int_equal(cm_store_rollback(w.directory, w.message, &done), CM_REFUSE);
    assert_non_null(strstr(w.message, "no copy"));
    assert_no_stage(&w);
    assert_int_equal(cm_store_rollback("/tmp/casement-no-such", w.message, &done), CM_REFUSE);
    store_world_close(&w);
}

static void an_upgrade_waits_for_nobody_and_disturbs_nobody(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    run_later(&w, "look", 1); /* we are at work */
    char copy[128];
    assert_int_equal(copies(&w, copy), 0);
    assert_true(may_see(&w, BRUNO));
    assert_int_equal(cm_store_setting_write(w.store, "still", CM_TEXT("mine")), CM_OK);
    close_store(&w);
    run_later(&w, "look", 0);
    store_world_close(&w);
}

/* No room for the copy: no upgrade, and the database is as it was. */
static void without_room_for_a_copy_there_is_no_upgrade(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    close_store(&w);
    const pid_t child = fork();
    if (child == 0) {
        const struct rlimit small = {.rlim_cur = 40000, .rlim_max = 40000};
        (void)signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &small);
        const int null = open("/dev/null", O_WRONLY);
        dup2(null, 1);
        execl(getenv("CASEMENT_LATER"), "later", w.directory, "look", (char *)NULL);
        _exit(9);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 1);
    char copy[128];
    assert_int_equal(copies(&w, copy), 0);
    assert_int_equal(world_try_open(&w, NULL), CM_OK);
    assert_true(may_see(&w, BRUNO));
    store_world_close(&w);
}

/* Of the very first schema: brought up, with a copy of how it was. */
static void a_database_of_the_first_version_is_brought_up(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    close_store(&w);
    world_first_version(&w);
    assert_int_equal(world_try_open(&w, NULL), CM_OK);
    cm_stored_cameras cameras;
    assert_int_equal(cm_store_cameras(w.store, &w.verdi, &cameras), CM_OK);
    assert_int_equal(cameras.count, 2);
    cm_stored_cameras_clear(&cameras);
    char copy[128];
    assert_int_equal(copies(&w, copy), 1);
    assert_non_null(strstr(copy, ".step1"));
    store_world_close(&w);
}

/* ---- killed in the middle ---- */

/* Killed while it upgrades: this version starts with the old database, or it goes back from the new
 * one. Killed while it goes back: it can be done again. */
static void killed_in_the_middle_of_either(void **state)
{
    (void)state;
    store_world w;
    store_world_open(&w);
    close_store(&w);
    cm_random random = cm_random_seeded(11);
    int upgraded = 0;
    for (int round = 0; round < 24; round++) {
        int how;
        pid_t child = start_later(&w, "take");
        if (round < 23) { /* the last runs to its end */
            usleep((useconds_t)cm_random_below(&random, 60000));
            kill(child, SIGKILL);
        }
        assert_int_equal(waitpid(child, &how, 0), child);
        if (world_try_open(&w, NULL) == CM_OK) {
            close_store(&w);
            continue;
        }
        if (strstr(w.message, "store rollback") == NULL)
            fail_msg("round %d: %s", round, w.message);
        upgraded++;
        cm_rolled_back done;
        child = fork();
        if (child == 0)
            _exit(cm_store_rollback(w.directory, w.message, &done) == CM_OK ? 0 : 1);
        usleep((useconds_t)cm_random_below(&random, 40000));
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, &how, 0), child);
        if (world_try_open(&w, NULL) != CM_OK) {
            assert_non_null(strstr(w.message, "store rollback"));
            if (cm_store_rollback(w.directory, w.message, &done) != CM_OK)
                fail_msg("round %d: %s", round, w.message);
            assert_int_equal(world_try_open(&w, NULL), CM_OK);
        }
        assert_int_equal(cm_store_check(w.store), CM_OK);
        close_store(&w);
    }
    assert_true(upgraded >= 1);
    store_world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_upgrade_keeps_a_copy_and_the_earlier_version_is_told_of_it),
        cmocka_unit_test(without_anything_taken_away_going_back_ends_nothing),
        cmocka_unit_test(with_something_taken_away_going_back_is_a_restore),
        cmocka_unit_test(forth_and_back_and_forth),
        cmocka_unit_test(copies_from_the_future_do_not_push_out_the_one_of_now),
        cmocka_unit_test(going_back_is_refused_where_there_is_no_way),
        cmocka_unit_test(an_upgrade_waits_for_nobody_and_disturbs_nobody),
        cmocka_unit_test(without_room_for_a_copy_there_is_no_upgrade),
        cmocka_unit_test(a_database_of_the_first_version_is_brought_up),
        cmocka_unit_test(killed_in_the_middle_of_either),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
