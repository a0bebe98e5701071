/*
 * grant_store: what a decision costs in a database of many people.
 *
 * Makes `homes` homes of `members` members and `cameras` cameras each, every member granted every
 * camera, below `directory`; then reads the whole chain of evidence of random members and cameras
 * (one session a home), warm, and decides. Rows are written as the store's operations write them,
 * many to a transaction: one each would take days of syncing. Prints one line of JSON: sizes of the
 * grants' table and indexes, memory, evidence and decision.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "common.h"
#include "grants/grants.h"
#include "store/sqlite/store_priv.h"

enum {
    HOMES_A_COMMIT = 20,
    CAMERAS_MAX = 100,
    ASKS = 20000,       /* chains that are timed */
    DECISIONS = 200000, /* over the facts of those chains, several times */
    DECIDE_RUNS = 11,   /* of so many the median */
    MAKING_S = 1800,
    TOKEN_SEED = 0x5EED,
};

#define NOW_US INT64_C(1795000000000000)

static struct {
    uint64_t homes, members, cameras;
    const char *directory;
} options = {.homes = 10000, .members = 100, .cameras = 10};

typedef struct house {
    cm_home_id id;
    cm_account_id someone; /* whose session there is */
} house;

static house *houses;
static const cm_zone *zone; /* of all homes */

static void must(cm_status status, const char *what)
{
    if (status != CM_OK)
        bench_die("%s: %s", what, cm_status_name(status));
}

static cm_camera_key camera_of(const house *h, uint64_t index)
{
    cm_camera_key key = {.home = h->id};
    snprintf(key.camera.text, sizeof key.camera.text, "camera%u", (unsigned)index);
    return key;
}

/* The token of a home's session is its number. */
static cm_asker asker_of(uint64_t home)
{
    cm_asker asker = {.kind = CM_ASKER_SESSION};
    cm_random random = cm_random_seeded(TOKEN_SEED + home);
    cm_random_fill(&random, asker.token_hash, sizeof asker.token_hash);
    return asker;
}

/* ---- making them ---- */

static void make_camera(cm_tx *tx, const cm_camera_key *key)
{
    cm_row row;
    cm_row_init(&row, CM_CAMERAS);
    cm_row_set_id(&row, CM_CAMERAS_HOME, key->home.text);
    cm_row_set_id(&row, CM_CAMERAS_ID, key->camera.text);
    cm_row_set_bytes(&row, CM_CAMERAS_NAME, cm_slice_of(key->camera.text));
    cm_row_set_bytes(&row, CM_CAMERAS_MAIN, CM_TEXT("rtsp://192.0.2.1/main"));
    cm_row_set_integer(&row, CM_CAMERAS_MIN_EPOCH, 1);
    cm_row_set_integer(&row, CM_CAMERAS_CREATED, NOW_US);
    must(cm_tx_insert(tx, &row), "a camera");
}

static void make_grant(cm_tx *tx, const cm_camera_key *key, const cm_account_id *account)
{
    cm_row row;
    cm_row_init(&row, CM_GRANTS);
    cm_row_set_id(&row, CM_GRANTS_HOME, key->home.text);
    cm_row_set_id(&row, CM_GRANTS_ACCOUNT, account->text);
    cm_row_set_id(&row, CM_GRANTS_CAMERA, key->camera.text);
    cm_row_set_integer(&row, CM_GRANTS_RIGHTS, CM_RIGHT_VIEW);
    cm_row_set_integer(&row, CM_GRANTS_CREATED, NOW_US);
    must(cm_tx_insert(tx, &row), "a grant");
}

static void make_member(cm_tx *tx, house *h, uint64_t home, uint64_t index)
{
    char name[CM_NAME_SIZE];
    snprintf(name, sizeof name, "person%u-%u", (unsigned)home, (unsigned)index);
    cm_stored_account account;
    const cm_new_account asked = {.name = cm_slice_of(name)};
    must(cm_tx_make_account(tx, &asked, (cm_wall){NOW_US}, &account), "an account");
    must(cm_tx_make_membership(tx, &h->id, &account.id, CM_ROLE_ADULT, false, (cm_wall){NOW_US}),
         "a membership");
    if (index == 0)
        h->someone = account.id;
    for (uint64_t i = 0; i < options.cameras; i++) {
        const cm_camera_key key = camera_of(h, i);
        make_grant(tx, &key, &account.id);
    }
}

static void make_home(cm_tx *tx, uint64_t index)
{
    house *h = &houses[index];
    cm_stored_home home = {0};
    snprintf(home.name, sizeof home.name, "home %u", (unsigned)index);
    must(cm_tx_make_home(tx, &home, (cm_wall){NOW_US}), "a home");
    h->id = home.id;
    for (uint64_t i = 0; i < options.cameras; i++) {
        const cm_camera_key key = camera_of(h, i);
        make_camera(tx, &key);
    }
    for (uint64_t i = 0; i < options.members; i++)
        make_member(tx, h, index, i);
    const cm_asker asker = asker_of(index);
    const cm_session_origin origin = {.method = CM_METHOD_PASSWORD};
    must(cm_tx_make_session(tx, &h->someone, asker.token_hash, &origin, (cm_wall){NOW_US}),
         "a session");
}

static void make_all(cm_store *store)
{
    for (uint64_t at = 0; at < options.homes;) {
        CM_AUTO(cm_tx_end) cm_tx tx;
        must(cm_tx_begin(store, CM_TX_WRITE, &tx), "a transaction");
        for (uint64_t i = 0; i < HOMES_A_COMMIT && at < options.homes; i++)
            make_home(&tx, at++);
        must(cm_tx_commit(&tx), "a commit");
    }
}

/* ---- asking ---- */

static int by_time(const void *a, const void *b)
{
    const double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* One chain; microseconds. What the clock of the home shows is looked up with each decision. */
static double ask(cm_store *store, cm_random *random, cm_grant_facts *facts)
{
    const uint64_t home = cm_random_below(random, options.homes);
    const cm_camera_key key = camera_of(&houses[home], cm_random_below(random, options.cameras));
    const cm_asker asker = asker_of(home);
    cm_evidence evidence;
    const char *cause = NULL;
    const int64_t began = now_ns();
    must(cm_store_evidence(store, &asker, &key, (cm_wall){NOW_US + 1000}, &evidence, &cause),
         "evidence");
    const double took = (double)(now_ns() - began) / 1000;
    *facts = cm_grant_facts_of(&evidence);
    zone = evidence.zone;
    const cm_moment at = cm_zone_at(zone, (cm_wall){NOW_US + 1000});
    if (!cm_grant_decide(facts, &at, CM_RIGHT_VIEW).is_allowed)
        bench_die("a grant did not let its member in");
    return took;
}

static double decide_all(const cm_grant_facts *facts)
{
    size_t allowed = 0;
    const int64_t began = now_ns();
    for (size_t i = 0; i < DECISIONS; i++) {
        const cm_moment at = cm_zone_at(zone, (cm_wall){NOW_US + (int64_t)i});
        allowed += cm_grant_decide(&facts[i * 7919 % ASKS], &at, CM_RIGHT_VIEW).is_allowed;
    }
    const double took = (double)(now_ns() - began) / DECISIONS;
    if (allowed != DECISIONS)
        bench_die("a decision changed");
    return took;
}

static double decide(const cm_grant_facts *facts)
{
    double times[DECIDE_RUNS];
    for (size_t i = 0; i < DECIDE_RUNS; i++)
        times[i] = decide_all(facts);
    qsort(times, DECIDE_RUNS, sizeof times[0], by_time);
    return times[DECIDE_RUNS / 2];
}

/* ---- sizes ---- */

static uint64_t bytes_of_grants(cm_store *store)
{
    int64_t bytes;
    must(cm_db_ask_integer(&store->writer,
                           "SELECT sum(pgsize) FROM dbstat WHERE aggregate = TRUE AND name IN"
                           " (SELECT name FROM sqlite_schema WHERE tbl_name = 'grants')",
                           &bytes),
         "the size of the grants");
    return (uint64_t)bytes;
}

static double resident_mb(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*u %lu", &pages) != 1)
        bench_die("no /proc/self/statm");
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1e6;
}

static void measure(cm_store *store)
{
    static double times[ASKS];
    static cm_grant_facts facts[ASKS];
    cm_random random = cm_random_seeded(1);
    for (size_t round = 0; round < 2; round++) { /* the first warms */
        random = cm_random_seeded(1);
        for (size_t i = 0; i < ASKS; i++)
            times[i] = ask(store, &random, &facts[i]);
    }
    qsort(times, ASKS, sizeof times[0], by_time);
    const uint64_t grants = options.homes * options.members * options.cameras;
    printf("{\"accounts\": %llu, \"grants\": %llu, \"evidence_p50_us\": %.1f, "
           "\"evidence_p99_us\": %.1f, \"decide_ns\": %.2f, \"bytes_per_grant\": %.1f, "
           "\"resident_mb\": %.1f}\n",
           (unsigned long long)(options.homes * options.members), (unsigned long long)grants,
           times[ASKS / 2], times[ASKS * 99 / 100], decide(facts),
           (double)bytes_of_grants(store) / (double)grants, resident_mb());
}

int main(int argc, char **argv)
{
    bench_read_options(argc, argv,
                       (const bench_option[]){{.name = "directory", .text = &options.directory},
                                              {.name = "homes", .number = &options.homes},
                                              {.name = "members", .number = &options.members},
                                              {.name = "cameras", .number = &options.cameras},
                                              {0}});
    if (options.directory == NULL || options.homes == 0 || options.members == 0 ||
        options.cameras == 0 || options.cameras > CAMERAS_MAX)
        bench_die("--directory DIR, and at least one home, member and camera");
    (void)alarm(MAKING_S); /* ten million rows are made before anything is measured */
    cm_log_set_level(CM_LOG_ERROR);
    houses = calloc(options.homes, sizeof *houses);
    if (houses == NULL)
        bench_die("no memory");
    char message[CM_STORE_MESSAGE_SIZE];
    cm_store *store;
    const cm_store_config config = {.directory = options.directory};
    if (cm_store_open(&config, message, &store) != CM_OK)
        bench_die("%s", message);
    make_all(store);
    measure(store);
    cm_store_close(store);
    free(houses);
    return 0;
}
