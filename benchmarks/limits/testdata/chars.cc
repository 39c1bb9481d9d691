// Reads {"instances":[[…],…]} from the file argv[1] and prints, for C++'s own parser and printer of floats, the nanoseconds
// that a value takes: "from_chars NS" and "to_chars NS", each the best of many passes.
#include <charconv>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  std::ifstream in(argv[1]);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const char* const begin = text.data() + text.find("[[");
  const char* const end = text.data() + text.size();
  std::vector<float> values(1 << 20);
  size_t n = 0;
  auto parse = [&] {
    n = 0;
    for (const char* p = begin; p < end;) {
      const char c = *p;
      if (c == '-' || (c >= '0' && c <= '9')) {
        p = std::from_chars(p, end, values[n++]).ptr;
      } else {
        ++p;
      }
    }
  };
  std::vector<char> out(64 << 20 >> 4);
  auto print = [&] {
    char* p = out.data();
    for (size_t i = 0; i < n; i++) {
      p = std::to_chars(p, p + 32, values[i]).ptr;
      *p++ = ',';
    }
  };
  auto best = [&](auto&& f) {
    double least = 1e30;
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(700);
    while (std::chrono::steady_clock::now() < until) {
      const auto start = std::chrono::steady_clock::now();
      f();
      const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
      if (took.count() < least) least = took.count();
    }
    return least / n;
  };
  parse();
  std::printf("from_chars %.3f\n", best(parse));
  std::printf("to_chars %.3f\n", best(print));
}
