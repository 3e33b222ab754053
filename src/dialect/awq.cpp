// AWQ as AutoAWQ, lmdeploy `lite auto_awq`, GPTQModel and llm-awq's followers write it. One
// quant_method and the same names cover four layouts, which shapes tell apart:
//
//   gemm       X.qweight I32 [in, out / 8],   X.qzeros I32 [groups, out / 8], X.scales [groups,
//   out] gemv       X.qweight I32 [out, in / 8],   X.qzeros I32 [out, w],          X.scales [out,
//   8w] gemv_fast  X.qweight I16 [out / 4, in],   X.qzeros F16 [8w, out],         X.scales [8w,
//   out] marlin     X.qweight I32 [in / 16, 2out], no X.qzeros,                    X.scales
//   [groups, out]

#include <fmt/format.h>

#include <algorithm>

#include "base/letter_case.h"
#include "base/text.h"
#include "dialect/awq_write.h"
#include "dialect/dialect.h"
#include "dialect/gptq_reading.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr std::string_view kMethod = "awq";

// The block of config.json, or quant_config.json of old repositories.
const Json* block_of(const Facts& facts, std::string* where = nullptr) {
  const ConfigBlock block = block_of_method(facts, kMethod);
  if (where != nullptr) *where = block.block == nullptr ? "quant_config.json" : name_of(block);
  if (block.block != nullptr) return block.block;
  const auto side = facts.side.find("quant_config.json");
  return side == facts.side.end() ? nullptr : &side->second;
}

// Where a layout has its sizes.
struct Layout {
  std::string_view version;  // in the config
  std::string_view codec;
  std::int64_t (*rows)(const ModuleTensors&);
  std::int64_t (*cols)(const ModuleTensors&);
};

std::int64_t extent(const ModuleTensors& module, std::string_view suffix, std::size_t axis) {
  return module.find(suffix)->shape[axis];
}

// In the order in which they are tried; a codec takes only what has its shapes.
constexpr Layout kLayouts[] = {
    {"gemm", "awq-gemm", [](const ModuleTensors& m) { return extent(m, "scales", 1); },
     [](const ModuleTensors& m) { return extent(m, "qweight", 0); }},
    {"marlin", "awq-marlin", [](const ModuleTensors& m) { return extent(m, "scales", 1); },
     [](const ModuleTensors& m) { return extent(m, "qweight", 0) * 16; }},
    {"gemv_fast", "awq-gemv-fast", [](const ModuleTensors& m) { return extent(m, "scales", 1); },
     [](const ModuleTensors& m) { return extent(m, "qweight", 1); }},
    {"gemv", "awq-gemv", [](const ModuleTensors& m) { return extent(m, "scales", 0); },
     [](const ModuleTensors& m) { return extent(m, "qweight", 1) * 8; }},
};

// [in, out / 8] against scales [groups, out]: GPTQ's qweight is [in / 8, out].
bool is_gemm(const ModuleTensors& module) {
  const TensorInfo* qweight = module.find("qweight");
  const TensorInfo* scales = module.find("scales");
  if (qweight == nullptr || scales == nullptr || module.find("g_idx") != nullptr) return false;
  return qweight->dtype == DType::kI32 && qweight->shape.size() == 2 && scales->shape.size() == 2 &&
         scales->shape[1] % 8 == 0 && qweight->shape[1] == scales->shape[1] / 8;
}

Recognition recognize(const Facts& facts) {
  Recognition result;
  const ModuleTensors* module = facts.modules.first_with("qweight");
  if (block_of_method(facts, kMethod).block != nullptr) {
    result.match = module == nullptr ? Match::kMaybe : Match::kYes;
    result.evidence.emplace_back("quant_method is awq");
  }
  if (module == nullptr) return result;
  if (declared_method(facts).ends_with("auto-round")) return {};  // a dialect of its own
  const bool fits = is_gemm(*module);
  // GPTQ tensors under an AWQ label are for GPTQ to claim; a narrow gemv has their shapes, but as
  // many rows of scales as of words.
  const TensorInfo* scales = module->find("scales");
  const bool by_rows = result.match == Match::kYes && scales != nullptr &&
                       scales->shape.size() == 2 && !module->find("qweight")->shape.empty() &&
                       scales->shape[0] == module->find("qweight")->shape[0];
  const bool is_gptq =
      module->find("g_idx") != nullptr || (!fits && !by_rows && has_gptq_shape(*module));
  if (is_gptq) return {};
  if (fits) result.match = Match::kYes;
  if (result.match != Match::kNo) result.evidence.push_back(describe(*module->find("qweight")));
  return result;
}

// The version that the config states, as kLayouts has it; empty where it states none.
Result<std::string_view> version_of(const Json* block) {
  const Json* value = block == nullptr ? nullptr : block->find("version");
  if (value == nullptr || value->is_null()) return std::string_view();
  const std::string version = to_lower(text_at(block, "version"));
  // These engines repack gemm when they load it.
  if (version == "exllama" || version == "exllamav2") return kLayouts[0].version;
  if (version == "llm-awq") return std::string_view("gemv_fast");
  for (const Layout& layout : kLayouts) {
    if (version == layout.version) return layout.version;
  }
  return corrupt(
      fmt::format("config.json: AWQ 'version' is {}, expected gemm, gemv, gemv_fast or marlin",
                  printable(value->dump(), 80)));
}

Result<Scheme> declared_scheme(const Json* block) {
  Scheme declared;
  declared.bits = 4;  // and the grid of a tensor, which no layout has: not known
  if (block == nullptr) return declared;
  const Json* bits = block->find("bits");
  if (bits == nullptr) bits = block->find("w_bit");
  if (bits != nullptr && bits->as_int().value_or(0) != 4) {
    return refused(
        fmt::format("config.json: AWQ 'bits' is {}, only 4 exists", printable(bits->dump(), 80)));
  }
  const Json* group = block->find("group_size");
  if (group == nullptr) group = block->find("q_group_size");
  const std::int64_t size = group == nullptr ? 0 : group->as_int().value_or(0);
  if (group != nullptr && size < 1 && size != -1) {
    return corrupt(
        fmt::format("config.json: AWQ 'group_size' is {}, expected a positive integer or "
                    "-1",
                    printable(group->dump(), 80)));
  }
  if (size > 0) declared.grid = Grid::group(size);
  if (size == -1) declared.grid = Grid::channel();
  return declared;
}

Error not_awq(const ModuleTensors& module) {
  std::string parts;
  for (const auto& [suffix, tensor] : module.parts) {
    parts += fmt::format("{}{} {} {}", parts.empty() ? "" : ", ", printable(suffix),
                         name_of(tensor->dtype), to_string(tensor->shape));
  }
  return corrupt(
      fmt::format("{}: {}: not the tensors of any AWQ layout (gemm: qweight I32 [in, "
                  "out/8], qzeros I32 [groups, out/8], scales F16 [groups, out])",
                  printable(module.module), parts));
}

Result<Weight> resolve_module(const ModuleTensors& module, const Scheme& declared,
                              const Facts& facts) {
  if (module.find("qweight") == nullptr || module.find("scales") == nullptr) {
    const auto missing = module.find("qweight") == nullptr ? "qweight" : "scales";
    return corrupt(fmt::format("{}.{} is missing", printable(module.module), missing));
  }
  if (module.find("weight") != nullptr) {
    return corrupt(fmt::format("{} has both a qweight and a weight", printable(module.module)));
  }
  for (const Layout& layout : kLayouts) {
    auto weight =
        weight_of(module, place_of(module, facts), {"qweight", "qzeros", "scales", "g_idx"},
                  declared, *find_codec(layout.codec));
    if (!weight) continue;
    weight->rows = layout.rows(module);
    weight->cols = layout.cols(module);
    return *std::move(weight);
  }
  return not_awq(module);
}

void check_version(std::string_view version, const std::string& where, Resolution& resolution) {
  if (version.empty() || resolution.weights.empty()) return;
  const Weight& first = resolution.weights.front();
  for (const Layout& layout : kLayouts) {
    if (first.codec->name != layout.codec || layout.version == version) continue;
    Finding& finding = resolution.findings.emplace_back(
        make_finding(Severity::kError, "awq.version", "config.json",
                     fmt::format("'{}.version' is {}, the tensors of {} are those of {}", where,
                                 version, printable(first.module), layout.version)));
    finding.expected = layout.version;
    finding.observed = version;
  }
}

void check_group(const Json* block, const Scheme& declared, const std::string& where,
                 Resolution& resolution) {
  if (block == nullptr || resolution.weights.empty()) return;
  for (const Weight& weight : resolution.weights) {
    const Grid& grid = weight.scheme.grid;
    const std::int64_t group = grid.is_channel() ? weight.cols : grid.block_cols;
    const std::int64_t claim = declared.grid.is_channel() ? weight.cols : declared.grid.block_cols;
    if (claim == 0 || claim == group) continue;
    Finding& finding = resolution.findings.emplace_back(
        make_finding(Severity::kError, "awq.group-size", "config.json",
                     fmt::format("'{}.group_size' is {}, the scales of {} are for {}", where, claim,
                                 printable(weight.module), group)));
    finding.expected = std::to_string(group);
    finding.observed = std::to_string(claim);
    return;
  }
}

void check_zero_flag(const Json* block, const std::string& where, Resolution& resolution) {
  const Json* flag = block == nullptr ? nullptr : block->find("zero_point");
  if (flag == nullptr || resolution.weights.empty()) return;
  const Weight& first = resolution.weights.front();
  const bool stored =
      std::ranges::any_of(first.parts, [](const auto& part) { return part.first == "qzeros"; });
  if (!flag->as_bool() || *flag->as_bool() == stored) return;
  resolution.findings.push_back(make_finding(
      Severity::kWarning, "awq.zero-point-flag", "config.json",
      fmt::format("'{}.zero_point' is {}, and {} has {} qzeros: the tensors count", where,
                  stored ? "false" : "true", printable(first.module), stored ? "its" : "no")));
}

void check_exclusions(const Json* block, const std::string& where, Resolution& resolution) {
  const auto excluded =
      strings_of(block == nullptr ? nullptr : block->find("modules_to_not_convert"));
  Modules hit;
  for (const Weight& weight : resolution.weights) {
    const auto names = [&](const std::string& name) {
      // "gate" is meant for routers; as a substring it also hits gate_proj.
      const std::size_t at = weight.module.find(name);
      const std::size_t end = at + name.size();
      return !name.empty() && at != std::string::npos &&
             (end == weight.module.size() || weight.module[end] == '.' || name.back() == '.');
    };
    if (std::any_of(excluded.begin(), excluded.end(), names)) hit.add(weight.module);
  }
  if (!hit.any()) return;
  Finding& finding = resolution.findings.emplace_back(make_finding(
      Severity::kError, "config.excluded-but-quantised", "config.json",
      fmt::format("'{}.modules_to_not_convert' names {}, which is quantised", where, hit.text())));
  finding.why = "engines build that module unquantised and cannot load its qweight";
}

// Linears that readers would look for in quantised form. The head is nobody's.
void check_unlisted(const Facts& facts, const Json* block, const std::string& where,
                    Resolution& resolution) {
  const auto excluded =
      strings_of(block == nullptr ? nullptr : block->find("modules_to_not_convert"));
  Modules unlisted;
  for (const ModuleTensors& module : facts.modules.modules()) {
    const Module place = place_of(module, facts);
    if (place.role == Role::kLmHead || !is_dense_linear(module, place)) continue;
    const auto names = [&](const std::string& name) {
      return !name.empty() && module.module.find(name) != std::string_view::npos;
    };
    if (std::none_of(excluded.begin(), excluded.end(), names)) unlisted.add(module.module);
  }
  if (!unlisted.any()) return;
  Finding& finding = resolution.findings.emplace_back(make_finding(
      Severity::kWarning, "config.targeted-but-dense", "config.json",
      fmt::format("'{}.modules_to_not_convert' does not name {}, which is stored unquantised",
                  where, unlisted.text())));
  finding.why = "engines build every Linear quantised that is not named there";
  finding.repair = "requant convert writes the list";
}

bool all_zeros_are_8(const Facts& facts, const Weight& weight) {
  if (weight.codec->name != "awq-gemm") return false;
  for (const auto& [suffix, info] : weight.parts) {
    if (suffix != "qzeros" || info->bytes == 0) continue;
    const auto zeros = facts.source.read(*info);
    return zeros && std::ranges::all_of(zeros->as<std::uint8_t>(),
                                        [](std::uint8_t byte) { return byte == 0x88; });
  }
  return false;
}

// Zero points are stored for symmetric weights too. Whoever quantised so did it throughout: only
// where the first weight is symmetric are the others looked at.
void find_symmetric(const Facts& facts, Resolution& resolution) {
  if (resolution.weights.empty() || !all_zeros_are_8(facts, resolution.weights.front())) return;
  for (Weight& weight : resolution.weights) {
    if (all_zeros_are_8(facts, weight)) weight.scheme.offset = Offset::kNone;
  }
}

Result<Resolution> resolve(const Facts& facts) {
  std::string where;
  const Json* block = block_of(facts, &where);
  RQ_TRY(const std::string_view version, version_of(block));
  RQ_TRY(const Scheme declared, declared_scheme(block));
  Resolution resolution;
  for (const ModuleTensors& module : facts.modules.modules()) {
    if (module.find("qweight") == nullptr && module.find("qzeros") == nullptr) continue;
    RQ_TRY(auto weight, resolve_module(module, declared, facts));
    resolution.weights.push_back(std::move(weight));
  }
  find_symmetric(facts, resolution);
  check_version(version, where, resolution);
  check_group(block, declared, where, resolution);
  check_zero_flag(block, where, resolution);
  check_exclusions(block, where, resolution);
  if (!resolution.weights.empty()) check_unlisted(facts, block, where, resolution);
  return resolution;
}

WriterGuess writer(const Facts& facts) {
  const ConfigBlock block = block_of_method(facts, kMethod);
  WriterGuess guess;
  if (block.block == nullptr) return guess;
  if (const Json* quantizer = block.block->at({"meta", "quantizer"})) {
    const auto names = strings_of(quantizer);
    const std::string name = names.empty() ? "gptqmodel" : names.front();
    const std::size_t colon = name.find(':');
    guess.tool = "GPTQModel";
    guess.version = colon == std::string::npos ? "" : printable(name.substr(colon + 1), 32);
    guess.evidence = {"quantization_config.meta.quantizer is " + in_quotes(name)};
  } else if (block.path.size() > 1 || facts.source.container() == "pytorch") {
    guess.tool = "lmdeploy lite auto_awq";
    guess.version = facts.source.container() == "pytorch" ? "up to 0.8" : "0.9 or later";
    guess.evidence = {name_of(block) + " is where lmdeploy puts it",
                      "the weights are in " + facts.source.container() + " files"};
  } else if (block.block->find("modules_to_not_convert") != nullptr) {
    guess.tool = "AutoAWQ";
    guess.evidence = {
        "quantization_config has modules_to_not_convert, as AutoAWQ writes it always"};
  }
  return guess;
}

}  // namespace

extern const Dialect k_dialect_awq;
const Dialect k_dialect_awq = {
    .name = "awq",
    .long_name = "AutoAWQ and lmdeploy: 4-bit groups",
    .source =
        "casper-hansen/AutoAWQ awq/modules/linear/gemm.py@0.2.9; "
        "InternLM/lmdeploy lmdeploy/lite/apis/auto_awq.py@1263d5cd",
    .recognize = recognize,
    .resolve = resolve,
    .writer = writer,
    .codec_for = awq_codec_for,
    .layouts = kAwqLayouts,
    .quantization_config = awq_quantization_config,
    .quant_methods = kMethod,
};

}  // namespace requant
