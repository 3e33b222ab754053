#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/threads.h"
#include "codec/transform.h"
#include "plan/decode_rows.h"
#include "plan/memory.h"
#include "plan/route.h"
#include "plan/verify_pair.h"

namespace requant {
namespace {

const TensorInfo* part_info(const Weight& weight, std::string_view suffix) {
  return std::ranges::find(weight.parts, suffix, [](const auto& p) { return p.first; })->second;
}

TensorSide part_of(const WeightSide& side, const std::string& suffix) {
  return {side.checkpoint, part_info(*side.weight, suffix)};
}

Result<bool> same_stored(const TensorSide& a, const TensorSide& b) {
  if (a.tensor->bytes != b.tensor->bytes) return false;
  RQ_TRY(const PieceReader left, PieceReader::open(a));
  RQ_TRY(const PieceReader right, PieceReader::open(b));
  for (std::uint64_t begin = 0; begin < a.tensor->bytes; begin += kChunkBytes) {
    const auto size = std::min<std::uint64_t>(kChunkBytes, a.tensor->bytes - begin);
    RQ_TRY(const Bytes x, left.read(begin, size));
    RQ_TRY(const Bytes y, right.read(begin, size));
    if (std::memcmp(x.data(), y.data(), size) != 0) return false;
  }
  return true;
}

// True where both sides keep codes and scales as they are, and they are the same bytes. False means
// that only decoding can tell.
Result<bool> same_as_stored(const WeightSide& a, const WeightSide& b) {
  if (a.view != nullptr || b.view != nullptr) return false;
  if (!(a.weight->scheme == b.weight->scheme) || a.weight->rows != b.weight->rows ||
      a.weight->cols != b.weight->cols) {
    return false;
  }
  const auto left = plain_parts(*a.weight);
  const auto right = plain_parts(*b.weight);
  if (!left || !right) return false;
  RQ_TRY(const bool scales, same_stored(part_of(a, left->scales), part_of(b, right->scales)));
  if (!scales) return false;
  return same_stored(part_of(a, left->codes), part_of(b, right->codes));
}

PairReport report_of(const Difference& difference) {
  PairReport report;
  if (difference.equal) return report;
  report.status = PairStatus::kDiffers;
  report.elements = difference.elements;
  report.max_relative = difference.max_relative;
  report.max_ulp = difference.max_ulp;
  report.first = difference.first;
  return report;
}

// The weight as convert would have repaired it; nothing where it needs no repair or cannot have
// one.
Result<std::optional<ZeroRowRepair>> repaired(const QuantizedWeight& weight) {
  auto repair = repair_zero_rows(weight);
  if (!repair && repair.error().code() == ErrorCode::kResource) return std::move(repair).error();
  if (!repair || repair->rows.empty()) return std::optional<ZeroRowRepair>();
  return std::optional<ZeroRowRepair>(*std::move(repair));
}

// Where only one side has factors of its inputs, they count as part of its values.
Result<void> apply_lone_multiplier(QuantizedWeight& a, QuantizedWeight& b) {
  if (a.scheme.input_multiplier == b.scheme.input_multiplier) return {};
  QuantizedWeight& multiplied = a.scheme.input_multiplier ? a : b;
  RQ_TRY(multiplied, with_multiplier_applied(multiplied, DType::kF32));
  return {};
}

PairReport as_repaired(PairReport report, std::vector<std::int64_t> rows) {
  if (report.status != PairStatus::kDiffers) report.status = PairStatus::kRepaired;
  report.repaired_rows = std::move(rows);
  return report;
}

Result<PairReport> compare_with_dense(const QuantizedWeight& weight, const TensorSide& dense,
                                      bool weight_first) {
  const DType own = dense.tensor->dtype;
  const bool rounds = own == DType::kF16 || own == DType::kBF16 || own == DType::kF32;
  const DType dtype = rounds ? own : DType::kF32;
  RQ_TRY(const PieceReader reader, PieceReader::open(dense));
  ValueTally tally(dense.tensor->shape);
  const auto width = static_cast<std::uint64_t>(info(dtype).bits / 8);
  const auto own_width = static_cast<std::uint64_t>(info(own).bits / 8);
  RQ_CHECK(decode_rows(
      weight, dtype, [&](std::uint64_t begin, std::span<const std::byte> bytes) -> Result<void> {
        const std::uint64_t elements = bytes.size() / width;
        RQ_TRY(Bytes stored, reader.read(begin / width * own_width, elements * own_width));
        if (dtype == own && std::memcmp(stored.data(), bytes.data(), bytes.size()) == 0) return {};
        RQ_TRY(Bytes decoded, Bytes::copy_of(bytes));
        const Shape run = {static_cast<std::int64_t>(elements)};
        RQ_TRY(const Tensor x, Tensor::make(dtype, run, std::move(decoded)));
        RQ_TRY(const Tensor y, Tensor::make(own, run, std::move(stored)));
        tally.add(begin / width, weight_first ? x : y, weight_first ? y : x);
        return {};
      }));
  PairReport report = tally.report();
  if (report.status == PairStatus::kExact) report.status = PairStatus::kRounded;
  return report;
}

Result<QuantizedWeight> read_side(const WeightSide& side) {
  if (side.view != nullptr) return read_view(*side.checkpoint, *side.view);
  return side.checkpoint->read(*side.weight);
}

}  // namespace

Result<PairReport> compare_weights(const WeightSide& a, const WeightSide& b) {
  RQ_TRY(const bool same, same_as_stored(a, b));
  if (same) return PairReport{};
  RQ_TRY(QuantizedWeight left, read_side(a));
  RQ_TRY(QuantizedWeight right, read_side(b));
  RQ_CHECK(apply_lone_multiplier(left, right));
  RQ_TRY(const Difference difference, compare(left, right));
  if (difference.equal) return PairReport{};
  RQ_TRY(const auto left_repair, repaired(left));
  RQ_TRY(const auto right_repair, repaired(right));
  if (!left_repair && !right_repair) return report_of(difference);
  RQ_TRY(const Difference after, compare(left_repair ? left_repair->weight : left,
                                         right_repair ? right_repair->weight : right));
  return as_repaired(report_of(after), left_repair ? left_repair->rows : right_repair->rows);
}

Result<PairReport> compare_decoded(const WeightSide& weight, const TensorSide& dense,
                                   bool weight_first) {
  const Shape shape = {weight.weight->rows, weight.weight->cols};
  if (dense.tensor->shape != shape || info(dense.tensor->dtype).bits < 8) {
    PairReport report;
    report.status = PairStatus::kDiffers;
    report.first = fmt::format("{} against {} {}", to_string(shape), name_of(dense.tensor->dtype),
                               to_string(dense.tensor->shape));
    return report;
  }
  RQ_TRY(QuantizedWeight decoded, read_side(weight));
  if (decoded.scheme.input_multiplier) {
    const DType own = dense.tensor->dtype;
    RQ_TRY(decoded, with_multiplier_applied(decoded, is_half_or_single(own) ? own : DType::kF32));
  }
  RQ_TRY(const auto repair, repaired(decoded));
  if (repair) {
    RQ_TRY(PairReport report, compare_with_dense(repair->weight, dense, weight_first));
    return as_repaired(std::move(report), repair->rows);
  }
  return compare_with_dense(decoded, dense, weight_first);
}

}  // namespace requant
