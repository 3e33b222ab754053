#include "plan/route.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/text.h"
#include "dialect/weight_file.h"
#include "plan/requantise.h"

namespace requant {
namespace {

// Rows and columns of the weight that codecs are tried on: whole groups, words and blocks.
constexpr std::int64_t kProbeRows = 256;
constexpr std::int64_t kProbeCols = 256;
constexpr int kProbeByte = 1;  // a small positive number in every dtype

Result<WeightParts> probe_parts(const Codec& codec, const Scheme& scheme) {
  RQ_TRY(const std::vector<PartSpec> specs, codec.layout(scheme, kProbeRows, kProbeCols));
  WeightParts parts;
  for (const PartSpec& spec : specs) {
    RQ_TRY(TensorBuilder builder, TensorBuilder::make(spec.dtype, spec.shape));
    std::memset(builder.bytes().data(), kProbeByte, builder.bytes().size());
    parts.emplace(spec.suffix, std::move(builder).finish());
  }
  return parts;
}

std::string suffix_of(const WeightParts& parts, const Tensor& tensor) {
  for (const auto& [suffix, part] : parts) {
    if (!tensor.empty() && part.bytes.same_memory(tensor.bytes)) return suffix;
  }
  return {};
}

struct Probed {
  WeightParts parts;
  QuantizedWeight weight;
  PlainParts plain;
};

// Codes narrower than their bytes may be out of range, which only decoding finds.
bool fills_bytes(const Scheme& scheme) {
  return scheme.element == Element::kInt ? scheme.bits == 8 : info(scheme.element).bits == 8;
}

// Which says nothing about what was tried.
template <class Value>
bool is_out_of_memory(const Result<Value>& tried) {
  return !tried && tried.error().code() == ErrorCode::kResource;
}

Result<std::optional<Probed>> probe(const Weight& weight) {
  const std::optional<Probed> nothing;
  if (weight.codec->decode == nullptr || !fills_bytes(weight.scheme) || !is_as_written(weight)) {
    return nothing;
  }
  auto parts = probe_parts(*weight.codec, weight.scheme);
  if (is_out_of_memory(parts)) return std::move(parts).error();
  if (!parts || parts->size() != 2) return nothing;
  auto decoded = weight.codec->decode(*parts, weight.scheme);
  if (is_out_of_memory(decoded)) return std::move(decoded).error();
  if (!decoded) return nothing;
  PlainParts plain{suffix_of(*parts, decoded->codes), suffix_of(*parts, decoded->scales)};
  if (plain.codes.empty() || plain.scales.empty()) return nothing;
  return std::optional(Probed{*std::move(parts), *std::move(decoded), std::move(plain)});
}

// Every tensor that the target encodes must be the memory of a source tensor.
Result<void> find_carried(const Weight& weight, Route& route) {
  RQ_TRY(const auto probed, probe(weight));
  if (!probed || !route.chain.changes_nothing()) return {};
  std::vector<std::pair<std::string, std::string>> carried;
  if (route.verbatim) {
    for (const auto& [suffix, tensor] : probed->parts) carried.emplace_back(suffix, suffix);
  } else {
    auto encoded = route.to->encode(probed->weight);
    if (is_out_of_memory(encoded)) return std::move(encoded).error();
    if (!encoded || encoded->size() != probed->parts.size()) return {};
    for (const auto& [suffix, tensor] : *encoded) {
      const std::string source = suffix_of(probed->parts, tensor);
      if (source.empty()) return {};
      carried.emplace_back(source, suffix);
    }
  }
  route.carried = std::move(carried);
  route.plain = probed->plain;
  return {};
}

Result<Route> dense_route(const Weight& weight, Route route, DType dtype) {
  const Scheme& scheme = weight.scheme;
  if (!scheme.rotation.empty()) {
    return refused("a dense weight cannot keep the rotation of its inputs: " + describe(scheme));
  }
  route.dense = dtype;
  if (scheme.input_multiplier) route.chain.applies_multiplier = dtype;
  route.chain.result = Scheme::dense(dtype);
  return route;
}

Error no_way(const Weight& weight, const Target& target, DType dtype) {
  if (find_requantisation(weight.scheme, weight.cols, dtype, target)) {
    return refused(fmt::format("{} as {}: needs --allow {}", describe(weight.scheme), target.scheme,
                               name_of(Loss::kRequantise)));
  }
  return refused(
      fmt::format("{} cannot hold {}; `--to {}:SCHEME --allow {}` quantises its values again, "
                  "`--to dense:bf16` "
                  "stores them unquantised",
                  target.dialect->name, describe(weight.scheme), target.dialect->name,
                  name_of(Loss::kRequantise)));
}

// Groups are fitted to the columns, so one route serves weights of one width.
Result<Route> requantising_route(const Weight& weight, Route route, const Target& target,
                                 DType dtype, const RouteRules& rules) {
  if (target.scheme.empty()) {
    return refused(
        fmt::format("{0} cannot hold {1}: `--to {0}:SCHEME` names what its values become",
                    target.dialect->name, describe(weight.scheme)));
  }
  auto chain = find_requantisation(weight.scheme, weight.cols, dtype, target);
  if (!chain) {
    const bool is_ggml = weight_file_of(*target.dialect) != nullptr;
    return refused(fmt::format("{} cannot hold {} of {} columns{}", target.dialect->name,
                               target.scheme, weight.cols,
                               is_ggml ? ", or ggml's way of rounding to it is not built in" : ""));
  }
  chain->repairs_zero_rows = route.chain.repairs_zero_rows;
  chain->leave = rules.leave;
  chain->searches_scales = rules.searches_scales;
  route.chain = *std::move(chain);
  route.to = target.codec_for(route.chain.result);
  route.cols = weight.cols;
  return route;
}

}  // namespace

bool is_as_written(const Weight& weight) {
  if (weight.codec->layout == nullptr) return false;
  const auto specs = weight.codec->layout(weight.scheme, weight.rows, weight.cols);
  if (!specs || specs->size() != weight.parts.size()) return false;
  return std::ranges::all_of(*specs, [&](const PartSpec& spec) {
    const auto part =
        std::ranges::find(weight.parts, spec.suffix, [](const auto& p) { return p.first; });
    return part != weight.parts.end() && part->second->dtype == spec.dtype &&
           part->second->shape == spec.shape && part->second->strides().empty();
  });
}

std::optional<PlainParts> plain_parts(const Weight& weight) {
  auto probed = probe(weight);
  if (!probed || !*probed) return std::nullopt;
  return std::move((*probed)->plain);
}

Result<Route> make_route(const Weight& weight, const Dialect& from, const Target& target,
                         const Json& config, const RouteRules& rules) {
  if (weight.experts > 1 && !weight.parts.empty() && &from != target.dialect) {
    return refused(fmt::format(
        "{} experts in one tensor, and no data of this family say how they are taken apart",
        weight.experts));
  }
  if (weight.codec->decode == nullptr) {
    return refused(fmt::format("{}: it cannot be decoded", weight.codec->long_name));
  }
  Route route;
  route.from = weight.codec;
  route.source = weight.scheme;
  route.as_written = is_as_written(weight);
  route.asked = target.scheme;
  route.chain.repairs_zero_rows = from.name == "lmdeploy";
  if (target.is_dense()) return dense_route(weight, std::move(route), dense_dtype(target, config));
  // A config that is written anew states the layout that the dialect writes, not another of its
  // own.
  const bool stays = rules.keep_config || target.codec_for(weight.scheme) == weight.codec;
  if (&from == target.dialect && stays && has_named_scheme(target, weight.scheme)) {
    route.to = weight.codec;
    route.verbatim = true;
    route.chain.result = weight.scheme;
  } else {
    const DType dtype =
        weight.scheme.is_dense() ? weight.scheme.scale_dtype : dense_dtype({}, config);
    auto chain = find_chain(weight.scheme, target, weight.cols);
    const bool may_requantise = rules.may_requantise || rules.leave.has(Loss::kRequantise);
    if (!chain && may_requantise) {
      return requantising_route(weight, std::move(route), target, dtype, rules);
    }
    if (!chain) return no_way(weight, target, dtype);
    chain->repairs_zero_rows = route.chain.repairs_zero_rows;
    chain->leave = rules.leave;
    route.chain = *std::move(chain);
    route.to = target.codec_for(route.chain.result);
    if (route.chain.grid && route.chain.grid->is_group()) route.cols = weight.cols;
  }
  RQ_CHECK(find_carried(weight, route));
  return route;
}

}  // namespace requant
