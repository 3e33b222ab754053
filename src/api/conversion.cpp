#include "api/conversion.h"

#include <map>

#include "base/json.h"
#include "base/output_folder.h"
#include "base/text.h"
#include "base/threads.h"
#include "plan/contradiction.h"
#include "plan/receipt.h"
#include "plan/run_plan.h"

namespace requant {
namespace {

struct Prepared {
  Checkpoint checkpoint;
  LossSet allowed;
};

Result<Prepared> prepare(const ConvertOptions& options) {
  if (options.to.empty() == options.for_engine.empty()) {
    return usage("one of --to DIALECT[@LAYOUT][:SCHEME] and --for ENGINE@VERSION is needed");
  }
  if (options.max_shard_bytes == 0) return usage("--max-shard-size: must be above 0");
  if (options.threads > 0) set_thread_limit(options.threads);
  RQ_TRY(LossSet allowed, LossSet::parse(options.allow));
  RQ_TRY(Checkpoint checkpoint, Checkpoint::open(options.input));
  RQ_CHECK(check_contradictions(checkpoint, allowed));
  return Prepared{std::move(checkpoint), allowed};
}

Result<Plan> plan_of(const Prepared& prepared, const Conversion& conversion) {
  const ConvertOptions& options = conversion.options;
  RQ_TRY(const LayoutRequest layout, parse_layout(options.layout));
  PlanRequest request{.target = {},
                      .max_shard_bytes = options.max_shard_bytes,
                      .tokenizer_from = options.tokenizer_from,
                      .layout = layout,
                      .pad_for_ranks = options.pad_for_tp,
                      .leave = prepared.allowed,
                      .searches_scales = conversion.searches_scales,
                      .harmonises_fused = options.harmonise_fused,
                      .recipe = conversion.recipe ? &*conversion.recipe : nullptr,
                      .input_scales = conversion.input_scales ? &*conversion.input_scales : nullptr,
                      .importance = conversion.importance ? &*conversion.importance : nullptr,
                      .threads = thread_limit(),
                      .capability = options.capability,
                      .cpu = options.cpu};
  if (options.to.empty()) return make_plan_for(prepared.checkpoint, options.for_engine, request);
  RQ_TRY(request.target, parse_target(options.to));
  return make_plan(prepared.checkpoint, request);
}

// Sorted by the name of the step.
std::vector<ConvertStep> steps_of(const Plan& plan) {
  std::map<std::string_view, ConvertStep> steps;
  for (const OutputTensor& output : plan.outputs) {
    ConvertStep& step = steps[name_of(output.kind)];
    ++step.tensors;
    step.bytes += output.tensor->bytes;
  }
  std::vector<ConvertStep> out;
  for (auto& [name, step] : steps) {
    step.step = name;
    out.push_back(std::move(step));
  }
  return out;
}

ConvertTensor tensor_of(const Plan& plan, const OutputTensor& output) {
  ConvertTensor tensor{.name = output.tensor->name,
                       .dtype = std::string(name_of(output.tensor->dtype)),
                       .shape = output.tensor->shape,
                       .bytes = output.tensor->bytes,
                       .file = plan.shards[output.shard].file,
                       .step = std::string(name_of(output.kind)),
                       .sources = {}};
  for (const TensorInfo* source : output.sources) tensor.sources.push_back(source->name);
  return tensor;
}

ConvertPlan describe_plan(const Prepared& prepared, const Plan& plan, bool lists_tensors) {
  ConvertPlan out;
  out.from = prepared.checkpoint.dialect().name;
  out.to = plan.target.dialect->name;
  out.steps = steps_of(plan);
  for (const OutputTensor& output : plan.outputs) {
    if (lists_tensors) out.tensors.push_back(tensor_of(plan, output));
  }
  for (const DroppedTensor& tensor : plan.dropped)
    out.dropped.emplace_back(tensor.name, tensor.reason);
  for (const Shard& shard : plan.shards) {
    out.shards.push_back({shard.file, shard.bytes, shard.outputs.size()});
  }
  for (const SideFile& file : plan.files) {
    out.files.push_back(
        {printable(file.name, 4096), std::string(name_of(file.action)), file.reason});
  }
  for (const PlannedLoss& loss : plan.loss_list) {
    out.losses.push_back({std::string(name_of(loss.loss)), std::string(meaning_of(loss.loss)),
                          loss.bound, loss.weights, loss.first, prepared.allowed.has(loss.loss),
                          loss.certain});
  }
  for (const Alternative& one : plan.considered) {
    out.alternatives.push_back({.form = one.form,
                                .losses = names_of(one.losses),
                                .possible_losses = names_of(one.possible),
                                .is_looked_at = one.is_looked_at,
                                .is_taken = one.is_taken,
                                .why = one.why});
  }
  for (const GrownSize& size : plan.grown) out.padded.push_back({size.key, size.from, size.to});
  out.repairable_weights = plan.repairable_weights;
  out.output_bytes = plan.output_bytes;
  out.peak_memory_bytes = plan.peak_memory_bytes;
  out.config_changes = plan.config_changes;
  return out;
}

OutputRules rules_of(const ConvertOptions& options, const Checkpoint& checkpoint) {
  return {.input = checkpoint.root(),
          .overwrite = options.overwrite,
          .receipt = std::string(kReceiptName)};
}

Result<ConvertPlan> plan_now(const Conversion& conversion) {
  const ConvertOptions& options = conversion.options;
  RQ_TRY(const Prepared prepared, prepare(options));
  if (!options.output.empty()) {
    RQ_CHECK(check_output(options.output, rules_of(options, prepared.checkpoint)));
  }
  RQ_TRY(const Plan plan, plan_of(prepared, conversion));
  return describe_plan(prepared, plan, options.lists_tensors);
}

// Whatever decides the result besides the source: where this differs, so may the bytes.
std::string options_text(const Conversion& conversion) {
  const ConvertOptions& options = conversion.options;
  const auto list = [](const std::vector<std::string>& texts) {
    Json array = Json::array();
    for (const std::string& text : texts) array.append(text);
    return array;
  };
  return Json::object({{"to", options.to},
                       {"for", options.for_engine},
                       {"capability", options.capability},
                       {"cpu", options.cpu},
                       {"allow", list(options.allow)},
                       {"layout", list(options.layout)},
                       {"pad_for_tp", options.pad_for_tp},
                       {"max_shard_bytes", options.max_shard_bytes},
                       {"harmonise_fused", options.harmonise_fused},
                       {"searches_scales", conversion.searches_scales},
                       {"inputs", conversion.inputs}})
      .dump();
}

// Fills the folder and gives it its name; or finds that another run has done so.
Result<RunReport> fill(const Checkpoint& checkpoint, const Plan& plan, OutputFolder& folder,
                       const RunCalls& calls) {
  if (folder.place() == Place::kEarlierOurs && !folder.may_replace()) {
    RQ_TRY(auto found, find_result(checkpoint, plan, folder.out()));
    if (!found) return folder.refuse_earlier();
    RQ_CHECK(folder.make_name_safe());
    return *std::move(found);
  }
  RQ_TRY(RunReport done, run_plan(checkpoint, plan, folder, calls));
  RQ_CHECK(folder.commit());
  return done;
}

Result<ConvertReport> run_now(const Conversion& conversion, const Progress& progress) {
  const ConvertOptions& options = conversion.options;
  RQ_TRY(const Prepared prepared, prepare(options));
  const OutputRules rules = rules_of(options, prepared.checkpoint);
  RQ_CHECK(look_at_output(options.output, rules));
  RQ_TRY(const Plan plan, plan_of(prepared, conversion));
  RQ_CHECK(check_losses(plan, prepared.allowed));
  RQ_TRY(OutputFolder folder, OutputFolder::begin(options.output, rules));
  RQ_TRY(
      const RunReport done,
      fill(prepared.checkpoint, plan, folder,
           {.progress = progress, .notice = options.notice, .options = options_text(conversion)}));

  ConvertReport report{.plan = describe_plan(prepared, plan, options.lists_tensors),
                       .repaired_weights = done.repaired_weights,
                       .repairs = {},
                       .losses = {},
                       .was_there = done.was_there};
  for (const LossSummary& loss : done.losses) {
    report.losses.push_back({std::string(name_of(loss.loss)), loss.weights, loss.codes, loss.scales,
                             loss.max_relative, loss.worst});
  }
  for (const WeightStep& step : plan.weights) {
    const std::uint32_t output = step.outputs.front().second;
    const std::size_t rows = done.tensors[output].repaired_rows.size();
    if (rows > 0) report.repairs.push_back({step.weight->module, rows});
  }
  return report;
}

}  // namespace

std::vector<std::string> names_of(LossSet losses) {
  std::vector<std::string> names;
  for (const Loss loss : losses.list()) names.emplace_back(name_of(loss));
  return names;
}

Result<ConvertPlan> plan(const Conversion& conversion) {
  return or_out_of_memory([&] { return plan_now(conversion); });
}

Result<ConvertReport> run(const Conversion& conversion, const Progress& progress) {
  return or_out_of_memory([&] { return run_now(conversion, progress); });
}

}  // namespace requant
