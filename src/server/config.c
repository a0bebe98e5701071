/* The YAML file, by tables over libyaml's document (which keeps the line of every value: so a wrong
 * value can be shown where it stands). */
#include "server/config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <yaml.h>

#include "base/log.h"
#include "base/secret.h"
#include "base/text.h"
#include "grants/rights.h"
#include "media/frame.h"

enum {
    PASSWORD_FILE_MAX = 4096,
    TURN_PASSWORD_MAX = 256, /* bytes that net/turn.h takes */
    STUN_PORT = 3478,        /* and TURN's: RFC 8489 18.6 */
    HOST_MAX = 253,          /* bytes of a name */
    FILE_MAX = 1 << 20,
    /* Values read, each alias counted anew: what bounds a small file whose aliases multiply. */
    VALUES_MAX = 100000,
};

/* Everything allocated while reading, freed (and wiped) together. */
typedef struct block {
    struct block *next;
    size_t size;
    max_align_t bytes[];
} block;

struct cm_config_memory {
    block *blocks;
};

typedef struct context {
    cm_config *config;
    const char *path;
    yaml_document_t *document;
    char *message;
    char field[256]; /* "homes[1].cameras[0].main" */
    size_t values;   /* read so far */
} context;

static void *take_memory(cm_config *config, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total) ||
        __builtin_add_overflow(total, sizeof(block), &total))
        abort();
    block *b = calloc(1, total);
    if (b == NULL)
        abort(); /* at the start; bounded by the file's size */
    b->size = total - sizeof(block);
    b->next = config->memory->blocks;
    config->memory->blocks = b;
    return b->bytes;
}

static char *keep_text(cm_config *config, cm_slice text)
{
    char *copy = take_memory(config, text.size + 1, 1);
    if (cm_slice_to_cstr(text, copy, text.size + 1) != CM_OK)
        copy[0] = '\0';
    return copy;
}

/* ---- faults ---- */

static cm_status fault(context *c, const yaml_mark_t *mark, const char *format, ...)
    CM_PRINTF(3, 4);

static cm_status fault(context *c, const yaml_mark_t *mark, const char *format, ...)
{
    char what[512];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    (void)snprintf(c->message, CM_CONFIG_MESSAGE_SIZE, "%s:%zu:%zu: %s%s%s", c->path,
                   mark->line + 1, mark->column + 1, c->field, c->field[0] != '\0' ? ": " : "",
                   what);
    return CM_REFUSE;
}

static cm_status wrong(context *c, const yaml_node_t *node, const char *allowed)
{
    char quoted[CM_LOG_QUOTE_SIZE];
    if (node->type != YAML_SCALAR_NODE)
        return fault(c, &node->start_mark, "allowed: %s", allowed);
    return fault(
        c, &node->start_mark, "%s is not allowed here; allowed: %s",
        cm_log_quote(cm_slice_over(node->data.scalar.value, node->data.scalar.length), quoted),
        allowed);
}

static cm_status count_value(context *c, const yaml_node_t *node)
{
    if (++c->values > VALUES_MAX)
        return fault(c, &node->start_mark, "the file stands for more than %d values", VALUES_MAX);
    return CM_OK;
}

/* ---- tables ---- */

typedef cm_status read_value(context *c, const yaml_node_t *node, void *out, const char *allowed);

typedef struct field {
    const char *name;
    read_value *read;
    size_t offset; /* into the struct that the mapping fills */
    bool is_required;
    const char *allowed;
} field;

#define FIELD(struct_name, member, key, reader, required, allowed_text)                            \
    {                                                                                              \
        key, reader, offsetof(struct_name, member), required, allowed_text                         \
    }

static cm_slice scalar_of(const yaml_node_t *node)
{
    return cm_slice_over(node->data.scalar.value, node->data.scalar.length);
}

/* Appends ".name" or "[index]" to the field's path; returns what to cut back to. */
static size_t enter(context *c, const char *format, ...) CM_PRINTF(2, 3);

static size_t enter(context *c, const char *format, ...)
{
    const size_t length = strlen(c->field);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(c->field + length, sizeof c->field - length, format, args);
    va_end(args);
    return length;
}

static void leave(context *c, size_t length)
{
    c->field[length] = '\0';
}

static cm_status unknown_key(context *c, const yaml_node_t *key, const field *fields, size_t count)
{
    char known[384] = "";
    for (size_t i = 0; i < count; i++) {
        const size_t used = strlen(known);
        (void)snprintf(known + used, sizeof known - used, "%s%s", i > 0 ? ", " : "",
                       fields[i].name);
    }
    char quoted[CM_LOG_QUOTE_SIZE];
    const cm_slice name = key->type == YAML_SCALAR_NODE ? scalar_of(key) : CM_TEXT("(not a name)");
    return fault(c, &key->start_mark, "unknown key %s; known here: %s", cm_log_quote(name, quoted),
                 known);
}

/* The key is a known one and stands here for the first time. */
static cm_status check_key(context *c, const yaml_node_t *key, const field *fields, size_t count,
                           uint64_t *seen)
{
    for (size_t i = 0; i < count; i++) {
        if (key->type != YAML_SCALAR_NODE ||
            !cm_slice_equal(scalar_of(key), cm_slice_of(fields[i].name)))
            continue;
        if ((*seen >> i & 1) == 1)
            return fault(c, &key->start_mark, "'%s' stands here twice", fields[i].name);
        *seen |= UINT64_C(1) << i;
        return CM_OK;
    }
    return unknown_key(c, key, fields, count);
}

static const field *find_field(const yaml_node_t *key, const field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (cm_slice_equal(scalar_of(key), cm_slice_of(fields[i].name)))
            return &fields[i];
    return NULL;
}

static cm_status read_mapping(context *c, const yaml_node_t *node, const field *fields,
                              size_t count, void *out)
{
    if (node->type != YAML_MAPPING_NODE)
        return fault(c, &node->start_mark, "a mapping (key: value) is wanted here");
    uint64_t seen = 0;
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(c->document, pair->key);
        const yaml_node_t *value = yaml_document_get_node(c->document, pair->value);
        CM_TRY(count_value(c, value));
        CM_TRY(check_key(c, key, fields, count, &seen));
        const field *f = find_field(key, fields, count);
        const size_t length = enter(c, "%s%s", c->field[0] != '\0' ? "." : "", f->name);
        CM_TRY(f->read(c, value, (char *)out + f->offset, f->allowed));
        leave(c, length);
    }
    for (size_t i = 0; i < count; i++)
        if (fields[i].is_required && (seen >> i & 1) == 0)
            return fault(c, &node->start_mark, "'%s' is missing; allowed: %s", fields[i].name,
                         fields[i].allowed);
    return CM_OK;
}

/* A list whose items `read_item` reads into structs of `size` bytes. */
static cm_status read_list(context *c, const yaml_node_t *node, size_t size, read_value *read_item,
                           const char *allowed, void **items_out, size_t *count_out)
{
    if (node->type != YAML_SEQUENCE_NODE)
        return fault(c, &node->start_mark, "a list is wanted here; allowed: %s", allowed);
    const size_t count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (count > CM_CONFIG_LIST_MAX)
        return fault(c, &node->start_mark, "at most %d items are allowed", CM_CONFIG_LIST_MAX);
    if (c->values + count > VALUES_MAX)
        return fault(c, &node->start_mark, "the file stands for more than %d values", VALUES_MAX);
    char *items = take_memory(c->config, count > 0 ? count : 1, size);
    for (size_t i = 0; i < count; i++) {
        const size_t length = enter(c, "[%zu]", i);
        const yaml_node_t *item =
            yaml_document_get_node(c->document, node->data.sequence.items.start[i]);
        CM_TRY(count_value(c, item));
        CM_TRY(read_item(c, item, items + i * size, allowed));
        leave(c, length);
    }
    *items_out = items;
    *count_out = count;
    return CM_OK;
}

/* ---- values ---- */

static cm_status read_text(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    if (node->type != YAML_SCALAR_NODE || scalar_of(node).size == 0 ||
        scalar_of(node).size >= CM_NAME_SIZE || !cm_text_is_printable_utf8(scalar_of(node)))
        return wrong(c, node, allowed);
    *(cm_slice *)out = cm_slice_of(keep_text(c->config, scalar_of(node)));
    return CM_OK;
}

bool cm_config_is_camera_address(cm_slice text)
{
    const cm_slice scheme = CM_TEXT("rtsp://");
    return cm_slice_starts_nocase(text, scheme) && text.size > scheme.size &&
           text.bytes[scheme.size] != '/' && text.size < CM_CAMERA_URL_SIZE &&
           cm_text_is_printable_utf8(text) && cm_slice_find(text, ' ') == text.size &&
           cm_slice_find(text, '@') == text.size;
}

static cm_status read_address_of_camera(context *c, const yaml_node_t *node, void *out,
                                        const char *allowed)
{
    /* Not quoted: it may hold a password. */
    if (node->type != YAML_SCALAR_NODE || !cm_config_is_camera_address(scalar_of(node)))
        return fault(c, &node->start_mark, "this is not allowed here; allowed: %s", allowed);
    *(cm_slice *)out = cm_slice_of(keep_text(c->config, scalar_of(node)));
    return CM_OK;
}

/* Stands where the address would: what is brought is asked for nowhere. */
static cm_status read_whip(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    if (node->type != YAML_SCALAR_NODE || !cm_slice_equal(scalar_of(node), CM_TEXT("true")))
        return wrong(c, node, allowed);
    *(cm_slice *)out = CM_TEXT(CM_CAMERA_PUSHED);
    return CM_OK;
}

static cm_status read_home_id(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    if (node->type != YAML_SCALAR_NODE || cm_home_id_parse(scalar_of(node), out) != CM_OK)
        return wrong(c, node, allowed);
    return CM_OK;
}

static cm_status read_camera_id(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    if (node->type != YAML_SCALAR_NODE || cm_camera_id_parse(scalar_of(node), out) != CM_OK)
        return wrong(c, node, allowed);
    return CM_OK;
}

static cm_status read_range(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    if (node->type != YAML_SCALAR_NODE || cm_range_parse(scalar_of(node), out) != CM_OK)
        return wrong(c, node, allowed);
    return CM_OK;
}

static cm_status read_role(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    if (node->type != YAML_SCALAR_NODE || cm_role_parse(scalar_of(node), out) != CM_OK)
        return wrong(c, node, allowed);
    return CM_OK;
}

static cm_status read_keep(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    if (node->type != YAML_SCALAR_NODE || cm_keep_parse(scalar_of(node), out) != CM_OK)
        return wrong(c, node, allowed);
    return CM_OK;
}

static cm_status read_flag(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    static const struct {
        const char *word;
        bool value;
    } WORDS[] = {{"true", true}, {"yes", true}, {"false", false}, {"no", false}};
    for (size_t i = 0; node->type == YAML_SCALAR_NODE && i < CM_COUNT(WORDS); i++) {
        if (!cm_slice_equal(scalar_of(node), cm_slice_of(WORDS[i].word)))
            continue;
        *(bool *)out = WORDS[i].value;
        return CM_OK;
    }
    return wrong(c, node, allowed);
}

/* Up to `capacity` bytes, past stdio, whose buffer would keep a copy. Negative: errno says why. */
static ssize_t read_whole(int fd, char *out, size_t capacity)
{
    size_t size = 0;
    while (size < capacity) {
        const ssize_t got = read(fd, out + size, capacity - size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        size += (size_t)got;
    }
    return (ssize_t)size;
}

/* A path as written becomes one beside the YAML file, unless it is absolute. */
static char *beside(context *c, cm_slice name)
{
    const char *slash = strrchr(c->path, '/');
    if (cm_slice_starts(name, CM_TEXT("/")) || slash == NULL)
        return keep_text(c->config, name);
    const size_t folder = (size_t)(slash - c->path) + 1;
    char *path = take_memory(c->config, folder + name.size + 1, 1);
    (void)snprintf(path, folder + name.size + 1, "%.*s%.*s", (int)folder, c->path,
                   CM_SLICE_ARGS(name));
    return path;
}

static cm_status read_path(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    if (node->type != YAML_SCALAR_NODE || scalar_of(node).size == 0 ||
        !cm_text_is_printable_utf8(scalar_of(node)))
        return wrong(c, node, allowed);
    *(char **)out = beside(c, scalar_of(node));
    return CM_OK;
}

/* The content of the file, without the white space around it. */
static cm_status read_password_file(context *c, const yaml_node_t *node, void *out,
                                    const char *allowed)
{
    char *path = NULL;
    CM_TRY(read_path(c, node, &path, allowed));
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fault(c, &node->start_mark, "cannot read %s: %s", path, strerror(errno));
    char content[PASSWORD_FILE_MAX];
    const ssize_t size = read_whole(fd, content, sizeof content);
    const int error = errno;
    close(fd);
    cm_status status = CM_OK;
    const cm_slice password = cm_slice_trim(cm_slice_over(content, size > 0 ? (size_t)size : 0));
    if (size < 0)
        status = fault(c, &node->start_mark, "cannot read %s: %s", path, strerror(error));
    else if (size == PASSWORD_FILE_MAX || password.size == 0 ||
             !cm_text_is_printable_utf8(password))
        status = fault(c, &node->start_mark, "%s must hold one line: the password", path);
    else
        *(cm_slice *)out = cm_slice_of(keep_text(c->config, password));
    cm_secret_wipe(content, sizeof content);
    return status;
}

/* ---- cameras, accounts, homes ---- */

static const char ID[] = "1 to 31 characters of a-z, 0-9, - and _";
static const char NAME[] = "a name of 1 to 127 bytes";
static const char ADDRESS[] =
    "rtsp://host[:port]/path, without user name and password (they have keys of their own)";
static const char RANGE[] = "an address or range, such as 192.168.0.0/16 or fd00::/8";
static const char PASSWORD_FILE[] = "the name of a file that holds the password";

static cm_status read_camera(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    (void)allowed;
    static const field FIELDS[] = {
        FIELD(cm_declared_camera, id, "id", read_camera_id, true, ID),
        FIELD(cm_declared_camera, name, "name", read_text, false, NAME),
        FIELD(cm_declared_camera, main, "main", read_address_of_camera, false, ADDRESS),
        FIELD(cm_declared_camera, whip, "whip", read_whip, false, "true"),
        FIELD(cm_declared_camera, sub, "sub", read_address_of_camera, false, ADDRESS),
        FIELD(cm_declared_camera, user, "user", read_text, false, NAME),
        FIELD(cm_declared_camera, password, "password_file", read_password_file, false,
              PASSWORD_FILE),
        FIELD(cm_declared_camera, keep, "keep", read_keep, false, "always, on-demand"),
        FIELD(cm_declared_camera, takes_talk, "talk", read_flag, false, "yes, no"),
    };
    cm_declared_camera *camera = out;
    camera->keep = CM_KEEP_ALWAYS;
    CM_TRY(read_mapping(c, node, FIELDS, CM_COUNT(FIELDS), camera));
    if (camera->name.size == 0)
        camera->name = cm_slice_of(camera->id.text);
    const bool has_address =
        camera->main.size + camera->sub.size + camera->user.size + camera->password.size > 0;
    if (camera->whip.size > 0 && (has_address || camera->takes_talk))
        return fault(c, &node->start_mark,
                     "a camera with 'whip: true' has no main, sub, user, password_file and talk");
    if (camera->whip.size > 0)
        camera->main = camera->whip;
    if (camera->main.size == 0)
        return fault(c, &node->start_mark, "'main' is missing; allowed: %s, or whip: true",
                     ADDRESS);
    return CM_OK;
}

static cm_status read_right(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    if (node->type != YAML_SCALAR_NODE || cm_right_add(scalar_of(node), out) != CM_OK)
        return wrong(c, node, allowed);
    return CM_OK;
}

static cm_status read_rights(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    void *items = NULL;
    size_t count = 0;
    cm_rights rights = 0;
    CM_TRY(read_list(c, node, sizeof rights, read_right, allowed, &items, &count));
    for (size_t i = 0; i < count; i++)
        rights |= ((const cm_rights *)items)[i];
    if (!cm_rights_are_whole(rights))
        return fault(c, &node->start_mark,
                     "who may hear, talk, move or look back may see: 'view' is missing "
                     "(or 'history' beside 'export')");
    *(uint32_t *)out = rights;
    return CM_OK;
}

static const char MINUTE[] = "a time of the day such as \"18:00\", in quotes";
static const char TIME[] = "a time such as 2026-12-24 or 2026-12-24T18:00, by the home's clock";

static cm_status read_day(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    if (node->type != YAML_SCALAR_NODE || cm_hours_add_day(scalar_of(node), out) != CM_OK)
        return wrong(c, node, allowed);
    return CM_OK;
}

static cm_status read_days(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    void *items = NULL;
    size_t count = 0;
    uint8_t days = 0;
    CM_TRY(read_list(c, node, sizeof days, read_day, allowed, &items, &count));
    for (size_t i = 0; i < count; i++)
        days |= ((const uint8_t *)items)[i];
    if (days == 0)
        return wrong(c, node, allowed);
    *(uint8_t *)out = days;
    return CM_OK;
}

static cm_status read_minute(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    if (node->type != YAML_SCALAR_NODE || cm_hours_parse_minute(scalar_of(node), out) != CM_OK)
        return wrong(c, node, allowed);
    return CM_OK;
}

/* Whether it is a time at all does not hang on the zone. */
static cm_status read_time(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    cm_wall wall;
    if (node->type != YAML_SCALAR_NODE ||
        cm_zone_parse_time(cm_zone_utc(), scalar_of(node), &wall) != CM_OK)
        return wrong(c, node, allowed);
    return read_text(c, node, out, allowed);
}

static cm_status read_zone(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    if (node->type != YAML_SCALAR_NODE || !cm_zone_name_is_fit(scalar_of(node)))
        return wrong(c, node, allowed);
    return read_text(c, node, out, allowed);
}

/* A camera's id, which may be seen then, or the camera with its rights and their times. */
static cm_status read_granted_camera(context *c, const yaml_node_t *node, void *out,
                                     const char *allowed)
{
    static const field FIELDS[] = {
        FIELD(cm_declared_right, camera, "id", read_camera_id, true, ID),
        FIELD(cm_declared_right, terms.rights, "rights", read_rights, false,
              "a list of: view, listen, talk, publish, move, history, export"),
        FIELD(cm_declared_right, terms.hours.days, "days", read_days, false,
              "a list of: mon, tue, wed, thu, fri, sat, sun"),
        FIELD(cm_declared_right, terms.hours.from, "from", read_minute, false, MINUTE),
        FIELD(cm_declared_right, terms.hours.to, "to", read_minute, false, MINUTE),
        FIELD(cm_declared_right, not_before, "not_before", read_time, false, TIME),
        FIELD(cm_declared_right, not_after, "not_after", read_time, false, TIME),
    };
    cm_declared_right *right = out;
    right->terms.rights = CM_RIGHT_VIEW;
    if (node->type != YAML_MAPPING_NODE)
        return read_camera_id(c, node, &right->camera, allowed);
    CM_TRY(read_mapping(c, node, FIELDS, CM_COUNT(FIELDS), right));
    if (!cm_hours_are_sound(&right->terms.hours))
        return fault(c, &node->start_mark, "'from' is before 24:00 and not the same as 'to'");
    return CM_OK;
}

/* Lists stand as pointer and count, one after the other, in the structs that hold them. */
#define LIST_READER(name, item_type, item_reader)                                                  \
    static cm_status name(context *c, const yaml_node_t *node, void *out, const char *allowed)     \
    {                                                                                              \
        struct list {                                                                              \
            void *items;                                                                           \
            size_t count;                                                                          \
        } *list = out;                                                                             \
        return read_list(c, node, sizeof(item_type), item_reader, allowed, &list->items,           \
                         &list->count);                                                            \
    }

LIST_READER(read_granted_cameras, cm_declared_right, read_granted_camera)
LIST_READER(read_ranges, cm_range, read_range)
LIST_READER(read_cameras, cm_declared_camera, read_camera)

/* A password that would be refused when it is stored is refused here, where the line is known. */
static cm_status check_password(context *c, const yaml_node_t *node,
                                const cm_declared_account *account)
{
    if (account->password.size == 0)
        return CM_OK;
    const cm_password_fault judged = cm_password_judge(account->password, account->name);
    if (judged != CM_PASSWORD_FINE)
        return fault(c, &node->start_mark, "password_file: %s", cm_password_fault_text(judged));
    return CM_OK;
}

static cm_status read_account(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    (void)allowed;
    static const field FIELDS[] = {
        FIELD(cm_declared_account, name, "name", read_text, true, NAME),
        FIELD(cm_declared_account, role, "role", read_role, true, "owner, adult, child, guest"),
        FIELD(cm_declared_account, password, "password_file", read_password_file, false,
              PASSWORD_FILE),
        FIELD(cm_declared_account, cameras, "cameras", read_granted_cameras, false,
              "a list of ids of this home's cameras that the person may view"),
    };
    CM_TRY(read_mapping(c, node, FIELDS, CM_COUNT(FIELDS), out));
    return check_password(c, node, out);
}

static cm_status read_operator(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    (void)allowed;
    static const field FIELDS[] = {
        FIELD(cm_declared_account, name, "name", read_text, true, NAME),
        FIELD(cm_declared_account, password, "password_file", read_password_file, false,
              PASSWORD_FILE),
    };
    CM_TRY(read_mapping(c, node, FIELDS, CM_COUNT(FIELDS), out));
    return check_password(c, node, out);
}

LIST_READER(read_accounts, cm_declared_account, read_account)
LIST_READER(read_operators, cm_declared_account, read_operator)

static bool has_camera(const cm_declared_home *home, const cm_camera_id *id)
{
    for (size_t i = 0; i < home->camera_count; i++)
        if (cm_camera_id_equal(&home->cameras[i].id, id))
            return true;
    return false;
}

/* What no single value shows: ids used twice, grants of cameras that aren't there, a home without
 * an owner. */
static cm_status check_home(context *c, const yaml_node_t *node, const cm_declared_home *home)
{
    for (size_t i = 0; i < home->camera_count; i++)
        for (size_t j = i + 1; j < home->camera_count; j++)
            if (cm_camera_id_equal(&home->cameras[i].id, &home->cameras[j].id))
                return fault(c, &node->start_mark, "the camera id '%s' is used twice in this home",
                             home->cameras[i].id.text);
    for (size_t i = 0; i < home->account_count; i++)
        for (size_t j = i + 1; j < home->account_count; j++)
            if (cm_slice_equal_nocase(home->accounts[i].name, home->accounts[j].name))
                return fault(c, &node->start_mark, "'%.*s' is declared twice in this home",
                             CM_SLICE_ARGS(home->accounts[i].name));
    bool has_owner = home->account_count == 0;
    for (size_t i = 0; i < home->account_count; i++) {
        const cm_declared_account *account = &home->accounts[i];
        has_owner = has_owner || account->role == CM_ROLE_OWNER;
        for (size_t j = 0; j < account->camera_count; j++)
            if (!has_camera(home, &account->cameras[j].camera))
                return fault(c, &node->start_mark,
                             "'%.*s' is given camera '%s', which this home does not have",
                             CM_SLICE_ARGS(account->name), account->cameras[j].camera.text);
    }
    return has_owner
               ? CM_OK
               : fault(c, &node->start_mark, "accounts are declared but none of them is an owner");
}

static cm_status read_home(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    (void)allowed;
    static const field FIELDS[] = {
        FIELD(cm_declared_home, id, "id", read_home_id, true, ID),
        FIELD(cm_declared_home, name, "name", read_text, false, NAME),
        FIELD(cm_declared_home, time_zone, "time_zone", read_zone, false,
              "a name of /usr/share/zoneinfo, such as Europe/Rome"),
        FIELD(cm_declared_home, allow, "allow", read_ranges, false, RANGE),
        FIELD(cm_declared_home, accounts, "accounts", read_accounts, false,
              "a list of {name, role, password_file, cameras}"),
        FIELD(cm_declared_home, cameras, "cameras", read_cameras, false,
              "a list of {id, name, main, sub, user, password_file, keep, talk}"),
    };
    cm_declared_home *home = out;
    CM_TRY(read_mapping(c, node, FIELDS, CM_COUNT(FIELDS), home));
    if (home->name.size == 0)
        home->name = cm_slice_of(home->id.text);
    return check_home(c, node, home);
}

LIST_READER(read_homes, cm_declared_home, read_home)

/* ---- listen, tls, the whole ---- */

static cm_status read_listen_address(context *c, const yaml_node_t *node, void *out,
                                     const char *allowed)
{
    if (node->type != YAML_SCALAR_NODE || cm_address_parse(scalar_of(node), 0, out) != CM_OK)
        return wrong(c, node, allowed);
    return CM_OK;
}

static cm_status read_plain_address(context *c, const yaml_node_t *node, void *out,
                                    const char *allowed)
{
    CM_TRY(read_listen_address(c, node, out, allowed));
    return cm_address_kind_of(out) == CM_ADDRESS_LOOPBACK ? CM_OK : wrong(c, node, allowed);
}

/* A port alone is one on every address. */
static cm_status read_media(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    uint64_t port;
    if (node->type == YAML_SCALAR_NODE &&
        cm_slice_to_u64(scalar_of(node), UINT16_MAX, &port) == CM_OK) {
        *(cm_address *)out = (cm_address){.port = (uint16_t)port};
        return CM_OK;
    }
    CM_TRY(read_listen_address(c, node, out, allowed));
    /* An answer must name the address that packets go to. */
    return cm_address_kind_of(out) != CM_ADDRESS_UNSPECIFIED ? CM_OK : wrong(c, node, allowed);
}

LIST_READER(read_announced, cm_address, read_listen_address)

static bool is_host(cm_slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t c = text.bytes[i];
        const bool is_letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (!is_letter && (c < '0' || c > '9') && c != '.' && c != '-')
            return false;
    }
    return text.size > 0 && text.size <= HOST_MAX;
}

/* A name or an address, with a port or without. */
static cm_status read_helper(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    cm_config_helper *helper = out;
    cm_address address;
    char text[CM_ADDRESS_TEXT_SIZE];
    uint64_t port = STUN_PORT;
    if (node->type != YAML_SCALAR_NODE)
        return wrong(c, node, allowed);
    cm_slice rest = scalar_of(node);
    if (cm_address_parse(rest, STUN_PORT, &address) == CM_OK && address.port != 0) {
        const cm_slice host = cm_slice_of(cm_address_format_host(&address, text));
        *helper = (cm_config_helper){cm_slice_of(keep_text(c->config, host)), address.port};
        return CM_OK;
    }
    const bool has_port = cm_slice_find(rest, ':') < rest.size;
    const cm_slice host = cm_slice_cut(&rest, ':');
    if (!is_host(host) ||
        (has_port && (cm_slice_to_u64(rest, UINT16_MAX, &port) != CM_OK || port == 0)))
        return wrong(c, node, allowed);
    *helper = (cm_config_helper){cm_slice_of(keep_text(c->config, host)), (uint16_t)port};
    return CM_OK;
}

static cm_status read_turn(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    (void)allowed;
    static const field FIELDS[] = {
        FIELD(cm_config, turn, "address", read_helper, true,
              "the TURN server's name or address, such as turn.example:3478"),
        FIELD(cm_config, turn_user, "user", read_text, true, "a name of 1 to 127 bytes"),
        FIELD(cm_config, turn_password, "password_file", read_password_file, true, PASSWORD_FILE),
    };
    cm_config *config = out;
    CM_TRY(read_mapping(c, node, FIELDS, CM_COUNT(FIELDS), out));
    if (config->turn_password.size > TURN_PASSWORD_MAX)
        return fault(c, &node->start_mark, "password_file: a password of at most %d bytes",
                     TURN_PASSWORD_MAX);
    return CM_OK;
}

static cm_status read_count(context *c, const yaml_node_t *node, uint64_t most, unsigned *out,
                            const char *allowed)
{
    uint64_t count;
    if (node->type != YAML_SCALAR_NODE || cm_slice_to_u64(scalar_of(node), most, &count) != CM_OK ||
        count == 0)
        return wrong(c, node, allowed);
    *out = (unsigned)count;
    return CM_OK;
}

static cm_status read_loops(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    return read_count(c, node, CM_LOOPS_MAX, out, allowed);
}

static cm_status read_pictures(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    return read_count(c, node, CM_PICTURES_MAX, out, allowed);
}

static cm_status read_listen(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    (void)allowed;
    static const field FIELDS[] = {
        FIELD(cm_config, http, "http", read_plain_address, false,
              "an address on loopback with a port, such as 127.0.0.1:8080 (plain HTTP is for this "
              "machine only)"),
        FIELD(cm_config, https, "https", read_listen_address, false,
              "an address with a port, such as 0.0.0.0:8443"),
        FIELD(cm_config, media, "media", read_media, false,
              "a port, 0 to 65535, or one of this machine's addresses with a port"),
        FIELD(cm_config, announce, "announce", read_announced, false,
              "the public address, with a port if it is another one"),
        FIELD(cm_config, stun, "stun", read_helper, false,
              "the STUN server's name or address, such as stun.example:3478"),
        {"turn", read_turn, 0, false, "{address, user, password_file}"},
    };
    return read_mapping(c, node, FIELDS, CM_COUNT(FIELDS), out);
}

static cm_status read_listener(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    cm_config_listener *listener = out;
    listener->is_set = true;
    return read_listen_address(c, node, &listener->address, allowed);
}

/* One word, so that nobody allows it by a slip. */
static cm_status read_allowed(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    if (node->type != YAML_SCALAR_NODE || !cm_slice_equal(scalar_of(node), CM_TEXT("allowed")))
        return wrong(c, node, allowed);
    *(bool *)out = true;
    return CM_OK;
}

static cm_status read_rtsp(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    (void)allowed;
    static const field FIELDS[] = {
        FIELD(cm_config, rtsp, "listen", read_listener, false,
              "an address with a port, such as 127.0.0.1:8554"),
        FIELD(cm_config, rtsps, "listen_tls", read_listener, false,
              "an address with a port, such as 0.0.0.0:8322"),
        FIELD(cm_config, is_plain_rtsp_allowed, "unencrypted", read_allowed, false,
              "allowed: then tokens and pictures can be read by everyone on the way"),
    };
    cm_config *config = out;
    CM_TRY(read_mapping(c, node, FIELDS, CM_COUNT(FIELDS), out));
    if (config->rtsp.is_set && !config->is_plain_rtsp_allowed &&
        cm_address_kind_of(&config->rtsp.address) != CM_ADDRESS_LOOPBACK)
        return fault(c, &node->start_mark,
                     "'listen' beyond this machine sends tokens and pictures in the clear: use "
                     "listen_tls, or add 'unencrypted: allowed'");
    return CM_OK;
}

static cm_status read_name(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    cm_slice text;
    CM_TRY(read_text(c, node, &text, allowed));
    *(char **)out = keep_text(c->config, text);
    return CM_OK;
}

LIST_READER(read_names, char *, read_name)

static cm_status read_tls(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    (void)allowed;
    static const field FIELDS[] = {
        FIELD(cm_config, certificate_file, "certificate", read_path, false,
              "the name of a PEM file with the certificate chain"),
        FIELD(cm_config, key_file, "key", read_path, false,
              "the name of a PEM file with the private key"),
        FIELD(cm_config, names, "names", read_names, false, "a list of host names of this server"),
    };
    cm_config *config = out;
    CM_TRY(read_mapping(c, node, FIELDS, CM_COUNT(FIELDS), out));
    if ((config->certificate_file == NULL) != (config->key_file == NULL))
        return fault(c, &node->start_mark, "certificate and key come together");
    return CM_OK;
}

static cm_status read_log_level(context *c, const yaml_node_t *node, void *out, const char *allowed)
{
    static const char *const LEVELS[] = {"debug", "info", "warn", "error"};
    for (size_t i = 0; node->type == YAML_SCALAR_NODE && i < CM_COUNT(LEVELS); i++)
        if (cm_slice_equal(scalar_of(node), cm_slice_of(LEVELS[i]))) {
            *(char **)out = keep_text(c->config, scalar_of(node));
            return CM_OK;
        }
    return wrong(c, node, allowed);
}

static bool is_operator(const cm_config *config, cm_slice name)
{
    for (size_t i = 0; i < config->operator_count; i++)
        if (cm_slice_equal_nocase(config->operators[i].name, name))
            return true;
    return false;
}

/* One account in two homes has one password. */
static cm_status check_passwords_agree(context *c, const yaml_node_t *node,
                                       const cm_declared_home *a, const cm_declared_home *b)
{
    for (size_t i = 0; i < a->account_count; i++)
        for (size_t j = 0; j < b->account_count; j++) {
            const cm_declared_account *one = &a->accounts[i];
            const cm_declared_account *other = &b->accounts[j];
            if (one->password.size > 0 && other->password.size > 0 &&
                cm_slice_equal_nocase(one->name, other->name) &&
                !cm_secret_equal(one->password, other->password))
                return fault(c, &node->start_mark,
                             "'%.*s' is given two different passwords, in '%s' and in '%s'",
                             CM_SLICE_ARGS(one->name), a->id.text, b->id.text);
        }
    return CM_OK;
}

static cm_status check_operators(context *c, const yaml_node_t *node)
{
    const cm_config *config = c->config;
    for (size_t i = 0; i < config->operator_count; i++)
        for (size_t j = i + 1; j < config->operator_count; j++)
            if (cm_slice_equal_nocase(config->operators[i].name, config->operators[j].name))
                return fault(c, &node->start_mark, "the operator '%.*s' is declared twice",
                             CM_SLICE_ARGS(config->operators[i].name));
    for (size_t i = 0; i < config->home_count; i++)
        for (size_t j = 0; j < config->homes[i].account_count; j++)
            if (is_operator(config, config->homes[i].accounts[j].name))
                return fault(c, &node->start_mark,
                             "'%.*s' is an operator and cannot be a member of '%s' as well",
                             CM_SLICE_ARGS(config->homes[i].accounts[j].name),
                             config->homes[i].id.text);
    return CM_OK;
}

static cm_status check_whole(context *c, const yaml_node_t *node)
{
    const cm_config *config = c->config;
    for (size_t i = 0; i < config->home_count; i++)
        for (size_t j = i + 1; j < config->home_count; j++) {
            if (cm_home_id_equal(&config->homes[i].id, &config->homes[j].id))
                return fault(c, &node->start_mark, "the home id '%s' is used twice",
                             config->homes[i].id.text);
            CM_TRY(check_passwords_agree(c, node, &config->homes[i], &config->homes[j]));
        }
    return check_operators(c, node);
}

static cm_status read_root(context *c, const yaml_node_t *node)
{
    static const field FIELDS[] = {
        {"listen", read_listen, 0, false, "{http, https, media, announce, stun, turn}"},
        {"rtsp", read_rtsp, 0, false, "{listen, listen_tls, unencrypted}"},
        {"tls", read_tls, 0, false, "{certificate, key, names}"},
        FIELD(cm_config, loops, "loops", read_loops, false, "a number of event loops, 1 to 16"),
        FIELD(cm_config, pictures_at_once, "pictures_at_once", read_pictures, false,
              "a number of live pictures a person, 1 to 10000"),
        FIELD(cm_config, trusted_proxies, "trusted_proxies", read_ranges, false, RANGE),
        FIELD(cm_config, log_level, "log_level", read_log_level, false, "debug, info, warn, error"),
        FIELD(cm_config, homes, "homes", read_homes, false,
              "a list of {id, name, allow, accounts, cameras}"),
        FIELD(cm_config, operators, "operators", read_operators, false,
              "a list of {name, password_file}"),
    };
    CM_TRY(read_mapping(c, node, FIELDS, CM_COUNT(FIELDS), c->config));
    return check_whole(c, node);
}

/* ---- reading ---- */

cm_status cm_config_create_default(cm_config **out)
{
    cm_config *config = calloc(1, sizeof *config);
    CM_ENSURE(config != NULL, CM_BROKEN);
    config->memory = calloc(1, sizeof *config->memory);
    if (config->memory == NULL) {
        free(config);
        return CM_BROKEN;
    }
    config->media.port = 8189;
    config->loops = 1;
    config->pictures_at_once = CM_PICTURES_DEFAULT;
    if (cm_address_parse(CM_TEXT("127.0.0.1:8080"), 0, &config->http) != CM_OK ||
        cm_address_parse(CM_TEXT("0.0.0.0:8443"), 0, &config->https) != CM_OK)
        abort();
    *out = config;
    return CM_OK;
}

static cm_status read_document(context *c)
{
    const yaml_node_t *root = yaml_document_get_root_node(c->document);
    if (root == NULL || (root->type == YAML_SCALAR_NODE && scalar_of(root).size == 0))
        return CM_OK; /* an empty file, or an empty document: the defaults */
    return read_root(c, root);
}

static cm_status parse(context *c, cm_slice yaml)
{
    yaml_parser_t parser;
    yaml_document_t document;
    if (yaml_parser_initialize(&parser) == 0)
        return CM_BROKEN;
    yaml_parser_set_input_string(&parser, yaml.size > 0 ? yaml.bytes : (const uint8_t *)"",
                                 yaml.size);
    cm_status status;
    if (yaml_parser_load(&parser, &document) == 0) {
        status = fault(c, &parser.problem_mark, "not YAML: %s",
                       parser.problem != NULL ? parser.problem : "unreadable");
    } else {
        c->document = &document;
        status = read_document(c);
        yaml_document_delete(&document);
    }
    yaml_parser_delete(&parser);
    return status;
}

cm_status cm_config_read_text(const char *path, cm_slice yaml, char message[CM_CONFIG_MESSAGE_SIZE],
                              cm_config **out)
{
    cm_config *config;
    CM_TRY(cm_config_create_default(&config));
    context c = {.config = config, .path = path, .message = message};
    message[0] = '\0';
    const cm_status status = parse(&c, yaml);
    if (status != CM_OK) {
        cm_config_destroy(config);
        return status;
    }
    *out = config;
    return CM_OK;
}

static void free_text(char **text)
{
    free(*text);
}

cm_status cm_config_read(const char *path, char message[CM_CONFIG_MESSAGE_SIZE], cm_config **out)
{
    message[0] = '\0';
    CM_AUTO(free_text) char *text = malloc(FILE_MAX);
    CM_ENSURE(text != NULL, CM_BROKEN);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t size = fd >= 0 ? read_whole(fd, text, FILE_MAX) : -1;
    const int error = errno;
    if (fd >= 0)
        close(fd);
    if (size < 0 || size == FILE_MAX) {
        (void)snprintf(message, CM_CONFIG_MESSAGE_SIZE, "%s: %s", path,
                       size < 0 ? strerror(error) : "longer than 1 MiB");
        return CM_REFUSE;
    }
    return cm_config_read_text(path, cm_slice_over(text, (size_t)size), message, out);
}

void cm_config_destroy(cm_config *config)
{
    if (config == NULL)
        return;
    for (block *b = config->memory->blocks; b != NULL;) {
        block *next = b->next;
        cm_secret_wipe(b->bytes, b->size);
        free(b);
        b = next;
    }
    free(config->memory);
    free(config);
}
