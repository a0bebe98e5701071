#include "net/stream.h"

#include <assert.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/writer.h"
#include "net/tls_priv.h"

enum {
    /* Ciphertext that the kernel did not take: a record, or a flight of the handshake with a long
     * chain. Beyond that the stream fails. */
    UNSENT_MAX = 128 * 1024,
    PARTS_MAX = 64,
};

typedef enum stream_state {
    STREAM_HANDSHAKE,
    STREAM_OPEN,
    STREAM_FAILED,
} stream_state;

struct cm_stream {
    cm_tcp *tcp;
    SSL *ssl; /* NULL: plain */
    cm_stream_scratch *scratch;
    const cm_stream_events *events;
    void *owner;
    stream_state state;
    cm_buffer unsent; /* ciphertext */
    cm_timer timer;   /* plain: on_ready in the next turn. TLS: the handshake's limit, later the
                         next on_readable for bytes that wait inside OpenSSL */
    bool is_paused;
    bool is_drained;     /* the last read left nothing inside OpenSSL */
    bool wants_writable; /* a write took less than all, or its end is still here */
    bool *is_gone;       /* set when closed inside a callback of ours */
};

/* ---- OpenSSL's side: a BIO over cm_tcp ---- */

static int bio_write(BIO *bio, const char *bytes, size_t size, size_t *taken)
{
    cm_stream *stream = BIO_get_data(bio);
    const cm_slice whole = cm_slice_over(bytes, size);
    size_t sent = 0;
    BIO_clear_retry_flags(bio);
    if (cm_stream_is_flushed(stream)) {
        const cm_status status = cm_tcp_write(stream->tcp, &whole, 1, &sent);
        if (status == CM_CLOSE)
            return 0;
        if (status != CM_OK)
            sent = 0;
    }
    if (cm_buffer_add(&stream->unsent, cm_slice_from(whole, sent)) != CM_OK)
        return 0;
    *taken = size;
    return 1;
}

static int bio_read(BIO *bio, char *out, size_t capacity, size_t *size_out)
{
    cm_stream *stream = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    const cm_status status = cm_tcp_read(stream->tcp, (uint8_t *)out, capacity, size_out);
    if (status == CM_RETRY)
        BIO_set_retry_read(bio);
    return status == CM_OK;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method(cm_tls *tls)
{
    if (tls->bio == NULL) {
        tls->bio = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "cm_tcp");
        if (tls->bio != NULL) {
            (void)BIO_meth_set_write_ex(tls->bio, bio_write);
            (void)BIO_meth_set_read_ex(tls->bio, bio_read);
            (void)BIO_meth_set_ctrl(tls->bio, bio_control);
        }
    }
    return tls->bio;
}

/* ---- life ---- */

/* Runs a callback of the owner's; false if it closed the stream, which must not be touched then. */
static bool tell(cm_stream *stream, void (*callback)(void *owner))
{
    bool is_gone = false;
    stream->is_gone = &is_gone;
    callback(stream->owner);
    if (!is_gone)
        stream->is_gone = NULL;
    return !is_gone;
}

static void tell_ready(cm_stream *stream, cm_status status)
{
    stream->state = status == CM_OK ? STREAM_OPEN : STREAM_FAILED;
    if (stream->ssl == NULL)
        cm_tcp_pause(stream->tcp, false);
    stream->events->on_ready(stream->owner, status);
}

static void go_on_with_handshake(cm_stream *stream)
{
    ERR_clear_error();
    const int result = SSL_accept(stream->ssl);
    if (result == 1) {
        cm_timer_stop(&stream->timer);
        /* What came behind the handshake may lie inside OpenSSL, where the socket can't tell. */
        cm_timer_start(&stream->timer, 0);
        tell_ready(stream, CM_OK);
    } else if (SSL_get_error(stream->ssl, result) != SSL_ERROR_WANT_READ) {
        cm_timer_stop(&stream->timer);
        tell_ready(stream, CM_CLOSE);
    }
}

static void read_more(cm_stream *stream)
{
    if (!tell(stream, stream->events->on_readable))
        return;
    if (stream->ssl != NULL && !stream->is_drained && !stream->is_paused)
        cm_timer_start(&stream->timer, 0);
}

static void on_timer(cm_timer *timer)
{
    cm_stream *stream = CM_HOLDER(timer, cm_stream, timer);
    if (stream->state == STREAM_HANDSHAKE)
        tell_ready(stream, stream->ssl != NULL ? CM_RETRY : CM_OK);
    else if (!stream->is_paused && stream->state == STREAM_OPEN)
        read_more(stream);
}

static void on_tcp_readable(void *owner)
{
    cm_stream *stream = owner;
    if (stream->state == STREAM_HANDSHAKE) {
        if (stream->ssl != NULL)
            go_on_with_handshake(stream);
    } else {
        read_more(stream);
    }
}

static void on_tcp_writable(void *owner)
{
    cm_stream *stream = owner;
    const cm_slice unsent = cm_buffer_data(&stream->unsent);
    size_t sent = 0;
    if (unsent.size > 0 && cm_tcp_write(stream->tcp, &unsent, 1, &sent) == CM_OK) {
        cm_buffer_consume(&stream->unsent, sent);
        cm_buffer_shrink(&stream->unsent);
    }
    /* After an error of the socket the bytes stay, and reading says so. */
    if (cm_stream_is_flushed(stream) && stream->wants_writable) {
        stream->wants_writable = false;
        (void)tell(stream, stream->events->on_writable);
    }
}

static const cm_tcp_events TCP_EVENTS = {
    .on_readable = on_tcp_readable,
    .on_writable = on_tcp_writable,
};

static cm_status attach_tls(cm_stream *stream, cm_tls *tls)
{
    const BIO_METHOD *method = bio_method(tls);
    CM_ENSURE(method != NULL, CM_BROKEN);
    stream->ssl = SSL_new(tls->context);
    BIO *bio = BIO_new(method);
    if (stream->ssl == NULL || bio == NULL) {
        BIO_free(bio);
        return CM_BROKEN;
    }
    BIO_set_data(bio, stream);
    BIO_set_init(bio, 1);
    SSL_set_bio(stream->ssl, bio, bio);
    SSL_set_accept_state(stream->ssl);
    return CM_OK;
}

static void release(cm_stream *stream)
{
    if (stream->is_gone != NULL)
        *stream->is_gone = true;
    cm_timer_stop(&stream->timer);
    SSL_free(stream->ssl);
    cm_buffer_deinit(&stream->unsent);
    free(stream);
}

cm_status cm_stream_accept(cm_net *net, const cm_stream_config *config, cm_stream **out)
{
    cm_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        cm_tcp_reset(config->tcp);
        return CM_BROKEN;
    }
    stream->tcp = config->tcp;
    stream->scratch = config->scratch;
    stream->events = config->events;
    stream->owner = config->owner;
    stream->is_drained = true;
    cm_buffer_init(&stream->unsent, UNSENT_MAX);
    cm_timer_init(&stream->timer, cm_net_loop(net), on_timer);
    if (config->tls != NULL && attach_tls(stream, config->tls) != CM_OK) {
        cm_tcp_reset(stream->tcp);
        release(stream);
        return CM_BROKEN;
    }
    cm_timer_start(&stream->timer, config->tls != NULL ? config->handshake_us : 0);
    cm_tcp_listen_to(stream->tcp, &TCP_EVENTS, stream);
    if (config->tls == NULL)
        cm_tcp_pause(stream->tcp, true); /* until on_ready */
    *out = stream;
    return CM_OK;
}

void cm_stream_close(cm_stream *stream)
{
    if (stream == NULL)
        return;
    ERR_clear_error();
    if (stream->ssl != NULL && stream->state == STREAM_OPEN)
        CM_IGNORE(SSL_shutdown(stream->ssl), "the peer may be gone already");
    cm_tcp_close(stream->tcp);
    release(stream);
}

void cm_stream_reset(cm_stream *stream)
{
    if (stream == NULL)
        return;
    cm_tcp_reset(stream->tcp);
    release(stream);
}

/* ---- reading ---- */

cm_status cm_stream_read(cm_stream *stream, uint8_t *out, size_t capacity, size_t *size_out)
{
    if (stream->ssl == NULL)
        return cm_tcp_read(stream->tcp, out, capacity, size_out);
    CM_ENSURE(stream->state == STREAM_OPEN, CM_CLOSE);
    ERR_clear_error();
    const int result = SSL_read_ex(stream->ssl, out, capacity, size_out);
    stream->is_drained = result != 1;
    if (result == 1)
        return CM_OK;
    const int error = SSL_get_error(stream->ssl, result);
    if (error == SSL_ERROR_WANT_READ)
        return CM_RETRY;
    if (error != SSL_ERROR_ZERO_RETURN)
        stream->state = STREAM_FAILED;
    return CM_CLOSE;
}

void cm_stream_pause(cm_stream *stream, bool is_paused)
{
    stream->is_paused = is_paused;
    cm_tcp_pause(stream->tcp, is_paused);
    if (!is_paused && stream->ssl != NULL && !stream->is_drained)
        cm_timer_start(&stream->timer, 0);
}

/* ---- writing ---- */

typedef struct cursor {
    const cm_slice *parts;
    size_t count;
    size_t offset; /* into the first */
} cursor;

static void skip(cursor *at, size_t size)
{
    while (at->count > 0 && size >= at->parts[0].size - at->offset) {
        size -= at->parts[0].size - at->offset;
        at->offset = 0;
        at->parts++;
        at->count--;
    }
    at->offset += size;
}

/* What the next record holds: as it lies when it fills one or is the last, else gathered. */
static cm_slice next_record(const cursor *at, cm_stream_scratch *scratch)
{
    const cm_slice first = cm_slice_from(at->parts[0], at->offset);
    if (first.size >= CM_STREAM_RECORD || at->count == 1)
        return cm_slice_part(first, 0, CM_STREAM_RECORD);
    cm_writer w = cm_writer_over(scratch->bytes, sizeof scratch->bytes);
    cm_write_slice(&w, first);
    for (size_t i = 1; i < at->count && w.used < w.capacity; i++)
        cm_write_slice(&w, cm_slice_part(at->parts[i], 0, w.capacity - w.used));
    return cm_writer_done(&w);
}

static cm_status write_records(cm_stream *stream, const cm_slice *parts, size_t count,
                               size_t *size_out)
{
    cursor at = {.parts = parts, .count = count};
    size_t taken = 0;
    skip(&at, 0); /* empty parts at the front */
    while (at.count > 0 && cm_stream_is_flushed(stream)) {
        const cm_slice record = next_record(&at, stream->scratch);
        size_t written = 0;
        /* Any failure is the end: nobody asks OpenSSL's queue of errors, so it need not be cleared
         * before each record. */
        if (SSL_write_ex(stream->ssl, record.bytes, record.size, &written) != 1) {
            stream->state = STREAM_FAILED;
            return CM_CLOSE;
        }
        taken += written;
        skip(&at, written);
    }
    stream->wants_writable = at.count > 0 || !cm_stream_is_flushed(stream);
    CM_ENSURE(taken > 0 || at.count == 0, CM_RETRY);
    *size_out = taken;
    return CM_OK;
}

static size_t sum_of(const cm_slice *parts, size_t count)
{
    size_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += parts[i].size;
    return sum;
}

cm_status cm_stream_write(cm_stream *stream, const cm_slice *parts, size_t count, size_t *size_out)
{
    assert(count <= PARTS_MAX);
    CM_ENSURE(stream->state == STREAM_OPEN, CM_CLOSE);
    if (stream->ssl != NULL)
        return write_records(stream, parts, count, size_out);
    const cm_status status = cm_tcp_write(stream->tcp, parts, count, size_out);
    stream->wants_writable =
        status == CM_RETRY || (status == CM_OK && *size_out < sum_of(parts, count));
    return status;
}

bool cm_stream_is_flushed(const cm_stream *stream)
{
    return cm_buffer_data(&stream->unsent).size == 0;
}

void cm_stream_limit_unsent(cm_stream *stream, size_t bytes)
{
    cm_tcp_limit_unsent(stream->tcp, bytes);
}

/* ---- what it is ---- */

bool cm_stream_is_tls(const cm_stream *stream)
{
    return stream->ssl != NULL;
}

bool cm_stream_is_h2(const cm_stream *stream)
{
    const unsigned char *name = NULL;
    unsigned size = 0;
    if (stream->ssl != NULL)
        SSL_get0_alpn_selected(stream->ssl, &name, &size);
    return cm_slice_equal(cm_slice_over(name, size), CM_TEXT("h2"));
}

cm_address cm_stream_peer(const cm_stream *stream)
{
    return cm_tcp_peer(stream->tcp);
}
