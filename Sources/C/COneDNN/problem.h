// A call with its tensors as oneDNN sees them: sizes and strides in oneDNN's order of axes.
#ifndef SWAGE_DNN_PROBLEM_H
#define SWAGE_DNN_PROBLEM_H

#include <oneapi/dnnl/dnnl_types.h>

#include "swage_dnn.h"

/// Where the bytes of a view come from: an index of the buffers that are bound, or one of these.
enum { SLOT_SCRATCH = -1, SLOT_CONSTANT = -2, SLOT_ABSENT = -3 };

struct view {
  int type;
  int rank;
  dnnl_dims_t sizes, strides;
  int64_t count;
  int slot;
  size_t offset;         // within the scratch memory
  const void *constant;  // SLOT_CONSTANT, or where a bound buffer's content never changes
  const void *key;       // what names the constant among the repacked weights: its address in the plan
};

struct step_after {
  bool combines;
  int code;
  float alpha, beta;
  struct view operand;
  bool is_result;  // the operand's memory is the result's
};

struct problem {
  bool is_matmul, is_transposed;
  struct view source, weights, bias, result;
  dnnl_dims_t strides, dilates, begin, end;
  int after_count;
  struct step_after after[SWAGE_DNN_POST_OPS + 1];  // one more: a bias may become a post-op
};

/// Fills `problem`. Returns NULL, or why the call has no meaning. `zeros` points to at least `zeros_needed` bytes of zeros
/// where the result is not empty but the sum behind each element is.
const char *problem_from_call(struct problem *problem, const swage_dnn_call *call, size_t *zeros_needed);

#endif
