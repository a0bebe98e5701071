/*
 * rtc_watch: a viewer by WebRTC who looks at every picture (tests/tools/eye.h): a webrtc_peer whose
 * packets are put in order, asked for again where they are missing, and made into access units. For
 * programs around one poll().
 *
 * A troubled one loses packets on its own account, those that begin a picture above all, and asks
 * for a keyframe every few seconds though it needs none: what is sent once more is looked at too. A
 * slow one reads now and then only, from a small buffer that overflows meanwhile.
 */
#pragma once

#include <poll.h>

#include "ear.h"
#include "eye.h"

typedef struct rtc_watch rtc_watch;

/* None may close the watch. */
typedef struct rtc_watch_events {
    void (*on_answer)(void *owner, unsigned status); /* of HTTP */
    void (*on_packet)(void *owner);                  /* of pictures; the eye may have seen one */
    void (*on_end)(void *owner);                     /* refused, gone or failed: close it */
} rtc_watch_events;

typedef struct rtc_watch_config {
    uint16_t port;
    const char *path;
    const char *who; /* a header of the POST; NULL: none */
    eye *eye;        /* stays until the watch is closed, */
    ear *ear;        /* and so does this; NULL: no sound is asked for */
    bool is_slow;
    bool is_troubled;
    bool has_no_rtx;
    const rtc_watch_events *events;
    void *owner;
} rtc_watch_config;

/* NULL: no connection. */
rtc_watch *rtc_watch_open(const rtc_watch_config *config);
/* The eye gets nothing more from it. */
void rtc_watch_stop(rtc_watch *w);
void rtc_watch_close(rtc_watch *w); /* says goodbye; NULL is fine */
bool rtc_watch_is_over(const rtc_watch *w);
uint64_t rtc_watch_restored(const rtc_watch *w); /* packets that were missing, and came */
struct pollfd rtc_watch_wants(const rtc_watch *w, int64_t now_us, int *wait_ms);
void rtc_watch_run(rtc_watch *w, short events, int64_t now_us);

/* What one who has no business here may send from this viewer's own address. */
typedef enum rtc_forgery {
    RTC_FORGERY_RTP,    /* a tag that does not fit */
    RTC_FORGERY_RTCP,   /* likewise */
    RTC_FORGERY_REPLAY, /* one report of its own, over and over: the first is taken */
    RTC_FORGERY_RANDOM, /* bytes */
    RTC_FORGERY_HELLO,  /* DTLS: a record that looks like a ClientHello's */
    RTC_FORGERY_CHECK,  /* a binding request with a wrong MESSAGE-INTEGRITY */
    RTC_FORGERY_CUT,    /* reports of its own, each cut somewhere behind its SSRC */
    RTC_FORGERIES,
} rtc_forgery;
bool rtc_watch_forge(rtc_watch *w, rtc_forgery kind, unsigned count);
