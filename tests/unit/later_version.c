/* A later version of casement, as far as upgrade_test.c needs one: this version's store with one
 * migration more. Opens the directory; `take` then takes bruno's grant away, `add` adds a setting.
 * Status 0, or 1 with the store's sentence. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "store/store.h"

static cm_status take(cm_store *store)
{
    cm_camera_key door;
    cm_account_id bruno;
    cm_change change;
    CM_TRY(cm_home_id_parse(CM_TEXT("verdi"), &door.home));
    CM_TRY(cm_camera_id_parse(CM_TEXT("door"), &door.camera));
    CM_TRY(cm_account_id_parse(CM_TEXT("bruno"), &bruno));
    CM_TRY(cm_store_grant_remove(store, &door, &bruno, &change));
    cm_change_clear(&change);
    return CM_OK;
}

int main(int argc, char **argv)
{
    char message[CM_STORE_MESSAGE_SIZE] = "";
    cm_store *store = NULL;
    cm_log_set_level((cm_log_level)(CM_LOG_ERROR + 1));
    if (argc < 2)
        return 2;
    const cm_store_config config = {.directory = argv[1], .must_exist = true};
    if (cm_store_open(&config, message, &store) != CM_OK) {
        printf("%s\n", message);
        return 1;
    }
    cm_status status = cm_store_check(store);
    if (status == CM_OK && argc > 2 && strcmp(argv[2], "take") == 0)
        status = take(store);
    if (status == CM_OK && argc > 2 && strcmp(argv[2], "add") == 0)
        status = cm_store_setting_write(store, "since", CM_TEXT("later"));
    cm_store_close(store);
    return status == CM_OK ? 0 : 1;
}
