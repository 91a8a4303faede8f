#include <math.h>
#include <string.h>

#include "parallel.h"
#include "swage_runtime.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Each function does `rounds` rounds of independent multiply-adds and returns the operations it did. The result of the
// arithmetic goes to `sink`, so that the compiler keeps it.
typedef double (*work)(long rounds, float *sink);

#define MULTIPLY_ADDS(LANES, CHAINS)                                                \
  typedef float vector __attribute__((vector_size(LANES * 4)));                     \
  vector sum[CHAINS], factor, term;                                                 \
  for (int lane = 0; lane < LANES; lane++) {                                        \
    factor[lane] = 0.999f + *sink;                                                  \
    term[lane] = 0.001f;                                                            \
  }                                                                                 \
  for (int chain = 0; chain < CHAINS; chain++) sum[chain] = term * (float)chain;    \
  for (long round = 0; round < rounds; round++)                                     \
    _Pragma("clang loop unroll(full)") for (int chain = 0; chain < CHAINS; chain++) \
        sum[chain] = sum[chain] * factor + term;                                    \
  for (int chain = 1; chain < CHAINS; chain++) sum[0] += sum[chain];                \
  *sink = sum[0][0];                                                                \
  return 2.0 * LANES * CHAINS * (double)rounds

static double multiply_add_4(long rounds, float *sink) { MULTIPLY_ADDS(4, 12); }

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static double multiply_add_8(long rounds, float *sink) { MULTIPLY_ADDS(8, 12); }

__attribute__((target("avx512f"))) static double multiply_add_16(long rounds, float *sink) { MULTIPLY_ADDS(16, 20); }

__attribute__((target("avx512f,avx512bf16"))) static double dot_bf16(long rounds, float *sink) {
  enum { CHAINS = 20 };
  __m512 sum[CHAINS];
  __m512bh a = (__m512bh)_mm512_set1_epi16(0x3c00), b = (__m512bh)_mm512_set1_epi16(*sink > 1 ? 0x3c01 : 0x3c00);
  for (int chain = 0; chain < CHAINS; chain++) sum[chain] = _mm512_set1_ps((float)chain);
  for (long round = 0; round < rounds; round++)
    _Pragma("clang loop unroll(full)") for (int chain = 0; chain < CHAINS; chain++)
        sum[chain] = _mm512_dpbf16_ps(sum[chain], a, b);
  for (int chain = 1; chain < CHAINS; chain++) sum[0] = _mm512_add_ps(sum[0], sum[chain]);
  *sink = _mm512_cvtss_f32(sum[0]);
  return 2.0 * 32 * CHAINS * (double)rounds;
}

struct tile_configuration {
  uint8_t palette, start_row, reserved[14];
  uint16_t columns[16];
  uint8_t rows[16];
};

// Four accumulators, two A tiles, two B tiles: every product of a 32x32 block.
__attribute__((target("amx-tile,amx-bf16"))) static double tiles_bf16(long rounds, float *sink) {
  struct tile_configuration configuration;
  memset(&configuration, 0, sizeof(configuration));
  configuration.palette = 1;
  for (int tile = 0; tile < 8; tile++) {
    configuration.columns[tile] = 64;
    configuration.rows[tile] = 16;
  }
  uint16_t ones[16 * 32];
  float out[16 * 16];
  for (int i = 0; i < 16 * 32; i++) ones[i] = *sink > 1 ? 0x3c01 : 0x3c00;
  __asm__ volatile("" : : "r"(&configuration), "r"(ones) : "memory");
  _tile_loadconfig(&configuration);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_loadd(4, ones, 64);
  _tile_loadd(5, ones, 64);
  _tile_loadd(6, ones, 64);
  _tile_loadd(7, ones, 64);
  for (long round = 0; round < rounds; round++) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, out, 64);
  _tile_release();
  *sink = out[0];
  return 4.0 * 16 * 16 * 32 * 2 * (double)rounds;
}
#endif

enum { THREADS = 1024 };

struct measurement {
  work work;
  long rounds;
  double rates[THREADS];  // operations per second of each thread, the best so far
};

static void measure_thread(void *context) {
  struct measurement *measurement = context;
  int thread = omp_get_thread_num();
  float sink = 0;
  uint64_t start = swage_now_ns();
  double operations = measurement->work(measurement->rounds, &sink);
  double seconds = (double)(swage_now_ns() - start) * 1e-9;
  if (thread < THREADS && seconds > 0 && operations / seconds > measurement->rates[thread])
    measurement->rates[thread] = operations / seconds;
  __asm__ volatile("" : : "r"(&sink) : "memory");
}

// The sum of each thread's best of several short trials: the first ones wake threads and raise clocks, and on a busy
// machine some are interrupted.
static double operations_per_second(work work) {
  static struct measurement measurement;
  memset(&measurement, 0, sizeof(measurement));
  measurement.work = work;
  measurement.rounds = 20000;
  for (int trial = 0; trial < 24; trial++) {
    uint64_t start = swage_now_ns();
    GOMP_parallel(measure_thread, &measurement, (unsigned)omp_get_max_threads(), 0);
    if (swage_now_ns() - start < 1000000) measurement.rounds *= 3;
  }
  double total = 0;
  for (int thread = 0; thread < THREADS; thread++) total += measurement.rates[thread];
  return total;
}

double swage_peak_flops_f32(void) {
#if defined(__x86_64__)
  if (swage_cpu_has("avx512f")) return operations_per_second(multiply_add_16);
  if (swage_cpu_has("avx2") && swage_cpu_has("fma")) return operations_per_second(multiply_add_8);
#endif
  return operations_per_second(multiply_add_4);
}

double swage_peak_flops_bf16(void) {
#if defined(__x86_64__)
  if (swage_cpu_has("amx_bf16")) return operations_per_second(tiles_bf16);
  if (swage_cpu_has("avx512_bf16")) return operations_per_second(dot_bf16);
#endif
  return 0;
}

struct stream {
  const char *bytes;
  size_t byte_count;
};

typedef long long block __attribute__((vector_size(64)));

static void read_part(void *context) {
  const struct stream *stream = context;
  size_t blocks = stream->byte_count / sizeof(block), threads = (size_t)omp_get_num_threads();
  size_t part = blocks / threads, first = part * (size_t)omp_get_thread_num();
  const block *data = (const block *)stream->bytes + first;
  block sum[4] = {{0}, {0}, {0}, {0}};
  for (size_t i = 0; i + 4 <= part; i += 4)
    for (size_t k = 0; k < 4; k++) sum[k] |= data[i + k];
  block all = sum[0] | sum[1] | sum[2] | sum[3];
  __asm__ volatile("" : : "r"(&all) : "memory");
}

double swage_peak_bandwidth(void) {
  size_t byte_count = (size_t)192 << 20;
  char *bytes = swage_pages_allocate(byte_count);
  if (!bytes) return 0;
  memset(bytes, 1, byte_count);
  struct stream stream = {bytes, byte_count};
  double best = 0;
  for (int trial = 0; trial < 5; trial++) {
    uint64_t start = swage_now_ns();
    GOMP_parallel(read_part, &stream, (unsigned)omp_get_max_threads(), 0);
    double seconds = (double)(swage_now_ns() - start) * 1e-9;
    if (seconds > 0 && (double)byte_count / seconds > best) best = (double)byte_count / seconds;
  }
  swage_pages_free(bytes, byte_count);
  return best;
}
