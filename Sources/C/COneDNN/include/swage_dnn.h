// Convolution and matrix multiplication of oneDNN, the same for its 2.x and 3.x interfaces.
//
// An operation is made for given sizes, bound to memory, and run. Making one may allocate and repack constant weights;
// binding and running do not allocate here.
#ifndef SWAGE_DNN_H
#define SWAGE_DNN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { SWAGE_DNN_RANK = 8, SWAGE_DNN_POST_OPS = 16, SWAGE_DNN_OPERANDS = 20, SWAGE_DNN_SPATIAL = 3 };

/// Element types: the numbers of ONNX `TensorProto.DataType`.
enum { SWAGE_DNN_F32 = 1, SWAGE_DNN_F16 = 10, SWAGE_DNN_BF16 = 16 };

/// A dense row-major tensor. `rank` is -1 for an absent operand.
typedef struct {
  int32_t type;
  int32_t rank;
  int64_t sizes[SWAGE_DNN_RANK];
  /// The elements, where they never change while the context lives: the operation may keep a repacked copy. Else NULL.
  const void *constant;
} swage_dnn_tensor;

/// Work on the result before it is stored. The codes are those of `PostOp.Function` and `PostOp.Combination`.
typedef struct {
  bool combines;
  int32_t code;
  float alpha, beta;
  /// Index of the operand to combine with; it broadcasts to the result.
  int32_t operand;
} swage_dnn_post_op;

typedef struct {
  /// Operands: input, weights (ONNX order), bias where `has_bias`, then those of the post-ops.
  int32_t operand_count;
  swage_dnn_tensor operands[SWAGE_DNN_OPERANDS];
  swage_dnn_tensor result;
  bool has_bias;
  int32_t post_op_count;
  swage_dnn_post_op post_ops[SWAGE_DNN_POST_OPS];
  /// The post-op operand whose memory is the result's, or -1.
  int32_t result_operand;

  bool is_matmul;
  // Matrix multiplication.
  bool transpose_a, transpose_b;
  // Convolution.
  bool channels_last, is_transposed;
  int64_t groups;
  int64_t strides[SWAGE_DNN_SPATIAL], dilations[SWAGE_DNN_SPATIAL];
  int64_t pads_begin[SWAGE_DNN_SPATIAL], pads_end[SWAGE_DNN_SPATIAL];
} swage_dnn_call;

// Access by index, for languages that see C arrays as tuples.
static inline swage_dnn_tensor *swage_dnn_operand(swage_dnn_call *call, int index) { return &call->operands[index]; }
static inline int64_t *swage_dnn_sizes(swage_dnn_tensor *tensor) { return tensor->sizes; }
static inline swage_dnn_post_op *swage_dnn_post_op_at(swage_dnn_call *call, int index) {
  return &call->post_ops[index];
}
static inline void swage_dnn_set_axis(
    swage_dnn_call *call, int axis, int64_t stride, int64_t dilation, int64_t pad_begin, int64_t pad_end) {
  call->strides[axis] = stride;
  call->dilations[axis] = dilation;
  call->pads_begin[axis] = pad_begin;
  call->pads_end[axis] = pad_end;
}

typedef struct swage_dnn_context swage_dnn_context;
typedef struct swage_dnn_operation swage_dnn_operation;

/// Version of the library that is loaded: 20603 is 2.6.3.
int swage_dnn_version(void);

/// One per session; used by one thread at a time. NULL when oneDNN has no CPU engine or there is no memory.
swage_dnn_context *swage_dnn_context_create(void);
/// All operations of the context must be gone.
void swage_dnn_context_destroy(swage_dnn_context *context);
/// Bytes of repacked weights that the context holds.
size_t swage_dnn_packed_bytes(const swage_dnn_context *context);

/// Makes an operation for the sizes in `call`, and for the number of threads that is set. Returns NULL and writes why to
/// `error` when the sizes do not fit together or oneDNN cannot do it.
swage_dnn_operation *swage_dnn_create(
    swage_dnn_context *context, const swage_dnn_call *call, char *error, size_t error_size);
void swage_dnn_destroy(swage_dnn_operation *operation);

/// Bytes of working memory that binding needs, aligned to 64.
size_t swage_dnn_scratch_bytes(const swage_dnn_operation *operation);
/// Names of the implementations that oneDNN chose, separated by ` + `.
const char *swage_dnn_implementation(const swage_dnn_operation *operation);

/// Sets the memory: operands, then the result; NULL where an operand is absent.
void swage_dnn_bind(swage_dnn_operation *operation, void *const *buffers, void *scratch);
/// Runs what is bound and waits for the end. Returns 0, or oneDNN's status.
int swage_dnn_execute(swage_dnn_operation *operation);

#ifdef __cplusplus
}
#endif
#endif
