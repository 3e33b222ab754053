#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "container/writer.h"
#include "plan/chain.h"
#include "plan/importance.h"
#include "plan/input_scales.h"
#include "plan/loss.h"
#include "plan/padding.h"
#include "plan/recipe.h"
#include "plan/regroup.h"
#include "plan/route.h"
#include "plan/target.h"

namespace requant {

enum class StepKind : std::uint8_t {
  kCopy,       // the same bytes under the same name
  kRename,     // the same bytes under another name
  kTranscode,  // decoded, encoded, and decoded again to compare
  kDecode,     // the exact values, rounded once to a float type
  kRegroup,    // rows of unquantised tensors, the same bytes
  kWiden,      // the same values in F32
};
std::string_view name_of(StepKind kind);

// A tensor that the output will have.
struct OutputTensor {
  const TensorInfo* tensor = nullptr;  // the source's, or one of Plan::target_tensors
  std::uint32_t shard = 0;
  StepKind kind = StepKind::kCopy;
  std::vector<const TensorInfo*> sources;  // the tensors that it is made from
};

// One quantised weight: where its tensors go.
struct WeightStep {
  // Belongs to the Checkpoint, to Plan::dense_weights, or to `regrouped`.
  const Weight* weight = nullptr;
  const Regrouped* regrouped = nullptr;  // belongs to Plan::regrouping, whose jobs write it
  std::uint32_t route = 0;
  std::uint32_t target = 0;  // index into Plan::target_weights, where it stays quantised
  std::vector<std::pair<std::string, std::uint32_t>> outputs;  // suffix and index into outputs
  Tensor input_scale = {};                      // [1], where quantising gives activations one
  std::vector<const TensorInfo*> fellows = {};  // dense weights under the same outer scale
  Tensor importance = {};                       // F32 [cols], where an importance matrix has one
};

// One tensor that is copied as it is.
struct CopyStep {
  const TensorInfo* tensor = nullptr;  // belongs to the Checkpoint
  std::uint32_t output = 0;
};

// A tensor that the output will not have, and why.
struct DroppedTensor {
  std::string name;
  std::string reason;
};

struct PlannedLoss {
  Loss loss = Loss::kCodeRounding;
  bool certain = true;  // false: only where the numbers do not fit, which reading them tells
  std::uint64_t weights = 0;
  std::string first;  // a weight or tensor that it happens to
  std::string bound;
};

// A form that make_plan_for() considered.
struct Alternative {
  std::string form;  // "as it is", "awq", "compressed-tensors:fp8"
  LossSet losses = {};
  LossSet possible = {};     // only where the numbers do not fit
  bool is_looked_at = true;  // false: a form before it loses nothing
  bool is_taken = false;
  std::string why;  // it is taken, or is not
};

struct Plan;

enum class FileAction : std::uint8_t { kCopy, kWrite, kDrop };
std::string_view name_of(FileAction action);

struct SideFile {
  std::string name;  // relative to the folder
  FileAction action = FileAction::kCopy;
  std::filesystem::path from;  // kCopy
  std::string content;         // kWrite
  // kWrite: makes the content when it is written; nullptr: it is there.
  std::string (*content_of)(const Plan& plan) = nullptr;
  std::string reason;
};

struct Shard {
  std::string file;  // "model-00001-of-00002.safetensors"
  std::uint64_t bytes = 0;
  std::vector<std::uint32_t> outputs;
};

// What a conversion will do. Lives no longer than its Checkpoint.
struct Plan {
  Plan() = default;
  Plan(Plan&&) = default;
  Plan& operator=(Plan&&) = default;
  Plan(const Plan&) = delete;  // its parts point into each other
  Plan& operator=(const Plan&) = delete;

  Target target;
  std::vector<Route> routes;
  std::vector<OutputTensor> outputs;
  std::vector<GrownSize> grown;  // config.json's sizes that are padded
  Regrouping regrouping;
  std::vector<WeightStep> weights;
  std::vector<CopyStep> copies;
  std::vector<DroppedTensor> dropped;
  std::vector<Shard> shards;
  std::vector<SideFile> files;  // config.json is not among them
  Json config;
  bool config_changes = true;
  // Where the target's one weight file is no safetensors: its tensors in the order of its outputs.
  // It says all that config.json would, so there is none.
  std::optional<FileLayout> layout;
  bool has_config() const { return !layout.has_value(); }
  std::map<std::string, std::string> metadata = {{"format", "pt"}};  // of each weight file

  LossSet losses;    // certain
  LossSet possible;  // not certain
  std::vector<PlannedLoss> loss_list;
  std::uint64_t repairable_weights = 0;  // in which rows of scale 0 will be looked for
  std::uint64_t output_bytes = 0;        // of the weight files
  std::uint64_t peak_memory_bytes = 0;   // an upper bound

  std::optional<KvCache> kv_cache;  // whose scales get other names

  std::vector<Alternative> considered;  // of make_plan_for(), in its order

  std::deque<Weight> dense_weights;  // of the source, those that are quantised

  // The result as an engine would see it.
  std::vector<Weight> target_weights;
  std::vector<DenseTensor> target_dense;
  std::deque<TensorInfo> target_tensors;  // but for those that the source has alike
};

struct PlanRequest {
  Target target;
  std::uint64_t max_shard_bytes = std::uint64_t{5'000'000'000};
  std::filesystem::path tokenizer_from;  // empty: the source's own files
  LayoutRequest layout = {};
  std::int64_t pad_for_ranks = 0;             // 0: nothing is padded
  bool keep_config = false;                   // nothing in config.json is to change
  bool counts_dequantise = false;             // going dense is a loss: nobody asked for it by name
  LossSet leave = {};                         // losses that may be taken
  bool searches_scales = false;               // RoundingOptions::search_scale
  bool harmonises_fused = false;              // one scale for what engines load as one matrix
  const Recipe* recipe = nullptr;             // quantise what is dense; it outlives the call
  const InputScales* input_scales = nullptr;  // of static activations; likewise
  const Importance* importance = nullptr;     // of inputs, for block types; likewise
  int threads = 1;
  // Of make_plan_for()'s engine, as CheckOptions has them; 0 and empty: the usual.
  int capability = 0;
  int tensor_parallel = 1;
  std::string cpu = {};
  bool only_examples = false;  // of weights that differ in the numbers of their names only, one
};

// Looks at headers only. kRefused where the target cannot hold a weight.
Result<Plan> make_plan(const Checkpoint& checkpoint, const PlanRequest& request);

// kRefused, naming the loss, a tensor and the option, unless every certain loss has leave.
Result<void> check_losses(const Plan& plan, LossSet allowed);

// The plan of least loss whose result the engine ("vllm@0.7.3") accepts: what --for asks for.
Result<Plan> make_plan_for(const Checkpoint& checkpoint, std::string_view engine,
                           PlanRequest request);

}  // namespace requant
