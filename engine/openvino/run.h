// The C side of reading, compiling and running a model. What returns an int returns 0, or OpenVINO's status.
#ifndef SHOAL_OPENVINO_RUN_H
#define SHOAL_OPENVINO_RUN_H

#include "api.h"

// The most dimensions that a tensor may have.
#define SHOAL_OV_RANK 32

typedef struct {
  ov_port* port;  // NULL: the model does not have it
  int type;
  int rank;  // -1: unknown
  int64_t dims[SHOAL_OV_RANK];
} shoal_ov_port;

// Makes the process's core, once.
int shoal_ov_core(void);

int shoal_ov_read(const char* path, ov_model** model);
void shoal_ov_model_free(ov_model* model);

// The last error's text, to be freed; NULL: there is none. Another thread's error may have taken its place.
char* shoal_ov_error(void);

// Finds a port by its name. Where there is none port->port is NULL.
int shoal_ov_port_named(const ov_model* model, int output, const char* name, shoal_ov_port* port);

// Finds the port of the compiled model that has this name.
int shoal_ov_port_compiled(const ov_compiled_model* compiled, int output, const char* name, shoal_ov_port* port);

void shoal_ov_port_free(ov_port* port);

// Compiles the model for one thread, the caller's.
int shoal_ov_compile(const ov_model* model, const char* precision, ov_compiled_model** compiled);
void shoal_ov_compiled_free(ov_compiled_model* compiled);

typedef struct {
  void* data;
  size_t bytes;
  int rank;
  int64_t dims[SHOAL_OV_RANK];
} shoal_ov_output;

// A tensor for each output of a model.
typedef struct {
  int64_t serial;  // no two have the same
  int n;
  ov_tensor* tensors[];
} shoal_ov_outputs;

// The prebuilt arguments of the runs of one compiled model.
typedef struct {
  ov_infer_request* request;
  int n_inputs, n_outputs;
  shoal_ov_port* inputs;  // of the compiled model; the call does not own them
  shoal_ov_port* outputs;
  ov_tensor** input_tensors;      // NULL until a first run
  void** input_data;              // set by shoal_ov_inputs; NULL where the model does not have the input
  size_t* input_bytes;            // set by shoal_ov_inputs
  int64_t bound;                  // the serial of the outputs that the request writes to; 0: none
  shoal_ov_output* output_info;   // set by shoal_ov_run
  int64_t cpu_nanos;              // processor time of the calling thread in the last shoal_ov_run
} shoal_ov_call;

int shoal_ov_call_new(const ov_compiled_model* compiled, shoal_ov_port* inputs, int n_inputs, shoal_ov_port* outputs,
                      int n_outputs, shoal_ov_call** call);
void shoal_ov_call_delete(shoal_ov_call* call);

// Gives every input tensor its shape (ranks and dims have those of all inputs, one after the other).
int shoal_ov_inputs(shoal_ov_call* call, const int* ranks, const int64_t* dims);

// Gives input tensor i's memory back. The next shoal_ov_inputs makes a new one.
void shoal_ov_input_drop(shoal_ov_call* call, int i);

// Makes tensors for the outputs of the call; NULL: there is no memory.
shoal_ov_outputs* shoal_ov_outputs_new(const shoal_ov_call* call);
void shoal_ov_outputs_delete(shoal_ov_outputs* outputs);

// Runs the model into outputs and fills output_info. Where it is not metered cpu_nanos becomes 0.
int shoal_ov_run(shoal_ov_call* call, shoal_ov_outputs* outputs, int metered);

#endif
