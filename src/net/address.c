#include "net/address.h"

#include <arpa/inet.h>
#include <assert.h>
#include <string.h>

#include "base/writer.h"

/* ::ffff:0:0/96, RFC 4291 2.5.5.2 */
static const uint8_t MAPPED[12] = {[10] = 0xff, [11] = 0xff};

static cm_address from_v4(cm_slice bytes, uint16_t port)
{
    cm_address address = {.port = port};
    cm_writer w = cm_writer_over(address.bytes, sizeof address.bytes);
    cm_write_slice(&w, bytes);
    return address;
}

cm_address cm_address_make(cm_slice bytes, uint16_t port)
{
    assert(bytes.size == 4 || bytes.size == 16);
    if (bytes.size == 4)
        return from_v4(bytes, port);
    if (cm_slice_starts(bytes, cm_slice_over(MAPPED, sizeof MAPPED)))
        return from_v4(cm_slice_from(bytes, sizeof MAPPED), port);
    cm_address address = from_v4(bytes, port);
    address.is_v6 = true;
    return address;
}

cm_slice cm_address_bytes(const cm_address *address)
{
    return cm_slice_over(address->bytes, address->is_v6 ? 16 : 4);
}

/* Just the host. inet_pton takes no short, octal or hexadecimal IPv4 and no scope ids. */
static cm_status parse_host(cm_slice text, uint8_t bytes[16], size_t *size_out)
{
    char host[INET6_ADDRSTRLEN];
    CM_ENSURE(cm_slice_to_cstr(text, host, sizeof host) == CM_OK, CM_REFUSE);
    const bool is_v6 = strchr(host, ':') != NULL;
    CM_ENSURE(inet_pton(is_v6 ? AF_INET6 : AF_INET, host, bytes) == 1, CM_REFUSE);
    *size_out = is_v6 ? 16 : 4;
    return CM_OK;
}

/* Splits "host", "host:port", "[host]", "[host]:port"; *port is empty when there is none. */
static cm_status split_port(cm_slice text, cm_slice *host, cm_slice *port, bool *has_port)
{
    if (cm_slice_starts(text, CM_TEXT("["))) {
        const size_t end = cm_slice_find(text, ']');
        CM_ENSURE(end < text.size, CM_REFUSE);
        *host = cm_slice_part(text, 1, end - 1);
        CM_ENSURE(cm_slice_find(*host, ':') < host->size, CM_REFUSE);
        const cm_slice rest = cm_slice_from(text, end + 1);
        *has_port = rest.size > 0;
        *port = cm_slice_from(rest, 1);
        CM_ENSURE(rest.size == 0 || rest.bytes[0] == ':', CM_REFUSE);
        return CM_OK;
    }
    const size_t colon = cm_slice_find(text, ':');
    const cm_slice after = cm_slice_from(text, colon + 1);
    const bool is_bare_v6 = cm_slice_find(after, ':') < after.size;
    *has_port = colon < text.size && !is_bare_v6;
    *host = *has_port ? cm_slice_part(text, 0, colon) : text;
    *port = *has_port ? after : (cm_slice){.bytes = NULL};
    return CM_OK;
}

cm_status cm_address_parse(cm_slice text, uint16_t default_port, cm_address *out)
{
    cm_slice host, port;
    bool has_port;
    CM_TRY(split_port(text, &host, &port, &has_port));
    uint64_t number = default_port;
    if (has_port)
        CM_TRY(cm_slice_to_u64(port, UINT16_MAX, &number));
    uint8_t bytes[16];
    size_t size;
    CM_TRY(parse_host(host, bytes, &size));
    *out = cm_address_make(cm_slice_over(bytes, size), (uint16_t)number);
    return CM_OK;
}

const char *cm_address_format_host(const cm_address *address, char out[CM_ADDRESS_TEXT_SIZE])
{
    const int family = address->is_v6 ? AF_INET6 : AF_INET;
    const char *text = inet_ntop(family, address->bytes, out, CM_ADDRESS_TEXT_SIZE);
    assert(text != NULL);
    return text;
}

const char *cm_address_format(const cm_address *address, char out[CM_ADDRESS_TEXT_SIZE])
{
    char host[CM_ADDRESS_TEXT_SIZE];
    cm_address_format_host(address, host);
    cm_writer w = cm_writer_over(out, CM_ADDRESS_TEXT_SIZE);
    cm_write_format(&w, address->is_v6 ? "[%s]:%u" : "%s:%u", host, (unsigned)address->port);
    cm_write_u8(&w, 0);
    cm_slice text;
    CM_IGNORE(cm_writer_finish(&w, &text), "the longest form has 47 characters");
    return out;
}

bool cm_address_same_host(const cm_address *a, const cm_address *b)
{
    return a->is_v6 == b->is_v6 && cm_slice_equal(cm_address_bytes(a), cm_address_bytes(b));
}

bool cm_address_equal(const cm_address *a, const cm_address *b)
{
    return a->port == b->port && cm_address_same_host(a, b);
}

/* Do the first `bits` bits of both agree? */
static bool has_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    const unsigned whole = bits / 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    const unsigned rest = bits % 8;
    return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

/* Nothing but zeros behind the first `bits` bits? */
static bool is_base(const uint8_t *bytes, size_t size, unsigned bits)
{
    for (unsigned i = bits; i < 8 * size; i++) {
        if ((bytes[i / 8] >> (7 - i % 8) & 1) != 0)
            return false;
    }
    return true;
}

cm_status cm_range_parse(cm_slice text, cm_range *out)
{
    const size_t slash = cm_slice_find(text, '/');
    uint8_t bytes[16];
    size_t size;
    CM_TRY(parse_host(cm_slice_part(text, 0, slash), bytes, &size));
    uint64_t prefix = 8 * size;
    if (slash < text.size)
        CM_TRY(cm_slice_to_u64(cm_slice_from(text, slash + 1), 8 * size, &prefix));
    CM_ENSURE(is_base(bytes, size, (unsigned)prefix), CM_REFUSE);
    const cm_address base = cm_address_make(cm_slice_over(bytes, size), 0);
    if (size == 16 && !base.is_v6)
        prefix -=
            96; /* mapped: the base has bits set up to the 96th, so the prefix is no shorter */
    *out = (cm_range){.base = base, .prefix = (uint8_t)prefix};
    return CM_OK;
}

bool cm_range_contains(const cm_range *range, const cm_address *address)
{
    return range->base.is_v6 == address->is_v6 &&
           has_prefix(range->base.bytes, address->bytes, range->prefix);
}

/* The IANA special-purpose registries (RFC 6890), the first that holds an address says what it is.
 */
static const struct {
    cm_range range;
    cm_address_kind kind;
} KINDS[] = {
    {{{.bytes = {0}}, 8}, CM_ADDRESS_UNSPECIFIED},
    {{{.bytes = {127}}, 8}, CM_ADDRESS_LOOPBACK},
    {{{.bytes = {169, 254}}, 16}, CM_ADDRESS_LINK_LOCAL},
    {{{.bytes = {224}}, 4}, CM_ADDRESS_MULTICAST},
    {{{.bytes = {255, 255, 255, 255}}, 32}, CM_ADDRESS_MULTICAST},
    {{{.bytes = {10}}, 8}, CM_ADDRESS_PRIVATE},
    {{{.bytes = {172, 16}}, 12}, CM_ADDRESS_PRIVATE},
    {{{.bytes = {192, 168}}, 16}, CM_ADDRESS_PRIVATE},
    {{{.bytes = {100, 64}}, 10}, CM_ADDRESS_PRIVATE},
    {{{.bytes = {192, 0, 0}}, 24}, CM_ADDRESS_RESERVED},
    {{{.bytes = {192, 0, 2}}, 24}, CM_ADDRESS_RESERVED},
    {{{.bytes = {192, 88, 99}}, 24}, CM_ADDRESS_RESERVED},
    {{{.bytes = {198, 18}}, 15}, CM_ADDRESS_RESERVED},
    {{{.bytes = {198, 51, 100}}, 24}, CM_ADDRESS_RESERVED},
    {{{.bytes = {203, 0, 113}}, 24}, CM_ADDRESS_RESERVED},
    {{{.bytes = {240}}, 4}, CM_ADDRESS_RESERVED},
    {{{.bytes = {0}, .is_v6 = true}, 128}, CM_ADDRESS_UNSPECIFIED},
    {{{.bytes = {[15] = 1}, .is_v6 = true}, 128}, CM_ADDRESS_LOOPBACK},
    {{{.bytes = {0xfe, 0x80}, .is_v6 = true}, 10}, CM_ADDRESS_LINK_LOCAL},
    {{{.bytes = {0xff}, .is_v6 = true}, 8}, CM_ADDRESS_MULTICAST},
    {{{.bytes = {0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54}, .is_v6 = true}, 128},
     CM_ADDRESS_RESERVED},
    {{{.bytes = {0xfc}, .is_v6 = true}, 7}, CM_ADDRESS_PRIVATE},
    {{{.bytes = {0x20, 0x01}, .is_v6 = true}, 23}, CM_ADDRESS_RESERVED}, /* with Teredo */
    {{{.bytes = {0x20, 0x01, 0x0d, 0xb8}, .is_v6 = true}, 32}, CM_ADDRESS_RESERVED},
    {{{.bytes = {0x20, 0x02}, .is_v6 = true}, 16}, CM_ADDRESS_RESERVED},
    {{{.bytes = {0x3f, 0xff}, .is_v6 = true}, 20}, CM_ADDRESS_RESERVED},
    {{{.bytes = {0x20}, .is_v6 = true}, 3}, CM_ADDRESS_PUBLIC},
    {{{.bytes = {0}, .is_v6 = true}, 0}, CM_ADDRESS_RESERVED},
};

cm_address_kind cm_address_kind_of(const cm_address *address)
{
    for (size_t i = 0; i < CM_COUNT(KINDS); i++) {
        if (cm_range_contains(&KINDS[i].range, address))
            return KINDS[i].kind;
    }
    return CM_ADDRESS_PUBLIC;
}

const char *cm_address_kind_name(cm_address_kind kind)
{
    static const char *const NAMES[] = {
        [CM_ADDRESS_UNSPECIFIED] = "unspecified", [CM_ADDRESS_LOOPBACK] = "loopback",
        [CM_ADDRESS_LINK_LOCAL] = "link-local",   [CM_ADDRESS_MULTICAST] = "multicast",
        [CM_ADDRESS_PRIVATE] = "private",         [CM_ADDRESS_RESERVED] = "reserved",
        [CM_ADDRESS_PUBLIC] = "public",
    };
    assert(kind < CM_COUNT(NAMES));
    return NAMES[kind];
}
