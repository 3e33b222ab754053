#include "requant/convert.h"

#include <algorithm>

#include "api/conversion.h"
#include "base/json.h"
#include "base/signals.h"

namespace requant {
namespace {

Json strings(const std::vector<std::string>& texts) {
  Json array = Json::array();
  for (const std::string& text : texts) array.append(text);
  return array;
}

Json tensor_json(const ConvertTensor& tensor) {
  Json shape = Json::array();
  for (const std::int64_t size : tensor.shape) shape.append(size);
  return Json::object({{"name", tensor.name},
                       {"dtype", tensor.dtype},
                       {"shape", std::move(shape)},
                       {"bytes", tensor.bytes},
                       {"file", tensor.file},
                       {"step", tensor.step},
                       {"sources", strings(tensor.sources)}});
}

template <class Items, class ToJson>
Json array_of(const Items& items, const ToJson& item_json) {
  Json array = Json::array();
  for (const auto& item : items) array.append(item_json(item));
  return array;
}

Json alternative_json(const ConvertAlternative& one) {
  return Json::object({{"form", one.form},
                       {"losses", strings(one.losses)},
                       {"possible_losses", strings(one.possible_losses)},
                       {"looked_at", one.is_looked_at},
                       {"taken", one.is_taken},
                       {"why", one.why}});
}

Json plan_json(const ConvertPlan& plan, const char* schema) {
  Json json = Json::object({{"schema", schema}, {"from", plan.from}, {"to", plan.to}});
  json.set("allowed", plan.is_allowed());
  json.set("losses", array_of(plan.losses, [](const ConvertLoss& loss) {
             return Json::object({{"loss", loss.loss},
                                  {"meaning", loss.meaning},
                                  {"bound", loss.bound},
                                  {"weights", loss.weights},
                                  {"first", loss.first},
                                  {"certain", loss.certain},
                                  {"allowed", loss.allowed}});
           }));
  if (!plan.alternatives.empty()) {
    json.set("alternatives", array_of(plan.alternatives, alternative_json));
  }
  json.set("padded", array_of(plan.padded, [](const ConvertPadding& size) {
             return Json::object({{"key", size.key}, {"from", size.from}, {"to", size.to}});
           }));
  json.set("repairable_weights", plan.repairable_weights);
  json.set("output_bytes", plan.output_bytes);
  json.set("peak_memory_bytes", plan.peak_memory_bytes);
  json.set("config_changes", plan.config_changes);
  json.set("shards", array_of(plan.shards, [](const ConvertShard& shard) {
             return Json::object(
                 {{"file", shard.file}, {"bytes", shard.bytes}, {"tensors", shard.tensors}});
           }));
  json.set("files", array_of(plan.files, [](const ConvertFile& file) {
             return Json::object(
                 {{"name", file.name}, {"action", file.action}, {"reason", file.reason}});
           }));
  json.set("dropped", array_of(plan.dropped, [](const auto& tensor) {
             return Json::object({{"name", tensor.first}, {"reason", tensor.second}});
           }));
  json.set("tensors", array_of(plan.tensors, tensor_json));
  return json;
}

}  // namespace

bool ConvertPlan::is_allowed() const {
  return std::ranges::all_of(losses,
                             [](const ConvertLoss& loss) { return loss.allowed || !loss.certain; });
}

Result<ConvertPlan> plan_conversion(const ConvertOptions& options) {
  return plan({.options = options});
}

Result<ConvertReport> convert(const ConvertOptions& options, const Progress& progress) {
  return run({.options = options}, progress);
}

std::string to_json(const ConvertPlan& plan) {
  return plan_json(plan, "requant/plan/1").dump(2) + "\n";
}

std::string to_json(const ConvertReport& report) {
  Json json = plan_json(report.plan, "requant/convert/1");
  json.set("was_there", report.was_there);
  json.set("repaired_weights", report.repaired_weights);
  json.set("repairs", array_of(report.repairs, [](const ConvertRepair& repair) {
             return Json::object({{"tensor", repair.tensor}, {"rows", repair.rows}});
           }));
  json.set("losses_taken", array_of(report.losses, [](const ConvertLossTaken& loss) {
             return Json::object({{"loss", loss.loss},
                                  {"weights", loss.weights},
                                  {"codes", loss.codes},
                                  {"scales", loss.scales},
                                  {"max_relative", loss.max_relative},
                                  {"worst", loss.worst}});
           }));
  return json.dump(2) + "\n";
}

void stop_on_signals() { catch_interrupts(); }
int stop_signal() { return interrupting_signal(); }

}  // namespace requant
