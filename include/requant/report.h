#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "requant/check.h"
#include "requant/inspect.h"

namespace requant {

// What a report is about. What is null is left out.
struct ReportSubject {
  std::filesystem::path source;  // the folder, file or address, as it was given
  const Inspection* inspection = nullptr;
  const CheckResult* check = nullptr;   // of one engine
  const CheckMatrix* matrix = nullptr;  // of all
};

// One form of report.
struct ReportForm {
  std::string_view name;  // "sarif": the option that asks for it
  std::string_view summary;
  bool to_file = true;  // false: lines among a program's other output
  // Only the web page shows schemes; the other forms need no inspection where there is a check.
  bool wants_inspection = false;
  std::string (*render)(const ReportSubject& subject);
};

// Those that this build knows.
std::span<const ReportForm* const> report_forms();

}  // namespace requant
