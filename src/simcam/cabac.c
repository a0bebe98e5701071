#include "simcam/cabac.h"

enum { STATES = 64, QUARTERS = 4, LAST_STATE = 62 };

/* Table 9-46: rangeTabLps by state and quarter of the range. */
static const uint8_t RANGE_LPS[STATES][QUARTERS] = {
    {128, 176, 208, 240}, {128, 167, 197, 227}, {128, 158, 187, 216}, {123, 150, 178, 205},
    {116, 142, 169, 195}, {111, 135, 160, 185}, {105, 128, 152, 175}, {100, 122, 144, 166},
    {95, 116, 137, 158},  {90, 110, 130, 150},  {85, 104, 123, 142},  {81, 99, 117, 135},
    {77, 94, 111, 128},   {73, 89, 105, 122},   {69, 85, 100, 116},   {66, 80, 95, 110},
    {62, 76, 90, 104},    {59, 72, 86, 99},     {56, 69, 81, 94},     {53, 65, 77, 89},
    {51, 62, 73, 85},     {48, 59, 69, 80},     {46, 56, 66, 76},     {43, 53, 63, 72},
    {41, 50, 59, 69},     {39, 48, 56, 65},     {37, 45, 54, 62},     {35, 43, 51, 59},
    {33, 41, 48, 56},     {32, 39, 46, 53},     {30, 37, 43, 50},     {29, 35, 41, 48},
    {27, 33, 39, 45},     {26, 31, 37, 43},     {24, 30, 35, 41},     {23, 28, 33, 39},
    {22, 27, 32, 37},     {21, 26, 30, 35},     {20, 24, 29, 33},     {19, 23, 27, 31},
    {18, 22, 26, 30},     {17, 21, 25, 28},     {16, 20, 23, 27},     {15, 19, 22, 25},
    {14, 18, 21, 24},     {14, 17, 20, 23},     {13, 16, 19, 22},     {12, 15, 18, 21},
    {12, 14, 17, 20},     {11, 14, 16, 19},     {11, 13, 15, 18},     {10, 12, 15, 17},
    {10, 12, 14, 16},     {9, 11, 13, 15},      {9, 11, 12, 14},      {8, 10, 12, 14},
    {8, 9, 11, 13},       {7, 9, 11, 12},       {7, 9, 10, 12},       {7, 8, 10, 11},
    {6, 8, 9, 11},        {6, 7, 9, 10},        {6, 7, 8, 9},         {2, 2, 2, 2},
};

/* Table 9-47: the state after a bin that was the less likely one. */
static const uint8_t AFTER_LPS[STATES] = {
    0,  0,  1,  2,  2,  4,  4,  5,  6,  7,  8,  9,  9,  11, 11, 12, 13, 13, 15, 15, 16, 16,
    18, 18, 19, 19, 21, 21, 22, 22, 23, 24, 24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30,
    31, 32, 32, 33, 33, 33, 34, 34, 35, 35, 35, 36, 36, 36, 37, 37, 37, 38, 38, 63,
};

static int clip(int value, int least, int most)
{
    return value < least ? least : value > most ? most : value;
}

cm_cabac_context cm_cabac_context_of(uint8_t init_value, int qp)
{
    const int slope = (init_value >> 4) * 5 - 45;
    const int offset = ((init_value & 15) << 3) - 16;
    /* Down, also of a negative product. */
    const int product = slope * clip(qp, 0, 51);
    const int scaled = product >= 0 ? product / 16 : -((-product + 15) / 16);
    const int state = clip(scaled + offset, 1, 126);
    return state <= 63 ? (cm_cabac_context){.state = (uint8_t)(63 - state), .mps = 0}
                       : (cm_cabac_context){.state = (uint8_t)(state - 64), .mps = 1};
}

cm_cabac cm_cabac_over(cm_bit_writer *out)
{
    return (cm_cabac){.out = out, .range = 510, .is_first = true};
}

/* The bits that waited for a carry are the reverse of the one that decides. */
static void put(cm_cabac *c, uint32_t bit)
{
    if (c->is_first)
        c->is_first = false;
    else
        cm_bit_write(c->out, bit, 1);
    for (; c->outstanding > 0; c->outstanding--)
        cm_bit_write(c->out, 1 - bit, 1);
}

static void renormalize(cm_cabac *c)
{
    while (c->range < 256) {
        if (c->low < 256) {
            put(c, 0);
        } else if (c->low >= 512) {
            c->low -= 512;
            put(c, 1);
        } else {
            c->low -= 256;
            c->outstanding++;
        }
        c->range <<= 1;
        c->low <<= 1;
    }
}

void cm_cabac_write(cm_cabac *c, cm_cabac_context *context, bool bin)
{
    const uint32_t less = RANGE_LPS[context->state][c->range >> 6 & 3];
    c->range -= less;
    if (bin == (context->mps == 1)) {
        context->state += context->state < LAST_STATE ? 1 : 0;
    } else {
        c->low += c->range;
        c->range = less;
        if (context->state == 0)
            context->mps = 1 - context->mps;
        context->state = AFTER_LPS[context->state];
    }
    renormalize(c);
}

void cm_cabac_write_bypass(cm_cabac *c, bool bin)
{
    c->low <<= 1;
    if (bin)
        c->low += c->range;
    if (c->low >= 1024) {
        put(c, 1);
        c->low -= 1024;
    } else if (c->low < 512) {
        put(c, 0);
    } else {
        c->low -= 512;
        c->outstanding++;
    }
}

void cm_cabac_write_bypass_bits(cm_cabac *c, uint32_t value, unsigned count)
{
    while (count-- > 0)
        cm_cabac_write_bypass(c, (value >> count & 1) != 0);
}

void cm_cabac_write_terminate(cm_cabac *c, bool bin)
{
    c->range -= 2;
    if (!bin) {
        renormalize(c);
        return;
    }
    c->low += c->range;
    c->range = 2;
    renormalize(c);
    put(c, c->low >> 9 & 1);
    cm_bit_write(c->out, (c->low >> 7 & 3) | 1, 2); /* the last bit is rbsp_slice's stop bit */
    cm_bit_write_alignment(c->out);
}
