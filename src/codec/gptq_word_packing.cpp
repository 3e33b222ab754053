#include "codec/gptq_word_packing.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "kernel/unpack_gptq.h"

namespace requant {
namespace {

constexpr std::size_t kRun = 32;  // codes that planes are made of

// Widths of the planes of a code, the low bits first (ModelCloud/GPTQModel
// gptqmodel/utils/planar_packing.py@f4c327a1).
std::span<const int> planes(int bits) {
  static constexpr int kWidths[9][3] = {{}, {1}, {2}, {2, 1}, {4}, {4, 1}, {4, 2}, {4, 2, 1}, {8}};
  static constexpr std::size_t kCounts[9] = {0, 1, 1, 2, 1, 2, 2, 3, 1};
  return std::span(kWidths[bits]).first(kCounts[bits]);
}

void unpack_stream(int bits, std::span<const std::uint32_t> words, std::span<std::uint8_t> codes) {
  const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
  std::uint64_t stream = 0;
  int left = 0;
  auto word = words.begin();
  for (std::uint8_t& code : codes) {
    if (left < bits) {
      stream |= std::uint64_t{*word++} << left;
      left += 32;
    }
    code = static_cast<std::uint8_t>(stream & mask);
    stream >>= bits;
    left -= bits;
  }
}

void pack_stream(int bits, std::span<const std::uint8_t> codes, std::span<std::uint32_t> words) {
  std::uint64_t stream = 0;
  int used = 0;
  auto word = words.begin();
  for (const std::uint8_t code : codes) {
    stream |= std::uint64_t{code} << used;
    used += bits;
    if (used < 32) continue;
    *word++ = static_cast<std::uint32_t>(stream);
    stream >>= 32;
    used -= 32;
  }
}

// Where a piece of a code lies: bits [offset, offset + width) of it, at `shift` of a word.
struct Piece {
  std::size_t code;
  std::size_t word;
  int shift;
  int offset;
  std::uint32_t mask;
};

// Calls visit(Piece) for each piece of the codes of one run.
template <class Visit>
void for_each_piece(int bits, Visit visit) {
  std::size_t first = 0;  // word of the plane
  int offset = 0;
  for (const int width : planes(bits)) {
    const std::size_t in_word = 32 / static_cast<std::size_t>(width);
    for (std::size_t code = 0; code < kRun; ++code) {
      visit(Piece{code, first + code / in_word, width * static_cast<int>(code % in_word), offset,
                  (1U << width) - 1});
    }
    first += static_cast<std::size_t>(width);
    offset += width;
  }
}

void unpack_run(int bits, const std::uint32_t* words, std::uint8_t* codes) {
  std::fill_n(codes, kRun, std::uint8_t{0});
  for_each_piece(bits, [&](const Piece& piece) {
    const std::uint32_t value = words[piece.word] >> piece.shift & piece.mask;
    codes[piece.code] = static_cast<std::uint8_t>(codes[piece.code] | value << piece.offset);
  });
}

void pack_run(int bits, const std::uint8_t* codes, std::uint32_t* words) {
  std::fill_n(words, bits, 0U);
  for_each_piece(bits, [&](const Piece& piece) {
    words[piece.word] |= (codes[piece.code] >> piece.offset & piece.mask) << piece.shift;
  });
}

struct Sizes {
  std::size_t words;  // of one output
  std::size_t inputs;
  std::size_t outputs;
};

void unpack_planes(int bits, const Sizes& size, std::span<const std::uint32_t> from,
                   std::span<std::int8_t> to) {
  const int half = 1 << (bits - 1);
  std::vector<std::uint32_t> words(size.words);
  std::vector<std::uint8_t> codes(size.inputs);
  for (std::size_t output = 0; output < size.outputs; ++output) {
    for (std::size_t row = 0; row < size.words; ++row) {
      words[row] = from[row * size.outputs + output];
    }
    gptq_unpack(GptqPacking::kPlanes, bits, words, codes);
    const auto row = to.subspan(output * size.inputs, size.inputs);
    std::ranges::transform(codes, row.begin(), [half](std::uint8_t code) {
      return static_cast<std::int8_t>(code - half);
    });
  }
}

void pack_columns(GptqPacking packing, int bits, const Sizes& size,
                  std::span<const std::int8_t> from, std::span<std::uint32_t> to) {
  constexpr std::size_t kBlock = 16;  // outputs whose words share a cache line
  const int half = 1 << (bits - 1);
  std::vector<std::uint32_t> words(size.words * kBlock);
  std::vector<std::uint8_t> codes(size.inputs);
  for (std::size_t first = 0; first < size.outputs; first += kBlock) {
    const std::size_t count = std::min(kBlock, size.outputs - first);
    for (std::size_t i = 0; i < count; ++i) {
      const auto row = from.subspan((first + i) * size.inputs, size.inputs);
      std::ranges::transform(row, codes.begin(), [half](std::int8_t code) {
        return static_cast<std::uint8_t>(code + half);
      });
      gptq_pack(packing, bits, codes, std::span(words).subspan(i * size.words, size.words));
    }
    for (std::size_t row = 0; row < size.words; ++row) {
      for (std::size_t i = 0; i < count; ++i) {
        to[row * size.outputs + first + i] = words[i * size.words + row];
      }
    }
  }
}

Result<void> check_range(const Tensor& codes, int bits) {
  const int half = 1 << (bits - 1);
  const auto [least, most] = std::ranges::minmax(codes.as<std::int8_t>());
  if (least >= -half && most < half) return {};
  return refused(fmt::format("'qweight' would hold {}, outside {} bits",
                             (least < -half ? least : most) + half, bits));
}

Sizes sizes_of(std::int64_t words, std::int64_t inputs, std::int64_t outputs) {
  return {static_cast<std::size_t>(words), static_cast<std::size_t>(inputs),
          static_cast<std::size_t>(outputs)};
}

}  // namespace

bool gptq_packs(GptqPacking packing, int bits, std::int64_t count) {
  if (bits < 1 || bits > 8 || count < 1) return false;
  const std::int64_t run = static_cast<std::int64_t>(kRun);
  return packing == GptqPacking::kPlanes ? count % run == 0 : count % run * bits % 32 == 0;
}

void gptq_unpack(GptqPacking packing, int bits, std::span<const std::uint32_t> words,
                 std::span<std::uint8_t> codes) {
  if (packing == GptqPacking::kStream) return unpack_stream(bits, words, codes);
  for (std::size_t run = 0; run < codes.size() / kRun; ++run) {
    unpack_run(bits, words.data() + run * static_cast<std::size_t>(bits),
               codes.data() + run * kRun);
  }
}

void gptq_pack(GptqPacking packing, int bits, std::span<const std::uint8_t> codes,
               std::span<std::uint32_t> words) {
  if (packing == GptqPacking::kStream) return pack_stream(bits, codes, words);
  for (std::size_t run = 0; run < codes.size() / kRun; ++run) {
    pack_run(bits, codes.data() + run * kRun, words.data() + run * static_cast<std::size_t>(bits));
  }
}

Result<Tensor> gptq_unpack_weight(GptqPacking packing, int bits, const Tensor& words) {
  const std::int64_t inputs = words.shape[0] * 32 / bits;
  const std::int64_t outputs = words.shape[1];
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI8, {outputs, inputs}));
  if (packing == GptqPacking::kStream || planes(bits).size() == 1) {
    kernel::unpack_gptq({.words = words.as<std::uint8_t>().data(),
                         .codes = out.as<std::int8_t>().data(),
                         .inputs = inputs,
                         .outputs = outputs,
                         .bits = bits});
  } else {
    unpack_planes(bits, sizes_of(words.shape[0], inputs, outputs), words.as<std::uint32_t>(),
                  out.as<std::int8_t>());
  }
  return std::move(out).finish();
}

Result<Tensor> gptq_pack_weight(GptqPacking packing, int bits, const Tensor& codes) {
  RQ_CHECK(check_range(codes, bits));
  const std::int64_t outputs = codes.shape[0];
  const std::int64_t inputs = codes.shape[1];
  const std::int64_t words = inputs / 32 * bits + inputs % 32 * bits / 32;
  RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kI32, {words, outputs}));
  pack_columns(packing, bits, sizes_of(words, inputs, outputs), codes.as<std::int8_t>(),
               out.as<std::uint32_t>());
  return std::move(out).finish();
}

}  // namespace requant
