#include <algorithm>
#include <cmath>

#include "kernel/compare_codes.h"
#include "quant/tally.h"

namespace requant::kernel {
namespace {

double code_value(const CompareCodes& p, std::size_t i) {
  const std::uint8_t code = p.codes[i];
  if (p.codebook != nullptr) return static_cast<double>(p.codebook[code & 15]);
  return p.is_signed ? static_cast<std::int8_t>(code) : code;
}

void run(const CompareCodes& p, CodeDifference& difference) {
  for (std::size_t i = 0; i < p.count; ++i) {
    const std::size_t g = i / p.group;
    const double product = code_value(p, i) * p.scales[g];
    const double coded = p.minima == nullptr ? product : product + p.minima[g];
    const auto value = static_cast<double>(p.values[i]);
    difference.elements += coded != value ? 1 : 0;
    difference.max_absolute = std::max(difference.max_absolute, std::fabs(value - coded));
    const std::uint64_t steps = ulps(p.values[i], static_cast<float>(coded));
    difference.max_ulp = std::max(difference.max_ulp, static_cast<std::uint32_t>(steps));
    difference.largest = std::max(difference.largest, std::fabs(p.values[i]));
  }
}

}  // namespace

extern const CompareCodesKernel k_compare_codes_ref;
const CompareCodesKernel k_compare_codes_ref = {"ref", [] { return true; }, run};

}  // namespace requant::kernel
