/* The dispatcher itself, compiled with a table of our own: see api/routes.h here, and run.py. */
#include "../../src/api/dispatch.c"
