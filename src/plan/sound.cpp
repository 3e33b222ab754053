#include "plan/sound.h"

#include <cmath>
#include <cstdint>

#include "kernel/scan_fp8.h"

namespace requant {
namespace {

// Looks at every byte: a loop without a way out is one that compilers turn into vector code.
bool has_byte(std::span<const std::byte> bytes, std::byte wanted) {
  unsigned found = 0;
  for (const std::byte byte : bytes) found |= static_cast<unsigned>(byte == wanted);
  return found != 0;
}

}  // namespace

bool has_special_code(Element element, std::span<const std::byte> codes) {
  switch (element) {
    case Element::kE4M3Fn:
    case Element::kE5M2:
      return kernel::scan_fp8(
                 {.codes = static_cast<const std::uint8_t*>(static_cast<const void*>(codes.data())),
                  .count = codes.size(),
                  .e5m2 = element == Element::kE5M2}) > 0;
    case Element::kE4M3Fnuz:
    case Element::kE5M2Fnuz:
      return has_byte(codes, std::byte{0x80});
    default:
      return false;
  }
}

bool all_positive(const Tensor& scales) {
  const std::int64_t count = scales.elements();
  for (std::int64_t i = 0; i < count; ++i) {
    const double scale = element_as_double(scales, i);
    if (!(scale > 0) || std::isinf(scale)) return false;
    if (scales.dtype == DType::kU8 && scale == 255) return false;  // the NaN of exponents
  }
  return true;
}

}  // namespace requant
