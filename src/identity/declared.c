/* What the YAML declares becomes rows, and what it declares no more is taken away. */
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/text.h"
#include "base/writer.h"
#include "identity/identity_priv.h"

typedef struct applying {
    cm_identity *identity;
    cm_store *store;
    const cm_declared *declared;
    cm_wall now;
    char *message;
} applying;

static cm_status say(const applying *a, const char *what, cm_slice name, const char *sentence)
{
    snprintf(a->message, CM_STORE_MESSAGE_SIZE, "%s \"%.*s\": %s", what, CM_SLICE_ARGS(name),
             sentence);
    return CM_REFUSE;
}

/* ---- what was taken from the YAML before ---- */

/*
 * A member or camera follows the YAML when what the YAML says of it is new. What the owner changed
 * since then in the app stays: a right that was cut must not come back because a command was run or
 * the server started again.
 */
typedef struct mark {
    char name[64];                      /* of the setting */
    char hex[CM_HEX_SIZE(CM_MAC_SIZE)]; /* of what the YAML says now */
} mark;

static void to_hex(const uint8_t mac[CM_MAC_SIZE], char out[CM_HEX_SIZE(CM_MAC_SIZE)])
{
    CM_IGNORE(cm_text_to_hex(cm_slice_over(mac, CM_MAC_SIZE), out, CM_HEX_SIZE(CM_MAC_SIZE)),
              "it fits");
}

/* `id` in `home` is of this kind; `said` is all that the YAML says of it. */
static mark mark_of(const applying *a, const char *kind, const cm_home_id *home, const char *id,
                    cm_slice said)
{
    mark m;
    uint8_t mac[CM_MAC_SIZE];
    char hex[CM_HEX_SIZE(CM_MAC_SIZE)];
    char key[2 * CM_ID_SIZE + 1];
    snprintf(key, sizeof key, "%s/%s", home->text, id);
    cm_store_fingerprint(a->store, cm_slice_of(key), mac);
    to_hex(mac, hex);
    snprintf(m.name, sizeof m.name, "declared-%s.%.32s", kind, hex);
    cm_store_fingerprint(a->store, said, mac);
    to_hex(mac, m.hex);
    return m;
}

static bool is_followed(const applying *a, const mark *m)
{
    char before[CM_HEX_SIZE(CM_MAC_SIZE)];
    return cm_store_setting_read(a->store, m->name, before, sizeof before) == CM_OK &&
           cm_slice_equal(cm_slice_of(before), cm_slice_of(m->hex));
}

static cm_status follow(const applying *a, const mark *m)
{
    return cm_store_setting_write(a->store, m->name, cm_slice_of(m->hex));
}

/* Declared no more: if it comes back it is new. */
static cm_status forget(const applying *a, const char *kind, const cm_home_id *home, const char *id)
{
    const mark m = mark_of(a, kind, home, id, (cm_slice){0});
    return cm_store_setting_write(a->store, m.name, CM_TEXT("none"));
}

/* ---- accounts ---- */

/* The setting that remembers which content of the password file was hashed. */
static void fingerprint_name(const cm_account_id *account, char out[64])
{
    snprintf(out, 64, "declared-password.%s", account->text);
}

static void fingerprint(const applying *a, cm_slice password, char out[CM_HEX_SIZE(CM_MAC_SIZE)])
{
    uint8_t mac[CM_MAC_SIZE];
    cm_store_fingerprint(a->store, password, mac);
    CM_IGNORE(cm_text_to_hex(cm_slice_over(mac, sizeof mac), out, CM_HEX_SIZE(CM_MAC_SIZE)),
              "it fits");
}

static cm_status remember_password(const applying *a, const cm_account_id *account,
                                   cm_slice password)
{
    char name[64];
    char hex[CM_HEX_SIZE(CM_MAC_SIZE)];
    fingerprint_name(account, name);
    fingerprint(a, password, hex);
    return cm_store_setting_write(a->store, name, cm_slice_of(hex));
}

static bool is_password_known(const applying *a, const cm_account_id *account, cm_slice password)
{
    char name[64];
    char hex[CM_HEX_SIZE(CM_MAC_SIZE)];
    char before[CM_HEX_SIZE(CM_MAC_SIZE)];
    fingerprint_name(account, name);
    fingerprint(a, password, hex);
    return cm_store_setting_read(a->store, name, before, sizeof before) == CM_OK &&
           cm_secret_equal(cm_slice_of(hex), cm_slice_of(before));
}

static cm_status hash_declared(const applying *a, const cm_declared_account *d,
                               char hash[CM_PASSWORD_HASH_SIZE])
{
    cm_password_fault fault;
    CM_TRY(cm_identity_judge_password(a->identity, d->password, d->name, &fault));
    if (fault != CM_PASSWORD_FINE)
        return say(a, "account", d->name, cm_password_fault_text(fault));
    return cm_password_hash(d->password, &a->identity->config.cost, hash);
}

static cm_status update_password(const applying *a, const cm_declared_account *d,
                                 const cm_account_id *account)
{
    if (d->password.size == 0 || is_password_known(a, account, d->password))
        return CM_OK;
    char hash[CM_PASSWORD_HASH_SIZE];
    CM_TRY(hash_declared(a, d, hash));
    CM_AUTO(cm_change_clear) cm_change change = {.raised_count = 0};
    CM_TRY(cm_store_account_set_password(a->store, account, cm_slice_of(hash), NULL, &change));
    return remember_password(a, account, d->password);
}

/* There from here on, with the declared password. */
static cm_status apply_account(const applying *a, const cm_declared_account *d, bool is_operator,
                               cm_stored_account *out)
{
    const cm_status found = cm_store_account_find_name(a->store, d->name, out, NULL);
    if (found == CM_OK) {
        if (out->is_operator != is_operator) {
            CM_AUTO(cm_change_clear) cm_change change = {.raised_count = 0};
            CM_TRY(cm_store_account_set_operator(a->store, &out->id, is_operator, &change));
        }
        return update_password(a, d, &out->id);
    }
    CM_ENSURE(found == CM_ABSENT, found);
    char hash[CM_PASSWORD_HASH_SIZE] = "";
    if (d->password.size > 0)
        CM_TRY(hash_declared(a, d, hash));
    const cm_new_account fresh = {.name = d->name,
                                  .is_operator = is_operator,
                                  .is_declared = true,
                                  .password_hash = cm_slice_of(hash)};
    const cm_status made = cm_store_account_create(a->store, &fresh, a->now, out);
    if (made == CM_REFUSE)
        return say(a, "account", d->name, "this name can't be used");
    CM_TRY(made);
    return d->password.size > 0 ? remember_password(a, &out->id, d->password) : CM_OK;
}

/* ---- rights ---- */

/* With its times by the home's clock. */
static cm_status terms_of(const applying *a, const cm_zone *zone, const cm_declared_account *d,
                          const cm_declared_right *right, cm_grant_terms *out)
{
    *out = right->terms;
    cm_status status = CM_OK;
    if (right->not_before.size > 0)
        status = cm_zone_parse_time(zone, right->not_before, &out->not_before);
    if (status == CM_OK && right->not_after.size > 0)
        status = cm_zone_parse_time(zone, right->not_after, &out->not_after);
    if (status != CM_OK || !cm_grant_terms_are_sound(out))
        return say(a, "account", d->name,
                   "not_before or not_after of a camera can't be: the end "
                   "is after the beginning");
    return CM_OK;
}

static bool is_there(const cm_stored_member *member, const cm_camera_id *camera,
                     const cm_grant_terms *terms)
{
    for (size_t i = 0; i < member->camera_count; i++)
        if (cm_camera_id_equal(&member->cameras[i].camera, camera) &&
            cm_grant_terms_equal(&member->cameras[i].terms, terms))
            return true;
    return false;
}

static cm_status apply_grants(const applying *a, const cm_home_id *home,
                              const cm_declared_account *d, const cm_stored_member *member)
{
    cm_stored_home stored;
    CM_TRY(cm_store_home_find(a->store, home, &stored));
    const cm_zone *zone = cm_store_zone(a->store, cm_slice_of(stored.time_zone));
    for (size_t i = 0; i < d->camera_count; i++) {
        const cm_camera_key key = {.home = *home, .camera = d->cameras[i].camera};
        cm_grant_terms terms;
        CM_TRY(terms_of(a, zone, d, &d->cameras[i], &terms));
        if (is_there(member, &key.camera, &terms))
            continue;
        CM_AUTO(cm_change_clear) cm_change change = {.raised_count = 0};
        const cm_status status =
            cm_store_grant_put(a->store, &key, &member->account, &terms, true, a->now, &change);
        if (status == CM_ABSENT)
            return say(a, "account", d->name, "it is granted a camera that the home has not");
        CM_TRY(status);
    }
    return CM_OK;
}

static bool is_granted(const cm_declared_account *d, const cm_camera_id *camera)
{
    for (size_t i = 0; i < d->camera_count; i++)
        if (cm_camera_id_equal(&d->cameras[i].camera, camera))
            return true;
    return false;
}

/* When the YAML is new, it is the whole truth about a declared member's cameras. */
static cm_status withdraw_grants(const applying *a, const cm_home_id *home,
                                 const cm_declared_account *d, const cm_stored_member *member)
{
    for (size_t i = 0; member->is_declared && i < member->camera_count; i++) {
        if (is_granted(d, &member->cameras[i].camera))
            continue;
        const cm_camera_key key = {.home = *home, .camera = member->cameras[i].camera};
        CM_AUTO(cm_change_clear) cm_change change = {.raised_count = 0};
        CM_TRY(cm_store_grant_remove(a->store, &key, &member->account, &change));
    }
    return CM_OK;
}

/* Without conditions it is said as it was before there were any: what was followed stays followed.
 */
static cm_status say_right(cm_buffer *said, const cm_declared_right *right)
{
    const cm_grant_terms *terms = &right->terms;
    CM_TRY(cm_buffer_add_format(said, " %s:%u", right->camera.text, (unsigned)terms->rights));
    if (right->not_before.size + right->not_after.size == 0 && terms->hours.days == 0 &&
        cm_hours_are_always(&terms->hours))
        return CM_OK;
    return cm_buffer_add_format(said, ":%u:%u-%u:%.*s:%.*s", terms->hours.days, terms->hours.from,
                                terms->hours.to, CM_SLICE_ARGS(right->not_before),
                                CM_SLICE_ARGS(right->not_after));
}

static mark mark_of_member(const applying *a, const cm_home_id *home, const cm_account_id *account,
                           const cm_declared_account *d)
{
    cm_buffer said;
    cm_buffer_init(&said, 1 << 20);
    cm_status status = cm_buffer_add_format(&said, "%d", (int)d->role);
    for (size_t i = 0; status == CM_OK && i < d->camera_count; i++)
        status = say_right(&said, &d->cameras[i]);
    CM_IGNORE(status, "a list of at most 1,000 ids fits; cut short it would be followed again");
    const mark m = mark_of(a, "member", home, account->text, cm_buffer_data(&said));
    cm_buffer_deinit(&said);
    return m;
}

static cm_status follow_member(const applying *a, const cm_declared_home *home,
                               const cm_declared_account *d, const cm_stored_account *account);

static cm_status apply_member(const applying *a, const cm_declared_home *home,
                              const cm_declared_account *d)
{
    cm_stored_account account;
    CM_TRY(apply_account(a, d, false, &account));
    const mark m = mark_of_member(a, &home->id, &account.id, d);
    if (is_followed(a, &m))
        return CM_OK;
    CM_TRY(follow_member(a, home, d, &account));
    return follow(a, &m);
}

static cm_status follow_member(const applying *a, const cm_declared_home *home,
                               const cm_declared_account *d, const cm_stored_account *account)
{
    CM_AUTO(cm_stored_members_clear) cm_stored_members members = {.count = 0};
    cm_status found = cm_store_member_find(a->store, &home->id, &account->id, a->now, &members);
    if (found == CM_ABSENT) {
        CM_TRY(cm_store_member_add(a->store, &home->id, &account->id, d->role, true, a->now));
        found = cm_store_member_find(a->store, &home->id, &account->id, a->now, &members);
    }
    CM_TRY(found);
    const cm_stored_member *member = &members.items[0];
    if (member->role != d->role) {
        CM_AUTO(cm_change_clear) cm_change change = {.raised_count = 0};
        const cm_status status =
            cm_store_member_set_role(a->store, &home->id, &account->id, d->role, &change);
        if (status == CM_REFUSE)
            return say(a, "account", d->name, "it is the home's last owner");
        CM_TRY(status);
    }
    CM_TRY(apply_grants(a, &home->id, d, member));
    return withdraw_grants(a, &home->id, d, member);
}

/* ---- cameras ---- */

static cm_status create_camera(const applying *a, const cm_home_id *home,
                               const cm_declared_camera *d)
{
    const cm_new_camera fresh = {.id = d->id,
                                 .name = d->name,
                                 .main = d->main,
                                 .sub = d->sub,
                                 .user = d->user,
                                 .password = d->password,
                                 .keep = d->keep,
                                 .takes_talk = d->takes_talk,
                                 .is_declared = true};
    cm_stored_camera out;
    return cm_store_camera_create(a->store, home, &fresh, a->now, &out);
}

static bool has_password(const applying *a, const cm_camera_key *key, cm_slice password)
{
    char present[CM_CAMERA_LOGIN_SIZE] = "";
    const cm_status status = cm_store_camera_password(a->store, key, present);
    const bool is_same =
        (status == CM_OK || status == CM_ABSENT) && cm_secret_equal(cm_slice_of(present), password);
    cm_secret_wipe(present, sizeof present);
    return is_same;
}

static cm_status update_camera(const applying *a, const cm_declared_camera *d,
                               const cm_stored_camera *present)
{
    const cm_slice *none = NULL;
    const bool is_declared = true;
    const cm_camera_update update = {
        .name = cm_slice_equal(d->name, cm_slice_of(present->name)) ? none : &d->name,
        .main = cm_slice_equal(d->main, cm_slice_of(present->main)) ? none : &d->main,
        .sub = cm_slice_equal(d->sub, cm_slice_of(present->sub)) ? none : &d->sub,
        .user = cm_slice_equal(d->user, cm_slice_of(present->user)) ? none : &d->user,
        .password = has_password(a, &present->key, d->password) ? none : &d->password,
        .keep = d->keep == present->keep ? NULL : &d->keep,
        .takes_talk = d->takes_talk == present->takes_talk ? NULL : &d->takes_talk,
        .is_declared = present->is_declared ? NULL : &is_declared,
    };
    if (update.name == NULL && update.main == NULL && update.sub == NULL && update.user == NULL &&
        update.password == NULL && update.keep == NULL && update.takes_talk == NULL &&
        update.is_declared == NULL)
        return CM_OK;
    cm_stored_camera out;
    CM_AUTO(cm_change_clear) cm_change change = {.raised_count = 0};
    return cm_store_camera_update(a->store, &present->key, &update, &out, &change);
}

static mark mark_of_camera(const applying *a, const cm_home_id *home, const cm_declared_camera *d)
{
    const cm_slice texts[] = {d->name, d->main, d->sub, d->user, d->password};
    cm_buffer said;
    cm_buffer_init(&said, 1 << 16);
    cm_status status = cm_buffer_add_format(&said, "%d", (int)d->keep);
    for (size_t i = 0; status == CM_OK && i < CM_COUNT(texts); i++)
        status = cm_buffer_add_format(&said, " %zu:%.*s", texts[i].size, CM_SLICE_ARGS(texts[i]));
    if (status == CM_OK && d->takes_talk)
        status = cm_buffer_add_format(&said, " talk");
    CM_IGNORE(status, "five bounded texts fit; cut short it would be followed again");
    const mark m = mark_of(a, "camera", home, d->id.text, cm_buffer_data(&said));
    cm_secret_wipe(said.bytes, said.capacity);
    cm_buffer_deinit(&said);
    return m;
}

static cm_status apply_camera(const applying *a, const cm_home_id *home,
                              const cm_declared_camera *d)
{
    const cm_camera_key key = {.home = *home, .camera = d->id};
    const mark m = mark_of_camera(a, home, d);
    if (is_followed(a, &m))
        return CM_OK;
    cm_stored_camera present;
    cm_status status = cm_store_camera_find(a->store, &key, &present);
    if (status == CM_ABSENT)
        status = create_camera(a, home, d);
    else if (status == CM_OK)
        status = update_camera(a, d, &present);
    if (status == CM_REFUSE)
        return say(a, "camera", cm_slice_of(d->id.text),
                   "its name, address or login can't be used (no user info in the address)");
    CM_TRY(status);
    return follow(a, &m);
}

/* ---- homes ---- */

static cm_status apply_time_zone(const applying *a, const cm_declared_home *d)
{
    cm_stored_home present;
    CM_TRY(cm_store_home_find(a->store, &d->id, &present));
    if (d->time_zone.size == 0 || cm_slice_equal(d->time_zone, cm_slice_of(present.time_zone)))
        return CM_OK;
    CM_AUTO(cm_change_clear) cm_change change = {.raised_count = 0};
    const cm_status status = cm_store_home_set_time_zone(a->store, &d->id, d->time_zone, &change);
    if (status == CM_REFUSE)
        return say(a, "home", cm_slice_of(d->id.text),
                   "its time_zone is none of this machine's (/usr/share/zoneinfo)");
    return status;
}

static cm_status apply_home(const applying *a, const cm_declared_home *d)
{
    cm_stored_home present;
    cm_status status = cm_store_home_find(a->store, &d->id, &present);
    if (status == CM_ABSENT) {
        present = (cm_stored_home){.id = d->id, .is_declared = true};
        status = cm_slice_to_cstr(d->name, present.name, sizeof present.name) == CM_OK
                     ? cm_store_home_create(a->store, &present, a->now)
                     : CM_REFUSE;
    } else if (status == CM_OK && !cm_slice_equal(d->name, cm_slice_of(present.name))) {
        status = cm_store_home_rename(a->store, &d->id, d->name);
    }
    if (status == CM_REFUSE)
        return say(a, "home", cm_slice_of(d->id.text), "its name can't be used");
    CM_TRY(status);
    CM_TRY(apply_time_zone(a, d));
    for (size_t i = 0; i < d->camera_count; i++)
        CM_TRY(apply_camera(a, &d->id, &d->cameras[i]));
    /* Owners first: a role may only fall while another owner is there. */
    for (size_t i = 0; i < d->account_count; i++)
        if (d->accounts[i].role == CM_ROLE_OWNER)
            CM_TRY(apply_member(a, d, &d->accounts[i]));
    for (size_t i = 0; i < d->account_count; i++)
        if (d->accounts[i].role != CM_ROLE_OWNER)
            CM_TRY(apply_member(a, d, &d->accounts[i]));
    return CM_OK;
}

/* ---- what is declared no more ---- */

static const cm_declared_home *find_home(const applying *a, const cm_home_id *id)
{
    for (size_t i = 0; i < a->declared->home_count; i++)
        if (cm_home_id_equal(&a->declared->homes[i].id, id))
            return &a->declared->homes[i];
    return NULL;
}

static bool has_account(const cm_declared_account *accounts, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (cm_slice_equal_nocase(accounts[i].name, cm_slice_of(name)))
            return true;
    return false;
}

static bool has_camera(const cm_declared_home *home, const cm_camera_id *id)
{
    for (size_t i = 0; home != NULL && i < home->camera_count; i++)
        if (cm_camera_id_equal(&home->cameras[i].id, id))
            return true;
    return false;
}

static cm_status withdraw_members(const applying *a, const cm_home_id *id,
                                  const cm_declared_home *d, size_t *left)
{
    CM_AUTO(cm_stored_members_clear) cm_stored_members members = {.count = 0};
    CM_TRY(cm_store_members(a->store, id, a->now, &members));
    *left = members.count;
    for (size_t i = 0; i < members.count; i++) {
        const cm_stored_member *member = &members.items[i];
        if (!member->is_declared ||
            (d != NULL && has_account(d->accounts, d->account_count, member->name)))
            continue;
        CM_AUTO(cm_change_clear) cm_change change = {.raised_count = 0};
        CM_TRY(cm_store_member_withdraw(a->store, id, &member->account, &change));
        CM_TRY(forget(a, "member", id, member->account.text));
        (*left)--;
    }
    return CM_OK;
}

static cm_status withdraw_cameras(const applying *a, const cm_home_id *id,
                                  const cm_declared_home *d, size_t *left)
{
    CM_AUTO(cm_stored_cameras_clear) cm_stored_cameras cameras = {.count = 0};
    CM_TRY(cm_store_cameras(a->store, id, &cameras));
    *left = cameras.count;
    for (size_t i = 0; i < cameras.count; i++) {
        if (!cameras.items[i].is_declared || has_camera(d, &cameras.items[i].key.camera))
            continue;
        CM_AUTO(cm_change_clear) cm_change change = {.raised_count = 0};
        CM_TRY(cm_store_camera_delete(a->store, &cameras.items[i].key, &change));
        CM_TRY(forget(a, "camera", id, cameras.items[i].key.camera.text));
        (*left)--;
    }
    return CM_OK;
}

/* A home that is declared no more goes when nothing is left in it that was made over the API. */
static cm_status withdraw_from_home(const applying *a, const cm_stored_home *home)
{
    const cm_declared_home *d = find_home(a, &home->id);
    size_t members;
    size_t cameras;
    CM_TRY(withdraw_members(a, &home->id, d, &members));
    CM_TRY(withdraw_cameras(a, &home->id, d, &cameras));
    if (d != NULL || !home->is_declared || members > 0 || cameras > 0)
        return CM_OK;
    CM_AUTO(cm_change_clear) cm_change change = {.raised_count = 0};
    return cm_store_home_delete(a->store, &home->id, &change);
}

static bool is_declared_account(const applying *a, const char *name)
{
    bool is_there = has_account(a->declared->operators, a->declared->operator_count, name);
    for (size_t i = 0; i < a->declared->home_count; i++)
        is_there = is_there || has_account(a->declared->homes[i].accounts,
                                           a->declared->homes[i].account_count, name);
    return is_there;
}

static cm_status withdraw_accounts(const applying *a)
{
    CM_AUTO(cm_stored_accounts_clear) cm_stored_accounts accounts = {.count = 0};
    CM_TRY(cm_store_accounts(a->store, &accounts));
    for (size_t i = 0; i < accounts.count; i++) {
        if (!accounts.items[i].is_declared || is_declared_account(a, accounts.items[i].name))
            continue;
        CM_AUTO(cm_change_clear) cm_change change = {.raised_count = 0};
        const cm_status status = cm_store_account_delete(a->store, &accounts.items[i].id, &change);
        /* It owns a home by the API: it stays until that is settled there. */
        CM_ENSURE(status == CM_OK || status == CM_REFUSE, status);
    }
    return CM_OK;
}

static cm_status withdraw(const applying *a)
{
    CM_AUTO(cm_stored_homes_clear) cm_stored_homes homes = {.count = 0};
    CM_TRY(cm_store_homes(a->store, &homes));
    for (size_t i = 0; i < homes.count; i++)
        CM_TRY(withdraw_from_home(a, &homes.items[i]));
    return withdraw_accounts(a);
}

/* ---- allowed ranges ---- */

void cm_identity_clear_allowed(cm_identity *identity)
{
    for (size_t i = 0; i < identity->allowed_count; i++)
        free(identity->allowed[i].ranges);
    free(identity->allowed);
    identity->allowed = NULL;
    identity->allowed_count = 0;
}

static cm_status keep_allowed(cm_identity *identity, const cm_declared *declared)
{
    cm_identity_clear_allowed(identity);
    if (declared->home_count == 0)
        return CM_OK;
    identity->allowed = calloc(declared->home_count, sizeof *identity->allowed);
    CM_ENSURE(identity->allowed != NULL, CM_BROKEN);
    for (size_t i = 0; i < declared->home_count; i++) {
        const cm_declared_home *home = &declared->homes[i];
        cm_identity_ranges *own = &identity->allowed[identity->allowed_count++];
        own->home = home->id;
        own->ranges = calloc(home->allow_count + 1, sizeof *own->ranges);
        CM_ENSURE(own->ranges != NULL, CM_BROKEN);
        own->count = home->allow_count;
        for (size_t j = 0; j < own->count; j++)
            own->ranges[j] = home->allow[j];
    }
    return CM_OK;
}

bool cm_identity_home_allows(cm_identity *identity, const cm_home_id *home,
                             const cm_address *address)
{
    for (size_t i = 0; i < identity->allowed_count; i++) {
        const cm_identity_ranges *own = &identity->allowed[i];
        for (size_t j = 0; cm_home_id_equal(&own->home, home) && j < own->count; j++)
            if (cm_range_contains(&own->ranges[j], address))
                return true;
    }
    return false;
}

cm_status cm_identity_apply_declared(cm_identity *identity, const cm_declared *declared,
                                     cm_wall now, char message[CM_STORE_MESSAGE_SIZE])
{
    message[0] = '\0';
    const applying a = {.identity = identity,
                        .store = identity->config.store,
                        .declared = declared,
                        .now = now,
                        .message = message};
    CM_TRY(keep_allowed(identity, declared));
    for (size_t i = 0; i < declared->home_count; i++)
        CM_TRY(apply_home(&a, &declared->homes[i]));
    for (size_t i = 0; i < declared->operator_count; i++) {
        cm_stored_account account;
        CM_TRY(apply_account(&a, &declared->operators[i], true, &account));
    }
    return withdraw(&a);
}
