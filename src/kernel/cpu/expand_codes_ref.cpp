#include "kernel/expand_codes.h"
#include "tensor/float_formats.h"

namespace requant::kernel {
namespace {

float value_at(const ExpandCodes& p, std::size_t i) {
  const std::size_t at = p.first + i;
  switch (p.form) {
    case CodeForm::kNibbles: {
      const std::uint8_t pair = static_cast<const std::uint8_t*>(p.codes)[at / 2];
      return p.table[at % 2 == 0 ? pair & 15 : pair >> 4];
    }
    case CodeForm::kInt8:
      return static_cast<const std::int8_t*>(p.codes)[at];
    case CodeForm::kBytes:
      return p.table[static_cast<const std::uint8_t*>(p.codes)[at]];
    case CodeForm::kF16:
      return f16_to_f32(static_cast<const std::uint16_t*>(p.codes)[at]);
    case CodeForm::kBF16:
      return bf16_to_f32(static_cast<const std::uint16_t*>(p.codes)[at]);
  }
  return 0;
}

void run(const ExpandCodes& p) {
  const bool plain = p.form == CodeForm::kF16 || p.form == CodeForm::kBF16;
  for (std::size_t i = 0; i < p.count; ++i) {
    const float value = value_at(p, i);
    p.out[i] = plain ? value : value * p.scale + p.addend;
  }
}

}  // namespace

extern const ExpandCodesKernel k_expand_codes_ref;
const ExpandCodesKernel k_expand_codes_ref = {"ref", [] { return true; }, run};

}  // namespace requant::kernel
