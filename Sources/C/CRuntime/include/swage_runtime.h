// What compiled plans need from the machine: the call of generated kernels, threads, native modules, CPU features, time.
#ifndef SWAGE_RUNTIME_H
#define SWAGE_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// A generated kernel. `buffers` holds the instruction's operands, then its results, NULL where an optional operand is
/// absent. `sizes` holds the values of `KernelCall.sizes`. The kernel does the units of work `begin..<end`; calls for
/// other units may run at the same time on other threads, so a call writes only what its units own.
typedef void (*swage_kernel)(void *const *buffers, const int64_t *sizes, int64_t begin, int64_t end);

// MARK: Threads. The pool is libgomp's, which oneDNN uses too: two pools would spin against each other.

/// Sets how many threads kernels and oneDNN calls made by the calling thread use. Values below 1 count as 1.
void swage_set_threads(int count);
int swage_threads(void);

/// Runs units 0..<range in at most `swage_threads()` contiguous chunks of at least `grain` units each (but for one
/// chunk, which may be shorter). One chunk runs on the calling thread alone. Nothing runs when `range` is not positive.
/// With several `passes` the units p * range..<(p + 1) * range follow for each pass p; threads meet after each pass, so
/// that it sees what the passes before have written.
void swage_launch(swage_kernel kernel, void *const *buffers, const int64_t *sizes, int64_t range, int64_t grain,
                  int64_t passes);

// MARK: Native modules

/// Loads an ELF shared object from memory. Returns NULL and writes a message to `error` on failure.
void *swage_module_load(const void *image, size_t byte_count, char *error, size_t error_size);
/// The address of a function; NULL when the module has none of that name.
void *swage_module_symbol(void *module, const char *name);
void swage_module_unload(void *module);

// MARK: The machine

/// `x86_64`, `aarch64`, or the compiler's name for another one.
const char *swage_cpu_architecture(void);
/// Instruction sets that both the CPU and the operating system allow, by the names of /proc/cpuinfo, sorted. Asks the
/// kernel for the AMX tile state on first use. `SWAGE_CPU_FEATURES=-avx512,+amx_tile` hides all names that begin so, and
/// adds one: to try what smaller machines do, or what an emulator adds.
const char *const *swage_cpu_features(int *count);
bool swage_cpu_has(const char *feature);
/// Cores that this process may run on.
int swage_cpu_count(void);

/// Time since an arbitrary start, never going back.
uint64_t swage_now_ns(void);
/// A faster clock with an unknown, constant rate: compare two readings of both clocks to find it.
uint64_t swage_ticks(void);
/// The largest resident size of the process so far.
uint64_t swage_peak_rss_bytes(void);
/// Size of the machine's memory.
uint64_t swage_physical_memory_bytes(void);

// MARK: Memory

/// Zeroed pages, aligned to at least 64 bytes, in huge pages where the system gives them; NULL when there is no memory.
void *swage_pages_allocate(size_t byte_count);
void swage_pages_free(void *pages, size_t byte_count);

// MARK: What the machine can do at most, measured with `swage_threads()` threads

/// f32 multiply-adds of the widest vectors, in operations per second; a multiply-add counts as two.
double swage_peak_flops_f32(void);
/// bf16 products summed in f32; 0 where the machine has no instruction for them.
double swage_peak_flops_bf16(void);
/// Bytes read per second from memory beyond the caches; 0 when there is no memory for the test.
double swage_peak_bandwidth(void);

#ifdef __cplusplus
}
#endif
#endif
