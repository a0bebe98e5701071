/*
 * A packet once more, as it was (RFC 4585: an answer to a NACK where there is no RTX).
 *
 * The same index under the same key gives the same key stream, so other bytes under it would give
 * both away, and with GCM the key of the tags too. That they are the same bytes is therefore not
 * taken from who says so: the tag of each packet that went out is kept, and what does not come to
 * the same tag does not leave.
 */
#include <openssl/crypto.h>
#include <stdlib.h>

#include "base/secret.h"
#include "net/srtp_priv.h"

static cm_srtp_tag *place_of(cm_srtp_sent *sent, int64_t index)
{
    return &sent->tags[index % CM_SRTP_REMEMBERED];
}

cm_status cm_srtp_remember(cm_srtp *srtp, uint32_t ssrc)
{
    if (srtp->sent == NULL)
        srtp->sent = calloc(1, sizeof *srtp->sent);
    CM_ENSURE(srtp->sent != NULL, CM_BROKEN);
    *srtp->sent = (cm_srtp_sent){.ssrc = ssrc};
    for (size_t i = 0; i < CM_SRTP_REMEMBERED; i++)
        srtp->sent->tags[i].index = -1;
    return CM_OK;
}

void cm_srtp_note_sent(cm_srtp *srtp, const cm_srtp_packet *packet)
{
    cm_srtp_sent *sent = srtp->sent;
    if (sent == NULL || sent->ssrc != packet->ssrc)
        return;
    cm_srtp_tag *place = place_of(sent, packet->index);
    place->index = packet->index;
    cm_slice_copy(cm_slice_over(packet->bytes + packet->tag_at, srtp->transform->tag_size),
                  place->tag, sizeof place->tag);
}

cm_status cm_srtp_seal_again(cm_srtp *srtp, const cm_srtp_packet *packet)
{
    const size_t tag_size = srtp->transform->tag_size;
    CM_ENSURE(srtp->sent != NULL && srtp->sent->ssrc == packet->ssrc, CM_ABSENT);
    const cm_srtp_tag *place = place_of(srtp->sent, packet->index);
    CM_ENSURE(place->index == packet->index, CM_ABSENT);
    CM_TRY(srtp->transform->seal(&srtp->out.cipher, &srtp->out.rtp, packet));
    if (CRYPTO_memcmp(packet->bytes + packet->tag_at, place->tag, tag_size) == 0)
        return CM_OK;
    cm_secret_wipe(packet->bytes, packet->size + tag_size);
    return CM_FOREIGN;
}
