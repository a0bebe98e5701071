/*
 * A session fed by a small program: bytes from a stranger, and packets that one end protects and
 * the other reads. What a stranger sends never passes and changes nothing; what was protected comes
 * back as it was, once, and not with a bit changed.
 */
#include "base/reader.h"
#include "fuzz.h"
#include "net/srtp_priv.h"

enum { IS_RTCP = 1, IS_OURS = 2, FLIP_SHIFT = 2 };

typedef cm_status (*step)(cm_srtp *srtp, uint8_t *packet, size_t size, size_t *size_out);

typedef struct run {
    cm_srtp *from;
    cm_srtp *to;
} run;

/* In memory of its own, with as much room as the call may use. */
static uint8_t *copy(cm_slice bytes, size_t room)
{
    uint8_t *out = malloc(bytes.size + room + 1);
    CHECK(out != NULL);
    cm_slice_copy(bytes, out, bytes.size + room);
    return out;
}

static cm_status try_on(cm_srtp *srtp, step call, cm_slice bytes)
{
    size_t size;
    uint8_t *packet = copy(bytes, 0);
    const cm_status status = call(srtp, packet, bytes.size, &size);
    free(packet);
    return status;
}

static void hear_stranger(run *r, step read, cm_slice bytes)
{
    const size_t streams = r->to->in.stream_count;
    CHECK(try_on(r->to, read, bytes) != CM_OK);
    CHECK(r->to->in.stream_count == streams);
}

static void exchange(run *r, step write, step read, cm_slice plain, size_t flip)
{
    size_t size, read_size;
    uint8_t *packet = copy(plain, CM_SRTP_RTCP_OVERHEAD);
    if (write(r->from, packet, plain.size, &size) == CM_OK) {
        const cm_slice sent = cm_slice_over(packet, size);
        flip %= size * 8;
        packet[flip / 8] ^= (uint8_t)(1 << flip % 8);
        hear_stranger(r, read, sent);
        packet[flip / 8] ^= (uint8_t)(1 << flip % 8);
        uint8_t *heard = copy(sent, 0);
        CHECK(read(r->to, heard, size, &read_size) == CM_OK);
        CHECK(cm_slice_equal(cm_slice_over(heard, read_size), plain));
        free(heard);
        CHECK(try_on(r->to, read, sent) == CM_REFUSE);
    }
    CHECK(r->from->out.stream_count == r->to->in.stream_count);
    free(packet);
}

/* Each packet: what it is, its size, its bytes. */
static void obey(run *r, cm_reader *in)
{
    while (in->rest.size > 0) {
        const uint8_t kind = cm_read_u8(in);
        const cm_slice bytes = cm_read_slice(in, cm_read_u16(in));
        const bool is_rtcp = (kind & IS_RTCP) != 0;
        const step read = is_rtcp ? cm_srtp_unprotect_rtcp : cm_srtp_unprotect;
        if (in->failed)
            return;
        if (kind & IS_OURS)
            exchange(r, is_rtcp ? cm_srtp_protect_rtcp : cm_srtp_protect, read, bytes,
                     (size_t)(kind >> FLIP_SHIFT) * 37);
        else
            hear_stranger(r, read, bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const cm_srtp_master MASTERS[2] = {{.key = {1}, .salt = {2}}, {.key = {3}}};
    cm_reader in = cm_reader_over(cm_slice_over(data, size));
    const cm_srtp_profile profile =
        cm_read_u8(&in) % 2 == 0 ? CM_SRTP_AEAD_AES_128_GCM : CM_SRTP_AES128_CM_SHA1_80;
    run r;
    CHECK(cm_srtp_create(profile, &MASTERS[0], &MASTERS[1], &r.from) == CM_OK);
    CHECK(cm_srtp_create(profile, &MASTERS[1], &MASTERS[0], &r.to) == CM_OK);
    obey(&r, &in);
    cm_srtp_destroy(r.from);
    cm_srtp_destroy(r.to);
    return 0;
}
