/* simcam: `casement simcam` as a program of its own, for tests and benches of folders above which
 * there is no server yet. */
#include "simcam/simcam.h"

int main(int count, char **arguments)
{
    return cm_simcam_main(count - 1, arguments + 1);
}
