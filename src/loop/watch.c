#include "loop/watch.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "loop/loop_priv.h"
#include "loop/watch_priv.h"

enum { EVENTS_PER_TURN = 256, BOTH = CM_WATCH_READ | CM_WATCH_WRITE };

struct cm_watch_set {
    cm_loop *loop;
    void (*soon)(cm_loop *loop);
    int fd;
    cm_list ready;  /* cm_watch.node */
    cm_list closed; /* cm_watch.node: freed when the turn's callbacks are through */
};

struct cm_watch {
    cm_watch_set *set;
    int fd;
    void (*on_ready)(void *owner, unsigned events);
    void *owner;
    cm_list node;
    unsigned wanted;
    unsigned ready;
    bool is_edge;
    bool is_ended; /* the peer's end was seen: reading never blocks again */
    bool is_closed;
};

cm_status cm_watch_set_create(cm_loop *loop, void (*soon)(cm_loop *loop), cm_watch_set **out)
{
    cm_watch_set *set = calloc(1, sizeof *set);
    CM_ENSURE(set != NULL, CM_BROKEN);
    set->fd = epoll_create1(EPOLL_CLOEXEC);
    if (set->fd < 0) {
        free(set);
        return CM_BROKEN;
    }
    set->loop = loop;
    set->soon = soon;
    cm_list_init(&set->ready);
    cm_list_init(&set->closed);
    *out = set;
    return CM_OK;
}

static void free_closed(cm_watch_set *set)
{
    CM_LIST_EACH(&set->closed, node, next)
    free(CM_HOLDER(node, cm_watch, node));
    cm_list_init(&set->closed);
}

void cm_watch_set_destroy(cm_watch_set *set)
{
    if (set == NULL)
        return;
    free_closed(set);
    close(set->fd);
    free(set);
}

cm_status cm_watch_set_include(cm_watch_set *set, int fd)
{
    struct epoll_event event = {.events = EPOLLIN}; /* no watch: see cm_watch_set_wait */
    return epoll_ctl(set->fd, EPOLL_CTL_ADD, fd, &event) == 0 ? CM_OK : CM_BROKEN;
}

/* Puts the watch in line for the next round if what it is ready for is wanted. */
static void line_up(cm_watch *watch)
{
    if (watch->is_closed || (watch->ready & watch->wanted) == 0)
        return;
    if (cm_list_is_empty(&watch->node)) {
        cm_list_add_last(&watch->set->ready, &watch->node);
        watch->set->soon(watch->set->loop);
    }
}

static void note(cm_watch *watch, uint32_t what)
{
    if ((what & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        watch->is_ended = true;
    if ((what & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0)
        watch->ready |= CM_WATCH_READ;
    if ((what & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0)
        watch->ready |= CM_WATCH_WRITE;
    line_up(watch);
}

bool cm_watch_set_wait(cm_watch_set *set, bool may_block)
{
    struct epoll_event events[EVENTS_PER_TURN];
    bool is_other_ready = false;
    const int count = epoll_wait(set->fd, events, EVENTS_PER_TURN, may_block ? -1 : 0);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == NULL)
            is_other_ready = true;
        else
            note(events[i].data.ptr, events[i].events);
    }
    return is_other_ready;
}

void cm_watch_set_serve(cm_watch_set *set)
{
    cm_list round;
    cm_list_init(&round);
    if (!cm_list_is_empty(&set->ready)) {
        round = set->ready;
        round.next->prev = round.prev->next = &round;
        cm_list_init(&set->ready);
    }
    while (!cm_list_is_empty(&round)) {
        cm_watch *watch = CM_HOLDER(round.next, cm_watch, node);
        cm_list_remove(&watch->node);
        const unsigned events = watch->ready & watch->wanted;
        if (!watch->is_edge)
            watch->ready = 0; /* the kernel says it again */
        if (events != 0)
            watch->on_ready(watch->owner, events);
        line_up(watch);
    }
    free_closed(set);
}

/* Tells the kernel what a level-triggered watch wants; without interest it is taken out, because a
 * hang-up would be reported regardless. */
static bool tell_kernel(cm_watch *watch, unsigned before)
{
    struct epoll_event event = {.data.ptr = watch};
    event.events = (watch->wanted & CM_WATCH_READ) != 0 ? EPOLLIN | EPOLLRDHUP : 0u;
    event.events |= (watch->wanted & CM_WATCH_WRITE) != 0 ? EPOLLOUT : 0u;
    int operation = EPOLL_CTL_MOD;
    if (watch->wanted == 0)
        operation = EPOLL_CTL_DEL;
    else if (before == 0)
        operation = EPOLL_CTL_ADD;
    return epoll_ctl(watch->set->fd, operation, watch->fd, &event) == 0;
}

static cm_status create(cm_loop *loop, int fd, void (*on_ready)(void *owner, unsigned events),
                        void *owner, cm_watch **out)
{
    CM_ENSURE(loop->watches != NULL, CM_BROKEN);
    cm_watch *watch = calloc(1, sizeof *watch);
    CM_ENSURE(watch != NULL, CM_BROKEN);
    watch->set = loop->watches;
    watch->fd = fd;
    watch->on_ready = on_ready;
    watch->owner = owner;
    cm_list_init(&watch->node);
    *out = watch;
    return CM_OK;
}

cm_status cm_watch_create(cm_loop *loop, int fd, void (*on_ready)(void *owner, unsigned events),
                          void *owner, cm_watch **out)
{
    cm_watch *watch;
    CM_TRY(create(loop, fd, on_ready, owner, &watch));
    /* Asks the kernel once, so that a descriptor it can't watch is refused here and not later. */
    watch->wanted = BOTH;
    const bool may_watch = tell_kernel(watch, 0);
    watch->wanted = 0;
    if (!may_watch || !tell_kernel(watch, BOTH)) {
        free(watch);
        return CM_BROKEN;
    }
    *out = watch;
    return CM_OK;
}

cm_status cm_watch_create_edge(cm_loop *loop, int fd,
                               void (*on_ready)(void *owner, unsigned events), void *owner,
                               cm_watch **out)
{
    cm_watch *watch;
    CM_TRY(create(loop, fd, on_ready, owner, &watch));
    watch->is_edge = true;
    struct epoll_event event = {.data.ptr = watch,
                                .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
    if (epoll_ctl(loop->watches->fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        free(watch);
        return CM_BROKEN;
    }
    *out = watch;
    return CM_OK;
}

void cm_watch_want(cm_watch *watch, unsigned events)
{
    const unsigned before = watch->wanted;
    if (before == events || watch->is_closed)
        return;
    watch->wanted = events;
    if (!watch->is_edge && !tell_kernel(watch, before))
        abort(); /* it was accepted at creation: the descriptor was closed under us */
    line_up(watch);
}

void cm_watch_drained(cm_watch *watch, unsigned events)
{
    watch->ready &= ~events;
    if (watch->is_ended)
        watch->ready |= CM_WATCH_READ;
}

void cm_watch_close(cm_watch *watch)
{
    if (watch == NULL || watch->is_closed)
        return;
    watch->is_closed = true;
    /* Explicitly: a child just forked may hold the descriptor open for an instant longer. */
    if (watch->is_edge || watch->wanted != 0)
        (void)epoll_ctl(watch->set->fd, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->wanted = 0;
    cm_list_remove(&watch->node);
    cm_list_add_last(&watch->set->closed, &watch->node);
}
