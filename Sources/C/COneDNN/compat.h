// The differences between the interfaces of oneDNN 2.x and 3.x: memory descriptors are values in one and handles in the
// other, and 3.x makes primitive descriptors without operation descriptors.
#ifndef SWAGE_DNN_COMPAT_H
#define SWAGE_DNN_COMPAT_H

#include <oneapi/dnnl/dnnl.h>
#include <oneapi/dnnl/dnnl_version.h>

#if DNNL_VERSION_MAJOR >= 3
#define SWAGE_DNN_3 1
#else
#define SWAGE_DNN_3 0
#endif

#if SWAGE_DNN_3
typedef const_dnnl_memory_desc_t layout_ref;
#define LAYOUT(layout) (layout)
static inline void layout_clear(dnnl_memory_desc_t *layout) { *layout = NULL; }
static inline void layout_free(dnnl_memory_desc_t *layout) {
  if (*layout) dnnl_memory_desc_destroy(*layout);
  *layout = NULL;
}
static inline dnnl_status_t layout_strided(
    dnnl_memory_desc_t *layout, int rank, const dnnl_dims_t sizes, dnnl_data_type_t type, const dnnl_dims_t strides) {
  return dnnl_memory_desc_create_with_strides(layout, rank, sizes, type, strides);
}
static inline dnnl_status_t layout_any(
    dnnl_memory_desc_t *layout, int rank, const dnnl_dims_t sizes, dnnl_data_type_t type) {
  return dnnl_memory_desc_create_with_tag(layout, rank, sizes, type, dnnl_format_tag_any);
}
#else
typedef const dnnl_memory_desc_t *layout_ref;
#define LAYOUT(layout) (&(layout))
static inline void layout_clear(dnnl_memory_desc_t *layout) { layout->ndims = 0; }
static inline void layout_free(dnnl_memory_desc_t *layout) { layout->ndims = 0; }
static inline dnnl_status_t layout_strided(
    dnnl_memory_desc_t *layout, int rank, const dnnl_dims_t sizes, dnnl_data_type_t type, const dnnl_dims_t strides) {
  return dnnl_memory_desc_init_by_strides(layout, rank, sizes, type, strides);
}
static inline dnnl_status_t layout_any(
    dnnl_memory_desc_t *layout, int rank, const dnnl_dims_t sizes, dnnl_data_type_t type) {
  return dnnl_memory_desc_init_by_tag(layout, rank, sizes, type, dnnl_format_tag_any);
}
#endif

static inline dnnl_status_t convolution_descriptor(
    dnnl_primitive_desc_t *out, dnnl_engine_t engine, int transposed, layout_ref source, layout_ref weights,
    layout_ref bias, layout_ref result, const dnnl_dims_t strides, const dnnl_dims_t dilates, const dnnl_dims_t begin,
    const dnnl_dims_t end, const_dnnl_primitive_attr_t attributes) {
#if SWAGE_DNN_3
  return transposed
             ? dnnl_deconvolution_forward_primitive_desc_create(
                   out, engine, dnnl_forward_inference, dnnl_deconvolution_direct, source, weights, bias, result,
                   strides, dilates, begin, end, attributes)
             : dnnl_convolution_forward_primitive_desc_create(
                   out, engine, dnnl_forward_inference, dnnl_convolution_direct, source, weights, bias, result, strides,
                   dilates, begin, end, attributes);
#else
  if (transposed) {
    dnnl_deconvolution_desc_t description;
    dnnl_status_t status = dnnl_dilated_deconvolution_forward_desc_init(
        &description, dnnl_forward_inference, dnnl_deconvolution_direct, source, weights, bias, result, strides,
        dilates, begin, end);
    return status != dnnl_success ? status : dnnl_primitive_desc_create(out, &description, attributes, engine, NULL);
  }
  dnnl_convolution_desc_t description;
  dnnl_status_t status = dnnl_dilated_convolution_forward_desc_init(
      &description, dnnl_forward_inference, dnnl_convolution_direct, source, weights, bias, result, strides, dilates,
      begin, end);
  return status != dnnl_success ? status : dnnl_primitive_desc_create(out, &description, attributes, engine, NULL);
#endif
}

static inline dnnl_status_t matmul_descriptor(
    dnnl_primitive_desc_t *out, dnnl_engine_t engine, layout_ref source, layout_ref weights, layout_ref bias,
    layout_ref result, const_dnnl_primitive_attr_t attributes) {
#if SWAGE_DNN_3
  return dnnl_matmul_primitive_desc_create(out, engine, source, weights, bias, result, attributes);
#else
  dnnl_matmul_desc_t description;
  dnnl_status_t status = dnnl_matmul_desc_init(&description, source, weights, bias, result);
  return status != dnnl_success ? status : dnnl_primitive_desc_create(out, &description, attributes, engine, NULL);
#endif
}

static inline dnnl_status_t function_descriptor(
    dnnl_primitive_desc_t *out, dnnl_engine_t engine, dnnl_alg_kind_t algorithm, layout_ref data, float alpha,
    float beta, const_dnnl_primitive_attr_t attributes) {
#if SWAGE_DNN_3
  return dnnl_eltwise_forward_primitive_desc_create(
      out, engine, dnnl_forward_inference, algorithm, data, data, alpha, beta, attributes);
#else
  dnnl_eltwise_desc_t description;
  dnnl_status_t status =
      dnnl_eltwise_forward_desc_init(&description, dnnl_forward_inference, algorithm, data, alpha, beta);
  return status != dnnl_success ? status : dnnl_primitive_desc_create(out, &description, attributes, engine, NULL);
#endif
}

static inline dnnl_status_t combination_descriptor(
    dnnl_primitive_desc_t *out, dnnl_engine_t engine, dnnl_alg_kind_t algorithm, layout_ref first, layout_ref second,
    layout_ref result, const_dnnl_primitive_attr_t attributes) {
#if SWAGE_DNN_3
  return dnnl_binary_primitive_desc_create(out, engine, algorithm, first, second, result, attributes);
#else
  dnnl_binary_desc_t description;
  dnnl_status_t status = dnnl_binary_desc_init(&description, algorithm, first, second, result);
  return status != dnnl_success ? status : dnnl_primitive_desc_create(out, &description, attributes, engine, NULL);
#endif
}

static inline dnnl_status_t append_function(
    dnnl_post_ops_t operations, dnnl_alg_kind_t algorithm, float alpha, float beta) {
#if SWAGE_DNN_3
  return dnnl_post_ops_append_eltwise(operations, algorithm, alpha, beta);
#else
  return dnnl_post_ops_append_eltwise(operations, 1, algorithm, alpha, beta);
#endif
}

static inline dnnl_status_t append_sum(dnnl_post_ops_t operations) {
#if SWAGE_DNN_3
  return dnnl_post_ops_append_sum(operations, 1, 0, dnnl_data_type_undef);
#else
  return dnnl_post_ops_append_sum(operations, 1);
#endif
}

#endif
