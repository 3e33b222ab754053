// Bytes in and out per second of each kernel, beside those of memcpy() on the same machine:
//
//   bench_kernels [--threads N] [--mib CODES] [--rounds N] [--isa NAME]
//                 [--only PART] [--json FILE]
//
// Each thread has its own weight of CODES / N codes, a byte each when unpacked, and copies as many
// bytes. Kernel and copy take turns; the best round of each counts. Exits with 1 where a kernel is
// below half the copy. --isa names the list entry that runs ("ref"); without it, the first.

#include <algorithm>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "kernel/awq.h"
#include "kernel/bits.h"
#include "kernel/columns.h"
#include "kernel/fields.h"
#include "kernel/transpose.h"

namespace requant::kernel {
namespace {

constexpr double kBar = 0.5;

struct Options {
  int threads = 1;
  std::int64_t mib = 192;
  int rounds = 7;
  std::string isa;
  std::string json;
  std::string only;  // a part of the name
};

// What one thread works on: large enough for either side of every kernel, written to once, and
// aligned as tensors are.
struct Space {
  explicit Space(std::size_t bytes)
      : in(*Buffer::allocate(bytes)), out(*Buffer::allocate(bytes)), size(bytes) {
    a = in.as<std::uint8_t>().data();
    b = out.as<std::uint8_t>().data();
    for (std::size_t i = 0; i < bytes; ++i) {
      a[i] = static_cast<std::uint8_t>((i * 2654435761U) >> 13);
    }
    std::memset(b, 1, bytes);
  }
  Buffer in;
  Buffer out;
  std::size_t size;
  std::uint8_t* a;
  std::uint8_t* b;
};

struct Case {
  std::string name;
  std::string isa;
  std::int64_t bytes;  // in and out, of one thread
  std::function<void(Space&)> run;
};

struct Figure {
  std::string name;
  std::string isa;
  double kernel_gbs = 0;
  double copy_gbs = 0;
  double ratio() const { return kernel_gbs / copy_gbs; }
};

template <class Kernel>
const Kernel* pick(std::span<const Kernel* const> kernels, const std::string& isa) {
  for (const Kernel* kernel : kernels) {
    if (isa.empty() ? kernel->supports() : isa == kernel->name) {
      return kernel->supports() ? kernel : nullptr;
    }
  }
  return nullptr;
}

// A weight whose rows are a power of two, the hardest for the cache.
struct Size {
  static constexpr std::int64_t kInputs = 8192;
  std::int64_t outputs;
  std::int64_t codes() const { return kInputs * outputs; }
  std::int64_t packed(int bits) const { return codes() * bits / 8; }
};

void add_bits(std::vector<Case>& cases, const Options& options, Size size) {
  const BitsKernel* kernel = pick(bits_kernels(), options.isa);
  if (kernel == nullptr) return;
  const auto add = [&](const char* what, int bits, BitOrder order) {
    const std::int64_t row = packed_bytes(Size::kInputs, bits, order);
    const std::string name = std::to_string(bits) + "-bit " + what;
    const std::int64_t bytes = size.codes() + size.outputs * row;
    const int bias = 1 << (bits - 1);
    cases.push_back(
        {"unpack " + name, kernel->name, bytes, [=](Space& s) {
           kernel->unpack({s.a, row, s.b, size.outputs, Size::kInputs, bits, order, 0, bias});
         }});
    if (order == BitOrder::kWholeWords) return;
    cases.push_back(
        {"pack " + name, kernel->name, bytes, [=](Space& s) {
           (void)kernel->pack({s.a, size.outputs, Size::kInputs, s.b, row, bits, order, 0, bias});
         }});
  };
  for (int bits = 1; bits <= 8; ++bits) add("rows", bits, BitOrder::kStream);
  add("rows, high nibble first", 4, BitOrder::kHighNibble);
  for (const int bits : {3, 5, 6, 7}) add("rows, whole words", bits, BitOrder::kWholeWords);
}

void add_columns(std::vector<Case>& cases, const Options& options, Size size) {
  const ColumnsKernel* kernel = pick(columns_kernels(), options.isa);
  if (kernel == nullptr) return;
  const auto add = [&](const char* what, int bits, BitOrder order) {
    const std::string name = std::to_string(bits) + "-bit " + what;
    const std::int64_t bytes = size.codes() + size.packed(bits);
    const int bias = 1 << (bits - 1);
    cases.push_back(
        {"unpack " + name, kernel->name, bytes, [=](Space& s) {
           kernel->unpack({s.a, s.b, Size::kInputs, size.outputs, bits, order, 0, bias});
         }});
    cases.push_back(
        {"pack " + name, kernel->name, bytes, [=](Space& s) {
           (void)kernel->pack({s.a, s.b, Size::kInputs, size.outputs, bits, order, 0, bias});
         }});
  };
  for (const int bits : {2, 3, 4, 8}) add("GPTQ", bits, BitOrder::kStream);
  for (const int bits : {3, 5, 6, 7}) add("GPTQ planes", bits, BitOrder::kPlanes);
}

void add_awq(std::vector<Case>& cases, const Options& options, Size size) {
  const AwqKernel* kernel = pick(awq_kernels(), options.isa);
  if (kernel == nullptr) return;
  const std::int64_t bytes = size.codes() + size.packed(4);
  constexpr std::int64_t kInputs = Size::kInputs;
  cases.push_back({"unpack AWQ", kernel->name, bytes, [=](Space& s) {
                     kernel->unpack({s.a, s.b, kInputs, size.outputs});
                   }});
  cases.push_back({"pack AWQ", kernel->name, bytes, [=](Space& s) {
                     (void)kernel->pack({s.a, s.b, kInputs, size.outputs});
                   }});
  const std::int64_t packed = 2 * size.packed(4);
  cases.push_back({"repack AWQ to rows", kernel->name, packed, [=](Space& s) {
                     kernel->to_rows({s.a, s.b, kInputs, size.outputs});
                   }});
  cases.push_back({"repack rows to AWQ", kernel->name, packed, [=](Space& s) {
                     kernel->from_rows({s.a, s.b, kInputs, size.outputs});
                   }});
}

void add_fields(std::vector<Case>& cases, const Options& options, Size size) {
  const FieldsKernel* kernel = pick(fields_kernels(), options.isa);
  if (kernel == nullptr) return;
  for (const int bits : {1, 2, 4}) {
    const int fields = 8 / bits;
    const std::int64_t units = size.codes() / fields;
    cases.push_back({"split " + std::to_string(bits) + "-bit fields of bytes (HQQ)", kernel->name,
                     size.codes() + units, [=](Space& s) {
                       kernel->split({s.a, 1, units, s.b, units, fields, 8 - bits, -bits, bits});
                     }});
  }
  const std::int64_t words = size.codes() / 10;
  cases.push_back({"split 3-bit fields of words (HQQ)", kernel->name, 14 * words, [=](Space& s) {
                     kernel->split({s.a, 4, words, s.b, words, 10, 27, -3, 3});
                   }});
  const std::int64_t pairs = size.outputs / 2;
  constexpr std::int64_t kInputs = Size::kInputs;
  cases.push_back({"split row pairs (ModelOpt)", kernel->name, 3 * size.packed(4), [=](Space& s) {
                     for (std::int64_t i = 0; i < pairs; ++i) {
                       kernel->split({s.a + i * kInputs, 1, kInputs, s.b + 2 * i * kInputs, kInputs,
                                      2, 0, 4, 4, 8, 8});
                     }
                   }});
  cases.push_back({"join row pairs (ModelOpt)", kernel->name, 3 * size.packed(4), [=](Space& s) {
                     for (std::int64_t i = 0; i < pairs; ++i) {
                       (void)kernel->join({s.a + 2 * i * kInputs, kInputs, s.b + i * kInputs,
                                           kInputs, 2, 0, 4, 4, 8, 8});
                     }
                   }});
}

void add_transpose(std::vector<Case>& cases, const Options& options, Size size) {
  const TransposeKernel* kernel = pick(transpose_kernels(), options.isa);
  if (kernel == nullptr) return;
  const auto add = [&](const std::string& name, std::int64_t rows, std::int64_t cols, int width) {
    cases.push_back({name, kernel->name, 2 * rows * cols * width, [=](Space& s) {
                       kernel->run({s.a, s.b, rows, cols, width});
                     }});
  };
  add("repack GPTQ to rows (32-bit transpose)", Size::kInputs / 8, 8 * size.outputs / 4, 4);
  add("repack rows to GPTQ (32-bit transpose)", 8 * size.outputs / 4, Size::kInputs / 8, 4);
  add("transpose 16-bit scales", Size::kInputs / 16, 8 * size.outputs, 2);
  add("transpose 8-bit zeros", Size::kInputs / 16, 16 * size.outputs, 1);
}

// Seconds that `work` takes on all threads together.
double time_of(std::vector<Space>& spaces, const std::function<void(Space&)>& work) {
  using Clock = std::chrono::steady_clock;
  if (spaces.size() == 1) {
    const auto begin = Clock::now();
    work(spaces.front());
    return std::chrono::duration<double>(Clock::now() - begin).count();
  }
  std::barrier start(static_cast<std::ptrdiff_t>(spaces.size()) + 1);
  std::vector<std::thread> threads;
  for (Space& space : spaces) {
    threads.emplace_back([&] {
      start.arrive_and_wait();
      work(space);
    });
  }
  start.arrive_and_wait();
  const auto begin = Clock::now();
  for (std::thread& thread : threads) thread.join();
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

Figure measure(const Case& what, std::vector<Space>& spaces, int rounds) {
  const double threads = static_cast<double>(spaces.size());
  const std::size_t copied = spaces.front().size;
  Figure figure{.name = what.name, .isa = what.isa};
  for (int round = 0; round < rounds; ++round) {
    const double copy = time_of(spaces, [&](Space& s) { std::memcpy(s.b, s.a, copied); });
    const double run = time_of(spaces, what.run);
    const auto in_and_out = 2 * static_cast<double>(copied);
    figure.copy_gbs = std::max(figure.copy_gbs, threads * in_and_out / copy / 1e9);
    figure.kernel_gbs =
        std::max(figure.kernel_gbs, threads * static_cast<double>(what.bytes) / run / 1e9);
  }
  return figure;
}

Options parse(int count, char** values) {
  Options options;
  for (int i = 1; i + 1 < count; i += 2) {
    const std::string name = values[i];
    const std::string value = values[i + 1];
    if (name == "--threads") options.threads = std::atoi(value.c_str());
    if (name == "--mib") options.mib = std::atoll(value.c_str());
    if (name == "--rounds") options.rounds = std::atoi(value.c_str());
    if (name == "--isa") options.isa = value;
    if (name == "--json") options.json = value;
    if (name == "--only") options.only = value;
  }
  return options;
}

void write_json(const Options& options, const std::vector<Figure>& figures) {
  std::FILE* file = std::fopen(options.json.c_str(), "w");
  if (file == nullptr) return;
  std::fprintf(file, "{\"threads\": %d, \"mib\": %lld, \"kernels\": [\n", options.threads,
               static_cast<long long>(options.mib));
  for (std::size_t i = 0; i < figures.size(); ++i) {
    const Figure& f = figures[i];
    std::fprintf(
        file, "{\"kernel\": \"%s\", \"isa\": \"%s\", \"gbs\": %.2f, \"copy_gbs\": %.2f}%s\n",
        f.name.c_str(), f.isa.c_str(), f.kernel_gbs, f.copy_gbs, i + 1 < figures.size() ? "," : "");
  }
  std::fprintf(file, "]}\n");
  std::fclose(file);
}

}  // namespace

int bench(int count, char** values) {
  const Options options = parse(count, values);
  const Size size = {options.mib * (1 << 20) / Size::kInputs / options.threads / 128 * 128};
  std::vector<Case> cases;
  add_bits(cases, options, size);
  add_columns(cases, options, size);
  add_awq(cases, options, size);
  add_fields(cases, options, size);
  add_transpose(cases, options, size);
  std::vector<Space> spaces;
  for (int i = 0; i < options.threads; ++i) {
    spaces.emplace_back(static_cast<std::size_t>(size.codes()) * 11 / 10);
  }
  std::printf("%d threads, %lld MiB of codes in all, best of %d\n", options.threads,
              static_cast<long long>(options.mib), options.rounds);
  std::printf("%-42s %-7s %8s %8s %6s\n", "", "", "GB/s", "copy", "ratio");
  std::vector<Figure> figures;
  bool fast = true;
  for (const Case& what : cases) {
    if (what.name.find(options.only) == std::string::npos) continue;
    const Figure& f = figures.emplace_back(measure(what, spaces, options.rounds));
    const bool enough = f.ratio() >= kBar;
    fast &= enough;
    std::printf("%-42s %-7s %8.2f %8.2f %6.2f%s\n", f.name.c_str(), f.isa.c_str(), f.kernel_gbs,
                f.copy_gbs, f.ratio(), enough ? "" : "  below");
    std::fflush(stdout);
  }
  if (!options.json.empty()) write_json(options, figures);
  return fast ? 0 : 1;
}

}  // namespace requant::kernel

int main(int count, char** values) { return requant::kernel::bench(count, values); }
