/* `casement token create|list|revoke`. */
#include "grants/rights.h"
#include "server/desk.h"
#include "server/listing.h"

enum { DAYS_DEFAULT = 30, DAYS_MAX = 3650 };

/* Nothing but the token goes to standard output: a program reads it from there. */
static int create_token(const cm_desk *desk, const cm_identity_new_token *ask)
{
    cm_token token;
    cm_stored_token stored;
    const cm_status status =
        cm_identity_make_api_token(desk->identity, ask, desk->now, &token, &stored);
    if (status != CM_OK)
        return cm_desk_failed(
            desk->command, status, "there is no such account in this home, or no such camera",
            "--name: at most 64 bytes that can be seen, without spaces at the ends");
    cm_audit_entry made = {.kind = CM_AUDIT_TOKEN_MADE,
                           .home = ask->camera.home,
                           .camera = ask->camera.camera,
                           .value = ask->rights};
    cm_slice_copy(cm_slice_over(stored.id, CM_ID_SIZE), made.other, sizeof made.other);
    cm_desk_tell(desk, &made, 1);
    printf("%s\n", token.text);
    cm_secret_wipe(&token, sizeof token);
    return cm_desk_end_output(desk->command);
}

typedef struct creation {
    cm_desk_place place;
    const char *home, *account, *camera, *rights, *name;
    cm_option_number days;
} creation;

static int run_creation(const char *command, const creation *c)
{
    cm_identity_new_token ask = {.account_name = cm_slice_of(c->account),
                                 .name = cm_slice_of(c->name)};
    int code = cm_desk_parse_home(command, c->home, &ask.camera.home);
    if (code == CM_EXIT_OK)
        code = cm_desk_parse_camera(command, c->camera, &ask.camera.camera);
    if (code == CM_EXIT_OK && cm_rights_parse(cm_slice_of(c->rights), &ask.rights) != CM_OK)
        code = cm_desk_misused(
            command,
            "--rights: '%s'; allowed: view, and with it listen and talk: view,listen; publish",
            c->rights);
    cm_desk desk;
    if (code == CM_EXIT_OK)
        code = cm_desk_open(command, &c->place, &desk);
    if (code != CM_EXIT_OK)
        return code;
    ask.expires.us = desk.now.us + CM_SECONDS(86400) * (int64_t)c->days.value;
    code = create_token(&desk, &ask);
    cm_desk_close(&desk);
    return code;
}

static int run_create(int argc, char **argv)
{
    creation c = {.name = "", .days = {.value = DAYS_DEFAULT, .least = 1, .most = DAYS_MAX}};
    const cm_option options[] = {
        CM_DESK_OPTIONS(c.place),
        CM_DESK_HOME(c.home, true),
        {"account", CM_OPTION_TEXT, &c.account, "in whose name: the account's name", "NAME", true,
         '\0'},
        {"camera", CM_OPTION_TEXT, &c.camera, "the camera's id", "CAMERA", true, '\0'},
        {"rights", CM_OPTION_TEXT, &c.rights, "what it may do: view, or view,listen; publish",
         "RIGHTS", true, '\0'},
        {"name", CM_OPTION_TEXT, &c.name, "what to call it, to know it by in the list", "NAME",
         false, '\0'},
        {"days", CM_OPTION_NUMBER, &c.days, "how long it holds: 1 to 3650 (30)", "N", false, '\0'},
    };
    const cm_usage usage = {"token create",
                            "Prints a bearer token for one camera, this once; only its hash is "
                            "kept.",
                            options, CM_COUNT(options)};
    int code;
    return cm_desk_read_options(&usage, argc, argv, &code) ? run_creation("token create", &c)
                                                           : code;
}

/* ---- list ---- */

static cm_status list_home(const cm_desk *desk, const cm_home_id *home, cm_listing *listing)
{
    CM_AUTO(cm_stored_tokens_clear) cm_stored_tokens tokens = {.count = 0};
    CM_TRY(cm_store_tokens(desk->store, home, &tokens));
    for (size_t i = 0; i < tokens.count; i++) {
        const cm_stored_token *token = &tokens.items[i];
        cm_stored_account account = {.is_active = false};
        const cm_status found = cm_store_account_find(desk->store, &token->account, &account);
        CM_ENSURE(found == CM_OK || found == CM_ABSENT, found);
        cm_listing_add(listing);
        cm_listing_text(listing, "home", token->camera.home.text);
        cm_listing_text(listing, "id", token->id);
        cm_listing_text(listing, "name", token->name);
        cm_listing_text(listing, "account", found == CM_OK ? account.name : NULL);
        cm_listing_text(listing, "camera", token->camera.camera.text);
        cm_listing_item(listing, "rights", NULL);
        for (unsigned r = 0; r < CM_RIGHT_KINDS; r++)
            if ((token->rights & cm_right_at(r)) != 0)
                cm_listing_item(listing, "rights", cm_right_name(r));
        cm_listing_time(listing, "created", token->created);
        cm_listing_time(listing, "expires", token->expires);
        cm_listing_time(listing, "last_used", token->last_used);
    }
    return CM_OK;
}

static cm_status list_all(const cm_desk *desk, cm_listing *listing)
{
    CM_AUTO(cm_stored_homes_clear) cm_stored_homes homes = {.count = 0};
    CM_TRY(cm_store_homes(desk->store, &homes));
    for (size_t i = 0; i < homes.count; i++)
        CM_TRY(list_home(desk, &homes.items[i].id, listing));
    return CM_OK;
}

static int list_tokens(const cm_desk *desk, const cm_home_id *home, bool is_json)
{
    CM_AUTO(cm_listing_deinit) cm_listing listing;
    cm_listing_init(&listing);
    const cm_status status =
        home != NULL ? list_home(desk, home, &listing) : list_all(desk, &listing);
    if (status != CM_OK)
        return cm_desk_failed(desk->command, status, "there is no such home", "refused");
    cm_listing_write(&listing, is_json, stdout);
    return cm_desk_end_output(desk->command);
}

static int run_list(int argc, char **argv)
{
    cm_desk_place place = {.config_path = NULL};
    const char *home_text = NULL;
    const cm_option options[] = {CM_DESK_OPTIONS(place), CM_DESK_HOME(home_text, false),
                                 CM_DESK_JSON(place)};
    const cm_usage usage = {"token list", "Prints the tokens, of all homes or of one.", options,
                            CM_COUNT(options)};
    int code;
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    cm_home_id home;
    if (home_text != NULL && (code = cm_desk_parse_home("token list", home_text, &home)) != 0)
        return code;
    cm_desk desk;
    code = cm_desk_open("token list", &place, &desk);
    if (code != CM_EXIT_OK)
        return code;
    code = list_tokens(&desk, home_text != NULL ? &home : NULL, place.is_json);
    cm_desk_close(&desk);
    return code;
}

/* ---- revoke ---- */

/* In whichever home it is: ids of tokens are random and stand in one home only. */
static cm_status revoke_anywhere(const cm_desk *desk, cm_slice id)
{
    CM_AUTO(cm_stored_homes_clear) cm_stored_homes homes = {.count = 0};
    CM_TRY(cm_store_homes(desk->store, &homes));
    for (size_t i = 0; i < homes.count; i++) {
        CM_AUTO(cm_change_clear) cm_change change = {.raised_count = 0};
        const cm_status status =
            cm_store_token_revoke(desk->store, &homes.items[i].id, id, &change);
        if (status == CM_OK) {
            char known[CM_ID_SIZE];
            CM_TRY(cm_id_parse(id, known));
            cm_desk_tell_one(desk, CM_AUDIT_TOKEN_REVOKED, &homes.items[i].id, known);
        }
        if (status != CM_ABSENT)
            return status;
    }
    return CM_ABSENT;
}

static int run_revoke(int argc, char **argv)
{
    cm_desk_place place = {.config_path = NULL};
    const char *id = NULL;
    const cm_option options[] = {
        CM_DESK_OPTIONS(place),
        {"TOKEN-ID", CM_OPTION_OPERAND, &id, "as token list prints it", NULL, true, '\0'},
    };
    const cm_usage usage = {"token revoke", "Ends a token and what is being watched with it.",
                            options, CM_COUNT(options)};
    int code;
    if (!cm_desk_read_options(&usage, argc, argv, &code))
        return code;
    cm_desk desk;
    code = cm_desk_open("token revoke", &place, &desk);
    if (code != CM_EXIT_OK)
        return code;
    const cm_status status = revoke_anywhere(&desk, cm_slice_of(id));
    if (status != CM_OK)
        code = cm_desk_failed("token revoke", status, "there is no token with this id",
                              "this is no id of a token");
    cm_desk_close(&desk);
    return code;
}

int cm_command_token(int argc, char **argv)
{
    static const cm_command COMMANDS[] = {
        {"create", "print a token with which a program sees a camera", run_create},
        {"list", "print which tokens there are", run_list},
        {"revoke", "end a token", run_revoke},
    };
    static const cm_command_table TABLE = {"token", COMMANDS, CM_COUNT(COMMANDS)};
    return cm_command_choose(&TABLE, argc, argv);
}
