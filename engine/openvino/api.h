// The part of OpenVINO's C API that is used here, as OpenVINO's documentation gives it. The library is opened while the program
// runs, so that neither its headers are needed to build nor the library itself to start.
#ifndef SHOAL_OPENVINO_API_H
#define SHOAL_OPENVINO_API_H

#include <stddef.h>
#include <stdint.h>

typedef struct ov_core ov_core;
typedef struct ov_model ov_model;
typedef struct ov_compiled_model ov_compiled_model;
typedef struct ov_infer_request ov_infer_request;
typedef struct ov_tensor ov_tensor;
typedef struct ov_port ov_port;  // ov_output_const_port_t

typedef struct {
  const char* build;
  const char* description;
} ov_version;

typedef struct {
  int64_t rank;
  int64_t* dims;
} ov_shape;

typedef struct {
  int64_t min, max;  // max is -1 where any size will do
} ov_dimension;

typedef struct {
  ov_dimension rank;
  ov_dimension* dims;
} ov_partial_shape;

// The status of a call with a wrong argument. Such a call leaves no message.
#define SHOAL_OV_INVALID (-14)

// The functions, each by its name in the library without "ov_".
#define SHOAL_OV_FUNCTIONS(F)                                                                                           \
  F(int, get_openvino_version, (ov_version*))                                                                           \
  F(void, version_free, (ov_version*))                                                                                  \
  F(const char*, get_last_err_msg, (void))                                                                              \
  F(void, free, (const char*))                                                                                          \
  F(int, core_create, (ov_core**))                                                                                      \
  F(int, core_read_model, (const ov_core*, const char* path, const char* weights, ov_model**))                          \
  F(int, core_compile_model, (const ov_core*, const ov_model*, const char* device, size_t n, ov_compiled_model**, ...)) \
  F(void, model_free, (ov_model*))                                                                                      \
  F(int, model_const_input_by_name, (const ov_model*, const char*, ov_port**))                                          \
  F(int, model_const_output_by_name, (const ov_model*, const char*, ov_port**))                                         \
  F(int, port_get_element_type, (const ov_port*, int*))                                                                 \
  F(int, port_get_partial_shape, (const ov_port*, ov_partial_shape*))                                                   \
  F(void, partial_shape_free, (ov_partial_shape*))                                                                      \
  F(void, output_const_port_free, (ov_port*))                                                                           \
  F(int, compiled_model_create_infer_request, (const ov_compiled_model*, ov_infer_request**))                           \
  F(int, compiled_model_input_by_name, (const ov_compiled_model*, const char*, ov_port**))                               \
  F(int, compiled_model_output_by_name, (const ov_compiled_model*, const char*, ov_port**))                             \
  F(void, compiled_model_free, (ov_compiled_model*))                                                                    \
  F(int, infer_request_set_tensor_by_const_port, (ov_infer_request*, const ov_port*, const ov_tensor*))                 \
  F(int, infer_request_infer, (ov_infer_request*))                                                                      \
  F(void, infer_request_free, (ov_infer_request*))                                                                      \
  F(int, tensor_create, (int type, const ov_shape, ov_tensor**))                                                        \
  F(int, tensor_set_shape, (ov_tensor*, const ov_shape))                                                                \
  F(int, tensor_get_shape, (const ov_tensor*, ov_shape*))                                                               \
  F(int, tensor_get_element_type, (const ov_tensor*, int*))                                                             \
  F(int, tensor_get_byte_size, (const ov_tensor*, size_t*))                                                             \
  F(int, tensor_data, (const ov_tensor*, void**))                                                                       \
  F(int, shape_free, (ov_shape*))                                                                                       \
  F(void, tensor_free, (ov_tensor*))

typedef struct {
#define SHOAL_OV_FIELD(result, name, arguments) result(*name) arguments;
  SHOAL_OV_FUNCTIONS(SHOAL_OV_FIELD)
#undef SHOAL_OV_FIELD
} shoal_ov_api;

// The functions of the library that shoal_ov_open has opened.
extern shoal_ov_api ov;

// Opens the library. Returns NULL, or why it cannot be used, to be freed. Call it until it succeeds, never at the same time.
char* shoal_ov_open(const char* path);

// The version, to be freed.
char* shoal_ov_version(void);

#endif
