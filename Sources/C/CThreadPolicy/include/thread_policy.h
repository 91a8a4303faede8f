// How long threads wait actively. libgomp reads its settings when it is loaded, before main: linking this into a program
// sets GOMP_SPINCOUNT before that, unless the user set it or OMP_WAIT_POLICY.
#ifndef SWAGE_THREAD_POLICY_H
#define SWAGE_THREAD_POLICY_H

/// Turns of the loop in which a thread waits for work before it goes to sleep; libgomp's own default, 300,000, holds a
/// core for milliseconds that another process needs: on a busy machine runs take up to twenty times longer.
#define SWAGE_SPIN_COUNT "1000"

#endif
