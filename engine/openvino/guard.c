#include "guard.h"

// Without a branch in the loop the compiler looks at many elements at once.
#pragma GCC optimize("O3")

int shoal_ov_finite(const float* p, size_t n) {
  const uint32_t* bits = (const uint32_t*)p;
  uint32_t found = 0;
  for (size_t i = 0; i < n; i++) found |= (bits[i] & 0x7f800000u) == 0x7f800000u;
  return !found;
}

#define WITHIN(T)                                                                       \
  {                                                                                     \
    const T* v = p;                                                                     \
    int outside = 0;                                                                    \
    for (size_t i = 0; i < bytes / sizeof(T); i++) outside |= v[i] < least || v[i] > most; \
    return !outside;                                                                    \
  }

int shoal_ov_within(const void* p, size_t bytes, int type, int64_t least, int64_t most) {
  switch (type) {
    case 1:  // boolean
    case 16:
      WITHIN(uint8_t)
    case 7:
      WITHIN(int8_t)
    case 8:
      WITHIN(int16_t)
    case 17:
      WITHIN(uint16_t)
    case 9:
      WITHIN(int32_t)
    case 10:
      WITHIN(int64_t)
  }
  return 0;
}
