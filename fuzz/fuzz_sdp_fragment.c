/* Trickle fragments: a refusal names a reason; what is answered to one is read back, and each of
 * its candidates survives writing and reading. */
#include "fuzz.h"
#include "proto/sdp/fragment.h"

static void check_candidates(const cm_sdp_fragment *fragment)
{
    static uint8_t room[1 << 17];
    cm_writer w = cm_writer_over(room, sizeof room);
    const cm_sdp_answer_transport transport = {.ufrag = CM_TEXT("ours"),
                                               .pwd = CM_TEXT("0123456789012345678901"),
                                               .candidate_count = fragment->candidate_count,
                                               .candidates = fragment->candidates};
    cm_sdp_fragment_write(&w, fragment, &transport);
    cm_slice text;
    CHECK(cm_writer_finish(&w, &text) == CM_OK);
    if (text.size > CM_SDP_SIZE_MAX)
        return;
    cm_sdp_fragment back;
    cm_sdp_error error;
    CHECK(cm_sdp_fragment_parse(text, &back, &error) == CM_OK);
    CHECK(cm_slice_equal(back.mid, fragment->mid));
    CHECK(back.candidate_count == fragment->candidate_count);
    for (size_t i = 0; i < back.candidate_count; i++) {
        const cm_sdp_candidate *a = &back.candidates[i];
        const cm_sdp_candidate *b = &fragment->candidates[i];
        CHECK(cm_slice_equal(a->foundation, b->foundation) &&
              cm_slice_equal(a->address, b->address));
        CHECK(a->component == b->component && a->transport == b->transport);
        CHECK(a->priority == b->priority && a->port == b->port && a->type == b->type);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cm_sdp_fragment fragment;
    cm_sdp_error error = {0};
    if (cm_sdp_fragment_parse(cm_slice_over(data, size), &fragment, &error) != CM_OK) {
        CHECK(error.field != NULL && error.reason != NULL);
        return 0;
    }
    CHECK(fragment.candidate_count <= CM_SDP_FRAGMENT_CANDIDATE_MAX);
    CHECK((fragment.ufrag.size > 0) == (fragment.pwd.size > 0));
    (void)cm_sdp_fragment_is_restart(&fragment, CM_TEXT("abcd"));
    check_candidates(&fragment);
    return 0;
}
