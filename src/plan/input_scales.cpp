#include "plan/input_scales.h"

#include <fmt/format.h>

#include <cmath>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "codec/parts.h"
#include "container/container.h"

namespace requant {
namespace {

constexpr std::uint64_t kMaxJsonBytes = std::uint64_t{64} << 20;
constexpr std::string_view kSuffix = ".input_scale";

using Scales = std::map<std::string, Tensor, std::less<>>;

Result<void> add(Scales& scales, std::string_view module, Tensor scale) {
  const double value = element_as_double(scale, 0);
  if (!std::isfinite(value) || value <= 0) {
    return refused(
        fmt::format("{}: the scale is {}, expected a positive number", printable(module), value));
  }
  const DType dtype = scale.dtype;
  const bool is_new =
      scales.emplace(std::string(module), relabel(std::move(scale), dtype, {1})).second;
  if (is_new) return {};
  return refused(fmt::format("{} has two scales", printable(module)));
}

std::string_view without_suffix(std::string_view name) {
  if (name.ends_with(kSuffix)) name.remove_suffix(kSuffix.size());
  return name;
}

Result<Scales> read_json(const std::filesystem::path& file) {
  Scales scales;
  RQ_TRY(const Bytes bytes, read_small_file(file, kMaxJsonBytes));
  RQ_TRY(const Json json, parse_json(bytes.text()));
  if (!json.is_object()) return refused("expected an object of scales by module");
  for (const auto& [name, value] : json.members()) {
    const auto number = value.as_double();
    if (!number) {
      return refused(fmt::format("{}: the scale is {}, expected a number", printable(name),
                                 printable(value.dump(), 80)));
    }
    RQ_TRY(TensorBuilder builder, TensorBuilder::make(DType::kF32, {1}));
    builder.as<float>()[0] = static_cast<float>(*number);
    RQ_CHECK(add(scales, without_suffix(name), std::move(builder).finish()));
  }
  return scales;
}

Result<Scales> read_tensors(const std::filesystem::path& file) {
  Scales scales;
  RQ_TRY(const Source source, open_source(file));
  for (const TensorInfo& info : source.tensors()) {
    if (!std::string_view(info.name).ends_with(kSuffix)) continue;
    RQ_TRY(Tensor tensor, source.read(info));
    if (!is_half_or_single(tensor.dtype) || tensor.elements() != 1) {
      return refused(fmt::format("{} is {} {}, expected one F32, BF16 or F16", printable(info.name),
                                 name_of(info.dtype), to_string(info.shape)));
    }
    RQ_CHECK(add(scales, without_suffix(info.name), std::move(tensor)));
  }
  return scales;
}

}  // namespace

Result<InputScales> InputScales::read(const std::filesystem::path& file) {
  const std::string name = printable(file.string(), 4096);
  InputScales scales;
  if (file.extension() == ".json") {
    RQ_TRY_IN(scales.scales_, read_json(file), name);
  } else {
    RQ_TRY_IN(scales.scales_, read_tensors(file), name);
  }
  if (scales.scales_.empty()) return refused(name + ": no scales of inputs in it");
  return scales;
}

const Tensor* InputScales::find(std::string_view module) const {
  const auto found = scales_.find(module);
  return found == scales_.end() ? nullptr : &found->second;
}

}  // namespace requant
