/* Calls: each is a small chain of steps: hashing in the pool, writing in the store's lane, the
 * answer on the caller's loop. */
#include "identity/identity.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/writer.h"
#include "identity/factors.h"
#include "identity/identity_priv.h"

enum { TEXT_MAX = 512 };

typedef struct call_text {
    char bytes[TEXT_MAX];
    size_t size;
} call_text;

struct cm_identity_call {
    cm_job job;
    cm_task refuse_task;
    cm_identity *identity;
    cm_loop *loop;
    /* In the pool; may be NULL. */
    cm_status (*prepare)(cm_identity_call *call);
    /* In the store's lane, if `prepare` said CM_OK. */
    cm_status (*write)(cm_identity_call *call);
    cm_identity_done *done;
    void *owner;
    bool is_cancelled;
    bool counts; /* a guess of a password: the limits hear how it ended */
    bool is_writing;
    bool has_change;
    cm_address from;
    cm_wall now;
    call_text name, password, other; /* other: new password, home's name */
    call_text key;                   /* stands for the name in the limits, unless it is empty */
    call_text code;                  /* of the second factor */
    bool is_password_right;
    uint8_t pending_hash[CM_MAC_SIZE];
    cm_pending_sign_in pending; /* of that token */
    cm_session_origin origin;   /* of the session to be made */
    cm_asker asker;
    cm_home_id home_id;
    cm_role role;
    cm_account_id by;
    char hash[CM_PASSWORD_HASH_SIZE];
    uint8_t setup_hash[CM_MAC_SIZE];
    cm_token token;
    cm_stored_account account;
    cm_stored_home home;
    bool only_looks;
    cm_stored_invitation invitation;
    cm_change change;
    cm_identity_answer answer;
};

/* ---- life ---- */

cm_status cm_identity_create(const cm_identity_config *config, cm_identity **out)
{
    cm_identity *identity = calloc(1, sizeof *identity);
    CM_ENSURE(identity != NULL, CM_BROKEN);
    identity->config = *config;
    identity->system = cm_random_system();
    identity->random = config->random != NULL ? config->random : &identity->system;
    cm_status status = cm_limits_create(&config->limits, &identity->limits);
    if (status == CM_OK)
        status = cm_pending_create(0, &identity->pending);
    if (status != CM_OK) {
        cm_limits_destroy(identity->limits);
        free(identity);
        return status;
    }
    *out = identity;
    return CM_OK;
}

void cm_identity_destroy(cm_identity *identity)
{
    if (identity == NULL)
        return;
    cm_pending_destroy(identity->pending);
    cm_limits_destroy(identity->limits);
    cm_identity_clear_allowed(identity);
    free(identity);
}

void cm_identity_use_audit(cm_identity *identity, cm_audit *audit)
{
    identity->audit = audit;
}

/* ---- account ---- */

cm_slice cm_identity_private(const cm_session_origin *origin, char storage[CM_AUDIT_PRIVATE_MAX])
{
    cm_writer w = cm_writer_over(storage, CM_AUDIT_PRIVATE_MAX);
    cm_write_text(&w, origin->network);
    cm_write_text(&w, "\n");
    cm_write_text(&w, origin->device);
    return cm_writer_done(&w);
}

/* In a step of the pool or of the store's lane: returns when it is durable. */
static void record(const cm_identity_call *call, const cm_audit_entry *what)
{
    char storage[CM_AUDIT_PRIVATE_MAX];
    cm_audit_entry entry = *what;
    entry.when = call->now;
    CM_IGNORE(
        cm_audit_keep(call->identity->audit, &entry, cm_identity_private(&call->origin, storage)),
        "it has happened: the audit says in the log that it fails");
}

/* On any thread. Those of a minute become one entry. */
static void record_refusal(const cm_identity_call *call, cm_audit_cause cause)
{
    char storage[CM_AUDIT_PRIVATE_MAX];
    const cm_audit_entry entry = {.kind = CM_AUDIT_SIGN_IN_REFUSED,
                                  .when = call->now,
                                  .account = call->account.id,
                                  .cause = cause};
    cm_audit_repeat(call->identity->audit, &entry, cm_identity_private(&call->origin, storage));
}

/* Likewise; of which home only if the secret leads to one. */
static void record_refused_join(const cm_identity_call *call)
{
    char storage[CM_AUDIT_PRIVATE_MAX];
    const cm_audit_entry entry = {.kind = CM_AUDIT_INVITATION_REFUSED,
                                  .when = call->now,
                                  .home = call->invitation.home,
                                  .account = call->account.id,
                                  .cause = cm_audit_cause_of(call->answer.cause)};
    cm_audit_repeat(call->identity->audit, &entry, cm_identity_private(&call->origin, storage));
}

static void record_join(const cm_identity_call *call)
{
    cm_audit_entry entry = {.kind = CM_AUDIT_INVITATION_TAKEN,
                            .home = call->invitation.home,
                            .account = call->account.id,
                            .value = call->invitation.role};
    cm_slice_copy(cm_slice_over(call->invitation.id, CM_ID_SIZE), entry.other, sizeof entry.other);
    record(call, &entry);
}

/* By whom he was invited. */
static void record_granted(const cm_identity_call *call)
{
    const cm_stored_invitation *i = &call->invitation;
    if (i->camera_count == 0)
        return;
    cm_audit *audit = call->identity->audit;
    cm_audit_entry entry = {
        .kind = CM_AUDIT_GRANT_PUT, .when = call->now, .home = i->home, .account = i->by};
    cm_slice_copy(cm_slice_over(call->account.id.text, CM_ID_SIZE), entry.other, CM_ID_SIZE);
    for (size_t n = 0; n < i->camera_count; n++) {
        entry.camera = i->cameras[n].camera;
        entry.value = i->cameras[n].rights;
        CM_IGNORE(cm_audit_put(audit, &entry, (cm_slice){.size = 0}),
                  "counted, and told by the log");
    }
    CM_IGNORE(cm_audit_flush(audit), "it has happened: the audit says in the log that it fails");
}

/* A session that began, or went on; and the recovery code that was used up for it beside the
 * password. */
static void record_session(const cm_identity_call *call, cm_audit_kind kind)
{
    if (call->origin.method == CM_METHOD_RECOVERY)
        record(call,
               &(cm_audit_entry){.kind = CM_AUDIT_RECOVERY_USED, .account = call->account.id});
    record(call, &(cm_audit_entry){
                     .kind = kind, .account = call->account.id, .value = call->origin.method});
}

/* ---- the chain of steps ---- */

static cm_slice limited_name(const cm_identity_call *call)
{
    const call_text *text = call->key.size > 0 ? &call->key : &call->name;
    return cm_slice_over(text->bytes, text->size);
}

/* A guess is a wrong password, or a secret that leads to nothing. */
static void tell_limits(const cm_identity_call *call)
{
    cm_limits *limits = call->identity->limits;
    const cm_status status = call->answer.status;
    if (call->counts && call->only_looks && status == CM_OK)
        cm_limits_spared(limits, &call->from, limited_name(call), cm_loop_now(call->loop));
    else if (call->counts && status == CM_OK)
        cm_limits_succeeded(limits, &call->from, limited_name(call), cm_loop_now(call->loop));
    else if (call->counts && (status == CM_REFUSE || status == CM_ABSENT))
        cm_limits_failed(limits, &call->from, limited_name(call), cm_loop_now(call->loop));
}

static void finish(cm_identity_call *call)
{
    cm_identity *identity = call->identity;
    if (call->has_change && call->answer.status == CM_OK && identity->config.on_change != NULL)
        identity->config.on_change(identity->config.owner, &call->change);
    tell_limits(call);
    if (!call->is_cancelled)
        call->done(call->owner, &call->answer);
    cm_change_clear(&call->change);
    cm_secret_wipe(call, sizeof *call);
    free(call);
}

static void fail(cm_identity_call *call, cm_status status, const char *cause, const char *detail)
{
    call->answer = (cm_identity_answer){.status = status, .cause = cause, .detail = detail};
}

static void write_work(cm_job *job)
{
    cm_identity_call *call = CM_HOLDER(job, cm_identity_call, job);
    call->answer.status = call->write(call);
}

static void step_done(cm_job *job);

static void prepare_work(cm_job *job)
{
    cm_identity_call *call = CM_HOLDER(job, cm_identity_call, job);
    call->answer.status = call->prepare(call);
}

static cm_status begin_write(cm_identity_call *call)
{
    call->is_writing = true;
    call->job = (cm_job){.work = write_work, .done = step_done};
    return cm_loop_submit_lane(call->loop, CM_STORE_LANE, &call->job);
}

static void step_done(cm_job *job)
{
    cm_identity_call *call = CM_HOLDER(job, cm_identity_call, job);
    if (!call->is_writing && call->answer.status == CM_OK && call->write != NULL) {
        if (begin_write(call) == CM_OK)
            return;
        fail(call, CM_FULL, "server", "The server is busy: try again in a moment.");
    }
    if (call->answer.status != CM_OK && call->answer.cause == NULL)
        fail(call, call->answer.status, "server", "The server could not do it: see its log.");
    finish(call);
}

static void refuse_run(cm_task *task)
{
    finish(CM_HOLDER(task, cm_identity_call, refuse_task));
}

static cm_status begin(cm_identity_call *call, cm_identity_call **out)
{
    cm_status status;
    if (call->answer.status != CM_OK) {
        /* Refused already; said in a later turn, like every answer. */
        call->counts = false;
        call->refuse_task.run = refuse_run;
        cm_loop_post(call->loop, &call->refuse_task);
        status = CM_OK;
    } else if (call->prepare != NULL) {
        call->job = (cm_job){.work = prepare_work, .done = step_done};
        status = cm_loop_submit(call->loop, &call->job);
    } else {
        status = begin_write(call);
    }
    if (status != CM_OK) {
        cm_secret_wipe(call, sizeof *call);
        free(call);
        return status;
    }
    *out = call;
    return CM_OK;
}

void cm_identity_cancel(cm_identity_call *call)
{
    if (call != NULL)
        call->is_cancelled = true;
}

static cm_status make_call(cm_identity *identity, cm_loop *loop, cm_identity_done *done,
                           void *owner, cm_identity_call **out)
{
    cm_identity_call *call = calloc(1, sizeof *call);
    CM_ENSURE(call != NULL, CM_FULL);
    call->identity = identity;
    call->loop = loop;
    call->done = done;
    call->owner = owner;
    call->now = cm_loop_wall(loop);
    call->answer.status = CM_OK;
    *out = call;
    return CM_OK;
}

/* What is longer than anything that is allowed is kept too long to be allowed. */
static void keep(call_text *out, cm_slice text)
{
    cm_writer w = cm_writer_over(out->bytes, sizeof out->bytes);
    cm_write_slice(&w, cm_slice_part(text, 0, sizeof out->bytes));
    out->size = cm_writer_done(&w).size;
}

static cm_slice text_of(const call_text *text)
{
    return cm_slice_over(text->bytes, text->size);
}

static void ask_limits(cm_identity_call *call, const cm_address *from)
{
    call->from = *from;
    call->counts = true;
    int64_t wait_us = 0;
    if (cm_limits_take(call->identity->limits, from, limited_name(call), cm_loop_now(call->loop),
                       &wait_us) == CM_OK)
        return;
    record_refusal(call, CM_AUDIT_CAUSE_TOO_MANY_TRIES);
    fail(call, CM_RETRY, "too-many-tries", "Too many tries: wait before the next one.");
    call->answer.wait_us = wait_us;
}

static cm_status judge_password(cm_identity_call *call, const call_text *password)
{
    cm_password_fault fault;
    CM_TRY(cm_identity_judge_password(call->identity, text_of(password), text_of(&call->name),
                                      &fault));
    if (fault == CM_PASSWORD_FINE)
        return CM_OK;
    call->counts = false; /* a bad choice is no guess */
    fail(call, CM_REFUSE, "bad-password", cm_password_fault_text(fault));
    return CM_REFUSE;
}

static cm_status hash_password(cm_identity_call *call, const call_text *password)
{
    CM_TRY(judge_password(call, password));
    return cm_password_hash(text_of(password), &call->identity->config.cost, call->hash);
}

/* The answer carries the fresh session and whose it is. */
static void answer_session(cm_identity_call *call)
{
    call->answer.token = &call->token;
    call->answer.account = &call->account;
}

/* ---- signing in ---- */

static cm_status check_password(cm_identity_call *call, const call_text *password)
{
    if (cm_password_verify(text_of(password), call->hash, &call->identity->config.cost) == CM_OK)
        return CM_OK;
    record_refusal(call, CM_AUDIT_CAUSE_WRONG_PASSWORD);
    fail(call, CM_REFUSE, "wrong-name-or-password", "The name or the password is wrong.");
    return CM_REFUSE;
}

/* In the pool: a generator of the test's is one for all threads, the system's is this thread's. */
static void make_token(cm_identity_call *call, cm_token_kind kind)
{
    const cm_identity *identity = call->identity;
    cm_random random = cm_random_system();
    cm_token_make(identity->config.random != NULL ? identity->random : &random, kind, &call->token);
}

static void make_session_token(cm_identity_call *call)
{
    make_token(call, CM_TOKEN_SESSION);
}

static cm_status prepare_sign_in(cm_identity_call *call)
{
    const cm_identity *identity = call->identity;
    const cm_status found = cm_store_account_find_name(identity->config.store, text_of(&call->name),
                                                       &call->account, call->hash);
    if (found != CM_OK && found != CM_ABSENT)
        return found;
    if (found == CM_ABSENT || !call->account.is_active)
        call->hash[0] = '\0'; /* costs as much, and is refused */
    CM_TRY(check_password(call, &call->password));
    make_token(call, call->account.has_totp ? CM_TOKEN_PENDING : CM_TOKEN_SESSION);
    return CM_OK;
}

/* Another cost than when it was hashed: now that the password is at hand, once more. */
static void rehash(cm_identity_call *call)
{
    const cm_identity *identity = call->identity;
    if (!cm_password_needs_rehash(call->hash, &identity->config.cost))
        return;
    if (cm_password_hash(text_of(&call->password), &identity->config.cost, call->hash) == CM_OK)
        CM_IGNORE(cm_store_account_rehash(identity->config.store, &call->account.id,
                                          cm_slice_of(call->hash)),
                  "the old hash is still right");
}

/* Neither a wrong guess nor a sign-in: whoever has the password alone gets no tries back by it. */
static cm_status write_pending(cm_identity_call *call)
{
    cm_pending_sign_in sign_in = {.account = call->account.id};
    cm_slice_copy(cm_slice_of(call->account.name), sign_in.name, sizeof sign_in.name);
    cm_secret_hash(cm_slice_of(call->hash), sign_in.password);
    cm_pending_begin(call->identity->pending, call->token.hash, &sign_in, cm_loop_now(call->loop));
    call->counts = false;
    call->answer.pending = &call->token;
    return CM_OK;
}

static cm_status write_sign_in(cm_identity_call *call)
{
    cm_store *store = call->identity->config.store;
    rehash(call);
    if (call->account.has_totp)
        return write_pending(call);
    CM_TRY(cm_store_session_create(store, &call->account.id, call->token.hash, &call->origin,
                                   call->now, &call->change));
    call->has_change = call->change.raised_count > 0;
    record(call, &(cm_audit_entry){.kind = CM_AUDIT_SIGN_IN,
                                   .account = call->account.id,
                                   .value = call->origin.method});
    answer_session(call);
    return CM_OK;
}

cm_status cm_identity_begin_sign_in(cm_identity *identity, cm_loop *loop,
                                    const cm_identity_sign_in *ask, cm_identity_done *done,
                                    void *owner, cm_identity_call **out)
{
    cm_identity_call *call;
    CM_TRY(make_call(identity, loop, done, owner, &call));
    keep(&call->name, ask->name);
    keep(&call->password, ask->password);
    cm_origin_make(CM_METHOD_PASSWORD, ask->user_agent, &ask->from, &call->origin);
    call->prepare = prepare_sign_in;
    call->write = write_sign_in;
    ask_limits(call, &ask->from);
    return begin(call, out);
}

/* ---- the second step ---- */

static cm_status refuse_code(cm_identity_call *call, const char *cause)
{
    static const struct {
        const char *cause, *detail;
    } DETAILS[] = {
        {"wrong-code", "The code is wrong, or was used already: wait for the next one."},
        {"wrong-password-or-code", "The password or the code is wrong."},
        {"code-wanted", "This account wants a code of its authenticator app beside the password."},
        {"code-held-off", "Too many codes were wrong: use a recovery code or a passkey."},
        {"sign-in-over", "This took too long, or too many codes were wrong: begin again."},
    };
    const bool is_either = cm_slice_equal(cm_slice_of(cause), CM_TEXT("wrong-password-or-code"));
    record_refusal(call, is_either ? CM_AUDIT_CAUSE_WRONG_APP_CODE : cm_audit_cause_of(cause));
    const char *detail = NULL;
    for (size_t i = 0; i < CM_COUNT(DETAILS); i++)
        if (cm_slice_equal(cm_slice_of(DETAILS[i].cause), cm_slice_of(cause)))
            detail = DETAILS[i].detail;
    fail(call, CM_REFUSE, cause, detail);
    return CM_REFUSE;
}

/* The password that was right in the first step is the account's still. */
static cm_status check_pending(cm_identity_call *call)
{
    uint8_t digest[CM_MAC_SIZE];
    const cm_status status = cm_store_account_password_hash(call->identity->config.store,
                                                            &call->pending.account, call->hash);
    CM_ENSURE(status == CM_OK || status == CM_ABSENT, status);
    cm_secret_hash(cm_slice_of(status == CM_OK ? call->hash : ""), digest);
    if (cm_secret_equal(cm_slice_over(digest, sizeof digest),
                        cm_slice_over(call->pending.password, sizeof call->pending.password)))
        return CM_OK;
    return refuse_code(call, "sign-in-over");
}

/* In the store's lane. Judges the code and uses it up for a session, fresh or (`former`) renewed;
 * CM_REFUSE with *cause. */
static cm_status use_code(cm_identity_call *call, const uint8_t *former, const char **cause)
{
    const cm_factor_shown shown = {
        .account = call->account.id, .code = text_of(&call->code), .now = call->now};
    cm_factor_use use = {.former = former, .origin = call->origin};
    cm_slice_copy(cm_slice_over(call->token.hash, CM_MAC_SIZE), use.session_token_hash,
                  CM_MAC_SIZE);
    CM_TRY(cm_factor_judge(call->identity, &shown, &use, cause));
    call->origin.method = use.origin.method;
    if (!call->is_password_right) {
        *cause = "wrong-code";
        return CM_REFUSE;
    }
    const cm_status status = cm_store_factor_sign_in(call->identity->config.store, &use, call->now,
                                                     &call->account, &call->change);
    *cause = "wrong-code";
    return status == CM_ABSENT ? CM_REFUSE : status;
}

static cm_status write_code(cm_identity_call *call)
{
    call->account.id = call->pending.account;
    CM_TRY(check_pending(call));
    make_session_token(call);
    const char *cause = NULL;
    call->is_password_right = true;
    const cm_status status = use_code(call, NULL, &cause);
    if (status == CM_REFUSE)
        return refuse_code(call, cause);
    CM_TRY(status);
    cm_pending_end(call->identity->pending, call->pending_hash);
    call->has_change = call->change.raised_count > 0;
    record_session(call, CM_AUDIT_SIGN_IN);
    answer_session(call);
    return CM_OK;
}

cm_status cm_identity_begin_code(cm_identity *identity, cm_loop *loop, const cm_identity_code *ask,
                                 cm_identity_done *done, void *owner, cm_identity_call **out)
{
    cm_identity_call *call;
    CM_TRY(make_call(identity, loop, done, owner, &call));
    keep(&call->code, ask->code);
    cm_origin_make(CM_METHOD_CODE, ask->user_agent, &ask->from, &call->origin);
    call->write = write_code;
    const cm_instant now = cm_loop_now(loop);
    const bool is_known =
        cm_token_read(ask->token, CM_TOKEN_PENDING, call->pending_hash) == CM_OK &&
        cm_pending_find(identity->pending, call->pending_hash, now, &call->pending) == CM_OK;
    keep(&call->name, is_known ? cm_slice_of(call->pending.name) : ask->token);
    ask_limits(call, &ask->from);
    if (call->answer.status == CM_OK &&
        (!is_known || cm_pending_try(identity->pending, call->pending_hash, now) != CM_OK))
        CM_IGNORE(refuse_code(call, "sign-in-over"), "answered in a later turn");
    return begin(call, out);
}

/* ---- again ---- */

/* The account is the session's, not the name's. */
static cm_status look_up_asker(cm_identity_call *call)
{
    CM_AUTO(cm_who_clear) cm_who who = {.home_count = 0};
    const char *cause = NULL;
    cm_store *store = call->identity->config.store;
    const cm_status status = cm_store_who(store, &call->asker, call->now, &who, &cause);
    if (status == CM_ABSENT)
        fail(call, status, "no-such-session", "This session has ended.");
    CM_TRY(status);
    CM_ENSURE(!who.is_token, CM_REFUSE);
    call->account.id = who.account;
    call->account.has_totp = who.has_totp;
    return cm_store_account_password_hash(store, &who.account, call->hash);
}

static cm_status prepare_again(cm_identity_call *call)
{
    CM_TRY(look_up_asker(call));
    make_session_token(call);
    if (!call->account.has_totp)
        return check_password(call, &call->password);
    if (call->code.size == 0) {
        call->counts = false; /* not a guess */
        return refuse_code(call, "code-wanted");
    }
    /* Judged together with the code: which of the two was wrong is not said, nor told by time. */
    call->is_password_right = cm_password_verify(text_of(&call->password), call->hash,
                                                 &call->identity->config.cost) == CM_OK;
    return CM_OK;
}

static cm_status renew(cm_identity_call *call)
{
    if (!call->account.has_totp)
        return cm_store_session_renew(call->identity->config.store, call->asker.token_hash,
                                      call->token.hash, &call->origin, call->now, &call->change);
    const char *cause = NULL;
    call->origin.method = CM_METHOD_CODE;
    const cm_status status = use_code(call, call->asker.token_hash, &cause);
    if (status != CM_REFUSE)
        return status;
    const bool is_held_off = cm_slice_equal(cm_slice_of(cause), CM_TEXT("code-held-off"));
    return refuse_code(call, is_held_off ? cause : "wrong-password-or-code");
}

static cm_status write_again(cm_identity_call *call)
{
    const cm_status status = renew(call);
    if (status == CM_ABSENT)
        fail(call, status, "no-such-session", "This session has ended.");
    CM_TRY(status);
    call->has_change = true;
    record_session(call, CM_AUDIT_SIGN_IN_AGAIN);
    answer_session(call);
    return CM_OK;
}

cm_status cm_identity_begin_again(cm_identity *identity, cm_loop *loop,
                                  const cm_identity_again *ask, cm_identity_done *done, void *owner,
                                  cm_identity_call **out)
{
    cm_identity_call *call;
    CM_TRY(make_call(identity, loop, done, owner, &call));
    call->asker = ask->asker;
    keep(&call->name, ask->name);
    keep(&call->password, ask->password);
    keep(&call->code, ask->code);
    cm_origin_make(CM_METHOD_PASSWORD, ask->user_agent, &ask->from, &call->origin);
    call->prepare = prepare_again;
    call->write = write_again;
    ask_limits(call, &ask->from);
    return begin(call, out);
}

/* ---- signing out ---- */

static cm_status write_sign_out(cm_identity_call *call)
{
    const cm_status status =
        cm_store_session_end(call->identity->config.store, call->asker.token_hash, &call->change);
    if (status == CM_ABSENT)
        return CM_OK; /* ended already: as wanted */
    CM_TRY(status);
    record(call, &(cm_audit_entry){.kind = CM_AUDIT_SIGN_OUT, .account = call->change.account});
    call->has_change = true;
    return CM_OK;
}

cm_status cm_identity_begin_sign_out(cm_identity *identity, cm_loop *loop,
                                     const uint8_t token_hash[CM_MAC_SIZE], cm_identity_done *done,
                                     void *owner, cm_identity_call **out)
{
    cm_identity_call *call;
    CM_TRY(make_call(identity, loop, done, owner, &call));
    for (size_t i = 0; i < CM_MAC_SIZE; i++)
        call->asker.token_hash[i] = token_hash[i];
    call->write = write_sign_out;
    return begin(call, out);
}

/* ---- a new password ---- */

static cm_status prepare_new_password(cm_identity_call *call)
{
    CM_TRY(look_up_asker(call));
    CM_TRY(check_password(call, &call->password));
    make_session_token(call);
    return hash_password(call, &call->other);
}

static cm_status write_new_password(cm_identity_call *call)
{
    const cm_password_change change = {.account = call->account.id,
                                       .password_hash = cm_slice_of(call->hash),
                                       .former = call->asker.token_hash,
                                       .fresh = call->token.hash};
    const cm_status status = cm_store_account_change_password(
        call->identity->config.store, &change, call->now, &call->account, &call->change);
    if (status == CM_ABSENT)
        fail(call, status, "no-such-session", "This session has ended.");
    CM_TRY(status);
    record(call, &(cm_audit_entry){.kind = CM_AUDIT_PASSWORD_CHANGED, .account = call->account.id});
    call->has_change = true;
    answer_session(call);
    return CM_OK;
}

cm_status cm_identity_begin_new_password(cm_identity *identity, cm_loop *loop,
                                         const cm_identity_new_password *ask,
                                         cm_identity_done *done, void *owner,
                                         cm_identity_call **out)
{
    cm_identity_call *call;
    CM_TRY(make_call(identity, loop, done, owner, &call));
    call->asker = ask->asker;
    keep(&call->password, ask->old_password);
    keep(&call->other, ask->new_password);
    /* The token stands for the name: whose it is is not read on a loop. */
    keep(&call->name, cm_slice_over(ask->asker.token_hash, sizeof ask->asker.token_hash));
    call->prepare = prepare_new_password;
    call->write = write_new_password;
    ask_limits(call, &ask->from);
    return begin(call, out);
}

/* ---- setup ---- */

static cm_status prepare_setup(cm_identity_call *call)
{
    CM_TRY(hash_password(call, &call->password));
    make_session_token(call);
    return CM_OK;
}

static cm_status write_setup(cm_identity_call *call)
{
    cm_setup setup = {.home_name = text_of(&call->other),
                      .account_name = text_of(&call->name),
                      .password_hash = cm_slice_of(call->hash),
                      .origin = call->origin};
    for (size_t i = 0; i < CM_MAC_SIZE; i++) {
        setup.token_hash[i] = call->setup_hash[i];
        setup.session_token_hash[i] = call->token.hash[i];
    }
    const cm_status status = cm_store_setup_finish(call->identity->config.store, &setup, call->now,
                                                   &call->account, &call->home);
    if (status == CM_ABSENT)
        fail(call, status, "no-such-token",
             "This setup link was used already, or is not the newest.");
    if (status == CM_REFUSE)
        fail(call, status, "bad-name", "The name of the account or of the home can't be used.");
    CM_TRY(status);
    record(call, &(cm_audit_entry){
                     .kind = CM_AUDIT_SETUP, .home = call->home.id, .account = call->account.id});
    answer_session(call);
    call->answer.home = &call->home;
    return CM_OK;
}

cm_status cm_identity_begin_setup(cm_identity *identity, cm_loop *loop,
                                  const cm_identity_setup *ask, cm_identity_done *done, void *owner,
                                  cm_identity_call **out)
{
    cm_identity_call *call;
    CM_TRY(make_call(identity, loop, done, owner, &call));
    keep(&call->name, ask->name);
    keep(&call->password, ask->password);
    keep(&call->other, ask->home_name);
    cm_origin_make(CM_METHOD_SETUP, ask->user_agent, &ask->from, &call->origin);
    call->prepare = prepare_setup;
    call->write = write_setup;
    if (cm_token_read(ask->token, CM_TOKEN_SETUP, call->setup_hash) != CM_OK)
        fail(call, CM_ABSENT, "no-such-token", "This is not a setup link of this server.");
    else
        ask_limits(call, &ask->from);
    return begin(call, out);
}

/* ---- joining by an invitation ---- */

static cm_status no_such_invitation(cm_identity_call *call)
{
    fail(call, CM_ABSENT, "no-such-invitation",
         "This invitation was used already, was taken back, or is over.");
    record_refused_join(call);
    return CM_ABSENT;
}

static cm_status prepare_join(cm_identity_call *call)
{
    const cm_status found = cm_store_invitation_find(call->identity->config.store, call->setup_hash,
                                                     call->now, &call->invitation);
    if (found == CM_ABSENT)
        return no_such_invitation(call);
    CM_TRY(found);
    call->answer.invitation = &call->invitation;
    return call->only_looks || call->account.id.text[0] != '\0' ? CM_OK : prepare_setup(call);
}

/* Why the store refused whoever wants to join: not a guess, whatever it was. */
static void explain_refused_join(cm_identity_call *call, bool is_fresh)
{
    cm_stored_account other;
    call->counts = false;
    if (!is_fresh)
        fail(call, CM_REFUSE, "already-member", "You belong to this home already.");
    else if (cm_store_account_find_name(call->identity->config.store, text_of(&call->name), &other,
                                        NULL) == CM_OK)
        fail(call, CM_REFUSE, "name-taken", "Somebody on this server has this name already.");
    else
        fail(call, CM_REFUSE, "bad-name", "This name can't be used.");
    record_refused_join(call);
}

static cm_status write_join(cm_identity_call *call)
{
    const bool is_fresh = call->account.id.text[0] == '\0';
    cm_join join = {.token_hash = call->setup_hash,
                    .account = call->account.id,
                    .name = text_of(&call->name),
                    .password_hash = cm_slice_of(call->hash),
                    .origin = call->origin};
    for (size_t i = 0; i < CM_MAC_SIZE; i++)
        join.session_token_hash[i] = call->token.hash[i];
    const cm_status status = cm_store_invitation_accept(
        call->identity->config.store, &join, call->now, &call->account, &call->invitation);
    if (status == CM_ABSENT)
        return no_such_invitation(call);
    if (status == CM_REFUSE)
        explain_refused_join(call, is_fresh);
    CM_TRY(status);
    record_join(call);
    record_granted(call);
    call->answer.account = &call->account;
    call->answer.token = is_fresh ? &call->token : NULL;
    return CM_OK;
}

cm_status cm_identity_begin_join(cm_identity *identity, cm_loop *loop, const cm_identity_join *ask,
                                 cm_identity_done *done, void *owner, cm_identity_call **out)
{
    cm_identity_call *call;
    CM_TRY(make_call(identity, loop, done, owner, &call));
    keep(&call->name, ask->name);
    keep(&call->password, ask->password);
    call->account.id = ask->account;
    call->only_looks = ask->only_looks;
    /* The invitation stands for the name: nobody is kept out of his account by who tries links. */
    keep(&call->key, ask->token);
    cm_origin_make(CM_METHOD_PASSWORD, ask->user_agent, &ask->from, &call->origin);
    call->prepare = prepare_join;
    call->write = ask->only_looks ? NULL : write_join;
    ask_limits(call, &ask->from);
    if (call->answer.status == CM_OK &&
        cm_token_read(ask->token, CM_TOKEN_INVITATION, call->setup_hash) != CM_OK)
        CM_IGNORE(no_such_invitation(call), "answered in a later turn");
    return begin(call, out);
}

/* ---- members ---- */

static cm_status prepare_new_member(cm_identity_call *call)
{
    return hash_password(call, &call->password);
}

static cm_status write_new_member(cm_identity_call *call)
{
    cm_store *store = call->identity->config.store;
    cm_stored_account other;
    if (cm_store_account_find_name(store, text_of(&call->name), &other, NULL) == CM_OK) {
        fail(call, CM_REFUSE, "name-taken", "Somebody on this server has this name already.");
        return CM_REFUSE;
    }
    const cm_new_account account = {.name = text_of(&call->name),
                                    .password_hash = cm_slice_of(call->hash)};
    const cm_status status = cm_store_member_create(store, &call->home_id, &account, call->role,
                                                    call->now, &call->account);
    if (status == CM_REFUSE)
        fail(call, status, "bad-name", "This name can't be used.");
    CM_TRY(status);
    cm_audit_entry added = {.kind = CM_AUDIT_MEMBER_ADDED,
                            .home = call->home_id,
                            .account = call->by,
                            .value = call->role};
    cm_slice_copy(cm_slice_over(call->account.id.text, CM_ID_SIZE), added.other,
                  sizeof added.other);
    record(call, &added);
    call->answer.account = &call->account;
    return CM_OK;
}

cm_status cm_identity_begin_new_member(cm_identity *identity, cm_loop *loop,
                                       const cm_identity_new_member *ask, cm_identity_done *done,
                                       void *owner, cm_identity_call **out)
{
    cm_identity_call *call;
    CM_TRY(make_call(identity, loop, done, owner, &call));
    keep(&call->name, ask->name);
    keep(&call->password, ask->password);
    call->home_id = ask->home;
    call->role = ask->role;
    call->by = ask->by;
    call->prepare = prepare_new_member;
    call->write = write_new_member;
    return begin(call, out);
}
