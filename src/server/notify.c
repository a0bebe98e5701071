#include "server/notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"

static const char *socket_name(void)
{
    const char *name = getenv("NOTIFY_SOCKET");
    return name != NULL && (name[0] == '/' || name[0] == '@') ? name : NULL;
}

bool cm_notify_is_wanted(void)
{
    return socket_name() != NULL;
}

static bool send_state(int fd, cm_slice name, cm_slice state)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (name.size >= sizeof to.sun_path)
        return false;
    cm_slice_copy(name, to.sun_path, sizeof to.sun_path);
    if (to.sun_path[0] == '@')
        to.sun_path[0] = '\0'; /* of the abstract kind: a name, not a file */
    return sendto(fd, state.bytes, state.size, MSG_NOSIGNAL, (struct sockaddr *)&to,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + name.size)) >= 0;
}

void cm_notify(const char *state)
{
    const char *name = socket_name();
    if (name == NULL)
        return;
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const bool is_told = fd >= 0 && send_state(fd, cm_slice_of(name), cm_slice_of(state));
    if (fd >= 0)
        close(fd);
    if (!is_told)
        cm_log(CM_LOG_WARN, "server", "event=supervisor-not-told");
}
