#include <stdlib.h>

// TensorFlow's library logs through Abseil, some of it (which instruction sets, oneDNN) before main begins, when no call can
// set the level yet. Abseil asks absl::MinLogLevel() at each message; the executable's definition comes before the library's.
// So the level is TF_CPP_MIN_LOG_LEVEL as always (0 info, 1 warning, 2 error), but 2 where that is not set. In a library with
// another version of Abseil the symbol has another name, this one is never called, and the messages are merely there again.
int shoal_min_log_level(void) __asm__("_ZN4absl12lts_2025081411MinLogLevelEv");

int shoal_min_log_level(void) {
  const char* level = getenv("TF_CPP_MIN_LOG_LEVEL");
  return level && *level ? atoi(level) : 2;
}
