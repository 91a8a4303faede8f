#pragma once
#include <stddef.h>
#include <stdint.h>

/// A 64-bit checksum of `length` bytes that finds damage, not tampering. A change that is confined to one aligned
/// eight-byte word is always found; any other with probability 1 - 2^-64. The same on every machine.
///
/// Eight lanes of rotate-xor-multiply by odd constants: each step is a bijection of the lane for a given word, and of
/// the word for a given lane, and so is the final mix.
uint64_t swage_checksum(const void *bytes, size_t length);

/// Whether all `length` bytes are zero.
int swage_is_zero(const void *bytes, size_t length);
