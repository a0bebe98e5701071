#include "ingest/gate.h"

#include <assert.h>
#include <stdlib.h>

enum { SIMULTANEOUS_DEFAULT = 8 };

/* One a turn of the timer: whoever gets his turn may ask, give back and free as he likes. */
static void on_timer(cm_timer *timer)
{
    cm_connect_gate *gate = CM_HOLDER(timer, cm_connect_gate, timer);
    if (cm_list_is_empty(&gate->waiting) || gate->passing >= gate->simultaneous_max)
        return;
    cm_connect_ticket *first = CM_HOLDER(gate->waiting.next, cm_connect_ticket, node);
    cm_list_remove(&first->node);
    first->state = CM_TICKET_HELD;
    gate->passing++;
    cm_timer_start(&gate->timer, 0); /* for the next one */
    first->on_turn(first);
}

cm_status cm_connect_gate_create(cm_loop *loop, size_t simultaneous_max, cm_connect_gate **out)
{
    cm_connect_gate *gate = calloc(1, sizeof *gate);
    CM_ENSURE(gate != NULL, CM_BROKEN);
    gate->loop = loop;
    gate->simultaneous_max = simultaneous_max > 0 ? simultaneous_max : SIMULTANEOUS_DEFAULT;
    cm_list_init(&gate->waiting);
    cm_timer_init(&gate->timer, loop, on_timer);
    const cm_status status = cm_rtsp_hasher_create(&gate->hasher);
    if (status != CM_OK) {
        free(gate);
        return status;
    }
    *out = gate;
    return CM_OK;
}

void cm_connect_gate_destroy(cm_connect_gate *gate)
{
    if (gate == NULL)
        return;
    assert(cm_list_is_empty(&gate->waiting) && gate->passing == 0);
    cm_timer_stop(&gate->timer);
    cm_rtsp_hasher_destroy(gate->hasher);
    free(gate);
}

void cm_connect_ticket_init(cm_connect_ticket *ticket, void (*on_turn)(cm_connect_ticket *ticket))
{
    *ticket = (cm_connect_ticket){.on_turn = on_turn};
    cm_list_init(&ticket->node);
}

void cm_connect_ticket_ask(cm_connect_gate *gate, cm_connect_ticket *ticket)
{
    if (ticket->state != CM_TICKET_NONE)
        return;
    ticket->state = CM_TICKET_WAITS;
    cm_list_add_last(&gate->waiting, &ticket->node);
    cm_timer_start(&gate->timer, 0);
}

void cm_connect_ticket_give_back(cm_connect_gate *gate, cm_connect_ticket *ticket)
{
    if (ticket->state == CM_TICKET_HELD) {
        gate->passing--;
        cm_timer_start(&gate->timer, 0);
    }
    cm_list_remove(&ticket->node);
    ticket->state = CM_TICKET_NONE;
}
