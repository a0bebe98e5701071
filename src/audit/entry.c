/* One table says what each kind has; writing and parsing go by it. */
#include "audit/entry.h"

#include <string.h>

enum {
    HAS_CAMERA = 1 << 0, /* these three may be empty ids */
    HAS_ACCOUNT = 1 << 1,
    HAS_OTHER = 1 << 2,
    HAS_CAUSE = 1 << 3,
    HAS_VALUE = 1 << 4,
    HAS_COUNT = 1 << 5,
    HAS_SINCE = 1 << 6,
    HAS_VIEWING = 1 << 7,
    HAS_FRAMES = 1 << 8,
    HAS_PRIVATE = 1 << 9,
    HAS_GROUP = 1 << 10,
    HAS_TERMS = 1 << 11,
};

/* What most entries have not stands at their end, each with its bit in a byte before. With none of
 * it there is no such byte: so were all entries before there was any. */
enum { MORE_COMMAND = 1 << 0, MORE_TERMS = 1 << 1, MORE_ALL = MORE_COMMAND | MORE_TERMS };

enum {
    GRANT = HAS_ACCOUNT | HAS_OTHER | HAS_VALUE | HAS_TERMS,
    REFUSAL = HAS_ACCOUNT | HAS_CAUSE | HAS_COUNT | HAS_SINCE,
};

typedef struct schema {
    const char *name;
    uint32_t fields;
    cm_audit_group group;
} schema;

static const schema SCHEMAS[CM_AUDIT_KINDS] = {
    [CM_AUDIT_SIGN_IN] = {"sign-in", HAS_ACCOUNT | HAS_VALUE | HAS_PRIVATE, CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_SIGN_IN_AGAIN] = {"sign-in-again", HAS_ACCOUNT | HAS_VALUE | HAS_PRIVATE,
                                CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_SIGN_IN_REFUSED] = {"sign-in-refused",
                                  HAS_ACCOUNT | HAS_CAUSE | HAS_COUNT | HAS_SINCE | HAS_PRIVATE,
                                  CM_AUDIT_GROUP_REFUSALS},
    [CM_AUDIT_SIGN_OUT] = {"sign-out", HAS_ACCOUNT, CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_PASSWORD_CHANGED] = {"password-changed", HAS_ACCOUNT, CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_SETUP] = {"setup", HAS_ACCOUNT | HAS_PRIVATE, CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_HOME_ADDED] = {"home-added", HAS_ACCOUNT, CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_HOME_REMOVED] = {"home-removed", HAS_ACCOUNT, CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_MEMBER_ADDED] = {"member-added", HAS_ACCOUNT | HAS_OTHER | HAS_VALUE,
                               CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_MEMBER_ROLE] = {"member-role", HAS_ACCOUNT | HAS_OTHER | HAS_VALUE,
                              CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_MEMBER_REMOVED] = {"member-removed", HAS_ACCOUNT | HAS_OTHER, CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_EVERYONE_OUT] = {"everyone-out", HAS_ACCOUNT | HAS_COUNT, CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_PERSON_SIGNED_OUT] = {"person-signed-out", HAS_ACCOUNT | HAS_OTHER,
                                    CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_PASSKEY_ADDED] = {"passkey-added", HAS_ACCOUNT | HAS_OTHER, CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_PASSKEY_REMOVED] = {"passkey-removed", HAS_ACCOUNT | HAS_OTHER,
                                  CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_PASSKEY_REFUSED] = {"passkey-refused", REFUSAL | HAS_PRIVATE,
                                  CM_AUDIT_GROUP_REFUSALS},
    [CM_AUDIT_RECOVERY_MADE] = {"recovery-made", HAS_ACCOUNT | HAS_COUNT, CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_RECOVERY_USED] = {"recovery-used", HAS_ACCOUNT | HAS_PRIVATE, CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_GRANT_PUT] = {"grant-put", HAS_CAMERA | GRANT, CM_AUDIT_GROUP_RIGHTS},
    [CM_AUDIT_GRANT_REMOVED] = {"grant-removed", HAS_CAMERA | HAS_ACCOUNT | HAS_OTHER,
                                CM_AUDIT_GROUP_RIGHTS},
    [CM_AUDIT_TOKEN_MADE] = {"token-made", HAS_CAMERA | HAS_ACCOUNT | HAS_OTHER | HAS_VALUE,
                             CM_AUDIT_GROUP_RIGHTS},
    [CM_AUDIT_TOKEN_REVOKED] = {"token-revoked", HAS_ACCOUNT | HAS_OTHER, CM_AUDIT_GROUP_RIGHTS},
    [CM_AUDIT_CUT] = {"cut", HAS_CAMERA | HAS_OTHER | HAS_COUNT, CM_AUDIT_GROUP_RIGHTS},
    [CM_AUDIT_GUEST_LINK_MADE] = {"guest-link-made", HAS_CAMERA | HAS_ACCOUNT | HAS_OTHER,
                                  CM_AUDIT_GROUP_RIGHTS},
    [CM_AUDIT_GUEST_LINK_REVOKED] = {"guest-link-revoked", HAS_ACCOUNT | HAS_OTHER,
                                     CM_AUDIT_GROUP_RIGHTS},
    [CM_AUDIT_GUEST_LINK_OPENED] = {"guest-link-opened", HAS_CAMERA | HAS_OTHER | HAS_PRIVATE,
                                    CM_AUDIT_GROUP_VIEWS},
    [CM_AUDIT_GUEST_LINK_REFUSED] = {"guest-link-refused",
                                     HAS_CAMERA | HAS_ACCOUNT | HAS_CAUSE | HAS_COUNT | HAS_SINCE |
                                         HAS_PRIVATE,
                                     CM_AUDIT_GROUP_REFUSALS},
    [CM_AUDIT_GROUP_MADE] = {"group-made", HAS_ACCOUNT | HAS_GROUP, CM_AUDIT_GROUP_RIGHTS},
    [CM_AUDIT_GROUP_CHANGED] = {"group-changed", HAS_ACCOUNT | HAS_GROUP, CM_AUDIT_GROUP_RIGHTS},
    [CM_AUDIT_GROUP_DELETED] = {"group-deleted", HAS_ACCOUNT | HAS_GROUP, CM_AUDIT_GROUP_RIGHTS},
    [CM_AUDIT_GROUP_GRANT_PUT] = {"group-grant-put", GRANT | HAS_GROUP, CM_AUDIT_GROUP_RIGHTS},
    [CM_AUDIT_GROUP_GRANT_REMOVED] = {"group-grant-removed", HAS_ACCOUNT | HAS_OTHER | HAS_GROUP,
                                      CM_AUDIT_GROUP_RIGHTS},
    [CM_AUDIT_INVITATION_MADE] = {"invitation-made", HAS_ACCOUNT | HAS_OTHER | HAS_VALUE,
                                  CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_INVITATION_TAKEN] = {"invitation-taken",
                                   HAS_ACCOUNT | HAS_OTHER | HAS_VALUE | HAS_PRIVATE,
                                   CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_INVITATION_ENDED] = {"invitation-ended", HAS_ACCOUNT | HAS_OTHER,
                                   CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_INVITATION_REFUSED] = {"invitation-refused", REFUSAL | HAS_PRIVATE,
                                     CM_AUDIT_GROUP_REFUSALS},
    [CM_AUDIT_CAMERA_ADDED] = {"camera-added", HAS_CAMERA | HAS_ACCOUNT, CM_AUDIT_GROUP_CAMERAS},
    [CM_AUDIT_CAMERA_CHANGED] = {"camera-changed", HAS_CAMERA | HAS_ACCOUNT,
                                 CM_AUDIT_GROUP_CAMERAS},
    [CM_AUDIT_CAMERA_REMOVED] = {"camera-removed", HAS_CAMERA | HAS_ACCOUNT,
                                 CM_AUDIT_GROUP_CAMERAS},
    [CM_AUDIT_VIEW_BEGIN] = {"view-begin", HAS_CAMERA | HAS_ACCOUNT | HAS_VALUE | HAS_VIEWING,
                             CM_AUDIT_GROUP_VIEWS},
    [CM_AUDIT_VIEW_END] = {"view-end",
                           HAS_CAMERA | HAS_ACCOUNT | HAS_CAUSE | HAS_SINCE | HAS_VIEWING |
                               HAS_FRAMES,
                           CM_AUDIT_GROUP_VIEWS},
    [CM_AUDIT_VIEW_REFUSED] = {"view-refused",
                               HAS_CAMERA | HAS_ACCOUNT | HAS_CAUSE | HAS_COUNT | HAS_SINCE,
                               CM_AUDIT_GROUP_REFUSALS},
    [CM_AUDIT_OPENING_REFUSED] = {"opening-refused", HAS_CAMERA | HAS_CAUSE | HAS_COUNT | HAS_SINCE,
                                  CM_AUDIT_GROUP_REFUSALS},
    [CM_AUDIT_EVIDENCE_ALARM] = {"evidence-alarm", HAS_CAMERA | HAS_COUNT | HAS_SINCE,
                                 CM_AUDIT_GROUP_REFUSALS},
    [CM_AUDIT_SERVER_START] = {"server-start", 0, CM_AUDIT_GROUP_SERVER},
    [CM_AUDIT_SERVER_STOP] = {"server-stop", 0, CM_AUDIT_GROUP_SERVER},
    [CM_AUDIT_CLOCK_JUMPED] = {"clock-jumped", HAS_CAUSE | HAS_COUNT, CM_AUDIT_GROUP_SERVER},
    [CM_AUDIT_OUTSIDE] = {"changed-outside", 0, CM_AUDIT_GROUP_SERVER},
    [CM_AUDIT_GAP] = {"gap", HAS_COUNT, CM_AUDIT_GROUP_SERVER},
    [CM_AUDIT_LOG_REPAIRED] = {"log-repaired", HAS_COUNT, CM_AUDIT_GROUP_SERVER},
    [CM_AUDIT_LOG_SHORTENED] = {"log-shortened", HAS_COUNT, CM_AUDIT_GROUP_SERVER},
    [CM_AUDIT_HOME_CHANGED] = {"home-changed", HAS_ACCOUNT, CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_HOME_SUSPENDED] = {"home-suspended", HAS_ACCOUNT, CM_AUDIT_GROUP_RIGHTS},
    [CM_AUDIT_HOME_RESUMED] = {"home-resumed", HAS_ACCOUNT, CM_AUDIT_GROUP_RIGHTS},
    [CM_AUDIT_HOME_HANDED_OVER] = {"home-handed-over", HAS_ACCOUNT | HAS_OTHER | HAS_VALUE,
                                   CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_MOVED_OUT] = {"moved-out", HAS_ACCOUNT | HAS_OTHER | HAS_VALUE,
                            CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_SESSION_ENDED] = {"session-ended", HAS_ACCOUNT | HAS_OTHER, CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_SESSIONS_ENDED] = {"sessions-ended", HAS_ACCOUNT, CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_ACCOUNT_ADDED] = {"account-added", HAS_ACCOUNT | HAS_OTHER, CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_ACCOUNT_REMOVED] = {"account-removed", HAS_ACCOUNT | HAS_OTHER,
                                  CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_TOTP_ADDED] = {"totp-added", HAS_ACCOUNT, CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_TOTP_REMOVED] = {"totp-removed", HAS_ACCOUNT, CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_PASSWORD_RESET] = {"password-reset", HAS_OTHER, CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_ACCOUNT_HELD_OFF] = {"account-held-off", HAS_OTHER, CM_AUDIT_GROUP_PEOPLE},
    [CM_AUDIT_ACCOUNT_RESTORED] = {"account-restored", HAS_OTHER, CM_AUDIT_GROUP_PEOPLE},
};

static const char *const CAUSES[CM_AUDIT_CAUSES] = {
    [CM_AUDIT_CAUSE_NONE] = "",
    [CM_AUDIT_CAUSE_OTHER] = "other",
    [CM_AUDIT_CAUSE_WRONG_PASSWORD] = "wrong-name-or-password",
    [CM_AUDIT_CAUSE_TOO_MANY_TRIES] = "too-many-tries",
    [CM_AUDIT_CAUSE_NO_SUCH_TOKEN] = "no-such-token",
    [CM_AUDIT_CAUSE_WRONG_CODE] = "wrong-name-or-code",
    [CM_AUDIT_CAUSE_NO_CHALLENGE] = "no-challenge",
    [CM_AUDIT_CAUSE_NO_PASSKEY] = "no-such-passkey",
    [CM_AUDIT_CAUSE_SIGNATURE] = "bad-signature",
    [CM_AUDIT_CAUSE_COUNTER_WENT_BACK] = "counter-went-back",
    [CM_AUDIT_CAUSE_NO_SUCH_INVITATION] = "no-such-invitation",
    [CM_AUDIT_CAUSE_ALREADY_MEMBER] = "already-member",
    [CM_AUDIT_CAUSE_NAME_TAKEN] = "name-taken",
    [CM_AUDIT_CAUSE_WRONG_APP_CODE] = "wrong-code",
    [CM_AUDIT_CAUSE_CODE_HELD_OFF] = "code-held-off",
    [CM_AUDIT_CAUSE_SESSION_OVER] = "session-over",
    [CM_AUDIT_CAUSE_ACCOUNT_HELD_OFF] = "account-held-off",
    [CM_AUDIT_CAUSE_OPERATOR] = "operator",
    [CM_AUDIT_CAUSE_NO_MEMBER] = "no-member",
    [CM_AUDIT_CAUSE_NO_GRANT] = "no-grant",
    [CM_AUDIT_CAUSE_TOKEN_LIMIT] = "token-limit",
    [CM_AUDIT_CAUSE_NO_CAMERA] = "no-camera",
    [CM_AUDIT_CAUSE_EVIDENCE] = "evidence",
    [CM_AUDIT_CAUSE_TOO_MANY] = "too-many",
    [CM_AUDIT_CAUSE_LEFT] = "left",
    [CM_AUDIT_CAUSE_NOT_YET] = "not-yet",
    [CM_AUDIT_CAUSE_OVER] = "over",
    [CM_AUDIT_CAUSE_HOURS] = "not-these-hours",
    [CM_AUDIT_CAUSE_SUSPENDED] = "home-suspended",
    [CM_AUDIT_CAUSE_LINK] = "link-ended",
    [CM_AUDIT_CAUSE_MAKER] = "link-maker",
    [CM_AUDIT_CAUSE_STALE] = "stale",
    [CM_AUDIT_CAUSE_RIGHT] = "right",
    [CM_AUDIT_CAUSE_FOREIGN] = "foreign",
    [CM_AUDIT_CAUSE_KEY] = "key",
    [CM_AUDIT_CAUSE_REPLAY] = "replay",
    [CM_AUDIT_CAUSE_POSITION] = "gap",
    [CM_AUDIT_CAUSE_SEAL] = "seal",
    [CM_AUDIT_CAUSE_FORWARD] = "forward",
    [CM_AUDIT_CAUSE_BACK] = "back",
};

const char *cm_audit_kind_name(cm_audit_kind kind)
{
    return (unsigned)kind < CM_AUDIT_KINDS ? SCHEMAS[kind].name : NULL;
}

cm_status cm_audit_kind_parse(cm_slice text, cm_audit_kind *out)
{
    for (unsigned i = 0; i < CM_AUDIT_KINDS; i++)
        if (SCHEMAS[i].name != NULL && cm_slice_equal(text, cm_slice_of(SCHEMAS[i].name))) {
            *out = (cm_audit_kind)i;
            return CM_OK;
        }
    return CM_REFUSE;
}

bool cm_audit_kind_has_private(cm_audit_kind kind)
{
    return (unsigned)kind < CM_AUDIT_KINDS && (SCHEMAS[kind].fields & HAS_PRIVATE) != 0;
}

cm_audit_group cm_audit_group_of(cm_audit_kind kind)
{
    return (unsigned)kind < CM_AUDIT_KINDS ? SCHEMAS[kind].group : (cm_audit_group)0;
}

cm_status cm_audit_group_parse(cm_slice text, cm_audit_group *out)
{
    static const char *const NAMES[] = {"people", "rights",   "cameras",
                                        "views",  "refusals", "server"};
    for (unsigned i = 0; i < CM_COUNT(NAMES); i++)
        if (cm_slice_equal(text, cm_slice_of(NAMES[i]))) {
            *out = (cm_audit_group)(1u << i);
            return CM_OK;
        }
    return CM_REFUSE;
}

const char *cm_audit_cause_name(cm_audit_cause cause)
{
    const char *name = (unsigned)cause < CM_AUDIT_CAUSES ? CAUSES[cause] : NULL;
    return name != NULL ? name : "other";
}

cm_audit_cause cm_audit_cause_of(const char *name)
{
    for (unsigned i = 0; i < CM_AUDIT_CAUSES; i++)
        if (CAUSES[i] != NULL && strcmp(CAUSES[i], name) == 0)
            return (cm_audit_cause)i;
    return CM_AUDIT_CAUSE_OTHER;
}

const char *cm_audit_path_name(cm_audit_path path)
{
    static const char *const NAMES[CM_AUDIT_PATHS] = {"other", "webrtc", "mp4",
                                                      "still", "whip",   "rtsp"};
    return (unsigned)path < CM_AUDIT_PATHS ? NAMES[path] : "other";
}

/* ---- writing ---- */

static void write_id(cm_writer *w, const char id[CM_ID_SIZE])
{
    const size_t size = strnlen(id, CM_ID_SIZE - 1);
    cm_write_u8(w, (uint8_t)size);
    cm_write_slice(w, cm_slice_over(id, size));
}

static void write_frames(cm_writer *w, const cm_audit_entry *entry)
{
    cm_write_u8(w, (uint8_t)entry->frame_count);
    for (size_t i = 0; i < entry->frame_count; i++) {
        const cm_audit_frames *f = &entry->frames[i];
        cm_write_u8(w, f->stream);
        cm_write_u64(w, f->first);
        cm_write_u64(w, f->last);
        cm_write_u64(w, f->frames);
        cm_write_u64(w, f->bytes);
        cm_write_u64(w, f->first_epoch);
        cm_write_u64(w, f->last_epoch);
    }
}

static void write_what(cm_writer *w, const cm_audit_entry *entry, uint32_t fields)
{
    if (fields & HAS_CAMERA)
        write_id(w, entry->camera.text);
    if (fields & HAS_ACCOUNT)
        write_id(w, entry->account.text);
    if (fields & HAS_OTHER)
        write_id(w, entry->other);
    if (fields & HAS_CAUSE)
        cm_write_u16(w, (uint16_t)entry->cause);
    if (fields & HAS_VALUE)
        cm_write_u32(w, entry->value);
    if (fields & HAS_COUNT)
        cm_write_u64(w, entry->count);
    if (fields & HAS_SINCE)
        cm_write_u64(w, (uint64_t)entry->since.us);
    if (fields & HAS_GROUP)
        write_id(w, entry->group);
}

static uint8_t more_of(const cm_audit_entry *entry, uint32_t fields)
{
    const bool has_terms = (entry->hours.days | entry->hours.from | entry->hours.to) != 0 ||
                           entry->not_before.us != 0 || entry->not_after.us != 0;
    return (uint8_t)((entry->is_command ? MORE_COMMAND : 0) |
                     ((fields & HAS_TERMS) != 0 && has_terms ? MORE_TERMS : 0));
}

static void write_more(cm_writer *w, const cm_audit_entry *entry, uint8_t more)
{
    if (more == 0)
        return;
    cm_write_u8(w, more);
    if ((more & MORE_TERMS) == 0)
        return;
    cm_write_u8(w, entry->hours.days);
    cm_write_u16(w, entry->hours.from);
    cm_write_u16(w, entry->hours.to);
    cm_write_u64(w, (uint64_t)entry->not_before.us);
    cm_write_u64(w, (uint64_t)entry->not_after.us);
}

void cm_audit_entry_write(cm_writer *w, const cm_audit_entry *entry)
{
    const uint32_t fields = SCHEMAS[entry->kind].fields;
    cm_write_u64(w, entry->number);
    write_id(w, entry->home.text);
    cm_write_u64(w, (uint64_t)entry->when.us);
    cm_write_u8(w, (uint8_t)entry->kind);
    write_what(w, entry, fields);
    if (fields & HAS_VIEWING) {
        cm_write_u64(w, entry->viewing);
        cm_write_u8(w, (uint8_t)entry->path);
        cm_write_u32(w, entry->streams);
    }
    if (fields & HAS_FRAMES)
        write_frames(w, entry);
    if (fields & HAS_PRIVATE) {
        cm_write_u8(w, entry->has_private);
        if (entry->has_private)
            cm_write_slice(w, cm_slice_over(entry->commitment, sizeof entry->commitment));
    }
    write_more(w, entry, more_of(entry, fields));
}

/* ---- parsing ---- */

static void read_id(cm_reader *r, char out[CM_ID_SIZE])
{
    const uint8_t size = cm_read_u8(r);
    const cm_slice text = cm_read_slice(r, size);
    if (size > 0 && cm_id_parse(text, out) != CM_OK)
        r->failed = true;
}

static void read_frames(cm_reader *r, cm_audit_entry *out)
{
    const uint8_t count = cm_read_u8(r);
    if (count > CM_AUDIT_STREAMS_MAX) {
        r->failed = true;
        return;
    }
    out->frame_count = count;
    for (size_t i = 0; i < count; i++) {
        cm_audit_frames *f = &out->frames[i];
        f->stream = cm_read_u8(r);
        f->first = cm_read_u64(r);
        f->last = cm_read_u64(r);
        f->frames = cm_read_u64(r);
        f->bytes = cm_read_u64(r);
        f->first_epoch = cm_read_u64(r);
        f->last_epoch = cm_read_u64(r);
    }
}

static void read_what(cm_reader *r, uint32_t fields, cm_audit_entry *out)
{
    if (fields & HAS_CAMERA)
        read_id(r, out->camera.text);
    if (fields & HAS_ACCOUNT)
        read_id(r, out->account.text);
    if (fields & HAS_OTHER)
        read_id(r, out->other);
    if (fields & HAS_CAUSE)
        out->cause = (cm_audit_cause)cm_read_u16(r);
    if (fields & HAS_VALUE)
        out->value = cm_read_u32(r);
    if (fields & HAS_COUNT)
        out->count = cm_read_u64(r);
    if (fields & HAS_SINCE)
        out->since.us = (int64_t)cm_read_u64(r);
    if (fields & HAS_GROUP)
        read_id(r, out->group);
}

static void read_private(cm_reader *r, cm_audit_entry *out)
{
    const uint8_t has_private = cm_read_u8(r);
    out->has_private = has_private == 1;
    if (has_private > 1)
        r->failed = true;
    if (out->has_private)
        cm_slice_copy(cm_read_slice(r, sizeof out->commitment), out->commitment,
                      sizeof out->commitment);
}

static void read_more(cm_reader *r, uint32_t fields, cm_audit_entry *out)
{
    if (cm_reader_finish(r) == CM_OK)
        return; /* nothing more */
    const uint8_t more = cm_read_u8(r);
    out->is_command = (more & MORE_COMMAND) != 0;
    if ((more & MORE_TERMS) != 0) {
        out->hours.days = cm_read_u8(r);
        out->hours.from = cm_read_u16(r);
        out->hours.to = cm_read_u16(r);
        out->not_before.us = (int64_t)cm_read_u64(r);
        out->not_after.us = (int64_t)cm_read_u64(r);
    }
    if (more == 0 || (more & ~MORE_ALL) != 0 || more_of(out, fields) != more ||
        !cm_hours_are_sound(&out->hours))
        r->failed = true;
}

cm_slice cm_audit_entry_home(cm_slice bytes)
{
    cm_reader r = cm_reader_over(cm_slice_from(bytes, 8));
    const uint8_t size = cm_read_u8(&r);
    return cm_read_slice(&r, size);
}

cm_status cm_audit_entry_parse(cm_slice bytes, cm_audit_entry *out)
{
    cm_reader r = cm_reader_over(bytes);
    cm_audit_entry entry = {.number = cm_read_u64(&r)};
    read_id(&r, entry.home.text);
    entry.when.us = (int64_t)cm_read_u64(&r);
    entry.kind = (cm_audit_kind)cm_read_u8(&r);
    CM_ENSURE(cm_audit_kind_name(entry.kind) != NULL, CM_CLOSE);
    const uint32_t fields = SCHEMAS[entry.kind].fields;
    read_what(&r, fields, &entry);
    if (fields & HAS_VIEWING) {
        entry.viewing = cm_read_u64(&r);
        entry.path = (cm_audit_path)cm_read_u8(&r);
        entry.streams = cm_read_u32(&r);
    }
    if (fields & HAS_FRAMES)
        read_frames(&r, &entry);
    if (fields & HAS_PRIVATE)
        read_private(&r, &entry);
    read_more(&r, fields, &entry);
    CM_TRY(cm_reader_finish(&r));
    *out = entry;
    return CM_OK;
}
