#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plan/run_plan.h"

namespace requant {

inline constexpr std::string_view kReceiptName = "requant.json";
inline constexpr std::uint64_t kMaxReceiptBytes = std::uint64_t{1} << 30;

// requant.json: what every tensor was made from and what it became. The same bytes for the same
// conversion, whenever and wherever it runs.
Result<std::string> receipt(const Checkpoint& checkpoint, const Plan& plan,
                            const RunReport& report);

// One tensor's entry in it, and what can be read back from one. kCorrupt for what is none.
Json tensor_json(const Plan& plan, const OutputTensor& output, const TensorRecord& record);
Result<TensorRecord> record_of(const Json& entry);

// The key of its last line: the SHA-256 of everything before that line.
inline constexpr std::string_view kReceiptSumKey = "sha256_above";

// `text` with that line and the closing brace; whether a receipt has the right one.
std::string with_own_sum(std::string text);
bool has_own_sum(std::string_view receipt);

// A receipt whose folder has these files instead of those of their names; nothing where it is none
// of this version, or damaged.
std::optional<std::string> with_files(std::string_view receipt,
                                      const std::map<std::string, std::string>& written,
                                      const std::vector<std::string>& removed);
std::string receipt_line(const FileRecord& record);

// README.md: the front matter of the source's card with what changed, and a description.
Result<std::string> model_card(const Checkpoint& checkpoint, const Plan& plan,
                               const RunReport& report);

}  // namespace requant
