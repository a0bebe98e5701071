#include "loop/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loop/loop_priv.h"
#include "loop/watch.h"

enum {
    CHILD_SOCKET = 3,
    HIGH_ENOUGH = 10, /* above what the child's 0 to 3 are put over */
};

struct cm_process {
    void (*on_exit)(void *owner, int status);
    void *owner;
    pid_t pid;
    int pidfd;
    cm_watch *watch; /* NULL: it has ended and was waited for */
};

/* What the child is given, and what to close in the parent. */
typedef struct gift {
    int null;
    int theirs;
    int ours;
} gift;

static void close_if_open(int fd)
{
    if (fd >= 0)
        close(fd);
}

static void close_gift(gift *g)
{
    close_if_open(g->null);
    close_if_open(g->theirs);
    close_if_open(g->ours);
}

/* A copy out of the way of 0 to 3; takes `fd`. */
static int lift(int fd)
{
    const int high = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, HIGH_ENOUGH);
    close_if_open(fd);
    return high;
}

static cm_status make_gift(gift *out)
{
    int pair[2];
    CM_ENSURE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, CM_BROKEN);
    gift g = {.null = lift(open("/dev/null", O_RDWR | O_CLOEXEC)),
              .theirs = lift(pair[0]),
              .ours = pair[1]};
    if (g.null < 0 || g.theirs < 0 || fcntl(g.ours, F_SETFL, O_NONBLOCK) != 0) {
        close_gift(&g);
        return CM_BROKEN;
    }
    *out = g;
    return CM_OK;
}

/* In the child, between fork and exec: only what may be called after a fork of many threads. */
static _Noreturn void become(const cm_process_config *config, const gift *g, pid_t parent)
{
    static char *const NO_ENVIRONMENT[] = {NULL};
    for (int i = 1; i < NSIG; i++)
        (void)signal(i, SIG_DFL); /* an ignored signal would stay ignored over exec */
    sigset_t none;
    sigemptyset(&none);
    const bool is_ready = sigprocmask(SIG_SETMASK, &none, NULL) == 0 && dup2(g->null, 0) == 0 &&
                          dup2(g->null, 1) == 1 && dup2(g->theirs, CHILD_SOCKET) == CHILD_SOCKET &&
                          close_range(CHILD_SOCKET + 1, ~0u, 0) == 0 &&
                          prctl(PR_SET_PDEATHSIG, SIGKILL) == 0;
    /* Had the parent died before prctl, no signal would come. */
    if (is_ready && getppid() == parent)
        execve(config->path, (char *const *)(uintptr_t)config->argv, NO_ENVIRONMENT);
    _exit(127);
}

static pid_t spawn(const cm_process_config *config, const gift *g)
{
    const pid_t parent = getpid();
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* none of our handlers may run in the child */
    const pid_t pid = fork();
    if (pid == 0)
        become(config, g, parent);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return pid;
}

static void forget(cm_process *process)
{
    cm_watch_close(process->watch);
    process->watch = NULL;
    close(process->pidfd);
}

static void on_ready(void *owner, unsigned events)
{
    cm_process *process = owner;
    (void)events;
    int status = 0;
    if (waitpid(process->pid, &status, WNOHANG) != process->pid)
        return;
    forget(process);
    process->on_exit(process->owner, status);
}

static void end_child(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

static cm_status start(cm_loop *loop, const cm_process_config *config, const gift *g,
                       cm_process *process)
{
    process->pid = spawn(config, g);
    CM_ENSURE(process->pid > 0, CM_BROKEN);
    process->pidfd = pidfd_open(process->pid, 0);
    if (process->pidfd >= 0) {
        if (cm_watch_create(loop, process->pidfd, on_ready, process, &process->watch) == CM_OK) {
            cm_watch_want(process->watch, CM_WATCH_READ);
            return CM_OK;
        }
        close(process->pidfd);
    }
    end_child(process->pid);
    return CM_BROKEN;
}

cm_status cm_process_create(cm_loop *loop, const cm_process_config *config, int *socket_out,
                            cm_process **out)
{
    CM_ENSURE(loop->watches != NULL, CM_BROKEN);
    gift g;
    CM_TRY(make_gift(&g));
    cm_process *process = calloc(1, sizeof *process);
    cm_status status = CM_BROKEN;
    if (process != NULL) {
        process->on_exit = config->on_exit;
        process->owner = config->owner;
        status = start(loop, config, &g, process);
    }
    if (status != CM_OK) {
        free(process);
        close_gift(&g);
        return status;
    }
    close(g.null);
    close(g.theirs);
    *socket_out = g.ours;
    *out = process;
    return CM_OK;
}

int cm_process_pid(const cm_process *process)
{
    return process->pid;
}

void cm_process_kill(cm_process *process)
{
    if (process->watch != NULL)
        (void)kill(process->pid, SIGKILL);
}

void cm_process_destroy(cm_process *process)
{
    if (process == NULL)
        return;
    if (process->watch != NULL) {
        forget(process);
        end_child(process->pid);
    }
    free(process);
}
