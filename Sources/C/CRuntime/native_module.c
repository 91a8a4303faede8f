#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "swage_runtime.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

// The descriptor stays open while the module is loaded: the dynamic loader takes two modules of the same path for one,
// and the path is made of the descriptor's number.
struct module {
  void *handle;
  int descriptor;
};

static int memory_file(void) {
  int descriptor = memfd_create("swage-module", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
  // Kernels before 6.3 do not know MFD_EXEC.
  return descriptor >= 0 ? descriptor : memfd_create("swage-module", MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

void *swage_module_load(const void *image, size_t byte_count, char *error, size_t error_size) {
  struct module *module = malloc(sizeof(*module));
  int descriptor = memory_file();
  if (!module || descriptor < 0) {
    snprintf(error, error_size, "no memory file: %s", strerror(errno));
    free(module);
    if (descriptor >= 0) close(descriptor);
    return NULL;
  }
  for (size_t done = 0; done < byte_count;) {
    ssize_t written = write(descriptor, (const char *)image + done, byte_count - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      snprintf(error, error_size, "writing the memory file: %s", strerror(errno));
      close(descriptor);
      free(module);
      return NULL;
    }
    done += (size_t)written;
  }
  // From here on nobody can change the code, this process included.
  fcntl(descriptor, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
  char path[64];
  snprintf(path, sizeof(path), "/proc/self/fd/%d", descriptor);
  void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char *reason = dlerror();
    snprintf(error, error_size, "%s", reason ? reason : "dlopen failed");
    close(descriptor);
    free(module);
    return NULL;
  }
  module->handle = handle;
  module->descriptor = descriptor;
  return module;
}

void *swage_module_symbol(void *module, const char *name) { return dlsym(((struct module *)module)->handle, name); }

void swage_module_unload(void *opaque) {
  struct module *module = opaque;
  if (!module) return;
  dlclose(module->handle);
  close(module->descriptor);
  free(module);
}
