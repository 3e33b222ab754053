// Every rule on a mutated checkpoint, reading every byte.
#include "bundle.h"
#include "rule/run.h"
#include "target.h"

namespace {

constexpr std::uint64_t kReadLimit = 1 << 18;

}  // namespace

int requant::fuzz::LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Bundle bundle = fuzz::Bundle::parse(fuzz::text_of(data, size));
  const auto folder = bundle.folder();
  if (folder == nullptr) return 0;
  const auto checkpoint = Checkpoint::open(folder, bundle.name(), {.lenient = true});
  if (!checkpoint || checkpoint->source().total_bytes() > kReadLimit) return 0;
  const auto findings = run_rules(*checkpoint, {.depth = Depth::kCodes});
  if (!findings) return 0;
  for (const Finding& finding : *findings) {
    fuzz::require(!finding.rule.empty(), "a finding has a rule");
    fuzz::require(finding.message.find_first_of("\n\x1b") == std::string::npos,
                  "a message is printable");
    fuzz::require(finding.where.find_first_of("\n\x1b") == std::string::npos,
                  "a place is printable");
  }
  return 0;
}
