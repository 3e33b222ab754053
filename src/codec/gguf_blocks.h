#pragma once

#include <cstdint>
#include <string_view>

#include "codec/codec.h"

// The block types of ggml. A weight is one tensor `weight`, U8 [out, bytes of a row], of blocks one
// after the other; each block has the codes of `elements` inputs and what they share. A tensor of
// more dimensions is the matrices of experts, whose rows the neutral form has one after the other.
namespace requant {

// Where the parts of one block go, or come from. Numbers of more than one byte are little-endian,
// as they are stored.
struct GgufBlock {
  std::uint8_t* codes = nullptr;        // a byte each; below 0 in two's complement
  std::uint16_t* wide_codes = nullptr;  // instead, where the codebook has more than 256 entries
  std::uint8_t* scales = nullptr;
  std::uint8_t* minima = nullptr;
  std::uint8_t* outer = nullptr;         // F16
  std::uint8_t* outer_minima = nullptr;  // F16
};

// The same parts of a block that is to be written.
struct GgufParts {
  const std::uint8_t* codes = nullptr;
  const std::uint8_t* scales = nullptr;
  const std::uint8_t* minima = nullptr;
  const std::uint8_t* outer = nullptr;
  const std::uint8_t* outer_minima = nullptr;
};

struct GgufType {
  std::string_view codec;      // "gguf-q4_k"
  std::string_view long_name;  // "ggml Q4_K"
  std::int64_t elements = 0;   // of a block
  std::int64_t bytes = 0;      // of a block
  Scheme (*scheme)() = nullptr;
  void (*split)(const std::uint8_t* block, const GgufBlock& out) = nullptr;
  Result<Tensor> (*codebook)() = nullptr;
  // The inverse of split() for everything that split() gives. False where the type has no room for
  // a code or a scale. nullptr: blocks are only read.
  bool (*join)(const GgufParts& in, std::uint8_t* block) = nullptr;
};

// Whole blocks, as far as sizes tell: the container says of which type they are.
std::optional<Scheme> scheme_of_gguf(const GgufType& type, const WeightParts& parts);
Result<QuantizedWeight> decode_gguf(const GgufType& type, const WeightParts& parts,
                                    const Scheme& scheme);

// kRefused for a weight of which rows are not whole blocks.
Result<std::vector<PartSpec>> gguf_layout_of(const GgufType& type, std::int64_t rows,
                                             std::int64_t cols);
// Codes and scales as they are. kRefused where the type has no room for one.
Result<WeightParts> encode_gguf(const GgufType& type, const QuantizedWeight& weight);

inline constexpr std::string_view kGgufSource =
    "ggml/src/ggml-quants.c, ggml-common.h of llama-cpp-python 0.3.36; gguf-py quants.py";

// The codec of a type; it is named "gguf-" and the type in lower case.
template <const GgufType& type>
constexpr Codec gguf_codec() {
  Codec codec = {
      .name = type.codec,
      .long_name = type.long_name,
      .source = kGgufSource,
      .holds = [](const Scheme& scheme) { return scheme == type.scheme(); },
      .scheme_of = [](const WeightParts& parts,
                      const Scheme&) { return scheme_of_gguf(type, parts); },
      .decode = [](const WeightParts& parts,
                   const Scheme& scheme) { return decode_gguf(type, parts, scheme); },
  };
  if (type.join == nullptr) return codec;
  codec.layout = [](const Scheme&, std::int64_t rows, std::int64_t cols) {
    return gguf_layout_of(type, rows, cols);
  };
  codec.encode = [](const QuantizedWeight& weight) { return encode_gguf(type, weight); };
  return codec;
}

// The low byte: what is below 0 in two's complement.
inline std::uint8_t gguf_byte(int value) { return static_cast<std::uint8_t>(value); }

// `count` bytes to twice as many codes less `bias`: their low nibbles, then their high ones.
inline void split_gguf_nibbles(const std::uint8_t* qs, int count, int bias, std::uint8_t* codes) {
  for (int j = 0; j < count; ++j) {
    codes[j] = gguf_byte((qs[j] & 15) - bias);
    codes[count + j] = gguf_byte((qs[j] >> 4) - bias);
  }
}

// The inverse: nibbles of `code + bias`. False where one has no room.
inline bool join_gguf_nibbles(const std::uint8_t* codes, int count, int bias, std::uint8_t* qs) {
  int beyond = 0;
  for (int j = 0; j < count; ++j) {
    const int low = static_cast<std::uint8_t>(codes[j] + bias);
    const int high = static_cast<std::uint8_t>(codes[count + j] + bias);
    beyond |= low | high;
    qs[j] = gguf_byte(low | high << 4);
  }
  return beyond < 16;
}

// A 16-bit number at an address.
inline std::uint32_t gguf_u16(const std::uint8_t* at) {
  return static_cast<std::uint32_t>(at[0] | at[1] << 8);
}
inline std::uint32_t gguf_u32(const std::uint8_t* at) {
  return gguf_u16(at) | gguf_u16(at + 2) << 16;
}

}  // namespace requant
