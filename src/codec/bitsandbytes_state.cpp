#include "codec/bitsandbytes_state.h"

#include <fmt/format.h>

#include "base/json.h"
#include "base/text.h"

namespace requant {
namespace {

constexpr std::int64_t kLargestBlock = std::int64_t{1} << 20;
constexpr std::int64_t kLargestSize = std::int64_t{1} << 31;

Result<std::int64_t> number(const Json& json, std::string_view key, std::int64_t largest) {
  const Json* value = json.find(key);
  const std::int64_t found = value == nullptr ? 0 : value->as_int().value_or(0);
  if (found >= 1 && found <= largest) return found;
  return corrupt(fmt::format("the quant_state's '{}' is {}, expected 1 to {}", key,
                             value == nullptr ? "missing" : printable(value->dump(), 80), largest));
}

}  // namespace

Result<BitsandbytesState> parse_bitsandbytes_state(const Tensor& text) {
  if (text.dtype != DType::kU8) return corrupt("the quant_state is no U8 tensor");
  RQ_TRY_IN(const Json json, parse_json(text.bytes.text()), "the quant_state");
  if (!json.is_object()) return corrupt("the quant_state is no JSON object");
  BitsandbytesState state;
  RQ_TRY(state.block, number(json, "blocksize", kLargestBlock));
  const Json* shape = json.find("shape");
  const std::size_t rank = shape == nullptr ? 0 : shape->items().size();
  if (rank != 2) {
    return corrupt(fmt::format("the quant_state's 'shape' is {}, expected two numbers",
                               shape == nullptr ? "missing" : printable(shape->dump(), 80)));
  }
  state.rows = shape->items()[0].as_int().value_or(0);
  state.cols = shape->items()[1].as_int().value_or(0);
  if (state.rows < 1 || state.cols < 1 || state.rows > kLargestSize || state.cols > kLargestSize) {
    return corrupt(fmt::format("the quant_state's 'shape' is {}", printable(shape->dump(), 80)));
  }
  if (json.find("nested_blocksize") == nullptr) return state;
  RQ_TRY(state.nested_block, number(json, "nested_blocksize", kLargestBlock));
  const Json* offset = json.find("nested_offset");
  if (offset == nullptr || !offset->as_double()) {
    return corrupt("the quant_state has no number 'nested_offset'");
  }
  state.nested_offset = static_cast<float>(*offset->as_double());
  return state;
}

}  // namespace requant
