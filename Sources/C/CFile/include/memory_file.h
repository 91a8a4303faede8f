#pragma once

/// An open file without a name, in memory, that ends with its last descriptor. Returns the descriptor, or -1 with errno.
int swage_memory_file(void);
