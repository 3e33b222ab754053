#include "quant/codebook.h"

#include <algorithm>
#include <array>
#include <vector>

namespace requant {
namespace {

constexpr std::array<float, 16> kNf4 = {
    -0x1p+0F,        -0x1.647362p-1F, -0x1.0cd66p-1F,  -0x1.94654p-2F,
    -0x1.23449ap-2F, -0x1.7a6a7ep-3F, -0x1.74f0e2p-4F, 0,
    0x1.45f5fep-4F,  0x1.4995c6p-3F,  0x1.f809bap-3F,  0x1.5a0674p-2F,
    0x1.c3497p-2F,   0x1.200f56p-1F,  0x1.722766p-1F,  0x1p+0F,
};

// The second zero is the negative one.
constexpr std::array<float, 16> kFp4 = {
    0,
    0x1.555556p-8F,
    0x1.555556p-1F,
    0x1p+0F,
    0x1.555556p-2F,
    0x1p-1F,
    0x1.555556p-3F,
    0x1p-2F,
    0,
    -0x1.555556p-8F,
    -0x1.555556p-1F,
    -0x1p+0F,
    -0x1.555556p-2F,
    -0x1p-1F,
    -0x1.555556p-3F,
    -0x1p-2F,
};

constexpr std::array<float, 16> kIq4Nl = {-127, -104, -83, -65, -49, -35, -22, -10,
                                          1,    13,   25,  38,  53,  69,  89,  113};

// torch.linspace(0.1, 1, steps + 1): counted from the nearer end, each rounded once.
float boundary(int at, int steps) {
  constexpr float kFirst = 0.1F;
  const double step = static_cast<double>((1.0F - kFirst) / static_cast<float>(steps));
  if (at < (steps + 1) / 2) return static_cast<float>(static_cast<double>(kFirst) + step * at);
  return static_cast<float>(1.0 - step * (steps - at));
}

// Seven decades; each has twice as many values as the one below, midway between even steps.
std::vector<float> make_dynamic_map() {
  std::vector<float> map = {0, 1};
  constexpr std::array<float, 7> kDecades = {1e-6F, 1e-5F, 1e-4F, 1e-3F, 1e-2F, 1e-1F, 1};
  for (int i = 0; i < 7; ++i) {
    const int steps = 1 << i;
    for (int at = 0; at < steps; ++at) {
      const float value = kDecades[static_cast<std::size_t>(i)] *
                          ((boundary(at, steps) + boundary(at + 1, steps)) / 2);
      map.push_back(value);
      map.push_back(-value);
    }
  }
  std::ranges::sort(map);
  return map;
}

}  // namespace

std::span<const float> codebook_named(std::string_view name) {
  static const std::vector<float> dynamic = make_dynamic_map();
  if (name == "nf4") return kNf4;
  if (name == "fp4") return kFp4;
  if (name == "dynamic8") return dynamic;
  return {};
}

Result<Tensor> iq4_codebook() {
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kF32, {std::ssize(kIq4Nl)}));
  std::ranges::copy(kIq4Nl, out.as<float>().begin());
  return std::move(out).finish();
}

}  // namespace requant
