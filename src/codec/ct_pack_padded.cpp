// compressed-tensors pack-quantized of 3, 5, 6 and 7 bits as written up to 0.17: whole codes to a
// word, the bits above them 0 (codec/ct_packed.h has the tensors). Read only.

#include "codec/codec.h"
#include "codec/ct_packed.h"

namespace requant {
namespace {

bool holds(const Scheme& scheme) { return holds_ct_packed(scheme, WordFill::kWhole); }

std::optional<Scheme> scheme_of(const WeightParts& parts, const Scheme& declared) {
  return scheme_of_ct_packed(parts, declared, WordFill::kWhole);
}

Result<QuantizedWeight> decode(const WeightParts& parts, const Scheme& scheme) {
  return decode_ct_packed(parts, scheme, WordFill::kWhole);
}

}  // namespace

extern const Codec k_codec_ct_pack_padded;
const Codec k_codec_ct_pack_padded = {
    .name = "ct-pack-padded",
    .long_name = "compressed-tensors pack-quantized up to 0.17, 3, 5, 6 and 7 bits",
    .source = "vllm-project/compressed-tensors compressors/pack_quantized@0.17.1",
    .holds = holds,
    .scheme_of = scheme_of,
    .decode = decode,
};

}  // namespace requant
