#include "store/zones.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct entry {
    struct entry *next;
    char name[CM_ZONE_NAME_SIZE];
    cm_zone *zone;
} entry;

struct cm_zones {
    const char *directory;
    char by_default[CM_ZONE_NAME_SIZE];
    pthread_mutex_t lock;
    entry *entries;
    size_t count;
};

#define SYSTEM_DIRECTORY "/usr/share/zoneinfo"

/* A regular file of at most `capacity` bytes. */
static cm_status read_file(const char *path, uint8_t *out, size_t capacity, size_t *size_out)
{
    const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    CM_ENSURE(file >= 0, CM_ABSENT);
    struct stat info;
    size_t size = 0;
    if (fstat(file, &info) == 0 && S_ISREG(info.st_mode)) {
        for (ssize_t got = 1; got > 0 && size < capacity;) {
            got = read(file, &out[size], capacity - size);
            size += got > 0 ? (size_t)got : 0;
        }
    }
    close(file);
    *size_out = size;
    return size > 0 ? CM_OK : CM_ABSENT;
}

static cm_status load(const cm_zones *zones, const char *name, cm_zone **out)
{
    char path[PATH_MAX];
    const int size = snprintf(path, sizeof path, "%s/%s", zones->directory, name);
    CM_ENSURE(size > 0 && (size_t)size < sizeof path, CM_REFUSE);
    uint8_t *bytes = malloc(CM_ZONE_BYTES_MAX);
    CM_ENSURE(bytes != NULL, CM_BROKEN);
    size_t count;
    cm_status status = read_file(path, bytes, CM_ZONE_BYTES_MAX, &count);
    if (status == CM_OK)
        status = cm_zone_parse(cm_slice_over(bytes, count), out);
    free(bytes);
    return status;
}

static const cm_zone *find_known(const cm_zones *zones, cm_slice name)
{
    for (const entry *e = zones->entries; e != NULL; e = e->next)
        if (cm_slice_equal(cm_slice_of(e->name), name))
            return e->zone;
    return NULL;
}

static const cm_zone *add(cm_zones *zones, cm_slice name)
{
    entry *e = zones->count < CM_ZONES_MAX ? calloc(1, sizeof *e) : NULL;
    if (e == NULL || cm_slice_to_cstr(name, e->name, sizeof e->name) != CM_OK ||
        load(zones, e->name, &e->zone) != CM_OK) {
        free(e);
        return NULL;
    }
    e->next = zones->entries;
    zones->entries = e;
    zones->count++;
    return e->zone;
}

const cm_zone *cm_zones_find(cm_zones *zones, cm_slice name)
{
    if (cm_slice_equal(name, CM_TEXT("UTC")))
        return cm_zone_utc();
    if (!cm_zone_name_is_fit(name))
        return NULL;
    pthread_mutex_lock(&zones->lock);
    const cm_zone *zone = find_known(zones, name);
    if (zone == NULL)
        zone = add(zones, name);
    pthread_mutex_unlock(&zones->lock);
    return zone;
}

/* ---- the machine's own ---- */

/* The name behind ".../zoneinfo/", or all of it. */
static cm_slice name_in(cm_slice path)
{
    static const char FOLDER[] = "zoneinfo/";
    for (size_t i = 0; i < path.size; i++) {
        const cm_slice rest = cm_slice_from(path, i);
        if (cm_slice_starts(rest, cm_slice_of(FOLDER)))
            return cm_slice_from(rest, sizeof FOLDER - 1);
    }
    return path;
}

static bool take_default(cm_zones *zones, cm_slice name)
{
    return cm_zones_find(zones, name) != NULL &&
           cm_slice_to_cstr(name, zones->by_default, sizeof zones->by_default) == CM_OK;
}

static void find_default(cm_zones *zones, const char *wanted)
{
    char path[PATH_MAX];
    cm_slice asked = cm_slice_of(wanted != NULL ? wanted : getenv("TZ"));
    if (asked.size > 0 && asked.bytes[0] == ':')
        asked = cm_slice_from(asked, 1);
    if (asked.size > 0 && take_default(zones, name_in(asked)))
        return;
    const ssize_t size = readlink("/etc/localtime", path, sizeof path);
    if (wanted == NULL && size > 0 &&
        take_default(zones, name_in(cm_slice_over(path, (size_t)size))))
        return;
    CM_IGNORE(cm_slice_to_cstr(CM_TEXT("UTC"), zones->by_default, sizeof zones->by_default),
              "it fits");
}

const char *cm_zones_default(const cm_zones *zones)
{
    return zones->by_default;
}

cm_status cm_zones_create(const char *directory, const char *by_default, cm_zones **out)
{
    cm_zones *zones = calloc(1, sizeof *zones);
    CM_ENSURE(zones != NULL, CM_BROKEN);
    zones->directory = directory != NULL ? directory : SYSTEM_DIRECTORY;
    pthread_mutex_init(&zones->lock, NULL);
    find_default(zones, by_default);
    *out = zones;
    return CM_OK;
}

void cm_zones_destroy(cm_zones *zones)
{
    if (zones == NULL)
        return;
    for (entry *e = zones->entries; e != NULL;) {
        entry *next = e->next;
        cm_zone_destroy(e->zone);
        free(e);
        e = next;
    }
    pthread_mutex_destroy(&zones->lock);
    free(zones);
}
