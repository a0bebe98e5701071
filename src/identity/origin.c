#include "identity/origin.h"

#include "base/writer.h"

/* A mark in the text, and what it is called. The first that is found counts: every browser says
 * that it is also those it was made from. */
typedef struct sign {
    const char *mark, *name;
} sign;

static const sign BROWSERS[] = {
    {"Edg/", "Edge"},
    {"EdgA/", "Edge"},
    {"EdgiOS/", "Edge"},
    {"OPR/", "Opera"},
    {"SamsungBrowser/", "Samsung Internet"},
    {"FxiOS/", "Firefox"},
    {"Firefox/", "Firefox"},
    {"CriOS/", "Chrome"},
    {"Chrome/", "Chrome"},
    {"Safari/", "Safari"},
};

static const sign SYSTEMS[] = {
    {"Android", "Android"}, {"iPhone", "iPhone"},   {"iPad", "iPad"},       {"Windows", "Windows"},
    {"CrOS", "ChromeOS"},   {"Macintosh", "macOS"}, {"Tizen", "a TV"},      {"Web0S", "a TV"},
    {"SMART-TV", "a TV"},   {"FreeBSD", "FreeBSD"}, {"OpenBSD", "OpenBSD"}, {"Linux", "Linux"},
};

static bool contains(cm_slice text, cm_slice mark)
{
    for (size_t i = 0; i + mark.size <= text.size; i++)
        if (cm_slice_equal(cm_slice_part(text, i, mark.size), mark))
            return true;
    return false;
}

static const char *name_of(cm_slice text, const sign *signs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (contains(text, cm_slice_of(signs[i].mark)))
            return signs[i].name;
    return NULL;
}

static bool is_of_a_product(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

/* The first product's name, of a program that is no browser: "curl" of "curl/7.88.1". */
static cm_slice first_product(cm_slice text)
{
    enum { PRODUCT_MAX = 32 };
    size_t size = 0;
    while (size < text.size && size < PRODUCT_MAX && is_of_a_product(text.bytes[size]))
        size++;
    return cm_slice_part(text, 0, size);
}

void cm_origin_device(cm_slice user_agent, char out[CM_DEVICE_SIZE])
{
    const cm_slice text = user_agent.size > CM_USER_AGENT_MAX
                              ? cm_slice_part(user_agent, 0, CM_USER_AGENT_MAX)
                              : user_agent;
    const char *browser = name_of(text, BROWSERS, CM_COUNT(BROWSERS));
    const char *system = name_of(text, SYSTEMS, CM_COUNT(SYSTEMS));
    cm_writer w = cm_writer_over(out, CM_DEVICE_SIZE - 1);
    if (browser != NULL)
        cm_write_text(&w, browser);
    if (browser != NULL && system != NULL)
        cm_write_text(&w, " on ");
    if (system != NULL)
        cm_write_text(&w, system);
    if (browser == NULL && system == NULL)
        cm_write_slice(&w, first_product(text));
    out[cm_writer_done(&w).size] = '\0';
}

void cm_origin_network(const cm_address *from, char out[CM_NETWORK_SIZE])
{
    cm_address shown = *from;
    for (size_t i = 8; from->is_v6 && i < sizeof shown.bytes; i++)
        shown.bytes[i] = 0;
    char text[CM_ADDRESS_TEXT_SIZE];
    cm_address_format_host(&shown, text);
    cm_writer w = cm_writer_over(out, CM_NETWORK_SIZE - 1);
    cm_write_text(&w, text);
    if (from->is_v6)
        cm_write_text(&w, "/64");
    out[cm_writer_done(&w).size] = '\0';
}

void cm_origin_make(cm_session_method method, cm_slice user_agent, const cm_address *from,
                    cm_session_origin *out)
{
    *out = (cm_session_origin){.method = method};
    cm_origin_device(user_agent, out->device);
    cm_origin_network(from, out->network);
}
