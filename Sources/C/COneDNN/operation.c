#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "compat.h"
#include "convert.h"
#include "problem.h"
#include "swage_dnn.h"

enum { STAGES = 2 * SWAGE_DNN_OPERANDS + SWAGE_DNN_POST_OPS + 4, ARGUMENTS = SWAGE_DNN_POST_OPS + 6 };
enum { BINDINGS = 2 * STAGES + SWAGE_DNN_OPERANDS, OWNED = 4 };

int omp_get_max_threads(void);
void omp_set_num_threads(int threads);

/// Weights in the order that an implementation wants.
struct packed {
  const void *key;
  int type;  // of the packed elements
  dnnl_memory_t memory;
  void *bytes;
  size_t byte_count;
  struct packed *next;
};

struct swage_dnn_context {
  dnnl_engine_t engine;
  dnnl_stream_t stream;
  struct packed *packed;
  size_t packed_bytes;
};

struct place {
  int slot;
  size_t offset;
};

struct stage {
  dnnl_primitive_t primitive;  // NULL for a conversion
  int argument_count;
  dnnl_exec_arg_t arguments[ARGUMENTS];
  // A conversion.
  struct place from, to;
  int from_type, to_type;
  int64_t count;
  const void *from_pointer;
  void *to_pointer;
};

struct swage_dnn_operation {
  swage_dnn_context *context;
  int stage_count;
  struct stage stages[STAGES];
  int binding_count;
  struct {
    dnnl_memory_t memory;
    struct place place;
  } bindings[BINDINGS];
  int owned_count;
  void *owned[OWNED];
  size_t scratch;
  // Runs on the calling thread alone: a primitive must run with as many threads as it was made for.
  bool is_small;
  char name[512];
};

int swage_dnn_version(void) {
  const dnnl_version_t *version = dnnl_version();
  return version->major * 10000 + version->minor * 100 + version->patch;
}

swage_dnn_context *swage_dnn_context_create(void) {
  swage_dnn_context *context = calloc(1, sizeof(*context));
  if (!context) return NULL;
  if (dnnl_engine_create(&context->engine, dnnl_cpu, 0) != dnnl_success ||
      dnnl_stream_create(&context->stream, context->engine, dnnl_stream_default_flags) != dnnl_success) {
    swage_dnn_context_destroy(context);
    return NULL;
  }
  return context;
}

void swage_dnn_context_destroy(swage_dnn_context *context) {
  if (!context) return;
  for (struct packed *packed = context->packed, *next; packed; packed = next) {
    next = packed->next;
    dnnl_memory_destroy(packed->memory);
    free(packed->bytes);
    free(packed);
  }
  if (context->stream) dnnl_stream_destroy(context->stream);
  if (context->engine) dnnl_engine_destroy(context->engine);
  free(context);
}

size_t swage_dnn_packed_bytes(const swage_dnn_context *context) { return context->packed_bytes; }

void swage_dnn_destroy(swage_dnn_operation *operation) {
  if (!operation) return;
  for (int i = 0; i < operation->stage_count; i++)
    if (operation->stages[i].primitive) dnnl_primitive_destroy(operation->stages[i].primitive);
  for (int i = 0; i < operation->binding_count; i++) dnnl_memory_destroy(operation->bindings[i].memory);
  for (int i = 0; i < operation->owned_count; i++) free(operation->owned[i]);
  free(operation);
}

size_t swage_dnn_scratch_bytes(const swage_dnn_operation *operation) { return operation->scratch; }

const char *swage_dnn_implementation(const swage_dnn_operation *operation) { return operation->name; }

// MARK: Building

/// One attempt at building; `failed` says why it ended.
struct builder {
  swage_dnn_context *context;
  swage_dnn_operation *operation;
  size_t scratch;      // bytes of values between stages
  size_t scratchpad;   // bytes that the hungriest primitive needs; they come after the values
  int scratchpads[STAGES];
  int scratchpad_count;
  bool slow;           // a primitive fell to a reference implementation
  char reason[256];
};

static bool fail(struct builder *builder, const char *what, dnnl_status_t status) {
  static const char *const names[] = {"success", "out of memory", "invalid arguments", "not implemented", "iterator ends",
                                      "runtime error", "not required"};
  snprintf(builder->reason, sizeof(builder->reason), "%s: %s", what,
           (unsigned)status < sizeof(names) / sizeof(names[0]) ? names[status] : "failed");
  return false;
}

static dnnl_data_type_t dnnl_type(int type) {
  switch (type) {
  case SWAGE_DNN_BF16: return dnnl_bf16;
  case SWAGE_DNN_F16: return dnnl_f16;
  default: return dnnl_f32;
  }
}

static size_t aligned(size_t bytes) { return (bytes + 63) & ~(size_t)63; }

static void *aligned_memory(size_t bytes) { return aligned_alloc(64, aligned(bytes ? bytes : 1)); }

static size_t take_scratch(struct builder *builder, size_t bytes) {
  size_t offset = builder->scratch;
  builder->scratch += aligned(bytes);
  return offset;
}

static bool own(struct builder *builder, void *bytes) {
  if (!bytes || builder->operation->owned_count == OWNED) {
    free(bytes);
    return fail(builder, "memory", dnnl_out_of_memory);
  }
  builder->operation->owned[builder->operation->owned_count++] = bytes;
  return true;
}

static bool view_layout(struct builder *builder, const struct view *view, dnnl_memory_desc_t *layout) {
  dnnl_status_t status = layout_strided(layout, view->rank, view->sizes, dnnl_type(view->type), view->strides);
  return status == dnnl_success || fail(builder, "tensor", status);
}

static struct stage *add_stage(struct builder *builder) {
  if (builder->operation->stage_count == STAGES) return NULL;
  struct stage *stage = &builder->operation->stages[builder->operation->stage_count++];
  memset(stage, 0, sizeof(*stage));
  return stage;
}

/// A memory whose bytes are found when the operation is bound, or are there already.
static bool add_memory(
    struct builder *builder, struct stage *stage, int argument, layout_ref layout, int slot, size_t offset,
    const void *constant) {
  swage_dnn_operation *operation = builder->operation;
  if (operation->binding_count == BINDINGS || stage->argument_count == ARGUMENTS)
    return fail(builder, "too many tensors", dnnl_invalid_arguments);
  dnnl_memory_t memory;
  void *handle = slot == SLOT_CONSTANT ? (void *)constant : DNNL_MEMORY_NONE;
  dnnl_status_t status = dnnl_memory_create(&memory, layout, builder->context->engine, handle);
  if (status != dnnl_success) return fail(builder, "memory", status);
  operation->bindings[operation->binding_count].memory = memory;
  operation->bindings[operation->binding_count].place = (struct place){slot, offset};
  operation->binding_count++;
  stage->arguments[stage->argument_count++] = (dnnl_exec_arg_t){argument, memory};
  return true;
}

static bool add_view(struct builder *builder, struct stage *stage, int argument, const struct view *view) {
  dnnl_memory_desc_t layout;
  if (!view_layout(builder, view, &layout)) return false;
  bool done = add_memory(builder, stage, argument, LAYOUT(layout), view->slot, view->offset, view->constant);
  layout_free(&layout);
  return done;
}

static const char *implementation(dnnl_primitive_desc_t descriptor) {
  const char *name = NULL;
  dnnl_primitive_desc_query(descriptor, dnnl_query_impl_info_str, 0, &name);
  return name ? name : "";
}

static bool is_reference(dnnl_primitive_desc_t descriptor) {
  const char *name = implementation(descriptor);
  return strncmp(name, "ref", 3) == 0 || strstr(name, ":ref");
}

static void add_name(struct builder *builder, dnnl_primitive_desc_t descriptor) {
  const char *name = implementation(descriptor);
  if (is_reference(descriptor)) builder->slow = true;
  char *text = builder->operation->name;
  size_t used = strlen(text), size = sizeof(builder->operation->name);
  snprintf(text + used, size - used, "%s%s", used ? " + " : "", name);
}

/// Makes the primitive of a stage, with its scratch memory.
static bool add_primitive(struct builder *builder, struct stage *stage, dnnl_primitive_desc_t descriptor) {
  dnnl_status_t status = dnnl_primitive_create(&stage->primitive, descriptor);
  if (status != dnnl_success) {
    stage->primitive = NULL;
    return fail(builder, "primitive", status);
  }
  layout_ref layout = dnnl_primitive_desc_query_md(descriptor, dnnl_query_scratchpad_md, 0);
  size_t bytes = layout ? dnnl_memory_desc_get_size(layout) : 0;
  if (bytes == 0) return true;
  if (bytes > builder->scratchpad) builder->scratchpad = bytes;
  builder->scratchpads[builder->scratchpad_count++] = builder->operation->binding_count;
  return add_memory(builder, stage, DNNL_ARG_SCRATCHPAD, layout, SLOT_SCRATCH, 0, NULL);
}

static dnnl_primitive_attr_t attributes(void) {
  dnnl_primitive_attr_t result;
  if (dnnl_primitive_attr_create(&result) != dnnl_success) return NULL;
  dnnl_primitive_attr_set_scratchpad_mode(result, dnnl_scratchpad_mode_user);
  return result;
}

/// The view as f32, through a conversion where it is not f32 already.
static bool convert_view(struct builder *builder, struct view *view) {
  if (view->slot == SLOT_ABSENT || view->type == SWAGE_DNN_F32) return true;
  struct stage *stage = add_stage(builder);
  if (!stage) return fail(builder, "too many stages", dnnl_invalid_arguments);
  stage->from = (struct place){view->slot, view->offset};
  stage->from_type = view->type;
  stage->to_type = SWAGE_DNN_F32;
  stage->count = view->count;
  stage->from_pointer = view->constant;
  view->offset = take_scratch(builder, (size_t)view->count * 4);
  view->slot = SLOT_SCRATCH;
  view->constant = NULL;
  view->type = SWAGE_DNN_F32;
  stage->to = (struct place){SLOT_SCRATCH, view->offset};
  return true;
}

static bool run_reorder(
    struct builder *builder, layout_ref from, void *from_bytes, layout_ref to, dnnl_memory_t to_memory) {
  dnnl_engine_t engine = builder->context->engine;
  dnnl_primitive_desc_t descriptor;
  dnnl_status_t status = dnnl_reorder_primitive_desc_create(&descriptor, from, engine, to, engine, NULL);
  if (status != dnnl_success) return fail(builder, "repacking weights", status);
  dnnl_primitive_t reorder;
  status = dnnl_primitive_create(&reorder, descriptor);
  dnnl_primitive_desc_destroy(descriptor);
  if (status != dnnl_success) return fail(builder, "repacking weights", status);
  dnnl_memory_t source;
  status = dnnl_memory_create(&source, from, engine, from_bytes);
  if (status == dnnl_success) {
    dnnl_exec_arg_t arguments[] = {{DNNL_ARG_FROM, source}, {DNNL_ARG_TO, to_memory}};
    status = dnnl_primitive_execute(reorder, builder->context->stream, 2, arguments);
    if (status == dnnl_success) status = dnnl_stream_wait(builder->context->stream);
    dnnl_memory_destroy(source);
  }
  dnnl_primitive_destroy(reorder);
  return status == dnnl_success || fail(builder, "repacking weights", status);
}

/// Lets the system take back the memory of weights that have been repacked. They stay valid: pages of a mapped file are
/// read again when they are touched.
static void release_pages(const void *bytes, size_t byte_count) {
#ifdef MADV_PAGEOUT
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t begin = ((size_t)bytes + page - 1) / page * page, end = ((size_t)bytes + byte_count) / page * page;
  if (byte_count >= (1u << 20) && end > begin) madvise((void *)begin, end - begin, MADV_PAGEOUT);
#else
  (void)bytes, (void)byte_count;
#endif
}

/// Constant weights in the order `wanted`: from the cache, or repacked now and kept.
static bool packed_weights(
    struct builder *builder, const struct view *weights, layout_ref plain, layout_ref wanted, const void **bytes) {
  swage_dnn_context *context = builder->context;
  for (struct packed *packed = context->packed; packed; packed = packed->next) {
    layout_ref layout;
    if (packed->key == weights->key && packed->type == weights->type &&
        dnnl_memory_get_memory_desc(packed->memory, &layout) == dnnl_success && dnnl_memory_desc_equal(layout, wanted)) {
      *bytes = packed->bytes;
      return true;
    }
  }
  struct packed *packed = calloc(1, sizeof(*packed));
  size_t byte_count = dnnl_memory_desc_get_size(wanted);
  void *memory = aligned_memory(byte_count);
  if (!packed || !memory || dnnl_memory_create(&packed->memory, wanted, context->engine, memory) != dnnl_success) {
    free(packed);
    free(memory);
    return fail(builder, "repacking weights", dnnl_out_of_memory);
  }
  if (!run_reorder(builder, plain, (void *)weights->constant, wanted, packed->memory)) {
    dnnl_memory_destroy(packed->memory);
    free(packed);
    free(memory);
    return false;
  }
  release_pages(weights->key, (size_t)weights->count * (weights->type == SWAGE_DNN_F32 ? 4 : 2));
  packed->key = weights->key;
  packed->type = weights->type;
  packed->bytes = memory;
  packed->byte_count = byte_count;
  packed->next = context->packed;
  context->packed = packed;
  context->packed_bytes += byte_count;
  *bytes = memory;
  return true;
}

/// The weights argument of `stage`: as they are, repacked once, or repacked by a stage of their own that runs before.
static bool add_weights(
    struct builder *builder, struct stage *stage, const struct view *weights, layout_ref wanted, int reorder_stage) {
  dnnl_memory_desc_t plain;
  if (!view_layout(builder, weights, &plain)) return false;
  bool done;
  if (!wanted || dnnl_memory_desc_equal(LAYOUT(plain), wanted)) {
    done = add_memory(
        builder, stage, DNNL_ARG_WEIGHTS, LAYOUT(plain), weights->slot, weights->offset, weights->constant);
  } else if (weights->constant) {
    const void *bytes;
    done = packed_weights(builder, weights, LAYOUT(plain), wanted, &bytes) &&
           add_memory(builder, stage, DNNL_ARG_WEIGHTS, wanted, SLOT_CONSTANT, 0, bytes);
  } else {
    struct stage *reorder = &builder->operation->stages[reorder_stage];
    size_t offset = take_scratch(builder, dnnl_memory_desc_get_size(wanted));
    dnnl_engine_t engine = builder->context->engine;
    dnnl_primitive_attr_t options = attributes();
    dnnl_primitive_desc_t descriptor;
    dnnl_status_t status =
        dnnl_reorder_primitive_desc_create(&descriptor, LAYOUT(plain), engine, wanted, engine, options);
    if (options) dnnl_primitive_attr_destroy(options);
    done = status == dnnl_success || fail(builder, "repacking weights", status);
    if (done) {
      done = add_memory(builder, reorder, DNNL_ARG_FROM, LAYOUT(plain), weights->slot, weights->offset, NULL) &&
             add_memory(builder, reorder, DNNL_ARG_TO, wanted, SLOT_SCRATCH, offset, NULL) &&
             add_primitive(builder, reorder, descriptor) &&
             add_memory(builder, stage, DNNL_ARG_WEIGHTS, wanted, SLOT_SCRATCH, offset, NULL);
      dnnl_primitive_desc_destroy(descriptor);
    }
  }
  layout_free(&plain);
  return done;
}

static bool function_algorithm(const struct step_after *after, dnnl_alg_kind_t *algorithm, float *alpha, float *beta) {
  *alpha = after->alpha;
  *beta = after->beta;
  switch (after->code) {
  case 0: *algorithm = dnnl_eltwise_relu; *alpha = 0; return true;
  case 1: *algorithm = dnnl_eltwise_logistic; return true;
  case 2: *algorithm = dnnl_eltwise_tanh; return true;
  case 3: *algorithm = dnnl_eltwise_swish; return true;
  case 4: *algorithm = dnnl_eltwise_gelu_erf; return true;
  case 5: *algorithm = dnnl_eltwise_gelu_tanh; return true;
  case 6: *algorithm = dnnl_eltwise_exp; return true;
  case 7: *algorithm = dnnl_eltwise_abs; return true;
  case 8: *algorithm = dnnl_eltwise_sqrt; return true;
  case 9: *algorithm = dnnl_eltwise_square; return true;
  case 10:
    *algorithm = dnnl_eltwise_hardswish;
#if SWAGE_DNN_3
    *alpha = 1.0f / 6;
    *beta = 0.5f;
#endif
    return true;
  case 11: *algorithm = dnnl_eltwise_linear; return true;
  case 12: *algorithm = dnnl_eltwise_clip; return true;
  case 13: *algorithm = dnnl_eltwise_relu; return true;
  case 14: *algorithm = dnnl_eltwise_elu; return true;
  default: return false;
  }
}

static bool combination_algorithm(int code, dnnl_alg_kind_t *algorithm) {
  static const dnnl_alg_kind_t algorithms[] = {dnnl_binary_add, dnnl_binary_mul, dnnl_binary_max,
                                               dnnl_binary_min, dnnl_binary_sub, dnnl_binary_div};
  if (code < 0 || code >= (int)(sizeof(algorithms) / sizeof(algorithms[0]))) return false;
  *algorithm = algorithms[code];
  return true;
}

/// Whether a post-op's operand is as large as the result, one number, or one number per channel. With other shapes some
/// fused kernels of oneDNN 2.6 read wrong elements.
static bool fuses(const struct problem *problem, const struct view *operand) {
  const struct view *result = &problem->result;
  int channel = problem->is_matmul ? result->rank - 1 : 1;
  bool whole = true, single = true;
  for (int i = 0; i < result->rank; i++) {
    whole = whole && operand->sizes[i] == result->sizes[i];
    single = single && (i == channel || operand->sizes[i] == 1);
  }
  return whole || single;
}

/// Whether an implementation gets fused post-ops right. The convolutions of oneDNN 2.6 that copy images into matrices
/// (`gemm`) take the elements of whole tensors in another order, and in groups those of channels; their rectifier multiplies
/// by zero what is negative.
static bool gets_post_ops_right(const struct problem *problem, dnnl_primitive_desc_t descriptor) {
  if (problem->is_matmul || !strstr(implementation(descriptor), "gemm")) return true;
  for (int i = 0; i < problem->after_count; i++) {
    const struct step_after *after = &problem->after[i];
    if (after->is_result) continue;
    if (!after->combines && after->code == 0) return false;
    if (after->combines && problem->weights.rank > problem->result.rank) return false;
    for (int axis = 0; after->combines && axis < problem->result.rank; axis++)
      if (axis != 1 && after->operand.sizes[axis] != 1) return false;
  }
  return true;
}

/// Attributes with the post-ops from `from` on in them. A post-op whose operand is the result's own memory can only be a sum.
static dnnl_primitive_attr_t fused_attributes(struct builder *builder, const struct problem *problem, int from) {
  dnnl_primitive_attr_t options = attributes();
  dnnl_post_ops_t operations = NULL;
  if (!options) return NULL;
  bool done = dnnl_post_ops_create(&operations) == dnnl_success;
  bool summed = false;
  dnnl_alg_kind_t used[SWAGE_DNN_POST_OPS + 1];
  int used_count = 0;
  for (int i = from; done && i < problem->after_count; i++) {
    const struct step_after *after = &problem->after[i];
    dnnl_alg_kind_t algorithm;
    float alpha, beta;
    if (!after->combines) {
      done = function_algorithm(after, &algorithm, &alpha, &beta);
      // Fused kernels of oneDNN 2.6 give wrong results when a function occurs twice.
      for (int j = 0; j < used_count; j++) done = done && used[j] != algorithm;
      used[used_count++] = algorithm;
      done = done &&
             append_function(operations, algorithm, alpha, beta) == dnnl_success;
    } else if (after->is_result) {
      done = after->code == 0 && !summed && after->operand.type == problem->result.type &&
             after->operand.count == problem->result.count && append_sum(operations) == dnnl_success;
      summed = true;
    } else {
      dnnl_memory_desc_t layout;
      done = fuses(problem, &after->operand) && combination_algorithm(after->code, &algorithm) &&
             view_layout(builder, &after->operand, &layout);
      if (done) {
        done = dnnl_post_ops_append_binary(operations, algorithm, LAYOUT(layout)) == dnnl_success;
        layout_free(&layout);
      }
    }
  }
  done = done && dnnl_primitive_attr_set_post_ops(options, operations) == dnnl_success;
  if (operations) dnnl_post_ops_destroy(operations);
  if (done) return options;
  dnnl_primitive_attr_destroy(options);
  fail(builder, "post-ops", dnnl_unimplemented);
  return NULL;
}

static bool add_post_op_views(
    struct builder *builder, struct stage *stage, const struct problem *problem, int from) {
  for (int i = from; i < problem->after_count; i++) {
    const struct step_after *after = &problem->after[i];
    if (!after->combines || after->is_result) continue;
    int argument = DNNL_ARG_ATTR_MULTIPLE_POST_OP(i - from) | DNNL_ARG_SRC_1;
    if (!add_view(builder, stage, argument, &after->operand)) return false;
  }
  return true;
}

static bool main_stage(struct builder *builder, const struct problem *problem, const struct view *result, bool fused) {
  dnnl_engine_t engine = builder->context->engine;
  dnnl_memory_desc_t source, weights, bias, target;
  layout_clear(&source);
  layout_clear(&weights);
  layout_clear(&bias);
  layout_clear(&target);
  bool has_bias = problem->bias.slot != SLOT_ABSENT;
  // Weights that change are read as they lie by matrix products, which would gain nothing from a copy.
  bool repack = problem->weights.constant || !problem->is_matmul;
  dnnl_primitive_attr_t options = fused ? fused_attributes(builder, problem, 0) : attributes();
  bool done = options && view_layout(builder, &problem->source, &source) && view_layout(builder, result, &target) &&
              (!has_bias || view_layout(builder, &problem->bias, &bias));
  if (done)
    done = repack ? layout_any(&weights, problem->weights.rank, problem->weights.sizes,
                               dnnl_type(problem->weights.type)) == dnnl_success
                  : view_layout(builder, &problem->weights, &weights);
  dnnl_primitive_desc_t descriptor = NULL;
  if (done) {
    layout_ref bias_ref = has_bias ? LAYOUT(bias) : NULL;
    dnnl_status_t status =
        problem->is_matmul
            ? matmul_descriptor(
                  &descriptor, engine, LAYOUT(source), LAYOUT(weights), bias_ref, LAYOUT(target), options)
            : convolution_descriptor(
                  &descriptor, engine, problem->is_transposed, LAYOUT(source), LAYOUT(weights), bias_ref,
                  LAYOUT(target), problem->strides, problem->dilates, problem->begin, problem->end, options);
    done = status == dnnl_success || fail(builder, problem->is_matmul ? "matmul" : "convolution", status);
  }
  if (done && fused && !gets_post_ops_right(problem, descriptor)) {
    dnnl_primitive_desc_destroy(descriptor);
    done = fail(builder, "post-ops", dnnl_unimplemented);
  }
  if (done) {
    add_name(builder, descriptor);
    layout_ref wanted = dnnl_primitive_desc_query_md(descriptor, dnnl_query_weights_md, 0);
    dnnl_memory_desc_t plain;
    layout_clear(&plain);
    bool reorders = false;
    if (!problem->weights.constant && view_layout(builder, &problem->weights, &plain)) {
      reorders = wanted && !dnnl_memory_desc_equal(LAYOUT(plain), wanted);
      layout_free(&plain);
    }
    int reorder_stage = builder->operation->stage_count;
    if (reorders) add_stage(builder);
    struct stage *stage = add_stage(builder);
    done = (stage || fail(builder, "too many stages", dnnl_invalid_arguments)) &&
           add_view(builder, stage, DNNL_ARG_SRC, &problem->source) &&
           add_weights(builder, stage, &problem->weights, wanted, reorder_stage) &&
           (!has_bias || add_view(builder, stage, DNNL_ARG_BIAS, &problem->bias)) &&
           add_view(builder, stage, DNNL_ARG_DST, result);
    done = done && (!fused || add_post_op_views(builder, stage, problem, 0)) &&
           add_primitive(builder, stage, descriptor);
    dnnl_primitive_desc_destroy(descriptor);
  }
  layout_free(&source);
  layout_free(&weights);
  layout_free(&bias);
  layout_free(&target);
  if (options) dnnl_primitive_attr_destroy(options);
  return done;
}

/// The post-op `index` as a primitive of its own, with those behind it fused into it where `with_rest`.
static bool after_stage(
    struct builder *builder, const struct problem *problem, int index, bool with_rest, const struct view *from,
    const struct view *to) {
  const struct step_after *after = &problem->after[index];
  dnnl_engine_t engine = builder->context->engine;
  dnnl_primitive_desc_t descriptor = NULL;
  dnnl_primitive_attr_t options = with_rest ? fused_attributes(builder, problem, index + 1) : attributes();
  dnnl_memory_desc_t first, second;
  layout_clear(&first);
  layout_clear(&second);
  dnnl_alg_kind_t algorithm;
  float alpha, beta;
  dnnl_status_t status = dnnl_invalid_arguments;
  bool done = options && view_layout(builder, from, &first);
  if (done && !after->combines) {
    if (function_algorithm(after, &algorithm, &alpha, &beta))
      status = function_descriptor(&descriptor, engine, algorithm, LAYOUT(first), alpha, beta, options);
  } else if (done && view_layout(builder, &after->operand, &second)) {
    if (combination_algorithm(after->code, &algorithm))
      status = combination_descriptor(
          &descriptor, engine, algorithm, LAYOUT(first), LAYOUT(second), LAYOUT(first), options);
  }
  done = status == dnnl_success || fail(builder, "post-op", status);
  if (done && with_rest && is_reference(descriptor)) {
    dnnl_primitive_desc_destroy(descriptor);
    done = false;
  }
  if (done) {
    add_name(builder, descriptor);
    struct stage *stage = add_stage(builder);
    done = (stage || fail(builder, "too many stages", dnnl_invalid_arguments)) &&
           add_view(builder, stage, DNNL_ARG_SRC_0, from) &&
           (!after->combines || add_view(builder, stage, DNNL_ARG_SRC_1, &after->operand)) &&
           add_view(builder, stage, DNNL_ARG_DST, to) &&
           (!with_rest || add_post_op_views(builder, stage, problem, index + 1)) &&
           add_primitive(builder, stage, descriptor);
    dnnl_primitive_desc_destroy(descriptor);
  }
  layout_free(&first);
  layout_free(&second);
  if (options) dnnl_primitive_attr_destroy(options);
  return done;
}

/// The post-ops as primitives of their own: one for all of them where oneDNN can, else one for each. Combinations are never
/// fused behind another one: oneDNN 2.6 takes numbers of channels as one for all where there is one position.
static bool after_stages(
    struct builder *builder, const struct problem *problem, const struct view *from, const struct view *to) {
  int count = problem->after_count;
  bool combined = false;
  for (int i = 1; i < count; i++) combined = combined || problem->after[i].combines;
  if (count > 1 && !combined) {
    swage_dnn_operation *operation = builder->operation;
    int stages = operation->stage_count, bindings = operation->binding_count;
    if (after_stage(builder, problem, 0, true, from, to)) return true;
    if (operation->stage_count != stages || operation->binding_count != bindings) return false;
  }
  for (int i = 0; i < count; i++)
    if (!after_stage(builder, problem, i, false, from, i + 1 == count ? to : from)) return false;
  return true;
}

/// The bias as the first post-op.
static void bias_to_post_op(struct problem *problem) {
  struct step_after *first = &problem->after[0];
  memmove(first + 1, first, sizeof(*first) * (size_t)problem->after_count);
  problem->after_count++;
  memset(first, 0, sizeof(*first));
  first->combines = true;
  first->operand = problem->bias;
  struct view *view = &first->operand;
  view->rank = problem->result.rank;
  for (int i = 0; i < view->rank; i++) {
    view->sizes[i] = i == 1 ? problem->bias.sizes[0] : 1;
    view->strides[i] = i == 0 ? problem->bias.sizes[0] : 1;
  }
  problem->bias.slot = SLOT_ABSENT;
}

static bool build(struct builder *builder, const struct problem *original, bool as_f32, bool fused, size_t zeros_needed) {
  struct problem problem = *original;
  if (zeros_needed > 0) {
    void *zeros = aligned_memory(zeros_needed);
    if (!own(builder, zeros)) return false;
    memset(zeros, 0, aligned(zeros_needed));
    if (problem.source.slot == SLOT_CONSTANT) problem.source.constant = zeros;
    if (problem.weights.slot == SLOT_CONSTANT) problem.weights.constant = problem.weights.key = zeros;
  }
  struct view result = problem.result;
  if (as_f32) {
    // Zeros look the same in every type.
    if (problem.source.slot == SLOT_CONSTANT) problem.source.type = SWAGE_DNN_F32;
    if (problem.weights.slot == SLOT_CONSTANT) problem.weights.type = SWAGE_DNN_F32;
    if (problem.weights.constant && problem.weights.type != SWAGE_DNN_F32) {
      void *converted = aligned_memory((size_t)problem.weights.count * 4);
      if (!own(builder, converted)) return false;
      convert_elements(
          problem.weights.constant, problem.weights.type, converted, SWAGE_DNN_F32, problem.weights.count);
      problem.weights.slot = SLOT_CONSTANT;
      problem.weights.type = SWAGE_DNN_F32;
      problem.weights.constant = converted;
    }
    if (!convert_view(builder, &problem.source) || !convert_view(builder, &problem.weights) ||
        !convert_view(builder, &problem.bias))
      return false;
    for (int i = 0; i < problem.after_count; i++)
      if (problem.after[i].combines) {
        if (problem.result.type != SWAGE_DNN_F32) problem.after[i].is_result = false;
        if (!convert_view(builder, &problem.after[i].operand)) return false;
      }
    if (problem.result.type != SWAGE_DNN_F32) {
      result.type = SWAGE_DNN_F32;
      result.slot = SLOT_SCRATCH;
      result.offset = take_scratch(builder, (size_t)result.count * 4);
    }
    problem.result.type = SWAGE_DNN_F32;
  }
  // Transposed convolutions of oneDNN 2.x add the bias and run post-ops in a slow loop.
  if (!fused && problem.is_transposed && problem.bias.slot != SLOT_ABSENT) bias_to_post_op(&problem);
  struct view first = result;
  if (!fused) {
    bool aliased = false;
    for (int i = 0; i < problem.after_count; i++) aliased = aliased || problem.after[i].is_result;
    if (aliased) {
      first.slot = SLOT_SCRATCH;
      first.offset = take_scratch(builder, (size_t)first.count * (first.type == SWAGE_DNN_F32 ? 4 : 2));
    }
  }
  if (!main_stage(builder, &problem, fused ? &result : &first, fused)) return false;
  if (!fused && problem.after_count > 0 && !after_stages(builder, &problem, &first, &result)) return false;
  if (result.slot == SLOT_SCRATCH && original->result.type != SWAGE_DNN_F32) {
    struct stage *stage = add_stage(builder);
    if (!stage) return fail(builder, "too many stages", dnnl_invalid_arguments);
    stage->from = (struct place){SLOT_SCRATCH, result.offset};
    stage->to = (struct place){original->result.slot, 0};
    stage->from_type = SWAGE_DNN_F32;
    stage->to_type = original->result.type;
    stage->count = result.count;
  }
  for (int i = 0; i < builder->scratchpad_count; i++)
    builder->operation->bindings[builder->scratchpads[i]].place.offset = builder->scratch;
  builder->operation->scratch = builder->scratch + aligned(builder->scratchpad);
  return true;
}

// Multiplications below which a second thread costs more than it brings: about 5 microseconds of one core.
enum { SMALL_WORK = 1 << 19 };

static double multiplications(const struct problem *problem) {
  const struct view *source = &problem->source, *result = &problem->result;
  if (problem->is_matmul) return (double)result->count * (double)source->sizes[source->rank - 1];
  const struct view *positions = problem->is_transposed ? source : result;
  double channels = positions->sizes[1] > 0 ? (double)positions->sizes[1] : 1;
  return (double)positions->count * (double)problem->weights.count / channels;
}

// Sets the number of threads for small work; returns the number to set again afterwards, 0 for none.
static int enter(bool is_small) {
  int threads = is_small ? omp_get_max_threads() : 0;
  if (threads > 1) omp_set_num_threads(1);
  return threads;
}

static void leave(int threads) {
  if (threads > 1) omp_set_num_threads(threads);
}

// Sessions on several threads build one at a time: with oneDNN 2.6.3, convolutions that several threads built at once came
// out wrong in 1 of 40 processes, and stayed wrong, because oneDNN keeps what it built for the next who asks.
static pthread_mutex_t building = PTHREAD_MUTEX_INITIALIZER;

static swage_dnn_operation *attempt(
    swage_dnn_context *context, const struct problem *problem, bool as_f32, bool fused, size_t zeros_needed, bool *slow,
    char *error, size_t error_size) {
  struct builder builder;
  memset(&builder, 0, sizeof(builder));
  builder.context = context;
  builder.operation = calloc(1, sizeof(*builder.operation));
  if (!builder.operation) {
    snprintf(error, error_size, "out of memory");
    return NULL;
  }
  builder.operation->context = context;
  builder.operation->is_small = multiplications(problem) < SMALL_WORK;
  int threads = enter(builder.operation->is_small);
  pthread_mutex_lock(&building);
  bool built = build(&builder, problem, as_f32, fused, zeros_needed);
  pthread_mutex_unlock(&building);
  leave(threads);
  if (built) {
    *slow = builder.slow;
    return builder.operation;
  }
  snprintf(error, error_size, "%s", builder.reason);
  swage_dnn_destroy(builder.operation);
  return NULL;
}

swage_dnn_operation *swage_dnn_create(
    swage_dnn_context *context, const swage_dnn_call *call, char *error, size_t error_size) {
  struct problem problem;
  size_t zeros_needed;
  const char *fault = problem_from_call(&problem, call, &zeros_needed);
  if (fault) {
    snprintf(error, error_size, "%s", fault);
    return NULL;
  }
  if (problem.result.count == 0) {
    swage_dnn_operation *nothing = calloc(1, sizeof(*nothing));
    if (nothing) nothing->context = context;
    else snprintf(error, error_size, "out of memory");
    return nothing;
  }
  bool all_f32 = problem.source.type == SWAGE_DNN_F32 && problem.weights.type == SWAGE_DNN_F32 &&
                 problem.result.type == SWAGE_DNN_F32 &&
                 (problem.bias.slot == SLOT_ABSENT || problem.bias.type == SWAGE_DNN_F32);
  for (int i = 0; i < problem.after_count; i++)
    all_f32 = all_f32 && (!problem.after[i].combines || problem.after[i].operand.type == SWAGE_DNN_F32);
  // From the best that can be to what always works: the first that is not a reference implementation is taken.
  swage_dnn_operation *kept = NULL;
  for (int as_f32 = 0; as_f32 <= (all_f32 ? 0 : 1); as_f32++)
    for (int fused = SWAGE_DNN_3 || !problem.is_transposed; fused >= 0; fused--) {
      bool same = problem.after_count == 0 && !(problem.is_transposed && problem.bias.slot != SLOT_ABSENT);
      if (!fused && same && (SWAGE_DNN_3 || !problem.is_transposed)) continue;
      bool slow = false;
      swage_dnn_operation *operation =
          attempt(context, &problem, as_f32, fused, zeros_needed, &slow, error, error_size);
      if (!operation) continue;
      if (!slow) {
        swage_dnn_destroy(kept);
        return operation;
      }
      if (kept) swage_dnn_destroy(operation);
      else kept = operation;
    }
  return kept;
}

// MARK: Running

static void *resolve(struct place place, void *const *buffers, void *scratch) {
  return place.slot >= 0 ? (char *)buffers[place.slot] + place.offset : (char *)scratch + place.offset;
}

void swage_dnn_bind(swage_dnn_operation *operation, void *const *buffers, void *scratch) {
  for (int i = 0; i < operation->binding_count; i++) {
    struct place place = operation->bindings[i].place;
    if (place.slot == SLOT_CONSTANT) continue;
    dnnl_memory_set_data_handle(operation->bindings[i].memory, resolve(place, buffers, scratch));
  }
  for (int i = 0; i < operation->stage_count; i++) {
    struct stage *stage = &operation->stages[i];
    if (stage->primitive) continue;
    if (stage->from.slot != SLOT_CONSTANT) stage->from_pointer = resolve(stage->from, buffers, scratch);
    stage->to_pointer = resolve(stage->to, buffers, scratch);
  }
}

static int run_stages(const swage_dnn_operation *operation) {
  dnnl_stream_t stream = operation->context->stream;
  for (int i = 0; i < operation->stage_count; i++) {
    const struct stage *stage = &operation->stages[i];
    if (stage->primitive) {
      dnnl_status_t status =
          dnnl_primitive_execute(stage->primitive, stream, stage->argument_count, stage->arguments);
      if (status != dnnl_success) return (int)status;
    } else {
      convert_elements(stage->from_pointer, stage->from_type, stage->to_pointer, stage->to_type, stage->count);
    }
  }
  return (int)dnnl_stream_wait(stream);
}

int swage_dnn_execute(swage_dnn_operation *operation) {
  int threads = enter(operation->is_small);
  int status = run_stages(operation);
  leave(threads);
  return status;
}
