#include "base/id.h"

#include <string.h>

static bool is_id_character(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

cm_status cm_id_parse(cm_slice text, char out[CM_ID_SIZE])
{
    CM_ENSURE(text.size > 0 && text.size < CM_ID_SIZE, CM_REFUSE);
    for (size_t i = 0; i < text.size; i++)
        CM_ENSURE(is_id_character(text.bytes[i]), CM_REFUSE);
    memset(out, 0, CM_ID_SIZE);
    memcpy(out, text.bytes, text.size);
    return CM_OK;
}

cm_status cm_home_id_parse(cm_slice text, cm_home_id *out)
{
    return cm_id_parse(text, out->text);
}

cm_status cm_camera_id_parse(cm_slice text, cm_camera_id *out)
{
    return cm_id_parse(text, out->text);
}

cm_status cm_account_id_parse(cm_slice text, cm_account_id *out)
{
    return cm_id_parse(text, out->text);
}

void cm_id_make(cm_random *random, char out[CM_ID_SIZE])
{
    static const char ALPHABET[32] = "abcdefghijklmnopqrstuvwxyz234567";
    uint8_t bytes[16];
    cm_random_fill(random, bytes, sizeof bytes);
    memset(out, 0, CM_ID_SIZE);
    for (size_t i = 0; i < sizeof bytes; i++)
        out[i] = ALPHABET[bytes[i] & 31];
}

bool cm_home_id_equal(const cm_home_id *a, const cm_home_id *b)
{
    return memcmp(a->text, b->text, CM_ID_SIZE) == 0;
}

bool cm_camera_id_equal(const cm_camera_id *a, const cm_camera_id *b)
{
    return memcmp(a->text, b->text, CM_ID_SIZE) == 0;
}

bool cm_account_id_equal(const cm_account_id *a, const cm_account_id *b)
{
    return memcmp(a->text, b->text, CM_ID_SIZE) == 0;
}

bool cm_camera_key_equal(const cm_camera_key *a, const cm_camera_key *b)
{
    return cm_home_id_equal(&a->home, &b->home) && cm_camera_id_equal(&a->camera, &b->camera);
}

uint64_t cm_camera_key_hash(const cm_camera_key *key)
{
    /* FNV-1a over both ids. */
    uint64_t hash = 0xCBF29CE484222325u;
    for (size_t i = 0; i < CM_ID_SIZE; i++)
        hash = (hash ^ (uint8_t)key->home.text[i]) * 0x100000001B3u;
    for (size_t i = 0; i < CM_ID_SIZE; i++)
        hash = (hash ^ (uint8_t)key->camera.text[i]) * 0x100000001B3u;
    return hash;
}
