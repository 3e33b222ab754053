// HQQ as HQQLinear writes it when its state is encoded as tensors: X.W_q, X.scale, X.zero, and what
// PyTorch pickles as objects as tensors of one number: X.shape, X.nbits, X.axis ... hqq's own
// qmodel.pt has objects there, and is not read.

#include <fmt/format.h>

#include "base/text.h"
#include "dialect/dialect.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

Recognition recognize(const Facts& facts) {
  Recognition result;
  if (declared_method(facts) == "hqq") {
    result.match = Match::kMaybe;
    result.evidence.emplace_back("quant_method is hqq");
  }
  if (const ModuleTensors* module = facts.modules.first_with("W_q")) {
    result.match = Match::kYes;
    result.evidence.push_back(describe(*module->find("W_q")));
  }
  return result;
}

Result<Shape> shape_of(const ModuleTensors& module, const Facts& facts) {
  const TensorInfo* info = module.find("shape");
  if (info == nullptr) {
    return refused(fmt::format(
        "{}: HQQ without a tensor 'shape' cannot be read: {}", printable(module.module),
        facts.source.container() == "pytorch"
            ? "hqq's own files keep it as a Python object, transformers' safetensors as a tensor"
            : "the size of the weight is nowhere else"));
  }
  if (info->dtype != DType::kI64 || info->shape != Shape{2}) {
    return corrupt(fmt::format("{}, expected I64 [2]", describe(*info)));
  }
  RQ_TRY(const Tensor tensor, facts.source.read(*info));
  const auto extents = tensor.as<std::int64_t>();
  return Shape(extents.begin(), extents.end());
}

Result<Weight> resolve_module(const ModuleTensors& module, const Facts& facts) {
  RQ_TRY(const Shape shape, shape_of(module, facts));
  auto weight =
      weight_of(module, place_of(module, facts), {"W_q", "scale", "zero", "shape", "nbits", "axis"},
                {}, *find_codec("hqq"));
  if (!weight) {
    std::string parts;
    for (const auto& [suffix, tensor] : module.parts) {
      parts += fmt::format("{}{} {} {}", parts.empty() ? "" : ", ", printable(suffix),
                           name_of(tensor->dtype), to_string(tensor->shape));
    }
    return refused(
        fmt::format("{}: {}: only groups along the inputs (axis 1) with float scales "
                    "and zeros can be read",
                    printable(module.module), parts));
  }
  weight->rows = shape[0];
  weight->cols = shape[1];
  return *std::move(weight);
}

Result<Resolution> resolve(const Facts& facts) {
  Resolution resolution;
  for (const ModuleTensors& module : facts.modules.modules()) {
    if (module.find("W_q") == nullptr) continue;
    RQ_TRY(auto weight, resolve_module(module, facts));
    resolution.weights.push_back(std::move(weight));
  }
  return resolution;
}

}  // namespace

extern const Dialect k_dialect_hqq;
const Dialect k_dialect_hqq = {
    .name = "hqq",
    .long_name = "HQQ: 1, 2, 3, 4 and 8 bits",
    .source = "mobiusml/hqq hqq/core/quantize.py@0.2.8.post1",
    .recognize = recognize,
    .resolve = resolve,
    .quant_methods = "hqq",
};

}  // namespace requant
