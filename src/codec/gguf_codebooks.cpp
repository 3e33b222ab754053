#include "codec/gguf_codebooks.h"

#include <fmt/format.h>

#include <bit>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/embedded.h"
#include "base/json.h"

namespace requant {

std::span<const EmbeddedFile> codebook_files();

namespace {

struct GridTable {
  std::size_t length = 0;      // of a point
  std::vector<float> numbers;  // of all points
  std::size_t points() const { return numbers.size() / length; }
};

// The file is built in, so what is wrong with it is a broken build.
GridTable read_grid(std::string_view name) {
  static const Json kTables = *parse_json(codebook_files().front().text);
  const Json& table = *kTables.find(name);
  const std::string_view hex = *table.find("hex")->as_string();
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  GridTable grid;
  grid.length = static_cast<std::size_t>(*table.find("length")->as_int());
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    const int value = digit(hex[i]) * 16 + digit(hex[i + 1]);
    grid.numbers.push_back(static_cast<float>(static_cast<std::int8_t>(value)));
  }
  return grid;
}

// What makes the tensor the first time that its name is asked for.
Result<Tensor> once(const std::string& name, const std::function<Result<Tensor>()>& make) {
  static std::mutex mutex;
  static std::map<std::string, Tensor> made;
  const std::scoped_lock lock(mutex);
  const auto found = made.find(name);
  if (found != made.end()) return found->second;
  RQ_TRY(Tensor tensor, make());
  made.emplace(name, tensor);
  return tensor;
}

// Point p from number `begin` on, `length` of them, with each of `masks` signs.
struct Signed {
  std::size_t length;
  unsigned masks;
  float divisor;
};

void add_signed(const float* numbers, const Signed& how, float*& to) {
  for (unsigned mask = 0; mask < how.masks; ++mask) {
    const unsigned even = how.length == 8 ? static_cast<unsigned>(std::popcount(mask) & 1) << 7 : 0;
    for (std::size_t i = 0; i < how.length; ++i) {
      const bool negative = ((mask | even) >> i & 1) != 0;
      *to++ = (negative ? -numbers[i] : numbers[i]) / how.divisor;
    }
  }
}

Result<Tensor> with_signs(const GridTable& grid, const Signed& how) {
  const auto entries =
      static_cast<std::int64_t>(grid.numbers.size() / how.length * std::size_t{how.masks});
  RQ_TRY(TensorBuilder out,
         TensorBuilder::make(DType::kF32, {entries, static_cast<std::int64_t>(how.length)}));
  float* to = out.as<float>().data();
  for (std::size_t i = 0; i < grid.numbers.size(); i += how.length) {
    add_signed(grid.numbers.data() + i, how, to);
  }
  return std::move(out).finish();
}

}  // namespace

Result<Tensor> gguf_even_signs(std::string_view grid, float divisor) {
  return once(std::string(grid), [&] {
    return with_signs(read_grid(grid), {.length = 8, .masks = 128, .divisor = divisor});
  });
}

Result<Tensor> gguf_four_signs(std::string_view grid, float divisor) {
  return once(std::string(grid), [&] {
    return with_signs(read_grid(grid), {.length = 4, .masks = 16, .divisor = divisor});
  });
}

Result<Tensor> gguf_shifted(std::string_view grid) {
  return once(std::string(grid), [&]() -> Result<Tensor> {
    const GridTable table = read_grid(grid);
    const auto points = static_cast<std::int64_t>(table.points());
    RQ_TRY(TensorBuilder out, TensorBuilder::make(DType::kF32, {2 * points, 8}));
    float* to = out.as<float>().data();
    for (const float shift : {0.125F, -0.125F}) {
      for (const float number : table.numbers) *to++ = number + shift;
    }
    return std::move(out).finish();
  });
}

}  // namespace requant
