#pragma once

#include "requant/report.h"

namespace requant::testing_support {

// A report's text. REQUIRES: a form of that name.
inline std::string rendered(std::string_view form, const ReportSubject& subject) {
  for (const ReportForm* known : report_forms()) {
    if (known->name == form) return known->render(subject);
  }
  return "";
}

inline Finding finding(Severity severity, std::string rule, std::string where,
                       std::string message) {
  Finding result;
  result.severity = severity;
  result.rule = std::move(rule);
  result.where = std::move(where);
  result.message = std::move(message);
  return result;
}

inline InspectGroup group(std::vector<std::string> names, std::string scheme, bool quantised) {
  InspectGroup result;
  result.modules = names.front();
  result.count = names.size();
  result.names = std::move(names);
  result.role = "linear";
  result.quantised = quantised;
  result.scheme = std::move(scheme);
  result.activations = "none";
  result.shape = {64, 64};
  result.elements = result.count * 4096;
  result.bytes = result.elements * (quantised ? 1 : 2);
  return result;
}

}  // namespace requant::testing_support
