// config.json and side files against tensors: architecture, dialect, schemes. No data is read.
#include "bundle.h"
#include "checkpoint/checkpoint.h"
#include "target.h"

int requant::fuzz::LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Bundle bundle = fuzz::Bundle::parse(fuzz::text_of(data, size));
  const auto folder = bundle.folder();
  if (folder == nullptr) return 0;
  const auto shown = Checkpoint::open(folder, "", {.lenient = true});
  const auto opened = Checkpoint::open(folder, "");
  fuzz::require(shown || !opened, "what opens can be shown");
  if (!opened) return 0;
  static_cast<void>(opened->writer());
  for (const Weight& weight : opened->weights()) {
    fuzz::require(weight.codec != nullptr && !weight.parts.empty(),
                  "a weight has a codec and parts");
    fuzz::require(weight.rows >= 0 && weight.cols >= 0, "a weight has a size");
  }
  return 0;
}
