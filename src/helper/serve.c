#include "helper/serve.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/aead.h"
#include "base/buffer.h"
#include "base/fault.h"
#include "helper/sandbox.h"

cm_status cm_helper_answer_make(uint64_t id, cm_status status, const cm_frame *made, cm_slice *out)
{
    const size_t size = cm_helper_answer_size(made);
    uint8_t *bytes = malloc(size);
    CM_ENSURE(bytes != NULL, CM_BROKEN);
    cm_writer w = cm_writer_over(bytes, size);
    const cm_status written = cm_helper_answer_write(&w, id, status, made);
    if (written != CM_OK) {
        free(bytes);
        return written;
    }
    *out = cm_writer_done(&w);
    return CM_OK;
}

/* ---- the socket ---- */

/* CM_ABSENT: the end came before the first byte. CM_CLOSE: later, or an error. */
static cm_status read_all(uint8_t *bytes, size_t size)
{
    size_t done = 0;
    while (done < size) {
        const ssize_t got = read(CM_SANDBOX_SOCKET, bytes + done, size - done);
        if (got < 0 && errno == EINTR)
            continue;
        CM_ENSURE(got > 0, got == 0 && done == 0 ? CM_ABSENT : CM_CLOSE);
        done += (size_t)got;
    }
    return CM_OK;
}

static cm_status write_all(cm_slice bytes)
{
    while (bytes.size > 0) {
        const ssize_t put = write(CM_SANDBOX_SOCKET, bytes.bytes, bytes.size);
        if (put < 0 && errno == EINTR)
            continue;
        CM_ENSURE(put > 0, CM_CLOSE);
        bytes = cm_slice_from(bytes, (size_t)put);
    }
    return CM_OK;
}

static cm_status read_message(cm_buffer *in, uint8_t **message, size_t *size_out)
{
    uint8_t length[CM_HELPER_LENGTH_SIZE];
    CM_TRY(read_all(length, sizeof length));
    CM_TRY(cm_helper_length_parse(cm_slice_over(length, sizeof length), CM_HELPER_JOB_HEAD,
                                  CM_HELPER_JOB_MAX, size_out));
    CM_TRY(cm_buffer_room(in, *size_out, message));
    return read_all(*message, *size_out);
}

static cm_status serve(cm_helper_do_job *do_job, void *owner)
{
    cm_buffer in;
    cm_buffer_init(&in, CM_HELPER_JOB_MAX);
    for (;;) {
        uint8_t *message = NULL;
        size_t size = 0;
        cm_slice answer;
        bool is_foreign = false;
        CM_TRY(read_message(&in, &message, &size));
        CM_TRY(do_job(owner, message, size, &answer, &is_foreign));
        const cm_status sent = write_all(answer);
        free((void *)(uintptr_t)answer.bytes);
        CM_TRY(sent);
        CM_ENSURE(!is_foreign, CM_FOREIGN);
    }
}

cm_status cm_helper_serve(size_t memory_bytes_max, cm_helper_do_job *do_job, void *owner)
{
    CM_TRY(cm_sandbox_enter(memory_bytes_max));
    const cm_status status = serve(do_job, owner);
    /* Not exit(), nor _exit(): what libraries and sanitizers do at the end is not allowed here. */
    (void)syscall(SYS_exit_group, status == CM_ABSENT    ? 0
                                  : status == CM_FOREIGN ? CM_HELPER_EXIT_FOREIGN
                                                         : 1);
    return status;
}

/* ---- before the sandbox ---- */

/* The cipher's library is loaded, and its tables are made, while that is still allowed. */
static cm_status warm_cipher(void)
{
    const uint8_t key[CM_AEAD_KEY_SIZE] = {0};
    const uint8_t nonce[CM_AEAD_NONCE_SIZE] = {0};
    uint8_t bytes[1 + CM_AEAD_TAG_SIZE] = {0};
    cm_aead *aead = NULL;
    CM_TRY(cm_aead_create(&aead));
    cm_status status = cm_aead_set_key(aead, key);
    if (status == CM_OK)
        status = cm_aead_seal(aead, nonce, (cm_slice){0}, bytes, 1);
    cm_aead_destroy(aead);
    return status;
}

#ifdef CM_FAULT_INJECTION
static cm_status read_arguments(int count, char **arguments)
{
    return count > 0 ? cm_fault_read_settings(cm_slice_of(arguments[0])) : CM_OK;
}
#else
static cm_status read_arguments(int count, char **arguments)
{
    (void)arguments;
    return count == 0 ? CM_OK : CM_REFUSE;
}
#endif

cm_status cm_helper_prepare(int count, char **arguments)
{
    CM_TRY(read_arguments(count, arguments));
    return warm_cipher();
}
