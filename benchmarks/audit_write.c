/*
 * audit_write: how many entries a second become durable, and how long questions take over all of
 * them.
 *
 * `writers` threads put `entries` entries (a viewing's begin and end in turn, of 40 cameras of 10
 * homes and 100 people) as fast as the log takes them, each waiting for the disk once in `every`;
 * who finds no room waits for the disk too. Then the questions that people ask, warm. In a folder
 * below `directory`, which is emptied. Prints one line of JSON.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/query.h"
#include "audit/verify.h"
#include "base/log.h"
#include "common.h"

enum { HOMES = 10, CAMERAS = 40, PEOPLE = 100, WRITERS_MAX = 16 };

#define BEGIN_US INT64_C(1795000000000000)

typedef struct load {
    cm_audit *audit;
    uint64_t entries, every;
    unsigned index;
    uint64_t refused;
} load;

static void must(cm_status status, const char *what)
{
    if (status != CM_OK)
        bench_die("%s: %s", what, cm_status_name(status));
}

static cm_audit_entry entry_of(uint64_t i, unsigned writer)
{
    const uint64_t viewing = i / 2;
    cm_audit_entry entry = {.kind = i % 2 == 0 ? CM_AUDIT_VIEW_BEGIN : CM_AUDIT_VIEW_END,
                            .when = {BEGIN_US + (int64_t)i * 1000},
                            .since = {BEGIN_US + (int64_t)(i - i % 2) * 1000},
                            .viewing = viewing * WRITERS_MAX + writer,
                            .path = CM_AUDIT_PATH_WEBRTC,
                            .streams = 3,
                            .value = 1,
                            .cause = CM_AUDIT_CAUSE_LEFT,
                            .frame_count = 1};
    entry.frames[0] = (cm_audit_frames){.first = i, .last = i + 500, .frames = 500};
    snprintf(entry.home.text, sizeof entry.home.text, "home%u", (unsigned)(viewing % HOMES));
    snprintf(entry.camera.text, sizeof entry.camera.text, "camera%u",
             (unsigned)(viewing % CAMERAS));
    snprintf(entry.account.text, sizeof entry.account.text, "person%010u",
             (unsigned)(viewing % PEOPLE));
    return entry;
}

static void *write_all(void *argument)
{
    load *l = argument;
    for (uint64_t i = 0; i < l->entries; i++) {
        const cm_audit_entry entry = entry_of(i, l->index);
        const cm_slice none = {.size = 0};
        if (l->every != 0 && i % l->every == 0) {
            must(cm_audit_keep(l->audit, &entry, none), "keep");
            continue;
        }
        while (cm_audit_put(l->audit, &entry, none) == CM_FULL) {
            l->refused++;
            must(cm_audit_flush(l->audit), "flush");
        }
    }
    return NULL;
}

static double seconds_since(int64_t began)
{
    return (double)(bench_now_us() - began) / 1e6;
}

static void write_load(cm_audit *audit, uint64_t entries, uint64_t writers, uint64_t every)
{
    pthread_t threads[WRITERS_MAX];
    load loads[WRITERS_MAX];
    cm_audit_counters counters;
    const int64_t cpu = bench_cpu_us();
    const int64_t began = bench_now_us();
    for (unsigned i = 0; i < writers; i++) {
        loads[i] = (load){audit, entries / writers, every, i, 0};
        if (pthread_create(&threads[i], NULL, write_all, &loads[i]) != 0)
            bench_die("no thread");
    }
    for (unsigned i = 0; i < writers; i++)
        pthread_join(threads[i], NULL);
    must(cm_audit_flush(audit), "flush");
    const double took = seconds_since(began);
    cm_audit_read_counters(audit, &counters);
    printf("{\"entries\": %llu, \"seconds\": %.2f, \"per_second\": %.0f, \"batches\": %llu, "
           "\"cpu_us_per_entry\": %.2f, ",
           (unsigned long long)counters.entries, took, (double)counters.entries / took,
           (unsigned long long)counters.batches,
           (double)(bench_cpu_us() - cpu) / (double)counters.entries);
}

/* ---- questions ---- */

static void ask(const cm_audit_source *source, const char *name, const cm_audit_query *query)
{
    cm_audit_page page;
    const int64_t began = bench_now_us();
    must(cm_audit_ask(source, query, &page), name);
    printf("\"%s_s\": %.3f, \"%s_found\": %zu, ", name, seconds_since(began), name, page.count);
    cm_audit_page_clear(&page);
}

static void ask_all(cm_audit *audit, uint64_t entries, uint64_t writers)
{
    cm_audit_source source;
    cm_audit_viewings found;
    cm_audit_source_of(audit, &source);
    const cm_audit_entry middle = entry_of(entries / writers / 2, 0);
    cm_audit_query query = {.home = middle.home, .limit = 100};
    ask(&source, "newest_of_home", &query);
    query.account = middle.account;
    ask(&source, "newest_of_account", &query);
    snprintf(query.account.text, sizeof query.account.text, "%s", "nobody");
    ask(&source, "of_who_is_not_there", &query);
    snprintf(query.account.text, sizeof query.account.text, "%s", middle.account.text);
    query.from = middle.when;
    query.to.us = middle.when.us + 60000000;
    ask(&source, "old_minute_of_account", &query);
    const int64_t began = bench_now_us();
    must(cm_audit_exposure(&source, &middle.home, &middle.camera, query.from, query.to, &found),
         "exposure");
    printf("\"exposure_s\": %.3f, \"exposure_found\": %zu, ", seconds_since(began), found.count);
    cm_audit_viewings_clear(&found);
}

static void verify(const char *directory, cm_audit *audit)
{
    uint8_t key[CM_AUDIT_PUBLIC_KEY_SIZE];
    cm_audit_verdict verdict;
    const int64_t began = bench_now_us();
    cm_audit_public_key(audit, key);
    must(cm_audit_verify(directory, key, NULL, &verdict), "verify");
    if (!verdict.is_sound)
        bench_die("the log does not verify: %s", verdict.sentence);
    printf("\"verify_s\": %.2f, \"segments\": %llu}\n", seconds_since(began),
           (unsigned long long)verdict.segments);
}

static void empty(const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL)
        (void)unlinkat(dirfd(directory), entry->d_name, 0);
    if (directory != NULL)
        closedir(directory);
}

int main(int argc, char **argv)
{
    uint64_t entries = 1000000, writers = 2, every = 0;
    const char *directory = NULL;
    bench_read_options(argc, argv,
                       (const bench_option[]){{.name = "entries", .number = &entries},
                                              {.name = "writers", .number = &writers},
                                              {.name = "every", .number = &every},
                                              {.name = "directory", .text = &directory},
                                              {0}});
    if (directory == NULL || writers == 0 || writers > WRITERS_MAX || entries < 1000)
        bench_die("--directory DIR is wanted, --writers 1 to %d, --entries from 1000", WRITERS_MAX);
    char path[512];
    char message[CM_AUDIT_MESSAGE_SIZE] = "";
    snprintf(path, sizeof path, "%s/audit-bench", directory);
    empty(path);
    cm_log_set_level(CM_LOG_ERROR);
    const cm_secret key = {{7}};
    cm_audit *audit;
    must(cm_audit_open(&(cm_audit_config){.directory = path, .key = &key, .now = {BEGIN_US}},
                       message, &audit),
         "open");
    write_load(audit, entries, writers, every);
    ask_all(audit, entries, writers);
    verify(path, audit);
    cm_audit_close(audit);
    empty(path);
    return rmdir(path) == 0 ? 0 : 1;
}
