/* Datagrams in order, and a BIO that reads and writes them one by one: DTLS must see where each
 * begins and ends, which OpenSSL's memory BIO forgets. */
#include <assert.h>

#include "net/dtls_priv.h"

void cm_dtls_queue_init(cm_dtls_queue *queue)
{
    queue->count = 0;
    cm_buffer_init(&queue->bytes, CM_DTLS_QUEUE_BYTES);
}

void cm_dtls_queue_deinit(cm_dtls_queue *queue)
{
    queue->count = 0;
    cm_buffer_deinit(&queue->bytes);
}

cm_status cm_dtls_queue_add(cm_dtls_queue *queue, cm_slice datagram)
{
    CM_ENSURE(queue->count < CM_DTLS_QUEUE_COUNT, CM_FULL);
    CM_TRY(cm_buffer_add(&queue->bytes, datagram));
    queue->sizes[queue->count++] = (uint16_t)datagram.size; /* the buffer's bound is less */
    return CM_OK;
}

cm_slice cm_dtls_queue_at(const cm_dtls_queue *queue, size_t index)
{
    size_t offset = 0;
    assert(index < queue->count);
    for (size_t i = 0; i < index; i++)
        offset += queue->sizes[i];
    return cm_slice_part(cm_buffer_data(&queue->bytes), offset, queue->sizes[index]);
}

void cm_dtls_queue_move(cm_dtls_queue *from, cm_dtls_queue *to)
{
    cm_dtls_queue_deinit(to);
    *to = *from;
    cm_dtls_queue_init(from); /* its memory went along */
}

/* ---- the BIO ---- */

static int bio_read(BIO *bio, char *out, size_t capacity, size_t *size_out)
{
    cm_dtls_pipe *pipe = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (pipe->taken == pipe->in.count) {
        BIO_set_retry_read(bio);
        return 0;
    }
    /* OpenSSL reads into 16 KiB and more. What would not fit is cut, as a socket does. */
    const cm_slice datagram = cm_slice_part(cm_dtls_queue_at(&pipe->in, pipe->taken), 0, capacity);
    pipe->taken++;
    cm_slice_copy(datagram, out, capacity);
    *size_out = datagram.size;
    return 1;
}

static int bio_write(BIO *bio, const char *bytes, size_t size, size_t *taken)
{
    cm_dtls_pipe *pipe = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (size > CM_DTLS_DATAGRAM_MAX ||
        cm_dtls_queue_add(&pipe->out, cm_slice_over(bytes, size)) != CM_OK)
        return 0;
    *taken = size;
    return 1;
}

/* The size of datagrams is fixed, so nothing is asked about paths here; and OpenSSL's own timer,
 * which it would set here, is not used. */
static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *cm_dtls_bio_method_create(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "cm_dtls_pipe");
    if (method != NULL) {
        (void)BIO_meth_set_read_ex(method, bio_read);
        (void)BIO_meth_set_write_ex(method, bio_write);
        (void)BIO_meth_set_ctrl(method, bio_control);
    }
    return method;
}

BIO *cm_dtls_bio_create(const BIO_METHOD *method, cm_dtls_pipe *pipe)
{
    BIO *bio = BIO_new(method);
    if (bio != NULL) {
        BIO_set_data(bio, pipe);
        BIO_set_init(bio, 1);
    }
    return bio;
}
