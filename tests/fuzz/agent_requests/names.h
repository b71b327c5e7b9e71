/* File names that a fuzzer makes up lead nowhere: while names_guard is set, calls on them fail in
 * one way or another, or mean one file and one folder of our own. */
#ifndef BANGER_TESTS_FUZZ_NAMES_H
#define BANGER_TESTS_FUZZ_NAMES_H

#include <stdbool.h>
#include <stddef.h>

extern bool names_guard;
/* Bytes that tool_write was given meanwhile. */
extern size_t names_written;

#endif
