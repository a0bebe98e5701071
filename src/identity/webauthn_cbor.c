/* CBOR of authenticators, and what they put into it: keys, authenticator data, attestation. */
#include "identity/webauthn_priv.h"

/* ---- CBOR (RFC 8949, 3) ---- */

/* Everything after it reads as zeros. */
static void fail(cm_reader *r)
{
    r->failed = true;
    r->rest = (cm_slice){0};
}

static uint64_t read_argument(cm_reader *r, uint8_t low)
{
    if (low < 24)
        return low;
    const uint64_t value = low == 24   ? cm_read_u8(r)
                           : low == 25 ? cm_read_u16(r)
                           : low == 26 ? cm_read_u32(r)
                           : low == 27 ? cm_read_u64(r)
                                       : 0;
    static const uint64_t LEAST[] = {24, UINT8_MAX + 1, UINT16_MAX + 1, UINT64_C(1) + UINT32_MAX};
    /* Lengths that are told later (31), reserved ones (28 to 30), and a head longer than its value
     * needs (CTAP2's canonical form, RFC 8949, 4.2.1): two ways to write the same. */
    if (low > 27 || value < LEAST[low - 24])
        fail(r);
    return r->failed ? 0 : value;
}

cm_cbor_major cm_cbor_read_head(cm_reader *r, uint64_t *value)
{
    const uint8_t head = cm_read_u8(r);
    const cm_cbor_major major = (cm_cbor_major)(head >> 5);
    const uint8_t low = head & 0x1f;
    if (major == CM_CBOR_OTHER && low >= 24 && low <= 27) {
        /* The argument is a float's bits or a simple value: no length to be short. */
        static const size_t SIZES[] = {1, 2, 4, 8};
        CM_IGNORE(cm_read_slice(r, SIZES[low - 24]).size, "its bits are nobody's business");
        *value = 0;
        return major;
    }
    *value = read_argument(r, low);
    return major;
}

int64_t cm_cbor_read_integer(cm_reader *r)
{
    uint64_t value;
    const cm_cbor_major major = cm_cbor_read_head(r, &value);
    if ((major != CM_CBOR_UNSIGNED && major != CM_CBOR_NEGATIVE) || value > INT32_MAX) {
        fail(r);
        return 0;
    }
    return major == CM_CBOR_UNSIGNED ? (int64_t)value : -1 - (int64_t)value;
}

static cm_slice read_string(cm_reader *r, cm_cbor_major wanted)
{
    uint64_t size;
    if (cm_cbor_read_head(r, &size) != wanted || size > r->rest.size) {
        fail(r);
        return (cm_slice){0};
    }
    return cm_read_slice(r, (size_t)size);
}

cm_slice cm_cbor_read_bytes(cm_reader *r)
{
    return read_string(r, CM_CBOR_BYTES);
}

cm_slice cm_cbor_read_text(cm_reader *r)
{
    return read_string(r, CM_CBOR_TEXT);
}

size_t cm_cbor_read_map(cm_reader *r)
{
    uint64_t count;
    if (cm_cbor_read_head(r, &count) != CM_CBOR_MAP || count > CM_CBOR_PAIRS_MAX) {
        fail(r);
        return 0;
    }
    return (size_t)count;
}

static void skip(cm_reader *r, unsigned depth)
{
    uint64_t value;
    const cm_cbor_major major = cm_cbor_read_head(r, &value);
    if (major == CM_CBOR_BYTES || major == CM_CBOR_TEXT) {
        if (value > r->rest.size)
            fail(r);
        else
            CM_IGNORE(cm_read_slice(r, (size_t)value).size, "skipped");
        return;
    }
    if (major != CM_CBOR_ARRAY && major != CM_CBOR_MAP && major != CM_CBOR_TAG)
        return;
    if (depth == CM_CBOR_DEPTH_MAX || value > r->rest.size) { /* an item is a byte at least */
        fail(r);
        return;
    }
    const uint64_t items = major == CM_CBOR_TAG ? 1 : major == CM_CBOR_MAP ? 2 * value : value;
    for (uint64_t i = 0; i < items && !r->failed; i++)
        skip(r, depth + 1);
}

void cm_cbor_skip(cm_reader *r)
{
    skip(r, 0);
}

cm_slice cm_cbor_read_item(cm_reader *r)
{
    const cm_slice before = r->rest;
    cm_cbor_skip(r);
    return r->failed ? (cm_slice){0} : cm_slice_part(before, 0, before.size - r->rest.size);
}

/* ---- keys (RFC 9052, 7; RFC 9053, 7; RFC 8230, 4) ---- */

enum {
    LABEL_TYPE = 1,
    LABEL_ALGORITHM = 3,
    LABEL_MINUS_1 = -1, /* the curve; of RSA the modulus */
    LABEL_MINUS_2 = -2, /* x; of RSA the exponent */
    LABEL_MINUS_3 = -3, /* y */
    TYPE_OCTET_KEY_PAIR = 1,
    TYPE_EC2 = 2,
    TYPE_RSA = 3,
    CURVE_P256 = 1,
    CURVE_ED25519 = 6,
    COORDINATE_SIZE = 32,
    MODULUS_SIZE = 256, /* libfido2 knows RSA of 2,048 bits and an exponent of 3 bytes */
    EXPONENT_SIZE = 3,
};

typedef struct raw_key {
    unsigned seen; /* bits 1 << (label + 3) */
    int64_t type, algorithm, curve;
    cm_slice minus_1, minus_2, minus_3;
} raw_key;

static void read_member(cm_reader *r, raw_key *key)
{
    const int64_t label = cm_cbor_read_integer(r);
    if (label < LABEL_MINUS_3 || label > LABEL_ALGORITHM) {
        fail(r); /* a public key of these kinds has no other member that anyone sends */
        return;
    }
    const unsigned bit = 1U << (label + 3);
    if ((key->seen & bit) != 0)
        fail(r);
    key->seen |= bit;
    if (label == LABEL_TYPE)
        key->type = cm_cbor_read_integer(r);
    else if (label == LABEL_ALGORITHM)
        key->algorithm = cm_cbor_read_integer(r);
    else if (label == LABEL_MINUS_1 && key->type != TYPE_RSA)
        key->curve = cm_cbor_read_integer(r);
    else if (label == LABEL_MINUS_1)
        key->minus_1 = cm_cbor_read_bytes(r);
    else if (label == LABEL_MINUS_2)
        key->minus_2 = cm_cbor_read_bytes(r);
    else if (label == LABEL_MINUS_3)
        key->minus_3 = cm_cbor_read_bytes(r);
    else
        fail(r);
}

static unsigned members(bool has_y)
{
    const unsigned bits = 1U << (LABEL_TYPE + 3) | 1U << (LABEL_ALGORITHM + 3) |
                          1U << (LABEL_MINUS_1 + 3) | 1U << (LABEL_MINUS_2 + 3);
    return has_y ? bits | 1U << (LABEL_MINUS_3 + 3) : bits;
}

static cm_status make_key(const raw_key *raw, cm_cose_key *out)
{
    if (raw->algorithm == CM_COSE_ES256) {
        CM_ENSURE(raw->type == TYPE_EC2 && raw->curve == CURVE_P256, CM_REFUSE);
        CM_ENSURE(raw->seen == members(true), CM_REFUSE);
        CM_ENSURE(raw->minus_2.size == COORDINATE_SIZE && raw->minus_3.size == COORDINATE_SIZE,
                  CM_REFUSE);
        *out = (cm_cose_key){.algorithm = CM_COSE_ES256, .x = raw->minus_2, .y = raw->minus_3};
        return CM_OK;
    }
    CM_ENSURE(raw->seen == members(false), CM_REFUSE);
    if (raw->algorithm == CM_COSE_EDDSA) {
        CM_ENSURE(raw->type == TYPE_OCTET_KEY_PAIR && raw->curve == CURVE_ED25519, CM_REFUSE);
        CM_ENSURE(raw->minus_2.size == COORDINATE_SIZE, CM_REFUSE);
        *out = (cm_cose_key){.algorithm = CM_COSE_EDDSA, .x = raw->minus_2};
        return CM_OK;
    }
    CM_ENSURE(raw->algorithm == CM_COSE_RS256 && raw->type == TYPE_RSA, CM_REFUSE);
    CM_ENSURE(raw->minus_1.size == MODULUS_SIZE && raw->minus_2.size == EXPONENT_SIZE, CM_REFUSE);
    *out = (cm_cose_key){
        .algorithm = CM_COSE_RS256, .modulus = raw->minus_1, .exponent = raw->minus_2};
    return CM_OK;
}

cm_status cm_cose_key_parse(cm_slice bytes, cm_cose_key *out)
{
    CM_ENSURE(bytes.size <= CM_WEBAUTHN_COSE_MAX, CM_REFUSE);
    cm_reader r = cm_reader_over(bytes);
    raw_key raw = {.seen = 0};
    const size_t count = cm_cbor_read_map(&r);
    for (size_t i = 0; i < count && !r.failed; i++)
        read_member(&r, &raw);
    CM_ENSURE(cm_reader_finish(&r) == CM_OK, CM_REFUSE);
    return make_key(&raw, out);
}

/* ---- authenticator data (Web Authentication, 6.1) ---- */

enum {
    FLAG_PRESENT = 0x01,
    FLAG_VERIFIED = 0x04,
    FLAG_BACKUP_ELIGIBLE = 0x08,
    FLAG_BACKED_UP = 0x10,
    FLAG_CREDENTIAL = 0x40,
    FLAG_EXTENSIONS = 0x80, /* what is left is reserved, and ignored */
};

static void read_credential(cm_reader *r, cm_authenticator_data *out)
{
    CM_IGNORE(cm_read_slice(r, CM_AAGUID_SIZE).size, "whose make it is: nobody's business");
    const uint16_t size = cm_read_u16(r);
    out->credential = cm_read_slice(r, size);
    out->cose = cm_cbor_read_item(r);
    if (size < CM_WEBAUTHN_CREDENTIAL_MIN || size > CM_WEBAUTHN_CREDENTIAL_MAX ||
        out->cose.size > CM_WEBAUTHN_COSE_MAX)
        fail(r);
}

cm_status cm_authenticator_data_parse(cm_slice bytes, cm_authenticator_data *out)
{
    CM_ENSURE(bytes.size <= CM_WEBAUTHN_AUTHENTICATOR_DATA_MAX, CM_REFUSE);
    cm_reader r = cm_reader_over(bytes);
    cm_authenticator_data data = {.rp_hash = cm_read_slice(&r, CM_AUTHENTICATOR_RP_HASH_SIZE)};
    const uint8_t flags = cm_read_u8(&r);
    data.sign_count = cm_read_u32(&r);
    data.is_present = (flags & FLAG_PRESENT) != 0;
    data.is_verified = (flags & FLAG_VERIFIED) != 0;
    data.is_backup_eligible = (flags & FLAG_BACKUP_ELIGIBLE) != 0;
    data.is_backed_up = (flags & FLAG_BACKED_UP) != 0;
    data.has_credential = (flags & FLAG_CREDENTIAL) != 0;
    data.has_extensions = (flags & FLAG_EXTENSIONS) != 0;
    if (data.has_credential)
        read_credential(&r, &data);
    if (data.has_extensions) {
        cm_reader map = cm_reader_over(cm_cbor_read_item(&r));
        CM_IGNORE(cm_cbor_read_map(&map), "a map it must be; none was asked for");
        CM_ENSURE(!map.failed, CM_REFUSE);
    }
    CM_ENSURE(cm_reader_finish(&r) == CM_OK, CM_REFUSE);
    *out = data;
    return CM_OK;
}

/* ---- the attestation object (Web Authentication, 6.5) ---- */

static void read_statement(cm_reader *r, cm_attestation *out)
{
    const size_t count = cm_cbor_read_map(r);
    out->has_statement = count > 0;
    for (size_t i = 0; i < count && !r->failed; i++) {
        const cm_slice name = cm_cbor_read_text(r);
        cm_reader value = cm_reader_over(cm_cbor_read_item(r));
        if (cm_slice_equal(name, CM_TEXT("x5c"))) {
            out->has_chain = true;
        } else if (cm_slice_equal(name, CM_TEXT("alg"))) {
            out->algorithm = cm_cbor_read_integer(&value);
            out->has_algorithm = !value.failed;
        } else if (cm_slice_equal(name, CM_TEXT("sig"))) {
            out->signature = cm_cbor_read_bytes(&value);
        }
    }
}

cm_status cm_attestation_parse(cm_slice bytes, cm_attestation *out)
{
    enum { FORMAT = 1, STATEMENT = 2, DATA = 4 };
    CM_ENSURE(bytes.size <= CM_WEBAUTHN_ATTESTATION_MAX, CM_REFUSE);
    cm_reader r = cm_reader_over(bytes);
    cm_attestation attestation = {.algorithm = 0};
    unsigned seen = 0;
    const size_t count = cm_cbor_read_map(&r);
    for (size_t i = 0; i < count && !r.failed; i++) {
        const cm_slice name = cm_cbor_read_text(&r);
        unsigned member = 0;
        if (cm_slice_equal(name, CM_TEXT("fmt"))) {
            member = FORMAT;
            attestation.format = cm_cbor_read_text(&r);
        } else if (cm_slice_equal(name, CM_TEXT("attStmt"))) {
            member = STATEMENT;
            read_statement(&r, &attestation);
        } else if (cm_slice_equal(name, CM_TEXT("authData"))) {
            member = DATA;
            attestation.authenticator_data = cm_cbor_read_bytes(&r);
        } else {
            cm_cbor_skip(&r);
        }
        if ((seen & member) != 0)
            fail(&r);
        seen |= member;
    }
    CM_ENSURE(cm_reader_finish(&r) == CM_OK && seen == (FORMAT | STATEMENT | DATA), CM_REFUSE);
    *out = attestation;
    return CM_OK;
}
