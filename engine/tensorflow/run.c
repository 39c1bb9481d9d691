#define _POSIX_C_SOURCE 200809L
#include "run.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

shoal_call* shoal_call_new(TF_Session* session, int n_inputs, int n_outputs, const void* options, size_t options_len) {
  shoal_call* c = calloc(1, sizeof *c);
  c->session = session;
  c->options = TF_NewBufferFromString(options, options_len);
  c->status = TF_NewStatus();
  c->n_inputs = n_inputs;
  c->n_outputs = n_outputs;
  c->inputs = calloc(n_inputs + 1, sizeof *c->inputs);
  c->outputs = calloc(n_outputs + 1, sizeof *c->outputs);
  c->input_tensors = calloc(n_inputs + 1, sizeof *c->input_tensors);
  c->output_tensors = calloc(n_outputs + 1, sizeof *c->output_tensors);
  c->input_data = calloc(n_inputs + 1, sizeof *c->input_data);
  c->output_info = calloc(n_outputs + 1, sizeof *c->output_info);
  return c;
}

void shoal_call_delete(shoal_call* c) {
  TF_DeleteBuffer(c->options);
  TF_DeleteStatus(c->status);
  free(c->inputs);
  free(c->outputs);
  free(c->input_tensors);
  free(c->output_tensors);
  free(c->input_data);
  free(c->output_info);
  free(c);
}

// A string tensor owns its strings: long ones have memory of their own.
static void free_strings(void* data, size_t len, void* arg) {
  (void)arg;
  TF_TString* s = data;
  for (size_t i = 0; i < len / sizeof *s; i++) TF_TString_Dealloc(&s[i]);
  free(data);
}

static TF_Tensor* new_strings(const int64_t* dims, int rank, size_t bytes) {
  void* p = NULL;
  if (posix_memalign(&p, 64, bytes ? bytes : 64)) return NULL;
  memset(p, 0, bytes);  // all zero is the empty string
  return TF_NewTensor(TF_STRING, dims, rank, p, bytes, free_strings, NULL);
}

static void delete_inputs(shoal_call* c) {
  for (int i = 0; i < c->n_inputs; i++) {
    if (c->input_tensors[i]) TF_DeleteTensor(c->input_tensors[i]);
    c->input_tensors[i] = NULL;
  }
}

int shoal_inputs(shoal_call* c, const shoal_spec* specs, const int64_t* dims) {
  for (int i = 0; i < c->n_inputs; i++) {
    const shoal_spec* s = &specs[i];
    TF_Tensor* t = s->dtype == TF_STRING ? new_strings(dims, s->rank, s->bytes)
                                         : TF_AllocateTensor((TF_DataType)s->dtype, dims, s->rank, s->bytes);
    dims += s->rank;
    c->input_tensors[i] = t;
    // TF_AllocateTensor answers a size it cannot get with a tensor without memory.
    if (!t || (s->bytes && !TF_TensorData(t))) {
      delete_inputs(c);
      return i;
    }
    c->input_data[i] = TF_TensorData(t);
  }
  return -1;
}

void shoal_put_string(void* data, size_t i, const char* p, size_t n) {
  TF_TString* s = (TF_TString*)data + i;
  TF_TString_Init(s);
  TF_TString_Copy(s, p, n);
}

// The processor time of the calling thread, in nanoseconds.
static int64_t thread_time(void) {
  struct timespec t;
  if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t)) return 0;
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int shoal_run(shoal_call* c, int metered) {
  for (int i = 0; i < c->n_outputs; i++) c->output_tensors[i] = NULL;
  int64_t began = metered ? thread_time() : 0;
  TF_SessionRun(c->session, c->options, c->inputs, c->input_tensors, c->n_inputs, c->outputs, c->output_tensors,
                c->n_outputs, NULL, 0, NULL, c->status);
  delete_inputs(c);
  c->cpu_nanos = metered ? thread_time() - began : 0;
  int code = TF_GetCode(c->status);
  if (code != TF_OK) return code;
  for (int i = 0; i < c->n_outputs; i++) {
    TF_Tensor* t = c->output_tensors[i];
    c->output_info[i] = (shoal_output){t, TF_TensorData(t), TF_TensorByteSize(t), TF_TensorType(t), TF_NumDims(t)};
  }
  return 0;
}

void shoal_views(void* data, size_t n, shoal_view* views) {
  TF_TString* s = data;
  for (size_t i = 0; i < n; i++) views[i] = (shoal_view){TF_TString_GetDataPointer(&s[i]), TF_TString_GetSize(&s[i])};
}

void shoal_release(TF_Tensor** tensors, int n) {
  for (int i = 0; i < n; i++) TF_DeleteTensor(tensors[i]);
}
