#include "server/declare.h"

#include <stdio.h>
#include <time.h>

static cm_wall wall_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (cm_wall){.us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000};
}

static cm_declare_result result_of(cm_status status, const char *fallback,
                                   char message[CM_STORE_MESSAGE_SIZE])
{
    if (message[0] == '\0')
        (void)snprintf(message, CM_STORE_MESSAGE_SIZE, "%s (%s)", fallback, cm_status_name(status));
    return status == CM_REFUSE || status == CM_FOREIGN ? CM_DECLARE_WRONG : CM_DECLARE_MACHINE;
}

static cm_status apply(cm_identity *identity, const cm_config *config,
                       char message[CM_STORE_MESSAGE_SIZE])
{
    const cm_declared declared = {
        .homes = config->homes,
        .home_count = config->home_count,
        .operators = config->operators,
        .operator_count = config->operator_count,
    };
    return cm_identity_apply_declared(identity, &declared, wall_now(), message);
}

cm_declare_result cm_declare_open(const char *data_directory, const cm_config *config,
                                  void (*on_change)(void *owner, const cm_change *change),
                                  void *owner, cm_store **store, cm_identity **identity,
                                  char message[CM_STORE_MESSAGE_SIZE])
{
    message[0] = '\0';
    cm_status status =
        cm_store_open(&(cm_store_config){.directory = data_directory, .must_exist = config == NULL},
                      message, store);
    if (status != CM_OK)
        return result_of(status, "the data directory cannot be used", message);
    status = cm_identity_create(&(cm_identity_config){.store = *store,
                                                      .lists = {.directory = data_directory},
                                                      .on_change = on_change,
                                                      .owner = owner},
                                identity);
    if (status != CM_OK) {
        cm_store_close(*store);
        return result_of(status, "not enough memory", message);
    }
    if (config != NULL)
        status = apply(*identity, config, message);
    if (status != CM_OK) {
        cm_identity_destroy(*identity);
        cm_store_close(*store);
        return result_of(status, "what the configuration declares could not be stored", message);
    }
    return CM_DECLARE_FINE;
}
