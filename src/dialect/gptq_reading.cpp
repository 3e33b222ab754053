#include "dialect/gptq_reading.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "codec/gptq_layout.h"
#include "dialect/resolve.h"

namespace requant {
namespace {

constexpr std::uint64_t kPeekLimit = std::uint64_t{16} << 20;

// The first quantised module, as far as it can be read.
struct Sample {
  std::string module;
  GptqSettings settings;
  int bits = 0;
  std::optional<GptqZeroEvidence> zeros;
  std::optional<bool> in_order;  // g_idx is k / g, or all zeros
};

std::optional<Tensor> peek(const Facts& facts, const TensorInfo* info) {
  if (info == nullptr || info->bytes == 0 || info->bytes > kPeekLimit) return std::nullopt;
  auto tensor = facts.source.read(*info);
  if (!tensor) return std::nullopt;  // whoever reads the weight will say why
  return *std::move(tensor);
}

bool is_in_order(const Tensor& g_idx, std::int64_t groups) {
  const auto values = g_idx.as<std::int32_t>();
  if (std::ranges::all_of(values, [](std::int32_t group) { return group == 0; })) return true;
  // Sorted, and every group but the last as long as the first.
  const auto first = static_cast<std::size_t>(
      std::ranges::find_if(values, [](auto g) { return g != 0; }) - values.begin());
  if (first == 0) return false;
  if (static_cast<std::int64_t>((values.size() + first - 1) / first) != groups) return false;
  for (std::size_t input = 0; input < values.size(); ++input) {
    if (values[input] != static_cast<std::int32_t>(input / first)) return false;
  }
  return true;
}

Result<std::optional<Sample>> sample_of(const Facts& facts, const GptqConfig& config) {
  for (const ModuleTensors& module : facts.modules.modules()) {
    if (!has_gptq_shape(module)) continue;
    RQ_TRY(const auto settings, config.of(module.module));
    const TensorInfo& scales = *module.find("scales");
    const TensorInfo& qzeros = *module.find("qzeros");
    if (!settings || qzeros.shape[1] * 32 % scales.shape[1] != 0) continue;
    Sample sample = {.module = std::string(module.module),
                     .settings = *settings,
                     .bits = static_cast<int>(qzeros.shape[1] * 32 / scales.shape[1]),
                     .zeros = {},
                     .in_order = {}};
    if (sample.bits < 2 || sample.bits > 8) continue;
    if (const auto zeros = peek(facts, &qzeros)) {
      sample.zeros = gptq_zero_evidence(*zeros, sample.bits);
    }
    const TensorInfo* g_idx = module.find("g_idx");
    const bool fits = g_idx != nullptr && g_idx->dtype == DType::kI32;
    if (const auto groups = fits ? peek(facts, g_idx) : std::nullopt) {
      sample.in_order = is_in_order(*groups, scales.shape[0]);
    }
    return std::optional(std::move(sample));
  }
  return std::optional<Sample>();
}

std::string_view name_of(GptqFormat format) {
  switch (format) {
    case GptqFormat::kV2:
      return "gptq_v2";
    case GptqFormat::kPlanar:
      return "gptq_p";
    case GptqFormat::kMarlin:
      return "marlin";
    case GptqFormat::kUnstated:
    case GptqFormat::kV1:
      break;
  }
  return "gptq";
}

// The one reading of symmetric zero points that they bear out; nothing where none does.
std::optional<GptqReading> borne_out(const GptqZeroEvidence& zeros, const GptqReading& stated) {
  const auto with = [&](GptqFormat format, bool by_words) {
    GptqReading reading = stated;
    reading.format = format;
    reading.by_words = by_words;
    return reading;
  };
  const bool words = zeros.symmetric_v1_words;
  if (stated.format == GptqFormat::kPlanar && zeros.symmetric_planar) return stated;
  if (stated.format == GptqFormat::kV2 && zeros.symmetric_v2) return stated;
  if (zeros.symmetric_v1 || words) {
    return with(GptqFormat::kV1, words && (stated.by_words || !zeros.symmetric_v1));
  }
  if (zeros.symmetric_v2) return with(GptqFormat::kV2, false);
  if (zeros.symmetric_planar) return with(GptqFormat::kPlanar, false);
  return std::nullopt;
}

void say_other_version(const GptqConfig& config, const Sample& sample, GptqFormat stated,
                       GptqFormat found, std::vector<Finding>& findings) {
  const bool unstated = config.format == GptqFormat::kUnstated;
  Finding& finding = findings.emplace_back(make_finding(
      Severity::kError, "gptq.zero-version", "config.json",
      fmt::format("'{}.{}' {} {}, the zero points of {} are stored as in {}: the tensors count",
                  config.where.empty() ? "quantization_config" : config.where, config.format_key,
                  unstated ? "is missing, which means" : "means", name_of(stated),
                  printable(sample.module), name_of(found))));
  finding.expected = name_of(found);
  finding.observed = unstated ? "" : name_of(stated);
  finding.why = "engines that use the zero points would read every weight one step off";
  finding.repair = "requant convert --to gptq states it";
}

void say_not_symmetric(const GptqConfig& config, const Sample& sample,
                       std::vector<Finding>& findings) {
  Finding& finding = findings.emplace_back(
      make_finding(Severity::kError, "gptq.sym-flag", "config.json",
                   fmt::format("'{}.sym' is true, and the zero points of {} differ: the tensors "
                               "count",
                               config.where, printable(sample.module))));
  finding.why = "engines leave the zero points of symmetric weights unread";
  finding.repair = "state sym false";
}

// What the config leaves open of asymmetric zero points, which do not show their version.
void say_unknown(const GptqConfig& config, const Sample& sample, const GptqReading& reading,
                 std::vector<Finding>& findings) {
  if (config.format == GptqFormat::kUnstated && !config.from_autogptq && !config.by_words) {
    Finding& finding = findings.emplace_back(make_finding(
        Severity::kWarning, "gptq.zero-version-unknown", "config.json",
        fmt::format("does not say how the zero points of {} are stored: gptq (v1, minus one) is "
                    "assumed",
                    printable(sample.module))));
    finding.why = "with gptq_v2 every weight would be one step off";
    finding.repair = "state checkpoint_format";
  }
  if (reading.format != GptqFormat::kV1 || !sample.zeros || !sample.zeros->wraps) return;
  Finding& finding = findings.emplace_back(make_finding(
      Severity::kWarning, "gptq.zero-of-zero", printable(sample.module),
      fmt::format("has zero points of 0, which gptq (v1) stores in two ways: read {} "
                  "minus one, as {} write it",
                  reading.by_words ? "word by word" : "field by field",
                  reading.by_words ? "GPTQModel and auto-round" : "AutoGPTQ and others")));
  finding.why = "readers disagree on it; gptq_v2 has no such case";
  finding.repair = "requant convert --to gptq writes gptq_v2";
}

void judge_zeros(const GptqConfig& config, const Sample& sample, GptqReading& reading,
                 std::vector<Finding>& findings) {
  const bool claims_sym = sample.settings.sym.value_or(false);
  const auto found = sample.zeros ? borne_out(*sample.zeros, reading) : std::nullopt;
  if (found && (claims_sym || config.format == GptqFormat::kUnstated)) {
    if (found->format != reading.format) {
      say_other_version(config, sample, reading.format, found->format, findings);
    }
    reading = *found;
  } else if (claims_sym && sample.zeros) {
    reading.trusts_sym = false;
    say_not_symmetric(config, sample, findings);
  }
  if (!found && !(claims_sym && reading.trusts_sym)) say_unknown(config, sample, reading, findings);
}

void judge_order(const GptqConfig& config, const Sample& sample, GptqReading& reading,
                 std::vector<Finding>& findings) {
  if (!sample.in_order || *sample.in_order || sample.settings.order.value_or(true)) return;
  reading.trusts_order = false;
  Finding& finding = findings.emplace_back(make_finding(
      Severity::kError, "gptq.desc-act", "config.json",
      fmt::format("'{}.desc_act' is false, and the groups of {} are out of order: the tensors "
                  "count",
                  config.where, printable(sample.module))));
  finding.why = "engines leave g_idx unread without desc_act";
  finding.repair = "state desc_act true";
}

}  // namespace

const Codec& GptqReading::codec(const Scheme& declared) const {
  switch (format) {
    case GptqFormat::kPlanar:
      return *find_codec("gptq-p");
    case GptqFormat::kV2:
      return *find_codec("gptq-v2");
    case GptqFormat::kMarlin:
      return *find_codec("gptq-marlin");
    case GptqFormat::kUnstated:
    case GptqFormat::kV1:
      break;
  }
  // The two kinds differ only by zero points of 0 and by GPTQModel's constants for 3 bits.
  const bool differs = declared.offset == Offset::kZero || declared.bits == 3;
  return *find_codec(by_words && differs ? "gptq-words" : "gptq");
}

Scheme GptqReading::scheme(const GptqSettings& settings) const {
  Scheme scheme = settings.scheme();
  if (!trusts_sym) scheme.offset = Offset::kZero;
  if (!trusts_order) scheme.permuted = true;
  return scheme;
}

bool has_gptq_shape(const ModuleTensors& module) {
  const TensorInfo* qweight = module.find("qweight");
  const TensorInfo* qzeros = module.find("qzeros");
  const TensorInfo* scales = module.find("scales");
  return qweight != nullptr && qzeros != nullptr && scales != nullptr &&
         qweight->dtype == DType::kI32 && qzeros->dtype == DType::kI32 &&
         qweight->shape.size() == 2 && qzeros->shape.size() == 2 && scales->shape.size() == 2 &&
         scales->shape[1] > 0 && qweight->shape[1] == scales->shape[1] &&
         qzeros->shape[0] == scales->shape[0];
}

Result<GptqReading> find_gptq_reading(const Facts& facts, const GptqConfig& config,
                                      std::vector<Finding>& findings) {
  GptqReading reading;
  reading.format = config.format == GptqFormat::kUnstated ? GptqFormat::kV1 : config.format;
  reading.by_words = config.by_words;
  if (reading.format == GptqFormat::kMarlin) return reading;
  RQ_TRY(const auto sample, sample_of(facts, config));
  if (!sample) return reading;
  judge_zeros(config, *sample, reading, findings);
  judge_order(config, *sample, reading, findings);
  return reading;
}

}  // namespace requant
