// AutoAWQ's GEMM layout, as AutoAWQ, lmdeploy `lite auto_awq`, GPTQModel and llm-awq's followers
// write it: X.qweight I32 [in, out / 8], X.qzeros I32 [in / g, out / 8], X.scales [in / g, out].
// The versions gemv, gemv_fast and marlin store other layouts under the same quant_method.

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/text.h"
#include "dialect/dialect.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr std::string_view kMethod = "awq";

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// The block of config.json, or quant_config.json of old repositories.
const Json* block_of(const Facts& facts, std::string* where = nullptr) {
  const ConfigBlock block = block_of_method(facts, kMethod);
  if (where != nullptr) *where = block.block == nullptr ? "quant_config.json" : name_of(block);
  if (block.block != nullptr) return block.block;
  const auto side = facts.side.find("quant_config.json");
  return side == facts.side.end() ? nullptr : &side->second;
}

// [K, N / 8] against scales [K / g, N]: GPTQ's qweight is [K / 8, N], gemv's [N, K / 8].
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
  // GPTQ tensors under an AWQ label are for GPTQ to claim.
  const TensorInfo* scales = module->find("scales");
  const TensorInfo* qweight = module->find("qweight");
  const bool is_gptq = module->find("g_idx") != nullptr ||
                       (!fits && scales != nullptr && scales->shape.size() == 2 &&
                        module->find("qzeros") != nullptr && qweight->shape.size() == 2 &&
                        qweight->dtype == DType::kI32 && qweight->shape[1] == scales->shape[1]);
  if (is_gptq) return {};
  if (fits) result.match = Match::kYes;
  if (result.match != Match::kNo) result.evidence.push_back(describe(*qweight));
  return result;
}

Result<void> check_version(const Json& block) {
  const std::string version = lower(text_at(&block, "version"));
  for (const std::string_view other : {"gemv", "gemv_fast", "marlin", "llm-awq"}) {
    if (version == other) {
      return refused(fmt::format("AWQ version {} cannot be read yet; 'gemm' can", other));
    }
  }
  if (block.find("version") != nullptr && version != "gemm" && version != "exllama" &&
      version != "exllamav2") {
    return corrupt(fmt::format("config.json: AWQ 'version' is {}, expected gemm",
                               block.find("version")->dump()));
  }
  return {};
}

Result<Scheme> declared_scheme(const Json* block) {
  Scheme declared;
  declared.bits = 4;
  declared.grid = Grid::group(0);
  if (block == nullptr) return declared;
  RQ_CHECK(check_version(*block));
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
  declared.grid = size > 0 ? Grid::group(size) : Grid::channel();
  return declared;
}

Error not_gemm(const ModuleTensors& module) {
  std::string parts;
  for (const auto& [suffix, tensor] : module.parts) {
    parts += fmt::format("{}{} {} {}", parts.empty() ? "" : ", ", printable(suffix),
                         name_of(tensor->dtype), to_string(tensor->shape));
  }
  return corrupt(
      fmt::format("{}: {}: expected AWQ's qweight I32 [in, out/8], qzeros I32 [groups, "
                  "out/8], scales F16 [groups, out]",
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
  auto weight = weight_of(module, place_of(module, facts), {"qweight", "qzeros", "scales"},
                          declared, *find_codec("awq-gemm"));
  if (!weight) return not_gemm(module);
  weight->rows = module.find("scales")->shape[1];
  weight->cols = module.find("qweight")->shape[0];
  return *std::move(weight);
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
  const bool stored = first.scheme.offset == Offset::kZero;
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

Result<Resolution> resolve(const Facts& facts) {
  std::string where;
  const Json* block = block_of(facts, &where);
  RQ_TRY(const Scheme declared, declared_scheme(block));
  Resolution resolution;
  for (const ModuleTensors& module : facts.modules.modules()) {
    if (module.find("qweight") == nullptr && module.find("qzeros") == nullptr) continue;
    RQ_TRY(auto weight, resolve_module(module, declared, facts));
    resolution.weights.push_back(std::move(weight));
  }
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

const Codec* codec_for(const Scheme& scheme) {
  const Codec* codec = find_codec("awq-gemm");
  return codec->holds(scheme) ? codec : nullptr;
}

// Readers match these names as substrings, so each may hit no quantised module.
Result<std::vector<std::string>> exclusions(const ConfigRequest& request) {
  std::vector<std::string> names;
  for (const TargetWeight& weight : request.unquantized) {
    if (weight.place.role == Role::kLmHead) continue;  // no reader quantises it
    std::string name = weight.place.tower == Tower::kLanguage
                           ? weight.module
                           : weight.module.substr(0, weight.module.find('.'));
    const auto hits = [&](const std::string& candidate) {
      return std::any_of(request.quantized.begin(), request.quantized.end(), [&](const auto& q) {
        return q.module.find(candidate) != std::string::npos;
      });
    };
    if (hits(name)) name = weight.module;
    if (hits(name)) {
      return refused(
          fmt::format("{} is not quantised, and awq's modules_to_not_convert cannot name "
                      "it without naming quantised modules",
                      printable(weight.module)));
    }
    if (std::find(names.begin(), names.end(), name) == names.end())
      names.push_back(std::move(name));
  }
  return names;
}

Result<Json> quantization_config(const ConfigRequest& request) {
  if (request.quantized.empty()) return refused("awq needs a quantised weight");
  const Scheme& scheme = request.quantized.front().scheme;
  for (const TargetWeight& weight : request.quantized) {
    if (weight.scheme.grid != scheme.grid) {
      return refused(printable(weight.module) +
                     ": awq has one group_size, the weights have several");
    }
  }
  RQ_TRY(const auto names, exclusions(request));
  Json block = Json::object();
  block.set("quant_method", kMethod);
  block.set("version", "gemm");
  block.set("bits", 4);
  block.set("group_size", scheme.grid.is_channel() ? std::int64_t{-1} : scheme.grid.block_cols);
  block.set("zero_point", scheme.offset == Offset::kZero);
  if (!names.empty()) {
    Json list = Json::array();
    for (const std::string& name : names) list.append(name);
    block.set("modules_to_not_convert", std::move(list));
  }
  return block;
}

}  // namespace

extern const Dialect k_dialect_awq;
const Dialect k_dialect_awq = {
    .name = "awq",
    .long_name = "4-bit groups in AutoAWQ's GEMM layout",
    .source =
        "casper-hansen/AutoAWQ awq/modules/linear/gemm.py@0.2.9; "
        "InternLM/lmdeploy lmdeploy/lite/apis/auto_awq.py@1263d5cd",
    .recognize = recognize,
    .resolve = resolve,
    .writer = writer,
    .codec_for = codec_for,
    .quantization_config = quantization_config,
    .quant_methods = kMethod,
};

}  // namespace requant
