#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_SIZE = 1024 };

static atomic_int least_level = CM_LOG_INFO;

void cm_log_set_level(cm_log_level least)
{
    atomic_store_explicit(&least_level, (int)least, memory_order_relaxed);
}

static const char *level_name(cm_log_level level)
{
    static const char *const NAMES[] = {"debug", "info", "warn", "error"};
    return NAMES[level];
}

/* Bytes printed by snprintf that really are there. */
static size_t printed(int size, size_t room)
{
    if (size < 0)
        return 0;
    return (size_t)size < room ? (size_t)size : room - 1;
}

static size_t write_stamp(char *line, size_t room)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    const size_t size = strftime(line, room, "%Y-%m-%dT%H:%M:%S", &utc);
    return size + printed(snprintf(line + size, room - size, ".%03ldZ", now.tv_nsec / 1000000),
                          room - size);
}

static void write_line(cm_log_level level, const char *area, const char *home, const char *camera,
                       const char *format, va_list args)
{
    char line[LINE_SIZE];
    const size_t room = sizeof line - 1; /* for the line's end */
    size_t size = write_stamp(line, room);
    size += printed(snprintf(line + size, room - size, " %s %s ", level_name(level), area),
                    room - size);
    if (home != NULL)
        size += printed(snprintf(line + size, room - size, "home=%s ", home), room - size);
    if (camera != NULL)
        size += printed(snprintf(line + size, room - size, "camera=%s ", camera), room - size);
    size += printed(vsnprintf(line + size, room - size, format, args), room - size);
    line[size++] = '\n';
    const ssize_t written = write(STDERR_FILENO, line, size);
    (void)written; /* nowhere to complain about a log that can't be written */
}

static bool is_wanted(cm_log_level level)
{
    return (int)level >= atomic_load_explicit(&least_level, memory_order_relaxed);
}

void cm_log(cm_log_level level, const char *area, const char *format, ...)
{
    if (!is_wanted(level))
        return;
    va_list args;
    va_start(args, format);
    write_line(level, area, NULL, NULL, format, args);
    va_end(args);
}

void cm_log_camera(cm_log_level level, const char *area, const cm_camera_key *camera,
                   const char *format, ...)
{
    if (!is_wanted(level))
        return;
    va_list args;
    va_start(args, format);
    write_line(level, area, camera != NULL ? camera->home.text : NULL,
               camera != NULL ? camera->camera.text : NULL, format, args);
    va_end(args);
}

void cm_log_home(cm_log_level level, const char *area, const cm_home_id *home, const char *format,
                 ...)
{
    if (!is_wanted(level))
        return;
    va_list args;
    va_start(args, format);
    write_line(level, area, home != NULL ? home->text : NULL, NULL, format, args);
    va_end(args);
}

const char *cm_log_quote(cm_slice text, char storage[CM_LOG_QUOTE_SIZE])
{
    static const char HEX[] = "0123456789abcdef";
    size_t at = 0;
    storage[at++] = '"';
    for (size_t i = 0; i < text.size && at < CM_LOG_QUOTE_SIZE - 8; i++) {
        const uint8_t c = text.bytes[i];
        if (c == '"' || c == '\\') {
            storage[at++] = '\\';
            storage[at++] = (char)c;
        } else if (c < 0x20 || c == 0x7F) {
            storage[at++] = '\\';
            storage[at++] = 'x';
            storage[at++] = HEX[c >> 4];
            storage[at++] = HEX[c & 15];
        } else {
            storage[at++] = (char)c;
        }
    }
    storage[at++] = '"';
    storage[at] = '\0';
    return storage;
}
