/*
 * A full agent of ICE on this file's time. The input is a program: each step is a byte of what
 * (wait, an address of the peer's, a check of its, what is due to be sent, an answer to something
 * sent, another role, a restart) and what goes with it.
 *
 * Whatever comes: each time that an address is named, or a check comes from there, is good for few
 * checks of ours, but for consent on the selected pair; and nothing is selected that was not
 * answered by one who knows the password, from where it was asked.
 */
#include "base/reader.h"
#include "fuzz.h"
#include "net/ice_agent.h"

enum { ADDRESSES = 40, BASES = 3, SENT = 64, STEPS_MAX = 600 };

#define PWD "a password of the peer's"

typedef struct sent {
    uint8_t transaction[CM_STUN_TRANSACTION_SIZE];
    size_t base;
    size_t address;
} sent;

typedef struct run {
    cm_ice ice;
    cm_ice_agent agent;
    cm_random random;
    cm_stun_hasher *hasher;
    cm_instant now;
    unsigned sends[BASES][ADDRESSES]; /* since the last restart, without consent */
    unsigned checks[BASES][ADDRESSES];
    unsigned named[ADDRESSES];
    bool was_answered[BASES][ADDRESSES];
    sent sent[SENT];
    size_t sent_count;
} run;

static const cm_ice_base THE_BASES[BASES] = {
    {.is_v6 = false}, {.is_v6 = true}, {.is_relayed = true}};

static cm_address address_at(size_t index)
{
    const uint8_t v4[4] = {10, 0, 0, (uint8_t)index};
    const uint8_t v6[16] = {0x20, 1, [15] = (uint8_t)index};
    return index % 4 == 3 ? cm_address_make(cm_slice_over(v6, sizeof v6), 5000)
                          : cm_address_make(cm_slice_over(v4, sizeof v4), 5000);
}

static size_t index_of(const cm_address *address)
{
    return address->bytes[address->is_v6 ? 15 : 3];
}

static void begin(run *r)
{
    CHECK(cm_ice_agent_begin(&r->agent, CM_TEXT(PWD), THE_BASES, BASES) == CM_OK);
    for (size_t i = 0; i < BASES; i++) {
        for (size_t j = 0; j < ADDRESSES; j++) {
            r->sends[i][j] = r->checks[i][j] = 0;
            r->was_answered[i][j] = false;
        }
    }
    for (size_t j = 0; j < ADDRESSES; j++)
        r->named[j] = 0;
    r->sent_count = 0;
}

static bool send_due(run *r, bool is_postponed)
{
    uint8_t bytes[CM_ICE_CHECK_MAX];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_ice_send send;
    cm_stun_message m;
    if (cm_ice_agent_next(&r->agent, r->hasher, r->now, &w, &send) != CM_OK)
        return false;
    if (is_postponed) {
        cm_ice_agent_postpone(&r->agent, &send, cm_instant_after(r->now, CM_MS(50)));
        return true;
    }
    const size_t at = index_of(&send.peer);
    CHECK(cm_stun_parse(cm_writer_done(&w), &m) == CM_OK && m.has_priority && m.has_fingerprint);
    CHECK(cm_slice_equal(cm_ice_tag_of(&m), cm_ice_agent_tag(&r->agent)));
    CHECK(THE_BASES[send.base].is_v6 == send.peer.is_v6);
    /* A pair that gave its place away and came back begins anew. Our own nomination is one more. */
    if (send.pair->state != CM_ICE_SUCCEEDED)
        CHECK(++r->sends[send.base][at] <=
              CM_ICE_SENDS_MAX * (r->named[at] + 1) + 6 * r->checks[send.base][at]);
    sent *s = &r->sent[r->sent_count++ % SENT];
    *s = (sent){.base = send.base, .address = at};
    cm_slice_copy(cm_slice_over(m.transaction, sizeof m.transaction), s->transaction,
                  sizeof s->transaction);
    return true;
}

/* Afterwards nothing is due now: else its owner would ask again and again. */
static void send_all(run *r)
{
    cm_instant due;
    cm_ice_urgency urgency;
    unsigned count = 0;
    while (send_due(r, false))
        CHECK(++count <= 2 * CM_ICE_PAIRS_MAX);
    CHECK(!cm_ice_agent_due(&r->agent, &due, &urgency) || due.us > r->now.us);
}

/* `how`, bits: an error, a wrong password, another base, another address. */
static void answer(run *r, uint8_t which, uint8_t how)
{
    static const uint16_t ERRORS[] = {487, 400, 487, 500};
    if (r->sent_count == 0)
        return;
    const sent *s = &r->sent[which % (r->sent_count < SENT ? r->sent_count : SENT)];
    uint8_t bytes[256];
    cm_writer w = cm_writer_over(bytes, sizeof bytes);
    cm_stun_message m = {.class = (how & 1) != 0 ? CM_STUN_ERROR : CM_STUN_SUCCESS,
                         .method = CM_STUN_BINDING,
                         .error = (how & 1) != 0 ? ERRORS[how >> 6] : 0};
    cm_stun_message read;
    cm_slice_copy(cm_slice_over(s->transaction, sizeof s->transaction), m.transaction,
                  sizeof m.transaction);
    const cm_slice key = (how & 2) != 0 ? CM_TEXT("another password, of others") : CM_TEXT(PWD);
    CHECK(cm_stun_write(r->hasher, &m, key, &w) == CM_OK);
    CHECK(cm_stun_parse(cm_writer_done(&w), &read) == CM_OK);
    const size_t base = (how & 4) != 0 ? (s->base + 1) % BASES : s->base;
    const size_t address = (how & 8) != 0 ? (s->address + 1) % ADDRESSES : s->address;
    const cm_ice_check arrived = {.request = &read, .from = address_at(address), .now = r->now};
    const cm_status status = cm_ice_agent_answered(&r->agent, r->hasher, base, &arrived);
    CHECK(status != CM_OK || (how & 15) == 0);
    if (status == CM_OK)
        r->was_answered[base][address] = true;
}

static void checked(run *r, uint8_t which, uint8_t how)
{
    const size_t at = which % ADDRESSES;
    const cm_stun_message request = {.has_priority = true, .priority = (uint32_t)how << 20};
    const cm_ice_check check = {.request = &request, .from = address_at(at), .now = r->now};
    const size_t base = check.from.is_v6 ? 1 : (how & 2) != 0 ? 2 : 0;
    r->checks[base][at]++;
    cm_ice_agent_checked(&r->agent, base, &check, (how & 1) != 0);
}

static void look(const run *r)
{
    size_t base;
    cm_address peer;
    cm_instant due;
    cm_ice_urgency urgency;
    if (cm_ice_agent_selected(&r->agent, &base, &peer))
        CHECK(r->was_answered[base][index_of(&peer)]);
    CHECK(cm_ice_agent_consented(&r->agent).us <= r->now.us);
    (void)cm_ice_agent_due(&r->agent, &due, &urgency);
}

static void step(run *r, cm_reader *in)
{
    const uint8_t what = cm_read_u8(in);
    const uint8_t which = cm_read_u8(in);
    const cm_address address = address_at(which % ADDRESSES);
    switch (what % 8) {
    case 0:
        r->now.us += CM_MS(20) * which;
        break;
    case 1:
        r->named[which % ADDRESSES]++;
        CM_IGNORE(cm_ice_agent_add(&r->agent, &address, (uint32_t)cm_read_u8(in) << 24, r->now),
                  "bounded");
        break;
    case 2:
        checked(r, which, cm_read_u8(in));
        break;
    case 3:
        (void)send_due(r, which == UINT8_MAX);
        break;
    case 4:
        send_all(r);
        break;
    case 5:
        answer(r, which, cm_read_u8(in));
        break;
    case 6:
        cm_ice_take_role(&r->ice, &r->random,
                         which % 2 == 0 ? CM_ICE_CONTROLLED : CM_ICE_CONTROLLING);
        cm_ice_agent_switched(&r->agent, r->now);
        break;
    default:
        if (which > 250)
            begin(r);
        break;
    }
    look(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static cm_stun_hasher *hasher;
    static run r;
    cm_reader in = cm_reader_over(cm_slice_over(data, size));
    if (hasher == NULL)
        CHECK(cm_stun_hasher_create(&hasher) == CM_OK);
    r = (run){.hasher = hasher, .random = cm_random_seeded(1), .now = {CM_SECONDS(1000)}};
    CHECK(cm_ice_init(&r.ice, &r.random, CM_TEXT("peer"), r.now) == CM_OK);
    cm_ice_agent_init(&r.agent, &r.ice, &r.random, (cm_read_u8(&in) & 1) != 0, r.now);
    begin(&r);
    for (unsigned i = 0; i < STEPS_MAX && in.rest.size > 0; i++)
        step(&r, &in);
    cm_ice_agent_deinit(&r.agent);
    cm_ice_deinit(&r.ice);
    return 0;
}
