#include "proto/rtsp/auth.h"

#include "proto/rtsp/auth_priv.h"
#include "proto/rtsp/token.h"

/* A challenge while its parameters come in. */
typedef struct draft {
    cm_rtsp_challenge challenge;
    bool is_known;  // scheme, algorithm and qop are ones we can answer
    bool is_digest; // else Basic
    bool has_nonce;
} draft;

/* RFC 7616 3.3: without a word about it, MD5. */
cm_status cm_rtsp_auth_algorithm(cm_slice name, cm_rtsp_auth_scheme *out)
{
    if (name.size == 0 || cm_slice_equal_nocase(name, CM_TEXT("MD5"))) {
        *out = CM_RTSP_AUTH_DIGEST_MD5;
        return CM_OK;
    }
    CM_ENSURE(cm_slice_equal_nocase(name, CM_TEXT("SHA-256")), CM_REFUSE);
    *out = CM_RTSP_AUTH_DIGEST_SHA256;
    return CM_OK;
}

static bool offers_auth(cm_slice qops)
{
    while (qops.size > 0)
        if (cm_slice_equal_nocase(cm_slice_trim(cm_slice_cut(&qops, ',')), CM_TEXT("auth")))
            return true;
    return false;
}

static void read_parameter(draft *d, cm_slice name, cm_slice value)
{
    cm_rtsp_challenge *c = &d->challenge;
    if (cm_slice_equal_nocase(name, CM_TEXT("realm"))) {
        c->realm = value;
    } else if (cm_slice_equal_nocase(name, CM_TEXT("nonce"))) {
        c->nonce = value;
        d->has_nonce = true;
    } else if (cm_slice_equal_nocase(name, CM_TEXT("opaque"))) {
        c->opaque = value;
        c->has_opaque = true;
    } else if (cm_slice_equal_nocase(name, CM_TEXT("stale"))) {
        c->is_stale = cm_slice_equal_nocase(value, CM_TEXT("true"));
    } else if (cm_slice_equal_nocase(name, CM_TEXT("qop"))) {
        c->has_qop_auth = offers_auth(value);
        d->is_known = d->is_known && (c->has_qop_auth || value.size == 0);
    } else if (d->is_digest && cm_slice_equal_nocase(name, CM_TEXT("algorithm"))) {
        d->is_known = d->is_known && cm_rtsp_auth_algorithm(value, &c->scheme) == CM_OK;
    }
}

/* Takes the scheme off the front of a part that opens a challenge: a word that no '=' follows. */
static bool cut_scheme(cm_slice *part, cm_slice *scheme)
{
    cm_slice rest = *part;
    *scheme = cm_slice_cut(&rest, ' ');
    rest = cm_slice_trim(rest);
    if (cm_slice_find(*scheme, '=') < scheme->size || cm_slice_starts(rest, CM_TEXT("=")))
        return false;
    *part = rest;
    return true;
}

static draft begin(cm_slice scheme)
{
    draft d = {.is_digest = cm_slice_equal_nocase(scheme, CM_TEXT("Digest"))};
    d.is_known = d.is_digest || cm_slice_equal_nocase(scheme, CM_TEXT("Basic"));
    d.challenge.scheme = d.is_digest ? CM_RTSP_AUTH_DIGEST_MD5 : CM_RTSP_AUTH_BASIC;
    return d;
}

/* Keeps the draft when it can be answered and is stronger than what was found so far. */
static void consider(const draft *d, bool *has_best, cm_rtsp_challenge *best)
{
    if (!d->is_known || (d->is_digest && !d->has_nonce))
        return;
    if (*has_best && d->challenge.scheme <= best->scheme)
        return;
    *best = d->challenge;
    *has_best = true;
}

/* One WWW-Authenticate header: challenges and their parameters, all separated by commas. */
static void read_header(cm_slice value, bool *has_best, cm_rtsp_challenge *best)
{
    draft d = {0};
    while (value.size > 0) {
        cm_slice part = cm_slice_trim(cm_rtsp_cut_unquoted(&value, ','));
        cm_slice name;
        cm_slice text;
        if (part.size > 0 && cut_scheme(&part, &name)) {
            consider(&d, has_best, best);
            d = begin(name);
        }
        if (cm_rtsp_split_parameter(part, &name, &text))
            read_parameter(&d, name, text);
    }
    consider(&d, has_best, best);
}

cm_status cm_rtsp_challenge_choose(const cm_rtsp_message *response, cm_rtsp_challenge *out)
{
    bool has_best = false;
    cm_rtsp_challenge best = {0};
    for (size_t i = 0; i < response->header_count; i++) {
        const cm_rtsp_header *header = &response->headers[i];
        if (cm_slice_equal_nocase(header->name, CM_TEXT("WWW-Authenticate")))
            read_header(header->value, &has_best, &best);
    }
    CM_ENSURE(has_best, CM_ABSENT);
    *out = best;
    return CM_OK;
}

static cm_slice keep(cm_slice text, cm_writer *storage)
{
    const size_t at = storage->used;
    cm_write_slice(storage, text);
    return cm_slice_part(cm_writer_done(storage), at, text.size);
}

cm_status cm_rtsp_challenge_keep(const cm_rtsp_challenge *from, cm_writer *storage,
                                 cm_rtsp_challenge *out)
{
    cm_rtsp_challenge kept = *from;
    kept.realm = keep(from->realm, storage);
    kept.nonce = keep(from->nonce, storage);
    kept.opaque = keep(from->opaque, storage);
    CM_ENSURE(!storage->failed, CM_FULL);
    *out = kept;
    return CM_OK;
}

void cm_rtsp_auth_write_quoted(cm_writer *w, const char *name, cm_slice value)
{
    /* An escaped quote came escaped and goes out so; anything else that could end the string is
     * refused. The value must come back as itself from a parser of quoted strings. */
    bool is_escaped = false;
    for (size_t i = 0; i < value.size; i++) {
        if (value.bytes[i] == '"' && !is_escaped)
            w->failed = true;
        is_escaped = value.bytes[i] == '\\' && !is_escaped;
    }
    if (is_escaped || !cm_rtsp_is_clean(value))
        w->failed = true;
    cm_write_text(w, name);
    cm_write_text(w, "=\"");
    cm_write_slice(w, value);
    cm_write_u8(w, '"');
}

void cm_rtsp_challenge_write(cm_writer *w, const cm_rtsp_challenge *challenge)
{
    const bool is_digest = challenge->scheme != CM_RTSP_AUTH_BASIC;
    cm_write_text(w, is_digest ? "Digest " : "Basic ");
    cm_rtsp_auth_write_quoted(w, "realm", challenge->realm);
    if (!is_digest)
        return;
    cm_rtsp_auth_write_quoted(w, ", nonce", challenge->nonce);
    if (challenge->has_opaque)
        cm_rtsp_auth_write_quoted(w, ", opaque", challenge->opaque);
    cm_write_text(w, challenge->scheme == CM_RTSP_AUTH_DIGEST_SHA256 ? ", algorithm=SHA-256" : "");
    cm_write_text(w, challenge->has_qop_auth ? ", qop=\"auth\"" : "");
    cm_write_text(w, challenge->is_stale ? ", stale=true" : "");
}
