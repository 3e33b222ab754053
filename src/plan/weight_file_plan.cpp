#include "plan/weight_file_plan.h"

#include "base/file.h"
#include "base/letter_case.h"
#include "container/ggml_types.h"
#include "plan/padding.h"

namespace requant {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMostBytes = std::uint64_t{256} << 20;

Result<std::optional<std::string>> text_in(const fs::path& folder, std::string_view name) {
  std::optional<std::string> text;
  std::error_code failed;
  if (!fs::exists(folder / name, failed)) return text;
  RQ_TRY(const Bytes bytes, read_small_file(folder / name, kMostBytes, std::string(name)));
  text.emplace(bytes.text());
  return text;
}

// The tensors of the one shard, with the encodings of their blocks.
std::vector<TensorInfo> tensors_of(const Plan& plan) {
  std::map<const TensorInfo*, std::string> encodings;
  for (const Weight& weight : plan.target_weights) {
    const std::string_view codec = weight.codec->name;
    encodings.emplace(weight.parts.front().second, to_upper(codec.substr(codec.find('-') + 1)));
  }
  std::vector<TensorInfo> tensors;
  for (const std::uint32_t output : plan.shards.front().outputs) {
    const TensorInfo& planned = *plan.outputs[output].tensor;
    TensorInfo& info = tensors.emplace_back();
    info.name = planned.name;
    info.dtype = planned.dtype;
    info.shape = planned.shape;
    info.bytes = planned.bytes;
    const auto encoding = encodings.find(&planned);
    if (encoding == encodings.end()) continue;
    info.set_special({.encoding = ggml_type(encoding->second)->name});
  }
  return tensors;
}

void leave_out(SideFile& file) {
  const bool is_licence = file.name.starts_with("LICENSE") || file.name.starts_with("NOTICE") ||
                          file.name.starts_with("USE_POLICY");
  if (file.action != FileAction::kCopy || is_licence) return;
  file.action = FileAction::kDrop;
  file.reason = "no reader of the weight file looks for it";
}

}  // namespace

Result<void> lay_out_weight_file(const Checkpoint& checkpoint, const PlanRequest& request,
                                 const WeightFile& file, Plan& plan) {
  plan.shards.front().file = file.name;
  const std::vector<TensorInfo> tensors = tensors_of(plan);
  const Json config = with_sizes(checkpoint, plan.grown);
  const fs::path folder =
      request.tokenizer_from.empty() ? checkpoint.root() : request.tokenizer_from;
  const BlockRecipe* blocks = request.recipe == nullptr ? nullptr : request.recipe->blocks();
  RQ_TRY_IN(
      plan.layout,
      file.layout({.config = config,
                   .source = checkpoint.source(),
                   .tensors = tensors,
                   .file_type = blocks == nullptr ? std::nullopt : std::optional(blocks->file_type),
                   .read = [&](std::string_view name) { return text_in(folder, name); }}),
      request.target.dialect->name);
  return {};
}

void drop_what_weight_file_says(Plan& plan) {
  for (SideFile& file : plan.files) leave_out(file);
}

}  // namespace requant
