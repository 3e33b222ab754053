#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "arch/architecture.h"
#include "arch/composition.h"
#include "arch/config_value.h"
#include "arch/data.h"
#include "base/text.h"
#include "base/threads.h"

namespace requant {
namespace {

using ShapeOf = std::function<const std::vector<std::int64_t>*(std::string_view)>;

// A config may claim thousands of layers that are not there: so many are named, the rest is
// counted.
constexpr int kNamed = 8;
constexpr int kGiveUp = 1000;
// And experts: a row ends after so many names in turn that no tensor has. Kimi-K2 has 23,424 in
// all.
constexpr int kAbsentInTurn = 1 << 15;

std::string shape_text(const std::vector<std::int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

bool has(const std::string& pattern, std::string_view placeholder) {
  return pattern.find(placeholder) != std::string::npos;
}

class TensorCheck {
 public:
  TensorCheck(const Architecture::Data& data, const Json& config, const ShapeOf& shape_of)
      : data_(data), config_(config), shape_of_(shape_of) {}

  std::vector<Finding> run() && {
    for (std::size_t i = 0; i < data_.parts.size() && found_.problems < kGiveUp; ++i) check_part(i);
    if (found_.problems > kNamed) add_rest();
    return std::move(found_.findings);
  }

 private:
  struct Part {
    const Architecture::Data::Part& data;
    KeyValue value_of;
    std::int64_t layers = 0;
    std::int64_t experts = 0;
    bool tied = false;
    bool is_chosen = true;  // of parts that differ in spelling only
  };

  struct Found {
    std::vector<Finding> findings;            // of the first kNamed problems
    int problems = 0;                         // kGiveUp: at least so many
    const std::atomic<bool>* fine = nullptr;  // false once another thread has found a problem

    bool is_enough() const { return problems >= kGiveUp || (fine != nullptr && !*fine); }
  };

  // Whether the part's tensors have the names that they have in this family: any of those that it
  // needs is there.
  bool is_used(std::size_t index) const {
    return std::ranges::any_of(data_.rows, [&](const Architecture::Data::Row& row) {
      if (row.part != index || row.row->required == ModuleRow::Required::kNo) return false;
      const std::string name = data_.parts[index].prefix + row.row->pattern + ".weight";
      return shape_of_(with_number(name, "{layer}", 0)) != nullptr;
    });
  }

  // The spelling that is used; the first where none is.
  bool is_chosen(std::size_t index) const {
    const Architecture::Data::Part& own = data_.parts[index];
    for (std::size_t i = 0; i < data_.parts.size(); ++i) {
      const Architecture::Data::Part& other = data_.parts[i];
      const bool same = other.config == own.config && other.family->name == own.family->name;
      if (same && is_used(i)) return i == index;
    }
    return !is_spelling_of_another(data_, index);
  }

  void check_part(std::size_t index) {
    const Architecture::Data::Part& data = data_.parts[index];
    const Json* config = config_of(data, config_);
    if (config == nullptr) return;
    Part part{data, key_values(*data.family, *config)};
    part.layers = part.value_of("num_hidden_layers").value_or(0);
    for (const std::string& key : data.family->experts) {
      if (part.experts == 0) part.experts = part.value_of(key).value_or(0);
    }
    part.tied = is_tied(*data.family, *config);
    part.is_chosen = is_chosen(index);
    std::vector<const ModuleRow*> rows;
    for (const Architecture::Data::Row& row : data_.rows) {
      if (row.part == index) rows.push_back(row.row);
    }
    check_rows(rows, part);
  }

  // A config may ask for rows without end, so the search ends with what enough rows lack.
  void check_rows(const std::vector<const ModuleRow*>& rows, const Part& part) {
    constexpr std::int64_t kLayers = 512;  // so many of each row are worth a thread
    if (part.layers >= kLayers && are_fine(rows, part)) return;
    for (const ModuleRow* row : rows) check_row(*row, part, found_);
  }

  // On several threads, which stop at the first problem.
  bool are_fine(const std::vector<const ModuleRow*>& rows, const Part& part) const {
    std::atomic<bool> fine = true;
    parallel_for(rows.size(), 1, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end && fine; ++i) {
        Found found;
        found.fine = &fine;
        check_row(*rows[i], part, found);
        if (found.problems > 0) fine = false;
      }
    });
    return fine;
  }

  // transformers takes the outer config's word, older releases the inner one's.
  bool is_tied(const Family& family, const Json& config) const {
    bool tied = false;
    bool stated = false;
    for (const Json* from : {&config, &config_}) {
      const Json* value = from->find("tie_word_embeddings");
      if (value == nullptr) continue;
      stated = true;
      tied = tied || value->as_bool().value_or(false);
    }
    const bool by_default = family.tied_by_default || data_.parts.front().family->tied_by_default;
    return stated ? tied : by_default;
  }

  void check_row(const ModuleRow& row, const Part& part, Found& found) const {
    const auto expected = shape_of_row(row, part);
    const std::string pattern = part.data.prefix + row.pattern + ".weight";
    const bool needed = row.required == ModuleRow::Required::kYes ||
                        (row.required == ModuleRow::Required::kUntied && !part.tied);
    const bool required = needed && part.is_chosen;
    const std::int64_t layers = has(pattern, "{layer}") ? part.layers : 1;
    const std::int64_t experts = has(pattern, "{expert}") ? part.experts : 1;
    const auto others = required ? stand_ins(row, part) : std::vector<std::string>();
    int absent = 0;
    for (std::int64_t layer = 0; layer < layers; ++layer) {
      const std::string in_layer = with_number(pattern, "{layer}", layer);
      for (std::int64_t expert = 0; expert < experts; ++expert) {
        if (found.is_enough()) return;
        const std::string name = with_number(in_layer, "{expert}", expert);
        const auto* shape = shape_of_(name);
        absent = shape == nullptr ? absent + 1 : 0;
        if (absent > kAbsentInTurn) return;
        if (shape != nullptr) {
          check_shape(name, *shape, expected, found);
        } else if (required && !is_there(others, layer, expert)) {
          add_missing(name, expected, part, found);
        }
      }
    }
  }

  bool is_there(const std::vector<std::string>& patterns, std::int64_t layer,
                std::int64_t expert) const {
    return std::ranges::any_of(patterns, [&](const std::string& pattern) {
      const std::string name = with_number(pattern, "{layer}", layer);
      return shape_of_(with_number(name, "{expert}", expert)) != nullptr;
    });
  }

  // Tensors that may be there instead: what holds the row's matrix, or what it holds.
  std::vector<std::string> stand_ins(const ModuleRow& row, const Part& part) const {
    std::vector<std::string> names;
    const auto add = [&](const std::string& pattern) {
      names.push_back(part.data.prefix + pattern);
      names.push_back(part.data.prefix + pattern + ".weight");
    };
    if (row.holds) add(member_pattern(row, row.holds->members.front()));
    for (const Architecture::Data::Row& other : data_.rows) {
      if (!other.row->holds || &data_.parts[other.part] != &part.data) continue;
      for (const HoldsRow::Member& member : other.row->holds->members) {
        if (member_pattern(*other.row, member) == row.pattern) add(other.row->pattern);
      }
    }
    return names;
  }

  static std::vector<std::int64_t> shape_of_row(const ModuleRow& row, const Part& part) {
    std::vector<std::int64_t> shape;
    for (const std::string& expression : row.shape) {
      const auto size = evaluate_dimension(expression, part.value_of);
      if (!size) return {};
      shape.push_back(*size);
    }
    return shape;
  }

  static void check_shape(const std::string& name, const std::vector<std::int64_t>& shape,
                          const std::vector<std::int64_t>& expected, Found& found) {
    if (expected.empty() || shape == expected) return;
    Finding* finding = add("tensor.shape", name, found);
    if (finding == nullptr) return;
    finding->expected = shape_text(expected);
    finding->observed = shape_text(shape);
    finding->message =
        fmt::format("is {}, config.json asks for {}", finding->observed, finding->expected);
  }

  static void add_missing(const std::string& name, const std::vector<std::int64_t>& expected,
                          const Part& part, Found& found) {
    Finding* finding = add("tensor.missing", name, found);
    if (finding == nullptr) return;
    finding->message = "is not there, and the architecture needs it";
    if (!expected.empty()) finding->expected = shape_text(expected);
    finding->evidence =
        fmt::format("{}config.json: num_hidden_layers is {}; data/architectures/{}.json",
                    part.data.config.empty() ? "" : part.data.config + " of ", part.layers,
                    part.data.family->name);
  }

  // nullptr once enough have been named.
  static Finding* add(std::string rule, const std::string& name, Found& found) {
    if (++found.problems > kNamed) return nullptr;
    Finding& finding = found.findings.emplace_back();
    finding.severity = Severity::kError;
    finding.rule = std::move(rule);
    finding.where = printable(name);
    return &finding;
  }

  void add_rest() {
    Finding& finding = found_.findings.emplace_back();
    finding.severity = Severity::kError;
    finding.rule = "tensor.missing";
    finding.message =
        fmt::format("{}{} more tensors are missing or have another shape",
                    found_.problems >= kGiveUp ? "at least " : "", found_.problems - kNamed);
  }

  const Architecture::Data& data_;
  const Json& config_;
  const ShapeOf& shape_of_;
  Found found_;
};

}  // namespace

std::vector<Finding> Architecture::check_tensors(const Json& config,
                                                 const ShapeOf& shape_of) const {
  return TensorCheck(*data_, config, shape_of).run();
}

}  // namespace requant
