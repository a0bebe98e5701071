/*
 * camera: one camera being received: an RTSP session for each of its streams, kept alive,
 * reconnected with jittered back-off, its access units cut into granules and put into the streams'
 * sources, which seal them at once.
 *
 * Its sound comes with a session that runs anyhow, whether anybody listens or not: it costs little,
 * and a session can't be given a second track later. Of two sessions that have it main's is taken.
 * It has a source of its own; a frame is laid out as media/sound.h says.
 *
 * It knows no user and no store: addresses and login are handed to it, what it learns it tells
 * through events. Whether an address may be connected to is asked of the owner for each address
 * that a name resolved to, and then exactly that address is connected to.
 *
 * Times: a frame's `captured` is the server's clock, by a drift filter; the camera's own time of
 * day is never used. Its media time is a decoding time: frames are put in the order in which they
 * are sent, and media time strictly rises, through reconnects too. Of a stream with B frames it is
 * therefore the sorted timestamps, a few frames late, while `captured` stays each picture's own.
 *
 * Life: belongs to one loop (cm_hub_loop_of its key) from create to destroy. The sources inside
 * survive reconnects and changes of address. Threads: all on its loop. Events come on its loop,
 * never inside a call. The camera may be destroyed inside on_status and on_done, not inside the
 * others.
 */
#pragma once

#include "ingest/cause.h"
#include "ingest/unit.h"
#include "media/sound.h"
#include "media/source.h"
#include "net/net.h"
#include "proto/video/sets.h"

typedef enum cm_camera_state {
    CM_CAMERA_STOPPED, /* nobody asks for it (keep on-demand) */
    CM_CAMERA_CONNECTING,
    CM_CAMERA_LIVE,
    CM_CAMERA_UNREACHABLE,
    CM_CAMERA_WRONG_PASSWORD,
    CM_CAMERA_UNSUPPORTED, /* no video, or of a codec or protocol that we do not speak */
    CM_CAMERA_OFF,         /* its pictures are brought, and nobody brings any */
} cm_camera_state;
const char *cm_camera_state_name(cm_camera_state state); /* as in docs/api.md STATE */

enum { CM_CODEC_SIZE = CM_VIDEO_CODECS_SIZE };

/* One stream as it is now. */
typedef struct cm_stream_status {
    bool is_configured;
    cm_camera_state state;
    cm_camera_cause cause;
    char detail[CM_CAMERA_DETAIL_SIZE]; /* a sentence fragment in English for logs and the details
                                           panel: printable, no secrets, may be empty */
    cm_wall since;                      /* of `state` */
    cm_wall next_try;                   /* us 0: none planned */
    char codec[CM_CODEC_SIZE];          /* "avc1.42C01F", "hvc1.1.6.L93.90"; "" until known */
    uint16_t width, height;             /* 0 until known */
    uint32_t fps_milli;                 /* measured; 0 until known */
    uint32_t bits_per_second;           /* measured over the last seconds */
    cm_wall last_frame;                 /* us 0: none yet */
    bool is_udp;
    uint64_t frames, bytes, packets_lost, reconnects, malformed; /* since create */
} cm_stream_status;

/* What is heard, as it is now. Why there is none stands in the stream's detail. */
typedef struct cm_sound_status {
    bool is_there; /* a session has it, or the last one had */
    cm_sound_codec codec;
    uint8_t channels;
    uint32_t rate;                                   /* Hz */
    cm_wall last_frame;                              /* us 0: none yet */
    uint64_t frames, bytes, packets_lost, malformed; /* since create */
} cm_sound_status;

/* Speaking to it (ingest/talk.h). */
typedef enum cm_talk_state {
    CM_TALK_IDLE, /* no session: nobody speaks */
    CM_TALK_CONNECTING,
    CM_TALK_OPEN,
    CM_TALK_FAILED, /* the newest try; the next speech tries again, after a pause */
    CM_TALK_STATES,
} cm_talk_state;
const char *cm_talk_state_name(cm_talk_state state); /* as in docs/api.md TALK */

typedef struct cm_talk_status {
    bool is_configured; /* it takes talk */
    cm_talk_state state;
    cm_camera_cause cause;              /* of CM_TALK_FAILED */
    char detail[CM_CAMERA_DETAIL_SIZE]; /* as a stream's */
    uint64_t packets;                   /* sent to it since create */
    uint64_t refused;                   /* kept from it: the lease was none for that */
} cm_talk_status;

/* The camera's: that of the main stream, or of sub while main is not wanted. */
typedef struct cm_camera_status {
    cm_camera_key key;
    cm_stream_status streams[CM_PICTURE_STREAMS];
    cm_sound_status sound;
    cm_talk_status talk;
} cm_camera_status;

/*
 * What the cameras of one loop share: one a loop. Bounds simultaneous connects (fair: first come,
 * first served), and holds the buffers that are used within one call only. Destroyed after its
 * cameras.
 */
typedef struct cm_connect_gate cm_connect_gate;
cm_status cm_connect_gate_create(cm_loop *loop, size_t simultaneous_max,
                                 cm_connect_gate **out); /* 0 means 8 */
void cm_connect_gate_destroy(cm_connect_gate *gate);

typedef struct cm_camera_login {
    const char
        *addresses[CM_PICTURE_STREAMS]; /* rtsp://host[:port]/path?query, without user info; NULL or
                                   "": no such stream */
    bool is_pushed;                     /* its pictures are brought (below); without addresses */
    bool takes_talk;                    /* it has a loudspeaker; not with is_pushed */
    const char *user;                   /* NULL or "": none */
    const char *password;               /* copied into memory that is wiped */
} cm_camera_login;

typedef struct cm_camera_events {
    /* May this home's camera be at that address? Pure and quick. */
    bool (*may_connect)(void *owner, const cm_camera_key *camera, const cm_address *address);
    /* State, cause or codec changed, or measured figures did (then at most once a second). */
    void (*on_status)(void *owner, const cm_camera_status *status);
    /* Ask grants for sealers after `epoch`. */
    void (*on_want_sealers)(void *owner, const cm_camera_key *camera, uint64_t epoch);
    /* May be NULL. A keyframe was published (a still can be made). */
    void (*on_keyframe)(void *owner, const cm_camera_key *camera, cm_stream stream);
    /* May be NULL. A frame of sound was published. */
    void (*on_sound)(void *owner, const cm_camera_key *camera);
} cm_camera_events;

typedef struct cm_camera_config {
    cm_loop *loop;
    cm_net *net;
    cm_hub *hub;
    cm_connect_gate *gate;
    cm_camera_key key;
    cm_camera_login login;
    bool keep_always; /* else a stream is connected while cm_camera_want() says so, and 10 s longer
                       */
    bool prefers_udp; /* try UDP first; falls back to TCP, and the other way round */
    const cm_camera_events *events;
    void *owner;
} cm_camera_config;

typedef struct cm_camera cm_camera;

/* CM_REFUSE: an address is no rtsp:// address (rtsps:// is none). Wants no stream unless
 * keep_always. */
cm_status cm_camera_create(const cm_camera_config *config, cm_camera **out);
/* Ends its sessions (TEARDOWN is sent, not waited for). NULL is fine. */
void cm_camera_destroy(cm_camera *camera);
/* Another address or login: connects anew. The same ones: what runs goes on, what waits after a
 * failure tries again at once. CM_REFUSE as above: the former ones stay. */
cm_status cm_camera_set_login(cm_camera *camera, const cm_camera_login *login, bool keep_always);
/* Counted: each true is matched by a false. Who wants sound wants the session that has it, or is
 * likely to: one that is wanted for its pictures before one that is not, main before sub. */
void cm_camera_want(cm_camera *camera, cm_stream stream, bool is_wanted);
/* Takes both, also on failure; of sound there are no `stills`. CM_ABSENT: no such stream. See
 * cm_source_take_sealers. */
cm_status cm_camera_take_sealers(cm_camera *camera, cm_stream stream, cm_sealer *frames,
                                 cm_sealer *stills);

const cm_camera_status *cm_camera_read_status(const cm_camera *camera);
/* Borrowed; NULL if the stream is not configured. */
cm_source *cm_camera_source(cm_camera *camera, cm_stream stream);

/* ---- pictures that are brought (login.is_pushed): a publisher, by WHIP ---- */

typedef struct cm_camera_push_counters {
    uint64_t packets_lost;
    uint64_t malformed;
} cm_camera_push_counters;

/* Who brings them, embedded in its owner: one at a time, from cm_camera_push_begin to its end. */
typedef struct cm_camera_push cm_camera_push;
struct cm_camera_push {
    cm_camera *camera; /* private; NULL: not at a camera (any more) */
    /* The camera is gone, or gets its pictures otherwise. Inside a call of the camera's owner, who
     * must not be called back; the push's owner may be freed. */
    void (*on_gone)(cm_camera_push *push);
    /* Since the begin. */
    void (*read_counters)(const cm_camera_push *push, cm_camera_push_counters *out);
};

/* The camera is connecting from here on. CM_FOREIGN: it is another than `key`. CM_ABSENT: its
 * pictures are not brought. CM_FULL: somebody else brings them. */
cm_status cm_camera_push_begin(cm_camera *camera, const cm_camera_key *key, cm_camera_push *push);
/* The next access unit, as of a session that begins: sealed and published at once. */
void cm_camera_push_unit(cm_camera_push *push, const cm_ingest_unit *unit);
/* A frame of sound, in its order. */
void cm_camera_push_sound(cm_camera_push *push, const cm_ingest_sound *sound);
/* One was left out: it goes on at the next keyframe. */
void cm_camera_push_skip(cm_camera_push *push);
/* No pictures come, though whoever brings them is there; the next one says that they do again. */
void cm_camera_push_silence(cm_camera_push *push);
/* The camera is off, by `cause` (CM_CAUSE_NONE: in good order). Nothing if it ended already. */
void cm_camera_push_end(cm_camera_push *push, cm_camera_cause cause, const char *detail);

/* ---- trying an address out ---- */

/*
 * A probe is a cm_camera that tells once: success (codec known and a keyframe published for every
 * configured stream), or the first stream's failure, or a time limit of 10 s. No reconnects, but
 * for trying the other transport once. Its on_status is not called (may be NULL). It is destroyed
 * by its owner.
 */
cm_status cm_camera_create_probe(const cm_camera_config *config,
                                 void (*on_done)(void *owner, const cm_camera_status *status),
                                 cm_camera **out);
