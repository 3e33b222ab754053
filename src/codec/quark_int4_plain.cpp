// Quark's 4-bit codes with pack_method "order": outputs of a word from the low end. The rest
// is in quark_packed.h.

#include "codec/quark_packed.h"

namespace requant {
namespace {

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  return decode_quark_packed(parts, scheme, kernel::kPlainOrder);
}

Result<WeightParts> encode(const QuantizedWeight& weight) {
  return encode_quark_packed(weight, kernel::kPlainOrder);
}

}  // namespace

extern const Codec k_codec_quark_int4_plain;
const Codec k_codec_quark_int4_plain = {
    .name = "quark-int4-plain",
    .long_name = "AMD Quark int4 and uint4, in order",
    .source = "amd-quark quark/torch/export/utils.py@0.13",
    .holds = holds_quark_packed,
    .scheme_of = quark_packed_scheme_of,
    .decode = decode,
    .layout = quark_packed_layout,
    .encode = encode,
};

}  // namespace requant
