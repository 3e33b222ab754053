#pragma once

#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"

namespace requant {

// True when the language model's config says that the output layer is the embedding.
bool ties_embeddings(const Json& config, const Architecture& architecture);

// The name that a head has in the model that is the embedding, stored besides or not; empty: none
// is tied, or the family's name for it is not known.
std::string tied_head(const Checkpoint& checkpoint);

// Readers quantise each Linear of the model that a list does not name, a tied head too, and then
// miss its scales: adds it to what a writer lists as unquantised, where neither list has a head.
void add_tied_head(const Checkpoint& checkpoint, const std::vector<TargetWeight>& quantized,
                   std::vector<TargetWeight>& unquantized);

}  // namespace requant
