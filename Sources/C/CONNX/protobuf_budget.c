#include "protobuf_budget.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

// Holds the size of its block; as wide as malloc's alignment.
typedef union header {
  size_t size;
  max_align_t alignment;
} header;

static void *budget_alloc(void *data, size_t size) {
  swage_protobuf_budget *budget = data;
  if (size > SIZE_MAX - sizeof(header)) return NULL;
  size += sizeof(header);
  if (size > budget->left) return NULL;
  header *block = malloc(size);
  if (!block) return NULL;
  block->size = size;
  budget->left -= size;
  budget->live_blocks += 1;
  return block + 1;
}

static void budget_free(void *data, void *pointer) {
  if (!pointer) return;
  swage_protobuf_budget *budget = data;
  header *block = (header *)pointer - 1;
  budget->left += block->size;
  budget->live_blocks -= 1;
  free(block);
}

void swage_protobuf_budget_init(swage_protobuf_budget *budget, size_t bytes) {
  budget->allocator.alloc = budget_alloc;
  budget->allocator.free = budget_free;
  budget->allocator.allocator_data = budget;
  budget->left = bytes;
  budget->live_blocks = 0;
}
