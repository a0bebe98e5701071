/* Passwords on lists: words and what is left of tricks, hashes, and building their file. */
#include <dirent.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/random.h"
#include "identity/listed.h"
#include "unit.h"

typedef struct place {
    char directory[64];
    char words[96];
    cm_listed lists;
    char message[CM_LISTED_MESSAGE_SIZE];
    cm_listed_built built;
} place;

static void place_open(place *p, const char *words)
{
    *p = (place){.directory = "/tmp/casement-listed-XXXXXX"};
    assert_non_null(mkdtemp(p->directory));
    snprintf(p->words, sizeof p->words, "%s/words", p->directory);
    p->lists = (cm_listed){.words = p->words, .directory = p->directory};
    cm_log_set_level((cm_log_level)(CM_LOG_ERROR + 1));
    if (words == NULL)
        return;
    FILE *file = fopen(p->words, "w");
    fputs(words, file);
    fclose(file);
}

static void place_close(place *p)
{
    DIR *d = opendir(p->directory);
    for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;)
        unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    rmdir(p->directory);
}

static cm_password_fault judged(const place *p, const char *password)
{
    cm_password_fault fault = CM_PASSWORD_TOO_SHORT;
    assert_int_equal(cm_listed_judge(&p->lists, cm_slice_of(password), &fault), CM_OK);
    return fault;
}

static cm_status build(place *p, const char *lines, uint64_t least)
{
    FILE *in = fmemopen((void *)(uintptr_t)lines, strlen(lines), "r");
    const cm_status status = cm_listed_build(in, p->directory, least, p->message, &p->built);
    fclose(in);
    return status;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Lines of these passwords' hashes, in order. */
enum { LINE = 64 };
static void lines_of(const char *const *passwords, size_t count, const char *behind, char *out)
{
    char lines[16][LINE];
    assert_true(count <= CM_COUNT(lines));
    for (size_t i = 0; i < count; i++) {
        uint8_t hash[EVP_MAX_MD_SIZE];
        EVP_Digest(passwords[i], strlen(passwords[i]), hash, NULL, EVP_sha1(), NULL);
        for (size_t j = 0; j < 20; j++)
            snprintf(&lines[i][2 * j], 3, "%02X", hash[j]);
        snprintf(&lines[i][40], LINE - 40, "%s", behind);
    }
    qsort(lines, count, LINE, by_text);
    *out = '\0';
    for (size_t i = 0; i < count; i++)
        strcat(out, lines[i]);
}

/* ---- words ---- */

static void a_word_with_little_around_it_is_refused(void **state)
{
    (void)state;
    place p;
    place_open(&p, "cat\nkitchen\npassword\nwindow\nsunflowers\n");
    static const char *const BAD[] = {"sunflowers",     "SunFlowers",   "sunflowers2024!",
                                      "12sunflowers34", "p4$$w0rd2024", "windowwindow",
                                      "windowwindow1",  "srewolfnus",   "kitchen1234567",
                                      "K1tchen!!!!!",   "##password##"};
    for (size_t i = 0; i < CM_COUNT(BAD); i++)
        if (judged(&p, BAD[i]) != CM_PASSWORD_A_WORD)
            fail_msg("%s was taken", BAD[i]);
    static const char *const GOOD[] = {"green garden gate",
                                       "kitchen window",
                                       "sunflowers of the yard",
                                       "kitchenpasswordx",
                                       "cat1234567890",
                                       "1234567890",
                                       "sun flowers",
                                       "\xe0\xa4\x96\xe0\xa4\xbf\xe0\xa4\xa1\xe0\xa4\xbc"};
    for (size_t i = 0; i < CM_COUNT(GOOD); i++)
        if (judged(&p, GOOD[i]) != CM_PASSWORD_FINE)
            fail_msg("%s was refused", GOOD[i]);
    char longest[CM_PASSWORD_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[CM_PASSWORD_MAX] = '\0';
    assert_int_equal(judged(&p, longest), CM_PASSWORD_FINE);
    cm_password_fault fault;
    longest[CM_PASSWORD_MAX] = 'a';
    longest[CM_PASSWORD_MAX + 1] = '\0';
    assert_int_equal(cm_listed_judge(&p.lists, cm_slice_of(longest), &fault), CM_REFUSE);
    place_close(&p);
}

static void without_lists_nothing_is_refused(void **state)
{
    (void)state;
    place p;
    place_open(&p, NULL);
    assert_int_equal(judged(&p, "sunflowers"), CM_PASSWORD_FINE);
    p.lists.directory = NULL;
    assert_int_equal(judged(&p, "sunflowers"), CM_PASSWORD_FINE);
    place_close(&p);
}

/* A list that is there is looked at, or nothing is set. */
static void a_list_that_can_not_be_read_stops_everything(void **state)
{
    (void)state;
    place p;
    place_open(&p, NULL);
    mkdir(p.words, 0700);
    cm_password_fault fault;
    assert_int_equal(cm_listed_judge(&p.lists, CM_TEXT("sunflowers"), &fault), CM_BROKEN);
    rmdir(p.words);
    char path[128];
    snprintf(path, sizeof path, "%s/" CM_LISTED_FILE, p.directory);
    static const char *const HALVES[] = {"", "casement passwords 1\n",
                                         "something else of more than thirty-two bytes"};
    for (size_t i = 0; i < CM_COUNT(HALVES); i++) {
        FILE *file = fopen(path, "w");
        fputs(HALVES[i], file);
        fclose(file);
        assert_int_equal(cm_listed_judge(&p.lists, CM_TEXT("sunflowers"), &fault), CM_BROKEN);
    }
    assert_int_equal(build(&p, "", 1), CM_OK);
    assert_int_equal(judged(&p, "sunflowers"), CM_PASSWORD_FINE);
    assert_int_equal(truncate(path, 31), 0);
    assert_int_equal(cm_listed_judge(&p.lists, CM_TEXT("sunflowers"), &fault), CM_BROKEN);
    place_close(&p);
}

/* ---- hashes ---- */

static void a_leaked_password_is_refused_exactly(void **state)
{
    (void)state;
    static const char *const LEAKED[] = {"correct horse battery", "iloveyou4ever", "hunter2hunter3",
                                         "a", "the last of them all"};
    char lines[CM_COUNT(LEAKED) * LINE + 1];
    place p;
    place_open(&p, NULL);
    lines_of(LEAKED, CM_COUNT(LEAKED), ":17\r\n", lines);
    assert_int_equal(build(&p, lines, 1), CM_OK);
    assert_int_equal(p.built.lines, CM_COUNT(LEAKED));
    assert_int_equal(p.built.entries, CM_COUNT(LEAKED));
    for (size_t i = 0; i < CM_COUNT(LEAKED); i++)
        assert_int_equal(judged(&p, LEAKED[i]), CM_PASSWORD_LEAKED);
    assert_int_equal(judged(&p, "Correct horse battery"), CM_PASSWORD_FINE);
    assert_int_equal(judged(&p, "green garden gate"), CM_PASSWORD_FINE);
    /* Seen less often than asked for: left out. A list without counts is taken whole. */
    assert_int_equal(build(&p, lines, 18), CM_OK);
    assert_int_equal(p.built.entries, 0);
    assert_int_equal(judged(&p, LEAKED[0]), CM_PASSWORD_FINE);
    lines_of(LEAKED, CM_COUNT(LEAKED), "\n", lines);
    assert_int_equal(build(&p, lines, 18), CM_OK);
    assert_int_equal(judged(&p, LEAKED[0]), CM_PASSWORD_LEAKED);
    struct stat file;
    char path[128];
    snprintf(path, sizeof path, "%s/" CM_LISTED_FILE, p.directory);
    assert_int_equal(stat(path, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0600);
    assert_int_equal(file.st_size, 32 + 8 * CM_COUNT(LEAKED));
    place_close(&p);
}

#define H40(digit)                                                                                 \
    digit digit digit digit digit digit digit digit digit digit digit digit digit digit digit      \
        digit digit digit digit digit digit digit digit digit digit digit digit digit digit digit  \
            digit digit digit digit digit digit digit digit digit digit

static void a_wrong_line_is_named_and_the_former_list_stays(void **state)
{
    (void)state;
    static const char *const LEAKED[] = {"correct horse battery"};
    char lines[LINE + 1];
    place p;
    place_open(&p, NULL);
    lines_of(LEAKED, 1, "\n", lines);
    assert_int_equal(build(&p, lines, 1), CM_OK);
    static const char *const WRONG[][2] = {
        {H40("1") "\n" H40("0") "\n", "line 2 is out of order"},
        {H40("1") "\n\n" H40("g") "\n", "line 3 is no SHA-1"},
        {"<html>\n", "line 1 is no SHA-1"},
        {H40("1") "11\n", "line 1 is no SHA-1"},
        {H40("1") ":many\n", "line 1 has something other"},
        {H40("1") ":-1\n", "line 1 has something other"},
        {H40("1") ":" H40("1") H40("1") H40("1") "\n", "line 1 is longer"},
    };
    for (size_t i = 0; i < CM_COUNT(WRONG); i++) {
        assert_int_equal(build(&p, WRONG[i][0], 1), CM_REFUSE);
        if (strstr(p.message, WRONG[i][1]) == NULL)
            fail_msg("%zu: %s", i, p.message);
        assert_int_equal(judged(&p, LEAKED[0]), CM_PASSWORD_LEAKED);
    }
    assert_int_equal(build(&p, H40("1") "\n" H40("1") ":3\n", 1), CM_OK); /* twice is once */
    assert_int_equal(p.built.entries, 1);
    strcat(p.directory, "/nowhere");
    assert_int_equal(build(&p, "", 1), CM_BROKEN);
    assert_non_null(strstr(p.message, "nowhere"));
    p.directory[strlen(p.directory) - strlen("/nowhere")] = '\0';
    place_close(&p);
}

/* Kills a process that builds, whenever: the list is the former or the fresh one, and works. */
static void killed_while_it_is_built_there_is_a_whole_list(void **state)
{
    (void)state;
    static const char *const LEAKED[] = {"correct horse battery"};
    char lines[LINE + 1];
    place p;
    place_open(&p, NULL);
    lines_of(LEAKED, 1, "\n", lines);
    assert_int_equal(build(&p, lines, 1), CM_OK);
    cm_random random = cm_random_seeded(3);
    for (int round = 0; round < 20; round++) {
        const pid_t child = fork();
        if (child == 0)
            for (;;)
                if (build(&p, lines, 1) != CM_OK)
                    _exit(3);
        usleep((useconds_t)cm_random_below(&random, 10000));
        kill(child, SIGKILL);
        int how;
        assert_int_equal(waitpid(child, &how, 0), child);
        assert_true(WIFSIGNALED(how));
        assert_int_equal(judged(&p, LEAKED[0]), CM_PASSWORD_LEAKED);
    }
    assert_int_equal(build(&p, lines, 1), CM_OK);
    place_close(&p);
}

/* Two at once: one of them is told, and neither spoils the other's. */
static void two_can_not_build_at_once(void **state)
{
    (void)state;
    place p;
    place_open(&p, NULL);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        close(ends[1]);
        FILE *in = fdopen(ends[0], "r"); /* waits for its input, with the draft locked */
        _exit(cm_listed_build(in, p.directory, 1, p.message, &p.built) == CM_OK ? 0 : 1);
    }
    close(ends[0]);
    char draft[128];
    snprintf(draft, sizeof draft, "%s/" CM_LISTED_FILE ".new", p.directory);
    struct stat file;
    while (stat(draft, &file) != 0)
        usleep(1000);
    cm_status status = CM_OK;
    for (int i = 0; i < 10000 && status == CM_OK; i++) { /* it may not have its lock yet */
        status = build(&p, H40("2") "\n", 1);
        usleep(1000);
    }
    assert_int_equal(status, CM_BROKEN);
    assert_non_null(strstr(p.message, "another process"));
    close(ends[1]);
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_int_equal(judged(&p, "green garden gate"), CM_PASSWORD_FINE);
    place_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_with_little_around_it_is_refused),
        cmocka_unit_test(without_lists_nothing_is_refused),
        cmocka_unit_test(a_list_that_can_not_be_read_stops_everything),
        cmocka_unit_test(a_leaked_password_is_refused_exactly),
        cmocka_unit_test(a_wrong_line_is_named_and_the_former_list_stays),
        cmocka_unit_test(killed_while_it_is_built_there_is_a_whole_list),
        cmocka_unit_test(two_can_not_build_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
