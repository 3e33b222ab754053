#include "requant/fix.h"

#include <utility>

#include "base/json.h"
#include "base/threads.h"
#include "fix/fix.h"

namespace requant {
namespace {

Json json_of(const Finding& finding) {
  return Json::object({{"severity", name_of(finding.severity)},
                       {"rule", finding.rule},
                       {"where", finding.where},
                       {"message", finding.message},
                       {"repair", finding.repair}});
}

Json json_of(const FixEdit& edit) {
  return Json::object({{"file", edit.file},
                       {"key", edit.key},
                       {"before", edit.before.empty() ? Json() : Json(edit.before)},
                       {"after", edit.after.empty() ? Json() : Json(edit.after)}});
}

template <class Item>
Json list_of(const std::vector<Item>& items) {
  Json list = Json::array();
  for (const Item& item : items) list.append(json_of(item));
  return list;
}

}  // namespace

Result<FixReport> fix(const FixRequest& request) {
  return or_out_of_memory([&]() -> Result<FixReport> {
    if (request.in_place && !request.out.empty()) {
      return usage("either -o OUT or --in-place, not both");
    }
    RQ_TRY(FixPlan plan, plan_fix(request.input, {.nest = request.nest}));
    FixReport report;
    report.input = request.input;
    if (request.in_place) {
      RQ_CHECK(fix_in_place(request.input, plan));
      report.written = request.input;
    } else if (!request.out.empty()) {
      RQ_CHECK(write_fixed(request.input, plan, request.out));
      report.written = request.out;
    }
    for (Edit& edit : plan.edits) {
      report.edits.push_back({std::move(edit.file), std::move(edit.key), std::move(edit.before),
                              std::move(edit.after)});
    }
    report.answered = std::move(plan.answered);
    report.left = std::move(plan.left);
    return report;
  });
}

std::string to_json(const FixReport& report) {
  Json json =
      Json::object({{"schema", "requant/fix/1"},
                    {"input", report.input.string()},
                    {"written", report.written.empty() ? Json() : Json(report.written.string())}});
  json.set("edits", list_of(report.edits));
  json.set("answered", list_of(report.answered));
  json.set("left", list_of(report.left));
  return json.dump(2) + "\n";
}

}  // namespace requant
