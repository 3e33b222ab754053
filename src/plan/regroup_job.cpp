#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/text.h"
#include "codec/parts.h"
#include "plan/decode_rows.h"
#include "plan/job.h"

namespace requant {
namespace {

// The hashes of a job's outputs while they are filled matrix by matrix.
using Hashes = std::map<std::uint32_t, Sha256>;

// The hashes of the tensors that a job reads, the matrices of a stack in their order.
class SourceHashes {
 public:
  void add(const TensorInfo& tensor, std::uint64_t begin, std::span<const std::byte> bytes) {
    Entry& entry = entries_[&tensor];
    entry.in_order = entry.in_order && begin == entry.bytes;
    entry.hash.update(bytes);
    entry.bytes += bytes.size();
  }

  // Of these, in their order; none where one of them was not read once from end to end.
  std::vector<std::string> of(const std::vector<const TensorInfo*>& tensors) {
    std::vector<std::string> all;
    for (const TensorInfo* tensor : tensors) {
      const auto entry = entries_.find(tensor);
      if (entry == entries_.end() || !entry->second.in_order ||
          entry->second.bytes != tensor->bytes) {
        return {};
      }
      if (entry->second.hex.empty()) entry->second.hex = entry->second.hash.hex();
      all.push_back(entry->second.hex);
    }
    return all;
  }

 private:
  struct Entry {
    Sha256 hash;
    std::uint64_t bytes = 0;
    bool in_order = true;
    std::string hex;
  };
  std::map<const TensorInfo*, Entry> entries_;
};

// The values of a weight, each rounded once, as one tensor.
Result<Tensor> decoded(const QuantizedWeight& weight, DType dtype) {
  if (weight.scheme == Scheme::dense(dtype)) return weight.scales;
  RQ_TRY(TensorBuilder out, TensorBuilder::make(dtype, {weight.rows, weight.cols}));
  RQ_CHECK(decode_rows(
      weight, dtype, [&](std::uint64_t begin, std::span<const std::byte> bytes) -> Result<void> {
        std::ranges::copy(bytes, out.bytes().begin() + static_cast<std::ptrdiff_t>(begin));
        return {};
      }));
  return std::move(out).finish();
}

// The tensors of one matrix of the result, after they were decoded again and found to be equal.
Result<WeightParts> parts_of(const Route& route, const Regrouped& result,
                             const QuantizedWeight& weight) {
  if (route.to == nullptr) {
    RQ_TRY(Tensor values, decoded(weight, route.dense));
    if (result.transposed) {
      RQ_TRY(values, transpose(values));
    }
    return WeightParts{{result.is_vector ? "bias" : "weight", std::move(values)}};
  }
  RQ_TRY(WeightParts parts, route.to->encode(weight));
  RQ_TRY(const QuantizedWeight again, route.to->decode(parts, route.chain.result));
  RQ_TRY(const Difference difference, compare(weight, again));
  if (difference.equal) return parts;
  return refused(fmt::format("{} does not keep it exactly: {}", route.to->name, difference.first));
}

void add_record(TensorRecord& record, const ChainResult& result, std::int64_t first_row) {
  for (const std::int64_t row : result.repaired_rows) {
    record.repaired_rows.push_back(first_row + row);
  }
  for (const LossTaken& loss : result.losses) {
    const auto known = std::ranges::find_if(record.losses, [&](const LossTaken& old) {
      return old.loss == loss.loss && old.note == loss.note;
    });
    if (known == record.losses.end()) {
      record.losses.push_back(loss);
      continue;
    }
    known->codes += loss.codes;
    known->scales += loss.scales;
    known->max_relative = std::max(known->max_relative, loss.max_relative);
  }
  Difference& all = record.difference;
  all.elements += result.difference.elements;
  all.max_relative = std::max(all.max_relative, result.difference.max_relative);
  all.max_ulp = std::max(all.max_ulp, result.difference.max_ulp);
}

Result<void> write_matrix(Run& run, const AssembledMatrix& matrix, const ChainResult& chained,
                          Hashes& hashes) {
  const Regrouped& result = run.plan.regrouping.results[matrix.result];
  const WeightStep& step = run.plan.weights[result.step];
  RQ_TRY(const WeightParts parts, parts_of(run.plan.routes[step.route], result, chained.weight));
  for (const auto& [suffix, output] : step.outputs) {
    const auto part = parts.find(suffix);
    const auto matrices = static_cast<std::uint64_t>(result.matrices());
    if (part == parts.end() ||
        part->second.bytes.size() * matrices != run.plan.outputs[output].tensor->bytes) {
      return corrupt("the encoded tensors are not those planned").within(suffix);
    }
    const std::span<const std::byte> bytes = part->second.bytes.span();
    add_record(run.records[output], chained, matrix.index * matrix.assembly.rows);
    hashes[output].update(bytes);
    RQ_CHECK(put(run, output, static_cast<std::uint64_t>(matrix.index) * bytes.size(), bytes));
  }
  return {};
}

Result<void> run_matrix(Run& run, const AssembledMatrix& matrix,
                        std::span<const QuantizedWeight> sources, Hashes& hashes) {
  const Regrouped& result = run.plan.regrouping.results[matrix.result];
  const Route& route = run.plan.routes[run.plan.weights[result.step].route];
  RQ_TRY(QuantizedWeight assembled, assemble(matrix.assembly, sources));
  const bool is_copied = route.to == nullptr && route.source.is_dense();
  ChainResult chained;
  if (is_copied) {
    chained.weight = std::move(assembled);
  } else {
    RQ_TRY(chained, apply(route.chain, assembled));
  }
  return write_matrix(run, matrix, chained, hashes);
}

}  // namespace

Result<void> run_regroup(Run& run, const RegroupJob& job) {
  const ByteBudget::Share share(run.budget, regroup_bytes(run.plan, job));
  Hashes hashes;
  SourceHashes source_hashes;
  const SeenCall seen = [&](const TensorInfo& tensor, std::uint64_t begin,
                            std::span<const std::byte> bytes) {
    source_hashes.add(tensor, begin, bytes);
  };
  for (const RegroupRound& round : job.rounds) {
    std::vector<QuantizedWeight> sources;
    for (const StoredMatrix& source : round.sources) {
      RQ_TRY(QuantizedWeight weight, read_matrix(run.checkpoint, source, seen));
      sources.push_back(std::move(weight));
    }
    for (const AssembledMatrix& matrix : round.results) {
      auto done = run_matrix(run, matrix, sources, hashes);
      if (!done && done.error().code() == ErrorCode::kInterrupted) return done;
      RQ_CHECK_IN(done, printable(run.plan.regrouping.results[matrix.result].weight.module));
    }
  }
  for (auto& [output, hash] : hashes) {
    run.records[output].sha256 = hash.hex();
    run.records[output].source_sha256 = source_hashes.of(run.plan.outputs[output].sources);
  }
  return {};
}

}  // namespace requant
