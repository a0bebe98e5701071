/*
 * store_killed: a child that works on a world's store, over and over, until it is killed (SIGKILL)
 * at any time; and what it had said until then was done. Tests only.
 */
#pragma once

#include <signal.h>
#include <sys/wait.h>

#include "base/random.h"
#include "store_world.h"

typedef struct store_killed {
    uint32_t last; /* what was acknowledged last; 0 if nothing was */
    size_t said;   /* how often it was said */
} store_killed;

/* In the child: `step` was acknowledged. */
static inline void store_killed_say(int pipe_end, uint32_t step)
{
    if (write(pipe_end, &step, sizeof step) != sizeof step)
        _exit(6);
}

/*
 * The world's store is closed here and opened in a child, where `work` never returns. It is killed
 * within 20 ms: of its beginning, or (`has_said`) of the first that it says, however slow this
 * machine is. Then the store is open here again, and sound.
 */
static inline store_killed store_world_kill(store_world *w, cm_random *random, bool has_said,
                                            void (*work)(store_world *w, int pipe_end))
{
    cm_store_close(w->store);
    w->store = NULL;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        if (world_try_open(w, NULL) != CM_OK)
            _exit(3);
        work(w, ends[1]);
        _exit(7);
    }
    close(ends[1]);
    store_killed done = {.said = has_said ? 1 : 0};
    if (has_said)
        assert_int_equal(read(ends[0], &done.last, sizeof done.last), sizeof done.last);
    usleep((useconds_t)cm_random_below(random, 20000));
    kill(child, SIGKILL);
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFSIGNALED(how)); /* it never stopped by itself */
    for (uint32_t step; read(ends[0], &step, sizeof step) == sizeof step; done.said++)
        done.last = step;
    close(ends[0]);
    assert_int_equal(world_try_open(w, NULL), CM_OK);
    assert_int_equal(cm_store_check(w->store), CM_OK);
    return done;
}
