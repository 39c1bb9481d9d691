#include <string.h>

#include "run.h"

static ov_core* core;

int shoal_ov_core(void) { return core ? 0 : ov.core_create(&core); }

int shoal_ov_read(const char* path, ov_model** model) { return ov.core_read_model(core, path, NULL, model); }

void shoal_ov_model_free(ov_model* model) { ov.model_free(model); }

char* shoal_ov_error(void) {
  const char* text = ov.get_last_err_msg();
  if (!text) return NULL;
  char* copy = strdup(text);
  ov.free(text);
  return copy;
}

// describe fills in the type and shape of port->port.
static int describe(shoal_ov_port* port) {
  ov_partial_shape shape = {0};
  int status = ov.port_get_element_type(port->port, &port->type);
  if (!status) status = ov.port_get_partial_shape(port->port, &shape);
  if (status) return status;
  port->rank = -1;
  if (shape.rank.min == shape.rank.max && shape.rank.max <= SHOAL_OV_RANK) {
    port->rank = (int)shape.rank.max;
    for (int i = 0; i < port->rank; i++) {
      port->dims[i] = shape.dims[i].min == shape.dims[i].max ? shape.dims[i].max : -1;
    }
  }
  ov.partial_shape_free(&shape);
  return 0;
}

int shoal_ov_port_named(const ov_model* model, int output, const char* name, shoal_ov_port* port) {
  port->port = NULL;
  int status = output ? ov.model_const_output_by_name(model, name, &port->port)
                      : ov.model_const_input_by_name(model, name, &port->port);
  if (status || !port->port) {
    port->port = NULL;
    return 0;
  }
  return describe(port);
}

int shoal_ov_port_compiled(const ov_compiled_model* compiled, int output, const char* name, shoal_ov_port* port) {
  port->port = NULL;
  int status = output ? ov.compiled_model_output_by_name(compiled, name, &port->port)
                      : ov.compiled_model_input_by_name(compiled, name, &port->port);
  return status ? status : describe(port);
}

void shoal_ov_port_free(ov_port* port) {
  if (port) ov.output_const_port_free(port);
}

int shoal_ov_compile(const ov_model* model, const char* precision, ov_compiled_model** compiled) {
  // One stream of one thread runs in the thread that asks for it; pinned, several models would share a core.
  return ov.core_compile_model(core, model, "CPU", 8, compiled, "INFERENCE_NUM_THREADS", "1", "NUM_STREAMS", "1",
                               "ENABLE_CPU_PINNING", "NO", "INFERENCE_PRECISION_HINT", precision);
}

void shoal_ov_compiled_free(ov_compiled_model* compiled) { ov.compiled_model_free(compiled); }
