/* `casement user add|list|reset|log-out|hold-off|restore|remove`. */
#include <stdlib.h>
#include <string.h>

#include "server/desk.h"
#include "server/listing.h"

typedef struct addition {
    const char *command;
    cm_desk_place place;
    const char *home, *role, *password_file, *name;
    bool is_operator;
    cm_home_id home_id;
    cm_role role_id;
    char password[CM_DESK_PASSWORD_SIZE]; /* wiped by run_add */
} addition;

static int check_addition(addition *a)
{
    if (a->is_operator)
        return a->home == NULL && a->role == NULL
                   ? CM_EXIT_OK
                   : cm_desk_misused(a->command, "an operator has neither --home nor --role");
    if (a->home == NULL || a->role == NULL)
        return cm_desk_misused(a->command,
                               "--home HOME and --role ROLE are missing (or --operator)");
    if (cm_role_parse(cm_slice_of(a->role), &a->role_id) != CM_OK)
        return cm_desk_misused(a->command, "--role: '%s'; allowed: owner, adult, child, guest",
                               a->role);
    return cm_desk_parse_home(a->command, a->home, &a->home_id);
}

static void tell_joined(const cm_desk *desk, const addition *a, const cm_stored_account *account)
{
    cm_audit_entry entry = {.kind = a->is_operator ? CM_AUDIT_ACCOUNT_ADDED : CM_AUDIT_MEMBER_ADDED,
                            .home = a->home_id,
                            .value = a->role_id};
    cm_slice_copy(cm_slice_over(account->id.text, CM_ID_SIZE), entry.other, sizeof entry.other);
    cm_desk_tell(desk, &entry, 1);
}

/* Somebody who has an account joins one more home. */
static int join(const cm_desk *desk, const addition *a, const cm_stored_account *account)
{
    if (a->is_operator)
        return cm_desk_refuse(a->command, "there is an account of this name");
    if (a->password[0] != '\0')
        return cm_desk_refuse(a->command, "there is an account of this name, which keeps its "
                                          "password: leave --password-file out to let it join");
    const cm_status status =
        cm_store_member_add(desk->store, &a->home_id, &account->id, a->role_id, false, desk->now);
    if (status == CM_OK)
        tell_joined(desk, a, account);
    return status == CM_OK ? CM_EXIT_OK
                           : cm_desk_failed(a->command, status, "there is no such home",
                                            "the account is a member already, or an operator");
}

static int hash_password(const cm_desk *desk, addition *a, char hash[CM_PASSWORD_HASH_SIZE])
{
    int code = CM_EXIT_OK;
    if (a->password[0] == '\0')
        code = cm_desk_read_password(
            a->command, &(cm_desk_password){NULL, "Password of the account", true}, a->password);
    if (code != CM_EXIT_OK)
        return code;
    const cm_slice password = cm_slice_of(a->password);
    cm_password_fault fault;
    if (cm_identity_judge_password(desk->identity, password, cm_slice_of(a->name), &fault) != CM_OK)
        return cm_desk_refuse(a->command, "the list of refused passwords could not be read");
    if (fault != CM_PASSWORD_FINE)
        return cm_desk_refuse(a->command, "%s", cm_password_fault_text(fault));
    const cm_password_cost cost = {.passes = 0};
    return cm_password_hash(password, &cost, hash) == CM_OK
               ? CM_EXIT_OK
               : cm_desk_refuse(a->command, "not enough memory to hash the password");
}

static int create(const cm_desk *desk, addition *a)
{
    char hash[CM_PASSWORD_HASH_SIZE] = "";
    const int code = hash_password(desk, a, hash);
    if (code != CM_EXIT_OK)
        return code;
    const cm_new_account fresh = {.name = cm_slice_of(a->name),
                                  .is_operator = a->is_operator,
                                  .password_hash = cm_slice_of(hash)};
    cm_stored_account stored;
    const cm_status status = a->is_operator
                                 ? cm_store_account_create(desk->store, &fresh, desk->now, &stored)
                                 : cm_store_member_create(desk->store, &a->home_id, &fresh,
                                                          a->role_id, desk->now, &stored);
    if (status == CM_OK)
        tell_joined(desk, a, &stored);
    return status == CM_OK ? CM_EXIT_OK
                           : cm_desk_failed(a->command, status, "there is no such home",
                                            "the name can't be used");
}

static int add_account(addition *a)
{
    int code = check_addition(a);
    if (code == CM_EXIT_OK && a->password_file != NULL)
        code = cm_desk_read_password(a->command, &(cm_desk_password){.file = a->password_file},
                                     a->password);
    cm_desk desk;
    if (code == CM_EXIT_OK)
        code = cm_desk_open(a->command, &a->place, &desk);
    if (code != CM_EXIT_OK)
        return code;
    cm_stored_account account;
    const cm_status found =
        cm_store_account_find_name(desk.store, cm_slice_of(a->name), &account, NULL);
    if (found == CM_OK)
        code = join(&desk, a, &account);
    else if (found == CM_ABSENT)
        code = create(&desk, a);
    else
        code = cm_desk_failed(a->command, found, "", "the name can't be used");
    cm_desk_close(&desk);
    return code;
}

static int run_add(int argc, char **argv)
{
    addition a = {.command = "user add"};
    const cm_option options[] = {
        CM_DESK_OPTIONS(a.place),
        CM_DESK_HOME(a.home, false),
        {"role", CM_OPTION_TEXT, &a.role, "owner, adult, child or guest", "ROLE", false, '\0'},
        {"operator", CM_OPTION_FLAG, &a.is_operator,
         "an account that runs the server, without a home, and never sees pictures", NULL, false,
         '\0'},
        {"password-file", CM_OPTION_TEXT, &a.password_file,
         "a file that holds the password; -: standard input", "FILE", false, '\0'},
        {"NAME", CM_OPTION_OPERAND, &a.name, "the account's name", NULL, true, '\0'},
    };
    const cm_usage usage = {"user add", "Makes an account, or lets one join a home.", options,
                            CM_COUNT(options)};
    int code;
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    code = add_account(&a);
    cm_secret_wipe(a.password, sizeof a.password);
    return code;
}

/* ---- list ---- */

typedef struct census {
    cm_stored_homes homes;
    cm_stored_members *members; /* one set for each home */
} census;

static void clear_census(census *c)
{
    for (size_t i = 0; c->members != NULL && i < c->homes.count; i++)
        cm_stored_members_clear(&c->members[i]);
    free(c->members);
    cm_stored_homes_clear(&c->homes);
}

static cm_status take_census(const cm_desk *desk, census *c)
{
    CM_TRY(cm_store_homes(desk->store, &c->homes));
    c->members = calloc(c->homes.count + 1, sizeof *c->members);
    CM_ENSURE(c->members != NULL, CM_BROKEN);
    for (size_t i = 0; i < c->homes.count; i++)
        CM_TRY(cm_store_members(desk->store, &c->homes.items[i].id, desk->now, &c->members[i]));
    return CM_OK;
}

/* "verdi:owner" for each home the account is in. False: not in the one that was asked for. */
static bool list_roles(const census *c, const cm_stored_account *account, const cm_home_id *only,
                       cm_listing *listing)
{
    bool is_wanted = only == NULL;
    cm_listing_item(listing, "homes", NULL);
    for (size_t i = 0; i < c->homes.count; i++)
        for (size_t j = 0; j < c->members[i].count; j++) {
            const cm_stored_member *member = &c->members[i].items[j];
            if (!cm_account_id_equal(&member->account, &account->id))
                continue;
            char text[CM_ID_SIZE + 32];
            (void)snprintf(text, sizeof text, "%s:%s", c->homes.items[i].id.text,
                           cm_role_name(member->role));
            cm_listing_item(listing, "homes", text);
            is_wanted = is_wanted || cm_home_id_equal(&c->homes.items[i].id, only);
        }
    return is_wanted;
}

static cm_status list_accounts(const cm_desk *desk, const cm_home_id *only, cm_listing *listing)
{
    CM_AUTO(clear_census) census c = {.members = NULL};
    CM_AUTO(cm_stored_accounts_clear) cm_stored_accounts accounts = {.count = 0};
    cm_stored_home home;
    if (only != NULL)
        CM_TRY(cm_store_home_find(desk->store, only, &home));
    CM_TRY(take_census(desk, &c));
    CM_TRY(cm_store_accounts(desk->store, &accounts));
    for (size_t i = 0; i < accounts.count; i++) {
        const cm_stored_account *account = &accounts.items[i];
        cm_listing_add(listing);
        cm_listing_text(listing, "name", account->name);
        const bool is_wanted = list_roles(&c, account, only, listing);
        cm_listing_flag(listing, "operator", account->is_operator);
        cm_listing_flag(listing, "active", account->is_active);
        cm_listing_flag(listing, "declared", account->is_declared);
        cm_listing_time(listing, "created", account->created);
        if (!is_wanted)
            cm_listing_drop(listing);
    }
    return CM_OK;
}

static int run_list(int argc, char **argv)
{
    cm_desk_place place = {.config_path = NULL};
    const char *text = NULL;
    const cm_option options[] = {CM_DESK_OPTIONS(place), CM_DESK_HOME(text, false),
                                 CM_DESK_JSON(place)};
    const cm_usage usage = {"user list", "Prints the accounts, of all homes or of one.", options,
                            CM_COUNT(options)};
    int code;
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    cm_home_id home;
    if (text != NULL && (code = cm_desk_parse_home("user list", text, &home)) != CM_EXIT_OK)
        return code;
    cm_desk desk;
    code = cm_desk_open("user list", &place, &desk);
    if (code != CM_EXIT_OK)
        return code;
    CM_AUTO(cm_listing_deinit) cm_listing listing;
    cm_listing_init(&listing);
    const cm_status status = list_accounts(&desk, text != NULL ? &home : NULL, &listing);
    if (status == CM_OK) {
        cm_listing_write(&listing, place.is_json, stdout);
        code = cm_desk_end_output("user list");
    } else {
        code = cm_desk_failed("user list", status, "there is no such home", "refused");
    }
    cm_desk_close(&desk);
    return code;
}

/* ---- reset, remove ---- */

static int reset(const cm_desk *desk, const char *name)
{
    char password[CM_RESET_PASSWORD_SIZE] = "";
    CM_AUTO(cm_change_clear) cm_change change = {.raised_count = 0};
    const cm_status status =
        cm_identity_reset_password(desk->identity, cm_slice_of(name), password, &change);
    if (status != CM_OK)
        return cm_desk_failed(desk->command, status, "there is no account of this name",
                              "there is no account of this name");
    cm_stored_account account;
    if (cm_store_account_find_name(desk->store, cm_slice_of(name), &account, NULL) == CM_OK)
        cm_desk_tell_one(desk, CM_AUDIT_PASSWORD_RESET, NULL, account.id.text);
    printf("%s\n", password);
    cm_secret_wipe(password, sizeof password);
    return cm_desk_end_output(desk->command);
}

static int run_reset(int argc, char **argv)
{
    cm_desk_place place = {.config_path = NULL};
    const char *name = NULL;
    const cm_option options[] = {
        CM_DESK_OPTIONS(place),
        {"NAME", CM_OPTION_OPERAND, &name, "the account's name", NULL, true, '\0'},
    };
    const cm_usage usage = {"user reset",
                            "Gives an account a random password, prints it this once, ends the "
                            "account's sessions, and takes its authenticator app away.",
                            options, CM_COUNT(options)};
    int code;
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    cm_desk desk;
    code = cm_desk_open("user reset", &place, &desk);
    if (code != CM_EXIT_OK)
        return code;
    code = reset(&desk, name);
    cm_desk_close(&desk);
    return code;
}

static int remove_account(const cm_desk *desk, const char *name, const cm_home_id *home)
{
    cm_stored_account account;
    cm_status status = cm_store_account_find_name(desk->store, cm_slice_of(name), &account, NULL);
    if (status == CM_OK && account.is_declared)
        return cm_desk_refuse(desk->command,
                              "'%s' is declared in the YAML and would come back: take it out there",
                              account.name);
    CM_AUTO(cm_change_clear) cm_change change = {.raised_count = 0};
    if (status == CM_OK)
        status = home != NULL ? cm_store_member_remove(desk->store, home, &account.id, &change)
                              : cm_store_account_delete(desk->store, &account.id, &change);
    if (status == CM_OK)
        cm_desk_tell_one(desk, home != NULL ? CM_AUDIT_MEMBER_REMOVED : CM_AUDIT_ACCOUNT_REMOVED,
                         home, account.id.text);
    if (status == CM_OK && home == NULL)
        status = cm_desk_forget(desk, NULL, &account.id);
    return status == CM_OK
               ? CM_EXIT_OK
               : cm_desk_failed(desk->command, status,
                                home != NULL ? "there is no such member of this home"
                                             : "there is no account of this name",
                                "a home would be left without an owner: make somebody else its "
                                "owner before");
}

static int run_remove(int argc, char **argv)
{
    cm_desk_place place = {.config_path = NULL};
    const char *name = NULL;
    const char *text = NULL;
    const cm_option options[] = {
        CM_DESK_OPTIONS(place),
        {"home", CM_OPTION_TEXT, &text, "only out of this home; the account stays", "HOME", false,
         '\0'},
        {"NAME", CM_OPTION_OPERAND, &name, "the account's name", NULL, true, '\0'},
    };
    const cm_usage usage = {"user remove", "Removes an account; what it watches is cut off.",
                            options, CM_COUNT(options)};
    int code;
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    cm_home_id home;
    if (text != NULL && (code = cm_desk_parse_home("user remove", text, &home)) != CM_EXIT_OK)
        return code;
    cm_desk desk;
    code = cm_desk_open("user remove", &place, &desk);
    if (code != CM_EXIT_OK)
        return code;
    code = remove_account(&desk, name, text != NULL ? &home : NULL);
    cm_desk_close(&desk);
    return code;
}

/* ---- log-out ---- */

static int log_one_out(const cm_desk *desk, const char *name)
{
    cm_stored_account account;
    CM_AUTO(cm_change_clear) cm_change change = {.raised_count = 0};
    cm_status status = cm_store_account_find_name(desk->store, cm_slice_of(name), &account, NULL);
    if (status == CM_OK)
        status = cm_store_sessions_end_all(desk->store, &account.id, NULL, &change);
    return status == CM_OK ? CM_EXIT_OK
                           : cm_desk_failed(desk->command, status,
                                            "there is no account of this name", "refused");
}

static int run_log_out(int argc, char **argv)
{
    cm_desk_place place = {.config_path = NULL};
    const char *name = NULL;
    bool is_everyone = false;
    bool with_programs = false;
    const cm_option options[] = {
        CM_DESK_OPTIONS(place),
        {"everyone", CM_OPTION_FLAG, &is_everyone, "everybody on this server, of all homes", NULL,
         false, '\0'},
        {"with-programs", CM_OPTION_FLAG, &with_programs,
         "with --everyone: revoke all API tokens too", NULL, false, '\0'},
        {"NAME", CM_OPTION_OPERAND, &name, "the account's name", NULL, false, '\0'},
    };
    const cm_usage usage = {"user log-out",
                            "Signs an account, or everyone, out on every device; what they watch "
                            "is cut off.",
                            options, CM_COUNT(options)};
    int code;
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    if (is_everyone == (name != NULL))
        return cm_desk_misused("user log-out", "name an account, or say --everyone");
    if (with_programs && !is_everyone)
        return cm_desk_misused("user log-out", "--with-programs goes with --everyone");
    cm_desk desk;
    code = cm_desk_open("user log-out", &place, &desk);
    if (code != CM_EXIT_OK)
        return code;
    code = is_everyone ? cm_desk_log_out(&desk, NULL, with_programs) : log_one_out(&desk, name);
    cm_desk_close(&desk);
    return code;
}

/* ---- hold-off, restore ---- */

static int set_active(const cm_desk *desk, const char *name, bool is_active)
{
    cm_stored_account account;
    CM_AUTO(cm_change_clear) cm_change change = {.raised_count = 0};
    cm_status status = cm_store_account_find_name(desk->store, cm_slice_of(name), &account, NULL);
    if (status == CM_OK && account.is_active == is_active)
        return cm_desk_refuse(desk->command,
                              is_active ? "'%s' is not held off" : "'%s' is held off already",
                              account.name);
    if (status == CM_OK)
        status = cm_store_account_set_active(desk->store, &account.id, is_active, &change);
    if (status != CM_OK)
        return cm_desk_failed(desk->command, status, "there is no account of this name",
                              "there is no account of this name");
    cm_desk_tell_one(desk, is_active ? CM_AUDIT_ACCOUNT_RESTORED : CM_AUDIT_ACCOUNT_HELD_OFF, NULL,
                     account.id.text);
    return CM_EXIT_OK;
}

static int run_set_active(const cm_usage *about, bool is_active, int argc, char **argv)
{
    cm_desk_place place = {.config_path = NULL};
    const char *name = NULL;
    const cm_option options[] = {
        CM_DESK_OPTIONS(place),
        {"NAME", CM_OPTION_OPERAND, &name, "the account's name", NULL, true, '\0'},
    };
    const cm_usage usage = {about->command, about->help, options, CM_COUNT(options)};
    int code;
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    cm_desk desk;
    code = cm_desk_open(usage.command, &place, &desk);
    if (code != CM_EXIT_OK)
        return code;
    code = set_active(&desk, name, is_active);
    cm_desk_close(&desk);
    return code;
}

static int run_hold_off(int argc, char **argv)
{
    static const cm_usage ABOUT = {
        "user hold-off",
        "Signs an account out everywhere and lets it in no more, until it is restored; what it, "
        "its tokens and its guest links show is cut off.",
        NULL, 0};
    return run_set_active(&ABOUT, false, argc, argv);
}

static int run_restore(int argc, char **argv)
{
    static const cm_usage ABOUT = {
        "user restore",
        "Lets an account in again that was held off, with what it had but its sessions.", NULL, 0};
    return run_set_active(&ABOUT, true, argc, argv);
}

int cm_command_user(int argc, char **argv)
{
    static const cm_command COMMANDS[] = {
        {"add", "make an account, or let one join a home", run_add},
        {"list", "print the accounts", run_list},
        {"reset", "give an account a random password", run_reset},
        {"log-out", "sign an account, or everyone, out on every device", run_log_out},
        {"hold-off", "sign an account out and let it in no more, for now", run_hold_off},
        {"restore", "let it in again", run_restore},
        {"remove", "remove an account, or take it out of a home", run_remove},
    };
    static const cm_command_table TABLE = {"user", COMMANDS, CM_COUNT(COMMANDS)};
    return cm_command_choose(&TABLE, argc, argv);
}
