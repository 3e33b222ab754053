#include "base/json.h"
#include "plan/receipt.h"

namespace requant {
namespace {

constexpr std::size_t kHexDigits = 64;

Error no_entry(std::string_view key) {
  return corrupt("'" + std::string(key) + "' is not what a receipt has there");
}

Result<std::string> hash_at(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  const auto text = value == nullptr ? std::nullopt : value->as_string();
  if (!text || text->size() != kHexDigits) return no_entry(key);
  return std::string(*text);
}

// 0 where there is no such key.
Result<std::uint64_t> count_at(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  if (value == nullptr) return std::uint64_t{0};
  const auto count = value->as_uint();
  if (!count) return no_entry(key);
  return *count;
}

Result<double> number_at(const Json& object, std::string_view key) {
  const Json* value = object.find(key);
  if (value == nullptr) return 0.0;
  const auto number = value->as_double();
  if (!number) return no_entry(key);
  return *number;
}

Result<LossTaken> loss_of(const Json& entry) {
  LossTaken loss;
  const Json* name = entry.find("loss");
  const auto text = name == nullptr ? std::nullopt : name->as_string();
  if (!text) return no_entry("loss");
  RQ_TRY(const LossSet named, LossSet::parse({std::string(*text)}));
  if (named.list().size() != 1) return no_entry("loss");
  loss.loss = named.list().front();
  RQ_TRY(loss.codes, count_at(entry, "codes"));
  RQ_TRY(loss.scales, count_at(entry, "scales"));
  RQ_TRY(loss.max_relative, number_at(entry, "max_relative"));
  const Json* note = entry.find("note");
  if (note != nullptr) loss.note = note->as_string().value_or("");
  return loss;
}

Result<Difference> difference_of(const Json& entry) {
  Difference difference;
  RQ_TRY(difference.elements, count_at(entry, "elements"));
  RQ_TRY(difference.max_relative, number_at(entry, "max_relative"));
  RQ_TRY(difference.max_ulp, count_at(entry, "max_ulp"));
  return difference;
}

}  // namespace

Result<TensorRecord> record_of(const Json& entry) {
  TensorRecord record;
  RQ_TRY(record.sha256, hash_at(entry, "sha256"));
  if (const Json* sources = entry.find("sources")) {
    for (const Json& source : sources->items()) {
      if (source.find("sha256") == nullptr) continue;
      RQ_TRY(std::string sha256, hash_at(source, "sha256"));
      record.source_sha256.push_back(std::move(sha256));
    }
  }
  if (const Json* rows = entry.find("repaired_rows")) {
    for (const Json& row : rows->items()) {
      const auto number = row.as_int();
      if (!number) return no_entry("repaired_rows");
      record.repaired_rows.push_back(*number);
    }
  }
  if (const Json* losses = entry.find("losses")) {
    for (const Json& loss : losses->items()) {
      RQ_TRY(LossTaken taken, loss_of(loss));
      record.losses.push_back(std::move(taken));
    }
  }
  if (const Json* difference = entry.find("difference")) {
    RQ_TRY(record.difference, difference_of(*difference));
  }
  return record;
}

}  // namespace requant
