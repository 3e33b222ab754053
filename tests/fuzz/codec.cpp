// One weight's tensors through every codec that takes them for its own. What decodes is a sound
// weight, and comes back from its own encoding.
//
//   == scheme
//   0 3 1 2 ...                element, bits, offset, grid ...
//   == make
//   2 1 2 7                    by the third codec that can, of that size; then the tensors' lines
//   and
//                              the data change what it made
#include <charconv>
#include <vector>

#include "base/text.h"
#include "bundle.h"
#include "quant/quantized_weight.h"
#include "quant/testing.h"
#include "target.h"

namespace requant::fuzz {
namespace {

constexpr std::int64_t kElements = 1 << 16;

// The numbers of a section, each taken modulo what it may be.
class Numbers {
 public:
  Numbers(const Bundle& bundle, std::string_view section) {
    const auto at = bundle.files.find(section);
    if (at == bundle.files.end()) return;
    for (const std::string_view word : split(at->second, ' ')) {
      unsigned value = 0;
      std::from_chars(word.data(), word.data() + word.size(), value);
      values_.push_back(value);
    }
  }

  bool any() const { return !values_.empty(); }
  unsigned below(unsigned count) { return next_ < values_.size() ? values_[next_++] % count : 0; }

 private:
  std::vector<unsigned> values_;
  std::size_t next_ = 0;
};

Grid grid_of(Numbers& numbers) {
  const auto size = std::int64_t{8} << numbers.below(6);
  switch (numbers.below(5)) {
    case 0:
      return Grid::tensor();
    case 1:
      return Grid::channel();
    case 2:
      return Grid::group(size);
    case 3:
      return Grid::block(size, size);
    default:
      return {.block_rows = 0, .block_cols = size, .flat = true};
  }
}

// What a config might say of the weight.
Scheme declared_by(Numbers numbers) {
  constexpr DType kScales[] = {DType::kF32, DType::kF16, DType::kBF16, DType::kF8E8M0,
                               DType::kF8E4M3};
  Scheme scheme;
  scheme.element = static_cast<Element>(numbers.below(static_cast<unsigned>(Element::kCount)));
  scheme.bits = static_cast<int>(1 + numbers.below(8));
  if (info(scheme.element).bits != 0) scheme.bits = info(scheme.element).bits;
  scheme.offset = static_cast<Offset>(numbers.below(3));
  scheme.grid = grid_of(numbers);
  scheme.scale_dtype = kScales[numbers.below(5)];
  scheme.permuted = numbers.below(2) != 0;
  const unsigned outer = numbers.below(3);
  if (outer != 0) {
    scheme.outer = OuterScale{.orientation = static_cast<Orientation>(outer - 1)};
  }
  if (numbers.below(2) != 0) scheme.activations = Activations::dynamic_token(scheme.element);
  return scheme;
}

// One of those that write the scheme; nullptr where none does.
const Codec* writer_of(const Scheme& scheme, Numbers& numbers) {
  std::vector<const Codec*> writers;
  for (const Codec* codec : codecs()) {
    if (codec->encode != nullptr && codec->holds(scheme)) writers.push_back(codec);
  }
  if (writers.empty()) return nullptr;
  return writers[numbers.below(static_cast<unsigned>(writers.size()))];
}

void round_trip(const Codec& codec, const QuantizedWeight& weight);

// A sound weight's tensors as the codec lays them out; none where it cannot hold the scheme.
WeightParts made_parts(Numbers numbers, const Scheme& scheme) {
  if (!numbers.any()) return {};
  const Codec* codec = writer_of(scheme, numbers);
  if (codec == nullptr) return {};
  const std::int64_t rows = 8 + 8 * numbers.below(8);
  const std::int64_t cols = 16 + 16 * numbers.below(8);
  const QuantizedWeight weight =
      testing_support::random_weight(scheme, rows, cols, numbers.below(256));
  round_trip(*codec, weight);
  auto parts = codec->encode(weight);
  return parts ? *std::move(parts) : WeightParts();
}

// Other bytes in all parts that were made; then parts with other dtypes and shapes, and more parts.
void change(WeightParts& parts, const Bundle& bundle) {
  std::size_t at = 0;
  for (auto& [name, tensor] : parts) {
    auto copy = Buffer::allocate(tensor.bytes.size());
    if (!copy || bundle.data.empty()) break;
    for (std::size_t i = 0; i < tensor.bytes.size(); ++i, ++at) {
      copy->data()[i] =
          tensor.bytes.data()[i] ^ static_cast<std::byte>(bundle.data[at % bundle.data.size()]);
    }
    tensor.bytes = std::move(*copy).freeze();
  }
  for (auto& [name, tensor] : bundle.parts()) parts.insert_or_assign(name, tensor);
}

void require_layout(const Codec& codec, const QuantizedWeight& weight, const WeightParts& parts) {
  const auto specs = codec.layout(weight.scheme, weight.rows, weight.cols);
  require(specs && specs->size() == parts.size(), "a layout has the parts that are written");
  for (const PartSpec& spec : *specs) {
    const auto part = parts.find(spec.suffix);
    require(
        part != parts.end() && part->second.dtype == spec.dtype && part->second.shape == spec.shape,
        "a part is as the layout has it");
  }
}

void round_trip(const Codec& codec, const QuantizedWeight& weight) {
  if (codec.encode == nullptr || !codec.holds(weight.scheme)) return;
  const auto parts = codec.encode(weight);
  if (!parts) return;  // values that the layout cannot hold
  require_layout(codec, weight, *parts);
  const auto found = codec.scheme_of(*parts, weight.scheme);
  require(found.has_value(), "what a codec wrote is of its layout");
  const auto again = codec.decode(*parts, *found);
  require(static_cast<bool>(again), "what a codec wrote can be read");
  const auto difference = compare(weight, *again);
  require(!difference || difference->equal, "what a codec wrote is the same weight");
}

void run(const Codec& codec, const WeightParts& parts, const WeightParts& heads,
         const Scheme& declared) {
  const auto scheme = codec.scheme_of(heads, declared);
  if (codec.decode == nullptr) return;
  const auto weight = codec.decode(parts, scheme.value_or(declared));
  if (!weight) {
    require(weight.error().message().find('\n') == std::string::npos, "a message of one line");
    return;
  }
  require(static_cast<bool>(validate(*weight)), "a decoded weight is valid");
  if (weight->rows * weight->cols > kElements) return;
  require(static_cast<bool>(dequantize(*weight)), "a decoded weight has values");
  round_trip(codec, *weight);
}

}  // namespace
}  // namespace requant::fuzz

int requant::fuzz::LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::Bundle bundle = fuzz::Bundle::parse(fuzz::text_of(data, size));
  const Scheme declared = fuzz::declared_by(fuzz::Numbers(bundle, "scheme"));
  WeightParts parts = fuzz::made_parts(fuzz::Numbers(bundle, "make"), declared);
  fuzz::change(parts, bundle);
  WeightParts heads = parts;
  for (auto& [name, tensor] : heads) tensor.bytes = {};
  for (const Codec* codec : codecs()) fuzz::run(*codec, parts, heads, declared);
  return 0;
}
