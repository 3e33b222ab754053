#include "requant/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <iterator>
#include <unordered_map>

#include "api/open.h"
#include "base/text.h"
#include "checkpoint/checkpoint.h"
#include "rule/run.h"

namespace requant {
namespace {

// "model.layers.17.mlp.up_proj" -> "model.layers.*.mlp.up_proj".
std::string without_numbers(std::string_view module) {
  std::string pattern;
  pattern.reserve(module.size());
  for (std::size_t at = 0; at <= module.size();) {
    const std::size_t end = std::min(module.find('.', at), module.size());
    const std::string_view component = module.substr(at, end - at);
    if (!pattern.empty()) pattern += '.';
    const bool is_number =
        !component.empty() && component.find_first_not_of("0123456789") == std::string_view::npos;
    pattern += is_number ? "*" : component;
    at = end + 1;
  }
  return pattern;
}

std::uint64_t elements_of(const Shape& shape) { return element_count(shape).value_or(0); }

class Groups {
 public:
  void add(InspectGroup group) {
    std::string key = fmt::format("{}\n{}\n{}\n{}\n{}", group.modules, group.scheme,
                                  group.activations, group.codec, group.shape.size());
    const auto [at, is_new] = by_key_.try_emplace(std::move(key), groups_.size());
    if (is_new) {
      groups_.push_back(std::move(group));
      return;
    }
    InspectGroup& same = groups_[at->second];
    ++same.count;
    same.names.push_back(std::move(group.names.front()));
    same.elements += group.elements;
    same.bytes += group.bytes;
  }
  std::vector<InspectGroup> take() && { return std::move(groups_); }

 private:
  std::vector<InspectGroup> groups_;
  std::unordered_map<std::string, std::size_t> by_key_;
};

// The words for a scheme, which thousands of weights share.
class SchemeTexts {
 public:
  struct Text {
    Scheme scheme;
    std::string of_weight;
    std::string of_activations;
  };
  const Text& of(const Scheme& scheme) {
    const auto known = std::ranges::find(texts_, scheme, &Text::scheme);
    if (known != texts_.end()) return *known;
    Scheme of_weight = scheme;
    of_weight.activations = Activations::none();
    return texts_.emplace_back(Text{scheme, describe(of_weight), describe(scheme.activations)});
  }

 private:
  std::deque<Text> texts_;
};

InspectGroup group_of(const Weight& weight, const SchemeTexts::Text& text) {
  InspectGroup group;
  group.modules = without_numbers(weight.module);
  group.names = {weight.module};
  group.count = 1;
  group.role = name_of(weight.place.role);
  group.tower = name_of(weight.place.tower);
  group.quantised = true;
  group.scheme = text.of_weight;
  group.activations = text.of_activations;
  group.codec = weight.codec->name;
  group.shape = {weight.rows, weight.cols};
  group.elements = elements_of(group.shape);
  for (const auto& [suffix, tensor] : weight.parts) group.bytes += tensor->bytes;
  return group;
}

InspectGroup group_of(const DenseTensor& dense) {
  InspectGroup group;
  group.names = {dense.tensor->name};
  group.modules = without_numbers(dense.is_weight ? dense.module : dense.tensor->name);
  group.count = 1;
  group.role = name_of(dense.place.role);
  group.tower = name_of(dense.place.tower);
  group.scheme = name_of(dense.tensor->dtype);
  group.activations = "none";
  group.shape = dense.tensor->shape;
  group.elements = elements_of(group.shape);
  group.bytes = dense.tensor->bytes;
  return group;
}

void add_weights(const Checkpoint& checkpoint, Inspection& result) {
  Groups groups;
  SchemeTexts texts;
  for (const Weight& weight : checkpoint.weights()) {
    InspectGroup group = group_of(weight, texts.of(weight.scheme));
    ++result.quantised_weights;
    result.quantised_parameters += group.elements;
    result.quantised_bytes += group.bytes;
    groups.add(std::move(group));
  }
  result.parameters = result.quantised_parameters;
  for (const DenseTensor& dense : checkpoint.dense()) {
    InspectGroup group = group_of(dense);
    result.parameters += group.elements;
    groups.add(std::move(group));
  }
  result.groups = std::move(groups).take();
}

void add_sizes(const Checkpoint& checkpoint, Inspection& result) {
  const Source& source = checkpoint.source();
  result.tensor_count = source.tensors().size();
  result.bytes = source.total_bytes();
  if (!result.readable) {
    result.parameters = 0;
    return;
  }
  const auto bits = [](std::uint64_t bytes, std::uint64_t elements) {
    return elements == 0 ? 0 : 8 * static_cast<double>(bytes) / static_cast<double>(elements);
  };
  result.bits_per_weight = bits(result.bytes, result.parameters);
  result.bits_per_quantised_weight = bits(result.quantised_bytes, result.quantised_parameters);
}

// The plain members of a block: what fits a line.
std::string claim_text(const Json& block) {
  std::string text;
  for (const char* key : {"quant_dtype", "format", "version", "bits", "group_size", "zero_point",
                          "activation_scheme", "fmt", "quant_algo"}) {
    const Json* value = block.find(key);
    if (value == nullptr || value->is_null()) continue;
    const auto string = value->as_string();
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", key,
                        printable(string ? *string : std::string_view(value->dump()), 40));
  }
  return text;
}

void add_claims(const Checkpoint& checkpoint, Inspection& result) {
  for (const ConfigBlock& block :
       find_config_blocks(checkpoint.config(), checkpoint.architecture())) {
    const Json* method = block.block->find("quant_method");
    result.claims.push_back(
        {.where = name_of(block),
         .method = method == nullptr ? "" : printable(method->as_string().value_or(""), 64),
         .text = claim_text(*block.block)});
  }
}

void add_files(const Checkpoint& checkpoint, const InspectOptions& options, Inspection& result) {
  const Source& source = checkpoint.source();
  for (const File& file : source.files()) {
    result.weight_files.push_back({file.label(), file.size()});
  }
  result.side_files = checkpoint.files();
  if (!options.tensors) return;
  for (const TensorInfo& tensor : source.tensors()) {
    result.tensors.push_back({.name = tensor.name,
                              .dtype = std::string(name_of(tensor.dtype)),
                              .shape = tensor.shape,
                              .bytes = tensor.bytes,
                              .file = source.files()[tensor.file].label()});
  }
}

// What the catalogue finds, after what was seen while opening; errors first.
Result<void> add_findings(const Checkpoint& checkpoint, const InspectOptions& options,
                          std::vector<Finding>& findings) {
  findings.assign(checkpoint.findings().begin(), checkpoint.findings().end());
  RQ_TRY(auto more,
         run_rules(checkpoint, {.depth = options.deep ? Depth::kCodes : Depth::kScales}));
  std::ranges::move(more, std::back_inserter(findings));
  std::ranges::stable_sort(findings, std::greater(), &Finding::severity);
  return {};
}

Json strings(const std::vector<std::string>& texts) {
  Json list = Json::array();
  for (const std::string& text : texts) list.append(text);
  return list;
}

Json numbers(const std::vector<std::int64_t>& values) {
  Json list = Json::array();
  for (const std::int64_t value : values) list.append(value);
  return list;
}

Json json_of(const InspectGroup& group) {
  return Json::object({{"modules", group.modules},
                       {"count", group.count},
                       {"role", group.role},
                       {"tower", group.tower},
                       {"quantised", group.quantised},
                       {"scheme", group.scheme},
                       {"activations", group.activations},
                       {"codec", group.codec},
                       {"shape", numbers(group.shape)},
                       {"elements", group.elements},
                       {"bytes", group.bytes},
                       {"names", strings(group.names)}});
}

Json json_of(const Finding& finding) {
  return Json::object({{"severity", name_of(finding.severity)},
                       {"rule", finding.rule},
                       {"where", finding.where},
                       {"message", finding.message},
                       {"expected", finding.expected},
                       {"observed", finding.observed},
                       {"evidence", finding.evidence},
                       {"why", finding.why},
                       {"repair", finding.repair}});
}

Json json_of(const InspectClaim& claim) {
  return Json::object({{"where", claim.where}, {"method", claim.method}, {"text", claim.text}});
}

Json json_of(const InspectFile& file) {
  return Json::object({{"name", file.name}, {"bytes", file.bytes}});
}

Json json_of(const InspectTensor& tensor) {
  return Json::object({{"name", tensor.name},
                       {"dtype", tensor.dtype},
                       {"shape", numbers(tensor.shape)},
                       {"bytes", tensor.bytes},
                       {"file", tensor.file}});
}

template <class Item>
Json list_of(const std::vector<Item>& items) {
  std::vector<Json> list;
  list.reserve(items.size());
  for (const Item& item : items) list.push_back(json_of(item));
  return Json::array(std::move(list));
}

Json sizes(const Inspection& i) {
  return Json::object({{"tensors", i.tensor_count},
                       {"bytes", i.bytes},
                       {"parameters", i.parameters},
                       {"quantised_weights", i.quantised_weights},
                       {"quantised_parameters", i.quantised_parameters},
                       {"quantised_bytes", i.quantised_bytes},
                       {"bits_per_weight", i.bits_per_weight},
                       {"bits_per_quantised_weight", i.bits_per_quantised_weight}});
}

}  // namespace

Result<Inspection> inspect(const std::filesystem::path& path, const InspectOptions& options) {
  RQ_TRY(const auto checkpoint, open_checkpoint(path, options.timeout_seconds, {.lenient = true}));
  if (options.deep && checkpoint.folder().is_far()) {
    return refused(checkpoint.folder().label() + ": --deep reads every byte; download it first");
  }
  Inspection result;
  result.path = path;
  result.container = checkpoint.source().container();
  result.architecture = checkpoint.architecture().name();
  result.architecture_known = checkpoint.architecture().known();
  result.architecture_source = checkpoint.architecture().source();
  result.dialect = checkpoint.dialect().name;
  result.dialect_long_name = checkpoint.dialect().long_name;
  result.evidence = checkpoint.dialect_evidence();
  result.readable = checkpoint.is_readable();
  const WriterGuess writer = checkpoint.writer();
  result.writer = writer.tool;
  result.writer_version = writer.version;
  result.writer_evidence = writer.evidence;
  add_claims(checkpoint, result);
  add_weights(checkpoint, result);
  add_sizes(checkpoint, result);
  add_files(checkpoint, options, result);
  RQ_CHECK_IN(add_findings(checkpoint, options, result.findings), checkpoint.folder().label());
  return result;
}

std::string visible(std::string_view text) { return printable(text, 4096); }

std::string to_json(const Inspection& i) {
  Json json = Json::object();
  json.set("schema", "requant/inspect/1");
  json.set("path", i.path.string());
  json.set("container", i.container);
  json.set("architecture", Json::object({{"name", i.architecture},
                                         {"known", i.architecture_known},
                                         {"source", i.architecture_source}}));
  json.set("dialect", Json::object({{"name", i.dialect},
                                    {"long_name", i.dialect_long_name},
                                    {"readable", i.readable},
                                    {"evidence", strings(i.evidence)}}));
  json.set("writer", Json::object({{"tool", i.writer},
                                   {"version", i.writer_version},
                                   {"evidence", strings(i.writer_evidence)}}));
  json.set("claims", list_of(i.claims));
  json.set("sizes", sizes(i));
  json.set("groups", list_of(i.groups));
  json.set("weight_files", list_of(i.weight_files));
  json.set("side_files", strings(i.side_files));
  if (!i.tensors.empty()) json.set("tensors", list_of(i.tensors));
  json.set("findings", list_of(i.findings));
  return json.dump(2) + "\n";
}

}  // namespace requant
