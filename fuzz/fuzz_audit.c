/* A segment of the audit: whatever stands in the file, records lie inside it and in order, and an
 * entry that parses is written again as the same bytes. */
#include "fuzz.h"

#include "audit/private.h"
#include "audit/segment.h"

static void check_entry(cm_slice body)
{
    cm_audit_entry entry, again;
    uint8_t storage[CM_AUDIT_ENTRY_SIZE_MAX];
    if (cm_audit_entry_parse(body, &entry) != CM_OK)
        return;
    cm_writer w = cm_writer_over(storage, sizeof storage);
    cm_audit_entry_write(&w, &entry);
    CHECK(!w.failed);
    CHECK(cm_slice_equal(cm_writer_done(&w), body));
    CHECK(cm_audit_entry_parse(cm_writer_done(&w), &again) == CM_OK);
    CHECK(entry.frame_count <= CM_AUDIT_STREAMS_MAX);
    CHECK(cm_audit_kind_name(entry.kind) != NULL);
    touch(cm_slice_of(cm_audit_cause_name(entry.cause)));
    touch(cm_slice_of(cm_audit_path_name(entry.path)));
}

static void check_record(cm_audit_chain *chain, const cm_audit_record *record)
{
    static const uint8_t KEY[CM_AUDIT_PUBLIC_KEY_SIZE] = {9};
    touch(record->hashed);
    CHECK(record->link.size == CM_AUDIT_LINK_SIZE);
    if (record->type == CM_AUDIT_RECORD_HEAD)
        CHECK(!cm_audit_head_fits(chain, record, KEY));
    else
        check_entry(record->body);
    (void)cm_audit_chain_follow(chain, record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t KEY[CM_AUDIT_PUBLIC_KEY_SIZE] = {9};
    static const uint8_t ID[CM_AUDIT_ID_SIZE];
    const cm_slice file = cm_slice_over(data, size);
    cm_audit_header header;
    cm_audit_private slot;
    cm_audit_chain chain;
    cm_audit_record record;
    CHECK(cm_audit_header_parse(file, KEY, &header) != CM_OK);
    if (cm_audit_private_parse(cm_slice_part(file, 0, CM_AUDIT_SLOT_SIZE), &slot) == CM_OK)
        CHECK(slot.size <= CM_AUDIT_PRIVATE_MAX);
    cm_audit_chain_begin(ID, &chain);
    cm_slice rest = cm_slice_from(file, size > 0 && data[0] % 2 == 0 ? CM_AUDIT_HEADER_SIZE : 1);
    const uint8_t *at = rest.bytes;
    while (cm_audit_record_next(&rest, &record) == CM_OK) {
        CHECK(rest.bytes > at && rest.bytes <= data + size);
        at = rest.bytes;
        check_record(&chain, &record);
    }
    CHECK(rest.bytes == at);
    return 0;
}
