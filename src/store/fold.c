#include "store/fold.h"

#include <locale.h>
#include <pthread.h>
#include <wctype.h>

#include "base/text.h"

static locale_t unicode;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void find_locale(void)
{
    unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* Only ASCII where the system lacks the C.UTF-8 locale. */
static uint32_t lower(uint32_t point)
{
    pthread_once(&once, find_locale);
    if (unicode != (locale_t)0)
        return (uint32_t)towlower_l((wint_t)point, unicode);
    return point >= 'A' && point <= 'Z' ? point + ('a' - 'A') : point;
}

/* The code point at the head of valid UTF-8; moves past it. */
static uint32_t take_point(cm_slice *rest)
{
    const uint8_t first = rest->bytes[0];
    const size_t size = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    static const uint8_t MASK[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    uint32_t point = first & MASK[size];
    for (size_t i = 1; i < size; i++)
        point = point << 6 | (rest->bytes[i] & 0x3Fu);
    *rest = cm_slice_from(*rest, size);
    return point;
}

static void write_point(cm_writer *w, uint32_t point)
{
    if (point < 0x80) {
        cm_write_u8(w, (uint8_t)point);
        return;
    }
    const unsigned more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    static const uint8_t LEAD[] = {0, 0xC0, 0xE0, 0xF0};
    cm_write_u8(w, (uint8_t)(LEAD[more] | point >> (6 * more)));
    for (unsigned i = more; i-- > 0;)
        cm_write_u8(w, (uint8_t)(0x80 | (point >> (6 * i) & 0x3F)));
}

cm_status cm_fold_name(cm_slice name, char *out, size_t capacity)
{
    CM_ENSURE(cm_text_is_printable_utf8(name), CM_REFUSE);
    cm_writer w = cm_writer_over(out, capacity);
    while (name.size > 0)
        write_point(&w, lower(take_point(&name)));
    cm_write_u8(&w, 0);
    cm_slice done;
    return cm_writer_finish(&w, &done);
}
