/*
 * rtc: WebRTC transport. An endpoint is the ports of one loop, shared by all its sessions: UDP, and
 * if wanted TCP for those whom a firewall keeps from it. A session is one peer (a viewer's browser,
 * or one that publishes): ICE, DTLS and SRTP with both components on one pair (RFC 8843, RFC 5761).
 * What the RTP says is egress/webrtc's and ingest's; what was offered and answered is the API's.
 *
 * We are a lite agent (RFC 8445, 2.5): we answer checks. Behind a NAT that nobody forwards a port
 * through, with a STUN or TURN server's help, a session can be a full one: cm_rtc_session_check().
 *
 * A session is found by our random ufrag in
 * the check; only then, and only if its MESSAGE-INTEGRITY fits our random password, is the address
 * it came from remembered, as proven. DTLS and SRTP are taken from proven addresses of their own
 * session alone. A stranger gets no byte back and costs no memory; on TCP a bounded number of them
 * has a connection, for 10 s.
 *
 * Owner: one loop, all on its thread. The endpoint is destroyed after its sessions.
 */
#pragma once

#include "net/dtls.h"
#include "net/ice.h"
#include "net/net.h"
#include "net/turn.h"

enum {
    CM_RTC_ADDRESSES_MAX = 8,
    CM_RTC_CANDIDATES_MAX = 32,
    /* Of RTP before it is protected: with the tag, and TURN's ChannelData around it, what IPv6's
     * 1,280 bytes have room for. */
    CM_RTC_PACKET_MAX = 1212,
    CM_RTC_RTCP_MAX = CM_RTC_PACKET_MAX + CM_SRTP_RTP_OVERHEAD - CM_SRTP_RTCP_OVERHEAD,
};

/* Why a session ended. */
typedef enum cm_rtc_cause {
    CM_RTC_ABSENT,    /* no check of the peer's in 30 s: it cannot reach us */
    CM_RTC_LATE,      /* it reached us, but was not connected in 30 s */
    CM_RTC_FOREIGN,   /* its certificate is not the one that its SDP announced */
    CM_RTC_HANDSHAKE, /* DTLS failed otherwise */
    CM_RTC_CONSENT,   /* no check for 30 s (RFC 7675): it is gone */
    CM_RTC_GOODBYE,   /* it closed the connection */
    CM_RTC_BROKEN,    /* this machine */
    CM_RTC_CAUSES,
} cm_rtc_cause;
const char *cm_rtc_cause_name(cm_rtc_cause cause);

/* ---- endpoint ---- */

typedef struct cm_rtc_endpoint cm_rtc_endpoint;

/* One that helps peers to find us. Its name is looked up, and the address found is used as it is;
 * when it falls silent the name is looked up again. */
typedef struct cm_rtc_server {
    cm_slice host; /* name or address; empty: there is none. Borrowed for life, as all here */
    uint16_t port;
} cm_rtc_server;

typedef struct cm_rtc_endpoint_config {
    cm_net *net;
    const cm_dtls_identity *identity; /* borrowed for life */
    /* A UDP port for each. Port 0: any free one. 0.0.0.0 and :: are one port on all addresses of
     * that family, also those that come later. */
    const cm_address *addresses;
    size_t address_count; /* 1 to CM_RTC_ADDRESSES_MAX */
    /* How the peers may see those: the public side of a forwarded port. Told beside the local ones.
     * Port 0: the port of the first local address of the same family. */
    const cm_address *announced;
    size_t announced_count; /* at most CM_RTC_ADDRESSES_MAX */
    size_t sessions_max;    /* 0: 1,024 */
    bool takes_tcp;         /* listens on the same ports for ICE over TCP too */
    /* With either of these its sessions may be full agents. */
    cm_rtc_server stun;
    cm_rtc_server turn;
    cm_slice turn_username;
    cm_slice turn_password;
} cm_rtc_endpoint_config;

/* CM_REFUSE: an address is in use or not ours, or TURN's user or password is none. CM_BROKEN. */
cm_status cm_rtc_endpoint_create(const cm_rtc_endpoint_config *config, cm_rtc_endpoint **out);
/* After its sessions, and not inside one of their events. NULL is fine. */
void cm_rtc_endpoint_destroy(cm_rtc_endpoint *endpoint);

typedef enum cm_rtc_candidate_type {
    CM_RTC_HOST,
    CM_RTC_REFLEXIVE, /* as a STUN or TURN server sees us */
    CM_RTC_RELAYED,   /* of the TURN server's */
} cm_rtc_candidate_type;

/* For a=candidate: component 1 (the other one is muxed into it). */
typedef struct cm_rtc_candidate {
    cm_rtc_candidate_type type;
    cm_address address;
    cm_address related; /* raddr, rport; of hosts none */
    uint32_t priority;
    unsigned foundation;
    bool is_tcp; /* "tcp" and "tcptype passive" */
} cm_rtc_candidate;

/* Highest priority first; returns how many. A port on all addresses is told as those that this
 * machine has now (loopback if it has none): ask for each session. */
size_t cm_rtc_endpoint_candidates(const cm_rtc_endpoint *endpoint,
                                  cm_rtc_candidate out[CM_RTC_CANDIDATES_MAX]);
/* For a=fingerprint: "AB:CD:…", of SHA-256. */
const char *cm_rtc_endpoint_fingerprint(const cm_rtc_endpoint *endpoint);

/* Its sessions may be full agents. */
bool cm_rtc_endpoint_may_check(const cm_rtc_endpoint *endpoint);

/* Since the start of the endpoint, but for `sessions`. */
typedef struct cm_rtc_counters {
    size_t sessions; /* that exist */
    uint64_t sessions_created;
    uint64_t sessions_refused; /* CM_FULL */
    uint64_t sessions_connected;
    uint64_t sessions_ended[CM_RTC_CAUSES]; /* by themselves, not by cm_rtc_session_destroy */

    uint64_t checks;           /* answered with success */
    uint64_t checks_refused;   /* authentic, answered with an error */
    uint64_t checks_unknown;   /* not one of our ufrags; so for all below: not answered */
    uint64_t checks_forged;    /* MESSAGE-INTEGRITY is wrong or missing */
    uint64_t checks_excessive; /* more than a session may send */
    uint64_t checks_taken;     /* authentic, but another session lives at that address */
    uint64_t checks_sent;      /* by full agents, as the next two */
    uint64_t checks_succeeded;
    uint64_t candidates_refused; /* addresses of a peer's that may not be checked, or too many */
    uint64_t paths_moved;        /* a nomination after the first */

    uint64_t connections;  /* TCP, accepted */
    uint64_t datagrams_in; /* and frames on TCP */
    uint64_t bytes_in;
    uint64_t malformed;   /* no STUN request, DTLS, RTP or RTCP by its first bytes, or too large */
    uint64_t strangers;   /* DTLS or SRTP from an address that is not proven */
    uint64_t srtp_early;  /* before there were keys */
    uint64_t srtp_forged; /* the tag does not fit */
    uint64_t srtp_replayed;  /* came before, or too late */
    uint64_t srtp_malformed; /* or one SSRC too many */
    uint64_t packets_in;     /* RTP and RTCP handed to their owners */

    uint64_t packets_out;     /* RTP and RTCP protected for sending */
    uint64_t bytes_out;       /* of those */
    uint64_t datagrams_out;   /* what they went to the kernel as: of up to 16 packets each */
    uint64_t flushes;         /* and in how many batches */
    uint64_t packets_dropped; /* the kernel was full */
    uint64_t packets_refused; /* SRTP would not protect them */
    cm_dtls_counters dtls;
    cm_turn_counters turn;
} cm_rtc_counters;
const cm_rtc_counters *cm_rtc_endpoint_counters(const cm_rtc_endpoint *endpoint);

/* ---- session ---- */

typedef struct cm_rtc_session cm_rtc_session;

/* On the loop, never inside a call of the owner's. Each may destroy this session or others. */
typedef struct cm_rtc_events {
    /* Once: the keys are there, and the peer has nominated a pair. From here on we may send. */
    void (*on_connected)(void *owner);
    /* A packet in the clear, borrowed for the call: authentic, but otherwise as the peer made it.
     * May come before on_connected, once there are keys. */
    void (*on_rtp)(void *owner, cm_slice packet);
    void (*on_rtcp)(void *owner, cm_slice compound);
    /* Once, and the last: the session has ended by itself and only waits to be destroyed. */
    void (*on_closed)(void *owner, cm_rtc_cause cause);
    /* A connected peer goes on at another address, or at another of ours: what was sent lately may
     * have gone where it is no longer. May be NULL. */
    void (*on_moved)(void *owner);
} cm_rtc_events;

typedef struct cm_rtc_session_config {
    cm_slice remote_ufrag; /* of the peer's SDP; copied, as all here. Its ice-pwd is not needed */
    const cm_fingerprint *fingerprints; /* the same */
    size_t fingerprint_count;           /* 1 to CM_DTLS_FINGERPRINTS_MAX */
    const cm_rtc_events *events;        /* must stay */
    void *owner;
} cm_rtc_session_config;

/* The 30 s to connect begin. CM_FULL: sessions_max. CM_REFUSE: ufrag or fingerprints are none.
 * CM_BROKEN. */
cm_status cm_rtc_session_create(cm_rtc_endpoint *endpoint, const cm_rtc_session_config *config,
                                cm_rtc_session **out);
/*
 * Says goodbye (close_notify) to a connected peer. What was given to send and not flushed dies with
 * it: flush first what must still arrive. At any time, also inside any event; no event comes after.
 * NULL is fine.
 */
void cm_rtc_session_destroy(cm_rtc_session *session);

/* For a=ice-ufrag and a=ice-pwd, borrowed until the next restart. */
const cm_ice_credentials *cm_rtc_session_local(const cm_rtc_session *session);

/* ICE restart: other credentials of ours, the peer's other ufrag. Keys, path and streams go on; see
 * cm_ice_restart. CM_REFUSE: no ufrag, or the session has ended; nothing has changed then. */
cm_status cm_rtc_session_restart(cm_rtc_session *session, cm_slice remote_ufrag);

/*
 * From here on it is a full agent, with checks of its own: after create, and after each restart.
 * `remote_pwd`: the peer's a=ice-pwd. A lite peer is nominated a pair by us. CM_ABSENT: the
 * endpoint has neither STUN nor TURN server; the session stays lite. CM_REFUSE: that is no
 * password.
 */
cm_status cm_rtc_session_check(cm_rtc_session *session, cm_slice remote_pwd, bool is_peer_lite);
/* For a=ice-lite. */
bool cm_rtc_session_is_lite(const cm_rtc_session *session);

/* An address of the peer's, over UDP. */
typedef struct cm_rtc_remote {
    cm_address address;
    uint32_t priority;
} cm_rtc_remote;

/*
 * Addresses to be checked. What a peer names may be anybody's: those of this machine and its
 * servers, of loopback (unless the endpoint is bound to it), link-local, multicast and reserved
 * ones and ports below 1024 are passed over, and so are those beyond the agent's bounds; counted. A
 * lite session does nothing with them.
 */
void cm_rtc_session_add_remotes(cm_rtc_session *session, const cm_rtc_remote *remotes,
                                size_t count);

cm_rtc_endpoint *cm_rtc_session_endpoint(const cm_rtc_session *session);
bool cm_rtc_session_is_connected(const cm_rtc_session *session);

typedef struct cm_rtc_figures {
    bool has_path;
    cm_address path; /* the peer's address that media goes to */
    bool is_relayed; /* by way of the TURN server */
    uint64_t packets_in;
    uint64_t bytes_in; /* RTP and RTCP, in the clear */
    uint64_t packets_out;
    uint64_t bytes_out; /* protected */
} cm_rtc_figures;
void cm_rtc_session_read_figures(const cm_rtc_session *session, cm_rtc_figures *out);

/* ---- sending ---- */

/*
 * Puts a packet together in the endpoint's arena (header, then the parts of the payload) and
 * protects it there. Packets of one session and equal size, of which the last may be shorter, leave
 * as one datagram for the kernel to cut (at most 16). It goes out with the next flush. What the
 * kernel has no room for is dropped and counted: nothing waits in our memory.
 * CM_RETRY: not connected (yet or any more). CM_REFUSE: larger than CM_RTC_PACKET_MAX, or SRTP says
 * no: it was sent before, or is no RTP.
 */
cm_status cm_rtc_session_send_rtp(cm_rtc_session *session, const uint8_t *header,
                                  size_t header_size, const cm_slice *payload, size_t parts);
/*
 * From here on, the last packets of `ssrc` may be sent once more (CM_SRTP_REMEMBERED of them): for
 * peers that ask for lost packets and have no RTX. Before the session is connected.
 */
void cm_rtc_session_remember(cm_rtc_session *session, uint32_t ssrc);
/*
 * cm_rtc_session_send_rtp for a packet that was sent before, with the same bytes. CM_ABSENT: it is
 * not remembered. CM_FOREIGN: it is another one than was sent under its number; nothing goes out.
 */
cm_status cm_rtc_session_resend_rtp(cm_rtc_session *session, const uint8_t *header,
                                    size_t header_size, const cm_slice *payload, size_t parts);
/* cm_rtc_session_send_rtp for a compound RTCP packet of at most CM_RTC_RTCP_MAX bytes. */
cm_status cm_rtc_session_send_rtcp(cm_rtc_session *session, cm_slice compound);

/* Sends what waits. Comes by itself when the arena is full, and in the turn after the one in which
 * something was put into it. */
void cm_rtc_endpoint_flush(cm_rtc_endpoint *endpoint);
