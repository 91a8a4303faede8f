#pragma once

/// Files that are being written and folders for temporary files, so that a signal handler can remove them. All functions may be called from any
/// thread; `swage_unfinished_remove_all` also from a signal handler.

/// Takes a copy of `path`. Returns a slot, or -1 where all are taken or memory is short.
int swage_unfinished_add(const char *path);

/// The file of `slot` is finished, or removed by the caller.
void swage_unfinished_forget(int slot);

/// Removes every file that is still registered, and every folder with the files in it.
void swage_unfinished_remove_all(void);
