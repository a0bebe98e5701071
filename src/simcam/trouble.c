#include "simcam/trouble.h"

enum {
    LONGEST_S = 30 * 24 * 3600,
    LARGEST_VALUE = 1000000,
    LARGEST_CAMERA = 65535,
};

static const struct {
    const char *name;
    uint32_t value; /* unless said */
    uint32_t most;
} KINDS[CM_TROUBLE_COUNT] = {
    [CM_TROUBLE_NONE] = {"none", 0, 0},
    [CM_TROUBLE_STALL] = {"stall", 0, 0},
    [CM_TROUBLE_MUTE] = {"mute", 0, 0},
    [CM_TROUBLE_DROP] = {"drop", 10, 100},
    [CM_TROUBLE_CLOCK] = {"clock", 3600, LARGEST_VALUE},
    [CM_TROUBLE_PARAMETERS] = {"parameters", 0, 0},
    [CM_TROUBLE_GARBAGE] = {"garbage", 50, 100},
    [CM_TROUBLE_LIE] = {"lie", 0, 0},
    [CM_TROUBLE_FLOOD] = {"flood", 20, 1000},
    [CM_TROUBLE_PASSWORD] = {"password", 0, 0},
    [CM_TROUBLE_BUSY] = {"busy", 0, 0},
    [CM_TROUBLE_STALE] = {"stale", 0, 0},
    [CM_TROUBLE_CLOSE] = {"close", 0, 0},
};

const char *cm_trouble_name(cm_trouble_kind kind)
{
    return KINDS[kind].name;
}

static cm_status parse_camera(cm_slice text, uint32_t *out)
{
    if (cm_slice_equal(text, CM_TEXT("*"))) {
        *out = CM_TROUBLE_EVERY_CAMERA;
        return CM_OK;
    }
    CM_ENSURE(cm_slice_starts(text, CM_TEXT("cam")), CM_REFUSE);
    uint64_t number;
    CM_TRY(cm_slice_to_u64(cm_slice_from(text, 3), LARGEST_CAMERA, &number));
    CM_ENSURE(number > 0, CM_REFUSE);
    *out = (uint32_t)number;
    return CM_OK;
}

/* "10s" */
static cm_status parse_seconds(cm_slice text, int64_t *out)
{
    CM_ENSURE(cm_slice_ends(text, CM_TEXT("s")), CM_REFUSE);
    uint64_t seconds;
    CM_TRY(cm_slice_to_u64(cm_slice_part(text, 0, text.size - 1), LONGEST_S, &seconds));
    *out = CM_SECONDS((int64_t)seconds);
    return CM_OK;
}

/* Takes what follows `mark` off the end of *text; false if there is no mark. */
static bool take_tail(cm_slice *text, uint8_t mark, cm_slice *tail)
{
    const size_t at = cm_slice_find(*text, mark);
    if (at == text->size)
        return false;
    *tail = cm_slice_from(*text, at + 1);
    *text = cm_slice_part(*text, 0, at);
    return true;
}

static cm_status parse_kind(cm_slice text, cm_trouble_wish *wish)
{
    cm_slice value;
    const bool has_value = take_tail(&text, '=', &value);
    for (size_t i = 0; i < CM_TROUBLE_COUNT; i++) {
        if (!cm_slice_equal(text, cm_slice_of(KINDS[i].name)))
            continue;
        uint64_t number = KINDS[i].value;
        if (has_value)
            CM_TRY(cm_slice_to_u64(value, KINDS[i].most, &number));
        wish->kind = (cm_trouble_kind)i;
        wish->value = (uint32_t)number;
        return CM_OK;
    }
    return CM_REFUSE;
}

cm_status cm_trouble_parse(cm_slice line, cm_trouble_wish *out)
{
    cm_slice rest = cm_slice_trim(line);
    cm_trouble_wish wish = {0};
    cm_slice time;
    CM_TRY(parse_camera(cm_slice_cut(&rest, ':'), &wish.camera));
    if (take_tail(&rest, '+', &time))
        CM_TRY(parse_seconds(time, &wish.length_us));
    if (take_tail(&rest, '@', &time))
        CM_TRY(parse_seconds(time, &wish.after_us));
    CM_TRY(parse_kind(rest, &wish));
    *out = wish;
    return CM_OK;
}

cm_status cm_troubles_add(cm_troubles *troubles, const cm_trouble_wish *wish, cm_instant now)
{
    if (wish->kind == CM_TROUBLE_NONE) {
        troubles->count = 0;
        return CM_OK;
    }
    CM_ENSURE(troubles->count < CM_TROUBLES_MAX, CM_FULL);
    const cm_instant from = cm_instant_after(now, wish->after_us);
    const int64_t until = wish->length_us > 0 ? from.us + wish->length_us : INT64_MAX;
    troubles->list[troubles->count++] = (cm_trouble){
        .kind = wish->kind, .value = wish->value, .from = from, .until = {.us = until}};
    return CM_OK;
}

/* Those that happen once are over when they have. */
static bool is_over(const cm_trouble *trouble, cm_instant now)
{
    const bool is_once = trouble->kind == CM_TROUBLE_STALE || trouble->kind == CM_TROUBLE_CLOSE;
    return now.us >= trouble->until.us || (is_once && trouble->is_running);
}

void cm_troubles_run(cm_troubles *troubles, cm_instant now,
                     void (*on_start)(void *owner, const cm_trouble *trouble), void *owner)
{
    size_t kept = 0;
    for (size_t i = 0; i < troubles->count; i++) {
        cm_trouble trouble = troubles->list[i];
        if (!trouble.is_running && now.us >= trouble.from.us && now.us < trouble.until.us) {
            trouble.is_running = true;
            on_start(owner, &trouble);
        }
        if (!is_over(&trouble, now))
            troubles->list[kept++] = trouble;
    }
    troubles->count = kept;
}

bool cm_troubles_has(const cm_troubles *troubles, cm_trouble_kind kind, uint32_t *value)
{
    for (size_t i = troubles->count; i > 0; i--) {
        const cm_trouble *trouble = &troubles->list[i - 1];
        if (trouble->kind != kind || !trouble->is_running)
            continue;
        if (value != NULL)
            *value = trouble->value;
        return true;
    }
    return false;
}
