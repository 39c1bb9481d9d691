#define _GNU_SOURCE
#include "api.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

shoal_ov_api ov;

char* shoal_ov_open(const char* path) {
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) return strdup(dlerror());
#define SHOAL_OV_FIND(result, name, arguments)                                        \
  if (!(ov.name = (result(*) arguments)dlsym(library, "ov_" #name))) { \
    dlclose(library);                                                                 \
    return strdup("it has no function ov_" #name);                                    \
  }
  SHOAL_OV_FUNCTIONS(SHOAL_OV_FIND)
#undef SHOAL_OV_FIND
  return NULL;
}

char* shoal_ov_version(void) {
  ov_version v = {0};
  if (ov.get_openvino_version(&v)) return strdup("unknown");
  char* build = strdup(v.build);
  ov.version_free(&v);
  return build;
}
