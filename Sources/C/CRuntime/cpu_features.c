#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "swage_runtime.h"

enum { MAXIMUM = 64 };
static const char *names[MAXIMUM];
static int name_count;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void add(bool present, const char *name) {
  if (present && name_count < MAXIMUM) names[name_count++] = name;
}

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>

static uint64_t enabled_states(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

// The kernel gives the AMX tile registers (state component 18) to a process that asks.
static bool request_tiles(void) {
  enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
  return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

static void detect(void) {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return;
  add(c >> 0 & 1, "pni");
  add(c >> 9 & 1, "ssse3");
  add(c >> 19 & 1, "sse4_1");
  add(c >> 20 & 1, "sse4_2");
  add(c >> 22 & 1, "movbe");
  add(c >> 23 & 1, "popcnt");
  uint64_t states = c >> 27 & 1 ? enabled_states() : 0;
  bool ymm = (states & 0x6) == 0x6;
  bool zmm = ymm && (states & 0xe0) == 0xe0;
  bool tiles = (states & 0x60000) == 0x60000;
  add(ymm && c >> 28 & 1, "avx");
  add(ymm && c >> 12 & 1, "fma");
  add(ymm && c >> 29 & 1, "f16c");
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return;
  uint32_t subleaves = a;
  add(b >> 3 & 1, "bmi1");
  add(b >> 8 & 1, "bmi2");
  add(ymm && b >> 5 & 1, "avx2");
  add(zmm && b >> 16 & 1, "avx512f");
  add(zmm && b >> 17 & 1, "avx512dq");
  add(zmm && b >> 21 & 1, "avx512ifma");
  add(zmm && b >> 28 & 1, "avx512cd");
  add(zmm && b >> 30 & 1, "avx512bw");
  add(zmm && b >> 31 & 1, "avx512vl");
  add(zmm && c >> 1 & 1, "avx512vbmi");
  add(zmm && c >> 6 & 1, "avx512_vbmi2");
  add(c >> 8 & 1, "gfni");
  add(zmm && c >> 11 & 1, "avx512_vnni");
  add(zmm && c >> 12 & 1, "avx512_bitalg");
  add(zmm && c >> 14 & 1, "avx512_vpopcntdq");
  add(zmm && d >> 23 & 1, "avx512_fp16");
  if (tiles && d >> 24 & 1 && request_tiles()) {
    add(true, "amx_tile");
    add(d >> 22 & 1, "amx_bf16");
    add(d >> 25 & 1, "amx_int8");
  }
  if (subleaves >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d)) {
    add(ymm && a >> 4 & 1, "avx_vnni");
    add(zmm && a >> 5 & 1, "avx512_bf16");
  }
  if (__get_cpuid(0x80000001, &a, &b, &c, &d)) add(c >> 5 & 1, "abm");
}

#elif defined(__aarch64__)
#include <sys/auxv.h>

// Bits of AT_HWCAP and AT_HWCAP2, from the kernel's arch/arm64/include/uapi/asm/hwcap.h.
static void detect(void) {
  unsigned long first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
  add(first >> 0 & 1, "fp");
  add(first >> 1 & 1, "asimd");
  add(first >> 8 & 1, "atomics");
  add(first >> 9 & 1, "fphp");
  add(first >> 10 & 1, "asimdhp");
  add(first >> 20 & 1, "asimddp");
  add(first >> 22 & 1, "sve");
  add(first >> 23 & 1, "asimdfhm");
  add(second >> 1 & 1, "sve2");
  add(second >> 9 & 1, "svei8mm");
  add(second >> 12 & 1, "svebf16");
  add(second >> 13 & 1, "i8mm");
  add(second >> 14 & 1, "bf16");
  add(second >> 23 & 1, "sme");
}

#else
static void detect(void) {}
#endif

// `SWAGE_CPU_FEATURES` corrects what the machine says, between commas: +NAME adds a name, -BEGINNING hides all names with
// that beginning.
static void correct(const char *corrections) {
  static char text[512];
  char *rest = text, *word;
  snprintf(text, sizeof(text), "%s", corrections);
  while ((word = strsep(&rest, ","))) {
    if (word[0] == '+') add(true, word + 1);
    if (word[0] != '-' || !word[1]) continue;
    int kept = 0;
    for (int i = 0; i < name_count; i++)
      if (strncmp(names[i], word + 1, strlen(word + 1)) != 0) names[kept++] = names[i];
    name_count = kept;
  }
}

static int compare(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static void find_features(void) {
  detect();
  const char *corrections = getenv("SWAGE_CPU_FEATURES");
  if (corrections) correct(corrections);
  qsort(names, (size_t)name_count, sizeof(names[0]), compare);
}

const char *const *swage_cpu_features(int *count) {
  pthread_once(&once, find_features);
  *count = name_count;
  return names;
}

bool swage_cpu_has(const char *feature) {
  int count;
  const char *const *list = swage_cpu_features(&count);
  for (int i = 0; i < count; i++)
    if (strcmp(list[i], feature) == 0) return true;
  return false;
}

const char *swage_cpu_architecture(void) {
#if defined(__x86_64__)
  return "x86_64";
#elif defined(__aarch64__)
  return "aarch64";
#elif defined(__riscv)
  return "riscv64";
#else
  return "unknown";
#endif
}
