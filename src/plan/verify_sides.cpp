#include "plan/verify_sides.h"

#include <algorithm>
#include <optional>

#include "plan/padding.h"

namespace requant {
namespace {

constexpr std::string_view kWeightSuffix = ".weight";

// Scales of the KV cache have one name for all dialects.
std::string key_of(const DenseTensor& tensor) {
  const std::string& name = tensor.tensor->name;
  if (!name.ends_with(kWeightSuffix)) return kv_scale_key(name);
  return name.substr(0, name.size() - kWeightSuffix.size());
}

// Rows and columns; nothing where a tensor is neither a matrix nor a vector.
std::optional<std::pair<std::int64_t, std::int64_t>> sizes_of(const VerifySide& side) {
  if (side.is_quantised()) return std::pair(side.quantised().rows, side.quantised().cols);
  const Shape& shape = side.tensor().shape;
  if (shape.size() == 1) return std::pair(shape[0], std::int64_t{1});
  if (shape.size() == 2) return std::pair(shape[0], shape[1]);
  return std::nullopt;
}

TensorInfo tensor_of(const Weight& weight, Aspect aspect) {
  TensorInfo info;
  info.name = weight.module;
  info.dtype = weight.scheme.scale_dtype;
  info.shape = aspect == Aspect::kBias ? Shape{weight.rows} : Shape{weight.rows, weight.cols};
  info.bytes = static_cast<std::uint64_t>(weight.rows * weight.cols) *
               static_cast<std::uint64_t>(requant::info(info.dtype).bits / 8);
  return info;
}

// The rows of one member in the holder's matrix; nothing where its blocks cannot be cut so.
std::optional<View> view_of(const StoredMatrix& matrix, const Composition& composition,
                            std::size_t member, Aspect aspect) {
  View view;
  view.matrix = matrix;
  const WeightForm form = form_of(matrix);
  view.assembly.rows = member_rows(composition, member);
  view.assembly.cols = form.cols;
  add_member_rows(composition, Side::kHolder, composition, Side::kMembers, member, 0,
                  view.assembly);
  const auto scheme = assembled_scheme(view.assembly, std::span(&form, 1));
  if (!scheme) return std::nullopt;
  view.weight.codec = matrix.weight->codec;
  view.weight.scheme = *scheme;
  view.weight.rows = view.assembly.rows;
  view.weight.cols = view.assembly.cols;
  if (scheme->is_dense()) view.info = tensor_of(view.weight, aspect);
  return view;
}

}  // namespace

Result<QuantizedWeight> read_view(const Checkpoint& checkpoint, const View& view) {
  RQ_TRY(const QuantizedWeight whole, read_matrix(checkpoint, view.matrix));
  return assemble(view.assembly, std::span(&whole, 1));
}

VerifySides::VerifySides(const Checkpoint& first, const Checkpoint& second)
    : first_(first), second_(second) {
  add_all(first_, &SidePair::a);
  add_all(second_, &SidePair::b);
  take_apart();
  for (auto& [name, pair] : pairs_) pad(pair);
}

std::map<std::string, SidePair> VerifySides::take_pairs() { return std::move(pairs_); }

void VerifySides::add_all(End& end, VerifySide SidePair::*side) {
  for (const Weight& weight : end.checkpoint.weights()) {
    (pairs_[weight.module].*side).weight = &weight;
  }
  for (const DenseTensor& tensor : end.checkpoint.dense()) {
    (pairs_[key_of(tensor)].*side).dense = &tensor;
  }
}

// Holders of which the other side has the members, or other sizes, and stacks that are quantised,
// of which only one matrix at a time is to be in memory.
void VerifySides::take_apart() {
  std::vector<std::string> names;
  for (const auto& [name, pair] : pairs_) names.push_back(name);
  for (const std::string& name : names) {
    const auto entry = pairs_.find(name);
    if (entry == pairs_.end()) continue;  // the bias of a matrix that was taken apart
    const SidePair pair = entry->second;
    for (const auto& [end, side] :
         {std::pair(&first_, &SidePair::a), std::pair(&second_, &SidePair::b)}) {
      if (!(pair.*side).present()) continue;
      const auto composition =
          end->checkpoint.architecture().composition(name, end->checkpoint.config());
      if (!composition || !composition->is_known() || !is_taken_apart(*composition, pair)) continue;
      replace_by_members(*end, side, *composition, Aspect::kWeight);
      replace_by_members(*end, side, *composition, Aspect::kBias);
    }
  }
}

bool VerifySides::is_taken_apart(const Composition& composition, const SidePair& pair) const {
  if (!pair.a.present() || !pair.b.present()) return pairs_.contains(composition.member(0, 0));
  if (composition.is_stack() && (pair.a.is_quantised() || pair.b.is_quantised())) return true;
  if (sizes_of(pair.a) != sizes_of(pair.b)) return true;
  const bool both_dense = !pair.a.is_quantised() && !pair.b.is_quantised();
  return both_dense && pair.a.tensor().shape != pair.b.tensor().shape;
}

void VerifySides::replace_by_members(End& end, VerifySide SidePair::*side,
                                     const Composition& composition, Aspect aspect) {
  const auto matrix =
      end.stored.find(composition.module, aspect, composition.is_stack() ? &composition : nullptr);
  const std::int64_t count = std::max<std::int64_t>(1, composition.experts);
  if (!matrix || !*matrix || !check_rows(**matrix, count, composition.rows(), aspect)) return;
  std::map<std::string, View> views;
  for (std::int64_t expert = 0; expert < count; ++expert) {
    StoredMatrix one = **matrix;
    if (composition.is_stack()) one.index = expert;
    for (std::size_t i = 0; i < composition.members.size(); ++i) {
      auto view = view_of(one, composition, i, aspect);
      if (!view) return;
      const std::string module = composition.member(i, expert);
      view->weight.module = module;
      views.emplace(aspect == Aspect::kBias ? module + ".bias" : module, *std::move(view));
    }
  }
  // The holder's own entry goes; where both sides had one, the other side's turn comes too.
  for (const std::string& name :
       aspect == Aspect::kWeight
           ? std::vector<std::string>{composition.module}
           : std::vector<std::string>{composition.module + "_bias", composition.module + ".bias"}) {
    const auto entry = pairs_.find(name);
    if (entry == pairs_.end()) continue;
    entry->second.*side = VerifySide();
    if (!entry->second.a.present() && !entry->second.b.present()) pairs_.erase(entry);
  }
  for (auto& [name, view] : views) {
    views_.push_back(std::move(view));
    (pairs_[name].*side).view = &views_.back();
  }
}

// Where the receipt of one of the two names its padding, the smaller side gets the same zeros.
void VerifySides::pad(SidePair& pair) {
  if (!pair.a.present() || !pair.b.present()) return;
  const auto a = sizes_of(pair.a);
  const auto b = sizes_of(pair.b);
  if (!a || !b || *a == *b) return;
  for (const bool first_is_padded : {true, false}) {
    const auto& large = first_is_padded ? *a : *b;
    const auto& small = first_is_padded ? *b : *a;
    End& padded = first_is_padded ? first_ : second_;
    const auto grown = grown_sizes(padded.checkpoint);
    const auto is_grown = [&](std::int64_t from, std::int64_t to) {
      return from == to || std::ranges::any_of(grown, [&](const GrownSize& size) {
               // Shared experts are several times that size.
               return from % size.from == 0 && from / size.from * size.to == to;
             });
    };
    if (!is_grown(small.first, large.first) || !is_grown(small.second, large.second)) continue;
    VerifySide& side = first_is_padded ? pair.b : pair.a;
    End& end = first_is_padded ? second_ : first_;
    const View* view = padded_view(end, side, large.first, large.second);
    if (view == nullptr) return;
    side = {.view = view};
    pair.padded = true;
    return;
  }
}

const View* VerifySides::padded_view(End& end, const VerifySide& side, std::int64_t rows,
                                     std::int64_t cols) {
  View view;
  const bool is_vector = !side.is_quantised() && side.tensor().shape.size() == 1;
  if (side.view != nullptr) {
    view = *side.view;
  } else {
    const std::string name = side.weight != nullptr ? side.weight->module : key_of(*side.dense);
    constexpr std::string_view kBias = ".bias";
    const bool is_bias = name.ends_with(kBias);
    const std::string module = is_bias ? name.substr(0, name.size() - kBias.size()) : name;
    const auto matrix = end.stored.find(module, is_bias ? Aspect::kBias : Aspect::kWeight, nullptr);
    if (!matrix || !*matrix) return nullptr;
    view.matrix = **matrix;
    const WeightForm form = form_of(view.matrix);
    view.assembly = {.rows = form.rows, .cols = form.cols, .runs = {{.count = form.rows}}};
    view.weight = *view.matrix.weight;
  }
  view.assembly.rows = rows;
  view.assembly.cols = cols;
  const WeightForm form = form_of(view.matrix);
  const auto scheme = assembled_scheme(view.assembly, std::span(&form, 1));
  if (!scheme) return nullptr;
  view.weight.scheme = *scheme;
  view.weight.rows = rows;
  view.weight.cols = cols;
  view.weight.parts.clear();
  if (scheme->is_dense()) {
    view.info = tensor_of(view.weight, is_vector ? Aspect::kBias : Aspect::kWeight);
  }
  views_.push_back(std::move(view));
  return &views_.back();
}

}  // namespace requant
