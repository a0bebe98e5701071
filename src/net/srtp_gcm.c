/* AEAD_AES_128_GCM (RFC 7714). */
#include "base/secret.h"
#include "base/writer.h"
#include "net/srtp_priv.h"

enum {
    WORD_SIZE = 4,
    MASTER_SALT_SIZE = 12,
    RTCP_HEADER_SIZE = 8,
    RTCP_ASSOCIATED_SIZE = RTCP_HEADER_SIZE + WORD_SIZE,
};

static cm_status init(cm_srtp_cipher *cipher, const cm_srtp_keys *keys)
{
    cm_aead *aead;
    CM_TRY(cm_aead_create(&aead));
    const cm_status status = cm_aead_set_key(aead, keys->cipher);
    if (status != CM_OK) {
        cm_aead_destroy(aead);
        return status;
    }
    *cipher = (cm_srtp_cipher){.aead = aead};
    return CM_OK;
}

static void deinit(cm_srtp_cipher *cipher)
{
    cm_aead_destroy(cipher->aead);
    *cipher = (cm_srtp_cipher){0};
}

/* RFC 7714, 8.1 and 9.1: SSRC and index, in 12 bytes, by the salt. That no two packets share one
 * (RFC 7714, 8.4 and 9.4) is the window's doing. */
static void make_nonce(const cm_srtp_keys *keys, const cm_srtp_packet *packet, uint8_t *out)
{
    cm_writer w = cm_writer_over(out, CM_AEAD_NONCE_SIZE);
    cm_write_u16(&w, 0);
    cm_write_u32(&w, packet->ssrc);
    cm_write_u16(&w, (uint16_t)(packet->index >> 32));
    cm_write_u32(&w, (uint32_t)packet->index);
    for (size_t i = 0; i < CM_AEAD_NONCE_SIZE; i++)
        out[i] ^= keys->salt[i];
}

/* RFC 7714, 8.2 and 9.2: the header, and the word of SRTCP. */
static cm_slice associate(const cm_srtp_packet *packet, uint8_t storage[RTCP_ASSOCIATED_SIZE])
{
    const cm_slice header = cm_slice_over(packet->bytes, packet->header_size);
    if (!packet->is_rtcp)
        return header;
    cm_writer w = cm_writer_over(storage, RTCP_ASSOCIATED_SIZE);
    cm_write_slice(&w, header);
    cm_write_u32(&w, packet->word);
    return cm_writer_done(&w);
}

static cm_status seal(const cm_srtp_cipher *cipher, const cm_srtp_keys *keys,
                      const cm_srtp_packet *packet)
{
    uint8_t nonce[CM_AEAD_NONCE_SIZE];
    uint8_t storage[RTCP_ASSOCIATED_SIZE];
    make_nonce(keys, packet, nonce);
    return cm_aead_seal(cipher->aead, nonce, associate(packet, storage),
                        packet->bytes + packet->header_size, packet->size - packet->header_size);
}

/* RFC 7714, 9.3: nothing is encrypted, all of it is associated data: packet and word, which are
 * brought together where the tag lay. */
static cm_status open_plain(const cm_srtp_cipher *cipher, const uint8_t *nonce,
                            const cm_srtp_packet *packet)
{
    uint8_t tag[CM_AEAD_TAG_SIZE];
    uint8_t nothing;
    cm_slice_copy(cm_slice_over(packet->bytes + packet->tag_at, sizeof tag), tag, sizeof tag);
    cm_writer w = cm_writer_over(packet->bytes + packet->size, WORD_SIZE);
    cm_write_u32(&w, packet->word);
    return cm_aead_open(cipher->aead, nonce, cm_slice_over(packet->bytes, packet->size + WORD_SIZE),
                        cm_slice_over(tag, sizeof tag), &nothing);
}

static cm_status open_packet(const cm_srtp_cipher *cipher, const cm_srtp_keys *keys,
                             const cm_srtp_packet *packet)
{
    uint8_t nonce[CM_AEAD_NONCE_SIZE];
    uint8_t storage[RTCP_ASSOCIATED_SIZE];
    uint8_t *payload = packet->bytes + packet->header_size;
    const size_t sealed_size = packet->size - packet->header_size + CM_AEAD_TAG_SIZE;
    make_nonce(keys, packet, nonce);
    if (!packet->is_encrypted)
        return open_plain(cipher, nonce, packet);
    return cm_aead_open(cipher->aead, nonce, associate(packet, storage),
                        cm_slice_over(payload, sealed_size), payload);
}

const cm_srtp_transform cm_srtp_gcm = {
    .master_salt_size = MASTER_SALT_SIZE,
    .tag_size = CM_AEAD_TAG_SIZE,
    .is_tag_last = false,
    .init = init,
    .deinit = deinit,
    .seal = seal,
    .open = open_packet,
};
