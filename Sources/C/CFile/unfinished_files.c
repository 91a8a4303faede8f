#define _GNU_SOURCE
#include "unfinished_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { slot_count = 64 };

static _Atomic(char *) slots[slot_count];

int swage_unfinished_add(const char *path) {
  char *copy = strdup(path);
  if (!copy) return -1;
  for (int slot = 0; slot < slot_count; slot++) {
    char *expected = NULL;
    if (atomic_compare_exchange_strong(&slots[slot], &expected, copy)) return slot;
  }
  free(copy);
  return -1;
}

void swage_unfinished_forget(int slot) {
  if (slot < 0 || slot >= slot_count) return;
  free(atomic_exchange(&slots[slot], NULL));
}

/// Removes a folder with the files in it, by system calls alone: `opendir` allocates. Another process may still be
/// making files there, so it takes a few turns.
static void remove_folder(const char *path) {
  for (int turn = 0; turn < 100 && rmdir(path) != 0 && errno == ENOTEMPTY; turn++) {
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (folder < 0) return;
    _Alignas(struct dirent64) char entries[4096];
    long count;
    while ((count = syscall(SYS_getdents64, folder, entries, sizeof entries)) > 0) {
      for (long at = 0; at < count;) {
        struct dirent64 *entry = (struct dirent64 *)(entries + at);
        unlinkat(folder, entry->d_name, 0);
        at += entry->d_reclen;
      }
    }
    close(folder);
  }
}

void swage_unfinished_remove_all(void) {
  int saved = errno;
  for (int slot = 0; slot < slot_count; slot++) {
    // The copy is leaked: free is not safe here.
    char *path = atomic_exchange(&slots[slot], NULL);
    if (path && unlink(path) != 0 && (errno == EISDIR || errno == EPERM)) remove_folder(path);
  }
  errno = saved;
}
