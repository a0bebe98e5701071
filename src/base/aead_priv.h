/* aead_priv: what the back ends of aead.h look like to it. */
#pragma once

#include "base/aead.h"

typedef struct cm_aead_backend_ops {
    const char *name;
    bool (*is_available)(void); /* any thread; answers the same each time */
    cm_status (*create)(cm_aead **out);
    void (*destroy)(cm_aead *aead);
    cm_status (*set_key)(cm_aead *aead, const uint8_t *key);
    cm_status (*seal)(cm_aead *aead, const uint8_t *nonce, cm_slice associated, uint8_t *bytes,
                      size_t size);
    cm_status (*open)(cm_aead *aead, const uint8_t *nonce, cm_slice associated, cm_slice sealed,
                      uint8_t *out);
} cm_aead_backend_ops;

/* First member of each back end's context. */
struct cm_aead {
    const cm_aead_backend_ops *ops;
};

extern const cm_aead_backend_ops cm_aead_evp;
extern const cm_aead_backend_ops cm_aead_ipsec_mb;
