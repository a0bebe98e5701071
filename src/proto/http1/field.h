/*
 * field: one HTTP field (RFC 9110 5), of a request or a response, in any version of HTTP; and what
 * its characters may be. Pure.
 */
#pragma once

#include "base/slice.h"

/* In responses of ours the name is lower case, as HTTP/2 wants it (RFC 9113 8.2). */
typedef struct cm_http_field {
    cm_slice name;
    cm_slice value;
} cm_http_field;

/* RFC 9110 5.6.2: tchar. */
bool cm_http_is_token(cm_slice text);
/* RFC 9110 5.5: visible characters, obs-text, space and tab; neither begins nor ends with a space
 * or tab. Empty is fine. */
bool cm_http_is_field_value(cm_slice text);

/* How many fields have this name (any case); *value is the first one's if there is any. */
size_t cm_http_field_find(const cm_http_field *fields, size_t count, cm_slice name,
                          cm_slice *value);

/* Takes the next member off a comma-separated list (RFC 9110 5.6.1), trimmed. Members may be empty.
 * Commas within quoted strings don't separate. Call while list->size > 0. */
cm_slice cm_http_list_cut(cm_slice *list);
/* Does any field of this name list this token (any case)? For Connection, Transfer-Encoding. */
bool cm_http_field_lists(const cm_http_field *fields, size_t count, cm_slice name, cm_slice token);
