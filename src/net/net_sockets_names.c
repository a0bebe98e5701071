/* Names, asked of the system in the pool. */
#include <netdb.h>
#include <stdlib.h>

#include "base/writer.h"
#include "net/net_sockets_priv.h"

/* Its own memory, because getaddrinfo can't be stopped: it may outlive the lookup and the net. */
typedef struct lookup {
    cm_job job;
    cm_resolve *resolve; /* NULL once nobody waits; the loop's only */
    char host[CM_NET_NAME_SIZE];
    cm_status status; /* the job's, until it is done */
    cm_address found[CM_RESOLVE_MAX];
    size_t count;
} lookup;

static cm_status status_of(int error)
{
    return error == EAI_NONAME || error == EAI_NODATA ? CM_ABSENT : CM_RETRY;
}

static void collect(lookup *l, const struct addrinfo *list)
{
    for (const struct addrinfo *i = list; i != NULL && l->count < CM_RESOLVE_MAX; i = i->ai_next) {
        cm_sockaddr address = {.any = {.sa_family = AF_UNSPEC}};
        cm_writer w = cm_writer_over(&address, sizeof address);
        cm_write_slice(&w, cm_slice_over(i->ai_addr, i->ai_addrlen));
        if (!w.failed && cm_sockaddr_to(&address, &l->found[l->count]))
            l->found[l->count++].port = 0;
    }
    l->status = l->count > 0 ? CM_OK : CM_ABSENT;
}

static void ask_system(cm_job *job)
{
    lookup *l = CM_HOLDER(job, lookup, job);
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    const int error = getaddrinfo(l->host, NULL, &hints, &list);
    if (error != 0) {
        l->status = status_of(error);
        return;
    }
    collect(l, list);
    freeaddrinfo(list);
}

static void answer(cm_job *job)
{
    lookup *l = CM_HOLDER(job, lookup, job);
    if (l->resolve != NULL) {
        cm_resolve *resolve = l->resolve;
        resolve->lookup = NULL;
        cm_resolve_answer(resolve, l->status, l->found, l->count);
    }
    free(l);
}

cm_status cm_sockets_look_up(cm_resolve *resolve, const char *host)
{
    lookup *l = calloc(1, sizeof *l);
    CM_ENSURE(l != NULL, CM_BROKEN);
    *l = (lookup){.job = {.work = ask_system, .done = answer}, .resolve = resolve};
    cm_writer w = cm_writer_over(l->host, sizeof l->host);
    cm_write_text(&w, host);
    cm_write_u8(&w, 0);
    const cm_status status = cm_loop_submit(resolve->net->loop, &l->job);
    if (status != CM_OK) {
        free(l);
        return status;
    }
    resolve->lookup = l;
    return CM_OK;
}

void cm_sockets_look_up_forget(cm_resolve *resolve)
{
    lookup *l = resolve->lookup;
    l->resolve = NULL;
}
