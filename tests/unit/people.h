/*
 * people: a store, identity over it on virtual time, and Anna, for the tests of identity's calls.
 * Tests only. What is logged meanwhile is searched for secrets at the end.
 */
#pragma once

#include "store_world.h"

#include <fcntl.h>

#include "identity/identity.h"
#include "loop/sim.h"

static const cm_password_cost CHEAP = {.passes = 1, .memory_bytes = 8192};

static inline cm_address address(const char *text)
{
    cm_address out;
    assert_int_equal(cm_address_parse(cm_slice_of(text), 0, &out), CM_OK);
    return out;
}

typedef struct answer {
    size_t count;
    cm_status status;
    char cause[64];
    int64_t wait_us;
    cm_token token;
    bool has_token;
    cm_token pending; /* else text[0] is 0 */
    cm_stored_account account;
    cm_stored_home home;
} answer;

typedef struct people {
    store_world w;
    cm_sim *sim;
    cm_loop *loop;
    cm_identity *identity;
    size_t changes;
    size_t raised;
    int log; /* what was logged, and standard error meanwhile */
    int stderr_kept;
} people;

static inline void on_answer(void *owner, const cm_identity_answer *a)
{
    answer *out = owner;
    out->count++;
    out->status = a->status;
    out->wait_us = a->wait_us;
    snprintf(out->cause, sizeof out->cause, "%s", a->cause != NULL ? a->cause : "");
    out->has_token = a->token != NULL;
    if (a->token != NULL)
        out->token = *a->token;
    if (a->pending != NULL)
        out->pending = *a->pending;
    if (a->account != NULL)
        out->account = *a->account;
    if (a->home != NULL)
        out->home = *a->home;
}

static inline void on_change(void *owner, const cm_change *change)
{
    people *p = owner;
    p->changes++;
    p->raised += change->raised_count;
}

static inline void people_open(people *p)
{
    *p = (people){.changes = 0};
    store_world_open_empty(&p->w);
    cm_log_set_level(CM_LOG_DEBUG);
    p->stderr_kept = dup(STDERR_FILENO);
    p->log = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    assert_true(p->log >= 0 && dup2(p->log, STDERR_FILENO) >= 0);
    assert_int_equal(cm_sim_create(5, NOW, &p->sim), CM_OK);
    assert_int_equal(cm_sim_loop_create(p->sim, &(cm_loop_config){.index = 0}, &p->loop), CM_OK);
    const cm_identity_config config = {
        .store = p->w.store, .cost = CHEAP, .on_change = on_change, .owner = p};
    assert_int_equal(cm_identity_create(&config, &p->identity), CM_OK);
}

/* No password and no token ever stands in the log: the words of these tests are looked for. */
static inline void people_close(people *p)
{
    dup2(p->stderr_kept, STDERR_FILENO);
    close(p->stderr_kept);
    static char log[1 << 20];
    const ssize_t size = pread(p->log, log, sizeof log, 0);
    assert_true(size >= 0);
    static const char *const SECRETS[] = {"garden gate", "cms_", "cmu_", "cmt_", "cmp_", "argon2"};
    for (size_t i = 0; i < CM_COUNT(SECRETS); i++)
        assert_null(memmem(log, (size_t)size, SECRETS[i], strlen(SECRETS[i])));
    close(p->log);
    cm_identity_destroy(p->identity);
    cm_loop_destroy(p->loop);
    cm_sim_destroy(p->sim);
    store_world_close(&p->w);
}

static inline answer wait_for(people *p, answer *a)
{
    assert_int_equal(a->count, 0); /* never inside the call */
    cm_sim_run_for(p->sim, CM_MS(10));
    assert_int_equal(a->count, 1);
    return *a;
}

static inline answer set_up(people *p, const char *token, const char *name)
{
    answer a = {.count = 0};
    cm_identity_call *call;
    const cm_identity_setup ask = {.token = cm_slice_of(token),
                                   .name = cm_slice_of(name),
                                   .password = CM_TEXT("green garden gate"),
                                   .home_name = CM_TEXT("Casa Verdi"),
                                   .from = address("192.168.1.2")};
    assert_int_equal(cm_identity_begin_setup(p->identity, p->loop, &ask, on_answer, &a, &call),
                     CM_OK);
    return wait_for(p, &a);
}

static inline answer sign_in(people *p, const char *name, const char *password, const char *from)
{
    answer a = {.count = 0};
    cm_identity_call *call;
    const cm_identity_sign_in ask = {
        .name = cm_slice_of(name), .password = cm_slice_of(password), .from = address(from)};
    assert_int_equal(cm_identity_begin_sign_in(p->identity, p->loop, &ask, on_answer, &a, &call),
                     CM_OK);
    return wait_for(p, &a);
}

static inline bool is_signed_in(people *p, const cm_token *token)
{
    cm_asker asker = {.kind = CM_ASKER_SESSION};
    if (cm_token_read(cm_slice_of(token->text), CM_TOKEN_SESSION, asker.token_hash) != CM_OK)
        return false;
    cm_who who;
    const char *cause = NULL;
    if (cm_store_who(p->w.store, &asker, cm_loop_wall(p->loop), &who, &cause) != CM_OK)
        return false;
    cm_who_clear(&who);
    return true;
}

static inline answer set_up_anna(people *p)
{
    cm_token setup;
    assert_int_equal(cm_identity_make_setup_token(p->identity, NOW, &setup), CM_OK);
    const answer a = set_up(p, setup.text, "Anna");
    assert_int_equal(a.status, CM_OK);
    return a;
}

static inline answer again_with(people *p, const cm_token *token, const char *password,
                                const char *code, const char *from)
{
    answer a = {.count = 0};
    cm_identity_call *call;
    cm_identity_again ask = {.asker = {.kind = CM_ASKER_SESSION},
                             .name = CM_TEXT("Anna"),
                             .password = cm_slice_of(password),
                             .code = cm_slice_of(code),
                             .from = address(from),
                             .user_agent = CM_TEXT("Firefox/128.0 (Linux)")};
    for (size_t i = 0; i < CM_MAC_SIZE; i++)
        ask.asker.token_hash[i] = token->hash[i];
    assert_int_equal(cm_identity_begin_again(p->identity, p->loop, &ask, on_answer, &a, &call),
                     CM_OK);
    return wait_for(p, &a);
}

static inline answer again(people *p, const cm_token *token, const char *password, const char *from)
{
    return again_with(p, token, password, "", from);
}

static inline cm_stored_session session_of_token(people *p, const cm_account_id *account,
                                                 const cm_token *token)
{
    cm_stored_sessions all;
    cm_stored_session found = {.created = {0}};
    assert_int_equal(cm_store_sessions(p->w.store, account, &all), CM_OK);
    for (size_t i = 0; i < all.count; i++)
        if (memcmp(all.items[i].token_hash, token->hash, CM_MAC_SIZE) == 0)
            found = all.items[i];
    cm_stored_sessions_clear(&all);
    return found;
}
