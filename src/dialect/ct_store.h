#pragma once

#include "dialect/ct_config.h"
#include "dialect/ct_form.h"
#include "dialect/dialect.h"

namespace requant {

// The weight that a module of that form stores. Reads the few numbers of a shape tensor where the
// headers do not say how many inputs there are. kCorrupt where tensors are missing or do not fit
// together, kRefused for what cannot be read.
Result<Weight> ct_weight_of(const CtForm& form, const ModuleTensors& module, const Module& place,
                            const Scheme& declared, const CtConfig& config, const Source& source);

// The codec in which a weight of that scheme is written, as the library would choose it; nullptr
// when there is none.
const Codec* ct_codec_for(const Scheme& scheme);

}  // namespace requant
