#include "swage_checksum.h"

#include <string.h>

enum { lanes = 8, block = 8 * lanes };

static const uint64_t prime = 0x9e3779b97f4a7c15u;  // 2^64 divided by the golden ratio, odd

static inline uint64_t word(const unsigned char *bytes) {
  uint64_t value;
  memcpy(&value, bytes, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  value = __builtin_bswap64(value);
#endif
  return value;
}

static inline uint64_t step(uint64_t lane, uint64_t value) {
  lane ^= value;
  lane = (lane << 29) | (lane >> 35);
  return lane * prime;
}

// A bijection in which each bit of the input reaches each bit of the output (the finalizer of MurmurHash3).
static inline uint64_t mix(uint64_t value) {
  value ^= value >> 33;
  value *= 0xff51afd7ed558ccdu;
  value ^= value >> 33;
  value *= 0xc4ceb9fe1a85ec53u;
  value ^= value >> 33;
  return value;
}

uint64_t swage_checksum(const void *data, size_t length) {
  const unsigned char *bytes = data;
  uint64_t state[lanes];
  for (int lane = 0; lane < lanes; lane++) state[lane] = mix(prime + (uint64_t)lane);
  size_t left = length;
  for (; left >= block; left -= block, bytes += block)
    for (int lane = 0; lane < lanes; lane++) state[lane] = step(state[lane], word(bytes + 8 * lane));
  if (left > 0) {
    unsigned char tail[block] = {0};
    memcpy(tail, bytes, left);
    for (int lane = 0; lane < lanes; lane++) state[lane] = step(state[lane], word(tail + 8 * lane));
  }
  uint64_t sum = mix((uint64_t)length);
  for (int lane = 0; lane < lanes; lane++) sum = mix(sum ^ state[lane]);
  return sum;
}

int swage_is_zero(const void *data, size_t length) {
  const unsigned char *bytes = data;
  unsigned char any = 0;
  for (size_t index = 0; index < length; index++) any |= bytes[index];
  return any == 0;
}
