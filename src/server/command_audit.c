/* `casement audit show|verify|key|erase`. */
#include <stdio.h>
#include <time.h>

#include "audit/private.h"
#include "audit/query.h"
#include "audit/verify.h"
#include "base/text.h"
#include "server/desk.h"
#include "server/witness.h"

enum { TIME_SIZE = 32 };

#define OPTION_DATA(target)                                                                        \
    {                                                                                              \
        "data", CM_OPTION_TEXT, &(target), "the server's data directory (" CM_DESK_DATA ")",       \
            "DIR", false, '\0'                                                                     \
    }
#define OPTION_LOG(target)                                                                         \
    {                                                                                              \
        "log", CM_OPTION_TEXT, &(target), "a copy of the folder audit/, instead", "DIR", false,    \
            '\0'                                                                                   \
    }

/* What only the data directory knows: the key, and the head that the store was told. */
typedef struct knowledge {
    uint8_t public_key[CM_AUDIT_PUBLIC_KEY_SIZE];
    cm_audit_head before;
} knowledge;

static int learn(const char *command, const char *data, knowledge *out)
{
    char message[CM_STORE_MESSAGE_SIZE] = "";
    CM_AUTO(cm_secret_clear) cm_secret key;
    cm_store *store = NULL;
    const cm_store_config config = {.directory = data, .must_exist = true};
    if (cm_store_open(&config, message, &store) != CM_OK)
        return cm_desk_refuse(command, "%s", message);
    cm_witness_key(store, &key);
    cm_audit_public_key_of(&key, out->public_key);
    const cm_status status = cm_witness_read_head(store, &out->before);
    cm_store_close(store);
    return status == CM_OK ? CM_EXIT_OK
                           : cm_desk_refuse(command, "the head that the store was told cannot be "
                                                     "read");
}

/* The folder of the log: --log, else of the data directory. */
static int find_log(const char *command, const char *log, const char *data,
                    char out[CM_WITNESS_PATH_SIZE])
{
    const cm_status status = log != NULL
                                 ? cm_slice_to_cstr(cm_slice_of(log), out, CM_WITNESS_PATH_SIZE)
                                 : cm_witness_directory(data, out);
    return status == CM_OK ? CM_EXIT_OK : cm_desk_misused(command, "the path is too long");
}

/* ---- verify ---- */

static int tell_verdict(const cm_audit_verdict *v, const cm_audit_head *before)
{
    if (!v->is_sound) {
        if (v->wrong_first == v->wrong_last)
            printf("WRONG: entry %llu.\n", (unsigned long long)v->wrong_first);
        else
            printf("WRONG: one of the entries %llu to %llu.\n", (unsigned long long)v->wrong_first,
                   (unsigned long long)v->wrong_last);
        CM_IGNORE((cm_status)cm_desk_end_output("audit verify"), "the status says enough");
        return cm_desk_refuse("audit verify", "%s", v->sentence);
    }
    printf("Sound: entries %llu to %llu in %llu segments, under %llu signed heads.\n",
           (unsigned long long)v->first, (unsigned long long)v->last,
           (unsigned long long)v->segments, (unsigned long long)v->heads);
    if (v->first > 1)
        printf("Older segments were taken away.\n");
    if (before != NULL && before->count > 0)
        printf("It holds the head that was written down at entry %llu.\n",
               (unsigned long long)before->count);
    else
        printf("No head was given that was written down elsewhere: that the newest entries are "
               "missing would not be seen.\n");
    if (v->erased > 0)
        printf("Erased private parts: %llu.\n", (unsigned long long)v->erased);
    if (v->unacknowledged > 0)
        printf("Behind the newest head: %llu bytes that were never acknowledged.\n",
               (unsigned long long)v->unacknowledged);
    return cm_desk_end_output("audit verify");
}

static int verify(const char *log, const char *data, const char *key, const char *head)
{
    knowledge known = {.before = {.count = 0}};
    char path[CM_WITNESS_PATH_SIZE];
    int code = find_log("audit verify", log, data, path);
    if (code == CM_EXIT_OK && key == NULL)
        code = learn("audit verify", data, &known);
    if (code != CM_EXIT_OK)
        return code;
    if (key != NULL &&
        cm_text_from_hex(cm_slice_of(key), known.public_key, sizeof known.public_key) != CM_OK)
        return cm_desk_misused("audit verify", "--key is 64 hex digits: see `casement audit key`");
    if (head != NULL && cm_audit_head_parse(cm_slice_of(head), &known.before) != CM_OK)
        return cm_desk_misused("audit verify",
                               "--head is what `casement audit key` printed: NUMBER:HEX");
    cm_audit_verdict verdict;
    const cm_status status = cm_audit_verify(path, known.public_key, &known.before, &verdict);
    if (status != CM_OK)
        return cm_desk_refuse("audit verify", "%s holds no audit that can be read (%s)", path,
                              cm_status_name(status));
    return tell_verdict(&verdict, &known.before);
}

static int run_verify(int argc, char **argv)
{
    const char *data = CM_DESK_DATA, *log = NULL, *key = NULL, *head = NULL;
    const cm_option options[] = {
        OPTION_DATA(data),
        OPTION_LOG(log),
        {"key", CM_OPTION_TEXT, &key, "the public key, on a machine without the data directory",
         "HEX", false, '\0'},
        {"head", CM_OPTION_TEXT, &head, "a head that was written down elsewhere", "HEAD", false,
         '\0'},
    };
    const cm_usage usage = {"audit verify",
                            "Is the audit whole and unchanged? Status 0 if so; else the first "
                            "wrong entry is named.",
                            options, CM_COUNT(options)};
    int code;
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    return verify(log, data, key, head);
}

/* ---- key ---- */

static int run_key(int argc, char **argv)
{
    const char *data = CM_DESK_DATA;
    const cm_option options[] = {OPTION_DATA(data)};
    const cm_usage usage = {"audit key",
                            "Prints the public key that the audit is signed with, and the newest "
                            "head that the store was told: keep both elsewhere.",
                            options, CM_COUNT(options)};
    int code;
    knowledge known;
    char hex[CM_HEX_SIZE(CM_AUDIT_PUBLIC_KEY_SIZE)];
    char head[CM_AUDIT_HEAD_TEXT_SIZE];
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    code = learn("audit key", data, &known);
    if (code != CM_EXIT_OK)
        return code;
    CM_IGNORE(
        cm_text_to_hex(cm_slice_over(known.public_key, sizeof known.public_key), hex, sizeof hex),
        "it fits");
    cm_audit_head_format(&known.before, head);
    printf("key %s\nhead %s\n", hex, head);
    return cm_desk_end_output("audit key");
}

/* ---- show ---- */

static const char *time_text(cm_wall when, char out[TIME_SIZE])
{
    const time_t seconds = (time_t)(when.us / 1000000);
    struct tm parts;
    out[0] = '\0';
    if (gmtime_r(&seconds, &parts) != NULL)
        (void)strftime(out, TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return out;
}

/* When what was granted holds; at all times says nothing. */
static void print_terms(const cm_audit_entry *e)
{
    char when[TIME_SIZE];
    if (e->hours.days != 0)
        printf(" days=");
    for (unsigned day = 0, said = 0; day < CM_HOURS_DAYS; day++)
        if ((e->hours.days >> day & 1) != 0)
            printf("%s%s", said++ > 0 ? "," : "", cm_hours_day_name(day));
    if (e->hours.from != 0 || e->hours.to != 0)
        printf(" hours=%02u:%02u-%02u:%02u", e->hours.from / 60u, e->hours.from % 60u,
               e->hours.to / 60u, e->hours.to % 60u);
    if (e->not_before.us != 0)
        printf(" from=%s", time_text(e->not_before, when));
    if (e->not_after.us != 0)
        printf(" until=%s", time_text(e->not_after, when));
}

/* key=value, as the server's log has it. */
static void print_entry(const cm_audit_entry *e)
{
    char when[TIME_SIZE];
    printf("%llu %s %s", (unsigned long long)e->number, time_text(e->when, when),
           cm_audit_kind_name(e->kind));
    if (e->home.text[0] != '\0')
        printf(" home=%s", e->home.text);
    if (e->camera.text[0] != '\0')
        printf(" camera=%s", e->camera.text);
    if (e->account.text[0] != '\0')
        printf(" account=%s", e->account.text);
    if (e->other[0] != '\0')
        printf(" other=%s", e->other);
    if (e->group[0] != '\0')
        printf(" group=%s", e->group);
    if (e->is_command)
        printf(" by=command");
    print_terms(e);
    if (e->cause != CM_AUDIT_CAUSE_NONE)
        printf(" cause=%s", cm_audit_cause_name(e->cause));
    if (e->count != 0)
        printf(" count=%llu", (unsigned long long)e->count);
    if (e->kind == CM_AUDIT_VIEW_BEGIN || e->kind == CM_AUDIT_VIEW_END)
        printf(" path=%s viewing=%llu", cm_audit_path_name(e->path),
               (unsigned long long)e->viewing);
    for (size_t i = 0; i < e->frame_count; i++)
        printf(" stream=%u frames=%llu-%llu", e->frames[i].stream,
               (unsigned long long)e->frames[i].first, (unsigned long long)e->frames[i].last);
    printf("\n");
}

static int show(const char *path, const cm_audit_query *query)
{
    CM_AUTO(cm_audit_page_clear) cm_audit_page page = {.count = 0};
    cm_audit_source source;
    cm_status status = cm_audit_source_at(path, &source);
    if (status == CM_OK)
        status = cm_audit_ask(&source, query, &page);
    if (status != CM_OK)
        return cm_desk_refuse("audit show", "%s holds no audit that can be read (%s)", path,
                              cm_status_name(status));
    for (size_t i = page.count; i-- > 0;)
        print_entry(&page.items[i]);
    return cm_desk_end_output("audit show");
}

static int run_show(int argc, char **argv)
{
    const char *data = CM_DESK_DATA, *log = NULL, *home = NULL, *camera = NULL;
    cm_option_number count = {.value = 50, .least = 1, .most = CM_AUDIT_PAGE_MAX};
    const cm_option options[] = {
        OPTION_DATA(data),
        OPTION_LOG(log),
        CM_DESK_HOME(home, false),
        {"camera", CM_OPTION_TEXT, &camera, "only of this camera", "CAMERA", false, '\0'},
        {"count", CM_OPTION_NUMBER, &count, "how many, 1 to 500 (50)", "NUMBER", false, 'n'},
    };
    const cm_usage usage = {"audit show", "Prints the newest entries, the newest last.", options,
                            CM_COUNT(options)};
    int code;
    char path[CM_WITNESS_PATH_SIZE];
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    cm_audit_query query = {.is_all = home == NULL, .limit = (size_t)count.value};
    if (home != NULL)
        code = cm_desk_parse_home("audit show", home, &query.home);
    if (code == CM_EXIT_OK && camera != NULL)
        code = cm_desk_parse_camera("audit show", camera, &query.camera);
    if (code == CM_EXIT_OK)
        code = find_log("audit show", log, data, path);
    return code == CM_EXIT_OK ? show(path, &query) : code;
}

/* ---- erase ---- */

static int erase(const char *path, const char *home, const char *account)
{
    cm_home_id home_id;
    cm_account_id account_id;
    uint64_t erased = 0;
    if (home == NULL && account == NULL)
        return cm_desk_misused("audit erase", "whose? name --home or --account");
    if (home != NULL) {
        const int code = cm_desk_parse_home("audit erase", home, &home_id);
        if (code != CM_EXIT_OK)
            return code;
    }
    if (account != NULL && cm_account_id_parse(cm_slice_of(account), &account_id) != CM_OK)
        return cm_desk_misused("audit erase", "'%s' is no account's id", account);
    const cm_status status = cm_audit_erase(path, home != NULL ? &home_id : NULL,
                                            account != NULL ? &account_id : NULL, &erased);
    if (status != CM_OK)
        return cm_desk_refuse("audit erase", "not all could be erased (%s); do it again",
                              cm_status_name(status));
    printf("Erased: %llu.\n", (unsigned long long)erased);
    return cm_desk_end_output("audit erase");
}

static int run_erase(int argc, char **argv)
{
    const char *data = CM_DESK_DATA, *home = NULL, *account = NULL;
    const cm_option options[] = {
        OPTION_DATA(data),
        CM_DESK_HOME(home, false),
        {"account", CM_OPTION_TEXT, &account, "the account's id", "ACCOUNT", false, '\0'},
    };
    const cm_usage usage = {"audit erase",
                            "Erases networks and devices that the audit keeps of a home or an "
                            "account. The audit still verifies.",
                            options, CM_COUNT(options)};
    int code;
    char path[CM_WITNESS_PATH_SIZE];
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    code = find_log("audit erase", NULL, data, path);
    return code == CM_EXIT_OK ? erase(path, home, account) : code;
}

int cm_command_audit(int argc, char **argv)
{
    static const cm_command COMMANDS[] = {
        {"show", "print the newest entries", run_show},
        {"verify", "say whether it is whole and unchanged", run_verify},
        {"key", "print the public key and the newest head", run_key},
        {"erase", "erase what tells who somebody is", run_erase},
    };
    static const cm_command_table TABLE = {"audit", COMMANDS, CM_COUNT(COMMANDS)};
    return cm_command_choose(&TABLE, argc, argv);
}
