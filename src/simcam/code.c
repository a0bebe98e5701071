#include "simcam/code.h"

enum {
    SYNC_BITS = 8,
    SYNC_FIRST = 0xA6,
    SYNC_LAST = 0x59,
    LEAST_CELL = 3,      /* pixels on a side: below that, scaling has mixed neighbours */
    LEAST_CONTRAST = 24, /* of 64 drawn */
};

unsigned cm_code_cell_macroblocks(unsigned width)
{
    enum { STEP = CM_CODE_COLUMNS * CM_CODE_MACROBLOCK };
    return width % STEP == 0 ? width / STEP : 0;
}

/* CRC-16/CCITT-FALSE: polynomial 0x1021, starts at 0xFFFF, nothing reflected. */
static uint16_t check_of(cm_code code)
{
    const uint64_t message = (uint64_t)code.camera << 32 | code.counter;
    uint16_t crc = 0xFFFF;
    for (int bit = 47; bit >= 0; bit--) {
        const bool carry = (crc >> 15 & 1) != (message >> bit & 1);
        crc = (uint16_t)(crc << 1 ^ (carry ? 0x1021 : 0));
    }
    return crc;
}

/* `count` bits of `value` from cell `at` on; returns the cell after them. */
static size_t put(cm_code_cells *cells, size_t at, uint32_t value, unsigned count)
{
    while (count-- > 0)
        cells->is_light[at++] = (value >> count & 1) != 0;
    return at;
}

static uint32_t get(const cm_code_cells *cells, size_t *at, unsigned count)
{
    uint32_t value = 0;
    while (count-- > 0)
        value = value << 1 | (cells->is_light[(*at)++] ? 1 : 0);
    return value;
}

cm_code_cells cm_code_write(cm_code code)
{
    cm_code_cells cells;
    size_t at = put(&cells, 0, SYNC_FIRST, SYNC_BITS);
    at = put(&cells, at, code.camera, 16);
    at = put(&cells, at, code.counter, 32);
    at = put(&cells, at, check_of(code), 16);
    put(&cells, at, SYNC_LAST, SYNC_BITS);
    return cells;
}

cm_status cm_code_parse(const cm_code_cells *cells, cm_code *out)
{
    size_t at = 0;
    const uint32_t first = get(cells, &at, SYNC_BITS);
    const uint16_t camera = (uint16_t)get(cells, &at, 16);
    const cm_code code = {.camera = camera, .counter = get(cells, &at, 32)};
    const uint32_t check = get(cells, &at, 16);
    const uint32_t last = get(cells, &at, SYNC_BITS);
    CM_ENSURE(first == SYNC_FIRST && last == SYNC_LAST && check == check_of(code), CM_REFUSE);
    *out = code;
    return CM_OK;
}

/* Mean luma of the middle of a cell: its edges are where scaling and ringing live. */
static int cell_mean(const cm_code_picture *p, size_t cell)
{
    const size_t column = cell % CM_CODE_COLUMNS;
    const size_t row = cell / CM_CODE_COLUMNS;
    /* In quarters of a cell, so that the middle half is exact at any width. */
    const size_t quarters = (size_t)CM_CODE_COLUMNS * 4;
    const size_t left = (column * 4 + 1) * p->width / quarters;
    const size_t top = (row * 4 + 1) * p->width / quarters;
    size_t right = (column * 4 + 3) * p->width / quarters;
    size_t bottom = (row * 4 + 3) * p->width / quarters;
    right = right > left ? right : left + 1;
    bottom = bottom > top ? bottom : top + 1;
    size_t sum = 0;
    for (size_t y = top; y < bottom; y++)
        for (size_t x = left; x < right; x++)
            sum += p->luma.bytes[y * p->stride + x];
    return (int)(sum / ((right - left) * (bottom - top)));
}

/* Where light begins, by the cells whose value is known. False if they don't differ enough. */
static bool find_levels(const int means[CM_CODE_CELLS], int *dark, int *light)
{
    int sums[2] = {0, 0};
    int counts[2] = {0, 0};
    for (size_t i = 0; i < SYNC_BITS; i++) {
        const int first = SYNC_FIRST >> (SYNC_BITS - 1 - i) & 1;
        const int last = SYNC_LAST >> (SYNC_BITS - 1 - i) & 1;
        sums[first] += means[i];
        counts[first]++;
        sums[last] += means[CM_CODE_CELLS - SYNC_BITS + i];
        counts[last]++;
    }
    *dark = sums[0] / counts[0];
    *light = sums[1] / counts[1];
    return *light - *dark >= LEAST_CONTRAST;
}

cm_status cm_code_read(const cm_code_picture *p, cm_code *out)
{
    CM_ENSURE(p->width >= LEAST_CELL * CM_CODE_COLUMNS && p->width <= p->stride, CM_ABSENT);
    CM_ENSURE(p->height >= (p->width + CM_CODE_COLUMNS - 1) / CM_CODE_COLUMNS * CM_CODE_STRIP_ROWS,
              CM_ABSENT);
    CM_ENSURE(p->luma.size >= p->stride * (p->height - 1) + p->width, CM_ABSENT);
    int means[CM_CODE_CELLS];
    for (size_t i = 0; i < CM_CODE_CELLS; i++)
        means[i] = cell_mean(p, i);
    int dark;
    int light;
    CM_ENSURE(find_levels(means, &dark, &light), CM_ABSENT);
    const int middle = (dark + light) / 2;
    const int doubtful = (light - dark) / 10;
    cm_code_cells cells;
    for (size_t i = 0; i < CM_CODE_CELLS; i++) {
        const int off = means[i] - middle;
        CM_ENSURE(off > doubtful || off < -doubtful, CM_ABSENT);
        cells.is_light[i] = off > 0;
    }
    return cm_code_parse(&cells, out) == CM_OK ? CM_OK : CM_ABSENT;
}
