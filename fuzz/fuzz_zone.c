/* One TZif file: what it says of any moment is a sane offset that holds beyond that moment, and
 * hours by its clock end after they are asked about. */
#include "fuzz.h"

#include "base/hours.h"

static void ask(const cm_zone *zone, int64_t now_us)
{
    static const cm_hours EVENING = {.days = 0x15, .from = 22 * 60, .to = 2 * 60};
    const cm_moment at = cm_zone_at(zone, (cm_wall){.us = now_us});
    CHECK(at.is_known && at.now.us == now_us);
    CHECK(at.offset_s >= -26 * 3600 && at.offset_s <= 26 * 3600);
    CHECK(at.until.us > now_us);
    const cm_hours_state state = cm_hours_at(&EVENING, &at);
    CHECK(state.until.us > now_us && state.until.us <= at.until.us);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cm_zone *zone = NULL;
    if (cm_zone_parse(cm_slice_over(data, size), &zone) != CM_OK)
        return 0;
    for (int64_t year = 1; year < 250; year += 3)
        ask(zone, (year - 70) * INT64_C(31556952000000) + (int64_t)size * 1000003);
    cm_zone_destroy(zone);
    return 0;
}
