/*
 * A library context of OpenSSL for handshakes, with few decoders.
 *
 * OpenSSL 3.0 looks at every decoder it has, dozens, for each certificate that a peer sends,
 * to read one public key: a third of what a handshake costs. So this context has one provider: the
 * default one's algorithms, handed on (provider(7), OSSL_PROVIDER_add_builtin(3)), and of its
 * decoders only those for the keys that we take from a peer (is_strong() in dtls_context.c).
 */
#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <string.h>

#include "net/dtls_priv.h"

enum { DECODERS_MAX = 8 };

/* Loaded once and kept: the algorithms are its own and take its context, so there is no place for
 * one of ours. */
static OSSL_PROVIDER *source;
static OSSL_ALGORITHM decoders[DECODERS_MAX + 1]; /* ends with one without a name */
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* "EC:id-ecPublicKey:1.2.840.10045.2.1": names of one algorithm, the plain one first. */
static bool is_of_a_peer(const OSSL_ALGORITHM *decoder)
{
    cm_slice names = cm_slice_of(decoder->algorithm_names);
    const cm_slice name = cm_slice_cut(&names, ':');
    return strstr(decoder->property_definition, "input=der") != NULL &&
           strstr(decoder->property_definition, "structure=SubjectPublicKeyInfo") != NULL &&
           (cm_slice_equal(name, CM_TEXT("EC")) || cm_slice_equal(name, CM_TEXT("RSA")));
}

static void choose_decoders(void)
{
    int is_not_cached;
    size_t count = 0;
    const OSSL_ALGORITHM *all =
        OSSL_PROVIDER_query_operation(source, OSSL_OP_DECODER, &is_not_cached);
    for (; all != NULL && all->algorithm_names != NULL && count < DECODERS_MAX; all++)
        if (is_of_a_peer(all))
            decoders[count++] = *all;
}

static void load_source(void)
{
    source = OSSL_PROVIDER_load(NULL, "default");
    if (source != NULL)
        choose_decoders();
}

static const OSSL_ALGORITHM *query(void *context, int operation, int *is_not_cached)
{
    (void)context;
    *is_not_cached = 0;
    if (operation == OSSL_OP_DECODER)
        return decoders;
    return OSSL_PROVIDER_query_operation(source, operation, is_not_cached);
}

/* Which groups there are for TLS. */
static int tell_capabilities(void *context, const char *capability, OSSL_CALLBACK *each,
                             void *argument)
{
    (void)context;
    return OSSL_PROVIDER_get_capabilities(source, capability, each, argument);
}

static const OSSL_DISPATCH FUNCTIONS[] = {
    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
    {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))tell_capabilities},
    {0, NULL},
};

static int begin(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *core,
                 const OSSL_DISPATCH **functions, void **context)
{
    (void)handle;
    (void)core;
    *functions = FUNCTIONS;
    *context = OSSL_PROVIDER_get0_provider_ctx(source);
    return 1;
}

bool cm_dtls_library_open(cm_dtls_library *library)
{
    (void)pthread_once(&once, load_source);
    *library = (cm_dtls_library){.context = source != NULL ? OSSL_LIB_CTX_new() : NULL};
    if (library->context != NULL &&
        OSSL_PROVIDER_add_builtin(library->context, "handshakes", begin) == 1)
        library->provider = OSSL_PROVIDER_load(library->context, "handshakes");
    return library->provider != NULL;
}

void cm_dtls_library_close(cm_dtls_library *library)
{
    if (library->provider != NULL)
        (void)OSSL_PROVIDER_unload(library->provider);
    OSSL_LIB_CTX_free(library->context);
}
