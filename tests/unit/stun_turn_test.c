/* proto/stun as TURN uses it: long-term credentials, its attributes, ChannelData. */
#include "unit.h"

#include "base/writer.h"
#include "proto/stun/channel.h"
#include "proto/stun/stun_priv.h"

#define OVER(array) cm_slice_over((array), sizeof(array))

/* RFC 5769 2.4: its user's name is six katakana, its password "TheMatrIX". */
static const uint8_t REQUEST[] = {
    0x00, 0x01, 0x00, 0x60, 0x21, 0x12, 0xa4, 0x42, 0x78, 0xad, 0x34, 0x33, 0xc6, 0xad, 0x72,
    0xc0, 0x29, 0xda, 0x41, 0x2e, 0x00, 0x06, 0x00, 0x12, 0xe3, 0x83, 0x9e, 0xe3, 0x83, 0x88,
    0xe3, 0x83, 0xaa, 0xe3, 0x83, 0x83, 0xe3, 0x82, 0xaf, 0xe3, 0x82, 0xb9, 0x00, 0x00, 0x00,
    0x15, 0x00, 0x1c, 0x66, 0x2f, 0x2f, 0x34, 0x39, 0x39, 0x6b, 0x39, 0x35, 0x34, 0x64, 0x36,
    0x4f, 0x4c, 0x33, 0x34, 0x6f, 0x4c, 0x39, 0x46, 0x53, 0x54, 0x76, 0x79, 0x36, 0x34, 0x73,
    0x41, 0x00, 0x14, 0x00, 0x0b, 0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2e, 0x6f, 0x72,
    0x67, 0x00, 0x00, 0x08, 0x00, 0x14, 0xf6, 0x70, 0x24, 0x65, 0x6d, 0xd6, 0x4a, 0x3e, 0x02,
    0xb8, 0xe0, 0x71, 0x2e, 0x85, 0xc9, 0xa2, 0x8c, 0xa8, 0x96, 0x66};

static const uint8_t HEAD[] = {0x00, 0x03, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42, 1,  2,
                               3,    4,    5,    6,    7,    8,    9,    10,   11, 12};

static cm_stun_hasher *hasher;

static int open_hasher(void **state)
{
    (void)state;
    return cm_stun_hasher_create(&hasher) == CM_OK ? 0 : -1;
}

static int close_hasher(void **state)
{
    (void)state;
    cm_stun_hasher_destroy(hasher);
    return 0;
}

/* ---- long-term credentials ---- */

/* RFC 8489, 9.2.2 */
static void the_request_of_the_rfc_is_proven_by_the_long_term_key(void **state)
{
    (void)state;
    uint8_t key[CM_STUN_KEY_SIZE];
    cm_stun_message m;
    assert_int_equal(cm_stun_parse(OVER(REQUEST), &m), CM_OK);
    assert_text(m.realm, "example.org");
    assert_text(m.nonce, "f//499k954d6OL34oL9FSTvy64sA");
    assert_int_equal(m.unknown.count, 0);
    assert_int_equal(cm_stun_long_term_key(m.username, m.realm, CM_TEXT("TheMatrIX"), key), CM_OK);
    assert_int_equal(cm_stun_check_integrity(hasher, &m, OVER(key)), CM_OK);
    assert_int_equal(cm_stun_long_term_key(m.username, m.realm, CM_TEXT("TheMatriX"), key), CM_OK);
    assert_int_equal(cm_stun_check_integrity(hasher, &m, OVER(key)), CM_REFUSE);
}

/* ---- attributes ---- */

/* The message of HEAD with one attribute. */
static cm_status read_one(uint16_t type, cm_slice value, cm_stun_message *out)
{
    static uint8_t bytes[1024];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_write_slice(&w, OVER(HEAD));
    cm_write_u16(&w, type);
    cm_write_u16(&w, (uint16_t)value.size);
    cm_write_slice(&w, value);
    cm_write_zeros(&w, cm_stun_padding(value.size));
    cm_write_fill_u16(&w, 2, (uint16_t)(w.used - sizeof HEAD));
    return cm_stun_parse(cm_writer_done(&w), out);
}

static cm_status status_with(uint16_t type, cm_slice value)
{
    cm_stun_message m;
    return read_one(type, value, &m);
}

/* RFC 8656 18; the numbers are the RFC's, so that they stand here once more. */
static void attributes_are_read(void **state)
{
    (void)state;
    cm_stun_message m;
    assert_int_equal(read_one(0x000C, BYTES(0x40, 0x01, 0, 0), &m), CM_OK);
    assert_int_equal(m.method, CM_STUN_ALLOCATE);
    assert_int_equal(m.channel, 0x4001);
    assert_int_equal(read_one(0x000D, BYTES(0, 0, 2, 88), &m), CM_OK);
    assert_true(m.has_lifetime && m.lifetime_s == 600);
    assert_int_equal(read_one(0x0012, BYTES(0, 1, 0x21, 0x12, 0x21, 0x12, 0xa4, 0x43), &m), CM_OK);
    assert_true(m.peer.size == 4 && m.peer.port == 0 && m.peer.bytes[3] == 1);
    assert_int_equal(read_one(0x0016, BYTES(0, 1, 0x21, 0x12, 0x21, 0x12, 0xa4, 0x43), &m), CM_OK);
    assert_true(m.relayed.size == 4 && m.peer.size == 0 && m.mapped.size == 0);
    assert_int_equal(read_one(0x0019, BYTES(17, 0, 0, 0), &m), CM_OK);
    assert_int_equal(m.transport, CM_STUN_UDP);
    assert_int_equal(read_one(0x0013, BYTES(1, 2, 3), &m), CM_OK);
    assert_true(m.has_data && m.data.size == 3);
    assert_int_equal(read_one(0x0013, (cm_slice){.size = 0}, &m), CM_OK);
    assert_true(m.has_data && m.data.size == 0);
    assert_int_equal(m.unknown.count, 0);
}

static void attributes_of_a_wrong_size_are_refused(void **state)
{
    (void)state;
    static const uint8_t ZEROS[800];
    static const uint16_t OF_FOUR[] = {0x000C, 0x000D, 0x0019};
    for (size_t i = 0; i < CM_COUNT(OF_FOUR); i++) {
        assert_int_equal(status_with(OF_FOUR[i], cm_slice_over(ZEROS, 4)), CM_OK);
        assert_int_equal(status_with(OF_FOUR[i], cm_slice_over(ZEROS, 3)), CM_CLOSE);
        assert_int_equal(status_with(OF_FOUR[i], cm_slice_over(ZEROS, 5)), CM_CLOSE);
    }
    assert_int_equal(status_with(0x0012, BYTES(0, 1, 0, 0, 1, 2, 3)), CM_CLOSE);
    assert_int_equal(status_with(0x0016, BYTES(0, 2, 0, 0, 1, 2, 3, 4)), CM_CLOSE);
    assert_int_equal(status_with(0x0014, cm_slice_over(ZEROS, 762)), CM_OK);
    assert_int_equal(status_with(0x0014, cm_slice_over(ZEROS, 763)), CM_CLOSE);
    assert_int_equal(status_with(0x0015, cm_slice_over(ZEROS, 763)), CM_CLOSE);
}

static cm_stun_message full_message(void)
{
    cm_stun_message m = {.class = CM_STUN_REQUEST,
                         .method = CM_STUN_CHANNEL_BIND,
                         .username = CM_TEXT("casement"),
                         .realm = CM_TEXT("example.org"),
                         .nonce = CM_TEXT("nonce"),
                         .has_lifetime = true,
                         .lifetime_s = 600,
                         .channel = 0x4FFF,
                         .transport = CM_STUN_UDP,
                         .peer = {.bytes = {192, 0, 2, 7}, .size = 4, .port = 5000},
                         .relayed = {.bytes = {0x20, 1}, .size = 16, .port = 1},
                         .has_data = true,
                         .data = CM_TEXT("hello")};
    cm_slice_copy(cm_slice_over(HEAD + 8, 12), m.transaction, sizeof m.transaction);
    return m;
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    uint8_t bytes[512];
    const cm_stun_message m = full_message();
    cm_stun_message back;
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    assert_int_equal(cm_stun_write(hasher, &m, CM_TEXT("key"), &w), CM_OK);
    assert_int_equal(cm_stun_parse(cm_writer_done(&w), &back), CM_OK);
    assert_int_equal(cm_stun_check_integrity(hasher, &back, CM_TEXT("key")), CM_OK);
    assert_int_equal(back.method, CM_STUN_CHANNEL_BIND);
    assert_text(back.realm, "example.org");
    assert_text(back.nonce, "nonce");
    assert_true(back.has_lifetime && back.lifetime_s == 600);
    assert_int_equal(back.channel, 0x4FFF);
    assert_int_equal(back.transport, CM_STUN_UDP);
    assert_memory_equal(&back.peer, &m.peer, sizeof m.peer);
    assert_memory_equal(&back.relayed, &m.relayed, sizeof m.relayed);
    assert_text(back.data, "hello");
    for (size_t room = 0; room < w.used; room++) {
        uint8_t less[512];
        cm_writer small = cm_writer_over(less, room);
        assert_int_equal(cm_stun_write(hasher, &m, CM_TEXT("key"), &small), CM_FULL);
    }
}

/* ---- ChannelData ---- */

/* RFC 8656, 12.4 */
static void channel_data_is_read(void **state)
{
    (void)state;
    cm_stun_channel_data d;
    assert_int_equal(cm_stun_channel_parse(BYTES(0x40, 0, 0, 2, 7, 8), &d), CM_OK);
    assert_int_equal(d.channel, 0x4000);
    assert_true(d.data.size == 2 && d.data.bytes[0] == 7 && d.data.bytes[1] == 8);
    assert_int_equal(cm_stun_channel_parse(BYTES(0x4F, 0xFF, 0, 1, 7, 0, 0, 0), &d), CM_OK);
    assert_int_equal(d.data.size, 1);
    assert_int_equal(cm_stun_channel_parse(BYTES(0x40, 0, 0, 0), &d), CM_OK);
    assert_int_equal(d.data.size, 0);
}

static void what_is_no_channel_data_is_refused(void **state)
{
    (void)state;
    cm_stun_channel_data d;
    assert_int_equal(cm_stun_channel_parse((cm_slice){.size = 0}, &d), CM_CLOSE);
    assert_int_equal(cm_stun_channel_parse(BYTES(0x40, 0, 0), &d), CM_CLOSE);
    assert_int_equal(cm_stun_channel_parse(BYTES(0x40, 0, 0, 3, 7, 8), &d), CM_CLOSE);
    assert_int_equal(cm_stun_channel_parse(BYTES(0x3F, 0xFF, 0, 1, 7), &d), CM_CLOSE);
    assert_int_equal(cm_stun_channel_parse(BYTES(0x50, 0, 0, 1, 7), &d), CM_CLOSE);
}

static void channel_data_is_written(void **state)
{
    (void)state;
    uint8_t bytes[8];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_stun_channel_write(&w, 0x4001, 258);
    assert_false(w.failed);
    assert_true(cm_slice_equal(cm_writer_done(&w), BYTES(0x40, 1, 1, 2)));
    cm_writer below = cm_writer_over(bytes, sizeof bytes);
    cm_stun_channel_write(&below, 0x3FFF, 1);
    assert_true(below.failed);
    cm_writer above = cm_writer_over(bytes, sizeof bytes);
    cm_stun_channel_write(&above, 0x5000, 1);
    assert_true(above.failed);
    cm_writer large = cm_writer_over(bytes, sizeof bytes);
    cm_stun_channel_write(&large, 0x4001, 65536);
    assert_true(large.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_of_the_rfc_is_proven_by_the_long_term_key),
        cmocka_unit_test(attributes_are_read),
        cmocka_unit_test(attributes_of_a_wrong_size_are_refused),
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(channel_data_is_read),
        cmocka_unit_test(what_is_no_channel_data_is_refused),
        cmocka_unit_test(channel_data_is_written),
    };
    return cmocka_run_group_tests_name("stun_turn", tests, open_hasher, close_hasher);
}
