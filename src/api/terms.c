/* What a grant gives and when, as members of a body and back. */
#include "api/api_priv.h"

static const char TIME_DETAIL[] =
    "A time is 2026-12-24T18:00:00Z, or 2026-12-24T18:00 or 2026-12-24 by the clock of the home; "
    "the end is after the beginning.";

void cm_call_terms_refused(cm_call *call, const char *field)
{
    cm_call_problem(call,
                    &(cm_call_fault){400, "bad-time", "Not such a time", TIME_DETAIL, field, 0});
}

/* ["view","listen"] to bits. False: a problem was answered. */
static bool read_rights(cm_call *call, cm_rights *out)
{
    static const cm_call_fault UNKNOWN = {
        400,
        "bad-rights",
        "No such right",
        "rights is a list of: view, listen, talk, publish, move, history, export.",
        "rights",
        0};
    static const cm_call_fault BLIND = {400,
                                        "bad-rights",
                                        "Not without view",
                                        "Who may not see a camera may neither hear nor talk "
                                        "through it, nor move it or look back: name view too; "
                                        "and history beside export.",
                                        "rights",
                                        0};
    const json_t *list = json_object_get(call->body, "rights");
    size_t i;
    const json_t *item;
    *out = 0;
    json_array_foreach(list, i, item)
    {
        const char *name = json_is_string(item) ? json_string_value(item) : "";
        if (cm_right_add(cm_slice_of(name), out) != CM_OK)
            break;
    }
    const bool is_known = *out != 0 && i == json_array_size(list);
    if (is_known && cm_rights_are_whole(*out))
        return true;
    cm_call_problem(call, is_known ? &BLIND : &UNKNOWN);
    return false;
}

/* ["mon","fri"]; absent or null: every day. */
static bool read_days(cm_call *call, uint8_t *out)
{
    const json_t *list = json_object_get(call->body, "days");
    size_t i = 0;
    const json_t *item;
    *out = 0;
    if (list == NULL || json_is_null(list))
        return true;
    json_array_foreach(list, i, item)
    {
        const char *name = json_is_string(item) ? json_string_value(item) : "";
        if (cm_hours_add_day(cm_slice_of(name), out) != CM_OK)
            break;
    }
    if (*out != 0 && i == json_array_size(list))
        return true;
    cm_call_problem(call, &(cm_call_fault){400, "bad-days", "No such days",
                                           "days is a list of: mon, tue, wed, thu, fri, sat, sun; "
                                           "or null for every day.",
                                           "days", 0});
    return false;
}

static bool read_minute(cm_call *call, const char *member, uint16_t *out)
{
    cm_slice text;
    *out = 0;
    if (!cm_call_text(call, member, false, &text))
        return false;
    if (text.size == 0 || cm_hours_parse_minute(text, out) == CM_OK)
        return true;
    cm_call_problem(call,
                    &(cm_call_fault){400, "bad-hours", "Not a time of the day",
                                     "from and to are like 18:00; to may be 24:00.", member, 0});
    return false;
}

static bool read_hours(cm_call *call, cm_hours *out)
{
    if (!read_days(call, &out->days) || !read_minute(call, "from", &out->from) ||
        !read_minute(call, "to", &out->to))
        return false;
    if (cm_hours_are_sound(out))
        return true;
    cm_call_problem(call, &(cm_call_fault){400, "bad-hours", "No hours at all",
                                           "from is before 24:00 and not the same as to; to may be "
                                           "earlier: then it is on the next day.",
                                           out->from >= CM_HOURS_DAY_MINUTES ? "from" : "to", 0});
    return false;
}

/* Whether it is a time at all does not hang on the zone. */
static bool read_time(cm_call *call, const char *member, cm_slice *out)
{
    cm_wall wall;
    if (!cm_call_text(call, member, false, out))
        return false;
    if (out->size == 0 || cm_zone_parse_time(cm_zone_utc(), *out, &wall) == CM_OK)
        return true;
    cm_call_terms_refused(call, member);
    return false;
}

bool cm_call_terms(cm_call *call, cm_terms_ask *out)
{
    *out = (cm_terms_ask){.terms.rights = 0};
    return read_rights(call, &out->terms.rights) && read_hours(call, &out->terms.hours) &&
           read_time(call, "not_before", &out->not_before) &&
           read_time(call, "not_after", &out->not_after);
}

cm_status cm_terms_finish(const cm_terms_ask *ask, const cm_zone *zone, cm_grant_terms *out,
                          const char **field)
{
    cm_grant_terms terms = ask->terms;
    *field = "not_before";
    if (ask->not_before.size > 0)
        CM_TRY(cm_zone_parse_time(zone, ask->not_before, &terms.not_before));
    *field = "not_after";
    if (ask->not_after.size > 0)
        CM_TRY(cm_zone_parse_time(zone, ask->not_after, &terms.not_after));
    CM_ENSURE(cm_grant_terms_are_sound(&terms), CM_REFUSE);
    *out = terms;
    return CM_OK;
}

/* ---- out ---- */

static json_t *days_json(uint8_t days)
{
    if (days == 0)
        return json_null();
    json_t *list = json_array();
    for (unsigned i = 0; i < CM_HOURS_DAYS; i++)
        if ((days >> i & 1) != 0)
            json_array_append_new(list, json_string(cm_hours_day_name(i)));
    return list;
}

static json_t *minute_json(const cm_hours *hours, uint16_t minute)
{
    char text[8];
    if (hours->from == 0 && hours->to == 0)
        return json_null();
    cm_writer w = cm_writer_over(text, sizeof text);
    cm_write_format(&w, "%02u:%02u", minute / 60u, minute % 60u);
    const cm_slice done = cm_writer_done(&w);
    return json_stringn((const char *)done.bytes, done.size);
}

void cm_terms_add_json(const cm_grant_terms *terms, json_t *object)
{
    json_object_set_new(object, "rights", cm_rights_json(terms->rights));
    json_object_set_new(object, "days", days_json(terms->hours.days));
    json_object_set_new(object, "from", minute_json(&terms->hours, terms->hours.from));
    json_object_set_new(object, "to", minute_json(&terms->hours, terms->hours.to));
    json_object_set_new(object, "not_before", cm_time_json(terms->not_before));
    json_object_set_new(object, "not_after", cm_time_json(terms->not_after));
}
