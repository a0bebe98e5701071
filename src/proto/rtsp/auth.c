#include "proto/rtsp/auth.h"

#include <openssl/evp.h>
#include <stdlib.h>

#include "base/secret.h"
#include "base/text.h"
#include "proto/rtsp/auth_priv.h"
#include "proto/rtsp/token.h"

enum {
    DIGEST_SIZE_MAX = 32,
    BASIC_SIZE_MAX = CM_RTSP_BASIC_SIZE,
    NC_DIGITS = 8,
};

struct cm_rtsp_hasher {
    EVP_MD *md5;
    EVP_MD *sha256;
    EVP_MD_CTX *context;
};

/* A hash as the lower-case hex that the RFCs compute with. */
typedef struct hex_digest {
    char text[CM_HEX_SIZE(DIGEST_SIZE_MAX)];
    size_t size;
} hex_digest;

cm_status cm_rtsp_hasher_create(cm_rtsp_hasher **out)
{
    cm_rtsp_hasher *hasher = calloc(1, sizeof *hasher);
    CM_ENSURE(hasher != NULL, CM_BROKEN);
    hasher->md5 = EVP_MD_fetch(NULL, "MD5", NULL);
    hasher->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    hasher->context = EVP_MD_CTX_new();
    if (hasher->md5 == NULL || hasher->sha256 == NULL || hasher->context == NULL) {
        cm_rtsp_hasher_destroy(hasher);
        return CM_BROKEN;
    }
    *out = hasher;
    return CM_OK;
}

void cm_rtsp_hasher_destroy(cm_rtsp_hasher *hasher)
{
    if (hasher == NULL)
        return;
    EVP_MD_CTX_free(hasher->context);
    EVP_MD_free(hasher->sha256);
    EVP_MD_free(hasher->md5);
    free(hasher);
}

static cm_slice hex_text(const hex_digest *hex)
{
    return cm_slice_over(hex->text, hex->size);
}

/* The hash of the parts with a colon between each, as RFC 7616 3.4 writes them all. */
static cm_status hash_joined(cm_rtsp_hasher *hasher, cm_rtsp_auth_scheme scheme,
                             const cm_slice *parts, size_t count, hex_digest *out)
{
    const EVP_MD *md = scheme == CM_RTSP_AUTH_DIGEST_MD5 ? hasher->md5 : hasher->sha256;
    uint8_t digest[DIGEST_SIZE_MAX];
    unsigned size = 0;
    bool is_well = EVP_DigestInit_ex2(hasher->context, md, NULL) == 1;
    for (size_t i = 0; i < count && is_well; i++) {
        is_well = i == 0 || EVP_DigestUpdate(hasher->context, ":", 1) == 1;
        is_well = is_well && EVP_DigestUpdate(hasher->context, parts[i].bytes, parts[i].size) == 1;
    }
    is_well = is_well && EVP_DigestFinal_ex(hasher->context, digest, &size) == 1;
    /* The context has seen the password: reset wipes it. */
    CM_ENSURE(EVP_MD_CTX_reset(hasher->context) == 1 && is_well, CM_BROKEN);
    out->size = 2 * (size_t)size;
    const cm_status status =
        cm_text_to_hex(cm_slice_over(digest, size), out->text, sizeof out->text);
    cm_secret_wipe(digest, sizeof digest);
    return status;
}

/* The eight hex digits of a nonce count (RFC 7616 3.4). */
static cm_slice format_nc(uint32_t nc, uint8_t storage[NC_DIGITS + 1])
{
    cm_writer w = cm_writer_over(storage, NC_DIGITS + 1);
    cm_write_format(&w, "%08x", (unsigned)nc);
    return cm_writer_done(&w);
}

/* RFC 7616 3.4.1 to 3.4.3; without qop RFC 2069 2.1.1. `nc` is the text that was or will be sent.
 */
static cm_status compute_response(cm_rtsp_hasher *hasher, const cm_rtsp_challenge *challenge,
                                  const cm_rtsp_credentials *credentials,
                                  const cm_rtsp_auth_request *request, cm_slice nc, hex_digest *out)
{
    hex_digest a1;
    hex_digest a2;
    const cm_slice a1_parts[] = {credentials->user, challenge->realm, credentials->password};
    const cm_slice a2_parts[] = {request->method, request->uri};
    CM_TRY(hash_joined(hasher, challenge->scheme, a1_parts, CM_COUNT(a1_parts), &a1));
    cm_status status = hash_joined(hasher, challenge->scheme, a2_parts, CM_COUNT(a2_parts), &a2);
    if (status == CM_OK && challenge->has_qop_auth) {
        const cm_slice parts[] = {hex_text(&a1),   challenge->nonce, nc,
                                  request->cnonce, CM_TEXT("auth"),  hex_text(&a2)};
        status = hash_joined(hasher, challenge->scheme, parts, CM_COUNT(parts), out);
    } else if (status == CM_OK) {
        const cm_slice parts[] = {hex_text(&a1), challenge->nonce, hex_text(&a2)};
        status = hash_joined(hasher, challenge->scheme, parts, CM_COUNT(parts), out);
    }
    cm_secret_wipe(&a1, sizeof a1); /* as good as the password, for this realm */
    return status;
}

/* --- client -------------------------------------------------------------------------------- */

/* RFC 7617 2: base64 of user ":" password. CM_FULL: too long for any camera. */
static cm_status encode_basic(const cm_rtsp_credentials *credentials,
                              char out[CM_BASE64_SIZE(BASIC_SIZE_MAX)])
{
    uint8_t plain[BASIC_SIZE_MAX];
    cm_writer w = cm_writer_over(plain, sizeof plain);
    cm_write_slice(&w, credentials->user);
    cm_write_u8(&w, ':');
    cm_write_slice(&w, credentials->password);
    cm_slice joined;
    cm_status status = cm_writer_finish(&w, &joined);
    if (status == CM_OK)
        status = cm_text_to_base64(joined, out, CM_BASE64_SIZE(BASIC_SIZE_MAX));
    cm_secret_wipe(plain, sizeof plain);
    return status;
}

static cm_status write_basic(cm_writer *w, const cm_rtsp_credentials *credentials)
{
    char text[CM_BASE64_SIZE(BASIC_SIZE_MAX)];
    CM_ENSURE(cm_slice_find(credentials->user, ':') == credentials->user.size, CM_REFUSE);
    CM_TRY(encode_basic(credentials, text));
    cm_write_text(w, "Basic ");
    cm_write_text(w, text);
    cm_secret_wipe(text, sizeof text);
    return CM_OK;
}

static cm_status write_digest(cm_writer *w, cm_rtsp_hasher *hasher,
                              const cm_rtsp_challenge *challenge,
                              const cm_rtsp_credentials *credentials,
                              const cm_rtsp_auth_request *request)
{
    uint8_t nc_storage[NC_DIGITS + 1];
    const cm_slice nc = format_nc(request->nc, nc_storage);
    hex_digest response;
    CM_TRY(compute_response(hasher, challenge, credentials, request, nc, &response));
    cm_write_text(w, "Digest ");
    cm_rtsp_auth_write_quoted(w, "username", credentials->user);
    cm_rtsp_auth_write_quoted(w, ", realm", challenge->realm);
    cm_rtsp_auth_write_quoted(w, ", nonce", challenge->nonce);
    cm_rtsp_auth_write_quoted(w, ", uri", request->uri);
    cm_rtsp_auth_write_quoted(w, ", response", hex_text(&response));
    if (challenge->has_opaque)
        cm_rtsp_auth_write_quoted(w, ", opaque", challenge->opaque);
    /* Cameras of RFC 2069's time know neither the word nor any other algorithm than MD5. */
    if (challenge->scheme == CM_RTSP_AUTH_DIGEST_SHA256)
        cm_write_text(w, ", algorithm=SHA-256");
    else if (challenge->has_qop_auth)
        cm_write_text(w, ", algorithm=MD5");
    if (challenge->has_qop_auth) {
        cm_write_text(w, ", qop=auth, nc=");
        cm_write_slice(w, nc);
        cm_rtsp_auth_write_quoted(w, ", cnonce", request->cnonce);
    }
    return CM_OK;
}

cm_status cm_rtsp_authorization_write(cm_writer *w, cm_rtsp_hasher *hasher,
                                      const cm_rtsp_challenge *challenge,
                                      const cm_rtsp_credentials *credentials,
                                      const cm_rtsp_auth_request *request)
{
    CM_ENSURE(cm_rtsp_is_clean_of(credentials->user, CM_TEXT("\"\\")), CM_REFUSE);
    CM_ENSURE(cm_rtsp_is_clean_of(request->uri, CM_TEXT("\"\\")), CM_REFUSE);
    if (challenge->scheme == CM_RTSP_AUTH_BASIC)
        CM_TRY(write_basic(w, credentials));
    else
        CM_TRY(write_digest(w, hasher, challenge, credentials, request));
    CM_ENSURE(!w->failed, CM_FULL);
    return CM_OK;
}

/* --- server -------------------------------------------------------------------------------- */

/* The parameters of a Digest answer (RFC 7616 3.4), as sent. */
typedef struct answer {
    cm_slice username;
    cm_slice realm;
    cm_slice nonce;
    cm_slice uri;
    cm_slice response;
    cm_slice opaque;
    cm_slice algorithm;
    cm_slice qop;
    cm_slice nc;
    cm_slice cnonce;
} answer;

static void read_answer_parameter(cm_slice name, cm_slice value, answer *out)
{
    const struct {
        const char *name;
        cm_slice *field;
    } fields[] = {
        {"username", &out->username},
        {"realm", &out->realm},
        {"nonce", &out->nonce},
        {"uri", &out->uri},
        {"response", &out->response},
        {"opaque", &out->opaque},
        {"algorithm", &out->algorithm},
        {"qop", &out->qop},
        {"nc", &out->nc},
        {"cnonce", &out->cnonce},
    };
    for (size_t i = 0; i < CM_COUNT(fields); i++)
        if (cm_slice_equal_nocase(name, cm_slice_of(fields[i].name)))
            *fields[i].field = value;
}

static answer read_answer(cm_slice value)
{
    answer out = {0};
    while (value.size > 0) {
        cm_slice name;
        cm_slice text;
        if (cm_rtsp_split_parameter(cm_slice_trim(cm_rtsp_cut_unquoted(&value, ',')), &name, &text))
            read_answer_parameter(name, text, &out);
    }
    return out;
}

/* `text` without "rtsp://host", or all of it. */
static cm_slice path_part(cm_slice text)
{
    cm_slice rest = text;
    if (cm_slice_cut(&rest, ':').size + 1 >= text.size || !cm_slice_starts(rest, CM_TEXT("//")))
        return text;
    rest = cm_slice_from(rest, 2);
    return cm_slice_from(rest, cm_slice_find(rest, '/'));
}

/* The same address, its path alone, or the base of it: what clients that play sign. */
static bool is_uri_of(cm_slice answered, cm_slice requested)
{
    if (answered.size == 0)
        return false;
    if (cm_slice_equal(answered, requested) || cm_slice_equal(answered, path_part(requested)))
        return true;
    return cm_slice_starts(requested, answered) &&
           (cm_slice_ends(answered, CM_TEXT("/")) || requested.bytes[answered.size] == '/');
}

/* Everything in the answer but its proof. */
static bool is_about(const answer *a, const cm_rtsp_challenge *challenge,
                     const cm_rtsp_credentials *credentials, const cm_rtsp_auth_request *request)
{
    cm_rtsp_auth_scheme scheme;
    if (cm_rtsp_auth_algorithm(a->algorithm, &scheme) != CM_OK || scheme != challenge->scheme)
        return false;
    if (challenge->has_opaque && !cm_slice_equal(a->opaque, challenge->opaque))
        return false;
    if (challenge->has_qop_auth &&
        (!cm_slice_equal_nocase(a->qop, CM_TEXT("auth")) || a->nc.size != NC_DIGITS))
        return false;
    return (challenge->has_qop_auth || a->qop.size == 0) &&
           cm_slice_equal(a->username, credentials->user) &&
           cm_slice_equal(a->realm, challenge->realm) &&
           cm_slice_equal(a->nonce, challenge->nonce) && is_uri_of(a->uri, request->uri);
}

static cm_status check_digest(cm_rtsp_hasher *hasher, const cm_rtsp_challenge *challenge,
                              const cm_rtsp_credentials *credentials,
                              const cm_rtsp_auth_request *request, cm_slice value)
{
    const answer a = read_answer(value);
    CM_ENSURE(is_about(&a, challenge, credentials, request), CM_REFUSE);
    const cm_rtsp_auth_request signed_request = {
        .method = request->method, .uri = a.uri, .cnonce = a.cnonce};
    hex_digest expected;
    CM_TRY(compute_response(hasher, challenge, credentials, &signed_request, a.nc, &expected));
    /* By value, as some write their hex in capitals. */
    uint8_t ours[DIGEST_SIZE_MAX];
    uint8_t theirs[DIGEST_SIZE_MAX];
    const size_t size = expected.size / 2;
    CM_TRY(cm_text_from_hex(hex_text(&expected), ours, size));
    CM_TRY(cm_text_from_hex(a.response, theirs, size));
    CM_ENSURE(cm_secret_equal(cm_slice_over(ours, size), cm_slice_over(theirs, size)), CM_REFUSE);
    return CM_OK;
}

cm_status cm_rtsp_basic_read(cm_slice value, uint8_t storage[CM_RTSP_BASIC_SIZE],
                             cm_rtsp_credentials *out)
{
    size_t size;
    value = cm_slice_trim(value);
    const cm_slice scheme = cm_slice_cut(&value, ' ');
    CM_ENSURE(cm_slice_equal_nocase(scheme, CM_TEXT("Basic")), CM_REFUSE);
    CM_ENSURE(cm_text_from_base64(cm_slice_trim(value), storage, CM_RTSP_BASIC_SIZE, &size) ==
                  CM_OK,
              CM_REFUSE);
    cm_slice rest = cm_slice_over(storage, size);
    CM_ENSURE(cm_slice_find(rest, ':') < rest.size, CM_REFUSE);
    out->user = cm_slice_cut(&rest, ':');
    out->password = rest;
    return CM_OK;
}

static cm_status check_basic(const cm_rtsp_credentials *credentials, cm_slice value)
{
    char expected[CM_BASE64_SIZE(BASIC_SIZE_MAX)];
    CM_TRY(encode_basic(credentials, expected));
    const bool is_right = cm_secret_equal(cm_slice_of(expected), cm_slice_trim(value));
    cm_secret_wipe(expected, sizeof expected);
    CM_ENSURE(is_right, CM_REFUSE);
    return CM_OK;
}

cm_status cm_rtsp_authorization_check(cm_rtsp_hasher *hasher, const cm_rtsp_challenge *challenge,
                                      const cm_rtsp_credentials *credentials,
                                      const cm_rtsp_auth_request *request, cm_slice value)
{
    value = cm_slice_trim(value);
    const cm_slice scheme = cm_slice_cut(&value, ' ');
    if (challenge->scheme == CM_RTSP_AUTH_BASIC) {
        CM_ENSURE(cm_slice_equal_nocase(scheme, CM_TEXT("Basic")), CM_REFUSE);
        return check_basic(credentials, value);
    }
    CM_ENSURE(cm_slice_equal_nocase(scheme, CM_TEXT("Digest")), CM_REFUSE);
    return check_digest(hasher, challenge, credentials, request, value);
}
