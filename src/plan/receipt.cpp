#include "plan/receipt.h"

#include <fmt/format.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/json.h"
#include "plan/shard_sums.h"
#include "plan/version.h"

namespace requant {
namespace {

Json strings(const std::vector<std::string>& texts) {
  Json array = Json::array();
  for (const std::string& text : texts) array.append(text);
  return array;
}

Json shape_json(const Shape& shape) {
  Json array = Json::array();
  for (const std::int64_t size : shape) array.append(size);
  return array;
}

Json sources_json(const OutputTensor& output, const TensorRecord& record) {
  Json array = Json::array();
  for (std::size_t i = 0; i < output.sources.size(); ++i) {
    Json source = Json::object();
    source.set("name", output.sources[i]->name);
    if (i < record.source_sha256.size()) source.set("sha256", record.source_sha256[i]);
    array.append(std::move(source));
  }
  return array;
}

Json rows_json(const std::vector<std::int64_t>& rows) {
  Json array = Json::array();
  for (const std::int64_t row : rows) array.append(row);
  return array;
}

// What the losses did to one weight.
Json losses_json(const TensorRecord& record) {
  Json losses = Json::array();
  for (const LossTaken& loss : record.losses) {
    Json item = Json::object();
    item.set("loss", std::string(name_of(loss.loss)));
    if (loss.codes > 0) item.set("codes", loss.codes);
    if (loss.scales > 0) item.set("scales", loss.scales);
    if (loss.codes + loss.scales > 0 || loss.max_relative > 0) {
      item.set("max_relative", loss.max_relative);
    }
    if (!loss.note.empty()) item.set("note", loss.note);
    losses.append(std::move(item));
  }
  return losses;
}

// The numbers that `verify` finds between source and result.
Json difference_json(const Difference& difference) {
  Json json = Json::object();
  json.set("elements", difference.elements);
  json.set("max_relative", difference.max_relative);
  json.set("max_ulp", difference.max_ulp);
  return json;
}

Json options_json(const Plan& plan, const RunReport& report) {
  Json options = Json::object();
  std::string to(plan.target.dialect->name);
  if (!plan.target.scheme.empty()) to += ":" + plan.target.scheme;
  options.set("to", to);
  std::vector<std::string> losses;
  for (const LossSummary& taken : report.losses) losses.emplace_back(name_of(taken.loss));
  options.set("losses", strings(losses));
  return options;
}

// One tensor a line, so that two receipts can be compared by eye.
void append_lines(std::string& text, const std::vector<Json>& items) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    text += "    " + items[i].dump(0) + (i + 1 < items.size() ? ",\n" : "\n");
  }
}

// What the bytes of a weight file are besides the data of its tensors.
Result<Json> shard_json(const Plan& plan, const RunReport& report, std::uint32_t shard) {
  RQ_TRY(const ShardSums sums, shard_sums(plan, shard, report.tensors));
  if (plan.layout) {
    return Json::object({{"name", sums.file},
                         {"bytes", sums.bytes},
                         {"container", plan.target.dialect->name},
                         {"header_bytes", std::uint64_t{sums.header.size()}},
                         {"header_sha256", sha256_hex(bytes_of(sums.header))}});
  }
  Json metadata = Json::object();
  for (const auto& [key, value] : plan.metadata) metadata.set(key, value);
  return Json::object({{"name", sums.file},
                       {"bytes", sums.bytes},
                       {"metadata", std::move(metadata)},
                       {"header_sha256", sha256_hex(bytes_of(sums.header))}});
}

}  // namespace

Json tensor_json(const Plan& plan, const OutputTensor& output, const TensorRecord& record) {
  Json entry = Json::object();
  entry.set("name", output.tensor->name);
  entry.set("dtype", std::string(name_of(output.tensor->dtype)));
  entry.set("shape", shape_json(output.tensor->shape));
  entry.set("file", plan.shards[output.shard].file);
  entry.set("sha256", record.sha256);
  entry.set("step", std::string(name_of(output.kind)));
  entry.set("sources", sources_json(output, record));
  if (!record.repaired_rows.empty()) entry.set("repaired_rows", rows_json(record.repaired_rows));
  if (!record.losses.empty()) {
    entry.set("losses", losses_json(record));
    entry.set("difference", difference_json(record.difference));
  }
  const bool rounded = output.kind == StepKind::kDecode;
  entry.set("exact", record.losses.empty() && record.repaired_rows.empty() && !rounded);
  return entry;
}

Result<std::string> receipt(const Checkpoint& checkpoint, const Plan& plan,
                            const RunReport& report) {
  std::vector<Json> tensors;
  for (std::size_t i = 0; i < plan.outputs.size(); ++i) {
    tensors.push_back(tensor_json(plan, plan.outputs[i], report.tensors[i]));
  }
  std::vector<Json> files;
  for (const FileRecord& record : report.files) {
    Json file = Json::object();
    file.set("name", record.name);
    file.set("sha256", record.sha256);
    files.push_back(std::move(file));
  }
  std::vector<Json> shards;
  for (std::uint32_t i = 0; i < plan.shards.size(); ++i) {
    RQ_TRY(Json shard, shard_json(plan, report, i));
    shards.push_back(std::move(shard));
  }
  std::vector<Json> dropped;
  for (const DroppedTensor& tensor : plan.dropped) {
    Json entry = Json::object();
    entry.set("name", tensor.name);
    entry.set("reason", tensor.reason);
    dropped.push_back(std::move(entry));
  }
  Json head = Json::object();
  head.set("schema", "requant/receipt/1");
  head.set("requant", std::string(kVersion));
  head.set("from", std::string(checkpoint.dialect().name));
  head.set("options", options_json(plan, report));
  if (!plan.grown.empty()) head.set("padded", sizes_json(plan.grown));
  std::string text = head.dump(2);
  text.erase(text.rfind('\n'));  // the closing brace comes after the lists
  text += ",\n  \"tensors\": [\n";
  append_lines(text, tensors);
  text += "  ],\n  \"dropped\": [\n";
  append_lines(text, dropped);
  text += "  ],\n  \"files\": [\n";
  append_lines(text, files);
  text += "  ],\n  \"shards\": [\n";
  append_lines(text, shards);
  return with_own_sum(text + "  ],\n");
}

}  // namespace requant
