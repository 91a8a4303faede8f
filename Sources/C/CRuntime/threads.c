#define _GNU_SOURCE
#include <sched.h>
#include <unistd.h>

#include "swage_runtime.h"
#include "parallel.h"

void swage_set_threads(int count) { omp_set_num_threads(count < 1 ? 1 : count); }

int swage_threads(void) { return omp_get_max_threads(); }

int swage_cpu_count(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    int count = CPU_COUNT(&set);
    if (count > 0) return count;
  }
  long online = sysconf(_SC_NPROCESSORS_ONLN);
  return online > 0 ? (int)online : 1;
}

struct launch {
  swage_kernel kernel;
  void *const *buffers;
  const int64_t *sizes;
  int64_t range;
  int64_t chunks;
  int64_t passes;
};

// libgomp may give fewer threads than asked for, so that a thread takes every n-th chunk.
static void run_chunks(void *context) {
  const struct launch *launch = context;
  int64_t step = omp_get_num_threads();
  int64_t quotient = launch->range / launch->chunks, remainder = launch->range % launch->chunks;
  for (int64_t pass = 0; pass < launch->passes; ++pass) {
    int64_t first = pass * launch->range;
    for (int64_t chunk = omp_get_thread_num(); chunk < launch->chunks; chunk += step) {
      int64_t begin = chunk * quotient + (chunk < remainder ? chunk : remainder);
      int64_t end = begin + quotient + (chunk < remainder ? 1 : 0);
      launch->kernel(launch->buffers, launch->sizes, first + begin, first + end);
    }
    if (pass + 1 < launch->passes) GOMP_barrier();
  }
}

void swage_launch(swage_kernel kernel, void *const *buffers, const int64_t *sizes, int64_t range, int64_t grain,
                  int64_t passes) {
  if (range <= 0 || passes <= 0) return;
  int64_t chunks = grain > 1 ? range / grain : range;
  if (chunks > 1) {
    int64_t threads = omp_get_max_threads();
    if (chunks > threads) chunks = threads;
  }
  if (chunks <= 1) {
    kernel(buffers, sizes, 0, range * passes);
    return;
  }
  struct launch launch = {kernel, buffers, sizes, range, chunks, passes};
  GOMP_parallel(run_chunks, &launch, (unsigned)chunks, 0);
}
