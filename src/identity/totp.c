#include "identity/totp.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/reader.h"
#include "base/secret.h"
#include "base/text.h"
#include "base/writer.h"

enum { SHA1_SIZE = 20, MODULUS = 1000000 };

int64_t cm_totp_step_at(cm_wall now)
{
    return now.us / CM_SECONDS(CM_TOTP_STEP_S);
}

/* RFC 4226 section 5.4: 31 bits from where the last four bits say. */
static uint32_t truncate(const uint8_t mac[SHA1_SIZE])
{
    cm_reader r = cm_reader_over(cm_slice_over(&mac[mac[SHA1_SIZE - 1] & 0x0f], 4));
    return (cm_read_u32(&r) & 0x7fffffff) % MODULUS;
}

cm_status cm_totp_code(const cm_totp_key *key, int64_t step, uint32_t *out)
{
    uint8_t counter[8];
    cm_writer w = cm_writer_over(counter, sizeof counter);
    cm_write_u64(&w, (uint64_t)step);
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    CM_ENSURE(HMAC(EVP_sha1(), key->bytes, sizeof key->bytes, counter, sizeof counter, mac,
                   &size) != NULL &&
                  size == SHA1_SIZE,
              CM_BROKEN);
    *out = truncate(mac);
    cm_secret_wipe(mac, sizeof mac);
    return CM_OK;
}

/* Six digits, wherever spaces stand between them: apps show "123 456". */
static cm_status read_code(cm_slice text, uint32_t *out)
{
    uint32_t value = 0;
    unsigned digits = 0;
    for (size_t i = 0; i < text.size; i++) {
        const uint8_t c = text.bytes[i];
        if (c == ' ')
            continue;
        CM_ENSURE(c >= '0' && c <= '9' && digits < CM_TOTP_DIGITS, CM_REFUSE);
        value = value * 10 + (uint32_t)(c - '0');
        digits++;
    }
    CM_ENSURE(digits == CM_TOTP_DIGITS, CM_REFUSE);
    *out = value;
    return CM_OK;
}

/* Every step of the window is computed, whichever fits, so that time tells nothing. */
cm_status cm_totp_judge(const cm_totp_key *key, cm_slice code, cm_wall now, int64_t last_step,
                        int64_t *step_out)
{
    uint32_t typed;
    CM_TRY(read_code(code, &typed));
    const int64_t middle = cm_totp_step_at(now);
    int64_t found = -1;
    for (int64_t step = middle - CM_TOTP_WINDOW; step <= middle + CM_TOTP_WINDOW; step++) {
        uint32_t right;
        CM_TRY(cm_totp_code(key, step, &right));
        if (right == typed && step > last_step && step >= 0 && found < 0)
            found = step;
    }
    CM_ENSURE(found >= 0, CM_REFUSE);
    *step_out = found;
    return CM_OK;
}

/* ---- telling the key ---- */

void cm_totp_key_text(const cm_totp_key *key, char out[CM_TOTP_KEY_TEXT_SIZE])
{
    static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint32_t bits = 0;
    unsigned count = 0;
    size_t at = 0;
    /* 160 bits are 32 digits of 5, with nothing left over. */
    for (size_t i = 0; i < sizeof key->bytes; i++) {
        bits = (bits << 8 | key->bytes[i]) & 0xffff;
        for (count += 8; count >= 5; count -= 5)
            out[at++] = ALPHABET[bits >> (count - 5) & 31];
    }
    out[at] = '\0';
}

cm_status cm_totp_uri(const cm_totp_key *key, cm_slice issuer, cm_slice name,
                      char out[CM_TOTP_URI_SIZE])
{
    char text[CM_TOTP_KEY_TEXT_SIZE];
    cm_totp_key_text(key, text);
    cm_writer w = cm_writer_over(out, CM_TOTP_URI_SIZE - 1);
    cm_write_text(&w, "otpauth://totp/");
    cm_text_write_percent(&w, issuer);
    cm_write_text(&w, ":");
    cm_text_write_percent(&w, name);
    cm_write_format(&w, "?secret=%s&issuer=", text);
    cm_text_write_percent(&w, issuer);
    cm_write_format(&w, "&algorithm=SHA1&digits=%d&period=%d", CM_TOTP_DIGITS, CM_TOTP_STEP_S);
    cm_secret_wipe(text, sizeof text);
    if (w.failed)
        cm_secret_wipe(out, CM_TOTP_URI_SIZE);
    CM_ENSURE(!w.failed, CM_REFUSE);
    out[cm_writer_done(&w).size] = '\0';
    return CM_OK;
}
