/* `casement simcam`: its options are its own (src/simcam/command.c), as it knows nothing of the
 * server. */
#include "server/command.h"
#include "simcam/simcam.h"

int cm_command_simcam(int argc, char **argv)
{
    return cm_simcam_main(argc - 1, argv + 1);
}
