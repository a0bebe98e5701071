/* audit: what is acknowledged stays, what is changed is found, and what is asked is answered. */
#include "audit/audit.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/private.h"
#include "audit/query.h"
#include "audit/verify.h"
#include "base/log.h"
#include "unit.h"

#define NOW     ((cm_wall){.us = INT64_C(1795000000000000)})
#define NOTHING ((cm_slice){.size = 0})

typedef struct world {
    char directory[64];
    cm_secret key;
    cm_audit_config config;
    char message[CM_AUDIT_MESSAGE_SIZE];
    cm_audit *audit;
} world;

static cm_wall at_s(int64_t seconds)
{
    return (cm_wall){.us = NOW.us + CM_SECONDS(seconds)};
}

static cm_status try_open(world *w)
{
    w->config.directory = w->directory;
    w->config.key = &w->key;
    w->config.now = NOW;
    return cm_audit_open(&w->config, w->message, &w->audit);
}

static void world_open(world *w)
{
    *w = (world){.directory = "/tmp/cm-audit-XXXXXX"};
    assert_non_null(mkdtemp(w->directory));
    for (size_t i = 0; i < sizeof w->key.bytes; i++)
        w->key.bytes[i] = (uint8_t)(i + 1);
    assert_int_equal(try_open(w), CM_OK);
}

static void close_log(world *w)
{
    cm_audit_close(w->audit);
    w->audit = NULL;
}

static void world_close(world *w)
{
    close_log(w);
    DIR *directory = opendir(w->directory);
    assert_non_null(directory);
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL)
        CM_IGNORE((cm_status)unlinkat(dirfd(directory), entry->d_name, 0), "dots stay");
    closedir(directory);
    assert_int_equal(rmdir(w->directory), 0);
}

/* ---- entries ---- */

static void set_id(char out[CM_ID_SIZE], const char *id)
{
    if (id != NULL)
        assert_int_equal(cm_id_parse(cm_slice_of(id), out), CM_OK);
}

static cm_audit_entry make(cm_audit_kind kind, const char *home, const char *camera,
                           const char *account)
{
    cm_audit_entry entry = {.kind = kind, .when = NOW};
    set_id(entry.home.text, home);
    set_id(entry.camera.text, camera);
    set_id(entry.account.text, account);
    return entry;
}

static void put_some(world *w, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cm_audit_entry entry = make(CM_AUDIT_VIEW_BEGIN, "verdi", "door", "anna");
        entry.when = at_s((int64_t)i);
        entry.viewing = i;
        assert_int_equal(cm_audit_put(w->audit, &entry, NOTHING), CM_OK);
    }
    assert_int_equal(cm_audit_flush(w->audit), CM_OK);
}

static void every_kind_reads_as_it_was_written(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < CM_AUDIT_KINDS; kind++) {
        if (cm_audit_kind_name((cm_audit_kind)kind) == NULL)
            continue;
        cm_audit_entry entry = make((cm_audit_kind)kind, "verdi", "door", "anna");
        cm_audit_entry back;
        cm_audit_kind parsed;
        uint8_t first[CM_AUDIT_ENTRY_SIZE_MAX], second[CM_AUDIT_ENTRY_SIZE_MAX];
        set_id(entry.other, "bruno");
        entry.number = 77;
        entry.cause = CM_AUDIT_CAUSE_NO_GRANT;
        entry.frame_count = CM_AUDIT_STREAMS_MAX;
        entry.frames[7].last = UINT64_MAX;
        entry.has_private = true;
        cm_writer a = cm_writer_over(first, sizeof first);
        cm_writer b = cm_writer_over(second, sizeof second);
        cm_audit_entry_write(&a, &entry);
        assert_false(a.failed);
        assert_int_equal(cm_audit_entry_parse(cm_writer_done(&a), &back), CM_OK);
        cm_audit_entry_write(&b, &back);
        assert_true(cm_slice_equal(cm_writer_done(&a), cm_writer_done(&b)));
        assert_int_equal(back.kind, kind);
        assert_int_equal(cm_audit_kind_parse(cm_slice_of(cm_audit_kind_name(back.kind)), &parsed),
                         CM_OK);
        assert_int_equal(parsed, kind);
        assert_true(cm_audit_group_of(back.kind) != 0);
        for (size_t size = 0; size < cm_writer_done(&a).size; size++)
            assert_int_equal(
                cm_audit_entry_parse(cm_slice_part(cm_writer_done(&a), 0, size), &back), CM_CLOSE);
    }
}

static cm_audit_entry granted(void)
{
    cm_audit_entry entry = make(CM_AUDIT_GROUP_GRANT_PUT, "verdi", NULL, "anna");
    set_id(entry.other, "bruno");
    set_id(entry.group, "outside");
    entry.value = 5;
    entry.hours = (cm_hours){.days = 0x1f, .from = 8 * 60, .to = 18 * 60 + 30};
    entry.not_before = at_s(1);
    entry.not_after = at_s(99);
    return entry;
}

static cm_slice written(const cm_audit_entry *entry, uint8_t storage[CM_AUDIT_ENTRY_SIZE_MAX])
{
    cm_writer w = cm_writer_over(storage, CM_AUDIT_ENTRY_SIZE_MAX);
    cm_audit_entry_write(&w, entry);
    assert_false(w.failed);
    return cm_writer_done(&w);
}

static void what_was_granted_keeps_its_hours(void **state)
{
    (void)state;
    uint8_t storage[CM_AUDIT_ENTRY_SIZE_MAX];
    const cm_audit_entry entry = granted();
    cm_audit_entry back;
    assert_int_equal(cm_audit_entry_parse(written(&entry, storage), &back), CM_OK);
    assert_string_equal(back.group, "outside");
    assert_string_equal(back.other, "bruno");
    assert_int_equal(back.hours.days, 0x1f);
    assert_int_equal(back.hours.from, 480);
    assert_int_equal(back.hours.to, 1110);
    assert_int_equal(back.not_before.us, at_s(1).us);
    assert_int_equal(back.not_after.us, at_s(99).us);
    assert_false(back.is_command);
}

/* A kind without terms writes none of them, and a command says so whatever the kind. */
static void a_command_is_told_from_a_person(void **state)
{
    (void)state;
    uint8_t storage[CM_AUDIT_ENTRY_SIZE_MAX];
    cm_audit_entry back, entry = granted();
    entry.kind = CM_AUDIT_HOME_ADDED;
    const size_t without = written(&entry, storage).size;
    entry.is_command = true;
    const cm_slice with = written(&entry, storage);
    assert_int_equal(with.size, without + 1);
    assert_int_equal(cm_audit_entry_parse(with, &back), CM_OK);
    assert_true(back.is_command);
    assert_int_equal(back.hours.days, 0);
}

/* As they were written before there were terms: nothing behind the last field. */
static void an_entry_without_more_is_as_it_was(void **state)
{
    (void)state;
    uint8_t storage[CM_AUDIT_ENTRY_SIZE_MAX];
    cm_audit_entry back, entry = make(CM_AUDIT_GRANT_PUT, "verdi", "door", "anna");
    set_id(entry.other, "bruno");
    entry.value = 1;
    const cm_slice bytes = written(&entry, storage);
    /* number, home, when, kind, camera, account, other, value */
    assert_int_equal(bytes.size, 8 + 6 + 8 + 1 + 5 + 5 + 6 + 4);
    assert_int_equal(cm_audit_entry_parse(bytes, &back), CM_OK);
    assert_int_equal(back.hours.days, 0);
}

static void more_that_cannot_be_is_no_entry(void **state)
{
    (void)state;
    uint8_t storage[CM_AUDIT_ENTRY_SIZE_MAX];
    cm_audit_entry back, entry = granted();
    const cm_slice bytes = written(&entry, storage);
    const size_t more = bytes.size - 22; /* what is there, 1; terms, 21 */
    const uint8_t was = storage[more];
    for (unsigned value = 0; value < 256; value++) {
        storage[more] = (uint8_t)value;
        const bool is_fine = value == was || value == (was | 1u);
        assert_int_equal(cm_audit_entry_parse(bytes, &back), is_fine ? CM_OK : CM_CLOSE);
    }
    storage[more] = was;
    storage[more + 1] = 0x80; /* an eighth day */
    assert_int_equal(cm_audit_entry_parse(bytes, &back), CM_CLOSE);
    for (size_t i = more + 1; i < bytes.size; i++)
        storage[i] = 0; /* terms that say nothing are not written */
    assert_int_equal(cm_audit_entry_parse(bytes, &back), CM_CLOSE);
}

static void an_unknown_cause_is_called_other(void **state)
{
    (void)state;
    assert_int_equal(cm_audit_cause_of("no-grant"), CM_AUDIT_CAUSE_NO_GRANT);
    assert_int_equal(cm_audit_cause_of("of next year"), CM_AUDIT_CAUSE_OTHER);
    assert_string_equal(cm_audit_cause_name((cm_audit_cause)999), "other");
}

/* ---- asking ---- */

static cm_audit_page ask(world *w, const cm_audit_query *query)
{
    cm_audit_source source;
    cm_audit_page page;
    cm_audit_source_of(w->audit, &source);
    assert_int_equal(cm_audit_ask(&source, query, &page), CM_OK);
    return page;
}

static cm_audit_page ask_home(world *w, const char *home, size_t limit)
{
    cm_audit_query query = {.limit = limit};
    set_id(query.home.text, home);
    return ask(w, &query);
}

static size_t count_of_kind(world *w, const char *home, cm_audit_kind kind)
{
    cm_audit_page page = ask_home(w, home, CM_AUDIT_PAGE_MAX);
    size_t count = 0;
    for (size_t i = 0; i < page.count; i++)
        count += page.items[i].kind == kind;
    cm_audit_page_clear(&page);
    return count;
}

static cm_audit_verdict verify(world *w, const cm_audit_head *before)
{
    uint8_t public_key[CM_AUDIT_PUBLIC_KEY_SIZE];
    cm_audit_verdict verdict;
    cm_audit_public_key_of(&w->key, public_key);
    assert_int_equal(cm_audit_verify(w->directory, public_key, before, &verdict), CM_OK);
    return verdict;
}

static void assert_sound(world *w)
{
    const cm_audit_verdict verdict = verify(w, NULL);
    if (!verdict.is_sound)
        fail_msg("%s", verdict.sentence);
}

/* ---- writing ---- */

static void what_was_recorded_is_there_and_verifies(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    const cm_audit_entry entry = make(CM_AUDIT_GRANT_REMOVED, "verdi", "door", "anna");
    assert_int_equal(cm_audit_keep(w.audit, &entry, NOTHING), CM_OK);
    put_some(&w, 10);
    cm_audit_page page = ask_home(&w, "verdi", 100);
    assert_int_equal(page.count, 11);
    assert_false(page.has_more);
    for (size_t i = 0; i < page.count; i++)
        assert_int_equal(page.items[i].number, 11 - i);
    assert_int_equal(page.items[10].kind, CM_AUDIT_GRANT_REMOVED);
    cm_audit_page_clear(&page);
    assert_int_equal(verify(&w, NULL).last, 11);
    assert_sound(&w);
    world_close(&w);
}

static void the_log_goes_on_after_a_restart(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    put_some(&w, 3);
    close_log(&w);
    assert_int_equal(try_open(&w), CM_OK);
    put_some(&w, 3);
    assert_int_equal(verify(&w, NULL).last, 6);
    assert_sound(&w);
    world_close(&w);
}

static void nobody_else_may_read_it(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    struct stat info;
    char path[128];
    snprintf(path, sizeof path, "%s/00000001.log", w.directory);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    snprintf(path, sizeof path, "%s/00000001.private", w.directory);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    world_close(&w);
}

static void a_second_writer_is_refused(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    cm_audit *other = NULL;
    assert_int_equal(cm_audit_open(&w.config, w.message, &other), CM_REFUSE);
    assert_non_null(strstr(w.message, "another process"));
    world_close(&w);
}

static void without_a_log_nothing_is_kept_and_nothing_fails(void **state)
{
    (void)state;
    const cm_audit_entry entry = make(CM_AUDIT_CUT, "verdi", NULL, NULL);
    assert_int_equal(cm_audit_put(NULL, &entry, NOTHING), CM_OK);
    assert_int_equal(cm_audit_keep(NULL, &entry, NOTHING), CM_OK);
    cm_audit_repeat(NULL, &entry, NOTHING);
    cm_audit_tick(NULL, NOW);
}

enum { WRITERS = 4, EACH = 2000 };

static void *write_many(void *argument)
{
    world *w = argument;
    for (size_t i = 0; i < EACH; i++) {
        const cm_audit_entry entry = make(CM_AUDIT_VIEW_END, "verdi", "door", "anna");
        if (i % 500 == 0)
            assert_int_equal(cm_audit_keep(w->audit, &entry, NOTHING), CM_OK);
        else
            assert_int_equal(cm_audit_put(w->audit, &entry, CM_TEXT("never of this kind")), CM_OK);
    }
    return NULL;
}

static void threads_write_at_once(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    pthread_t threads[WRITERS];
    for (size_t i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &w), 0);
    for (size_t i = 0; i < WRITERS; i++)
        pthread_join(threads[i], NULL);
    close_log(&w);
    assert_int_equal(verify(&w, NULL).last, WRITERS * EACH);
    assert_sound(&w);
    world_close(&w);
}

/* ---- too much ---- */

/* The writer can't keep up with a disk that takes nothing: what there is room for stays. */
static void refuse_writes(bool is_refused)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = is_refused ? 300 : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void what_finds_no_room_is_counted_in_the_log(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    close_log(&w);
    w.config.queue_bytes_max = 4096;
    assert_int_equal(try_open(&w), CM_OK);
    refuse_writes(true);
    const cm_audit_entry view = make(CM_AUDIT_VIEW_BEGIN, "verdi", "door", "anna");
    const cm_audit_entry cut = make(CM_AUDIT_CUT, "verdi", "door", NULL);
    /* One batch is with the disk, the queue fills behind it. */
    assert_int_equal(cm_audit_keep(w.audit, &view, NOTHING), CM_BROKEN);
    uint64_t dropped = 0;
    for (size_t i = 0; i < 200; i++)
        dropped += cm_audit_put(w.audit, &view, NOTHING) == CM_FULL;
    assert_true(dropped > 100 && dropped < 200);
    /* There is room left for a cut. */
    assert_int_equal(cm_audit_keep(w.audit, &cut, NOTHING), CM_BROKEN);
    refuse_writes(false);
    assert_int_equal(cm_audit_keep(w.audit, &cut, NOTHING), CM_OK);
    cm_audit_counters counters;
    cm_audit_read_counters(w.audit, &counters);
    assert_int_equal(counters.dropped, dropped);
    cm_audit_page page = ask_home(&w, NULL, 10);
    assert_int_equal(page.count, 1);
    assert_int_equal(page.items[0].kind, CM_AUDIT_GAP);
    assert_int_equal(page.items[0].count, dropped);
    cm_audit_page_clear(&page);
    assert_int_equal(count_of_kind(&w, "verdi", CM_AUDIT_VIEW_BEGIN), 201 - dropped);
    assert_int_equal(count_of_kind(&w, "verdi", CM_AUDIT_CUT), 2);
    assert_sound(&w);
    world_close(&w);
}

/* ---- what repeats ---- */

static void refusals_of_a_minute_are_two_entries(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    cm_audit_entry entry = make(CM_AUDIT_VIEW_REFUSED, "verdi", "door", "bruno");
    entry.cause = CM_AUDIT_CAUSE_NO_GRANT;
    for (int64_t i = 0; i < 1000; i++) {
        entry.when = at_s(i / 100);
        cm_audit_repeat(w.audit, &entry, NOTHING);
    }
    entry.camera = make(CM_AUDIT_NONE, NULL, "yard", NULL).camera;
    cm_audit_repeat(w.audit, &entry, NOTHING);
    assert_int_equal(cm_audit_flush(w.audit), CM_OK);
    assert_int_equal(count_of_kind(&w, "verdi", CM_AUDIT_VIEW_REFUSED), 2);
    cm_audit_tick(w.audit, at_s(59));
    assert_int_equal(cm_audit_flush(w.audit), CM_OK);
    assert_int_equal(count_of_kind(&w, "verdi", CM_AUDIT_VIEW_REFUSED), 2);
    cm_audit_tick(w.audit, at_s(60));
    assert_int_equal(cm_audit_flush(w.audit), CM_OK);
    cm_audit_page page = ask_home(&w, "verdi", 10);
    assert_int_equal(page.count, 3);
    assert_int_equal(page.items[0].count, 999);
    assert_int_equal(page.items[0].since.us, NOW.us);
    assert_int_equal(page.items[0].when.us, at_s(9).us);
    assert_int_equal(page.items[1].count, 1);
    cm_audit_page_clear(&page);
    entry.camera = make(CM_AUDIT_NONE, NULL, "door", NULL).camera;
    entry.when = at_s(70);
    cm_audit_repeat(w.audit, &entry, NOTHING);
    assert_int_equal(cm_audit_flush(w.audit), CM_OK);
    assert_int_equal(count_of_kind(&w, "verdi", CM_AUDIT_VIEW_REFUSED), 4);
    world_close(&w);
}

static void more_kinds_of_refusal_than_there_is_room_for_are_a_gap(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    for (unsigned i = 0; i < CM_AUDIT_REPEATS_MAX + 5; i++) {
        cm_audit_entry entry = make(CM_AUDIT_VIEW_REFUSED, "verdi", NULL, "bruno");
        snprintf(entry.camera.text, sizeof entry.camera.text, "c%u", i);
        cm_audit_repeat(w.audit, &entry, NOTHING);
    }
    close_log(&w);
    assert_int_equal(try_open(&w), CM_OK);
    cm_audit_page page = ask_home(&w, NULL, 10);
    uint64_t lost = 0;
    for (size_t i = 0; i < page.count; i++)
        lost += page.items[i].kind == CM_AUDIT_GAP ? page.items[i].count : 0;
    assert_int_equal(lost, 5);
    cm_audit_page_clear(&page);
    world_close(&w);
}

/* ---- crashes ---- */

typedef struct file {
    uint8_t bytes[1 << 18];
    size_t size;
    size_t records[256]; /* where each begins; one more is the end */
    cm_audit_record_type types[256];
    size_t count;
} file;

static void path_of(const world *w, unsigned sequence, char out[128])
{
    snprintf(out, 128, "%s/%08u.log", w->directory, sequence);
}

static void load(const world *w, unsigned sequence, file *out)
{
    char path[128];
    path_of(w, sequence, path);
    FILE *stream = fopen(path, "re");
    assert_non_null(stream);
    out->size = fread(out->bytes, 1, sizeof out->bytes, stream);
    fclose(stream);
    out->count = 0;
    cm_slice rest = cm_slice_from(cm_slice_over(out->bytes, out->size), CM_AUDIT_HEADER_SIZE);
    cm_audit_record record;
    out->records[0] = CM_AUDIT_HEADER_SIZE;
    while (out->count < 255 && cm_audit_record_next(&rest, &record) == CM_OK) {
        out->types[out->count++] = record.type;
        out->records[out->count] = out->size - rest.size;
    }
}

static void save(const world *w, unsigned sequence, cm_slice bytes)
{
    char path[128];
    path_of(w, sequence, path);
    FILE *stream = fopen(path, "we");
    assert_non_null(stream);
    assert_int_equal(fwrite(bytes.bytes, 1, bytes.size, stream), bytes.size);
    fclose(stream);
}

static void a_torn_tail_is_cut_off_and_told(void **state)
{
    (void)state;
    static file f;
    world w;
    world_open(&w);
    put_some(&w, 5);
    close_log(&w);
    load(&w, 1, &f);
    /* Every length at which the machine may have stopped behind the head: no acknowledged entry is
     * lost, and what was not is gone. */
    const size_t whole = f.size;
    const size_t first = f.records[1] - f.records[0];
    for (size_t more = 1; more < first; more += 7) {
        uint8_t torn[sizeof f.bytes];
        cm_writer t = cm_writer_over(torn, sizeof torn);
        cm_write_slice(&t, cm_slice_over(f.bytes, whole));
        cm_write_slice(&t, cm_slice_over(f.bytes + f.records[0], more));
        save(&w, 1, cm_writer_done(&t));
        assert_true(verify(&w, NULL).is_sound);
        assert_int_equal(verify(&w, NULL).unacknowledged, more);
        assert_int_equal(try_open(&w), CM_OK);
        assert_int_equal(cm_audit_flush(w.audit), CM_OK);
        assert_int_equal(count_of_kind(&w, "verdi", CM_AUDIT_VIEW_BEGIN), 5);
        cm_audit_page page = ask_home(&w, NULL, 10);
        assert_int_equal(page.count, 1);
        assert_int_equal(page.items[0].kind, CM_AUDIT_LOG_REPAIRED);
        assert_int_equal(page.items[0].count, more);
        cm_audit_page_clear(&page);
        close_log(&w);
        assert_sound(&w);
    }
    world_close(&w);
}

static void a_segment_without_a_whole_header_never_was(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    put_some(&w, 5);
    close_log(&w);
    save(&w, 2, CM_TEXT("CMAUD"));
    assert_sound(&w);
    assert_int_equal(try_open(&w), CM_OK);
    put_some(&w, 5);
    close_log(&w);
    assert_int_equal(verify(&w, NULL).last, 10);
    assert_sound(&w);
    world_close(&w);
}

static void run_until_killed(world *w, int pipe_out)
{
    if (try_open(w) != CM_OK)
        _exit(1);
    for (uint64_t i = 0;; i++) {
        cm_audit_entry entry = make(CM_AUDIT_SIGN_IN, NULL, NULL, "anna");
        for (size_t j = 0; j < 20; j++)
            CM_IGNORE(cm_audit_put(w->audit, &entry, CM_TEXT("192.0.2.7")), "load");
        if (cm_audit_keep(w->audit, &entry, CM_TEXT("192.0.2.7")) != CM_OK)
            _exit(1);
        cm_audit_head head;
        cm_audit_read_head(w->audit, &head);
        if (write(pipe_out, &head, sizeof head) != sizeof head)
            _exit(1);
    }
}

static void killed_at_any_time_no_acknowledged_entry_is_lost(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    close_log(&w);
    w.config.segment_bytes_max = 64 << 10;
    uint64_t before = 0;
    for (unsigned round = 0; round < 8; round++) {
        int ends[2];
        cm_audit_head head = {.count = 0}, next;
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            run_until_killed(&w, ends[1]);
        close(ends[1]);
        for (unsigned i = 0; i < 5 + 13 * round; i++)
            assert_int_equal(read(ends[0], &head, sizeof head), sizeof head);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        while (read(ends[0], &next, sizeof next) == sizeof next)
            head = next;
        close(ends[0]);
        assert_true(head.count > before);
        before = head.count;
        /* As the crash left it, and after it was taken up again. */
        cm_audit_verdict verdict = verify(&w, &head);
        if (!verdict.is_sound)
            fail_msg("%s", verdict.sentence);
        w.config.count_before = head.count;
        assert_int_equal(try_open(&w), CM_OK);
        assert_int_equal(cm_audit_flush(w.audit), CM_OK);
        cm_audit_page page = ask_home(&w, NULL, CM_AUDIT_PAGE_MAX);
        for (size_t i = 0; i < page.count; i++)
            assert_int_not_equal(page.items[i].kind, CM_AUDIT_LOG_SHORTENED);
        cm_audit_page_clear(&page);
        close_log(&w);
        verdict = verify(&w, &head);
        assert_true(verdict.is_sound);
    }
    world_close(&w);
}

/* ---- tampering ---- */

static void assert_found(world *w, const cm_audit_head *before, uint64_t first, uint64_t last)
{
    const cm_audit_verdict verdict = verify(w, before);
    assert_false(verdict.is_sound);
    assert_true(verdict.sentence[0] != '\0');
    if (verdict.wrong_first != first || verdict.wrong_last != last)
        fail_msg("%s (%llu to %llu)", verdict.sentence, (unsigned long long)verdict.wrong_first,
                 (unsigned long long)verdict.wrong_last);
}

/* Twenty batches of one entry: each entry with its head. */
static void twenty(world *w, file *f)
{
    world_open(w);
    for (size_t i = 0; i < 20; i++) {
        cm_audit_entry entry = make(CM_AUDIT_GRANT_PUT, "verdi", "door", "anna");
        entry.value = (uint32_t)i;
        assert_int_equal(cm_audit_keep(w->audit, &entry, NOTHING), CM_OK);
    }
    close_log(w);
    load(w, 1, f);
    assert_int_equal(f->count, 40);
    assert_sound(w);
}

static cm_slice record_at(const file *f, size_t i)
{
    return cm_slice_over(f->bytes + f->records[i], f->records[i + 1] - f->records[i]);
}

/* The file with these of its records, in this order. */
static void rewrite(const world *w, const file *f, const size_t *order, size_t count)
{
    static uint8_t out[1 << 18];
    cm_writer t = cm_writer_over(out, sizeof out);
    cm_write_slice(&t, cm_slice_over(f->bytes, CM_AUDIT_HEADER_SIZE));
    for (size_t i = 0; i < count; i++)
        cm_write_slice(&t, record_at(f, order[i]));
    save(w, 1, cm_writer_done(&t));
}

static void an_edited_entry_is_found(void **state)
{
    (void)state;
    static file f;
    world w;
    twenty(&w, &f);
    /* Every byte of an entry, its link and its size. */
    const size_t seventh = 2 * 6;
    for (size_t at = f.records[seventh]; at < f.records[seventh + 1]; at++) {
        f.bytes[at] ^= 1;
        save(&w, 1, cm_slice_over(f.bytes, f.size));
        const cm_audit_verdict verdict = verify(&w, &(cm_audit_head){.count = 20});
        assert_false(verdict.is_sound);
        assert_int_equal(verdict.wrong_first, 7);
        f.bytes[at] ^= 1;
    }
    save(&w, 1, cm_slice_over(f.bytes, f.size));
    assert_sound(&w);
    world_close(&w);
}

static void a_dropped_reordered_or_doubled_entry_is_found(void **state)
{
    (void)state;
    static file f;
    size_t order[64];
    world w;
    twenty(&w, &f);
    size_t count = 0;
    for (size_t i = 0; i < f.count; i++) /* without entry 7 */
        if (i != 12)
            order[count++] = i;
    rewrite(&w, &f, order, count);
    assert_found(&w, NULL, 7, 7);
    count = 0;
    for (size_t i = 0; i < f.count; i++) /* without entry 7 and its head */
        if (i != 12 && i != 13)
            order[count++] = i;
    rewrite(&w, &f, order, count);
    assert_found(&w, NULL, 7, 7);
    for (size_t i = 0; i < f.count; i++) /* 8 before 7 */
        order[i] = i == 12 ? 14 : i == 14 ? 12 : i;
    rewrite(&w, &f, order, f.count);
    assert_found(&w, NULL, 7, 7);
    count = 0;
    for (size_t i = 0; i < f.count; i++) { /* 7 twice */
        order[count++] = i;
        if (i == 12)
            order[count++] = i;
    }
    rewrite(&w, &f, order, count);
    assert_found(&w, NULL, 8, 8);
    world_close(&w);
}

/* Whoever has no key may chain everything anew: the signature tells. */
static void a_log_that_was_chained_anew_is_found(void **state)
{
    (void)state;
    static file f;
    static uint8_t out[1 << 18];
    world w;
    twenty(&w, &f);
    cm_audit_chain chain;
    cm_audit_header header;
    uint8_t public_key[CM_AUDIT_PUBLIC_KEY_SIZE];
    cm_audit_public_key_of(&w.key, public_key);
    assert_int_equal(cm_audit_header_parse(cm_slice_over(f.bytes, f.size), public_key, &header),
                     CM_OK);
    chain = header.before;
    cm_writer t = cm_writer_over(out, sizeof out);
    cm_write_slice(&t, cm_slice_over(f.bytes, CM_AUDIT_HEADER_SIZE));
    for (size_t i = 0; i < f.count; i++) {
        cm_slice rest = record_at(&f, i);
        cm_audit_record record;
        assert_int_equal(cm_audit_record_next(&rest, &record), CM_OK);
        if (record.type == CM_AUDIT_RECORD_HEAD) {
            (void)cm_audit_chain_follow(&chain, &record);
            cm_write_slice(&t, cm_slice_part(record_at(&f, i), 0, record_at(&f, i).size - 32));
            cm_write_slice(&t, cm_slice_over(chain.link, sizeof chain.link));
            continue;
        }
        uint8_t body[CM_AUDIT_ENTRY_SIZE_MAX];
        cm_writer b = cm_writer_over(body, sizeof body);
        cm_audit_entry entry;
        assert_int_equal(cm_audit_entry_parse(record.body, &entry), CM_OK);
        if (entry.number == 7)
            entry.value = 99;
        cm_audit_entry_write(&b, &entry);
        cm_audit_record_write(&t, cm_writer_done(&b), &chain);
    }
    save(&w, 1, cm_writer_done(&t));
    assert_found(&w, NULL, 7, 7);
    world_close(&w);
}

static void an_entry_of_another_log_is_found(void **state)
{
    (void)state;
    static file mine, other;
    static uint8_t out[1 << 18];
    world w, v;
    twenty(&w, &mine);
    twenty(&v, &other); /* the same entries under the same key, in a log of its own */
    cm_writer t = cm_writer_over(out, sizeof out);
    cm_write_slice(&t, cm_slice_over(mine.bytes, CM_AUDIT_HEADER_SIZE));
    for (size_t i = 0; i < mine.count; i++)
        cm_write_slice(&t, record_at(i == 12 || i == 13 ? &other : &mine, i));
    save(&w, 1, cm_writer_done(&t));
    assert_found(&w, NULL, 7, 7);
    /* The whole of it: sound by itself, but not the log whose head was written down. */
    cm_audit_head head = {.count = 20};
    cm_slice_copy(cm_slice_part(record_at(&mine, 38), record_at(&mine, 38).size - 32, 32),
                  head.link, sizeof head.link);
    save(&w, 1, cm_slice_over(mine.bytes, mine.size));
    assert_true(verify(&w, &head).is_sound);
    save(&w, 1, cm_slice_over(other.bytes, other.size));
    assert_true(verify(&w, NULL).is_sound);
    assert_found(&w, &head, 1, 20);
    world_close(&w);
    world_close(&v);
}

static void a_log_cut_back_to_an_older_head_is_found(void **state)
{
    (void)state;
    static file f;
    world w;
    twenty(&w, &f);
    cm_audit_head head = {.count = 20};
    cm_slice_copy(cm_slice_part(record_at(&f, 38), record_at(&f, 38).size - 32, 32), head.link,
                  sizeof head.link);
    save(&w, 1, cm_slice_over(f.bytes, f.records[20])); /* ends with the head of entry 10 */
    assert_true(verify(&w, NULL).is_sound);
    assert_found(&w, &head, 11, 20);
    /* The server says so too when it starts, and in the log for ever. */
    w.config.count_before = 20;
    assert_int_equal(try_open(&w), CM_OK);
    assert_int_equal(cm_audit_flush(w.audit), CM_OK);
    cm_audit_page page = ask_home(&w, NULL, 10);
    assert_int_equal(page.count, 1);
    assert_int_equal(page.items[0].kind, CM_AUDIT_LOG_SHORTENED);
    assert_int_equal(page.items[0].count, 20);
    cm_audit_page_clear(&page);
    /* Nor does writing on make it good. */
    put_some(&w, 30);
    assert_found(&w, &head, 1, 20);
    world_close(&w);
}

static void a_key_that_is_not_ours_signs_nothing(void **state)
{
    (void)state;
    static file f;
    world w;
    twenty(&w, &f);
    w.key.bytes[0] ^= 1;
    assert_found(&w, NULL, 1, 1);
    assert_int_equal(try_open(&w), CM_REFUSE);
    assert_non_null(strstr(w.message, "segment 1"));
    w.audit = NULL;
    world_close(&w);
}

/* ---- segments ---- */

static void world_open_small(world *w)
{
    world_open(w);
    close_log(w);
    w->config.segment_bytes_max = 2000;
    assert_int_equal(try_open(w), CM_OK);
}

static void a_missing_or_swapped_segment_is_found(void **state)
{
    (void)state;
    static file second, third;
    world w;
    world_open_small(&w);
    for (size_t i = 0; i < 100; i++)
        put_some(&w, 1);
    close_log(&w);
    assert_sound(&w);
    assert_true(verify(&w, NULL).segments > 5);
    load(&w, 2, &second);
    load(&w, 3, &third);
    save(&w, 2, cm_slice_over(third.bytes, third.size));
    assert_false(verify(&w, NULL).is_sound);
    save(&w, 2, cm_slice_over(second.bytes, second.records[second.count - 1]));
    assert_false(verify(&w, NULL).is_sound);
    char path[128];
    path_of(&w, 2, path);
    assert_int_equal(unlink(path), 0);
    assert_false(verify(&w, NULL).is_sound);
    save(&w, 2, cm_slice_over(second.bytes, second.size));
    assert_sound(&w);
    /* Old ones may go: that is how a log is kept short. */
    assert_int_equal(unlink(path), 0);
    path_of(&w, 1, path);
    assert_int_equal(unlink(path), 0);
    assert_sound(&w);
    assert_true(verify(&w, NULL).first > 1);
    world_close(&w);
}

/* ---- questions ---- */

static void a_home_hears_of_itself_alone(void **state)
{
    (void)state;
    world w;
    world_open_small(&w);
    cm_audit_entry entry;
    for (size_t i = 0; i < 40; i++) {
        entry = make(CM_AUDIT_VIEW_BEGIN, i % 2 == 0 ? "verdi" : "rossi", "door",
                     i % 4 < 2 ? "anna" : "carla");
        assert_int_equal(cm_audit_keep(w.audit, &entry, NOTHING), CM_OK);
    }
    entry = make(CM_AUDIT_SIGN_IN, NULL, NULL, "anna");
    assert_int_equal(cm_audit_keep(w.audit, &entry, NOTHING), CM_OK);
    entry = make(CM_AUDIT_SIGN_IN, NULL, NULL, "carla");
    assert_int_equal(cm_audit_keep(w.audit, &entry, NOTHING), CM_OK);
    const cm_account_id anna = make(CM_AUDIT_NONE, NULL, NULL, "anna").account;
    cm_audit_query query = {.accounts = &anna, .account_count = 1, .limit = 100};
    set_id(query.home.text, "verdi");
    cm_audit_page page = ask(&w, &query);
    assert_int_equal(page.count, 21);
    assert_int_equal(page.items[0].kind, CM_AUDIT_SIGN_IN);
    for (size_t i = 0; i < page.count; i++)
        assert_true(page.items[i].home.text[0] == '\0'
                        ? cm_account_id_equal(&page.items[i].account, &anna)
                        : cm_home_id_equal(&page.items[i].home, &query.home));
    cm_audit_page_clear(&page);
    query.account = anna;
    page = ask(&w, &query);
    assert_int_equal(page.count, 11);
    cm_audit_page_clear(&page);
    /* An operator hears of the server, and of no home. */
    page = ask_home(&w, NULL, 100);
    assert_int_equal(page.count, 2);
    cm_audit_page_clear(&page);
    page = ask(&w, &(cm_audit_query){.is_all = true, .limit = 100});
    assert_int_equal(page.count, 42);
    cm_audit_page_clear(&page);
    world_close(&w);
}

static void pages_follow_each_other_over_segments(void **state)
{
    (void)state;
    world w;
    world_open_small(&w);
    for (size_t i = 0; i < 60; i++)
        put_some(&w, 1);
    cm_audit_query query = {.limit = 7};
    set_id(query.home.text, "verdi");
    uint64_t expected = 60;
    do {
        cm_audit_page page = ask(&w, &query);
        assert_true(page.count > 0);
        for (size_t i = 0; i < page.count; i++)
            assert_int_equal(page.items[i].number, expected--);
        query.before = page.items[page.count - 1].number;
        assert_int_equal(page.has_more, expected > 0);
        cm_audit_page_clear(&page);
    } while (expected > 0);
    world_close(&w);
}

static void filters_are_all_obeyed(void **state)
{
    (void)state;
    world w;
    world_open_small(&w);
    for (int64_t i = 0; i < 50; i++) {
        cm_audit_entry entry = make(i % 2 == 0 ? CM_AUDIT_VIEW_BEGIN : CM_AUDIT_GRANT_PUT, "verdi",
                                    i % 5 == 0 ? "yard" : "door", "anna");
        entry.when = at_s(i);
        assert_int_equal(cm_audit_keep(w.audit, &entry, NOTHING), CM_OK);
    }
    cm_audit_query query = {.limit = 100, .from = at_s(10), .to = at_s(30)};
    set_id(query.home.text, "verdi");
    cm_audit_page page = ask(&w, &query);
    assert_int_equal(page.count, 20);
    cm_audit_page_clear(&page);
    query.groups = CM_AUDIT_GROUP_VIEWS;
    page = ask(&w, &query);
    assert_int_equal(page.count, 10);
    cm_audit_page_clear(&page);
    set_id(query.camera.text, "yard");
    page = ask(&w, &query);
    assert_int_equal(page.count, 2);
    cm_audit_page_clear(&page);
    set_id(query.camera.text, "attic");
    page = ask(&w, &query);
    assert_int_equal(page.count, 0);
    cm_audit_page_clear(&page);
    world_close(&w);
}

/* An index is a hint: a lie in it is not believed, and without it the answer is the same. */
static void without_sound_indexes_answers_are_the_same(void **state)
{
    (void)state;
    world w;
    world_open_small(&w);
    for (size_t i = 0; i < 60; i++)
        put_some(&w, 1);
    close_log(&w);
    assert_int_equal(try_open(&w), CM_OK);
    size_t found = 0;
    for (unsigned sequence = 1; sequence < 100; sequence++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%08u.index", w.directory, sequence);
        if (access(path, F_OK) != 0)
            continue;
        found++;
        if (sequence % 2 == 0) {
            assert_int_equal(unlink(path), 0);
            continue;
        }
        FILE *stream = fopen(path, "r+e");
        assert_non_null(stream);
        assert_int_equal(fseek(stream, 20, SEEK_SET), 0);
        fputs("nothing here", stream);
        fclose(stream);
    }
    assert_true(found > 3);
    cm_audit_page page = ask_home(&w, "verdi", 100);
    assert_int_equal(page.count, 60);
    cm_audit_page_clear(&page);
    world_close(&w);
}

/* ---- exposure ---- */

static void view(world *w, uint64_t viewing, const char *account, int64_t begin_s, int64_t end_s)
{
    cm_audit_entry begin = make(CM_AUDIT_VIEW_BEGIN, "verdi", "door", account);
    begin.when = at_s(begin_s);
    begin.viewing = viewing;
    begin.path = CM_AUDIT_PATH_MP4;
    assert_int_equal(cm_audit_put(w->audit, &begin, NOTHING), CM_OK);
    if (end_s < 0)
        return;
    cm_audit_entry end = make(CM_AUDIT_VIEW_END, "verdi", "door", account);
    end.when = at_s(end_s);
    end.since = at_s(begin_s);
    end.viewing = viewing;
    end.path = CM_AUDIT_PATH_MP4;
    end.frame_count = 1;
    end.frames[0] = (cm_audit_frames){.stream = 1, .first = 5, .last = 9, .frames = 5};
    assert_int_equal(cm_audit_put(w->audit, &end, NOTHING), CM_OK);
}

static cm_audit_viewings expose(world *w, int64_t from_s, int64_t to_s)
{
    cm_audit_source source;
    cm_audit_viewings found;
    const cm_audit_entry door = make(CM_AUDIT_NONE, "verdi", "door", NULL);
    assert_int_equal(cm_audit_flush(w->audit), CM_OK);
    cm_audit_source_of(w->audit, &source);
    assert_int_equal(
        cm_audit_exposure(&source, &door.home, &door.camera, at_s(from_s), at_s(to_s), &found),
        CM_OK);
    return found;
}

static void a_viewing_counts_if_it_overlaps(void **state)
{
    (void)state;
    world w;
    world_open_small(&w);
    view(&w, 1, "anna", 0, 10);
    view(&w, 2, "bruno", 20, 100);
    view(&w, 3, "carla", 200, 300);
    view(&w, 4, "dario", 250, -1); /* goes on */
    cm_audit_viewings found = expose(&w, 50, 60);
    assert_int_equal(found.count, 1);
    assert_string_equal(found.items[0].account.text, "bruno");
    assert_int_equal(found.items[0].frames[0].first, 5);
    assert_int_equal(found.items[0].frames[0].last, 9);
    cm_audit_viewings_clear(&found);
    found = expose(&w, 12, 18);
    assert_int_equal(found.count, 0);
    cm_audit_viewings_clear(&found);
    found = expose(&w, 0, 1000);
    assert_int_equal(found.count, 4);
    assert_string_equal(found.items[3].account.text, "dario");
    assert_false(found.items[3].is_over);
    cm_audit_viewings_clear(&found);
    /* Another camera, or home: nobody. */
    cm_audit_entry other = make(CM_AUDIT_VIEW_BEGIN, "rossi", "door", "mallory");
    assert_int_equal(cm_audit_put(w.audit, &other, NOTHING), CM_OK);
    found = expose(&w, 0, 1000);
    assert_int_equal(found.count, 4);
    cm_audit_viewings_clear(&found);
    world_close(&w);
}

static void a_server_that_died_ends_its_viewings(void **state)
{
    (void)state;
    world w;
    world_open_small(&w);
    view(&w, 1, "anna", 10, -1);
    cm_audit_entry start = make(CM_AUDIT_SERVER_START, NULL, NULL, NULL);
    start.when = at_s(500);
    assert_int_equal(cm_audit_put(w.audit, &start, NOTHING), CM_OK);
    view(&w, 1, "bruno", 510, 520); /* numbers begin anew */
    cm_audit_viewings found = expose(&w, 100, 200);
    assert_int_equal(found.count, 1);
    assert_string_equal(found.items[0].account.text, "anna");
    assert_true(found.items[0].is_over);
    assert_int_equal(found.items[0].end.us, at_s(500).us);
    cm_audit_viewings_clear(&found);
    found = expose(&w, 501, 600);
    assert_int_equal(found.count, 1);
    assert_string_equal(found.items[0].account.text, "bruno");
    cm_audit_viewings_clear(&found);
    world_close(&w);
}

/* A viewing that began many segments ago, with starts and indexes in between. */
static void a_long_viewing_is_found_in_its_middle(void **state)
{
    (void)state;
    world w;
    world_open_small(&w);
    cm_audit_entry start = make(CM_AUDIT_SERVER_START, NULL, NULL, NULL);
    for (int64_t day = 0; day < 3; day++) {
        start.when = at_s(day * 10000);
        assert_int_equal(cm_audit_keep(w.audit, &start, NOTHING), CM_OK);
        view(&w, 7, "anna", day * 10000 + 5, -1);
        for (int64_t i = 0; i < 60; i++) {
            cm_audit_entry other = make(CM_AUDIT_GRANT_PUT, "rossi", "yard", "carla");
            other.when = at_s(day * 10000 + 10 + i);
            assert_int_equal(cm_audit_keep(w.audit, &other, NOTHING), CM_OK);
        }
        cm_audit_entry end = make(CM_AUDIT_VIEW_END, "verdi", "door", "anna");
        end.viewing = 7;
        end.since = at_s(day * 10000 + 5);
        end.when = at_s(day * 10000 + 9000);
        assert_int_equal(cm_audit_keep(w.audit, &end, NOTHING), CM_OK);
    }
    assert_true(verify(&w, NULL).segments > 6);
    for (int64_t day = 0; day < 3; day++) {
        cm_audit_viewings found = expose(&w, day * 10000 + 4000, day * 10000 + 4001);
        assert_int_equal(found.count, 1);
        assert_int_equal(found.items[0].begin.us, at_s(day * 10000 + 5).us);
        cm_audit_viewings_clear(&found);
    }
    world_close(&w);
}

/* ---- what can be erased ---- */

static size_t read_private(world *w, const cm_audit_entry *entry, uint8_t out[128])
{
    cm_audit_source source;
    size_t size = 0;
    cm_audit_source_of(w->audit, &source);
    return cm_audit_private_of(&source, entry, out, &size) == CM_OK ? size : 0;
}

static void what_identifies_is_erased_and_the_log_still_verifies(void **state)
{
    (void)state;
    world w;
    uint8_t bytes[CM_AUDIT_PRIVATE_MAX];
    uint64_t erased = 0;
    world_open_small(&w);
    for (size_t i = 0; i < 40; i++) {
        const cm_audit_entry entry =
            make(CM_AUDIT_SIGN_IN, NULL, NULL, i % 2 == 0 ? "anna" : "bruno");
        assert_int_equal(cm_audit_keep(w.audit, &entry,
                                       i % 2 == 0 ? CM_TEXT("192.0.2.1") : CM_TEXT("192.0.2.2")),
                         CM_OK);
    }
    cm_audit_page page = ask_home(&w, NULL, 100);
    assert_int_equal(page.count, 40);
    for (size_t i = 0; i < page.count; i++) {
        assert_int_equal(read_private(&w, &page.items[i], bytes), 9);
        assert_int_equal(bytes[8], i % 2 == 0 ? '2' : '1');
    }
    assert_int_equal(verify(&w, NULL).kept, 40);
    const cm_account_id anna = make(CM_AUDIT_NONE, NULL, NULL, "anna").account;
    assert_int_equal(cm_audit_erase(w.directory, NULL, &anna, &erased), CM_OK);
    assert_int_equal(erased, 20);
    for (size_t i = 0; i < page.count; i++)
        assert_int_equal(read_private(&w, &page.items[i], bytes), i % 2 == 0 ? 9 : 0);
    cm_audit_page_clear(&page);
    assert_sound(&w);
    assert_int_equal(verify(&w, NULL).kept, 20);
    assert_int_equal(verify(&w, NULL).erased, 20);
    /* The bytes are nowhere in the folder any more. */
    DIR *directory = opendir(w.directory);
    assert_non_null(directory);
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL) {
        static char content[1 << 16];
        const int fd = openat(dirfd(directory), entry->d_name, O_RDONLY | O_CLOEXEC);
        const ssize_t size = read(fd, content, sizeof content);
        if (size > 0)
            assert_null(memmem(content, (size_t)size, "192.0.2.1", 9));
        close(fd);
    }
    closedir(directory);
    /* And the log goes on. */
    const cm_audit_entry more = make(CM_AUDIT_SIGN_IN, NULL, NULL, "anna");
    assert_int_equal(cm_audit_keep(w.audit, &more, CM_TEXT("192.0.2.9")), CM_OK);
    close_log(&w);
    assert_int_equal(try_open(&w), CM_OK);
    assert_sound(&w);
    world_close(&w);
}

/* Whoever puts it beside every entry: it is kept of those kinds that commit to it. */
static void a_kind_without_a_private_part_keeps_none(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    for (unsigned kind = 1; kind < CM_AUDIT_KINDS; kind++) {
        if (cm_audit_kind_name((cm_audit_kind)kind) == NULL)
            continue;
        const cm_audit_entry entry = make((cm_audit_kind)kind, NULL, NULL, "anna");
        assert_int_equal(cm_audit_keep(w.audit, &entry, CM_TEXT("192.0.2.1")), CM_OK);
    }
    assert_sound(&w);
    cm_audit_page page = ask_home(&w, NULL, 200);
    size_t kept = 0;
    for (size_t i = 0; i < page.count; i++) {
        assert_true(page.items[i].has_private == cm_audit_kind_has_private(page.items[i].kind));
        kept += page.items[i].has_private ? 1 : 0;
    }
    assert_int_equal(verify(&w, NULL).kept, kept);
    assert_true(kept > 3 && kept < page.count / 2);
    cm_audit_page_clear(&page);
    world_close(&w);
}

static void a_changed_private_part_is_found(void **state)
{
    (void)state;
    world w;
    char path[128];
    world_open(&w);
    const cm_audit_entry entry = make(CM_AUDIT_SIGN_IN, NULL, NULL, "anna");
    assert_int_equal(cm_audit_keep(w.audit, &entry, CM_TEXT("192.0.2.1")), CM_OK);
    assert_int_equal(cm_audit_keep(w.audit, &entry, CM_TEXT("192.0.2.2")), CM_OK);
    close_log(&w);
    snprintf(path, sizeof path, "%s/00000001.private", w.directory);
    FILE *stream = fopen(path, "r+e");
    assert_non_null(stream);
    assert_int_equal(fseek(stream, 2 * CM_AUDIT_SLOT_SIZE - CM_AUDIT_PRIVATE_MAX + 8, SEEK_SET), 0);
    fputc('7', stream);
    fclose(stream);
    assert_found(&w, NULL, 2, 2);
    assert_int_equal(truncate(path, CM_AUDIT_SLOT_SIZE), 0);
    assert_found(&w, NULL, 2, 2);
    assert_int_equal(unlink(path), 0); /* elsewhere one may verify without them */
    assert_sound(&w);
    world_close(&w);
}

static void heads_are_told_and_read(void **state)
{
    (void)state;
    world w;
    char text[CM_AUDIT_HEAD_TEXT_SIZE];
    cm_audit_head head, back;
    world_open(&w);
    put_some(&w, 12);
    cm_audit_read_head(w.audit, &head);
    assert_int_equal(head.count, 12);
    assert_true(verify(&w, &head).is_sound);
    cm_audit_head_format(&head, text);
    assert_int_equal(cm_audit_head_parse(cm_slice_of(text), &back), CM_OK);
    assert_int_equal(back.count, 12);
    assert_memory_equal(back.link, head.link, sizeof head.link);
    assert_int_equal(cm_audit_head_parse(CM_TEXT("12"), &back), CM_REFUSE);
    assert_int_equal(cm_audit_head_parse(CM_TEXT("x:00"), &back), CM_REFUSE);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_reads_as_it_was_written),
        cmocka_unit_test(what_was_granted_keeps_its_hours),
        cmocka_unit_test(a_command_is_told_from_a_person),
        cmocka_unit_test(an_entry_without_more_is_as_it_was),
        cmocka_unit_test(more_that_cannot_be_is_no_entry),
        cmocka_unit_test(an_unknown_cause_is_called_other),
        cmocka_unit_test(what_was_recorded_is_there_and_verifies),
        cmocka_unit_test(the_log_goes_on_after_a_restart),
        cmocka_unit_test(nobody_else_may_read_it),
        cmocka_unit_test(a_second_writer_is_refused),
        cmocka_unit_test(without_a_log_nothing_is_kept_and_nothing_fails),
        cmocka_unit_test(threads_write_at_once),
        cmocka_unit_test(what_finds_no_room_is_counted_in_the_log),
        cmocka_unit_test(refusals_of_a_minute_are_two_entries),
        cmocka_unit_test(more_kinds_of_refusal_than_there_is_room_for_are_a_gap),
        cmocka_unit_test(a_torn_tail_is_cut_off_and_told),
        cmocka_unit_test(a_segment_without_a_whole_header_never_was),
        cmocka_unit_test(killed_at_any_time_no_acknowledged_entry_is_lost),
        cmocka_unit_test(an_edited_entry_is_found),
        cmocka_unit_test(a_dropped_reordered_or_doubled_entry_is_found),
        cmocka_unit_test(a_log_that_was_chained_anew_is_found),
        cmocka_unit_test(an_entry_of_another_log_is_found),
        cmocka_unit_test(a_log_cut_back_to_an_older_head_is_found),
        cmocka_unit_test(a_key_that_is_not_ours_signs_nothing),
        cmocka_unit_test(a_missing_or_swapped_segment_is_found),
        cmocka_unit_test(a_home_hears_of_itself_alone),
        cmocka_unit_test(pages_follow_each_other_over_segments),
        cmocka_unit_test(filters_are_all_obeyed),
        cmocka_unit_test(without_sound_indexes_answers_are_the_same),
        cmocka_unit_test(a_viewing_counts_if_it_overlaps),
        cmocka_unit_test(a_server_that_died_ends_its_viewings),
        cmocka_unit_test(a_long_viewing_is_found_in_its_middle),
        cmocka_unit_test(what_identifies_is_erased_and_the_log_still_verifies),
        cmocka_unit_test(a_kind_without_a_private_part_keeps_none),
        cmocka_unit_test(a_changed_private_part_is_found),
        cmocka_unit_test(heads_are_told_and_read),
    };
    (void)signal(SIGXFSZ, SIG_IGN);
    cm_log_set_level(CM_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
