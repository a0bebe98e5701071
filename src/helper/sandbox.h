/*
 * sandbox: what a helper process gives up before it looks at its first byte from outside: every
 * descriptor but 2 and the socket, every system call but those that memory and that socket need.
 *
 * Any other system call kills the process: a decoder that was taken over can write to the socket
 * and to standard error, and nothing else. There is no way back.
 */
#pragma once

#include <stddef.h>

#include "base/status.h"

enum { CM_SANDBOX_SOCKET = 3 };

/* `memory_bytes_max`: of address space, beyond what is mapped by then. CM_BROKEN: the kernel
 * refused a part of it, and the process must end. */
cm_status cm_sandbox_enter(size_t memory_bytes_max);
