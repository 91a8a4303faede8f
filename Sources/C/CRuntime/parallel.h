// The part of libgomp's interface that is used here. `GOMP_parallel` is what GCC calls for `#pragma omp parallel`.
#ifndef SWAGE_PARALLEL_H
#define SWAGE_PARALLEL_H

void GOMP_parallel(void (*function)(void *), void *data, unsigned threads, unsigned flags);
void GOMP_barrier(void);
void omp_set_num_threads(int count);
int omp_get_max_threads(void);
int omp_get_num_threads(void);
int omp_get_thread_num(void);

#endif
