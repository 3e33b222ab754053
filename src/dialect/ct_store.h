#pragma once

#include <vector>

#include "dialect/ct_config.h"
#include "dialect/ct_form.h"
#include "dialect/dialect.h"

namespace requant {

// The weights that modules store. Looks at each form, scheme and set of shapes once: a model of
// 70,000 experts has two of them.
class CtStore {
 public:
  // Both must outlive this.
  CtStore(const CtConfig& config, const Source& source) : config_(config), source_(source) {}

  // Reads the few numbers of a shape tensor where the headers do not say how many inputs there are.
  // kCorrupt where tensors are missing or do not fit together, kRefused for what cannot be read.
  Result<Weight> weight_of(const CtForm& form, const ModuleTensors& module, Module place,
                           const Scheme& declared);

 private:
  struct Known {
    const CtForm* form = nullptr;
    const Scheme* declared = nullptr;
    const ModuleTensors* module = nullptr;
    Weight weight;
  };
  const Known* find_alike(const CtForm& form, const ModuleTensors& module,
                          const Scheme& declared) const;

  const CtConfig& config_;
  const Source& source_;
  std::vector<Known> known_;
};

// The codec in which a weight of that scheme is written, as the library would choose it; nullptr
// when there is none.
const Codec* ct_codec_for(const Scheme& scheme);

}  // namespace requant
