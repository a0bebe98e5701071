/*
 * list: an intrusive, circular, doubly linked list. The links live in the things listed; nothing is
 * allocated. A list head and a free node point at themselves. CM_HOLDER gives the thing back.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

typedef struct cm_list {
    struct cm_list *next;
    struct cm_list *prev;
} cm_list;

static inline void cm_list_init(cm_list *node)
{
    node->next = node->prev = node;
}

static inline bool cm_list_is_empty(const cm_list *list)
{
    return list->next == list;
}

static inline void cm_list_remove(cm_list *node) /* also of a node in no list */
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    cm_list_init(node);
}

static inline void cm_list_add_last(cm_list *list, cm_list *node)
{
    node->prev = list->prev;
    node->next = list;
    list->prev->next = node;
    list->prev = node;
}

static inline void cm_list_add_first(cm_list *list, cm_list *node)
{
    cm_list_add_last(list->next, node);
}

/* `node` may be removed inside; `next_node` (a second cm_list *) may not. */
#define CM_LIST_EACH(list, node, next_node)                                                        \
    for (cm_list *node = (list)->next, *next_node = node->next; node != (list);                    \
         node = next_node, next_node = node->next)
