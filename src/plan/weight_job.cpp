#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "codec/direct.h"
#include "kernel/sha256.h"
#include "plan/decode_rows.h"
#include "plan/job.h"
#include "plan/quantise_steps.h"
#include "plan/sound.h"

namespace requant {
namespace {

const TensorInfo* part_info(const Weight& weight, std::string_view suffix) {
  const auto found = std::ranges::find(weight.parts, suffix, [](const auto& p) { return p.first; });
  return found == weight.parts.end() ? nullptr : found->second;
}

std::uint32_t output_of(const WeightStep& step, std::string_view suffix) {
  return std::ranges::find(step.outputs, suffix, [](const auto& o) { return o.first; })->second;
}

// The hashes of all tensors of a weight, as it was read and as it is written.
class PartHashes {
 public:
  PartHashes(const WeightParts& read, const WeightParts& written) {
    for (const WeightParts* parts : {&read, &written}) {
      for (const auto& [suffix, tensor] : *parts) {
        if (find(tensor) == messages_.size()) messages_.push_back(tensor.bytes.span());
      }
    }
    hashes_ = kernel::sha256_hex_of(messages_);
  }

  const std::string& of(const Tensor& tensor) const { return hashes_[find(tensor)]; }

 private:
  // The same memory is hashed once.
  std::size_t find(const Tensor& tensor) const {
    const auto bytes = tensor.bytes.span();
    const auto found = std::ranges::find_if(messages_, [&](const auto& message) {
      return message.data() == bytes.data() && message.size() == bytes.size();
    });
    return static_cast<std::size_t>(found - messages_.begin());
  }

  std::vector<std::span<const std::byte>> messages_;
  std::vector<std::string> hashes_;
};

// What is known of an output of the weight besides its own hash.
struct Origin {
  const WeightParts& read;
  const PartHashes& hashes;
  const ChainResult& result;
};

void record(Run& run, const WeightStep& step, std::uint32_t output, const Origin& origin) {
  TensorRecord& entry = run.records[output];
  for (const TensorInfo* source : run.plan.outputs[output].sources) {
    for (const auto& [suffix, info] : step.weight->parts) {
      if (info == source) {
        entry.source_sha256.push_back(origin.hashes.of(origin.read.at(suffix)));
      }
    }
  }
  entry.repaired_rows = origin.result.repaired_rows;
  entry.losses = origin.result.losses;
  entry.difference = origin.result.difference;
}

// What the target encodes for the weight, after it was decoded again and found to be equal.
Result<WeightParts> encode_checked(const Route& route, const ChainResult& result,
                                   const WeightParts& read) {
  if (route.verbatim && result.repaired_rows.empty()) return read;
  RQ_TRY(WeightParts parts, route.to->encode(result.weight));
  RQ_TRY(const QuantizedWeight again, route.to->decode(parts, route.chain.result));
  RQ_TRY(const Difference difference, compare(result.weight, again));
  if (!difference.equal) {
    return refused(
        fmt::format("{} does not keep it exactly: {}", route.to->name, difference.first));
  }
  return parts;
}

// What is written for a weight, and what became of it on the way.
struct Transcoded {
  WeightParts parts;
  ChainResult result;  // without the weight itself where it was not unpacked
};

Result<Transcoded> by_neutral_form(const Route& route, const WeightParts& read,
                                   const RoundingInputs& inputs = {}) {
  Transcoded out;
  RQ_TRY(const QuantizedWeight decoded, route.from->decode(read, route.source));
  RQ_TRY(out.result, apply(route.chain, decoded, inputs));
  RQ_TRY(out.parts, encode_checked(route, out.result, read));
  return out;
}

// A part of all rows cut down to the first, any other as it is.
Tensor first_row(const Tensor& tensor, std::int64_t rows) {
  if (tensor.shape.size() != 2 || tensor.shape[0] != rows) return tensor;
  Tensor row = tensor;
  row.shape[0] = 1;
  row.bytes = tensor.bytes.slice(0, tensor.bytes.size() / static_cast<std::size_t>(rows));
  return row;
}

// Whether codes and their scales stay as they are.
bool keeps_rows(const Route& route) {
  Scheme kept = route.source;
  kept.outer = route.chain.result.outer;
  kept.activations = route.chain.result.activations;
  return kept == route.chain.result && !route.chain.requantises && !route.chain.harmony;
}

// Codes and scales go over as they are. All else is what the neutral form makes of the first row,
// whose codes and scales must come out as those of the source, too.
Result<std::optional<Transcoded>> by_same_rows(const SameRows& same, const Route& route,
                                               const Weight& weight, const WeightParts& read) {
  const Tensor& codes = read.find(same.from_codes)->second;
  const Tensor& scales = read.find(same.from_scales)->second;
  if (!keeps_rows(route) || codes.shape.size() != 2 || scales.shape.size() != 2 ||
      codes.shape[0] != weight.rows || scales.shape[0] != weight.rows ||
      (weight.scheme.outer && !weight.scheme.outer->grid.is_tensor()) || !all_positive(scales)) {
    return std::optional<Transcoded>();
  }
  WeightParts row = read;
  for (auto& [suffix, part] : row) part = first_row(part, weight.rows);
  RQ_TRY(Transcoded out, by_neutral_form(route, row));
  if (!out.result.losses.empty()) return std::optional<Transcoded>();  // counted over all rows
  const auto put_all = [&](std::string_view from, std::string_view to, const Tensor& all) {
    const auto found = out.parts.find(to);
    if (found == out.parts.end()) return false;
    Tensor& part = found->second;
    const Tensor& source = row.find(from)->second;
    if (!std::ranges::equal(part.bytes.span(), source.bytes.span())) return false;
    part.shape[0] = weight.rows;
    part.bytes = all.bytes;
    return true;
  };
  if (!put_all(same.from_codes, same.to_codes, codes) ||
      !put_all(same.from_scales, same.to_scales, scales)) {
    return std::optional<Transcoded>();
  }
  return std::optional(std::move(out));
}

// Without unpacking the codes. Nothing where only the neutral form leads there, or tells why not.
Result<std::optional<Transcoded>> by_direct_path(const Route& route, const Weight& weight,
                                                 const WeightParts& read) {
  if (route.verbatim || route.chain.repairs_zero_rows) return std::optional<Transcoded>();
  if (const SameRows* same = find_same_rows(route.from->name, route.to->name)) {
    if (!read.contains(same->from_codes) || !read.contains(same->from_scales)) {
      return std::optional<Transcoded>();
    }
    return by_same_rows(*same, route, weight, read);
  }
  const DirectPath* path = find_direct_path(route.from->name, route.to->name);
  if (path == nullptr || !route.chain.changes_nothing() || !(route.chain.result == route.source))
    return std::optional<Transcoded>();
  RQ_TRY(auto parts, repack_checked(*path, {read, route.source, weight.rows, weight.cols}));
  if (!parts) return std::optional<Transcoded>();
  const auto sound = [&](const auto& part) {
    return !is_half_or_single(part.second.dtype) || all_positive(part.second);
  };
  if (!std::ranges::all_of(*parts, sound)) return std::optional<Transcoded>();
  return std::optional(Transcoded{.parts = *std::move(parts), .result = {}});
}

Result<RoundingInputs> rounding_inputs(const Run& run, const WeightStep& step) {
  RoundingInputs inputs{.input_scale = step.input_scale, .importance = step.importance};
  for (const TensorInfo* fellow : step.fellows) {
    RQ_TRY(const float magnitude, largest_magnitude(run.checkpoint.source(), *fellow));
    inputs.shared_magnitude = std::max(inputs.shared_magnitude, magnitude);
  }
  return inputs;
}

Result<void> transcode(Run& run, const WeightStep& step) {
  const Route& route = run.plan.routes[step.route];
  const ByteBudget::Share share(run.budget, transcode_bytes(run.plan, step));
  RQ_TRY(const WeightParts read, run.checkpoint.read_parts(*step.weight));
  RQ_TRY(auto transcoded, by_direct_path(route, *step.weight, read));
  if (!transcoded) {
    RQ_TRY(const RoundingInputs inputs, rounding_inputs(run, step));
    RQ_TRY(transcoded, by_neutral_form(route, read, inputs));
  }
  const WeightParts& encoded = transcoded->parts;
  const PartHashes hashes(read, encoded);
  for (const auto& [suffix, output] : step.outputs) {
    const auto part = encoded.find(suffix);
    if (part == encoded.end() ||
        part->second.bytes.size() != run.plan.outputs[output].tensor->bytes) {
      return corrupt("the encoded tensors are not those planned").within(suffix);
    }
    record(run, step, output, {read, hashes, transcoded->result});
    run.records[output].sha256 = hashes.of(part->second);
    RQ_CHECK(put(run, output, 0, part->second.bytes.span()));
  }
  return {};
}

Result<void> decode_to_dense(Run& run, const WeightStep& step) {
  const Route& route = run.plan.routes[step.route];
  const ByteBudget::Share share(run.budget, transcode_bytes(run.plan, step));
  RQ_TRY(const WeightParts read, run.checkpoint.read_parts(*step.weight));
  RQ_TRY(const QuantizedWeight decoded, route.from->decode(read, route.source));
  RQ_TRY(const ChainResult result, apply(route.chain, decoded));
  const std::uint32_t output = step.outputs.front().second;
  Sha256 hash;
  RQ_CHECK(decode_rows(result.weight, route.dense,
                       [&](std::uint64_t begin, std::span<const std::byte> bytes) -> Result<void> {
                         hash.update(bytes);
                         return put(run, output, begin, bytes);
                       }));
  record(run, step, output, {read, PartHashes(read, {}), result});
  run.records[output].sha256 = hash.hex();
  return {};
}

// The codes and scales are the same bytes on both sides, so equality needs no decoding; what is
// left to see is that the weight is sound. Scales come first: where one of them asks for a repair,
// nothing has been written yet.
Result<void> carry(Run& run, const WeightStep& step, std::span<std::byte> space) {
  const Route& route = run.plan.routes[step.route];
  const Weight& weight = *step.weight;
  const TensorInfo& scale_info = *part_info(weight, route.plain.scales);
  RQ_TRY(const Tensor scales, run.checkpoint.source().read(scale_info));
  if (!all_positive(scales)) return transcode(run, step);
  const Inspect no_special = [&](std::span<const std::byte> codes) -> Result<void> {
    if (!has_special_code(route.source.element, codes)) return {};
    RQ_TRY(const QuantizedWeight decoded, run.checkpoint.read(weight));
    RQ_CHECK(apply(route.chain, decoded));  // names the row
    return refused("a code is NaN or infinite");
  };
  for (const auto& [from, to] : route.carried) {
    const Inspect inspect = from == route.plain.codes ? no_special : Inspect();
    RQ_CHECK(copy_tensor(run, *part_info(weight, from), output_of(step, to), space, inspect));
  }
  return {};
}

}  // namespace

Result<void> run_weight(Run& run, const WeightStep& step, std::span<std::byte> space) {
  const Route& route = run.plan.routes[step.route];
  auto result = route.to == nullptr     ? decode_to_dense(run, step)
                : route.carried.empty() ? transcode(run, step)
                                        : carry(run, step, space);
  if (!result && result.error().code() == ErrorCode::kInterrupted) return result;
  const auto& parts = step.weight->parts;
  std::string where =
      printable(parts.size() == 1 ? parts.front().second->name : step.weight->module);
  // The file has it under a name of its own.
  const TensorInfo& first = *parts.front().second;
  if (!first.encoding().empty()) {
    where = run.checkpoint.source().files()[first.file].label() + ": " + where;
  }
  RQ_CHECK_IN(result, where);
  return {};
}

}  // namespace requant
