#define _POSIX_C_SOURCE 200809L
#include "run.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

int shoal_ov_call_new(const ov_compiled_model* compiled, shoal_ov_port* inputs, int n_inputs, shoal_ov_port* outputs,
                      int n_outputs, shoal_ov_call** made) {
  ov_infer_request* request = NULL;
  int status = ov.compiled_model_create_infer_request(compiled, &request);
  if (status) return status;
  shoal_ov_call* c = calloc(1, sizeof *c);
  c->request = request;
  c->n_inputs = n_inputs;
  c->n_outputs = n_outputs;
  c->inputs = inputs;
  c->outputs = outputs;
  c->input_tensors = calloc(n_inputs + 1, sizeof *c->input_tensors);
  c->input_data = calloc(n_inputs + 1, sizeof *c->input_data);
  c->input_bytes = calloc(n_inputs + 1, sizeof *c->input_bytes);
  c->output_info = calloc(n_outputs + 1, sizeof *c->output_info);
  *made = c;
  return 0;
}

void shoal_ov_call_delete(shoal_ov_call* c) {
  ov.infer_request_free(c->request);
  for (int i = 0; i < c->n_inputs; i++) shoal_ov_input_drop(c, i);
  free(c->input_tensors);
  free(c->input_data);
  free(c->input_bytes);
  free(c->output_info);
  free(c);
}

void shoal_ov_input_drop(shoal_ov_call* c, int i) {
  if (c->input_tensors[i]) ov.tensor_free(c->input_tensors[i]);
  c->input_tensors[i] = NULL;
}

// The request reads a tensor's memory where it is in each run, so that a tensor is bound once and reshaped afterwards.
int shoal_ov_inputs(shoal_ov_call* c, const int* ranks, const int64_t* dims) {
  for (int i = 0; i < c->n_inputs; i++) {
    ov_shape shape = {ranks[i], (int64_t*)dims};
    dims += ranks[i];
    c->input_data[i] = NULL;
    c->input_bytes[i] = 0;
    if (!c->inputs[i].port) continue;
    int status = 0;
    if (c->input_tensors[i]) {
      status = ov.tensor_set_shape(c->input_tensors[i], shape);
    } else {
      status = ov.tensor_create(c->inputs[i].type, shape, &c->input_tensors[i]);
      if (!status) {
        status = ov.infer_request_set_tensor_by_const_port(c->request, c->inputs[i].port, c->input_tensors[i]);
      }
    }
    if (!status) status = ov.tensor_get_byte_size(c->input_tensors[i], &c->input_bytes[i]);
    if (!status && c->input_bytes[i]) status = ov.tensor_data(c->input_tensors[i], &c->input_data[i]);
    if (status) {
      shoal_ov_input_drop(c, i);
      return status;
    }
  }
  return 0;
}

shoal_ov_outputs* shoal_ov_outputs_new(const shoal_ov_call* c) {
  static _Atomic int64_t serials;
  shoal_ov_outputs* o = calloc(1, sizeof *o + c->n_outputs * sizeof *o->tensors);
  o->serial = ++serials;
  o->n = c->n_outputs;
  for (int i = 0; i < o->n; i++) {
    const shoal_ov_port* port = &c->outputs[i];
    int64_t dims[SHOAL_OV_RANK] = {0};
    for (int d = 0; d < port->rank; d++) dims[d] = port->dims[d] < 0 ? 0 : port->dims[d];
    if (ov.tensor_create(port->type, (ov_shape){port->rank < 0 ? 1 : port->rank, dims}, &o->tensors[i])) {
      shoal_ov_outputs_delete(o);
      return NULL;
    }
  }
  return o;
}

void shoal_ov_outputs_delete(shoal_ov_outputs* o) {
  for (int i = 0; i < o->n; i++) {
    if (o->tensors[i]) ov.tensor_free(o->tensors[i]);
  }
  free(o);
}

// The processor time of the calling thread, in nanoseconds.
static int64_t thread_time(void) {
  struct timespec t;
  if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t)) return 0;
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int bind(shoal_ov_call* c, shoal_ov_outputs* o) {
  for (int i = 0; i < o->n; i++) {
    int status = ov.infer_request_set_tensor_by_const_port(c->request, c->outputs[i].port, o->tensors[i]);
    if (status) return status;
  }
  c->bound = o->serial;
  return 0;
}

static int look(ov_tensor* t, shoal_ov_output* info) {
  ov_shape shape = {0};
  int status = ov.tensor_get_byte_size(t, &info->bytes);
  info->data = NULL;
  if (!status && info->bytes) status = ov.tensor_data(t, &info->data);
  if (status) return status;
  status = ov.tensor_get_shape(t, &shape);
  if (status == SHOAL_OV_INVALID) {  // the C API does not give the shape of a scalar
    info->rank = 0;
    return 0;
  }
  if (status) return status;
  info->rank = (int)shape.rank;
  if (info->rank > SHOAL_OV_RANK) {
    status = -2;  // not implemented
  } else {
    memcpy(info->dims, shape.dims, info->rank * sizeof *info->dims);
  }
  ov.shape_free(&shape);
  return status;
}

int shoal_ov_run(shoal_ov_call* c, shoal_ov_outputs* o, int metered) {
  int64_t began = metered ? thread_time() : 0;
  int status = c->bound == o->serial ? 0 : bind(c, o);
  if (!status) status = ov.infer_request_infer(c->request);
  c->cpu_nanos = metered ? thread_time() - began : 0;
  if (status) c->bound = 0;
  for (int i = 0; i < o->n && !status; i++) status = look(o->tensors[i], &c->output_info[i]);
  return status;
}
