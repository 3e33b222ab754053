#include "engine/reduced.h"

#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "dialect/name_rules.h"
#include "engine/situation.h"

namespace requant {

namespace {

bool has_digit(std::string_view text) {
  return text.find_first_of("0123456789") != std::string_view::npos;
}

// What a quantisation block says of single layers: entries that tell digits apart.
class Mentions {
 public:
  explicit Mentions(const Json& config) {
    for (const BlockPlace& place : quantization_blocks(config)) collect(*place.block);
  }

  // Appends which entries speak of the module.
  void append_to(std::string& signature, std::string_view module) const {
    if (whole_.contains(module)) signature += '=';
    for (std::size_t i = 0; i < parts_.size(); ++i) {
      if (module.find(parts_[i]) != std::string_view::npos) signature += static_cast<char>('0' + i);
    }
    for (std::size_t i = 0; i < patterns_.size(); ++i) {
      const auto match = patterns_[i].matches(module);
      if (!match || *match) signature += static_cast<char>('A' + i);
    }
  }

  // Too many to be looked at for every module.
  bool too_many() const { return too_many_; }

 private:
  static constexpr std::size_t kMost = 24;

  void collect(const Json& json) {
    for (const auto& [key, member] : json.members()) collect(member);
    for (const Json& item : json.items()) {
      const auto text = item.as_string();
      if (text) {
        add(std::string(*text));
      } else {
        collect(item);
      }
    }
  }

  void add(std::string entry) {
    if (!has_digit(entry)) return;
    if (entry.starts_with("re:")) {
      if (!tells_digits_apart(entry.substr(3))) return;
      if (auto pattern = NamePattern::compile(entry.substr(3))) {
        patterns_.push_back(*std::move(pattern));
      }
      too_many_ = too_many_ || patterns_.size() > kMost;
      return;
    }
    if (parts_.size() < kMost) {
      parts_.push_back(entry);
    } else {
      overflow_ = true;
    }
    whole_.insert(std::move(entry));
    // Long lists name modules in full; parts of names stand in short ones.
    too_many_ = too_many_ || (overflow_ && whole_.size() > 100'000);
  }

  std::unordered_set<std::string, TextHash, std::equal_to<>> whole_;
  std::vector<std::string> parts_;
  std::vector<NamePattern> patterns_;
  bool overflow_ = false;
  bool too_many_ = false;
};

void append(std::string& signature, std::int64_t value) {
  const auto bytes = std::bit_cast<std::array<char, sizeof(value)>>(value);
  signature.append(bytes.data(), bytes.size());
}

void append_scheme(std::string& signature, const Scheme& scheme) {
  append(signature, scheme.bits);
  append(signature, static_cast<std::int64_t>(scheme.element));
  append(signature, static_cast<std::int64_t>(scheme.offset));
  append(signature, static_cast<std::int64_t>(scheme.scale_dtype));
  append(signature, scheme.grid.block_rows);
  append(signature, scheme.grid.block_cols);
  append(signature, scheme.permuted ? 1 : 0);
  append(signature, static_cast<std::int64_t>(scheme.activations.kind));
  append(signature, scheme.activations.bits);
}

struct Member {
  const Weight* weight = nullptr;
  const DenseTensor* dense = nullptr;

  const std::string& module() const { return weight != nullptr ? weight->module : dense->module; }
  const Module& place() const { return weight != nullptr ? weight->place : dense->place; }
};

class Reducer {
 public:
  explicit Reducer(const Subject& subject) : mentions_(subject.config) {
    if (mentions_.too_many()) {
      out_.weights.assign(subject.weights.begin(), subject.weights.end());
      out_.dense.assign(subject.dense.begin(), subject.dense.end());
      return;
    }
    for (const Weight& weight : subject.weights) add({.weight = &weight});
    for (const DenseTensor& dense : subject.dense) {
      if (dense.is_weight && dense.tensor != nullptr && dense.tensor->shape.size() == 2) {
        add({.dense = &dense});
      }
    }
    for (const std::string_view name : order_) keep_once(groups_[name]);
  }
  Reduced take() && { return std::move(out_); }

 private:
  void add(Member member) {
    const Module& place = member.place();
    const bool alone =
        place.fused.empty() || place.fused == member.module() || place.role == Role::kExpert;
    if (alone) {
      keep_once({member});
      return;
    }
    auto [group, is_new] = groups_.try_emplace(place.fused);
    if (is_new) order_.push_back(place.fused);
    group->second.push_back(member);
  }

  void append_member(const Member& member) {
    blur_digits(member.module(), shape_);
    signature_ += shape_;
    append(signature_, static_cast<std::int64_t>(member.place().role));
    if (member.weight != nullptr) {
      append(signature_, member.weight->rows);
      append(signature_, member.weight->cols);
      append_scheme(signature_, member.weight->scheme);
      for (const auto& [suffix, tensor] : member.weight->parts) signature_ += suffix + ",";
    }
    mentions_.append_to(signature_, member.module());
  }

  void keep_once(const std::vector<Member>& members) {
    signature_.clear();
    for (const Member& member : members) append_member(member);
    if (seen_.contains(signature_)) return;
    seen_.insert(signature_);
    for (const Member& member : members) {
      if (member.weight != nullptr) out_.weights.push_back(*member.weight);
      if (member.dense != nullptr) out_.dense.push_back(*member.dense);
    }
  }

  Mentions mentions_;
  std::string shape_;
  std::string signature_;
  std::unordered_set<std::string> seen_;
  std::unordered_map<std::string_view, std::vector<Member>> groups_;
  std::vector<std::string_view> order_;
  Reduced out_;
};

}  // namespace

Subject Reduced::subject(const Subject& whole) const {
  return {.path = whole.path,
          .config = whole.config,
          .architecture = whole.architecture,
          .container = whole.container,
          .dialect = whole.dialect,
          .weights = weights,
          .dense = dense,
          .files = whole.files,
          .weight_file = whole.weight_file};
}

Reduced reduce(const Subject& subject) { return Reducer(subject).take(); }

}  // namespace requant
