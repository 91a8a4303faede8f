#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "swage_runtime.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>

static bool constant_rate;

// A time stamp counter that runs at one rate in every power state: leaf 0x80000007, EDX bit 8.
__attribute__((constructor)) static void find_rate(void) {
  uint32_t a, b, c, d;
  constant_rate = __get_cpuid(0x80000007, &a, &b, &c, &d) && (d >> 8 & 1);
}
#endif

uint64_t swage_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t swage_ticks(void) {
#if defined(__x86_64__)
  return constant_rate ? __rdtsc() : swage_now_ns();
#elif defined(__aarch64__)
  uint64_t ticks;
  __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
  return ticks;
#else
  return swage_now_ns();
#endif
}

// getrusage counts what the process that started this one held before exec: the kernel's high-water mark does not.
uint64_t swage_peak_rss_bytes(void) {
  FILE *status = fopen("/proc/self/status", "re");
  if (status) {
    char line[256];
    unsigned long long kilobytes = 0;
    while (kilobytes == 0 && fgets(line, sizeof line, status)) sscanf(line, "VmHWM: %llu kB", &kilobytes);
    fclose(status);
    if (kilobytes > 0) return (uint64_t)kilobytes * 1024;
  }
  struct rusage usage;
  return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

uint64_t swage_physical_memory_bytes(void) {
  long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : UINT64_MAX >> 1;
}

void *swage_pages_allocate(size_t byte_count) {
  if (byte_count == 0) byte_count = 1;
  void *pages = mmap(NULL, byte_count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return NULL;
  if (byte_count >= (4u << 20)) madvise(pages, byte_count, MADV_HUGEPAGE);
  return pages;
}

void swage_pages_free(void *pages, size_t byte_count) { munmap(pages, byte_count ? byte_count : 1); }
