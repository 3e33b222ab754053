#include "container/gguf_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <utility>

#include "base/checked.h"
#include "base/json.h"
#include "base/text.h"

namespace requant {
namespace {

constexpr std::uint64_t kMaxKeyBytes = 65535;  // GGUF's own limit
constexpr std::uint64_t kMaxStringBytes = std::uint64_t{1} << 30;
constexpr std::uint64_t kMaxItems = std::uint64_t{1} << 30;
constexpr std::uint64_t kKeptText = std::uint64_t{1} << 20;  // longer strings are only measured
constexpr std::uint64_t kKeptNumbers = 4096;                 // longer arrays are only counted
constexpr std::uint64_t kKeptStrings = 64;
constexpr std::uint64_t kKeptString = 1024;  // the bytes of one in an array
constexpr std::uint64_t kKeptAll = std::uint64_t{32} << 20;
constexpr std::uint64_t kMaxAlignment = std::uint64_t{1} << 20;
constexpr std::uint64_t kMinPairBytes = 8 + 1 + 4 + 1;
constexpr std::string_view kAlignment = "general.alignment";

enum class Kind : std::uint8_t { kUnsigned, kSigned, kFloat, kBool, kString, kArray };

struct Type {
  std::string_view name;
  Kind kind;
  std::uint64_t bytes;  // 0: varies
};

// By number.
constexpr auto kTypes = std::to_array<Type>({
    {"u8", Kind::kUnsigned, 1},
    {"i8", Kind::kSigned, 1},
    {"u16", Kind::kUnsigned, 2},
    {"i16", Kind::kSigned, 2},
    {"u32", Kind::kUnsigned, 4},
    {"i32", Kind::kSigned, 4},
    {"f32", Kind::kFloat, 4},
    {"bool", Kind::kBool, 1},
    {"string", Kind::kString, 0},
    {"array", Kind::kArray, 0},
    {"u64", Kind::kUnsigned, 8},
    {"i64", Kind::kSigned, 8},
    {"f64", Kind::kFloat, 8},
});
constexpr std::uint32_t kU32 = 4;

Result<const Type*> read_type(FileStream& stream) {
  RQ_TRY(const auto number, stream.number<std::uint32_t>());
  if (number < kTypes.size()) return &kTypes[number];
  return corrupt(fmt::format("a value of type {}, expected 0 to {}",
                             static_cast<std::int32_t>(number), kTypes.size() - 1));
}

Result<std::uint64_t> read_bits(FileStream& stream, const Type& type) {
  switch (type.bytes) {
    case 1: {
      RQ_TRY(const auto value, stream.number<std::uint8_t>());
      return std::uint64_t{value};
    }
    case 2: {
      RQ_TRY(const auto value, stream.number<std::uint16_t>());
      return std::uint64_t{value};
    }
    case 4: {
      RQ_TRY(const auto value, stream.number<std::uint32_t>());
      return std::uint64_t{value};
    }
    default:
      return stream.number<std::uint64_t>();
  }
}

std::string float_text(double value, std::uint64_t bytes) {
  if (!std::isfinite(value)) return Json(fmt::format("{}", value)).dump();
  std::string text =
      bytes == 4 ? fmt::format("{}", static_cast<float>(value)) : fmt::format("{}", value);
  // What is a float says so, also where it is whole.
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  return text;
}

Result<std::string> read_number(FileStream& stream, const Type& type) {
  RQ_TRY(const std::uint64_t bits, read_bits(stream, type));
  switch (type.kind) {
    case Kind::kSigned: {
      const int shift = 64 - 8 * static_cast<int>(type.bytes);
      return fmt::format("{}", static_cast<std::int64_t>(bits << shift) >> shift);
    }
    case Kind::kFloat:
      return float_text(type.bytes == 4
                            ? double{std::bit_cast<float>(static_cast<std::uint32_t>(bits))}
                            : std::bit_cast<double>(bits),
                        type.bytes);
    case Kind::kBool:
      if (bits > 1) return corrupt(fmt::format("a boolean of {}, expected 0 or 1", bits));
      return std::string(bits == 1 ? "true" : "false");
    default:
      return fmt::format("{}", bits);
  }
}

// The length of a string that follows.
Result<std::uint64_t> read_length(FileStream& stream, std::uint64_t limit, std::string_view what) {
  RQ_TRY(const auto size, stream.number<std::uint64_t>());
  if (size > limit || size > stream.left()) {
    return corrupt(fmt::format("a {} of {} bytes, expected at most {}", what, size,
                               std::min(limit, stream.left())));
  }
  return size;
}

Result<std::string> read_string(FileStream& stream, std::uint64_t kept) {
  RQ_TRY(const std::uint64_t size, read_length(stream, kMaxStringBytes, "string"));
  const std::string measured = fmt::format(R"({{"bytes":{}}})", size);
  if (size > kept) {
    RQ_CHECK(stream.skip(size));
    return measured;
  }
  RQ_TRY(const std::string text, stream.text(size));
  return valid_utf8(text) ? Json(text).dump() : measured;
}

Result<std::string> read_array(FileStream& stream) {
  RQ_TRY(const Type* type, read_type(stream));
  if (type->kind == Kind::kArray) return corrupt("an array of arrays");
  RQ_TRY(const auto count, stream.number<std::uint64_t>());
  const bool strings = type->kind == Kind::kString;
  const auto least = (Checked(count) * (strings ? 8 : type->bytes)).value();
  if (count > kMaxItems || !least || *least > stream.left()) {
    return corrupt(fmt::format("an array of {} {}, with {} bytes left in the file", count,
                               type->name, stream.left()));
  }
  const bool kept = count <= (strings ? kKeptStrings : kKeptNumbers);
  std::string text = "[";
  if (!kept && !strings && type->kind != Kind::kBool) {
    RQ_CHECK(stream.skip(*least));
  } else {
    for (std::uint64_t i = 0; i < count; ++i) {
      RQ_TRY(const std::string item,
             strings ? read_string(stream, kept ? kKeptString : 0) : read_number(stream, *type));
      if (kept) text += (i == 0 ? "" : ",") + item;
    }
  }
  return kept ? text + "]" : fmt::format(R"({{"array":"{}","count":{}}})", type->name, count);
}

bool has_control_character(std::string_view text) {
  return std::ranges::any_of(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

Result<std::string> read_key(FileStream& stream) {
  RQ_TRY(const std::uint64_t size, read_length(stream, kMaxKeyBytes, "key"));
  RQ_TRY(std::string key, stream.text(size));
  if (key.empty()) return corrupt("a key without a name");
  if (!valid_utf8(key) || has_control_character(key)) {
    return corrupt(fmt::format("key {} is no text", in_quotes(key)));
  }
  return key;
}

}  // namespace

Result<void> GgufValues::read_pair(FileStream& stream, std::vector<GgufKeyPlace>* places) {
  RQ_TRY(const std::string key, read_key(stream));
  if (texts_.contains(key)) return corrupt(fmt::format("key {} is there twice", in_quotes(key)));
  const std::string where = "key " + in_quotes(key);
  const std::uint64_t begin = stream.position();
  RQ_TRY_IN(const Type* type, read_type(stream), where);
  std::string text;
  if (type->kind == Kind::kString) {
    RQ_TRY_IN(text, read_string(stream, kKeptText), where);
  } else if (type->kind == Kind::kArray) {
    RQ_TRY_IN(text, read_array(stream), where);
  } else {
    RQ_TRY_IN(text, read_number(stream, *type), where);
  }
  if (key == kAlignment) {
    const auto value = parse_json(text);
    const std::int64_t alignment = value ? value->as_int().value_or(0) : 0;
    if (type != &kTypes[kU32] || alignment < 1 || std::uint64_t(alignment) > kMaxAlignment ||
        !std::has_single_bit(static_cast<std::uint64_t>(alignment))) {
      return corrupt(fmt::format("{} is {} {}, expected u32, a power of two up to 2^20", where,
                                 type->name, printable(text, 40)));
    }
    alignment_ = static_cast<std::uint64_t>(alignment);
  }
  if (places != nullptr) places->push_back({key, begin, stream.position() - begin});
  kept_ += key.size() + text.size();
  if (kept_ > kKeptAll) {
    return refused(fmt::format("its keys have more than {} MiB of text", kKeptAll >> 20));
  }
  texts_.emplace(key, std::move(text));
  return {};
}

Result<GgufValues> GgufValues::read(FileStream& stream, std::uint64_t count,
                                    std::vector<GgufKeyPlace>* places) {
  if (count > stream.left() / kMinPairBytes) {
    return corrupt(fmt::format("{} keys, and {} bytes left in the file", count, stream.left()));
  }
  GgufValues values;
  for (std::uint64_t i = 0; i < count; ++i) RQ_CHECK(values.read_pair(stream, places));
  return values;
}

}  // namespace requant
