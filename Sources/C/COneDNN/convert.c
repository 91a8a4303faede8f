#include "convert.h"

#include <string.h>

#include "swage_dnn.h"

void GOMP_parallel(void (*function)(void *), void *data, unsigned threads, unsigned flags);
int omp_get_max_threads(void);
int omp_get_num_threads(void);
int omp_get_thread_num(void);

static inline uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof(bits));
  return bits;
}

static inline float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

static inline uint16_t bf16_from(float value) {
  uint32_t bits = bits_of(value);
  uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  return (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? (bits >> 16 | 0x40) : rounded);
}

static inline float f16_to(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000) << 16, rest = half & 0x7fff;
  // Multiplying by 2^112 moves the exponent and makes numbers of subnormals.
  float value = float_of(rest << 13) * float_of(0x77800000);
  uint32_t bits = rest >= 0x7c00 ? (0x7f800000 | rest << 13) : bits_of(value);
  return float_of(sign | bits);
}

static inline uint16_t f16_from(float value) {
  uint32_t bits = bits_of(value), sign = bits >> 16 & 0x8000;
  bits &= 0x7fffffff;
  if (bits > 0x7f800000) return (uint16_t)(sign | 0x7e00);
  if (bits >= 0x477ff000) return (uint16_t)(sign | 0x7c00);
  if (bits < 0x38800000) {
    // Subnormal: adding one half puts the rounded mantissa into the low bits.
    return (uint16_t)(sign | (bits_of(float_of(bits) + 0.5f) - 0x3f000000));
  }
  return (uint16_t)(sign | ((bits - 0x38000000 + 0xfff + (bits >> 13 & 1)) >> 13));
}

struct conversion {
  const void *from;
  void *to;
  int from_type, to_type;
  int64_t count;
};

static void convert_part(const struct conversion *conversion, int64_t begin, int64_t end) {
  if (conversion->to_type == SWAGE_DNN_F32) {
    const uint16_t *from = conversion->from;
    float *to = conversion->to;
    if (conversion->from_type == SWAGE_DNN_BF16)
      for (int64_t i = begin; i < end; i++) to[i] = float_of((uint32_t)from[i] << 16);
    else
      for (int64_t i = begin; i < end; i++) to[i] = f16_to(from[i]);
  } else {
    const float *from = conversion->from;
    uint16_t *to = conversion->to;
    if (conversion->to_type == SWAGE_DNN_BF16)
      for (int64_t i = begin; i < end; i++) to[i] = bf16_from(from[i]);
    else
      for (int64_t i = begin; i < end; i++) to[i] = f16_from(from[i]);
  }
}

static void convert_on_thread(void *context) {
  const struct conversion *conversion = context;
  int64_t threads = omp_get_num_threads(), part = (conversion->count + threads - 1) / threads;
  int64_t begin = part * omp_get_thread_num(), end = begin + part;
  convert_part(conversion, begin, end < conversion->count ? end : conversion->count);
}

void convert_elements(const void *from, int from_type, void *to, int to_type, int64_t count) {
  struct conversion conversion = {from, to, from_type, to_type, count};
  if (count < 1 << 15 || omp_get_max_threads() < 2)
    convert_part(&conversion, 0, count);
  else
    GOMP_parallel(convert_on_thread, &conversion, (unsigned)omp_get_max_threads(), 0);
}
