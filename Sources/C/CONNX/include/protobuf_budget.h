#pragma once
#include <protobuf-c/protobuf-c.h>
#include <stddef.h>

/// An allocator for `protobuf_c_message_unpack` that hands out at most `budget` bytes, its own bookkeeping included,
/// and NULL from then on. protobuf-c then gives up and frees what it had.
typedef struct swage_protobuf_budget {
  ProtobufCAllocator allocator;
  size_t left;
  size_t live_blocks;
} swage_protobuf_budget;

/// Must stay where it is until the last message it allocated is freed.
void swage_protobuf_budget_init(swage_protobuf_budget *budget, size_t bytes);
