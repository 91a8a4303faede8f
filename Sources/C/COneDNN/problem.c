#include "problem.h"

#include <string.h>

static int64_t count_of(const int64_t *sizes, int rank) {
  int64_t count = 1;
  for (int i = 0; i < rank; i++) count *= sizes[i];
  return count;
}

static void dense_strides(const int64_t *sizes, int rank, int64_t *strides) {
  int64_t stride = 1;
  for (int i = rank - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= sizes[i] > 0 ? sizes[i] : 1;
  }
}

static void view_start(struct view *view, const swage_dnn_tensor *tensor, int slot) {
  memset(view, 0, sizeof(*view));
  view->type = tensor->type;
  view->slot = slot;
  view->constant = view->key = tensor->constant;
  view->count = count_of(tensor->sizes, tensor->rank);
}

// The operand's sizes and strides, with ones in front up to `rank`.
static bool broadcast_sizes(const swage_dnn_tensor *tensor, int rank, int64_t *sizes, int64_t *strides) {
  if (tensor->rank < 0 || tensor->rank > rank) return false;
  int lead = rank - tensor->rank;
  for (int i = 0; i < rank; i++) sizes[i] = i < lead ? 1 : tensor->sizes[i - lead];
  dense_strides(sizes, rank, strides);
  return true;
}

static bool broadcasts_to(const int64_t *sizes, const int64_t *result, int rank) {
  for (int i = 0; i < rank; i++)
    if (sizes[i] != result[i] && sizes[i] != 1) return false;
  return true;
}

static void absent(struct view *view) {
  memset(view, 0, sizeof(*view));
  view->slot = SLOT_ABSENT;
}

static void zero_view(struct view *view, int type, int rank, const int64_t *sizes) {
  memset(view, 0, sizeof(*view));
  view->type = type;
  view->rank = rank;
  view->slot = SLOT_CONSTANT;
  memcpy(view->sizes, sizes, sizeof(int64_t) * (size_t)rank);
  dense_strides(view->sizes, rank, view->strides);
  view->count = count_of(sizes, rank);
}

// MARK: Convolution

// oneDNN's axes are n, c, then the spatial ones; a convolution over one axis gets a height of one.
static void put_activation(
    struct view *view, const int64_t *sizes, const int64_t *strides, int spatial, bool channels_last) {
  int lead = spatial == 1 ? 1 : 0;
  int channel = channels_last ? spatial + 1 : 1, first = channels_last ? 1 : 2;
  view->rank = 2 + spatial + lead;
  view->sizes[0] = sizes[0];
  view->strides[0] = strides[0];
  view->sizes[1] = sizes[channel];
  view->strides[1] = strides[channel];
  if (lead) {
    view->sizes[2] = 1;
    view->strides[2] = strides[first] * sizes[first];
  }
  for (int i = 0; i < spatial; i++) {
    view->sizes[2 + lead + i] = sizes[first + i];
    view->strides[2 + lead + i] = strides[first + i];
  }
}

// A convolution over one axis and one channel whose kernel is a multiple of its stride (a spectrogram's frames): each
// stride of samples becomes one step with that many channels, the same bytes seen otherwise.
static void fold_stride(struct problem *problem, const swage_dnn_call *call) {
  struct view *x = &problem->source, *w = &problem->weights;
  int64_t stride = call->strides[0], length = x->sizes[3], kernel = w->sizes[w->rank - 1];
  if (call->is_transposed || !call->channels_last || call->groups != 1 || x->sizes[1] != 1 || stride < 2 ||
      call->dilations[0] != 1 || call->pads_begin[0] != 0 || call->pads_end[0] != 0 || length % stride ||
      kernel % stride || x->count == 0 || w->count == 0)
    return;
  x->sizes[1] = stride;
  x->strides[1] = 1;
  x->sizes[3] = length / stride;
  x->strides[3] = stride;
  w->sizes[1] = stride;
  w->strides[1] = 1;
  w->sizes[3] = kernel / stride;
  w->strides[3] = stride;
  problem->strides[1] = 1;
}

static const char *convolution(struct problem *problem, const swage_dnn_call *call, size_t *zeros_needed) {
  const swage_dnn_tensor *input = &call->operands[0], *weights = &call->operands[1], *result = &call->result;
  int spatial = input->rank - 2;
  if (spatial < 1 || spatial > SWAGE_DNN_SPATIAL) return "convolutions have one to three spatial axes";
  if (weights->rank != input->rank || result->rank != input->rank) return "ranks of input, weights and result differ";
  int64_t groups = call->groups;
  if (groups < 1) return "the number of groups is not positive";
  int lead = spatial == 1 ? 1 : 0;

  int64_t strides[SWAGE_DNN_RANK];
  dense_strides(input->sizes, input->rank, strides);
  put_activation(&problem->source, input->sizes, strides, spatial, call->channels_last);
  dense_strides(result->sizes, result->rank, strides);
  put_activation(&problem->result, result->sizes, strides, spatial, call->channels_last);

  int64_t in = problem->source.sizes[1], out = problem->result.sizes[1];
  if (in % groups || out % groups) return "channels are not a multiple of the groups";
  int64_t expected_first = call->is_transposed ? in : out, expected_second = (call->is_transposed ? out : in) / groups;
  if (weights->sizes[0] != expected_first || weights->sizes[1] != expected_second)
    return "weights do not fit the channels of input and result";
  if (problem->source.sizes[0] != problem->result.sizes[0]) return "batch sizes of input and result differ";

  // Weights: g?, out/g, in/g, spatial; ONNX stores in/g and out/g the other way round for the transpose.
  struct view *w = &problem->weights;
  int64_t kernel = 1;
  for (int i = 0; i < spatial; i++) kernel *= weights->sizes[2 + i];
  int64_t out_group = out / groups, in_group = in / groups;
  int axis = 0;
  if (groups > 1) {
    w->sizes[axis] = groups;
    w->strides[axis++] = out_group * in_group * kernel;
  }
  w->sizes[axis] = out_group;
  w->strides[axis++] = call->is_transposed ? kernel : in_group * kernel;
  w->sizes[axis] = in_group;
  w->strides[axis++] = call->is_transposed ? out_group * kernel : kernel;
  if (lead) {
    w->sizes[axis] = 1;
    w->strides[axis++] = kernel;
  }
  int64_t stride = kernel;
  for (int i = 0; i < spatial; i++) {
    stride /= weights->sizes[2 + i] > 0 ? weights->sizes[2 + i] : 1;
    w->sizes[axis] = weights->sizes[2 + i];
    w->strides[axis++] = stride;
  }
  w->rank = axis;

  if (lead) problem->strides[0] = 1;
  for (int i = 0; i < spatial; i++) {
    int64_t length = (weights->sizes[2 + i] - 1) * call->dilations[i] + 1;
    int64_t from = problem->source.sizes[2 + lead + i], to = problem->result.sizes[2 + lead + i];
    if (call->strides[i] < 1 || call->dilations[i] < 1) return "a stride or dilation is not positive";
    problem->strides[lead + i] = call->strides[i];
    problem->dilates[lead + i] = call->dilations[i] - 1;
    problem->begin[lead + i] = call->pads_begin[i];
    problem->end[lead + i] = call->is_transposed ? (from - 1) * call->strides[i] + length - call->pads_begin[i] - to
                                                 : call->pads_end[i];
    if (!call->is_transposed && from > 0 && to > 0 &&
        (from + call->pads_begin[i] + call->pads_end[i] - length) / call->strides[i] + 1 != to)
      return "the result's size is not the one that input, kernel, padding and stride give";
  }

  if (call->has_bias) {
    const swage_dnn_tensor *bias = &call->operands[2];
    if (count_of(bias->sizes, bias->rank) != out) return "the bias does not fit the channels of the result";
    problem->bias.rank = 1;
    problem->bias.sizes[0] = out;
    problem->bias.strides[0] = 1;
  }
  for (int i = 0; i < problem->after_count; i++) {
    struct step_after *after = &problem->after[i];
    if (!after->combines) continue;
    int64_t sizes[SWAGE_DNN_RANK];
    if (!broadcast_sizes(&call->operands[call->post_ops[i].operand], result->rank, sizes, strides) ||
        !broadcasts_to(sizes, result->sizes, result->rank))
      return "a post-op's operand does not broadcast to the result";
    put_activation(&after->operand, sizes, strides, spatial, call->channels_last);
  }

  if (spatial == 1) fold_stride(problem, call);
  if (problem->source.count == 0 || problem->weights.count == 0) {
    // Every sum is empty: the same result comes from one channel of zeros through a 1x1 kernel.
    int rank = problem->result.rank;
    dnnl_dims_t sizes;
    memcpy(sizes, problem->result.sizes, sizeof(sizes));
    sizes[1] = 1;
    zero_view(&problem->source, problem->source.type, rank, sizes);
    for (int i = 0; i < rank; i++) sizes[i] = 1;
    sizes[0] = out;
    zero_view(&problem->weights, problem->weights.type, rank, sizes);
    for (int i = 0; i < rank - 2; i++) {
      problem->strides[i] = 1;
      problem->dilates[i] = problem->begin[i] = problem->end[i] = 0;
    }
    problem->is_transposed = false;
    int64_t most = problem->source.count > out ? problem->source.count : out;
    *zeros_needed = (size_t)most * sizeof(float);
  }
  return NULL;
}

// MARK: Matrix multiplication

static void drop_axis(struct view *view, int axis) {
  for (int i = axis; i + 1 < view->rank; i++) {
    view->sizes[i] = view->sizes[i + 1];
    view->strides[i] = view->strides[i + 1];
  }
  view->rank--;
}

// Axes `axis` and `axis + 1` are one axis of this view: both whole and next to each other, or both broadcast.
static bool is_one_axis(const struct view *view, int axis) {
  if (view->sizes[axis] == 1 && view->sizes[axis + 1] == 1) return true;
  return view->strides[axis] == view->strides[axis + 1] * view->sizes[axis + 1];
}

static bool same_axes(const struct view *view, const struct view *result, int axis) {
  bool whole = view->sizes[axis] == result->sizes[axis] && view->sizes[axis + 1] == result->sizes[axis + 1];
  bool broadcast = view->sizes[axis] == 1 && view->sizes[axis + 1] == 1;
  return broadcast || (whole && is_one_axis(view, axis));
}

static void merge_axis(struct view *view, int axis) {
  view->sizes[axis + 1] *= view->sizes[axis];
  drop_axis(view, axis);
}

// Fewer axes let oneDNN choose better kernels: batch axes become one, and rows where the second factor has no batch.
static void merge_axes(struct problem *problem) {
  struct view *a = &problem->source, *b = &problem->weights, *result = &problem->result;
  for (int axis = result->rank - 3; axis >= 0; axis--) {
    bool with_rows = axis == result->rank - 3;
    bool fits;
    if (result->sizes[axis] == 1) {
      // The axis is one everywhere.
      drop_axis(a, axis);
      drop_axis(b, axis);
      drop_axis(result, axis);
      for (int i = 0; i < problem->after_count; i++)
        if (problem->after[i].combines) drop_axis(&problem->after[i].operand, axis);
      continue;
    }
    fits = is_one_axis(result, axis) && same_axes(a, result, axis);
    fits = fits && (with_rows ? b->sizes[axis] == 1 && a->sizes[axis] == result->sizes[axis]
                              : same_axes(b, result, axis));
    for (int i = 0; i < problem->after_count; i++)
      fits = fits && (!problem->after[i].combines || same_axes(&problem->after[i].operand, result, axis));
    if (!fits) continue;
    merge_axis(a, axis);
    if (with_rows) drop_axis(b, axis); else merge_axis(b, axis);
    merge_axis(result, axis);
    for (int i = 0; i < problem->after_count; i++)
      if (problem->after[i].combines) merge_axis(&problem->after[i].operand, axis);
  }
}

// The stride of a matrix axis of one element means nothing, but oneDNN takes it for a leading dimension, and refuses to
// run where that is less than the length of the other axis.
static void settle_strides(struct view *view) {
  int row = view->rank - 2, column = view->rank - 1;
  int64_t *sizes = view->sizes, *strides = view->strides;
  if (sizes[column] == 1) strides[column] = strides[row] == 1 && sizes[row] > 1 ? sizes[row] : 1;
  if (sizes[row] == 1) strides[row] = strides[column] == 1 ? sizes[column] : 1;
}

// A factor with its two matrix axes last; a vector gets a second axis.
static bool put_factor(
    struct view *view, const swage_dnn_tensor *tensor, bool transpose, bool is_first, int rank) {
  int64_t sizes[SWAGE_DNN_RANK + 2];
  int own = tensor->rank;
  memcpy(sizes, tensor->sizes, sizeof(int64_t) * (size_t)own);
  if (own == 1) {
    sizes[1] = is_first ? sizes[0] : 1;
    if (is_first) sizes[0] = 1;
    own = 2;
    transpose = false;
  }
  if (own > rank) return false;
  int lead = rank - own;
  view->rank = rank;
  for (int i = 0; i < rank; i++) view->sizes[i] = i < lead ? 1 : sizes[i - lead];
  dense_strides(view->sizes, rank, view->strides);
  if (transpose) {
    int64_t size = view->sizes[rank - 1], stride = view->strides[rank - 1];
    view->sizes[rank - 1] = view->sizes[rank - 2];
    view->strides[rank - 1] = view->strides[rank - 2];
    view->sizes[rank - 2] = size;
    view->strides[rank - 2] = stride;
  }
  return true;
}

// `sizes` of a tensor that broadcasts to the result, with the axes that vectors lack put in.
static bool put_like_result(
    struct view *view, const swage_dnn_tensor *tensor, const swage_dnn_call *call, int rank) {
  bool row = call->operands[0].rank == 1, column = call->operands[1].rank == 1;
  int own_rank = call->result.rank;
  int64_t sizes[SWAGE_DNN_RANK], strides[SWAGE_DNN_RANK];
  if (!broadcast_sizes(tensor, own_rank, sizes, strides)) return false;
  int64_t full[SWAGE_DNN_RANK + 2];
  int count = 0, batch = own_rank - (row ? 0 : 1) - (column ? 0 : 1);
  if (batch < 0) return false;
  for (int i = 0; i < batch; i++) full[count++] = sizes[i];
  full[count++] = row ? 1 : sizes[batch];
  full[count++] = column ? 1 : sizes[own_rank - 1];
  if (count > rank) return false;
  view->rank = rank;
  for (int i = 0; i < rank; i++) view->sizes[i] = i < rank - count ? 1 : full[i - (rank - count)];
  dense_strides(view->sizes, rank, view->strides);
  return true;
}

static const char *matmul(struct problem *problem, const swage_dnn_call *call, size_t *zeros_needed) {
  const swage_dnn_tensor *a = &call->operands[0], *b = &call->operands[1];
  if (a->rank < 1 || b->rank < 1) return "the factors of a product have at least one axis";
  int rank = a->rank > b->rank ? a->rank : b->rank;
  if (rank < 2) rank = 2;
  if (!put_factor(&problem->source, a, call->transpose_a, true, rank) ||
      !put_factor(&problem->weights, b, call->transpose_b, false, rank) ||
      !put_like_result(&problem->result, &call->result, call, rank))
    return "the result's rank is not the one that the factors give";
  struct view *left = &problem->source, *right = &problem->weights, *result = &problem->result;
  int64_t depth = left->sizes[rank - 1];
  if (right->sizes[rank - 2] != depth) return "the inner sizes of the factors differ";
  if (left->sizes[rank - 2] != result->sizes[rank - 2] || right->sizes[rank - 1] != result->sizes[rank - 1] ||
      !broadcasts_to(left->sizes, result->sizes, rank - 2) || !broadcasts_to(right->sizes, result->sizes, rank - 2))
    return "the result's sizes are not those that the factors give";
  for (int i = 0; i < problem->after_count; i++) {
    struct step_after *after = &problem->after[i];
    if (!after->combines) continue;
    if (!put_like_result(&after->operand, &call->operands[call->post_ops[i].operand], call, rank) ||
        !broadcasts_to(after->operand.sizes, result->sizes, rank))
      return "a post-op's operand does not broadcast to the result";
  }
  if (depth == 0) {
    dnnl_dims_t sizes;
    memcpy(sizes, left->sizes, sizeof(sizes));
    sizes[rank - 1] = 1;
    zero_view(left, left->type, rank, sizes);
    memcpy(sizes, right->sizes, sizeof(sizes));
    sizes[rank - 2] = 1;
    zero_view(right, right->type, rank, sizes);
    int64_t most = left->count > right->count ? left->count : right->count;
    *zeros_needed = (size_t)most * sizeof(float);
  }
  merge_axes(problem);
  settle_strides(left);
  settle_strides(right);
  if (call->has_bias) {
    const swage_dnn_tensor *bias = &call->operands[2];
    int64_t columns = result->sizes[result->rank - 1];
    if (count_of(bias->sizes, bias->rank) != columns) return "the bias does not fit the columns of the result";
    struct view *view = &problem->bias;
    view->rank = result->rank;
    for (int i = 0; i < view->rank; i++) view->sizes[i] = i + 1 == view->rank ? columns : 1;
    dense_strides(view->sizes, view->rank, view->strides);
  }
  return NULL;
}

const char *problem_from_call(struct problem *problem, const swage_dnn_call *call, size_t *zeros_needed) {
  memset(problem, 0, sizeof(*problem));
  *zeros_needed = 0;
  if (call->operand_count < (call->has_bias ? 3 : 2) || call->operand_count > SWAGE_DNN_OPERANDS)
    return "operands are missing";
  if (call->post_op_count < 0 || call->post_op_count > SWAGE_DNN_POST_OPS) return "too many post-ops";
  for (int i = 0; i < call->operand_count; i++)
    if (call->operands[i].rank > SWAGE_DNN_RANK) return "a tensor has more than eight axes";
  if (call->result.rank < 0 || call->result.rank > SWAGE_DNN_RANK) return "a tensor has more than eight axes";
  if (call->operands[0].rank < 0 || call->operands[1].rank < 0 || (call->has_bias && call->operands[2].rank < 0))
    return "operands are missing";
  problem->is_matmul = call->is_matmul;
  problem->is_transposed = !call->is_matmul && call->is_transposed;
  view_start(&problem->source, &call->operands[0], 0);
  view_start(&problem->weights, &call->operands[1], 1);
  if (call->has_bias) view_start(&problem->bias, &call->operands[2], 2); else absent(&problem->bias);
  view_start(&problem->result, &call->result, call->operand_count);
  problem->after_count = call->post_op_count;
  for (int i = 0; i < call->post_op_count; i++) {
    const swage_dnn_post_op *op = &call->post_ops[i];
    struct step_after *after = &problem->after[i];
    after->combines = op->combines;
    after->code = op->code;
    after->alpha = op->alpha;
    after->beta = op->beta;
    if (!op->combines) continue;
    if (op->operand < 0 || op->operand >= call->operand_count || call->operands[op->operand].rank < 0)
      return "a post-op names an operand that is absent";
    view_start(&after->operand, &call->operands[op->operand], op->operand);
    after->is_result = op->operand == call->result_operand;
  }
  return call->is_matmul ? matmul(problem, call, zeros_needed) : convolution(problem, call, zeros_needed);
}
