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
#include <openssl/provider.h>
#include <pthread.h>
#include <string.h>

#include "net/dtls_priv.h"

enum { DECODERS_MAX = 8 };

/*
 * All loaded once and kept. The algorithms are the source's and take its context, so there is no
 * place for one of ours; and each thread that shook hands leaves something in the library that
 * OpenSSL takes out when the thread ends (OPENSSL_thread_stop_ex(3)): it must still be there.
 */
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

static OSSL_LIB_CTX *library; /* with the provider that stands on `source`; NULL: OpenSSL refused */

static void load(void)
{
    load_source();
    library = source != NULL ? OSSL_LIB_CTX_new() : NULL;
    if (library != NULL && (OSSL_PROVIDER_add_builtin(library, "handshakes", begin) != 1 ||
                            OSSL_PROVIDER_load(library, "handshakes") == NULL)) {
        OSSL_LIB_CTX_free(library);
        library = NULL;
    }
}

OSSL_LIB_CTX *cm_dtls_library(void)
{
    (void)pthread_once(&once, load);
    return library;
}
