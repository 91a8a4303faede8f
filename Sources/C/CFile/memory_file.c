#define _GNU_SOURCE
#include "memory_file.h"

#include <sys/mman.h>

int swage_memory_file(void) { return memfd_create("swage", MFD_CLOEXEC); }
