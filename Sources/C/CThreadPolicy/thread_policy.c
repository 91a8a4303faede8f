#define _GNU_SOURCE
#include <stdlib.h>

#include "thread_policy.h"

static void set_spin_count(int argc, char **argv, char **environment) {
  (void)argc, (void)argv, (void)environment;
  if (getenv("OMP_WAIT_POLICY") == NULL) setenv("GOMP_SPINCOUNT", SWAGE_SPIN_COUNT, 0);
}

// Runs before the initialisers of shared libraries.
__attribute__((section(".preinit_array"), used)) static void (*const before_libraries)(int, char **, char **) =
    set_spin_count;
