#include "codec/bitsandbytes_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

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

constexpr std::string_view kUsualDtype = "bfloat16";  // none of the three is longer
constexpr std::size_t kLongestOffset = 24;            // "-0.00012345678901234567"

// A double as Python spells it: the shortest digits that give it back, an exponent below 1e-4 and
// from 1e16 on.
std::string python_number(double value) {
  const double magnitude = std::fabs(value);
  if (value == 0 || (magnitude >= 1e-4 && magnitude < 1e16)) {
    std::array<char, 64> space{};
    const auto end =
        std::to_chars(space.data(), space.data() + space.size(), value, std::chars_format::fixed);
    std::string text(space.data(), end.ptr);
    if (text.find('.') == std::string::npos) text += ".0";
    return text;
  }
  return fmt::format("{}", value);
}

}  // namespace

std::string bitsandbytes_state_text(const BitsandbytesState& state, std::string_view table) {
  const std::string_view dtype = state.dtype.empty() ? kUsualDtype : state.dtype;
  std::string text =
      fmt::format(R"({{"quant_type": "{}", "blocksize": {}, "dtype": "{}", "shape": [{}, {}])",
                  table, state.block, dtype, state.rows, state.cols);
  std::size_t spaces = kUsualDtype.size() - std::min(kUsualDtype.size(), dtype.size());
  if (state.nested_block > 0) {
    const std::string offset = python_number(static_cast<double>(state.nested_offset));
    text +=
        fmt::format(R"(, "nested_blocksize": {}, "nested_dtype": "float32", "nested_offset": {})",
                    state.nested_block, offset);
    spaces += kLongestOffset - std::min(kLongestOffset, offset.size());
  }
  return text + "}" + std::string(spaces, ' ');
}

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
  if (const Json* dtype = json.find("dtype"); dtype != nullptr && dtype->as_string()) {
    state.dtype = std::string(*dtype->as_string());
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
