// The C side of an instance: everything that a run needs, in one struct and few calls (a cgo call costs about 30 ns).
#ifndef SHOAL_RUN_H
#define SHOAL_RUN_H

#include <stddef.h>
#include <stdint.h>

#include "tensorflow/c/c_api.h"
#include "tensorflow/c/tf_tstring.h"

typedef struct {
  int dtype;
  int rank;
  size_t bytes;
} shoal_spec;

typedef struct {
  TF_Tensor* tensor;
  void* data;
  size_t bytes;
  int dtype;
  int rank;
} shoal_output;

typedef struct {
  const char* data;
  size_t size;
} shoal_view;

// The prebuilt arguments of one signature on one instance.
typedef struct {
  TF_Session* session;
  TF_Buffer* options;
  TF_Status* status;
  int n_inputs, n_outputs;
  TF_Output* inputs;
  TF_Output* outputs;
  TF_Tensor** input_tensors;
  TF_Tensor** output_tensors;
  void** input_data;          // set by shoal_inputs
  shoal_output* output_info;  // set by shoal_run
  int64_t cpu_nanos;          // processor time of the calling thread in the last shoal_run
} shoal_call;

shoal_call* shoal_call_new(TF_Session* session, int n_inputs, int n_outputs, const void* options, size_t options_len);
void shoal_call_delete(shoal_call* c);

// Allocates all inputs (dims holds their dimensions one after the other). Returns -1, or the input that found no memory.
int shoal_inputs(shoal_call* c, const shoal_spec* specs, const int64_t* dims);

// Writes element i of a string tensor made by shoal_inputs.
void shoal_put_string(void* data, size_t i, const char* p, size_t n);

// Runs the graph and deletes the inputs. Returns the status code; on 0 output_info is filled and the caller owns its tensors.
// Where it is not metered cpu_nanos becomes 0.
int shoal_run(shoal_call* c, int metered);

// Fills views with the place and length of n strings of a string tensor.
void shoal_views(void* data, size_t n, shoal_view* views);

// Deletes n tensors.
void shoal_release(TF_Tensor** tensors, int n);

#endif
