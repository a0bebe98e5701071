#include "proto/stun/channel.h"

#include "base/reader.h"

static bool is_channel(uint16_t number)
{
    return number >= CM_STUN_CHANNEL_FIRST && number <= CM_STUN_CHANNEL_LAST;
}

cm_status cm_stun_channel_parse(cm_slice datagram, cm_stun_channel_data *out)
{
    cm_reader r = cm_reader_over(datagram);
    const uint16_t channel = cm_read_u16(&r);
    const uint16_t size = cm_read_u16(&r);
    const cm_slice data = cm_read_slice(&r, size);
    CM_ENSURE(!r.failed && is_channel(channel), CM_CLOSE);
    *out = (cm_stun_channel_data){.channel = channel, .data = data};
    return CM_OK;
}

void cm_stun_channel_write(cm_writer *w, uint16_t channel, size_t size)
{
    if (!is_channel(channel) || size > UINT16_MAX)
        w->failed = true;
    cm_write_u16(w, channel);
    cm_write_u16(w, (uint16_t)size);
}
