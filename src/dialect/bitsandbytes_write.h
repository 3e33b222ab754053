#pragma once

#include "dialect/dialect.h"

namespace requant {

const Codec* bitsandbytes_codec_for(const Scheme& scheme);
Result<Json> bitsandbytes_quantization_config(const ConfigRequest& request);

}  // namespace requant
