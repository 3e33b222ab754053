#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/name_index.h"
#include "base/text.h"
#include "plan/config_edit.h"
#include "plan/examples.h"
#include "plan/harmony.h"
#include "plan/memory.h"
#include "plan/plan.h"
#include "plan/quantise_steps.h"
#include "plan/shards.h"
#include "plan/side_files.h"
#include "plan/weight_file_plan.h"

namespace requant {
namespace {

constexpr auto kStepNames =
    std::to_array<std::string_view>({"copy", "rename", "transcode", "decode", "regroup", "widen"});
constexpr auto kActionNames = std::to_array<std::string_view>({"copy", "write", "drop"});
// Builds a Plan piece by piece.
class Planner {
 public:
  Planner(const Checkpoint& checkpoint, const PlanRequest& request)
      : checkpoint_(checkpoint), request_(request) {
    plan_.target = request.target;
  }

  Result<Plan> run() {
    const bool only_quantised = !request_.target.is_dense() && weight_file() == nullptr;
    if (checkpoint_.weights().empty() && only_quantised && request_.recipe == nullptr) {
      return refused(printable(checkpoint_.root().string(), 4096) +
                     ": no weight is quantised, so there is nothing to convert; "
                     "`requant quantize` quantises it");
    }
    RQ_CHECK(add_regrouped());
    if (!request_.only_examples) reserve();
    Examples examples;
    for (const Weight& weight : checkpoint_.weights()) {
      if (is_regrouped(weight.parts.front().second)) continue;
      if (request_.only_examples && !examples.is_new(weight)) continue;
      RQ_CHECK(add_weight(weight, target_of(weight)));
    }
    for (const DenseTensor& tensor : checkpoint_.dense()) {
      if (is_regrouped(tensor.tensor)) continue;
      RQ_TRY(const auto scheme, scheme_for(tensor));
      RQ_CHECK(scheme ? quantise(tensor, *scheme) : add_dense(tensor));
    }
    if (request_.target.names_blocks && request_.recipe == nullptr) {
      return usage(fmt::format("{} is a mix of block types; `requant quantize` makes it",
                               request_.target.scheme));
    }
    if (request_.recipe != nullptr && !quantises_) {
      return refused(printable(checkpoint_.root().string(), 4096) +
                     ": the recipe leaves no weight to quantise");
    }
    RQ_CHECK(complete_quantise_steps(plan_, request_.input_scales));
    if (request_.importance != nullptr) {
      RQ_CHECK(add_importance(checkpoint_, *request_.importance, plan_));
    }
    if (request_.harmonises_fused) RQ_CHECK(harmonise());
    RQ_CHECK(check_names());
    plan_.shards = make_shards(std::move(shard_items_), plan_.outputs,
                               weight_file() == nullptr ? request_.max_shard_bytes : UINT64_MAX);
    if (weight_file() != nullptr) {
      RQ_CHECK(lay_out_weight_file(checkpoint_, request_, *weight_file(), plan_));
    }
    for (const Shard& shard : plan_.shards) plan_.output_bytes += shard.bytes;
    RQ_CHECK(plan_documents());
    plan_.peak_memory_bytes = peak_memory(plan_, request_.threads);
    return std::move(plan_);
  }

 private:
  const WeightFile* weight_file() const { return weight_file_of(*request_.target.dialect); }

  void reserve() {
    const std::size_t weights = checkpoint_.weights().size() + plan_.weights.size();
    const std::size_t tensors = checkpoint_.source().tensors().size() + plan_.outputs.size();
    plan_.weights.reserve(weights);
    if (!request_.target.is_dense()) plan_.target_weights.reserve(weights);
    plan_.outputs.reserve(tensors);
    shard_items_.reserve(tensors);
  }

  bool is_regrouped(const TensorInfo* tensor) const {
    return plan_.regrouping.taken.contains(tensor);
  }

  // Weights and biases that are put together from rows of others.
  Result<void> add_regrouped() {
    std::optional<Json> padded_config;
    if (request_.pad_for_ranks > 0) {
      RQ_TRY(plan_.grown,
             plan_padding(checkpoint_, request_.pad_for_ranks, request_.recipe != nullptr));
      if (!plan_.grown.empty()) padded_config = with_sizes(checkpoint_, plan_.grown);
    }
    RQ_TRY(plan_.regrouping,
           regroup(checkpoint_, {.target = request_.target,
                                 .layout = request_.layout,
                                 .recipe = request_.recipe,
                                 .padded_config = padded_config ? &*padded_config : nullptr}));
    if (request_.keep_config && plan_.regrouping.changes_structure) {
      return refused("the names of its tensors change, and so must config.json");
    }
    for (Regrouped& regrouped : plan_.regrouping.results) {
      regrouped.step = static_cast<std::uint32_t>(plan_.weights.size());
      RQ_CHECK(add_regrouped(regrouped));
    }
    return {};
  }

  Result<void> add_regrouped(const Regrouped& regrouped) {
    const Weight& weight = regrouped.weight;
    if (!weight.scheme.is_dense()) return add_weight(weight, request_.target, &regrouped);
    if (request_.recipe != nullptr && !regrouped.is_vector) {
      RQ_TRY(const auto scheme,
             request_.recipe->scheme_of(weight.module, weight.place, weight.cols));
      Target target = request_.target;
      if (scheme) {
        quantises_ = true;
        target.scheme = scheme->text;
        target.request = *scheme;
        return add_weight(weight, target, &regrouped);
      }
    }
    return add_unquantised(regrouped);
  }

  Result<void> add_unquantised(const Regrouped& regrouped) {
    const Weight& weight = regrouped.weight;
    const DType dtype = weight.scheme.scale_dtype;
    Shape matrix = {regrouped.matrix_rows(), weight.cols};
    if (regrouped.is_vector) matrix.pop_back();
    if (regrouped.transposed) std::swap(matrix[0], matrix[1]);
    const Shape shape = shape_of(regrouped, matrix);
    WeightStep step{.weight = &weight,
                    .regrouped = &regrouped,
                    .route = unquantised_route(dtype),
                    .outputs = {}};
    const std::string_view suffix = regrouped.is_vector ? "bias" : "weight";
    const std::string name = regrouped.tensor_name(suffix);
    RQ_TRY(const std::uint32_t output,
           add_output({name, dtype, shape}, StepKind::kRegroup,
                      shard_key(weight.module, weight.place), regrouped.sources));
    step.outputs.emplace_back(suffix, output);
    const auto [module, last] = split_tensor_name(name);
    const bool is_part = last == "weight" || last == "bias";
    plan_.target_dense.push_back({std::string(is_part ? module : std::string_view(name)),
                                  weight.place, plan_.outputs[output].tensor, last == "weight"});
    plan_.weights.push_back(std::move(step));
    return {};
  }

  // Embeddings are stored unquantised where the target's readers do not look for codes.
  Target target_of(const Weight& weight) const {
    const bool held = weight.place.role != Role::kEmbedding || request_.target.is_dense() ||
                      request_.target.dialect == &checkpoint_.dialect() ||
                      request_.target.dialect->quantises_embeddings;
    if (held) return request_.target;
    Target dense;
    dense.dialect = find_dialect("dense");
    return dense;
  }

  // Rows of tensors of that dtype, as they are.
  std::uint32_t unquantised_route(DType dtype) {
    Route route;
    route.from = find_codec("dense");
    route.source = Scheme::dense(dtype);
    for (std::size_t i = 0; i < plan_.routes.size(); ++i) {
      const Route& old = plan_.routes[i];
      if (old.from == route.from && old.source == route.source && old.to == nullptr) {
        return static_cast<std::uint32_t>(i);
      }
    }
    route.dense = dtype;
    route.chain.result = route.source;
    plan_.routes.push_back(std::move(route));
    return static_cast<std::uint32_t>(plan_.routes.size() - 1);
  }

  // The shape of a tensor of which each matrix has `shape`.
  static Shape shape_of(const Regrouped& regrouped, Shape shape) {
    if (regrouped.is_stack) shape.insert(shape.begin(), regrouped.weight.experts);
    return shape;
  }

  // What the recipe makes of a tensor; nothing where it is copied.
  Result<std::optional<SchemeRequest>> scheme_for(const DenseTensor& tensor) const {
    std::optional<SchemeRequest> none;
    const TensorInfo& info = *tensor.tensor;
    const bool is_matrix = tensor.is_weight && info.shape.size() == 2 &&
                           split_tensor_name(info.name).second == "weight";
    const bool is_float = is_half_or_single(info.dtype);
    // Blocks share nothing with other weights, so those are never read in pieces.
    const bool is_readable = info.strides().empty() || weight_file() != nullptr;
    if (request_.recipe == nullptr || !is_matrix || !is_float || !is_readable) return none;
    return request_.recipe->scheme_of(tensor.module, tensor.place, info.shape[1]);
  }

  Result<void> quantise(const DenseTensor& tensor, const SchemeRequest& scheme) {
    const TensorInfo& info = *tensor.tensor;
    quantises_ = true;
    plan_.dense_weights.push_back({.module = tensor.module,
                                   .place = tensor.place,
                                   .codec = find_codec("dense"),
                                   .scheme = Scheme::dense(info.dtype),
                                   .rows = info.shape[0],
                                   .cols = info.shape[1],
                                   .parts = {{"weight", &info}}});
    Target target = request_.target;
    target.scheme = scheme.text;
    target.request = scheme;
    return add_weight(plan_.dense_weights.back(), target);
  }

  Result<std::uint32_t> route_of(const Weight& weight, const Target& target) {
    const bool as_written = is_as_written(weight);
    for (std::size_t i = 0; i < plan_.routes.size(); ++i) {
      const Route& route = plan_.routes[i];
      if (route.from == weight.codec && route.as_written == as_written &&
          route.source == weight.scheme && route.asked == target.scheme &&
          (route.to == nullptr) == target.is_dense() &&
          (route.cols == 0 || route.cols == weight.cols)) {
        return static_cast<std::uint32_t>(i);
      }
    }
    const RouteRules rules{.keep_config = request_.keep_config,
                           .may_requantise = request_.recipe != nullptr,
                           .leave = request_.leave,
                           .searches_scales = request_.searches_scales};
    RQ_TRY_IN(Route route,
              make_route(weight, checkpoint_.dialect(), target, checkpoint_.config(), rules),
              printable(weight.module));
    plan_.routes.push_back(std::move(route));
    return static_cast<std::uint32_t>(plan_.routes.size() - 1);
  }

  // A copy is what the source has.
  Result<const TensorInfo*> info_of(PlannedTensor tensor, StepKind kind,
                                    const std::vector<const TensorInfo*>& sources) {
    if (kind == StepKind::kCopy && sources.size() == 1 && is_alike(tensor, *sources.front())) {
      return sources.front();
    }
    const auto count = element_count(tensor.shape);
    const auto bytes = count ? byte_size(tensor.dtype, *count) : std::nullopt;
    if (!bytes) return corrupt(printable(tensor.name) + ": its size overflows");
    TensorInfo& info = plan_.target_tensors.emplace_back();
    info.name = std::move(tensor.name);
    info.dtype = tensor.dtype;
    info.shape = std::move(tensor.shape);
    info.bytes = *bytes;
    return &info;
  }

  static bool is_alike(const PlannedTensor& planned, const TensorInfo& info) {
    return planned.name == info.name && planned.dtype == info.dtype &&
           planned.shape == info.shape && info.strides().empty() && info.shares_with().empty();
  }

  Result<std::uint32_t> add_output(PlannedTensor tensor, StepKind kind, std::string key,
                                   std::vector<const TensorInfo*> sources) {
    RQ_TRY(const TensorInfo* info, info_of(std::move(tensor), kind, sources));
    const auto index = static_cast<std::uint32_t>(plan_.outputs.size());
    plan_.outputs.push_back(
        {.tensor = info, .shard = 0, .kind = kind, .sources = std::move(sources)});
    shard_items_.push_back({std::move(key), index});
    return index;
  }

  // The tensors that a weight will have.
  static Result<std::vector<PartSpec>> specs_of(const Weight& weight, const Route& route,
                                                const Regrouped* regrouped) {
    std::vector<PartSpec> specs;
    if (regrouped != nullptr) {
      Shape matrix = {regrouped->matrix_rows(), weight.cols};
      if (route.to == nullptr) {
        if (regrouped->transposed) std::swap(matrix[0], matrix[1]);
        specs.push_back({"weight", route.dense, matrix});
      } else {
        RQ_TRY(specs, route.to->layout(route.chain.result, matrix[0], matrix[1]));
      }
      for (PartSpec& spec : specs) spec.shape = shape_of(*regrouped, spec.shape);
      return specs;
    }
    if (route.to == nullptr) {
      specs.push_back({"weight", route.dense, {weight.rows, weight.cols}});
      return specs;
    }
    if (!route.verbatim) return route.to->layout(route.chain.result, weight.rows, weight.cols);
    for (const auto& [suffix, info] : weight.parts) {
      specs.push_back({suffix, info->dtype, info->shape});
    }
    return specs;
  }

  static std::string source_of(const Route& route, const std::string& suffix) {
    if (route.verbatim) return suffix;
    const auto found =
        std::ranges::find(route.carried, suffix, [](const auto& c) { return c.second; });
    return found == route.carried.end() ? std::string() : found->first;
  }

  Result<void> check_stack(const Weight& weight, const Target& target,
                           const Regrouped* regrouped) const {
    const bool is_stack =
        regrouped != nullptr ? regrouped->is_stack : &checkpoint_.dialect() == target.dialect;
    if (target.dialect->stacks != StackRule::kAlways || is_stack) return {};
    return refused(fmt::format("{}: {} has quantised experts in stacks, and nothing else",
                               printable(weight.module), target.dialect->name));
  }

  Result<void> add_weight(const Weight& weight, const Target& target,
                          const Regrouped* regrouped = nullptr) {
    RQ_CHECK(check_stack(weight, target, regrouped));
    RQ_TRY(const std::uint32_t index, route_of(weight, target));
    const Route& route = plan_.routes[index];
    RQ_TRY_IN(const std::vector<PartSpec> specs, specs_of(weight, route, regrouped),
              printable(weight.module));
    WeightStep step{.weight = &weight, .regrouped = regrouped, .route = index, .outputs = {}};
    Weight after{.module = weight.module,
                 .place = weight.place,
                 .codec = route.to,
                 .scheme = route.chain.result,
                 .rows = weight.rows,
                 .cols = weight.cols,
                 .experts = weight.experts,
                 .parts = {}};
    for (const PartSpec& spec : specs) {
      const std::string name = regrouped != nullptr ? regrouped->tensor_name(spec.suffix)
                                                    : weight.module + "." + spec.suffix;
      const std::string source = regrouped != nullptr ? "" : source_of(route, spec.suffix);
      const StepKind kind = route.to == nullptr     ? StepKind::kDecode
                            : source.empty()        ? StepKind::kTranscode
                            : source == spec.suffix ? StepKind::kCopy
                                                    : StepKind::kRename;
      RQ_TRY(
          const std::uint32_t output,
          add_output({name, spec.dtype, spec.shape}, kind, shard_key(weight.module, weight.place),
                     regrouped != nullptr ? regrouped->sources : sources_of(weight, source)));
      step.outputs.emplace_back(spec.suffix, output);
      after.parts.emplace_back(spec.suffix, plan_.outputs[output].tensor);
    }
    count_losses(weight, route);
    if (route.to != nullptr) {
      step.target = static_cast<std::uint32_t>(plan_.target_weights.size());
      plan_.target_weights.push_back(std::move(after));
    } else {
      plan_.target_dense.push_back({weight.module, weight.place, after.parts.front().second, true});
    }
    plan_.weights.push_back(std::move(step));
    return {};
  }

  static std::vector<const TensorInfo*> sources_of(const Weight& weight,
                                                   const std::string& suffix) {
    std::vector<const TensorInfo*> sources;
    for (const auto& [own, info] : weight.parts) {
      if (suffix.empty() || own == suffix) sources.push_back(info);
    }
    return sources;
  }

  void count_losses(const Weight& weight, const Route& route) {
    if (route.chain.repairs_zero_rows) ++plan_.repairable_weights;
    for (const Loss loss : route.chain.losses.list()) add_loss(loss, weight.module);
    for (const Loss loss : route.chain.possible.list()) add_loss(loss, weight.module, false);
    // Asked for by name, an unquantised form is no loss; for an engine it is the last resort.
    if (route.to == nullptr && (request_.counts_dequantise || !request_.target.is_dense())) {
      add_loss(Loss::kDequantise, weight.module);
    }
  }

  void add_loss(Loss loss, const std::string& name, bool certain = true) {
    (certain ? plan_.losses : plan_.possible).add(loss);
    auto found = std::ranges::find_if(plan_.loss_list, [&](const PlannedLoss& planned) {
      return planned.loss == loss && planned.certain == certain;
    });
    if (found == plan_.loss_list.end()) {
      plan_.loss_list.push_back({loss, certain, 0, name, bound_of(loss)});
      found = plan_.loss_list.end() - 1;
    }
    ++found->weights;
  }

  Result<void> add_dense(const DenseTensor& tensor) {
    const TensorInfo& info = *tensor.tensor;
    const bool tied_copy = tensor.place.role == Role::kLmHead && !info.shares_with().empty() &&
                           ties_embeddings(checkpoint_.config(), checkpoint_.architecture());
    if (tied_copy) {
      plan_.dropped.push_back({info.name, "the same memory as " + info.shares_with() +
                                              ", and config.json ties the two"});
      return {};
    }
    if (is_kv_scale(info.name) && request_.target.dialect != &checkpoint_.dialect()) {
      return add_kv_scale(info);
    }
    const auto stored =
        weight_file() == nullptr ? std::nullopt : weight_file()->stored_dtype(tensor);
    const bool widens = stored && info.dtype != *stored && is_half_or_single(info.dtype);
    RQ_TRY(const std::uint32_t output,
           add_output({info.name, widens ? *stored : info.dtype, info.shape},
                      widens ? StepKind::kWiden : StepKind::kCopy,
                      shard_key(tensor.module, tensor.place), {&info}));
    plan_.copies.push_back({&info, output});
    plan_.target_dense.push_back(
        {tensor.module, tensor.place, plan_.outputs[output].tensor, tensor.is_weight});
    return {};
  }

  // The tensors of a weight that would have stayed as they are, as its codec writes them.
  Result<void> lay_out_anew(const WeightStep& step, const Route& route) {
    const Weight& weight = *step.weight;
    RQ_TRY_IN(const auto specs, route.to->layout(route.chain.result, weight.rows, weight.cols),
              printable(weight.module));
    for (const auto& [suffix, output] : step.outputs) {
      const auto spec = std::ranges::find(specs, suffix, &PartSpec::suffix);
      if (spec == specs.end() || specs.size() != step.outputs.size()) {
        return refused(fmt::format("{}.{}: {} does not write it, so its scales cannot be changed",
                                   printable(weight.module), suffix, route.to->long_name));
      }
      OutputTensor& planned = plan_.outputs[output];
      RQ_TRY(planned.tensor, info_of({planned.tensor->name, spec->dtype, spec->shape},
                                     StepKind::kTranscode, planned.sources));
      auto& parts = plan_.target_weights[step.target].parts;
      const auto part = std::ranges::find(parts, suffix, [](const auto& one) { return one.first; });
      part->second = planned.tensor;
    }
    return {};
  }

  // Weights that take over the scale of others get a route of their own.
  Result<void> harmonise() {
    RQ_TRY(const auto all, find_harmony(checkpoint_, plan_));
    for (const auto& [index, harmony] : all) {
      WeightStep& step = plan_.weights[index];
      Route route = plan_.routes[step.route];
      if (route.to->encode == nullptr) {
        return refused(fmt::format("{}: {} is not written, so its scales cannot be changed",
                                   printable(step.weight->module), route.to->long_name));
      }
      if (route.verbatim) RQ_CHECK(lay_out_anew(step, route));
      route.verbatim = false;
      route.carried.clear();
      route.chain.harmony = harmony;
      for (const Loss loss : losses_of(harmony).list()) {
        if (!route.chain.losses.has(loss)) add_loss(loss, step.weight->module);
        route.chain.losses.add(loss);
      }
      for (const auto& [suffix, output] : step.outputs) {
        plan_.outputs[output].kind = StepKind::kTranscode;
      }
      plan_.routes.push_back(std::move(route));
      step.route = static_cast<std::uint32_t>(plan_.routes.size() - 1);
    }
    return {};
  }

  // A scale of an FP8 cache under the target's name for it.
  Result<void> add_kv_scale(const TensorInfo& info) {
    const KvCache cache =
        kv_cache_of(checkpoint_.config(), checkpoint_.architecture(), checkpoint_.side());
    const auto name = kv_scale_name(info.name, request_.target.dialect->kv_scales);
    const bool fits = cache.bits == 8 && cache.is_float && element_count(info.shape) == 1;
    if (!name || !fits) {
      plan_.dropped.push_back({info.name, "the target has no such scale of the KV cache"});
      add_loss(Loss::kKvScalesDropped, info.name);
      return {};
    }
    plan_.kv_cache = cache;
    const bool is_scalar = request_.target.dialect->kv_scales == KvScales::kProjection;
    RQ_TRY(const std::uint32_t output,
           add_output({*name, info.dtype, is_scalar ? Shape{} : Shape{1}}, StepKind::kRename, *name,
                      {&info}));
    plan_.copies.push_back({&info, output});
    plan_.target_dense.push_back({*name, {}, plan_.outputs[output].tensor, false});
    return {};
  }

  Result<void> check_names() const {
    NameIndex names(plan_.outputs.size());
    const auto name_of = [&](std::uint32_t i) {
      return std::string_view(plan_.outputs[i].tensor->name);
    };
    for (std::uint32_t i = 0; i < plan_.outputs.size(); ++i) {
      if (names.insert(name_of(i), i, name_of)) continue;
      return refused(printable(name_of(i)) + ": two tensors of the result have this name");
    }
    if (plan_.outputs.empty()) return refused("there are no tensors to convert");
    return {};
  }

  Result<void> plan_documents() {
    if (checkpoint_.config().members().empty()) {
      return refused(printable(checkpoint_.root().string(), 4096) +
                     ": no config.json, so the result could not state its quantisation");
    }
    plan_.config = checkpoint_.config();
    plan_.config_changes = !request_.keep_config;
    RQ_TRY(plan_.files, plan_side_files(checkpoint_, request_.tokenizer_from));
    if (plan_.layout) {
      drop_what_weight_file_says(plan_);
      return {};
    }
    if (!request_.keep_config) {
      RQ_TRY(plan_.config, edit_config(checkpoint_, plan_));
    }
    // That of a GGUF file was made from its keys: there is none to copy.
    plan_.config_changes =
        !(plan_.config == checkpoint_.config()) || checkpoint_.source().container() == "gguf";
    // What some tools state there belongs to the layout that stays (torchao). Of several files each
    // speaks of its own tensors.
    const Source& source = checkpoint_.source();
    if (request_.keep_config && source.files().size() == 1) {
      plan_.metadata = source.metadata();
      plan_.metadata.emplace("format", "pt");
    }
    RQ_TRY(const auto documents, side_documents(checkpoint_, plan_));
    for (const auto& [name, document] : documents) {
      std::erase_if(plan_.files, [&own = name](const SideFile& file) { return file.name == own; });
      plan_.files.push_back(
          {.name = name,
           .action = FileAction::kWrite,
           .from = {},
           .content = document.dump(2) + "\n",
           .reason = fmt::format("for readers of {}", plan_.target.dialect->name)});
    }
    if (plan_.shards.size() > 1) {
      plan_.files.push_back({.name = "model.safetensors.index.json",
                             .action = FileAction::kWrite,
                             .from = {},
                             .content = {},
                             .content_of = shard_index,
                             .reason = "lists the shards"});
    }
    return {};
  }

  const Checkpoint& checkpoint_;
  const PlanRequest& request_;
  Plan plan_;
  std::vector<ShardItem> shard_items_;
  bool quantises_ = false;  // the recipe has found a weight
};

}  // namespace

std::string_view name_of(StepKind kind) { return kStepNames[static_cast<std::size_t>(kind)]; }
std::string_view name_of(FileAction action) {
  return kActionNames[static_cast<std::size_t>(action)];
}

Result<Plan> make_plan(const Checkpoint& checkpoint, const PlanRequest& request) {
  if (request.recipe == nullptr) return Planner(checkpoint, request).run();
  RQ_TRY_IN(const Recipe recipe,
            request.recipe->for_model(checkpoint, request.importance != nullptr),
            request.target.dialect->name);
  PlanRequest own = request;
  own.recipe = &recipe;
  return Planner(checkpoint, own).run();
}

Result<void> check_losses(const Plan& plan, LossSet allowed) {
  std::vector<std::string> told;
  std::vector<std::string> names;
  std::string first;
  for (const PlannedLoss& loss : plan.loss_list) {
    if (!loss.certain || allowed.has(loss.loss)) continue;
    if (first.empty()) first = printable(loss.first);
    names.emplace_back(name_of(loss.loss));
    told.push_back(fmt::format("{} ({}{}{}; {} weights)", name_of(loss.loss), meaning_of(loss.loss),
                               loss.bound.empty() ? "" : ", ", loss.bound, loss.weights));
  }
  if (names.empty()) return {};
  return refused(
      fmt::format("{}: {}; --allow {} gives leave", first, join(told, " and "), join(names, ",")));
}

}  // namespace requant
