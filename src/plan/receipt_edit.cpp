#include <fmt/format.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/json.h"
#include "plan/receipt.h"

namespace requant {
namespace {

constexpr std::string_view kFilesBegin = "  \"files\": [\n";
constexpr std::string_view kFilesEnd = "  ],\n  \"shards\": [\n";

}  // namespace

std::string receipt_line(const FileRecord& record) {
  return Json::object({{"name", record.name}, {"sha256", record.sha256}}).dump(0);
}

std::string with_own_sum(std::string text) {
  const std::string sum = sha256_hex(bytes_of(text));
  return std::move(text) + fmt::format("  \"{}\": \"{}\"\n}}\n", kReceiptSumKey, sum);
}

bool has_own_sum(std::string_view receipt) {
  const std::size_t at = receipt.rfind(fmt::format("  \"{}\": \"", kReceiptSumKey));
  return at != std::string_view::npos &&
         with_own_sum(std::string(receipt.substr(0, at))) == receipt;
}

std::optional<std::string> with_files(std::string_view receipt,
                                      const std::map<std::string, std::string>& written,
                                      const std::vector<std::string>& removed) {
  const std::size_t begin = receipt.find(kFilesBegin);
  const std::size_t end = receipt.find(kFilesEnd);
  const std::size_t sum = receipt.rfind(fmt::format("  \"{}\"", kReceiptSumKey));
  if (!has_own_sum(receipt) || begin == std::string_view::npos || end == std::string_view::npos ||
      end < begin || sum < end) {
    return std::nullopt;
  }
  const auto parsed = parse_json(receipt, {.bytes = kMaxReceiptBytes});
  const Json* files = parsed ? parsed->find("files") : nullptr;
  if (files == nullptr) return std::nullopt;
  std::map<std::string, std::string> sums;
  for (const Json& file : files->items()) {
    const Json* name = file.find("name");
    const Json* sha256 = file.find("sha256");
    if (name == nullptr || sha256 == nullptr) return std::nullopt;
    sums.emplace(name->as_string().value_or(""), sha256->as_string().value_or(""));
  }
  for (const auto& [name, text] : written) sums[name] = sha256_hex(bytes_of(text));
  for (const std::string& name : removed) sums.erase(name);
  std::string text(receipt.substr(0, begin + kFilesBegin.size()));
  std::size_t left = sums.size();
  for (const auto& [name, sha256] : sums) {
    text += "    " + receipt_line({name, sha256}) + (--left > 0 ? ",\n" : "\n");
  }
  text += receipt.substr(end, sum - end);
  return with_own_sum(std::move(text));
}

}  // namespace requant
