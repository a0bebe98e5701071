/* The YAML of the configuration: any bytes give a configuration or a message that names the file.
 */
#include <string.h>

#include "fuzz.h"
#include "server/config.h"

static const char PATH[] = "/nonexistent/casement.yaml"; /* so that no file is ever read */

static void check_config(const cm_config *config)
{
    CHECK(config->loops > 0);
    CHECK(cm_address_kind_of(&config->http) == CM_ADDRESS_LOOPBACK);
    CHECK((config->certificate_file == NULL) == (config->key_file == NULL));
    for (size_t i = 0; i < config->home_count; i++) {
        touch(config->homes[i].name);
        for (size_t j = 0; j < config->homes[i].camera_count; j++)
            CHECK(cm_config_is_camera_address(config->homes[i].cameras[j].main));
    }
}

static void check_message(const char *message)
{
    CHECK(strnlen(message, CM_CONFIG_MESSAGE_SIZE) < CM_CONFIG_MESSAGE_SIZE);
    CHECK(strncmp(message, PATH, sizeof PATH - 1) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (memmem(data, size, "/dev", 4) != NULL)
        return 0; /* a password file there may never end */
    char message[CM_CONFIG_MESSAGE_SIZE];
    cm_config *config = NULL;
    const cm_status status = cm_config_read_text(PATH, cm_slice_over(data, size), message, &config);
    CHECK(status == CM_OK || status == CM_REFUSE);
    if (status == CM_OK)
        check_config(config);
    else
        check_message(message);
    cm_config_destroy(config);
    return 0;
}
