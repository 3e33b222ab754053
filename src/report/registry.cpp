#include <array>

#include "requant/report.h"

namespace requant {

#define ENTRY(id) extern const ReportForm k_report_##id;
#include "reports.def"
#undef ENTRY

std::span<const ReportForm* const> report_forms() {
  static constexpr auto kForms = std::to_array<const ReportForm*>({
#define ENTRY(id) &k_report_##id,
#include "reports.def"
#undef ENTRY
  });
  return kForms;
}

}  // namespace requant
