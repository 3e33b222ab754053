#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "quant/quantized_weight.h"

namespace requant {

// The tensors that together store one weight, by what follows the module's name:
// "model.layers.0.mlp.up_proj.qweight" is "qweight" here. Tensors are shared, not copied.
using WeightParts = std::map<std::string, Tensor, std::less<>>;

// One tensor of a weight's storage form.
struct PartSpec {
  std::string suffix;  // "weight_scale"
  DType dtype = DType::kU8;
  Shape shape;
};

// One way of laying a quantised weight out in tensors. A codec knows nothing of files (that is a
// container) and nothing of models or configs (that is a dialect).
//
// Each codec is one .cpp that exports one constant of this type; a null function means that the
// codec cannot do that, so the table of capabilities cannot lie.
struct Codec {
  std::string_view name;       // "lmdeploy-w8a8"
  std::string_view long_name;  // what `formats` prints
  std::string_view source;     // where the layout is defined, with a revision

  // What the layout can hold exactly, whatever the weight: encode() refuses the rest.
  bool (*holds)(const Scheme&);

  // The scheme that these tensors have by their names, dtypes and shapes, or nothing when they are
  // not of this layout. Needs no data: the tensors may be empty of bytes. `declared` is what the
  // config says of this weight; only what tensors cannot tell is taken from it (activations, group
  // ends), and what contradicts the tensors is not.
  std::optional<Scheme> (*scheme_of)(const WeightParts&, const Scheme& declared);

  // Must not trust its input: bytes come from strangers. `scheme` is what scheme_of() gave.
  Result<QuantizedWeight> (*decode)(const WeightParts&, const Scheme& scheme) = nullptr;

  // The tensors that encode() gives for a weight of that scheme and size, without the data.
  Result<std::vector<PartSpec>> (*layout)(const Scheme&, std::int64_t rows,
                                          std::int64_t cols) = nullptr;

  // decode(encode(w)) equals w for every w that holds() accepts and validate() passes.
  Result<WeightParts> (*encode)(const QuantizedWeight&) = nullptr;
};

// Every codec built in, in the order of codec/CMakeLists.txt.
std::span<const Codec* const> codecs();

// nullptr when there is none of that name.
const Codec* find_codec(std::string_view name);

}  // namespace requant
