// Quark's 4-bit codes with pack_method "reorder": AWQ's order of outputs in a word. The rest
// is in quark_packed.h.

#include "codec/quark_packed.h"

namespace requant {
namespace {

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  return decode_quark_packed(parts, scheme, kernel::kAwqOrder);
}

Result<WeightParts> encode(const QuantizedWeight& weight) {
  return encode_quark_packed(weight, kernel::kAwqOrder);
}

}  // namespace

extern const Codec k_codec_quark_int4;
const Codec k_codec_quark_int4 = {
    .name = "quark-int4",
    .long_name = "AMD Quark int4 and uint4, reordered",
    .source = "amd-quark quark/torch/export/utils.py@0.13",
    .holds = holds_quark_packed,
    .scheme_of = quark_packed_scheme_of,
    .decode = decode,
    .layout = quark_packed_layout,
    .encode = encode,
};

}  // namespace requant
