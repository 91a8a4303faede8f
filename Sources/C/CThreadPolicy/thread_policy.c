#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "thread_policy.h"

// Runs before the initialisers of shared libraries, when the C library does not yet take changes of the environment: the
// program starts once more with the setting, before it has done anything.
static void set_spin_count(int argc, char **argv, char **environment) {
  (void)argc;
  // Where the dynamic loader was called by hand, /proc/self/exe names it and not the program.
  if (getauxval(AT_BASE) == 0) return;
  enum { LONGEST = 4096 };
  char *changed[LONGEST + 2];
  int count = 0;
  for (; environment[count] != NULL; ++count) {
    int is_set = strncmp(environment[count], "GOMP_SPINCOUNT=", 15) == 0 ||
                 strncmp(environment[count], "OMP_WAIT_POLICY=", 16) == 0;
    if (is_set || count == LONGEST) return;
    changed[count] = environment[count];
  }
  changed[count] = "GOMP_SPINCOUNT=" SWAGE_SPIN_COUNT;
  changed[count + 1] = NULL;
  execve("/proc/self/exe", argv, changed);
}

__attribute__((section(".preinit_array"), used)) static void (*const before_libraries)(int, char **, char **) =
    set_spin_count;
