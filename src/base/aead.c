#include "base/aead.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/aead_priv.h"

/* amd64 only, where Debian has the library. */
static const cm_aead_backend_ops *const BACKENDS[] = {
#ifdef CM_HAS_IPSEC_MB
    &cm_aead_ipsec_mb,
#endif
    &cm_aead_evp,
};

static const cm_aead_backend_ops *chosen = &cm_aead_evp;
static pthread_once_t choice = PTHREAD_ONCE_INIT;

static void choose(void)
{
    const char *wish = getenv("CASEMENT_AEAD");
    if (wish != NULL && cm_slice_equal(cm_slice_of(wish), CM_TEXT("evp")))
        return;
    for (size_t i = CM_COUNT(BACKENDS); i-- > 0;)
        if (BACKENDS[i]->is_available())
            chosen = BACKENDS[i];
}

static const cm_aead_backend_ops *backend(void)
{
    pthread_once(&choice, choose);
    return chosen;
}

const char *cm_aead_backend(void)
{
    return backend()->name;
}

cm_status cm_aead_create(cm_aead **out)
{
    return backend()->create(out);
}

cm_status cm_aead_create_on(const char *name, cm_aead **out)
{
    for (size_t i = 0; i < CM_COUNT(BACKENDS); i++)
        if (cm_slice_equal(cm_slice_of(name), cm_slice_of(BACKENDS[i]->name)) &&
            BACKENDS[i]->is_available())
            return BACKENDS[i]->create(out);
    return CM_ABSENT;
}

void cm_aead_destroy(cm_aead *aead)
{
    if (aead != NULL)
        aead->ops->destroy(aead);
}

cm_status cm_aead_set_key(cm_aead *aead, const uint8_t key[CM_AEAD_KEY_SIZE])
{
    return aead->ops->set_key(aead, key);
}

cm_status cm_aead_seal(cm_aead *aead, const uint8_t nonce[CM_AEAD_NONCE_SIZE], cm_slice associated,
                       uint8_t *bytes, size_t size)
{
    return aead->ops->seal(aead, nonce, associated, bytes, size);
}

cm_status cm_aead_open(cm_aead *aead, const uint8_t nonce[CM_AEAD_NONCE_SIZE], cm_slice associated,
                       cm_slice sealed, uint8_t *out)
{
    CM_ENSURE(sealed.size >= CM_AEAD_TAG_SIZE, CM_FOREIGN);
    return aead->ops->open(aead, nonce, associated, sealed, out);
}
