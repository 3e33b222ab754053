#pragma once

#include <deque>
#include <map>
#include <string>

#include "plan/stored_modules.h"

namespace requant {

// Rows of a stored matrix that are a weight of their own on the other side, with zeros after them
// where the other side is padded.
struct View {
  StoredMatrix matrix;
  Assembly assembly;
  Weight weight;    // what the rows are: module, scheme, sizes; no parts
  TensorInfo info;  // where they are not quantised: the tensor that they would be
};

Result<QuantizedWeight> read_view(const Checkpoint& checkpoint, const View& view);

// What one checkpoint has under a name; nothing, or one of these.
struct VerifySide {
  const Weight* weight = nullptr;
  const DenseTensor* dense = nullptr;
  const View* view = nullptr;

  bool present() const { return weight != nullptr || dense != nullptr || view != nullptr; }
  bool is_quantised() const {
    return weight != nullptr || (view != nullptr && !view->weight.scheme.is_dense());
  }
  const TensorInfo& tensor() const { return view != nullptr ? view->info : *dense->tensor; }
  const Weight& quantised() const { return view != nullptr ? view->weight : *weight; }
};

struct SidePair {
  VerifySide a;
  VerifySide b;
  bool padded = false;  // one of the two has zeros that the other lacks
};

// The pairs of two checkpoints by name: weights by module, what else is called X.weight by X, other
// tensors by their name. What one of the two holds in a larger matrix, or in a stack of experts, is
// taken apart as its architecture says. Owns the views.
class VerifySides {
 public:
  VerifySides(const Checkpoint& first, const Checkpoint& second);
  VerifySides(const VerifySides&) = delete;
  VerifySides& operator=(const VerifySides&) = delete;

  std::map<std::string, SidePair> take_pairs();

 private:
  struct End {
    explicit End(const Checkpoint& opened) : checkpoint(opened), stored(opened) {}
    const Checkpoint& checkpoint;
    StoredModules stored;
  };

  void add_all(End& end, VerifySide SidePair::*side);
  void take_apart();
  bool is_taken_apart(const Composition& composition, const SidePair& pair) const;
  void replace_by_members(End& end, VerifySide SidePair::*side, const Composition& composition,
                          Aspect aspect);
  void pad(SidePair& pair);
  const View* padded_view(End& end, const VerifySide& side, std::int64_t rows, std::int64_t cols);

  End first_;
  End second_;
  std::map<std::string, SidePair> pairs_;
  std::deque<View> views_;
};

}  // namespace requant
