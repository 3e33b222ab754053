// Every kernel of every list against the list's reference, on one small problem.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <tuple>
#include <vector>

#include "kernel/awq.h"
#include "kernel/bits.h"
#include "kernel/columns.h"
#include "kernel/dense_row.h"
#include "kernel/fields.h"
#include "kernel/scan_exponents.h"
#include "kernel/scan_fp8.h"
#include "kernel/sha256.h"
#include "kernel/transpose.h"
#include "target.h"

namespace requant::fuzz {
namespace {

using Run = std::vector<std::uint8_t>;

// The problem's numbers come off the front of the input, its bytes from the rest, over and over.
class Problem {
 public:
  Problem(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  int below(int count) {
    if (size_ == 0) return 0;
    const int value = *data_ % count;
    ++data_;
    --size_;
    return value;
  }
  Run bytes(std::int64_t count) const {
    Run run(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < run.size() && size_ > 0; ++i) {
      run[i] = static_cast<std::uint8_t>(data_[i % size_] + i / size_);
    }
    return run;
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

// `result_of` gives what a kernel makes of the problem; a kernel that does not support it is left
// out.
template <class Kernels, class Supports, class ResultOf>
void compare_all(const Kernels& kernels, const Supports& supports, const ResultOf& result_of) {
  const auto expected = result_of(*kernels.back());
  for (const auto* kernel : kernels) {
    if (supports(*kernel)) require(result_of(*kernel) == expected, kernel->name);
  }
}
constexpr auto kHere = [](const auto& kernel) { return kernel.supports(); };

void bits(Problem& p) {
  const auto order = static_cast<kernel::BitOrder>(p.below(4));
  const int bits = order == kernel::BitOrder::kHighNibble ? 4 : 1 + p.below(8);
  const std::int64_t rows = 1 + p.below(3);
  const std::int64_t cols =
      order == kernel::BitOrder::kPlanes ? 32 + 32 * p.below(4) : 1 + p.below(130);
  const int half = 1 << (bits - 1);
  const int flip = p.below(2) * half;
  const int bias = p.below(2) * half;
  const std::int64_t row_bytes = kernel::packed_bytes(cols, bits, order) + p.below(3);
  const Run packed = p.bytes(rows * row_bytes);
  compare_all(kernel::bits_kernels(), kHere, [&](const kernel::BitsKernel& kernel) {
    Run codes(static_cast<std::size_t>(rows * cols));
    kernel.unpack({packed.data(), row_bytes, codes.data(), rows, cols, bits, order, flip, bias});
    return codes;
  });
  if (order == kernel::BitOrder::kWholeWords) return;
  const Run codes = p.bytes(rows * cols);
  compare_all(kernel::bits_kernels(), kHere, [&](const kernel::BitsKernel& kernel) {
    Run out(packed.size());
    const bool fits =
        kernel.pack({codes.data(), rows, cols, out.data(), row_bytes, bits, order, flip, bias});
    return std::pair(fits, out);
  });
}

void columns(Problem& p) {
  const auto order = p.below(2) == 0 ? kernel::BitOrder::kStream : kernel::BitOrder::kPlanes;
  const int bits = 1 + p.below(8);
  const std::int64_t inputs = 32 + 32 * p.below(4);
  const std::int64_t outputs = 1 + p.below(20);
  const int half = 1 << (bits - 1);
  const int flip = p.below(2) * half;
  const int bias = p.below(2) * half;
  const Run words = p.bytes(inputs * outputs * bits / 8);
  compare_all(kernel::columns_kernels(), kHere, [&](const kernel::ColumnsKernel& kernel) {
    Run codes(static_cast<std::size_t>(inputs * outputs));
    kernel.unpack({words.data(), codes.data(), inputs, outputs, bits, order, flip, bias});
    return codes;
  });
  const Run codes = p.bytes(inputs * outputs);
  compare_all(kernel::columns_kernels(), kHere, [&](const kernel::ColumnsKernel& kernel) {
    Run out(words.size());
    const bool fits =
        kernel.pack({codes.data(), out.data(), inputs, outputs, bits, order, flip, bias});
    return std::pair(fits, out);
  });
}

void fields(Problem& p) {
  constexpr std::array<std::array<int, 2>, 4> kShapes = {{{2, 4}, {4, 2}, {8, 1}, {1, 8}}};
  const auto& shape = kShapes[static_cast<std::size_t>(p.below(4))];
  const int count_of = shape[0];
  const int bits = shape[1];
  const std::int64_t count = 1 + p.below(256);
  const std::int64_t stride = count + p.below(3);
  const int half = 1 << (bits - 1);
  const int flip = p.below(2) * half;
  const int bias = p.below(2) * half;
  const bool high_first = p.below(2) != 0;
  const int first = high_first ? 8 - bits : 0;
  const int step = high_first ? -bits : bits;
  const Run units = p.bytes(count);
  compare_all(kernel::fields_kernels(), kHere, [&](const kernel::FieldsKernel& kernel) {
    Run codes(static_cast<std::size_t>(stride * count_of));
    kernel.split(
        {units.data(), 1, count, codes.data(), stride, count_of, first, step, bits, flip, bias});
    return codes;
  });
  const Run codes = p.bytes(stride * count_of);
  compare_all(kernel::fields_kernels(), kHere, [&](const kernel::FieldsKernel& kernel) {
    Run out(units.size());
    const bool fits = kernel.join(
        {codes.data(), stride, out.data(), count, count_of, first, step, bits, flip, bias});
    return std::pair(fits, out);
  });
}

void awq(Problem& p) {
  const std::int64_t inputs = 2 + 2 * p.below(40);
  const std::int64_t outputs = 8 + 8 * p.below(4);
  const kernel::AwqOrder& order = p.below(2) == 0 ? kernel::kAwqOrder : kernel::kPlainOrder;
  const int flip = p.below(2) * 8;
  const Run words = p.bytes(inputs * outputs / 2);
  const Run codes = p.bytes(inputs * outputs);
  compare_all(kernel::awq_kernels(), kHere, [&](const kernel::AwqKernel& kernel) {
    Run unpacked(codes.size());
    kernel.unpack({words.data(), unpacked.data(), inputs, outputs, order, flip});
    Run rows(words.size());
    kernel.to_rows({words.data(), rows.data(), inputs, outputs, order, nullptr});
    Run back(words.size());
    kernel.from_rows({rows.data(), back.data(), inputs, outputs, order, nullptr});
    bool differs = false;
    kernel.from_rows({rows.data(), back.data(), inputs, outputs, order, &differs});
    Run packed(words.size());
    const bool fits = kernel.pack({codes.data(), packed.data(), inputs, outputs, order});
    return std::tuple(unpacked, rows, back, differs, packed, fits);
  });
}

// Aligned as results are that kernels write past the cache.
std::uint8_t* first_line_of(std::vector<std::uint8_t>& space) {
  void* begin = space.data();
  std::size_t size = space.size();
  return static_cast<std::uint8_t*>(std::align(64, 1, begin, size));
}

void transpose(Problem& p) {
  const int width = 1 << p.below(3);
  const std::int64_t rows = 1 + p.below(40);
  const std::int64_t cols = 1 + p.below(40);
  const Run from = p.bytes(rows * cols * width);
  compare_all(kernel::transpose_kernels(), kHere, [&](const kernel::TransposeKernel& kernel) {
    std::vector<std::uint8_t> space(from.size() + 64);
    auto* to = first_line_of(space);
    kernel.run({from.data(), to, rows, cols, width, nullptr});
    bool differs = false;
    kernel.run({from.data(), to, rows, cols, width, &differs});
    return std::pair(Run(to, to + from.size()), differs);
  });
}

void dense_row(Problem& p) {
  constexpr DType kTypes[] = {DType::kF32, DType::kBF16, DType::kF16};
  const auto code = static_cast<kernel::DenseCode>(p.below(3));
  const DType dtype = kTypes[p.below(3)];
  const int zero = code == kernel::DenseCode::kInt8 ? p.below(256) - 128 : 0;
  const std::int64_t count = 1 + p.below(200);
  const Run bits = p.bytes(4);
  float scale = 0;
  std::memcpy(&scale, bits.data(), 4);
  if (scale != scale) return;  // which NaN comes out is left open
  Run codes = p.bytes(count);
  for (std::uint8_t& c : codes) {  // likewise
    const bool special =
        code == kernel::DenseCode::kE4M3Fn ? (c & 0x7F) == 0x7F : (c & 0x7C) == 0x7C;
    if (code != kernel::DenseCode::kInt8 && special) c = 0;
  }
  if (scale - scale != 0) return;  // infinity times 0
  const auto with = [&](void* out) {
    return kernel::DenseRow{codes.data(), codes.size(), code, scale, zero, dtype, out};
  };
  const auto supports = [&](const kernel::DenseRowKernel& kernel) {
    return kernel.supports(with(nullptr));
  };
  compare_all(kernel::dense_row_kernels(), supports, [&](const kernel::DenseRowKernel& kernel) {
    std::vector<float> out(codes.size());
    kernel.run(with(out.data()));
    const auto* bytes = static_cast<const std::uint8_t*>(static_cast<const void*>(out.data()));
    return Run(bytes, bytes + out.size() * (dtype == DType::kF32 ? 4 : 2));
  });
}

void scans(Problem& p) {
  const bool e5m2 = p.below(2) != 0;
  const Run codes = p.bytes(8 * (1 + p.below(60)));
  const kernel::ScanFp8 fp8{codes.data(), codes.size(), e5m2};
  compare_all(
      kernel::scan_fp8_kernels(), [&](const auto& kernel) { return kernel.supports(fp8); },
      [&](const auto& kernel) { return kernel.run(fp8); });
  constexpr std::uint64_t kHalf = 0x0001000100010001;
  const kernel::ScanExponents f16{
      static_cast<const std::byte*>(static_cast<const void*>(codes.data())), codes.size(),
      0x7C00 * kHalf, 0x0400 * kHalf, 0x8000 * kHalf};
  compare_all(
      kernel::scan_exponents_kernels(), [&](const auto& kernel) { return kernel.supports(f16); },
      [&](const auto& kernel) { return kernel.run(f16); });
}

void sha256(Problem& p) {
  const Run a = p.bytes(p.below(200));
  const Run b = p.bytes(p.below(200));
  compare_all(kernel::sha256_kernels(), kHere, [&](const kernel::Sha256Kernel& kernel) {
    std::array<std::uint8_t[32], 2> digests{};
    kernel.run({{a.data(), b.data()}, {a.size(), b.size()}, digests.data()});
    const auto* bytes = static_cast<const std::uint8_t*>(static_cast<const void*>(digests.data()));
    return Run(bytes, bytes + sizeof(digests));
  });
}

constexpr void (*kProblems[])(Problem&) = {bits,      columns,   fields, awq,
                                           transpose, dense_row, scans,  sha256};

}  // namespace
}  // namespace requant::fuzz

int requant::fuzz::LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 8) return 0;
  requant::fuzz::Problem problem(data, size);
  requant::fuzz::kProblems[problem.below(8)](problem);
  return 0;
}
