// What OpenVINO may not be asked, or may not answer: quick looks at whole tensors.
#ifndef SHOAL_OPENVINO_GUARD_H
#define SHOAL_OPENVINO_GUARD_H

#include <stddef.h>
#include <stdint.h>

// Whether all floats are finite.
int shoal_ov_finite(const float* p, size_t n);

// Whether all integers of a type (OpenVINO's number) lie in [least, most]. The types are int32, int64, and those of 8 and 16 bits.
int shoal_ov_within(const void* p, size_t bytes, int type, int64_t least, int64_t most);

#endif
