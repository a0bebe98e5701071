#include "base/fault.h"

#ifdef CM_FAULT_INJECTION

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#define FAULT_NAME(id, name) name,
static const char *const NAMES[CM_FAULTS] = {CM_FAULT_TABLE(FAULT_NAME)};

typedef struct hook {
    _Atomic uint64_t rate; /* fires << 33 | is_random << 32 | asked; 0: never */
    _Atomic uint64_t asked;
    _Atomic uint64_t fired;
} hook;
static hook hooks[CM_FAULTS];

/* Spreads a counter over 64 bits (SplitMix64's last steps): the same run fires at the same
 * places. */
static uint64_t scatter(uint64_t z)
{
    z = (z + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

bool cm_fault_fires(cm_fault fault)
{
    hook *h = &hooks[fault];
    const uint64_t rate = atomic_load(&h->rate);
    if (rate == 0)
        return false;
    const uint64_t fires = rate >> 33;
    const uint64_t asked = rate & UINT32_MAX;
    const uint64_t count = atomic_fetch_add(&h->asked, 1);
    const uint64_t place = (rate >> 32 & 1) != 0 ? scatter(count) : count * fires;
    if (place % asked >= fires)
        return false;
    atomic_fetch_add(&h->fired, 1);
    return true;
}

void cm_fault_set(cm_fault fault, cm_fault_rate rate)
{
    assert(rate.asked > 0 && rate.fires <= rate.asked && rate.fires <= INT32_MAX);
    hook *h = &hooks[fault];
    atomic_store(&h->asked, 0);
    atomic_store(&h->fired, 0);
    const uint64_t packed =
        (uint64_t)rate.fires << 33 | (uint64_t)rate.is_random << 32 | rate.asked;
    atomic_store(&h->rate, rate.fires > 0 ? packed : 0);
}

void cm_fault_reset(void)
{
    for (size_t i = 0; i < CM_FAULTS; i++)
        cm_fault_set((cm_fault)i, (cm_fault_rate){.asked = 1});
}

uint64_t cm_fault_fired(cm_fault fault)
{
    return atomic_load(&hooks[fault].fired);
}

const char *cm_fault_name(cm_fault fault)
{
    return NAMES[fault];
}

static cm_status find_fault(cm_slice name, cm_fault *out)
{
    for (size_t i = 0; i < CM_FAULTS; i++) {
        if (cm_slice_equal(name, cm_slice_of(NAMES[i]))) {
            *out = (cm_fault)i;
            return CM_OK;
        }
    }
    return CM_REFUSE;
}

/* "name=1/10" or "name=~1/10". */
static cm_status read_setting(cm_slice text, cm_fault *fault, cm_fault_rate *rate)
{
    cm_slice rest = cm_slice_trim(text);
    CM_TRY(find_fault(cm_slice_cut(&rest, '='), fault));
    *rate = (cm_fault_rate){.is_random = cm_slice_starts(rest, CM_TEXT("~"))};
    rest = cm_slice_from(rest, rate->is_random ? 1 : 0);
    uint64_t fires;
    uint64_t asked;
    CM_TRY(cm_slice_to_u64(cm_slice_cut(&rest, '/'), INT32_MAX, &fires));
    CM_TRY(cm_slice_to_u64(rest, UINT32_MAX, &asked));
    CM_ENSURE(asked > 0 && fires <= asked, CM_REFUSE);
    rate->fires = (uint32_t)fires;
    rate->asked = (uint32_t)asked;
    return CM_OK;
}

/* All are read before the first is set. */
static cm_status read_settings(cm_slice text, bool sets)
{
    while (text.size > 0) {
        cm_fault fault;
        cm_fault_rate rate;
        CM_TRY(read_setting(cm_slice_cut(&text, ','), &fault, &rate));
        if (sets)
            cm_fault_set(fault, rate);
    }
    return CM_OK;
}

cm_status cm_fault_read_settings(cm_slice text)
{
    CM_TRY(read_settings(text, false));
    return read_settings(text, true);
}

cm_status cm_fault_read_environment(void)
{
    return cm_fault_read_settings(cm_slice_of(getenv("CASEMENT_FAULTS")));
}

#else
/* ISO C wants something in every file. */
typedef int cm_fault_none;
#endif
