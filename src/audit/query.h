/*
 * query: what the log says to those who may ask. Which of it somebody may see is the caller's to
 * say, by what he puts into the question: a home's entries by its home; what concerns people
 * beyond one home (sign-ins) by the accounts.
 *
 * Blocking: in the pool. Reads the segments' files, newest first, and leaves out those whose index
 * says that nothing in them can fit. Answers are what the files say: `casement audit verify` says
 * whether that is what was written.
 */
#pragma once

#include "audit/audit.h"

/* A log to be asked: of a running server, */
typedef struct cm_audit_source {
    char directory[4096];
    cm_secret key; /* of indexes; all zeros: none is read */
    bool is_live;  /* only what is durable of the active segment counts */
    uint64_t active;
    size_t active_size;
} cm_audit_source;
void cm_audit_source_of(cm_audit *audit, cm_audit_source *out);
/* or a folder, by its path. CM_REFUSE: too long. */
cm_status cm_audit_source_at(const char *directory, cm_audit_source *out);

enum { CM_AUDIT_PAGE_MAX = 500, CM_AUDIT_VIEWINGS_MAX = 1000 };

typedef struct cm_audit_query {
    cm_home_id home;               /* entries of this home; empty: the server's own */
    const cm_account_id *accounts; /* and entries of no home that are of one of these */
    size_t account_count;
    bool is_all; /* of every home: for the command line on the server's own machine */
    /* All of these that are given: */
    cm_camera_id camera;
    cm_account_id account; /* who did it, or to whom it was done */
    uint32_t groups;       /* cm_audit_group; 0: all */
    cm_wall from, to;      /* [from, to); to.us 0: no end */
    uint64_t before;       /* numbers below this one; 0: from the newest on */
    size_t limit;          /* 1 to CM_AUDIT_PAGE_MAX */
} cm_audit_query;

typedef struct cm_audit_page {
    cm_audit_entry *items; /* newest first */
    size_t count;
    bool has_more; /* ask again with `before` the last one's number */
} cm_audit_page;
void cm_audit_page_clear(cm_audit_page *page);

cm_status cm_audit_ask(const cm_audit_source *source, const cm_audit_query *query,
                       cm_audit_page *out);

/*
 * Exposure: who saw a camera within [from, to): every viewing that overlaps it, in the order of
 * their ends, those without one last. A viewing without an end was cut off by the server's end
 * (is_over, at the latest at `end`), or goes on.
 */
typedef struct cm_audit_viewing {
    cm_account_id account;
    cm_audit_path path;
    uint32_t streams;
    cm_wall begin, end; /* end.us 0: none known */
    bool is_over;
    cm_audit_cause cause; /* of the end */
    cm_audit_frames frames[CM_AUDIT_STREAMS_MAX];
    size_t frame_count;
    uint64_t entry; /* number of the entry that says so */
} cm_audit_viewing;
typedef struct cm_audit_viewings {
    cm_audit_viewing *items;
    size_t count;
    bool has_more; /* there were more than CM_AUDIT_VIEWINGS_MAX: ask for less time */
} cm_audit_viewings;
void cm_audit_viewings_clear(cm_audit_viewings *viewings);

cm_status cm_audit_exposure(const cm_audit_source *source, const cm_home_id *home,
                            const cm_camera_id *camera, cm_wall from, cm_wall to,
                            cm_audit_viewings *out);

/* The private part of an entry, if it is there still. CM_ABSENT. */
cm_status cm_audit_private_of(const cm_audit_source *source, const cm_audit_entry *entry,
                              uint8_t out[CM_AUDIT_PRIVATE_MAX], size_t *size_out);
