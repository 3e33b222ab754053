#pragma once

#include "dialect/dialect.h"

namespace requant {

const Codec* quark_codec_for(const Scheme& scheme);
Result<Json> quark_quantization_config(const ConfigRequest& request);

}  // namespace requant
