// Conversions between f32 and the 16-bit float types, for machines on which oneDNN lacks those types.
#ifndef SWAGE_DNN_CONVERT_H
#define SWAGE_DNN_CONVERT_H

#include <stdint.h>

/// Converts `count` elements between two of f32, f16 and bf16 (round to nearest even), one of them f32, with the
/// threads that are set.
void convert_elements(const void *from, int from_type, void *to, int to_type, int64_t count);

#endif
