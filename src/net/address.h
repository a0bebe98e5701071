/*
 * address: an IP address with a port, and ranges (CIDR) of them. Pure: no names are resolved here.
 *
 * IPv4 is kept as IPv4 (an IPv4-mapped IPv6 address becomes IPv4 when made), so that a range can't
 * be dodged by writing an address another way.
 */
#pragma once

#include "base/slice.h"

typedef struct cm_address {
    uint8_t bytes[16]; /* network order; IPv4 uses the first 4, the rest is zero */
    uint16_t port;     /* host order */
    bool is_v6;
} cm_address;

typedef struct cm_range {
    cm_address base; /* port 0 */
    uint8_t prefix;  /* bits that must agree */
} cm_range;

enum { CM_ADDRESS_TEXT_SIZE = 64 };

/* From 4 or 16 bytes in network order; anything else is a mistake of ours. */
cm_address cm_address_make(cm_slice bytes, uint16_t port);
/* Its 4 or 16 bytes, borrowed. */
cm_slice cm_address_bytes(const cm_address *address);

/* "192.168.1.4:554", "[fe80::1]:80", or without a port (then `default_port`). No names, no scope
 * ids. CM_REFUSE. */
cm_status cm_address_parse(cm_slice text, uint16_t default_port, cm_address *out);
/* With the port, IPv6 in brackets (RFC 5952 form). */
const char *cm_address_format(const cm_address *address, char out[CM_ADDRESS_TEXT_SIZE]);
/* Without the port. */
const char *cm_address_format_host(const cm_address *address, char out[CM_ADDRESS_TEXT_SIZE]);
bool cm_address_equal(const cm_address *a, const cm_address *b);     /* with the port */
bool cm_address_same_host(const cm_address *a, const cm_address *b); /* without */

/* "192.168.0.0/16", "fd00::/8", a lone address. CM_REFUSE if host bits are set beyond the prefix.
 */
cm_status cm_range_parse(cm_slice text, cm_range *out);
bool cm_range_contains(const cm_range *range, const cm_address *address);

/* What an address is, for deciding whether a server may be made to connect to it (probing is a
 * weapon). */
typedef enum cm_address_kind {
    CM_ADDRESS_UNSPECIFIED, /* 0.0.0.0/8, :: */
    CM_ADDRESS_LOOPBACK,    /* 127/8, ::1 */
    CM_ADDRESS_LINK_LOCAL,  /* 169.254/16 (cloud metadata lives there), fe80::/10 */
    CM_ADDRESS_MULTICAST,   /* 224/4, ff00::/8, and broadcast */
    CM_ADDRESS_PRIVATE,     /* RFC 1918, RFC 4193, RFC 6598 */
    /* Documentation, benchmarking, 240/4; 64:ff9b::/96, 2002::/16 and others that wrap an IPv4;
     * fd00:ec2::254 (cloud metadata); IPv6 outside 2000::/3. */
    CM_ADDRESS_RESERVED,
    CM_ADDRESS_PUBLIC,
} cm_address_kind;
cm_address_kind cm_address_kind_of(const cm_address *address);
const char *cm_address_kind_name(cm_address_kind kind);
