#pragma once

#include <string>
#include <vector>

#include "requant/report.h"

namespace requant {

// What all forms tell, without what only people read ("edit.*": what editing by hand would do).
std::vector<Finding> findings_of(const ReportSubject& subject);

// The file that a finding is about, as a path or address from where the source was named:
// where + "config.json". A tensor is in the weight file, or in the index of several.
std::string file_of(const ReportSubject& subject, const Finding& finding);

// Message, expected, observed, why and repair, one a line.
std::string text_of(const Finding& finding);

// "vllm 0.7.3: no: it does not load it"; empty where nothing was checked.
std::string verdict_text(const ReportSubject& subject);

bool is_edit(const Finding& finding);

}  // namespace requant
