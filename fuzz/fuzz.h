/* What every fuzz target includes: the entry point, and a check that holds in all builds. */
#pragma once

#include <stdio.h>
#include <stdlib.h>

#include "base/slice.h"
#include "base/writer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Reads every byte, so that a slice that lies outside its packet is seen by the sanitizer. */
static inline void touch(cm_slice s)
{
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < s.size; i++)
        sum = (uint8_t)(sum + s.bytes[i]);
}
