/*
 * AES-128-GCM on intel-ipsec-mb, loaded at run time so that the same binary runs where it is
 * missing. The library picks the widest vector instructions of the processor.
 */
#include "base/aead_priv.h"

#include <dlfcn.h>
#include <intel-ipsec-mb.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/secret.h"

typedef struct mb_aead {
    cm_aead base;
    _Alignas(64) struct gcm_key_data key; /* the library stores it with aligned moves */
} mb_aead;

static struct {
    IMB_MGR *(*alloc)(uint64_t flags);
    void (*init)(IMB_MGR *manager, IMB_ARCH *arch);
    /* One for the process, set up once and only read afterwards: of GCM's direct calls it holds the
     * functions and nothing else. */
    IMB_MGR *manager;
} library;
static pthread_once_t loading = PTHREAD_ONCE_INIT;

/* ISO C has no cast from an object pointer to a function pointer; POSIX promises that the bits are
 * the same. */
static void symbol(void *handle, const char *name, void *function_pointer)
{
    *(void **)function_pointer = dlsym(handle, name);
}

static void load(void)
{
    void *handle = dlopen("libIPSec_MB.so.1", RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return;
    symbol(handle, "alloc_mb_mgr", &library.alloc);
    symbol(handle, "init_mb_mgr_auto", &library.init);
    if (library.alloc == NULL || library.init == NULL)
        return;
    library.manager = library.alloc(0);
    if (library.manager != NULL)
        library.init(library.manager, NULL);
}

static bool is_available(void)
{
    pthread_once(&loading, load);
    return library.manager != NULL;
}

static mb_aead *of(cm_aead *aead)
{
    return (mb_aead *)(void *)aead;
}

static void destroy(cm_aead *aead)
{
    cm_secret_wipe(&of(aead)->key, sizeof of(aead)->key);
    free(aead);
}

static cm_status create(cm_aead **out)
{
    enum { ALIGNMENT = 64 };
    const size_t size = (sizeof(mb_aead) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    mb_aead *a = aligned_alloc(ALIGNMENT, size);
    CM_ENSURE(a != NULL, CM_BROKEN);
    *a = (mb_aead){.base.ops = &cm_aead_ipsec_mb};
    *out = &a->base;
    return CM_OK;
}

static cm_status set_key(cm_aead *aead, const uint8_t *key)
{
    IMB_AES128_GCM_PRE(library.manager, key, &of(aead)->key);
    return CM_OK;
}

static cm_status seal(cm_aead *aead, const uint8_t *nonce, cm_slice associated, uint8_t *bytes,
                      size_t size)
{
    struct gcm_context_data context;
    IMB_AES128_GCM_ENC(library.manager, &of(aead)->key, &context, bytes, bytes, size, nonce,
                       associated.bytes, associated.size, bytes + size, CM_AEAD_TAG_SIZE);
    return CM_OK;
}

static cm_status open_sealed(cm_aead *aead, const uint8_t *nonce, cm_slice associated,
                             cm_slice sealed, uint8_t *out)
{
    const cm_slice body = cm_slice_part(sealed, 0, sealed.size - CM_AEAD_TAG_SIZE);
    struct gcm_context_data context;
    uint8_t tag[CM_AEAD_TAG_SIZE];
    IMB_AES128_GCM_DEC(library.manager, &of(aead)->key, &context, out, body.bytes, body.size, nonce,
                       associated.bytes, associated.size, tag, sizeof tag);
    if (cm_secret_equal(cm_slice_over(tag, sizeof tag), cm_slice_from(sealed, body.size)))
        return CM_OK;
    cm_secret_wipe(out, body.size);
    return CM_FOREIGN;
}

const cm_aead_backend_ops cm_aead_ipsec_mb = {
    .name = "ipsec-mb",
    .is_available = is_available,
    .create = create,
    .destroy = destroy,
    .set_key = set_key,
    .seal = seal,
    .open = open_sealed,
};
