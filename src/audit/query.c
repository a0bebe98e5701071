#include "audit/query.h"

#include <stdlib.h>
#include <string.h>

#include "audit/audit_priv.h"
#include "base/file.h"

/* ---- sources ---- */

static cm_status set_directory(cm_audit_source *source, const char *path)
{
    return cm_slice_to_cstr(cm_slice_of(path), source->directory, sizeof source->directory);
}

cm_status cm_audit_source_at(const char *directory, cm_audit_source *out)
{
    *out = (cm_audit_source){.is_live = false};
    return set_directory(out, directory);
}

void cm_audit_source_of(cm_audit *audit, cm_audit_source *out)
{
    *out = (cm_audit_source){.is_live = true, .key = audit->key};
    CM_IGNORE(set_directory(out, audit->path), "it was opened by that path");
    pthread_mutex_lock(&audit->mutex);
    out->active = audit->active;
    out->active_size = (size_t)audit->active_size;
    pthread_mutex_unlock(&audit->mutex);
}

/* ---- segments ---- */

typedef struct asking {
    const cm_audit_source *source;
    int directory;
    cm_audit_sequences sequences;
} asking;

static void end_asking(asking *a)
{
    cm_file_close(&a->directory);
    cm_audit_sequences_clear(&a->sequences);
}

static cm_status begin_asking(const cm_audit_source *source, asking *out)
{
    asking a = {.source = source, .directory = -1};
    CM_TRY(cm_audit_open_directory(source->directory, &a.directory));
    const cm_status status = cm_audit_list(a.directory, &a.sequences);
    if (status != CM_OK) {
        end_asking(&a);
        return status;
    }
    *out = a;
    return CM_OK;
}

/* True: *out says what is in it. False: it must be read to know. */
static bool read_index(const asking *a, uint64_t sequence, cm_audit_index *out)
{
    static const cm_secret NONE;
    if (cm_secret_equal(cm_secret_borrow(&a->source->key), cm_secret_borrow(&NONE)))
        return false;
    return cm_audit_index_read(a->directory, sequence, &a->source->key, out) == CM_OK;
}

/* May it be one of `home` (NULL: any), or of the server? */
static bool may_be_of(cm_slice body, const cm_home_id *home)
{
    const cm_slice its = cm_audit_entry_home(body);
    return home == NULL || its.size == 0 || cm_slice_equal(its, cm_slice_of(home->text));
}

/* Entries of a home and of the server in a segment, in their order; `each` says whether to go on.
 */
static cm_status each_entry(const asking *a, uint64_t sequence, const cm_home_id *home,
                            bool (*each)(void *owner, const cm_audit_entry *entry), void *owner)
{
    char name[CM_AUDIT_NAME_SIZE];
    size_t size = SIZE_MAX;
    CM_AUTO(cm_audit_bytes_clear) cm_audit_bytes file = {.size = 0};
    if (a->source->is_live && sequence > a->source->active)
        return CM_OK;
    if (a->source->is_live && sequence == a->source->active)
        size = a->source->active_size;
    CM_TRY(cm_audit_read(a->directory, cm_audit_name(sequence, CM_AUDIT_LOG, name), size, &file));
    cm_slice rest = cm_slice_from(cm_slice_over(file.bytes, file.size), CM_AUDIT_HEADER_SIZE);
    cm_audit_record record;
    cm_audit_entry entry;
    while (cm_audit_record_next(&rest, &record) == CM_OK)
        if (record.type == CM_AUDIT_RECORD_ENTRY && may_be_of(record.body, home) &&
            cm_audit_entry_parse(record.body, &entry) == CM_OK && !each(owner, &entry))
            break;
    return CM_OK;
}

/* ---- a page ---- */

typedef struct collecting {
    const cm_audit_query *query;
    cm_audit_entry *ring; /* the newest matches of a segment */
    size_t capacity, count, next;
} collecting;

static bool is_of_account(const cm_audit_entry *entry, const cm_account_id *account)
{
    return cm_account_id_equal(&entry->account, account) ||
           strncmp(entry->other, account->text, CM_ID_SIZE) == 0;
}

static bool may_be_told(const cm_audit_query *query, const cm_audit_entry *entry)
{
    if (query->is_all || cm_home_id_equal(&entry->home, &query->home))
        return true;
    if (entry->home.text[0] != '\0')
        return false;
    for (size_t i = 0; i < query->account_count; i++)
        if (is_of_account(entry, &query->accounts[i]))
            return true;
    return false;
}

static bool is_asked_for(const cm_audit_query *query, const cm_audit_entry *entry)
{
    if (entry->when.us < query->from.us || (query->to.us != 0 && entry->when.us >= query->to.us))
        return false;
    if (query->before != 0 && entry->number >= query->before)
        return false;
    if (query->groups != 0 && (query->groups & cm_audit_group_of(entry->kind)) == 0)
        return false;
    if (query->camera.text[0] != '\0' && !cm_camera_id_equal(&entry->camera, &query->camera))
        return false;
    return query->account.text[0] == '\0' || is_of_account(entry, &query->account);
}

static bool collect(void *owner, const cm_audit_entry *entry)
{
    collecting *c = owner;
    if (!may_be_told(c->query, entry) || !is_asked_for(c->query, entry))
        return true;
    c->ring[c->next] = *entry;
    c->next = (c->next + 1) % c->capacity;
    c->count += c->count < c->capacity ? 1 : 0;
    return true;
}

static bool has_any_account(const cm_audit_query *query, const cm_audit_index *index)
{
    for (size_t i = 0; i < query->account_count; i++)
        if (cm_audit_index_has(index, cm_audit_key_of_account(&query->accounts[i])))
            return true;
    return false;
}

/* By what its index says. */
static bool may_fit(const cm_audit_query *query, const cm_audit_index *index)
{
    if (index->last_us < query->from.us || (query->to.us != 0 && index->first_us >= query->to.us))
        return false;
    if (!query->is_all && !cm_audit_index_has(index, cm_audit_key_of_home(&query->home)) &&
        !has_any_account(query, index))
        return false;
    if (query->camera.text[0] != '\0' && !query->is_all &&
        !cm_audit_index_has(index, cm_audit_key_of_camera(&query->home, &query->camera)))
        return false;
    return query->account.text[0] == '\0' ||
           cm_audit_index_has(index, cm_audit_key_of_account(&query->account));
}

static cm_status collect_segment(const asking *a, uint64_t sequence, collecting *c)
{
    CM_AUTO(cm_audit_index_clear) cm_audit_index index = {.count = 0};
    c->count = c->next = 0;
    if (read_index(a, sequence, &index) && !may_fit(c->query, &index))
        return CM_OK;
    return each_entry(a, sequence, c->query->is_all ? NULL : &c->query->home, collect, c);
}

/* The ring backwards: newest first. */
static void add_to_page(cm_audit_page *page, const collecting *c, size_t limit)
{
    for (size_t i = 1; i <= c->count && page->count <= limit; i++)
        page->items[page->count++] = c->ring[(c->next + c->capacity - i) % c->capacity];
}

void cm_audit_page_clear(cm_audit_page *page)
{
    free(page->items);
    *page = (cm_audit_page){.count = 0};
}

cm_status cm_audit_ask(const cm_audit_source *source, const cm_audit_query *query,
                       cm_audit_page *out)
{
    CM_AUTO(end_asking) asking a = {.directory = -1};
    CM_ENSURE(query->limit > 0 && query->limit <= CM_AUDIT_PAGE_MAX, CM_REFUSE);
    CM_TRY(begin_asking(source, &a));
    collecting c = {.query = query, .capacity = query->limit + 1};
    cm_audit_page page = {.items = calloc(query->limit + 1, sizeof *page.items)};
    c.ring = calloc(c.capacity, sizeof *c.ring);
    cm_status status = page.items != NULL && c.ring != NULL ? CM_OK : CM_BROKEN;
    for (size_t i = a.sequences.count; i-- > 0 && page.count <= query->limit && status == CM_OK;) {
        status = collect_segment(&a, a.sequences.items[i], &c);
        add_to_page(&page, &c, query->limit);
    }
    free(c.ring);
    if (status != CM_OK) {
        cm_audit_page_clear(&page);
        return status;
    }
    page.has_more = page.count > query->limit;
    page.count -= page.has_more ? 1 : 0;
    *out = page;
    return CM_OK;
}

/* ---- exposure ---- */

typedef struct open_viewing {
    uint64_t viewing; /* number of the viewer session */
    cm_audit_viewing what;
} open_viewing;

typedef struct exposing {
    const cm_home_id *home;
    const cm_camera_id *camera;
    cm_wall from, to;
    open_viewing *open; /* begun, and not ended so far */
    size_t open_count, open_capacity;
    cm_audit_viewings found;
    cm_status status;
} exposing;

static void emit(exposing *e, const cm_audit_viewing *viewing)
{
    if (viewing->begin.us >= e->to.us || (viewing->end.us != 0 && viewing->end.us < e->from.us))
        return;
    if (e->found.count == CM_AUDIT_VIEWINGS_MAX)
        e->found.has_more = true;
    else
        e->found.items[e->found.count++] = *viewing;
}

static void note_begin(exposing *e, const cm_audit_entry *entry)
{
    if (e->open_count == e->open_capacity) {
        const size_t capacity = e->open_capacity == 0 ? 64 : 2 * e->open_capacity;
        open_viewing *grown = reallocarray(e->open, capacity, sizeof *grown);
        if (grown == NULL) {
            e->status = CM_BROKEN;
            return;
        }
        e->open = grown;
        e->open_capacity = capacity;
    }
    e->open[e->open_count++] = (open_viewing){.viewing = entry->viewing,
                                              .what = {.account = entry->account,
                                                       .path = entry->path,
                                                       .streams = entry->streams,
                                                       .begin = entry->when,
                                                       .entry = entry->number}};
}

static void forget_begin(exposing *e, uint64_t viewing)
{
    for (size_t i = 0; i < e->open_count; i++)
        if (e->open[i].viewing == viewing) {
            e->open[i] = e->open[--e->open_count];
            return;
        }
}

static void note_end(exposing *e, const cm_audit_entry *entry)
{
    cm_audit_viewing viewing = {.account = entry->account,
                                .path = entry->path,
                                .streams = entry->streams,
                                .begin = entry->since,
                                .end = entry->when,
                                .is_over = true,
                                .cause = entry->cause,
                                .frame_count = entry->frame_count,
                                .entry = entry->number};
    for (size_t i = 0; i < entry->frame_count; i++)
        viewing.frames[i] = entry->frames[i];
    forget_begin(e, entry->viewing);
    emit(e, &viewing);
}

/* Whoever watched before the server began does not any more. */
static void note_start(exposing *e, cm_wall when)
{
    for (size_t i = 0; i < e->open_count; i++) {
        e->open[i].what.is_over = true;
        e->open[i].what.end = when;
        emit(e, &e->open[i].what);
    }
    e->open_count = 0;
}

static bool expose(void *owner, const cm_audit_entry *entry)
{
    exposing *e = owner;
    if (entry->kind == CM_AUDIT_SERVER_START)
        note_start(e, entry->when);
    if (!cm_home_id_equal(&entry->home, e->home) || !cm_camera_id_equal(&entry->camera, e->camera))
        return true;
    if (entry->kind == CM_AUDIT_VIEW_BEGIN)
        note_begin(e, entry);
    else if (entry->kind == CM_AUDIT_VIEW_END)
        note_end(e, entry);
    return e->status == CM_OK;
}

/* Where to begin reading: behind a start of the server from before `from`, nothing older matters.
 */
static size_t first_that_matters(const asking *a, cm_wall from)
{
    size_t i = a->sequences.count;
    bool is_enough = false;
    while (i > 0 && !is_enough) {
        CM_AUTO(cm_audit_index_clear) cm_audit_index index = {.count = 0};
        i--;
        is_enough = read_index(a, a->sequences.items[i], &index) && index.last_us < from.us &&
                    cm_audit_index_has(&index, cm_audit_key_of_start());
    }
    return i;
}

static cm_status expose_segment(const asking *a, uint64_t sequence, exposing *e)
{
    CM_AUTO(cm_audit_index_clear) cm_audit_index index = {.count = 0};
    if (read_index(a, sequence, &index) &&
        !cm_audit_index_has(&index, cm_audit_key_of_camera(e->home, e->camera)) &&
        !cm_audit_index_has(&index, cm_audit_key_of_start()))
        return CM_OK;
    CM_TRY(each_entry(a, sequence, e->home, expose, e));
    return e->status;
}

void cm_audit_viewings_clear(cm_audit_viewings *viewings)
{
    free(viewings->items);
    *viewings = (cm_audit_viewings){.count = 0};
}

cm_status cm_audit_exposure(const cm_audit_source *source, const cm_home_id *home,
                            const cm_camera_id *camera, cm_wall from, cm_wall to,
                            cm_audit_viewings *out)
{
    CM_AUTO(end_asking) asking a = {.directory = -1};
    exposing e = {.home = home, .camera = camera, .from = from, .to = to, .status = CM_OK};
    CM_TRY(begin_asking(source, &a));
    e.found.items = calloc(CM_AUDIT_VIEWINGS_MAX, sizeof *e.found.items);
    CM_ENSURE(e.found.items != NULL, CM_BROKEN);
    cm_status status = CM_OK;
    for (size_t i = first_that_matters(&a, from); i < a.sequences.count && status == CM_OK; i++)
        status = expose_segment(&a, a.sequences.items[i], &e);
    for (size_t i = 0; i < e.open_count; i++)
        emit(&e, &e.open[i].what);
    free(e.open);
    if (status != CM_OK) {
        cm_audit_viewings_clear(&e.found);
        return status;
    }
    *out = e.found;
    return CM_OK;
}

/* ---- what can be erased ---- */

/* The segment that holds the entry is the newest that begins at or before it. */
static cm_status slots_of(const asking *a, uint64_t number, cm_audit_bytes *out)
{
    for (size_t i = a->sequences.count; i-- > 0;) {
        char name[CM_AUDIT_NAME_SIZE];
        const uint64_t sequence = a->sequences.items[i];
        CM_TRY(cm_audit_read(a->directory, cm_audit_name(sequence, CM_AUDIT_PRIVATE, name),
                             SIZE_MAX, out));
        cm_reader first = cm_reader_over(cm_slice_over(out->bytes, out->size));
        if (first.rest.size >= CM_AUDIT_SLOT_SIZE && cm_read_u64(&first) <= number)
            return CM_OK;
        cm_audit_bytes_clear(out);
    }
    return CM_ABSENT;
}

cm_status cm_audit_private_of(const cm_audit_source *source, const cm_audit_entry *entry,
                              uint8_t out[CM_AUDIT_PRIVATE_MAX], size_t *size_out)
{
    CM_AUTO(end_asking) asking a = {.directory = -1};
    CM_AUTO(cm_audit_bytes_clear) cm_audit_bytes slots = {.size = 0};
    CM_ENSURE(entry->has_private, CM_ABSENT);
    CM_TRY(begin_asking(source, &a));
    CM_TRY(slots_of(&a, entry->number, &slots));
    const cm_slice all = cm_slice_over(slots.bytes, slots.size);
    for (size_t at = 0; at + CM_AUDIT_SLOT_SIZE <= all.size; at += CM_AUDIT_SLOT_SIZE) {
        cm_audit_private slot;
        if (cm_audit_private_parse(cm_slice_part(all, at, CM_AUDIT_SLOT_SIZE), &slot) != CM_OK ||
            slot.number != entry->number || slot.is_erased)
            continue;
        cm_slice_copy(cm_slice_over(slot.bytes, slot.size), out, CM_AUDIT_PRIVATE_MAX);
        *size_out = slot.size;
        return CM_OK;
    }
    return CM_ABSENT;
}
