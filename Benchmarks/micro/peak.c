// What the CPU reaches with nothing but arithmetic: independent fused multiply-adds in f32, dot products of bf16 pairs
// (AVX-512 or AMX, where the compiler's target has them), and reading memory once. Prints one JSON object.
//   clang -O2 -march=native -ffp-contract=fast -pthread peak.c -o peak && ./peak THREADS

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined(__AVX512F__)
#define WIDTH 64
#elif defined(__AVX__)
#define WIDTH 32
#else
#define WIDTH 16
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if defined(__AMX_BF16__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum { TURNS = 2000000, ROUNDS = 15, BYTES = 1 << 28 };
typedef float Lanes __attribute__((vector_size(WIDTH)));

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

// Each function does its work once and returns how many operations (or bytes) it was.

// More sums than two units with several steps each keep busy; all of them stay in registers.
enum { SUMS = WIDTH == 64 ? 20 : 10 };
#if defined(__clang__)
#define UNROLLED _Pragma("clang loop unroll(full)") for
#else
#define UNROLLED _Pragma("GCC unroll 20") for
#endif
#if defined(__AVX512F__)
// Compilers split plain vectors of this width where they prefer narrower ones.
#define MULTIPLY_ADD(A, M, C) (Lanes)_mm512_fmadd_ps((__m512)(A), (__m512)(M), (__m512)(C))
#else
#define MULTIPLY_ADD(A, M, C) ((A) * (M) + (C))
#endif

static double multiply_add(volatile float *sink, const char *memory) {
  (void)memory;
  Lanes a[SUMS], m = (Lanes){0} + 0.5f, c = m + *sink;
  UNROLLED (int j = 0; j < SUMS; j++) a[j] = c * (float)j;
  for (int i = 0; i < TURNS; i++) {
    UNROLLED (int j = 0; j < SUMS; j++) a[j] = MULTIPLY_ADD(a[j], m, c);
  }
  UNROLLED (int j = 1; j < SUMS; j++) a[0] += a[j];
  *sink = a[0][0] * 0;
  return 2.0 * SUMS * TURNS * (WIDTH / sizeof(float));
}

#if defined(__AVX512BF16__)
static double dot_bf16(volatile float *sink, const char *memory) {
  (void)memory;
  __m512 a[SUMS];
  __m512bh m = (__m512bh)_mm512_set1_epi16(0x3c00);
  UNROLLED (int j = 0; j < SUMS; j++) a[j] = _mm512_set1_ps(*sink + j);
  for (int i = 0; i < TURNS; i++) {
    UNROLLED (int j = 0; j < SUMS; j++) a[j] = _mm512_dpbf16_ps(a[j], m, m);
  }
  UNROLLED (int j = 1; j < SUMS; j++) a[0] = _mm512_add_ps(a[0], a[j]);
  *sink = _mm512_reduce_add_ps(a[0]) * 0;
  return 4.0 * SUMS * TURNS * 16;
}
#endif

#if defined(__AMX_BF16__)
static int amx_allowed(void) { return syscall(SYS_arch_prctl, 0x1023, 18) == 0; }

static double amx_bf16(volatile float *sink, const char *memory) {
  (void)memory;
  static const struct {
    uint8_t palette, start, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
  } layout = {1, 0, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};
  __asm__ volatile("" ::: "memory");
  _tile_loadconfig(&layout);
  _tile_zero(0), _tile_zero(1), _tile_zero(2), _tile_zero(3), _tile_zero(4), _tile_zero(5), _tile_zero(6), _tile_zero(7);
  for (int i = 0; i < TURNS / 10; i++) {
    _tile_dpbf16ps(0, 4, 6), _tile_dpbf16ps(1, 4, 7), _tile_dpbf16ps(2, 5, 6), _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
  *sink = 0;
  return 4.0 * (TURNS / 10) * 2 * 16 * 16 * 32;
}
#endif

static double read_memory(volatile float *sink, const char *memory) {
  typedef int64_t Words __attribute__((vector_size(WIDTH)));
  const Words *from = (const Words *)memory, *end = (const Words *)(memory + BYTES);
  Words a = {0}, b = a, c = a, d = a;
  for (; from < end; from += 4) a ^= from[0], b ^= from[1], c ^= from[2], d ^= from[3];
  a ^= b ^ c ^ d;
  *sink = a[0] == 42;
  return BYTES;
}

typedef double Work(volatile float *, const char *);
typedef struct {
  Work *work;
  char *memory;
  pthread_barrier_t *barrier;
  double done, start[ROUNDS], end[ROUNDS];
} Share;

static void *run(void *argument) {
  Share *share = argument;
  volatile float sink = 0;
  share->work(&sink, share->memory);
  for (int round = 0; round < ROUNDS; round++) {
    pthread_barrier_wait(share->barrier);
    share->start[round] = now();
    share->done = share->work(&sink, share->memory);
    share->end[round] = now();
  }
  return NULL;
}

/// The best round of all threads together, per second, from the first one's start to the last one's end: what others do on
/// the machine only takes away.
static double best(Work *work, int threads, char **memory) {
  pthread_t handles[threads];
  static Share shares[256];
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, NULL, threads);
  for (int i = 0; i < threads; i++) {
    shares[i] = (Share){.work = work, .memory = memory[i], .barrier = &barrier};
    pthread_create(&handles[i], NULL, run, &shares[i]);
  }
  for (int i = 0; i < threads; i++) pthread_join(handles[i], NULL);
  pthread_barrier_destroy(&barrier);
  double rate = 0;
  for (int round = 0; round < ROUNDS; round++) {
    double start = shares[0].start[round], end = shares[0].end[round], done = 0;
    for (int i = 0; i < threads; i++) {
      if (shares[i].start[round] < start) start = shares[i].start[round];
      if (shares[i].end[round] > end) end = shares[i].end[round];
      done += shares[i].done;
    }
    if (done / (end - start) > rate) rate = done / (end - start);
  }
  return rate;
}

int main(int count, char **arguments) {
  int threads = count > 1 ? atoi(arguments[1]) : 1;
  if (threads < 1 || threads > 256) return 2;
  char *memory[threads];
  for (int i = 0; i < threads; i++) {
    memory[i] = aligned_alloc(64, BYTES);
    if (!memory[i]) return 1;
    memset(memory[i], i + 1, BYTES);
  }
#if defined(__AMX_BF16__)
  int amx = amx_allowed();
#endif
  printf("{\"f32_flops\": %.4g", best(multiply_add, threads, memory));
#if defined(__AVX512BF16__)
  printf(", \"avx512_bf16_flops\": %.4g", best(dot_bf16, threads, memory));
#endif
#if defined(__AMX_BF16__)
  if (amx) printf(", \"amx_bf16_flops\": %.4g", best(amx_bf16, threads, memory));
#endif
  printf(", \"read_bytes\": %.4g}\n", best(read_memory, threads, memory));
  return 0;
}
